"""Every reader test of a text format runs through both engines."""

from importlib.util import find_spec

import pytest

from minirec.data import parquet, readers


@pytest.fixture(params=["duckdb", "plain"])
def engine(request, monkeypatch):
    if request.param == "duckdb" and find_spec("duckdb") is None:
        pytest.skip("DuckDB is not installed")
    for module in (readers, parquet):
        monkeypatch.setattr(module, "has_duckdb", lambda: request.param == "duckdb")
    return request.param

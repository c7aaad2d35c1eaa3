"""Every reader test of a text format runs through all engines; the compiled one leaves to the plain one what is not for it."""

from importlib.util import find_spec

import pytest

from minirec.data.reading import csv_compiled, parquet, readers
from minirec.engine.backend import resolve


@pytest.fixture(params=["duckdb", "plain", "compiled"])
def engine(request, monkeypatch):
    if request.param == "duckdb" and find_spec("duckdb") is None:
        pytest.skip("DuckDB is not installed")
    if request.param == "compiled" and resolve() != "numba":
        pytest.skip("the kernels are not compiled")
    for module in (readers, parquet):
        monkeypatch.setattr(module, "has_duckdb", lambda: request.param == "duckdb")
    if request.param == "compiled":
        monkeypatch.setattr(csv_compiled, "SMALLEST", 0)
        monkeypatch.setattr(csv_compiled, "_BLOCK", 64)
    return request.param

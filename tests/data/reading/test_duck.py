"""The door to DuckDB."""

import os
import sys

import pytest

import minirec
from minirec.data.reading import duck
from minirec.errors import MemoryBudgetError, MissingExtraError


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingExtraError, match=r"minirec\[io\]"), duck.connect():
        pass


def test_threads_time_zone_and_no_network():
    pytest.importorskip("duckdb")
    names = ("threads", "TimeZone", "autoinstall_known_extensions", "autoload_known_extensions", "memory_limit")
    with minirec.options(threads=1, memory="1GiB"), duck.connect() as connection:
        found = [str(connection.execute(f"SELECT current_setting('{name}')").fetchone()[0]) for name in names]
    assert found == ["1", "UTC", "False", "False", "1.0 GiB"]
    with minirec.options(threads=100_000), duck.connect() as connection:
        assert int(connection.execute("SELECT current_setting('threads')").fetchone()[0]) <= (os.cpu_count() or 1)
    with (
        minirec.options(memory="20MB"),
        pytest.raises(MemoryBudgetError, match=r"at least 67 MB and the budget .* is 20\.0 MB"),
        duck.connect(),
    ):
        pass
    assert duck.quoted('a"b') == '"a""b"'

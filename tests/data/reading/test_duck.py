"""The door to DuckDB."""

import sys

import pytest

import minirec
from minirec.data.reading import duck
from minirec.errors import MissingExtraError


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingExtraError, match=r"minirec\[io\]"):
        duck.connect()


def test_threads_time_zone_and_no_network():
    pytest.importorskip("duckdb")
    with minirec.options(threads=1):
        connection = duck.connect()
    names = ("threads", "TimeZone", "autoinstall_known_extensions", "autoload_known_extensions")
    found = [str(connection.execute(f"SELECT current_setting('{name}')").fetchone()[0]) for name in names]
    assert found == ["1", "UTC", "False", "False"]
    assert duck.quoted('a"b') == '"a""b"'

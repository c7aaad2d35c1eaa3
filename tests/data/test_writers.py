"""Files appear whole or not at all, and read back as they were written."""

import sys

import numpy as np
import pytest

from minirec.data import writers
from minirec.data.reading.readers import read
from minirec.data.writers import write_csv, write_parquet
from minirec.errors import DataError, MissingExtraError
from minirec.files import atomic_path

COLUMNS = {"user": [1, 2, 2], "item": ["a", 'b,"\u00e9', "3"], "weight": np.array([0.1, 1e-30, 3], np.float32), "note": [1, "x", None]}


def test_atomic_path_replaces_on_success_and_leaves_nothing_on_failure(tmp_path):
    target = tmp_path / "new" / "file.txt"
    with atomic_path(target) as draft:
        draft.write_text("one")
        assert not target.exists()
    assert target.read_text() == "one"

    def interrupted():
        with atomic_path(target) as draft:
            draft.write_text("two")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_text() == "one"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_csv(tmp_path):
    write_csv(tmp_path / "a.csv", COLUMNS)
    data = read(tmp_path / "a.csv")
    assert data.items.ids(data.item) == COLUMNS["item"]
    assert data.weight.tolist() == COLUMNS["weight"].tolist()


def test_parquet_by_duckdb(tmp_path):
    pytest.importorskip("duckdb")
    check_parquet(tmp_path / "it's.parquet")


def test_parquet_by_pyarrow(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(writers, "has_duckdb", lambda: False)
    check_parquet(tmp_path / "a.parquet")


def check_parquet(path):
    write_parquet(path, COLUMNS)
    data = read(path, item_text="note")
    assert data.items.ids(data.item) == COLUMNS["item"]
    assert data.weight.tolist() == COLUMNS["weight"].tolist()
    write_parquet(path, {"user": [], "item": []})
    with pytest.raises(DataError, match="no usable events"):
        read(path)


def test_parquet_needs_an_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(writers, "has_duckdb", lambda: False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"minirec\[io\]"):
        write_parquet(tmp_path / "a.parquet", COLUMNS)


@pytest.mark.parametrize("columns", [{}, {"a": [1], "b": [1, 2]}])
def test_columns_of_unequal_length(tmp_path, columns):
    with pytest.raises(DataError, match="equal length"):
        write_csv(tmp_path / "a.csv", columns)
    assert not list(tmp_path.iterdir())

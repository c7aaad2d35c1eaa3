"""The table of sources: each case gives the exact data set, or the exact error, through every engine that can read it."""

import importlib
import sqlite3
import warnings

import numpy as np
import pytest
from cases import Case

from minirec.data.reading.readers import read, read_with_account
from minirec.errors import DataWarning, MinirecError

MODULES = [importlib.import_module(name) for name in ("cases_times", "cases_ids", "cases_files", "cases_nested")]
FILES = {name: case for module in MODULES for name, case in module.CASES.items()}
TABLES = {name: case for module in MODULES for name, case in getattr(module, "TABLES", {}).items()}


def test_the_table_is_large_enough():
    assert len(FILES) + len(TABLES) >= 150
    assert sum(len(module.CASES) for module in MODULES) == len(FILES)


@pytest.mark.parametrize("name", FILES)
def test_files(tmp_path, engine, name):
    case = FILES[name]
    if isinstance(case.content, dict):
        for file, content in case.content.items():
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_bytes(content.encode() if isinstance(content, str) else content)
    else:
        (tmp_path / case.name).write_bytes(case.content.encode() if isinstance(case.content, str) else case.content)
    settings = {key: tmp_path / value[5:] if str(value).startswith("path:") else value for key, value in case.settings.items()}
    check(case, tmp_path / case.name, settings)


@pytest.mark.parametrize("form", ["dict", "pandas", "polars", "arrow", "lazy", "relation", "batch", "parquet", "sqlite"])
@pytest.mark.parametrize("name", TABLES)
def test_tables(tmp_path, name, form, monkeypatch):
    case = TABLES[name]
    check(case, *FORMS[form](case.content, tmp_path), name=name)


@pytest.mark.parametrize("name", TABLES)
def test_tables_as_parquet_without_duckdb(tmp_path, name, monkeypatch):
    from minirec.data.reading import parquet, readers

    for module in (readers, parquet):
        monkeypatch.setattr(module, "has_duckdb", lambda: False)
    check(TABLES[name], *FORMS["parquet"](TABLES[name].content, tmp_path))


def check(case: Case, source, settings=None, name=""):
    settings = {**case.settings, **(settings or {})}
    if isinstance(case.rows, str):
        with pytest.raises(MinirecError, match=f"(?s){case.rows}"):
            read_with_account(source, **settings)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data, account = read_with_account(source, **settings)
    columns = [data.users.ids(data.user), data.items.ids(data.item)]
    columns += [column.tolist() for column in (data.weight, data.time) if column is not None]
    assert list(zip(*columns, strict=True)) == case.rows
    assert data.time is None or data.time_unit == case.unit
    assert case.kinds is None or data.kinds == case.kinds
    assert {entry.reason: entry.count for entry in account.entries} == case.removed
    assert account.events_in - account.total() == account.events_out == len(data)
    text = str(account)
    assert all(words in text for words in case.notes)
    assert not any(words in text for words in case.quiet)
    for side, found, index in (("features", data.item_features, data.items), ("user_features", data.user_features, data.users)):
        assert list(found) == list(getattr(case, side))
        for label, values in getattr(case, side).items():
            expected = [values[key] for key in index]
            np.testing.assert_array_equal(found[label], np.array(expected, found[label].dtype))
    if case.warns:
        with pytest.warns(DataWarning, match=f"(?s){case.warns}"):
            read(source, **settings)


def _pandas(content):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({name: list(values) if isinstance(values, list) else values for name, values in content.items()})


def _polars(content):
    return pytest.importorskip("polars").DataFrame(content)


def _arrow(content):
    return pytest.importorskip("pyarrow").table(
        {name: list(values) if isinstance(values, list) else values for name, values in content.items()}
    )


def _batch(content):
    return _arrow(content).to_batches()[0]


def _relation(content):
    duckdb = pytest.importorskip("duckdb")
    return duckdb.from_arrow(_arrow(content))


def _parquet(content, folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(_arrow(content), folder / "t.bin")
    return folder / "t.bin", {}


def _sqlite(content, folder):
    if any(isinstance(values, np.ndarray) and (values.dtype.kind in "Mb" or values.dtype == np.uint64) for values in content.values()):
        pytest.skip("SQLite has no such type")
    with sqlite3.connect(folder / "t.bin") as connection:
        connection.execute(f"create table t ({', '.join(content)})")
        rows = zip(*(values.tolist() if isinstance(values, np.ndarray) else values for values in content.values()), strict=True)
        connection.executemany(f"insert into t values ({', '.join('?' * len(content))})", list(rows))
    connection.close()
    return folder / "t.bin", {"query": "select * from t"}


FORMS = {
    "dict": lambda content, _: (content, {}),
    "pandas": lambda content, _: (_pandas(content), {}),
    "polars": lambda content, _: (_polars(content), {}),
    "lazy": lambda content, _: (_polars(content).lazy(), {}),
    "arrow": lambda content, _: (_arrow(content), {}),
    "batch": lambda content, _: (_batch(content), {}),
    "relation": lambda content, _: (_relation(content), {}),
    "parquet": _parquet,
    "sqlite": _sqlite,
}

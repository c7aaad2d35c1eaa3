"""Writing tables to CSV, Parquet, JSON and SQLite files: whole or not at all."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, MissingExtraError, ParameterError
from ..files import atomic_path
from .reading.duck import connect, has_duckdb, literal, quoted

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet computes


def write_csv(path: str | Path, columns: Mapping[str, Sequence[Any]], *, guard: bool = False) -> None:
    """Write columns of equal length as CSV in UTF-8, with a header; atomic. Floats are written so that they read back exactly.

    guard : texts that begin with `=`, `+`, `-`, `@`, a tab or a carriage return get an apostrophe in front, so that a spreadsheet shows
    them and computes nothing. They no longer read back as they were, which is why it is not the default.
    """
    rows = _lists(columns)
    if guard:
        rows = [[f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell for cell in row] for row in rows]
    with atomic_path(path) as draft, open(draft, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*rows, strict=True))


def write_parquet(path: str | Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write columns of equal length as Parquet, atomic; through DuckDB, else pyarrow. MissingExtraError where there is neither."""
    lists = _lists(columns)
    arrays = {name: _array(values) for name, values in zip(columns, lists, strict=True)}
    if has_duckdb():
        _write_parquet_duckdb(path, arrays)
        return
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("duckdb", "io", "writing Parquet") from None
    with atomic_path(path) as draft:
        parquet.write_table(pyarrow.table({name: pyarrow.array(values) for name, values in arrays.items()}), draft)


def _write_parquet_duckdb(path: str | Path, arrays: dict[str, Any]) -> None:
    numbered = {f"c{at}": values for at, values in enumerate(arrays.values())}  # noqa: F841 (DuckDB finds it by its name)
    names = ", ".join(f"c{at} AS {quoted(name)}" for at, name in enumerate(arrays))
    with connect(purpose="writing") as connection, atomic_path(path) as draft, _failure_told(path):
        connection.execute(f"COPY (SELECT {names} FROM numbered) TO {literal(str(draft))} (FORMAT parquet)")


@contextmanager
def _failure_told(path: str | Path) -> Iterator[None]:
    """A full disk and the like, as DuckDB says it, in an error of the operating system's kind."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise OSError(f"{path} cannot be written: {error}") from error


def _lists(columns: Mapping[str, Sequence[Any]]) -> list[list[Any]]:
    lists = [list(values.tolist() if isinstance(values, np.ndarray) else values) for values in columns.values()]
    if not lists or len({len(values) for values in lists}) > 1:
        raise DataError(f"columns of equal length are needed, got {dict(zip(columns, map(len, lists), strict=True))}")
    return lists


def _array(values: list[Any]) -> Any:
    """Integers, floats or booleans as they are; anything else (mixed ids, too) as text."""
    if all(isinstance(value, (int, float)) for value in values):
        return np.array(values) if values else np.zeros(0)
    return np.array([str(value) for value in values], dtype=np.str_)


def write_json(path: str | Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write columns of equal length as a JSON list with one object a row, UTF-8; atomic."""
    rows = zip(*_lists(columns), strict=True)
    with atomic_path(path) as draft, open(draft, "w", encoding="utf-8") as file:
        lines = [json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False, default=str) for row in rows]
        file.write("[\n" + ",\n".join(lines) + "\n]\n")


def write_sqlite(path: str | Path, columns: Mapping[str, Sequence[Any]], table: str = "recommendations") -> None:
    """Write columns of equal length as a table of a new SQLite file, with an index on the first column; atomic."""
    names = ['"' + name.replace('"', '""') + '"' for name in columns]
    with atomic_path(path) as draft, closing(sqlite3.connect(draft)) as connection, connection:
        connection.execute(f'CREATE TABLE "{table}" ({", ".join(names)})')
        connection.executemany(f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(names))})', zip(*_lists(columns), strict=True))
        connection.execute(f'CREATE INDEX "{table}_first" ON "{table}" ({names[0]})')


WRITERS = {
    ".csv": write_csv, ".parquet": write_parquet, ".json": write_json,
    ".sqlite": write_sqlite, ".sqlite3": write_sqlite, ".db": write_sqlite,
}  # fmt: skip


def write_table(path: str | Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write columns to a file whose name tells the format: .csv, .parquet, .json, .sqlite or .db; ParameterError for others."""
    writer = WRITERS.get(Path(path).suffix.lower())
    if writer is None:
        raise ParameterError(f"{path}: the name must end in one of {', '.join(WRITERS)}")
    writer(path, columns)

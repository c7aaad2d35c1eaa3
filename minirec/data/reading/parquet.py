"""Columns of Parquet files: through DuckDB, else pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError, MissingExtraError
from .duck import Column, connect, duckdb_error, file_name, has_duckdb, quoted, raise_limits
from .opening import kind_of
from .tables import column_of


def parquet_schema(path: Path) -> list[tuple[str, str]]:
    """Names and types (in the words of the engine) of the columns."""
    kind_of(path)  # a missing file is said here
    if has_duckdb():
        with _duckdb(path, "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning=false)") as found:
            return [(str(name), str(kind)) for name, kind, *_ in found.fetchall()]
    pyarrow, parquet = _pyarrow()
    try:
        schema = parquet.read_schema(path)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from None
    return [(str(name), str(kind)) for name, kind in zip(schema.names, schema.types, strict=True)]


def parquet_columns(path: Path, names: Sequence[str]) -> dict[str, Column]:
    """Columns in the order of the file; one with missing entries is a masked array."""
    if has_duckdb():
        with _duckdb(path, f"SELECT {', '.join(map(quoted, names))} FROM read_parquet(?, hive_partitioning=false)") as found:
            fetched: dict[str, Column] = found.fetchnumpy()
        return fetched
    pyarrow, parquet = _pyarrow()
    try:
        table = parquet.read_table(path, columns=list(names))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from None
    columns: dict[str, Column] = {}
    for name in names:
        values, missing = column_of(table.column(name))
        columns[name] = np.asarray(values) if missing is None or not missing.any() else np.ma.masked_array(values, missing)
    return columns


@contextmanager
def _duckdb(path: Path, query: str) -> Iterator[Any]:
    with connect() as connection:
        try:
            yield connection.execute(query, [file_name(path)])
        except duckdb_error() as error:
            raise_limits(error)
            raise DataError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from None


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("duckdb", "io", "reading Parquet") from None
    return pyarrow, parquet

"""Columns of Parquet files: through DuckDB, else pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError, MissingExtraError
from .duck import Column, connect, duckdb_error, has_duckdb, quoted
from .tables import column_of
from .textfile import open_binary


def parquet_schema(path: Path) -> list[tuple[str, str]]:
    """Names and types (in the words of the engine) of the columns."""
    open_binary(path).close()  # a missing file is said here
    if has_duckdb():
        return [(str(name), str(kind)) for name, kind, *_ in _duckdb(path, "DESCRIBE SELECT * FROM read_parquet(?)").fetchall()]
    pyarrow, parquet = _pyarrow()
    try:
        schema = parquet.read_schema(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from None
    return [(str(name), str(kind)) for name, kind in zip(schema.names, schema.types, strict=True)]


def parquet_columns(path: Path, names: Sequence[str]) -> dict[str, Column]:
    """Columns in the order of the file; one with missing entries is a masked array."""
    if has_duckdb():
        fetched: dict[str, Column] = _duckdb(path, f"SELECT {', '.join(map(quoted, names))} FROM read_parquet(?)").fetchnumpy()
        return fetched
    pyarrow, parquet = _pyarrow()
    try:
        table = parquet.read_table(path, columns=list(names))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from None
    columns: dict[str, Column] = {}
    for name in names:
        values, missing = column_of(table.column(name))
        columns[name] = np.asarray(values) if missing is None or not missing.any() else np.ma.masked_array(values, missing)
    return columns


def _duckdb(path: Path, query: str) -> Any:
    try:
        return connect().execute(query, [str(path)])
    except duckdb_error() as error:
        raise DataError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from None


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("duckdb", "io", "reading Parquet") from None
    return pyarrow, parquet

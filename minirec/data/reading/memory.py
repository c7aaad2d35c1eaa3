"""Whatever holds events in memory, as a table that `tables.py` reads: frames of any library, matrices, lists of rows, databases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from itertools import islice
from typing import Any

import numpy as np

from ...errors import DataError, ParameterError
from .tables import column_names

_NAMES = ("user", "item", "weight", "time")


def as_table(source: Any) -> Any:
    """A table with named columns for any source in memory; DataError, with what to pass, where it is none.

    Tables of pandas, polars and Arrow, and dictionaries of columns, stay as they are. A lazy frame is collected, a relation or a
    reader of record batches is read. A SciPy matrix gives its entries: users are its rows, items its columns. Rows of two to four
    values give user, item, weight and time; dictionaries, one an event, give columns by name.
    """
    kind = f"{type(source).__module__.split('.')[0]}.{type(source).__name__}"
    if kind == "polars.LazyFrame":
        return source.collect()
    if kind in ("duckdb.DuckDBPyRelation", "_duckdb.DuckDBPyRelation"):
        return dict(zip(source.columns, (column for column in source.fetchnumpy().values()), strict=True))
    if kind == "pyarrow.RecordBatch":
        return _through_arrow(source)
    if kind == "pyarrow.RecordBatchReader":
        return source.read_all()
    if hasattr(source, "tocoo") and hasattr(source, "nnz"):
        return _entries(source)
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if column_names(source) is not None:
        return source
    if hasattr(source, "__arrow_c_stream__") and not isinstance(source, Iterable):
        return _through_arrow(source)
    if hasattr(source, "__iter__") and not isinstance(source, (str, bytes, bytearray)):
        return _from_rows(list(source))
    raise DataError(
        f"cannot read a {type(source).__name__}: pass a path, a table (pandas, polars, Arrow, a dictionary of columns), a SciPy matrix, "
        "rows of (user, item, weight, time), or a database connection with query="
    )


def _entries(matrix: Any) -> dict[str, Any]:
    """The entries of a sparse matrix; stored zeros are none."""
    if len(matrix.shape) != 2:
        raise DataError(f"a matrix of users x items has two dimensions, got shape {matrix.shape}")
    entries = matrix.tocoo()
    if entries.data.dtype.kind not in "fiub":
        raise DataError(f"a matrix of users x items holds numbers, got {entries.data.dtype}")
    row, column = (getattr(entries, "row", None), getattr(entries, "col", None))
    there = entries.data != 0
    return {"user": np.asarray(row)[there], "item": np.asarray(column)[there], "weight": entries.data[there]}


def _from_array(array: Any) -> dict[str, Any]:
    if array.dtype.names:
        return {name: array[name] for name in array.dtype.names}
    raise DataError(
        f"an array of shape {array.shape} could be triples or a matrix: pass a dictionary of its columns, {{'user': array[:, 0], ...}}, or "
        "scipy.sparse.csr_array(array) for a matrix of users x items"
    )


def _from_rows(rows: list[Any]) -> dict[str, Any]:
    if not rows:
        raise DataError("there are no events in an empty list")
    if all(isinstance(row, Mapping) for row in rows):
        names = dict.fromkeys(str(name) for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in names}
    width = len(rows[0]) if hasattr(rows[0], "__len__") and not isinstance(rows[0], (str, bytes)) else 0
    for at, row in enumerate(rows):
        if isinstance(row, (str, bytes)) or not hasattr(row, "__len__") or len(row) != width or not 2 <= width <= 4:
            raise DataError(f"row {at} is {row!r:.80}: events are rows of (user, item), (user, item, weight) or (user, item, weight, time)")
    return _named([list(column) for column in zip(*rows, strict=True)])


def _named(columns: list[Any]) -> dict[str, Any]:
    names = list(_NAMES[: len(columns)])
    if len(columns) == 3 and all(_is_time(value) for value in islice(columns[2], 1000)):
        names[2] = "time"
    return dict(zip(names, columns, strict=True))


def _is_time(value: Any) -> bool:
    return isinstance(value, (date, np.datetime64))


def _through_arrow(source: Any) -> Any:
    try:
        import pyarrow
    except ImportError:
        raise DataError(f"reading a {type(source).__name__} needs the package pyarrow; or pass a dictionary of its columns") from None
    return pyarrow.Table.from_batches([source]) if isinstance(source, pyarrow.RecordBatch) else pyarrow.table(source)


def query_result(source: Any, query: Any, where: str) -> tuple[list[str], list[list[Any]]] | None:
    """The result of a query over an SQLAlchemy engine, connection, session or address; None for what is none of these."""
    if isinstance(source, str) and "://" in source:
        try:
            import sqlalchemy
        except ImportError:
            raise DataError(f"{source}: a query over an address needs the package sqlalchemy; or pass a DB-API connection") from None
        source = sqlalchemy.create_engine(source)
    if not type(source).__module__.startswith("sqlalchemy"):
        return None
    if "Async" in type(source).__name__:
        raise ParameterError("an asynchronous engine cannot be read here: pass a synchronous one")
    import sqlalchemy

    statement = sqlalchemy.text(query) if isinstance(query, str) else query
    try:
        if isinstance(source, sqlalchemy.engine.Engine):
            with source.connect() as connection:
                return _rows_of(connection.execute(statement), where)
        return _rows_of(source.execute(statement), where)
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise DataError(f"{where}: the query failed: {error}") from error


def _rows_of(result: Any, where: str) -> tuple[list[str], list[list[Any]]]:
    if not result.returns_rows:
        raise DataError(f"{where}: the query returns no columns; a SELECT is needed")
    names = [str(name) for name in result.keys()]  # noqa: SIM118 (a result of SQLAlchemy is no dictionary)
    rows = result.fetchall()
    return names, [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in names]

"""Tables in memory (pandas, polars, Arrow, dictionaries of arrays) by duck typing, and databases by query."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from .raw import (
    Bools,
    Ids,
    Numbers,
    RawEvents,
    Times,
    ids_from_array,
    ids_from_objects,
    numbers_from_array,
    numbers_from_objects,
    times_from_array,
    times_from_objects,
)

Column = tuple[NDArray[Any] | Sequence[Any], Bools | None]


def column_names(source: Any) -> list[str] | None:
    """The names of the columns of a table; None if the object is no table that we know."""
    if isinstance(source, Mapping):
        return [str(name) for name in source]
    names = getattr(source, "column_names", None)
    if names is None:
        names = getattr(source, "columns", None)
    if names is None or not hasattr(source, "__getitem__"):
        return None
    return [str(name) for name in names]


def read_table(source: Any, roles: dict[str, int], text: dict[str, int], where: str) -> RawEvents:
    """The picked columns of a table as `column_names` knows it."""
    columns = {role: column_of(take_column(source, at)) for role, at in roles.items()}
    lengths = {role: len(values) for role, (values, _) in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{where}: columns differ in length: {lengths}")
    return from_columns(columns, {name: column_of(take_column(source, at)) for name, at in text.items()}, where)


def table_columns(source: Any, names: list[str]) -> list[Sequence[Any]]:
    """All columns of a table as lists; None where an entry is missing."""
    columns = [column_of(take_column(source, at)) for at in range(len(names))]
    return [
        [None if gap else value for value, gap in zip(list(values), [False] * len(values) if missing is None else missing, strict=True)]
        for values, missing in columns
    ]


def take_column(source: Any, at: int) -> Any:
    """The column at a position of a table as `column_names` knows it."""
    if hasattr(source, "column_names"):  # Arrow
        return source.column(at)
    if hasattr(source, "iloc"):  # pandas, where names may stand twice
        return source.iloc[:, at]
    return source[list(source if isinstance(source, Mapping) else source.columns)[at]]


def from_columns(columns: Mapping[str, Column], text: Mapping[str, Column], where: str) -> RawEvents:
    """Raw events from columns that are either a NumPy array with its missing entries, or Python objects."""
    weight, time, kind = columns.get("weight"), columns.get("time"), columns.get("kind")
    return RawEvents(
        _ids(columns["user"], f"{where}: user id"),
        _ids(columns["item"], f"{where}: item id"),
        None if weight is None else _weights(weight),
        None if time is None else _times(time),
        None if kind is None else _ids(_as_strings(kind), f"{where}: kind"),
        {name: _ids(_as_strings(column), name) for name, column in text.items()},
        where,
        typed=True,
    )


def _ids(column: Column, what: str) -> Ids:
    values, missing = column
    if isinstance(values, np.ndarray) and missing is not None:
        return ids_from_array(values, missing, what)
    return ids_from_objects(list(values), what)


def _weights(column: Column) -> Numbers:
    values, missing = column
    if isinstance(values, np.ndarray) and missing is not None:
        return numbers_from_array(values, missing)
    return numbers_from_objects(list(values))


def _times(column: Column) -> Times | Ids:
    values, missing = column
    if isinstance(values, np.ndarray) and missing is not None:
        return times_from_array(values, missing)
    return times_from_objects(list(values))


def _as_strings(column: Column) -> Column:
    values, missing = column
    gaps = np.zeros(len(values), bool) if missing is None else missing
    return [None if gap or value is None or value != value else str(value) for value, gap in zip(list(values), gaps, strict=True)], None


def column_of(column: Any) -> Column:
    """A column as a NumPy array and what is missing in it. Categories and nullable types are taken apart; NaN counts as missing."""
    if isinstance(column, (list, tuple)):
        return list(column), None
    if isinstance(column, np.ndarray):
        missing = np.ma.getmaskarray(column).copy() if isinstance(column, np.ma.MaskedArray) else np.zeros(len(column), bool)
        values = np.ma.getdata(column)
    elif hasattr(column, "drop_null"):  # Arrow
        missing = np.asarray(column.is_null().to_pylist(), bool)
        dense = column.drop_null()
        if hasattr(dense.type, "index_type"):  # dictionary-encoded
            dense = dense.cast(dense.type.value_type)
        values = _spread(np.asarray(dense.to_numpy()), missing)
    elif hasattr(column, "drop_nulls"):  # polars
        missing = np.asarray(column.is_null().to_list(), bool)
        values = _spread(np.asarray(column.drop_nulls().to_numpy()), missing)
    elif not hasattr(column, "isna"):
        if isinstance(column, (str, bytes, set, frozenset, Mapping)) or not hasattr(column, "__iter__"):
            raise DataError(f"a column is a list or an array, got a {type(column).__name__}")
        return list(column), None
    else:  # pandas
        missing = np.asarray(column.isna(), bool)
        dense = column[~missing]
        if getattr(dense.dtype, "tz", None) is not None:
            dense = dense.dt.tz_convert("UTC").dt.tz_localize(None)
        values = _spread(np.asarray(dense.to_numpy() if hasattr(dense, "to_numpy") else dense), missing)
    if values.ndim != 1:
        raise DataError(f"a column must be one-dimensional, got shape {values.shape}")
    return values, missing


def _spread(dense: NDArray[Any], missing: Bools) -> NDArray[Any]:
    """The present values at their places; the gaps hold any value."""
    if not missing.any():
        return dense
    values = np.zeros(len(missing), dense.dtype)
    values[~missing] = dense
    return values


def query_columns(source: Any, query: str, where: str) -> tuple[list[str], list[list[Any]]]:
    """The result of a query over a DB-API connection: column names, and the columns as Python objects."""
    cursor = source.cursor()
    try:
        try:
            cursor.execute(query)
            described = cursor.description
            rows = cursor.fetchall()
        except Exception as error:  # every driver has its own classes; DB-API names no common base at run time
            raise DataError(f"{where}: the query failed: {error}") from error
        if not described:
            raise DataError(f"{where}: the query returns no columns; a SELECT is needed")
        names = [str(entry[0]) for entry in described]
        return names, [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in names]
    finally:
        cursor.close()


def query_sqlite(path: Path, query: str) -> tuple[list[str], list[list[Any]]]:
    """The result of a query over an SQLite file, which is opened for reading only."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA schema_version")  # a file of another kind is noticed by the first read only
            return query_columns(connection, query, str(path))
    except sqlite3.Error as error:
        raise DataError(f"{path}: {error}") from None

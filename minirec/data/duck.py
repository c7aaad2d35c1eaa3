"""DuckDB, where it is installed: connections that use our threads and never reach for the network."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, MissingExtraError
from ..options import thread_count

Column = NDArray[Any]


def has_duckdb() -> bool:
    """Whether the package is installed (it is not imported here)."""
    return find_spec("duckdb") is not None


def connect() -> Any:
    """An in-memory connection; extensions are neither fetched nor loaded."""
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError("duckdb", "io", "reading this format") from None
    config = {
        "threads": thread_count(),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "preserve_insertion_order": "true",
    }
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET TimeZone = 'UTC'")  # a time without a zone means the same on every machine
    return connection


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def parquet_columns(path: str | Path, columns: Sequence[str]) -> dict[str, Column]:
    """Columns of a Parquet file in file order: DuckDB, else pyarrow. A nullable column comes as a masked array."""
    if has_duckdb():
        connection = connect()
        try:
            selected = ", ".join(quoted(name) for name in columns)
            fetched: dict[str, Column] = connection.execute(f"SELECT {selected} FROM read_parquet(?)", [str(path)]).fetchnumpy()
            return fetched
        except duckdb_error() as error:
            raise DataError(f"{path}: {error}") from None
        finally:
            connection.close()
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("duckdb", "io", "reading Parquet") from None
    table = parquet.read_table(path, columns=list(columns))
    return {name: masked(table.column(name)) for name in columns}


def masked(column: Any) -> Column:
    """An Arrow column as a NumPy array; missing entries are masked."""
    missing = column.is_null().to_numpy(zero_copy_only=False) if hasattr(column.is_null(), "to_numpy") else np.asarray(column.is_null())
    if not missing.any():
        return np.asarray(column.to_numpy())
    values = column.to_pylist()
    kind = object if any(isinstance(v, str) for v in values) else None
    filler = next(v for v in [*values, 0] if v is not None)
    return np.ma.masked_array(np.array([filler if v is None else v for v in values], dtype=kind), missing)


def duckdb_error() -> type[Exception]:
    """The base class of DuckDB's own errors."""
    import duckdb

    return duckdb.Error  # type: ignore[no-any-return]

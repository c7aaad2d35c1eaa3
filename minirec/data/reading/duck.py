"""DuckDB, where it is installed: connections that use our threads and never reach for the network."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from numpy.typing import NDArray

from ...errors import MissingExtraError
from ...options import thread_count

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


def duckdb_error() -> type[Exception]:
    """The base class of DuckDB's own errors."""
    import duckdb

    return duckdb.Error  # type: ignore[no-any-return]

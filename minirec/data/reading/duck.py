"""DuckDB, where it is installed: connections that use our threads and never reach for the network."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import IO, Any

from numpy.typing import NDArray

from ...errors import DataError, MemoryBudgetError, MissingExtraError
from ...options import memory_budget, thread_count

Column = NDArray[Any]
LEAST_MEMORY = 2**26  # bytes: with less DuckDB cannot hold the buffers of one reader


def has_duckdb() -> bool:
    """Whether the package is installed (it is not imported here)."""
    return find_spec("duckdb") is not None


@contextmanager
def connect(*, purpose: str = "reading") -> Iterator[Any]:
    """An in-memory connection for as long as the block lasts, within `minirec.options`: no more threads than set or than there are
    processors, no more memory than the budget; what does not fit is spilled to a folder of its own among the temporary files.
    Extensions are neither fetched nor loaded. Ctrl-C inside is KeyboardInterrupt.

    purpose : "reading", which is refused below 67 MB, or "writing", which gets that much: the columns are in memory already.
    """
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError("duckdb", "io", "reading this format") from None
    budget = memory_budget() if purpose == "reading" else max(memory_budget(), LEAST_MEMORY)
    if budget < LEAST_MEMORY:
        raise MemoryBudgetError(
            f"reading takes at least {LEAST_MEMORY / 1e6:.0f} MB and the budget (MINIREC_MEMORY) is {budget / 1e6:.1f} MB: raise it"
        )
    with TemporaryDirectory(prefix="minirec-", dir=gettempdir(), ignore_cleanup_errors=True) as spill:
        config = {
            "threads": min(thread_count(), os.cpu_count() or 1, max(1, budget // LEAST_MEMORY)),
            "memory_limit": f"{budget}B",
            "temp_directory": spill,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "preserve_insertion_order": "true",
        }
        connection = duckdb.connect(":memory:", config=config)
        try:
            connection.execute("SET TimeZone = 'UTC'")  # a time without a zone means the same on every machine
            yield connection
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except duckdb.OutOfMemoryException as error:
            raise MemoryBudgetError(
                f"reading takes more than the budget (MINIREC_MEMORY) of {budget / 1e6:,.0f} MB: raise it, or read fewer columns or rows "
                f"({str(error).splitlines()[0]})"
            ) from None
        except RuntimeError as error:  # what DuckDB makes of Ctrl-C while it waits for a result
            if "interrupt" in str(error).lower():
                raise KeyboardInterrupt from None
            raise
        finally:
            connection.close()


def file_name(path: Path) -> str:
    """A path that DuckDB takes for one file: what it would read as a pattern is escaped."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def unpack_zstd(path: Path) -> IO[bytes]:
    """The content of a zstd file: by Python 3.14 or a package that has zstd, else by DuckDB, line by line."""
    try:
        from compression import zstd
    except ImportError:
        try:
            import zstandard as zstd
        except ImportError:
            return _unpack_lines(path)
    return zstd.open(path, "rb")  # type: ignore[no-any-return]


def _unpack_lines(path: Path) -> IO[bytes]:
    if not has_duckdb():
        raise DataError(f"{path}: this is compressed with zstd: unpack it with `unzstd`, or pip install zstandard")
    with connect() as connection:
        try:
            found = connection.execute(
                "SELECT line FROM read_csv(?, compression='zstd', auto_detect=false, header=false, delim=?, quote='', escape='', "
                "columns={'line': 'VARCHAR'}, max_line_size=16777216)",
                [file_name(path), "\x01"],
            )
            return io.BytesIO("".join(f"{line or ''}\n" for (line,) in found.fetchall()).encode())
        except duckdb_error() as error:
            raise_limits(error)
            raise DataError(f"{path}: cannot be unpacked ({str(error).splitlines()[0]}): unpack it with `unzstd`") from None


def raise_limits(error: Exception) -> None:
    """Ctrl-C and too little memory are no matter of the file: they go on to `connect`, which says what they are."""
    import duckdb

    if isinstance(error, (duckdb.InterruptException, duckdb.OutOfMemoryException)):
        raise error


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def duckdb_error() -> type[Exception]:
    """The base class of DuckDB's own errors."""
    import duckdb

    return duckdb.Error  # type: ignore[no-any-return]

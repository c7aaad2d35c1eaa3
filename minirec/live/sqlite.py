"""The event store on SQLite, in one file with its write-ahead log."""

from __future__ import annotations

import mmap
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from ..errors import StoreError
from .records import POWER
from .store import EventStore
from .wal import wal_damage

_WAIT = 10.0  # seconds for the lock of another writer
_COMMITTED = mmap.mmap(-1, 8)  # when this process or a forked one committed last: tells at once that there is something new
_FOREIGN = 0.02  # seconds between looks for commits of other processes
_LOG_PAGES = 4000  # of the write-ahead log, before it is brought into the file


class SqliteStore(EventStore):
    """An event store in one file. Any number of processes and threads may use it at once; each thread has a connection of its own.

    path : the file; made where it is missing, unless `create` is False. durability : "power" or "process", see `records.DURABILITY`.
    clock : seconds since 1970.

    >>> from tempfile import TemporaryDirectory
    >>> from minirec.live.records import Event
    >>> with TemporaryDirectory() as folder, SqliteStore(f"{folder}/shop.db") as store:
    ...     store.append([Event("e1", 42, 7, "click", 1_700_000_000)])
    ...     store.append([Event("e1", 42, 7, "click", 1_700_000_000)])
    Receipt(stored=1, repeated=0, conflicts=())
    Receipt(stored=0, repeated=1, conflicts=())
    """

    def __init__(self, path: str | Path, *, durability: str = POWER, clock: Callable[[], float] = time.time, create: bool = True) -> None:
        self.path = Path(path)
        self.name = str(path)
        self._local = threading.local()
        self._writing: sqlite3.Connection | None = None
        if not self.path.exists():
            if not create:
                raise StoreError(f"there is no event store {path}: `minirec events import {path} events.csv` makes one")
            if not self.path.parent.is_dir():
                raise StoreError(f"there is no folder {self.path.parent} for the event store {self.path.name}")
        damage = wal_damage(Path(f"{path}-wal"))
        if damage is not None:
            raise StoreError(
                f"{path}-wal is damaged after frame {damage.good}: {damage.lost} frames behind it would be lost. Nothing was changed. "
                f"Restore a snapshot, or keep what precedes the damage with `minirec events recover {path}`",
                "damaged",
            )
        super().__init__(durability=durability, clock=clock)

    def _types(self) -> Mapping[str, str]:
        return {"seq": "INTEGER PRIMARY KEY AUTOINCREMENT", "id": "BLOB", "real": "NUMERIC"}  # BLOB: integers and texts stay as they are

    def _sql(self, text: str) -> str:
        return text

    def _connect(self) -> sqlite3.Connection:
        if self.path.exists() and not (os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)):
            return self._connect_unwritable()
        connection = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False, cached_statements=64)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self.durability == POWER else 'NORMAL'}")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {4096 * _LOG_PAGES}")
        return connection

    def _connect_unwritable(self) -> sqlite3.Connection:
        """A connection to a file that cannot be written: reading works where no write-ahead log is beside it, or where others keep one."""
        alone = "" if Path(f"{self.path}-wal").exists() else "&immutable=1"
        address = f"file:{quote(str(self.path.absolute()))}?mode=ro{alone}"
        return sqlite3.connect(address, timeout=_WAIT, isolation_level=None, check_same_thread=False, uri=True)

    @property
    def _reading(self) -> sqlite3.Connection:
        """This thread's connection for reading, of this process: one that was opened before a fork is left alone."""
        kept: tuple[int, sqlite3.Connection] | None = getattr(self._local, "connection", None)
        if kept is None or kept[0] != os.getpid():
            with self._told():
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
            kept = self._local.connection = (os.getpid(), connection)
        return kept[1]

    def _read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        connection = self._reading
        try:
            return connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        with self._told(), closing(self._connect()) as connection:
            yield from connection.execute(sql, parameters)

    def changed(self) -> bool:
        told, now = bytes(_COMMITTED[:8]), time.monotonic()
        seen, until = getattr(self._local, "told", (b"", 0.0))
        if told == seen and now < until:
            return False
        self._local.told = told, now + _FOREIGN
        version = self._reading.execute("PRAGMA data_version").fetchone()[0]
        before = getattr(self._local, "data_version", None)
        self._local.data_version = version
        return bool(version != before)

    def _transaction(self, jobs: list[Callable[[Any], Any]]) -> list[Any]:
        with self._told():
            if self._writing is None:
                self._writing = self._connect()
            cursor = self._writing.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                results = [job(cursor) for job in jobs]
                cursor.execute("COMMIT")
                _COMMITTED[:8] = time.monotonic_ns().to_bytes(8, "little")
            except BaseException:
                if self._writing.in_transaction:
                    cursor.execute("ROLLBACK")
                raise
            return results

    def _end_writing(self) -> None:
        if self._writing is not None:
            self._writing.close()
            self._writing = None

    def close(self) -> None:
        super().close()
        kept = getattr(self._local, "connection", None)
        if kept is not None and kept[0] == os.getpid():
            kept[1].close()
        self._local = threading.local()

    def compact(self) -> None:
        """Check the file, give back the space of what was removed, and bring the write-ahead log into the file. O(size)."""
        with self._told(), closing(self._connect()) as connection:
            found = connection.execute("PRAGMA quick_check(3)").fetchall()
            if found != [("ok",)]:
                raise StoreError(f"{self.path} is damaged ({found[0][0]}): restore a snapshot; nothing was changed", "damaged")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def size(self) -> int:
        return self.path.stat().st_size

    def snapshot(self, target: str | Path) -> Path:
        """A copy as of this moment, compacted, also while others write; it appears whole or not at all. It is noted in the store."""
        from ..files import atomic_path

        path = Path(target)
        with atomic_path(path) as draft, self._told(), closing(self._connect()) as connection:
            connection.execute("VACUUM INTO ?", (str(draft),))
        note = "INSERT INTO snapshots VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET time = excluded.time"
        self._submit(lambda cursor: cursor.execute(note, (str(path.resolve()), self.now())) and None).result()
        return path

    def __enter__(self) -> Self:
        return self

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: sqlite3.Error) -> StoreError:
        """What went wrong and what to do, of an error of SQLite."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        kept = "nothing of this request was stored"
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _full(self.path)):
            return StoreError(f"the disk that holds {self.path} is full: {kept}; free space and send it again", "full")
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
            return StoreError(f"{self.path} cannot be written ({error}): {kept}; check its permissions and those of its folder", "readonly")
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return StoreError(f"{self.path} is damaged or no event store ({error}): restore a snapshot", "damaged")
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreError(f"another process has held {self.path} for {_WAIT:.0f} s: {kept}; send it again", "busy")
        return StoreError(f"{self.path}: {error}")


def _full(path: Path) -> bool:
    try:
        state = os.statvfs(path.parent)
    except OSError:
        return False
    return state.f_bavail * state.f_frsize < 2**20


def recover(path: str | Path) -> int:
    """Cut a damaged write-ahead log where its damage begins; the log as it was is kept beside it. Returns how many frames stay.

    Nothing else may have the store open. What the log held behind the damage is in the copy alone.
    """
    from shutil import copyfile

    log = Path(f"{path}-wal")
    damage = wal_damage(log)
    if damage is None:
        raise StoreError(f"the write-ahead log of {path} is not damaged: there is nothing to recover")
    copyfile(log, log.with_name(f"{log.name}.damaged-{int(time.time())}"))
    os.truncate(log, damage.keep)
    return damage.good

"""What is common to the databases that hold an event store: connections, schema and its migration, one writer, a clock."""

from __future__ import annotations

import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Self

from ..data.ids import Id
from ..errors import ParameterError, StoreError
from .records import DURABILITY, POWER
from .schema import MIGRATIONS, VERSION
from .writer import GroupWriter

HALF_LIFE = 30 * 86400.0  # of popularity, in seconds
GROUP = 20_000  # rows of a transaction


class Database(ABC):
    """The tables of `schema.MIGRATIONS` in a database, read by a connection of each thread and written by one thread alone."""

    def __init__(self, *, durability: str = POWER, clock: Callable[[], float] = time.time) -> None:
        if durability not in DURABILITY:
            raise ParameterError(f"durability must be one of {', '.join(DURABILITY)}, got {durability!r}")
        self.durability, self._clock = durability, clock
        self._time_lock = threading.Lock()
        self.clock_setbacks = 0
        self._last = 0.0
        self._writer: GroupWriter[Any] | None = None
        self._writer_lock = threading.Lock()
        self._migrate()
        self._origin, self._half_life = float(self._meta("origin")), float(self._meta("half_life"))
        self._erasure_key = bytes.fromhex(self._meta("erasure_key"))
        self._last = float(self._read("SELECT MAX(received) FROM events")[0][0] or 0.0)

    # ---- what a database defines ----------------------------------------------------------------------------------------

    name: str  # where it is, for messages

    @abstractmethod
    def _read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query, by a connection of the calling thread."""

    @abstractmethod
    def _stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The same, a few rows at a time, as of one moment."""

    @abstractmethod
    def _transaction(self, jobs: list[Callable[[Any], Any]]) -> list[Any]:
        """Run jobs with a cursor, in one transaction that no other writer's overlaps; return once it is durable. For one thread alone."""

    @abstractmethod
    def _end_writing(self) -> None:
        """Close the connection of `_transaction`."""

    @abstractmethod
    def _types(self) -> Mapping[str, str]:
        """What `{seq}`, `{id}` and `{real}` of the schema are."""

    @abstractmethod
    def _sql(self, text: str) -> str:
        """SQL with `?` for parameters, in the database's own form."""

    @abstractmethod
    def _migrated(self, cursor: Any) -> None:
        """Fill what a new version of the schema derives from the events, in the transaction of the migration."""

    @abstractmethod
    def changed(self) -> bool:
        """Whether another process or connection may have written since the last call of this thread; cheap."""

    @abstractmethod
    def compact(self) -> None:
        """Give back the space of what was removed."""

    @abstractmethod
    def size(self) -> int:
        """Bytes that the store takes, but for a write-ahead log."""

    def _to(self, value: Id | None) -> Any:
        """An id as the database stores it."""
        return value

    def _from(self, stored: Any) -> Any:
        """The id that is stored."""
        return stored

    # ---- opening and closing --------------------------------------------------------------------------------------------

    def _migrate(self) -> None:
        def steps(cursor: Any) -> None:
            cursor.execute("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
            found = cursor.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchall()
            version = int(found[0][0]) if found else 0
            if version > VERSION:
                raise StoreError(f"{self.name} has schema version {version}; this minirec knows up to {VERSION}: upgrade it")
            for step in MIGRATIONS[version:]:
                for statement in step:
                    cursor.execute(statement.format(**self._types()))
            if version == VERSION:
                return
            put = self._sql("INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
            cursor.execute(put, ("schema_version", str(VERSION)))
            if version < 4:
                cursor.execute(put, ("erasure_key", secrets.token_hex(32)))
            if version == 0:
                for name, value in (("origin", f"{self._clock():.0f}"), ("half_life", str(HALF_LIFE)), ("generation", "0")):
                    cursor.execute(put, (name, value))
            kept = dict(cursor.execute("SELECT name, value FROM meta").fetchall())
            self._origin, self._half_life = float(kept["origin"]), float(kept["half_life"])
            self.now()  # what is later than this counts as now
            self._migrated(cursor)

        if not self._current():
            self._transaction([steps])
            self._end_writing()

    def _current(self) -> bool:
        """Whether the schema is this version's, so that nothing has to be written to open the store."""
        try:
            found = self._read("SELECT value FROM meta WHERE name = 'schema_version'")
        except StoreError as error:
            if error.reason != "other":  # no such table: a new store
                raise
            return False
        return found == [(str(VERSION),)]

    def _meta(self, name: str) -> str:
        found = self._read(self._sql("SELECT value FROM meta WHERE name = ?"), (name,))
        if not found:
            raise StoreError(f"{self.name} is no event store: it has no {name}", "damaged")
        return str(found[0][0])

    def _submit(self, work: Callable[[Any], Any], rows: int = 1) -> Future[Any]:
        with self._writer_lock:
            if self._writer is None:  # not before it is needed, so that a fork after opening works
                self._writer = GroupWriter(self._transaction, self._end_writing, GROUP)
        return self._writer.submit(work, rows)

    def close(self) -> None:
        """Write what is queued and close. A store may be closed twice."""
        with self._writer_lock:
            writer, self._writer = self._writer, None
        if writer is not None:
            writer.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def waiting(self) -> int:
        """Rows that wait for their commit."""
        return 0 if self._writer is None else self._writer.waiting

    def now(self) -> float:
        """The store's clock, seconds since 1970 to the millisecond: it never goes back, even if the machine's is set back."""
        with self._time_lock:
            now = round(self._clock(), 3)
            if now < self._last - 1:
                self.clock_setbacks += 1
            self._last = max(self._last, now)
            return self._last

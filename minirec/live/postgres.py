"""The event store in a PostgreSQL database (extra `postgres`, psycopg 3): the same interface, for several machines."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..data.ids import Id
from ..errors import MissingExtraError, StoreError
from .records import POWER
from .store import EventStore

if TYPE_CHECKING:
    from psycopg import Connection

_LOCK = 6_473_010_077  # of the writers: commits follow one another, so `seq` ascends in their order


class PostgresStore(EventStore):
    """An event store in the tables of a database. url : postgresql://user:password@host/database.

    durability : "power" waits for the server's disk (synchronous_commit), "process" does not: a crash of the server may lose the last
    events then. Ids are stored as text with a letter for their type, as a column has one type.
    """

    def __init__(self, url: str, *, durability: str = POWER, clock: Callable[[], float] = time.time) -> None:
        try:
            import psycopg
        except ImportError:
            raise MissingExtraError("psycopg", "postgres", "an event store in PostgreSQL") from None
        self._psycopg = psycopg
        self.url = url
        self.name = "the PostgreSQL database " + url.rpartition("@")[2]  # without the password
        self._local = threading.local()
        self._writing: Connection[Any] | None = None
        super().__init__(durability=durability, clock=clock)

    def _types(self) -> Mapping[str, str]:
        return {"seq": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "id": "TEXT", "real": "DOUBLE PRECISION"}

    def _sql(self, text: str) -> str:
        return text.replace("?", "%s")

    def _to(self, value: Id | None) -> Any:
        return None if value is None else f"i{value}" if isinstance(value, int) else f"s{value}"

    def _from(self, stored: Any) -> Any:
        return None if stored is None else int(stored[1:]) if stored[0] == "i" else stored[1:]

    def _connect(self) -> Connection[Any]:
        with self._told():
            connection = self._psycopg.connect(self.url, autocommit=True, connect_timeout=10)
            if self.durability != POWER:
                connection.execute("SET synchronous_commit = off")
            return connection

    @property
    def _reading(self) -> Connection[Any]:
        kept: tuple[int, Connection[Any]] | None = getattr(self._local, "connection", None)
        if kept is None or kept[0] != os.getpid() or kept[1].closed:
            kept = self._local.connection = (os.getpid(), self._connect())
        return kept[1]

    def _read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._told():
            return list(self._reading.execute(sql, parameters).fetchall())

    def _stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        connection = self._connect()
        try:
            with self._told(), connection.transaction(), connection.cursor(name="minirec_stream") as cursor:
                cursor.execute(sql, parameters)
                yield from cursor
        finally:
            connection.close()

    def changed(self) -> bool:
        return True

    def _transaction(self, jobs: list[Callable[[Any], Any]]) -> list[Any]:
        with self._told():
            if self._writing is None or self._writing.closed:
                self._writing = self._connect()
            with self._writing.transaction(), self._writing.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                return [job(cursor) for job in jobs]

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
        """Have the server take back the space of what was removed. O(size)."""
        with self._told():
            for table in ("events", "lists", "items", "users", "popularity", "erased"):
                self._reading.execute(f"VACUUM {table}")

    def size(self) -> int:
        return int(self._read("SELECT pg_database_size(current_database())")[0][0])

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._psycopg.Error as error:
            state = error.sqlstate or ""
            text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            reason = (
                "full" if state == "53100" else "readonly" if state == "25006" else "busy" if state[:2] in ("08", "53", "57") else "other"
            )
            if not state and isinstance(error, self._psycopg.OperationalError):
                reason = "busy"  # no connection
            raise StoreError(f"{self.name}: {text}; nothing of this request was stored", reason) from error

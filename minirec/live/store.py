"""The event store: an append-only log of events with what belongs to it, behind one interface for SQLite and PostgreSQL."""

from __future__ import annotations

import json
import math
import os
import random
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Self

from ..data.ids import Id
from ..errors import ParameterError, StoreError
from .records import DURABILITY, POWER, Described, Event, Kept, Receipt, Served
from .schema import MIGRATIONS, VERSION
from .writer import GroupWriter

HALF_LIFE = 30 * 86400.0  # of popularity, in seconds
_EVENT = "event_id, user_id, item_id, kind, time, value"
_KEPT = f"seq, {_EVENT}, received"
_LIST = "list_id, user_id, time, policy, model, items, scores, propensities"
_CHANCE: dict[str, Any] = {}
_GROUP = 20_000  # rows of a transaction
NO_WEIGHT = ("dislike",)  # kinds that say no


class EventStore(ABC):
    """Events, in the order of their commits, with the lists that were served and the columns of items and users.

    Nothing is changed but by erasure and retention. An event whose id is there already is not stored again, so a client that got no
    answer sends the same events once more and they count once. An event is acknowledged (`append` returns, the future of
    `submit` is set) once it is durable at the level of the store: see `records.DURABILITY`.

    Popularity is kept with the events, in the same transaction: score(i) = sum over events of i of 2^((t - t0) / half-life), with t0 the
    time when the store was made; it is never decayed in place, so it does not depend on when it is read (forward decay, Cormode et
    al. 2009).
    """

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
            if version == 0:
                for name, value in (("origin", f"{self._clock():.0f}"), ("half_life", str(HALF_LIFE)), ("generation", "0")):
                    cursor.execute(put, (name, value))
            kept = dict(cursor.execute("SELECT name, value FROM meta").fetchall())
            self._origin, self._half_life = float(kept["origin"]), float(kept["half_life"])
            self.now()  # what is later than this counts as now
            self._recount(cursor)

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
                self._writer = GroupWriter(self._transaction, self._end_writing, _GROUP)
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

    # ---- writing --------------------------------------------------------------------------------------------------------

    def append(self, events: Iterable[Event]) -> Receipt:
        """Store events; returns once those that were not there yet are durable. Any number: 20,000 a transaction."""
        stored, repeated, conflicts, batch = 0, 0, list[str](), list[Event]()
        for event in events:
            batch.append(event)
            if len(batch) == _GROUP:
                part = self.submit(batch).result()
                stored, repeated, batch = stored + part.stored, repeated + part.repeated, []
                conflicts += part.conflicts
        part = self.submit(batch).result() if batch else Receipt(0, 0)
        return Receipt(stored + part.stored, repeated + part.repeated, (*conflicts, *part.conflicts))

    def submit(self, events: Sequence[Event]) -> Future[Receipt]:
        """The same for one transaction, in the background: the future is set once the events are durable, or failed with a StoreError."""
        events = list(events)
        return self._submit(lambda cursor: self._append(cursor, events), len(events))

    def _append(self, cursor: Any, events: list[Event]) -> Receipt:
        before = cursor.execute("SELECT COALESCE(MAX(seq), 0) FROM events").fetchone()[0]
        now = self.now()
        rows = [(e.event_id, self._to(e.user), self._to(e.item), e.kind, e.time, e.value, now) for e in events]
        cursor.executemany(
            self._sql(f"INSERT INTO events ({_EVENT}, received) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING"), rows
        )
        stored = cursor.rowcount
        if stored == len(events):
            self._count(cursor, events)
            return Receipt(stored, 0)
        fresh = {row[0] for row in cursor.execute(self._sql("SELECT event_id FROM events WHERE seq > ?"), (before,)).fetchall()}
        new, repeated, conflicts = list[Event](), 0, list[str]()
        for event in events:
            if event.event_id in fresh:
                fresh.discard(event.event_id)
                new.append(event)
                continue
            repeated += 1
            there = cursor.execute(self._sql(f"SELECT {_EVENT} FROM events WHERE event_id = ?"), (event.event_id,)).fetchone()
            if (self._from(there[1]), self._from(there[2]), there[3], there[5]) != (event.user, event.item, event.kind, event.value):
                conflicts.append(event.event_id)
        self._count(cursor, new)
        return Receipt(len(new), repeated - len(conflicts), tuple(conflicts))

    def _count(self, cursor: Any, events: Iterable[Event]) -> None:
        """Add events to the popularity of their items."""
        sums: dict[Id, tuple[float, int]] = {}
        for event in events:
            if event.kind not in NO_WEIGHT:
                score, count = sums.get(event.item, (0.0, 0))
                sums[event.item] = score + self._decay(event.time), count + 1
        cursor.executemany(
            self._sql(
                "INSERT INTO popularity VALUES (?, ?, ?) ON CONFLICT (item_id) DO UPDATE SET score = popularity.score + excluded.score, "
                "events = popularity.events + excluded.events"
            ),
            [(self._to(item), score, count) for item, (score, count) in sums.items()],
        )

    def _decay(self, moment: float) -> float:
        """2^((t - t0) / half-life); times that are more than a day ahead of the clock count as now."""
        return math.exp2(max(-1000.0, (min(moment, self._last + 86400) - self._origin) / self._half_life))

    def _recount(self, cursor: Any) -> None:
        """Popularity from all events anew, after some were removed."""
        cursor.execute("DELETE FROM popularity")
        self._count(cursor, map(self._event, cursor.execute(f"SELECT {_EVENT} FROM events ORDER BY seq")))

    def log_lists(self, lists: Sequence[Served]) -> Future[Any]:
        """Log lists that were served, in the background."""
        rows = [
            (s.list_id, self._to(s.user), s.time, s.policy, s.model, json.dumps(s.items), json.dumps(s.scores), json.dumps(s.propensities))
            for s in lists
        ]
        statement = self._sql(f"INSERT INTO lists ({_LIST}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        return self._submit(lambda cursor: cursor.executemany(statement, rows) and None, len(rows))

    def put_items(self, items: Mapping[Id, Mapping[str, Any]]) -> Future[int]:
        """Set columns of items, new or known: columns that are not named stay. The future gives how many items."""
        return self._put("item", items)

    def put_users(self, users: Mapping[Id, Mapping[str, Any]]) -> Future[int]:
        """Set columns of users, as `put_items`."""
        return self._put("user", users)

    def _put(self, side: str, columns: Mapping[Id, Mapping[str, Any]]) -> Future[int]:
        def work(cursor: Any) -> int:
            version = cursor.execute(f"SELECT COALESCE(MAX(version), 0) + 1 FROM {side}s").fetchone()[0]
            for key, values in columns.items():
                found = cursor.execute(self._sql(f"SELECT columns FROM {side}s WHERE {side}_id = ?"), (self._to(key),)).fetchone()
                merged = {**(json.loads(found[0]) if found else {}), **values}
                cursor.execute(
                    self._sql(
                        f"INSERT INTO {side}s VALUES (?, ?, ?) ON CONFLICT ({side}_id) "
                        "DO UPDATE SET columns = excluded.columns, version = excluded.version"
                    ),
                    (self._to(key), json.dumps(merged), version),
                )
            return len(columns)

        return self._submit(work, len(columns))

    def erase(self, user: Id) -> dict[str, int]:
        """Remove a user's events, lists and columns; returns how many of each. Popularity is counted anew. O(all events)."""

        def work(cursor: Any) -> dict[str, int]:
            gone = {}
            for table in ("events", "lists", "users"):
                cursor.execute(self._sql(f"DELETE FROM {table} WHERE user_id = ?"), (self._to(user),))
                gone[table] = max(cursor.rowcount, 0)
            self._rewritten(cursor)
            return gone

        found: dict[str, int] = self._submit(work).result()
        return found

    def retain(self, *, events: float | None = None, lists: float | None = None) -> dict[str, int]:
        """Remove what is older than the given seconds, by the time of the event and of the list; returns how many of each."""
        now = self.now()

        def work(cursor: Any) -> dict[str, int]:
            gone = {"events": 0, "lists": 0}
            for table, age in (("events", events), ("lists", lists)):
                if age is not None:
                    cursor.execute(self._sql(f"DELETE FROM {table} WHERE time < ?"), (now - age,))
                    gone[table] = max(cursor.rowcount, 0)
            if gone["events"]:
                self._rewritten(cursor)
            return gone

        found: dict[str, int] = self._submit(work).result()
        return found

    def _rewritten(self, cursor: Any) -> None:
        """Events were removed: whoever follows the log begins anew."""
        cursor.execute("UPDATE meta SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE name = 'generation'")
        self._recount(cursor)

    # ---- reading --------------------------------------------------------------------------------------------------------

    def _event(self, row: Sequence[Any]) -> Event:
        moment = row[4]
        return Event(row[0], self._from(row[1]), self._from(row[2]), row[3], int(moment) if moment == int(moment) else moment, row[5])

    @property
    def generation(self) -> int:
        """Ascends when events were removed."""
        return int(self._meta("generation"))

    def last_seq(self) -> int:
        """The place of the last event, 0 where there is none."""
        return int(self._read("SELECT COALESCE(MAX(seq), 0) FROM events")[0][0])

    def count(self) -> int:
        """How many events there are."""
        return int(self._read("SELECT COUNT(*) FROM events")[0][0])

    def after(self, seq: int, limit: int = 50_000) -> list[Kept]:
        """Events behind a place in the log, in its order."""
        rows = self._read(self._sql(f"SELECT {_KEPT} FROM events WHERE seq > ? ORDER BY seq LIMIT ?"), (seq, limit))
        return [Kept(row[0], self._event(row[1:7]), row[7]) for row in rows]

    def of_user(self, user: Id) -> list[Kept]:
        """A user's events by their times, equal ones in the order of the log."""
        rows = self._read(self._sql(f"SELECT {_KEPT} FROM events WHERE user_id = ? ORDER BY time, seq"), (self._to(user),))
        return [Kept(row[0], self._event(row[1:7]), row[7]) for row in rows]

    def events(self) -> Iterator[Event]:
        """All events in the order of the log, as of one moment, a few at a time."""
        for row in self._stream(f"SELECT {_EVENT} FROM events ORDER BY seq"):
            yield self._event(row)

    def received_since(self, moment: float) -> list[Kept]:
        """Events that came in since a moment of the store's clock."""
        rows = self._read(self._sql(f"SELECT {_KEPT} FROM events WHERE received >= ? ORDER BY seq"), (moment,))
        return [Kept(row[0], self._event(row[1:7]), row[7]) for row in rows]

    def knows(self, side: str, key: Id) -> bool:
        """Whether a user ("user") has events, or an item ("item") has some or columns."""
        if side == "user":
            return bool(self._read(self._sql("SELECT 1 FROM events WHERE user_id = ? LIMIT 1"), (self._to(key),)))
        return any(self._read(self._sql(f"SELECT 1 FROM {table} WHERE item_id = ?"), (self._to(key),)) for table in ("popularity", "items"))

    def popularity(self) -> dict[Id, tuple[float, int]]:
        """Score with decay and number of events of each item."""
        return {self._from(item): (score, events) for item, score, events in self._read("SELECT item_id, score, events FROM popularity")}

    def popularity_of(self, items: Collection[Id]) -> dict[Id, float]:
        """The score of some items, of those that have one."""
        found: dict[Id, float] = {}
        keys = [self._to(item) for item in items]
        for start in range(0, len(keys), 500):
            some = keys[start : start + 500]
            marks = ", ".join("?" * len(some))
            rows = self._read(self._sql(f"SELECT item_id, score FROM popularity WHERE item_id IN ({marks})"), some)
            found |= {self._from(item): score for item, score in rows}
        return found

    def weight_now(self) -> float:
        """What an event of this moment adds to a score of popularity."""
        return self._decay(self.now())

    def lists(
        self, *, since: float = -math.inf, user: Id | None = None, list_id: str | None = None, limit: int | None = None
    ) -> list[Served]:
        """Lists that were served since a moment, to a user, or the one of an id; the latest `limit`, oldest first."""
        where, values = ["time >= ?"], list[Any]([max(since, -1e15)])
        for column, value in (("user_id", None if user is None else self._to(user)), ("list_id", list_id)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        newest = "" if limit is None else f" LIMIT {int(limit)}"
        rows = self._read(self._sql(f"SELECT {_LIST} FROM lists WHERE {' AND '.join(where)} ORDER BY seq DESC{newest}"), values)
        return [
            Served(row[0], self._from(row[1]), row[2], row[3], row[4], json.loads(row[5]), json.loads(row[6]), json.loads(row[7]))
            for row in rows[::-1]
        ]

    def items(self, after: int = 0) -> list[Described]:
        """Items with columns, those that changed after a version."""
        rows = self._read(self._sql("SELECT item_id, columns, version FROM items WHERE version > ? ORDER BY version"), (after,))
        return [Described(self._from(row[0]), json.loads(row[1]), row[2]) for row in rows]

    def user(self, user: Id) -> dict[str, Any]:
        """The columns of a user."""
        found = self._read(self._sql("SELECT columns FROM users WHERE user_id = ?"), (self._to(user),))
        return dict(json.loads(found[0][0])) if found else {}


def new_list_id(now: float) -> str:
    """An id of a list: the milliseconds, so that ids of later lists come later in an index, and 64 bits of chance."""
    pid = os.getpid()
    if _CHANCE.get("pid") != pid:  # a forked worker must not go on with its parent's numbers
        _CHANCE.update(pid=pid, source=random.Random(secrets.randbits(128)))
    return f"{int(now * 1000):012x}{_CHANCE['source'].getrandbits(64):016x}"

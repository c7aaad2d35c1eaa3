"""The event store: an append-only log of events with what belongs to it, behind one interface for SQLite and PostgreSQL."""

from __future__ import annotations

import json
import math
import os
import random
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from ..data.ids import Id
from .database import GROUP, Database
from .marks import Marks, mark_of
from .records import Described, Event, Kept, Receipt, Served

_EVENT = "event_id, user_id, item_id, kind, time, value"
_KEPT = f"seq, {_EVENT}, received"
_LIST = "list_id, user_id, time, policy, model, items, scores, propensities"
_CHANCE: dict[str, Any] = {}
NO_WEIGHT = ("dislike",)  # kinds that say no


class EventStore(Database):
    """Events, in the order of their commits, with the lists that were served and the columns of items and users.

    Nothing is changed but by erasure and retention. An event whose id is there already is not stored again, so a client that got no
    answer sends the same events once more and they count once. An event is acknowledged (`append` returns, the future of
    `submit` is set) once it is durable at the level of the store: see `records.DURABILITY`.

    Popularity is kept with the events, in the same transaction: score(i) = sum over events of i of 2^((t - t0) / half-life), with t0 the
    time when the store was made; it is never decayed in place, so it does not depend on when it is read (forward decay, Cormode et
    al. 2009).
    """

    # ---- writing --------------------------------------------------------------------------------------------------------

    def append(self, events: Iterable[Event]) -> Receipt:
        """Store events; returns once those that were not there yet are durable. Any number: 20,000 a transaction."""
        stored, repeated, conflicts, batch = 0, 0, list[str](), list[Event]()
        for event in events:
            batch.append(event)
            if len(batch) == GROUP:
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

    def _migrated(self, cursor: Any) -> None:
        self._recount(cursor)

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

    def erase(self, user: Id, *, in_model: bool = False) -> dict[str, int]:
        """Remove a user's events, lists and columns; returns how many of each. Popularity is counted anew. O(all events).

        A user who had events, or whom a model holds (`in_model`), is marked in the same transaction: see `marks`.
        """

        def work(cursor: Any) -> dict[str, int]:
            gone = {}
            for table in ("events", "lists", "users"):
                cursor.execute(self._sql(f"DELETE FROM {table} WHERE user_id = ?"), (self._to(user),))
                gone[table] = max(cursor.rowcount, 0)
            if in_model or gone["events"]:
                mark = mark_of(self._erasure_key, user)
                cursor.execute(self._sql("INSERT INTO erased VALUES (?) ON CONFLICT (mark) DO NOTHING"), (mark,))
            self._rewritten(cursor)
            return gone

        found: dict[str, int] = self._submit(work).result()
        return found

    def marks(self) -> Marks:
        """The users who were erased and whom a model may still hold, as keyed hashes."""
        return Marks(self._erasure_key, frozenset(row[0] for row in self._read("SELECT mark FROM erased")))

    def unmark(self, marks: Marks) -> None:
        """Drop marks, once the model that serves was fitted on events that were read after they were set."""

        def work(cursor: Any) -> None:
            cursor.executemany(self._sql("DELETE FROM erased WHERE mark = ?"), [(mark,) for mark in sorted(marks.hashes)])
            self._next_generation(cursor)

        if marks.hashes:
            self._submit(work).result()

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
        self._next_generation(cursor)
        self._recount(cursor)

    def _next_generation(self, cursor: Any) -> None:
        cursor.execute("UPDATE meta SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE name = 'generation'")

    # ---- reading --------------------------------------------------------------------------------------------------------

    def _event(self, row: Sequence[Any]) -> Event:
        moment = row[4]
        return Event(row[0], self._from(row[1]), self._from(row[2]), row[3], int(moment) if moment == int(moment) else moment, row[5])

    @property
    def generation(self) -> int:
        """Ascends when events were removed or marks dropped."""
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

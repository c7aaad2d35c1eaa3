"""A `Dataset` straight from an event store, brought up to date by what came in since the last call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.account import Account
from ..data.dataset import Dataset
from ..data.ids import Id, IdIndex, Rows
from ..errors import DataError, ParameterError
from .store import NO_WEIGHT, EventStore

WEIGHTS: Mapping[str, float] = dict.fromkeys(NO_WEIGHT, 0.0)


class EventTable:
    """The events of a store in columns. `dataset()` reads only what the store has got since; after an erasure it reads all anew.

    kind_weights : the weight of an event of each kind, 1 where none is named, 0 for "dislike"; a kind of weight 0 is left out. The weight
        of an event is that of its kind times its value, where it has one.
    """

    def __init__(self, store: EventStore, kind_weights: Mapping[str, float] | None = None) -> None:
        self._store = store
        self.kind_weights = {**WEIGHTS, **(kind_weights or {})}
        if any(not 0 <= weight < 1e6 for weight in self.kind_weights.values()):
            raise ParameterError(f"kind_weights must be numbers from 0 to a million, got {self.kind_weights}")
        self._begin()

    def _begin(self) -> None:
        self.seq, self._generation = 0, self._store.generation
        self._users, self._items, self._kinds = dict[Id, int](), dict[Id, int](), dict[str, int]()
        self._parts: list[tuple[NDArray[Any], ...]] = []
        self.account = Account(events_in=0, events_out=0)

    def weight(self, kind: str, value: float | None) -> float:
        """The weight of an event."""
        return self.kind_weights.get(kind, 1.0) * (1.0 if value is None else value)

    def dataset(self, name: str = "events") -> Dataset:
        """All events as they are now, with weights, times (whole seconds) and kinds, in the order of the log.

        O(new events) for reading, O(all) for the indexes.
        """
        if self._generation != self._store.generation:
            self._begin()
        while kept := self._store.after(self.seq):
            self._add(kept)
        if not self._parts:
            raise DataError(f"the event store {self._store.name} has no events to learn from")
        if len(self._parts) > 1:
            self._parts = [tuple(np.concatenate(columns) for columns in zip(*self._parts, strict=True))]
        user, item, kind, time, weight = self._parts[0]
        users, user_rows = _rows(self._users, user)
        items, item_rows = _rows(self._items, item)
        kinds = tuple(sorted(self._kinds))
        order = np.array([kinds.index(k) for k in self._kinds], np.int8)
        return Dataset(users, items, user_rows, item_rows, weight, time, order[kind], kinds, name=name).compact()

    def _add(self, kept: list[Any]) -> None:
        columns: list[tuple[int, int, int, int, float]] = []
        for entry in kept:
            event = entry.event
            weight = self.weight(event.kind, event.value)
            if self.kind_weights.get(event.kind, 1.0) == 0:
                self.account.add(f"kind {event.kind!r} has no weight", 1)
                continue
            user = self._users.setdefault(event.user, len(self._users))
            item = self._items.setdefault(event.item, len(self._items))
            kind = self._kinds.setdefault(event.kind, len(self._kinds))
            columns.append((user, item, kind, int(event.time // 1), weight))
        if len(self._kinds) > 127:
            raise DataError(f"{len(self._kinds)} kinds of events; at most 127 are possible")
        self.seq = kept[-1].seq
        self.account.events_in = (self.account.events_in or 0) + len(kept)
        self.account.events_out = (self.account.events_out or 0) + len(columns)
        if columns:
            parts = zip(*columns, strict=True)
            self._parts.append(
                tuple(
                    np.array(part, dtype) for part, dtype in zip(parts, (np.int32, np.int32, np.int16, np.int64, np.float32), strict=True)
                )
            )


def _rows(codes: Mapping[Id, int], column: NDArray[Any]) -> tuple[IdIndex, Rows]:
    """The index of ids numbered in the order of their first event, and the row of each event."""
    ids = list(codes)
    index = IdIndex.from_ids(ids)
    return index, index.rows(ids)[column]

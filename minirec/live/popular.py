"""The most popular items at the moment, for whom nothing is known."""

from __future__ import annotations

import heapq
import time
from collections.abc import Collection

from ..data.ids import Id
from .current import Current
from .store import EventStore

_SHARE = 0.05  # of the time that may go into sorting


class Popular:
    """Items by the sum of 2^-(age / half-life) over their events, the age as of now.

    What the model was trained on counts as of the time when the store was made, unless the store holds as many events itself.
    """

    def __init__(self, store: EventStore, current: Current) -> None:
        self._store = store
        held = store.popularity()
        self.scores = {item: score for item, (score, _) in held.items()}
        self._trained: dict[Id, int] = {}
        if sum(events for _, events in held.values()) < int(current.counts.sum()):
            self._trained = dict(zip(current.items, current.counts.tolist(), strict=True))
            for item, count in self._trained.items():
                self.scores[item] = self.scores.get(item, 0.0) + count
        self._order: list[Id] = []
        self._dirty, self._next = True, 0.0

    def update(self, items: Collection[Id]) -> None:
        """Read the scores of items again that had events: sums are made in one place, so that they are the same to the last bit."""
        for item, score in self._store.popularity_of(items).items():
            self.scores[item] = score + self._trained.get(item, 0)
        self._dirty = True

    def top(self, k: int, without: Collection[Id] = (), only: Collection[Id] | None = None) -> list[tuple[Id, float]]:
        """The k most popular items, with scores as of now; of items equal to nine places whole numbers come first, then by id."""
        weight = self._store.weight_now()

        def key(item: Id) -> tuple[float, bool, Id]:
            return -round(self.scores.get(item, 0.0) / weight, 9), isinstance(item, str), item

        if only is not None:
            found = heapq.nsmallest(k, (i for i in only if i not in without), key=key)
            return [(item, self.scores.get(item, 0.0) / weight) for item in found]
        now = time.monotonic()
        if self._dirty and now >= self._next:
            self._order = sorted(self.scores, key=key)
            self._dirty, self._next = False, now + (time.monotonic() - now) / _SHARE
        found = []
        for item in self._order:
            if len(found) == k:
                break
            if item not in without:
                found.append(item)
        return [(item, self.scores[item] / weight) for item in found]

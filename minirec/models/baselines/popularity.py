"""Baselines that do not look at the user: the most popular items, and chance."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.clock import PER_SECOND
from ...data.dataset import Dataset
from ...engine.random import mix
from ...engine.ranking.topk import ConstantScorer, Scores, pairs_by_block
from ...errors import DataError, NotSupportedError
from ..contract.explanation import Part
from ..contract.monitor import Monitor
from ..contract.parameters import fitted, number, seeded
from ..contract.recommender import Recommender
from ..contract.request import Profiles


class Popularity(Recommender):
    """The most popular items, optionally with a decay in time.

    score(i) = number of distinct users of i; with a half-life h it is sum over users of 2^(-(T - t_ui) / h), where t_ui is the
    time of the user's last event with i and T that of the last event of all (so an event h before the end counts one half).

    O(n log n) in the events. Serves users without a history, so it can stand in as `fallback`.
    """

    name = "popularity"
    _serves_empty = True

    half_life: float | None = number(
        default=None,
        low=1e-9,
        high=1e30,
        search=[None, 86400.0 * 7, 86400.0 * 30, 86400.0 * 90, 86400.0 * 365],
        doc="h, in seconds (in the numbers of the source where their unit is not known); None: no decay.",
    )

    scores_: Scores = fitted("items")
    time_: float = fitted()  # T, time of the last event, in seconds

    def estimate_memory(self, dataset: Dataset) -> int:
        return 8 * dataset.n_items + 48 * len(dataset)

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        self.time_ = 0 if train.time is None else _seconds(train.time.max(), train.time_unit).item()
        self.scores_ = self._count(train).astype(np.float32)

    def _count(self, events: Dataset) -> np.ndarray[Any, np.dtype[np.float64]]:
        if self.half_life is None:
            return events.item_counts.astype(np.float64)
        if events.time is None:
            raise DataError(f"Popularity(half_life={self.half_life!r}) needs timestamps, and {events.name!r} has none")
        pair = events.user.astype(np.int64) * events.n_items + events.item
        order = np.lexsort((events.time, pair))
        last = order[np.append(np.diff(pair[order]) != 0, True)]
        age = float(self.time_) - _seconds(events.time[last], events.time_unit)
        decay = np.exp2(-age / self.half_life)
        return np.bincount(events.item[last], weights=decay, minlength=events.n_items).astype(np.float64)

    def _scorer(self, profiles: Profiles) -> ConstantScorer:
        return ConstantScorer(self.scores_, len(profiles))

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        return [Part("popularity", self.items_[item], float(self.scores_[item]))]


def _seconds(ticks: Any, unit: str) -> Any:
    """Ticks in seconds, with their fraction where they have one."""
    per = PER_SECOND.get(unit, 1)
    return ticks / per if per > 1 else ticks.astype(np.float64)  # whole numbers could overflow in a difference


class Random(Recommender):
    """Chance: a score uniform in [0, 1) for each pair of user and item, a fixed function of seed, user and item.

    score = hash(seed, user, item), with the mixing function of SplitMix64 (Steele et al. 2014, "Fast splittable pseudorandom
    number generators"). A new user's part in it comes from the items of the history, so the order of requests does not matter.
    The floor that any model must beat, and the ceiling of coverage.
    """

    name = "random"
    _serves_empty = True

    seed: int | None = seeded()

    def estimate_memory(self, dataset: Dataset) -> int:
        return 0

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        """There is nothing to learn."""

    def _scorer(self, profiles: Profiles) -> _HashScorer:
        if profiles.rows is not None:
            keys = profiles.rows.astype(np.uint64)
        else:
            mixed = mix(profiles.history.indices.astype(np.uint64) + np.uint64(2**40))
            sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)))
            keys = sums[profiles.history.indptr[1:]] - sums[profiles.history.indptr[:-1]]
        return _HashScorer(mix(keys ^ mix(np.array([self.seed_ % 2**64], np.uint64))), len(self.items_))

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        raise NotSupportedError("Random cannot explain its scores: they are drawn by chance")


class _HashScorer:
    def __init__(self, keys: np.ndarray[Any, np.dtype[np.uint64]], n_items: int) -> None:
        self.keys, self.n_items = keys, n_items

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.keys), self.n_items

    def block(self, start: int, stop: int) -> Scores:
        items = np.arange(self.n_items, dtype=np.uint64)
        mixed = mix(self.keys[start:stop, None] + items * np.uint64(0xD1342543DE82EF95))
        return (mixed >> np.uint64(40)).astype(np.float32) / np.float32(2**24)

    def pairs(self, profiles: np.ndarray[Any, np.dtype[np.int64]], items: np.ndarray[Any, np.dtype[np.int32]]) -> Scores:
        return pairs_by_block(self, profiles, items)

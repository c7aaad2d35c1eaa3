"""Training that stops by itself: on events held out of the data, and then again on all of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np

from ...data.dataset import Dataset
from ...data.ids import Rows
from ...data.splits import split
from ...engine.ranking.scorers import Scorer
from ...engine.ranking.topk import Filters, rank
from ...engine.sparse import CSR
from ...errors import DataError
from ...metrics.accuracy import Hits, Lists, find_hits, ndcg
from .monitor import Monitor
from .parameters import number, seeded, whole
from .recommender import Recommender
from .request import Profiles

_LENGTH = 20  # of the lists that decide when to stop


class StoppingModel(Recommender):
    """A model that is trained in iterations, as many as are good for events that it has not learned from.

    With `validation_share` above 0 that share of the events is held out: the latest ones where events have times, else a random part of
    each user's. Training on the rest stops once their NDCG@20 has not risen for `patience` iterations; then the model is trained again,
    from the start and on all events, for as many iterations as were best. With 0, or where nothing can be held out, all iterations are
    taken at once.
    """

    iterations: int = whole(default=30, high=100_000, doc="Passes over the data, at the most.")
    validation_share: float = number(
        default=0.1, low=0, high=0.5, doc="Share of the events that is held out to choose the iterations on; 0: all iterations are taken."
    )
    patience: int = whole(default=5, doc="Iterations without a better figure until training stops.")
    seed: int | None = seeded()

    @abstractmethod
    def _train(self, events: CSR, iterations: int) -> Iterator[dict[str, float]]:
        """Learn from these events, a binary matrix; after each iteration the model is usable, and its record is given."""

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        iterations, before = self.iterations, 0
        inner, held_out = self._hold_out(train)
        if held_out is not None:
            best, before = 0.0, 0
            for record in self._train(inner, self.iterations):
                before += 1
                ndcg = record["held_out_ndcg@20"] = self._ndcg(inner, held_out)
                if before == 1 or ndcg > best:
                    best, iterations = ndcg, before
                if monitor.step(before, 2 * self.iterations, **record):
                    return
                if before - iterations >= self.patience:
                    break
        for done, record in enumerate(self._train(train.binary, iterations), before + 1):
            if monitor.step(done, before + iterations, **record):
                break

    def _hold_out(self, train: Dataset) -> tuple[CSR, CSR | None]:
        """The events to choose the iterations on, in the rows of train, and those held out of them, of users and items that they know."""
        if not self.validation_share:
            return train.binary, None
        try:
            sides = split(train, test=float(self.validation_share), seed=self.seed_)
        except DataError:  # too little to split
            return train.binary, None
        rows = [rows_in(train, side) for side in sides]
        inner = CSR.from_pairs(*rows[0], None, train.matrix.shape)
        users, items = rows[1]
        popularity, seen = np.bincount(inner.indices, minlength=train.n_items), inner.row_ids() * train.n_items + inner.indices
        known = (inner.counts()[users] > 0) & (popularity[items] > 0) & ~np.isin(users.astype(np.int64) * train.n_items + items, seen)
        if not known.any():
            return train.binary, None
        return inner.binary(), CSR.from_pairs(users[known], items[known], None, inner.shape)

    def _ndcg(self, inner: CSR, held_out: CSR) -> float:
        """Mean NDCG@20 over the users with held-out events, among the items that the other events know and the user has not."""
        rows, n = np.flatnonzero(held_out.counts()).astype(np.int32), inner.shape[1]
        unknown = np.flatnonzero(np.bincount(inner.indices, minlength=n) == 0).astype(np.int32)
        scorer, filters = self._scorer(Profiles(rows, inner.rows(rows))), Filters(banned=(inner.rows(rows),), deny=unknown)
        return mean_ndcg(scorer, held_out.rows(rows), _LENGTH, self.backend_, filters)


def rows_in(train: Dataset, side: Dataset) -> tuple[Rows, Rows]:
    """The user and the item of each event of a side of a split of `train`, as rows of `train`."""
    return train.users.rows(side.users.ids(side.user)), train.items.rows(side.items.ids(side.item))


def mean_ndcg(scorer: Scorer, truth: CSR, length: int, backend: str, filters: Filters) -> float:
    """Mean NDCG@length over the profiles of the scorer, each of which has items in its row of `truth`."""
    ranked = rank(scorer, length, backend=backend, filters=filters)
    hits = Hits.of(find_hits(Lists(ranked.indptr, ranked.items).table(length), truth))
    return float(ndcg(hits, truth.counts(), length).mean())

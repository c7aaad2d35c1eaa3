"""Personalized PageRank on the graph of users and items."""

from __future__ import annotations

from math import ceil, log
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.ids import Rows
from ...engine.graph.propagate import propagate
from ...engine.ranking.scorers import PathScorer, Scorer, Scores, pairs_by_block
from ...engine.sparse import CSR, Floats, Index
from ...errors import DataError
from ..contract.explanation import Part, history_parts
from ..contract.monitor import Monitor
from ..contract.parameters import fitted, flag, number
from ..contract.recommender import Recommender
from ..contract.request import Profiles

_WIDTH = 16  # profiles at a time


class PersonalizedPageRank(Recommender):
    """A walk that starts at the user, and at each step goes on with probability d or else starts again: how often it is where.

    score(u, j) = pi_j / n_j^t with pi = (1 - d) e_u + d Pᵀ pi, P the transition probabilities w_ui / sum_i w_ui
    and w_ui / sum_u w_ui between users and items. Page et al. 1999, "The PageRank citation ranking", section 6;
    Haveliwala 2002, "Topic-sensitive PageRank".

    pi = (1 - d) sum_t d^t (Pᵀ)^t e_u is summed until what is left, d^(t+1), is at most `tol`. The first step is to an item of the
    history, and a score is the sum of the shares of the walks that begin by each. A new user is a node of its own for the time of
    the request, with edges to the items of the history.

    Nothing is learned. A user costs O(events x log(tol) / log(d)), memory 256 bytes a user and item for each thread.
    """

    name = "pagerank"
    _needs_users: ClassVar[bool] = True

    damping: float = number(
        default=0.5,
        above=0,
        high=0.999,
        search=(0.1, 0.95, "linear"),
        doc="d. The larger, the longer the walks, and the more the score is popularity.",
    )
    tol: float = number(default=1e-6, low=1e-12, below=1, doc="Probability that is left out.")
    tail_exponent: float = number(
        default=0.0,
        low=0,
        high=10,
        search=(0.0, 1.0, "linear"),
        doc="""
            t, of the popularity n_j of the item: the knob of the tail. 0 is the source; at 1 the share of the visits is that of
            the item's events (the ratio to what a walk without a start would give).
        """,
    )
    use_weights: bool = flag(
        default=False, doc="Whether the summed weights of events are the weights of edges (all above 0); else each edge is 1."
    )

    by_item_: CSR = fitted("items", "users")  # the weights of the edges

    def estimate_memory(self, dataset: Dataset) -> int:
        return 56 * len(dataset) + 32 * _WIDTH * (dataset.n_users + dataset.n_items)

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        self.by_item_ = self._edges(train.matrix).transpose()

    def _edges(self, matrix: CSR) -> CSR:
        if not self.use_weights:
            return matrix.binary()
        if not (matrix.data > 0).all():
            raise DataError("PersonalizedPageRank with use_weights=True needs weights above 0: they are shares of probabilities")
        return matrix

    def _scorer(self, profiles: Profiles) -> _RankScorer:
        return _RankScorer(self, profiles)

    def _similarity(self, rows: Rows) -> Scorer:
        return self._scores_alone(rows)

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        scorer = self._scorer(profiles)
        chosen, weights = scorer.history.row(0)
        parts: list[Part] = []
        for at in range(0, len(chosen), _WIDTH):
            some = slice(at, at + _WIDTH)
            first = np.zeros((len(self.items_), len(chosen[some])))
            first[chosen[some], np.arange(first.shape[1])] = weights[some] / weights.sum(dtype=np.float64)
            shares = scorer.series(first, np.zeros(first.shape[1], np.int64))[item]
            parts += history_parts(self.items_, chosen[some], shares)
        return parts


class _RankScorer(PathScorer):
    """The series of PageRank for a few profiles at a time, as columns."""

    def __init__(self, model: PersonalizedPageRank, profiles: Profiles) -> None:
        self.model, self.history, self.new = model, model._edges(profiles.history), profiles.rows is None
        by_user, by_item = model._edges(model.seen_), model.by_item_
        self.scale = np.maximum(by_item.counts(), 1) ** -float(model.tail_exponent)
        self.from_items = by_user
        self.from_users = by_item
        self.user_sums = np.maximum(by_user.sums(by_user.data), 1e-300)
        self.item_sums = np.maximum(np.bincount(by_user.indices, by_user.data, by_user.shape[1]), 1e-300)

    @property
    def shape(self) -> tuple[int, int]:
        return self.history.shape

    def block(self, start: int, stop: int) -> Scores:
        out = np.empty((stop - start, self.shape[1]), np.float32)
        for first in range(start, stop, _WIDTH):
            some = np.arange(first, min(first + _WIDTH, stop))
            out[first - start : some[-1] + 1 - start] = self.series(self._columns(some, shares=True), some).T
        return out

    def _columns(self, profiles: NDArray[np.int64], *, shares: bool) -> Floats:
        """Histories as columns (items, profiles), their weights or the shares of them."""
        rows, out = self.history.rows(profiles), np.zeros((self.shape[1], len(profiles)))
        owner, weights = rows.row_ids(), rows.data.astype(np.float64)
        out[rows.indices, owner] = weights / np.bincount(owner, weights, len(profiles))[owner] if shares else weights
        return out

    def series(self, items: Floats, profiles: NDArray[np.int64]) -> Floats:
        """Scores of the items (items, columns), from their probabilities after the first step; each column is of one of the profiles."""
        d, backend = self.model.damping, self.model.backend_
        rounds = max(1, ceil((log(self.model.tol) / log(d) - 1) / 2))
        item_sums: Floats = self.item_sums[:, None]
        if self.new:  # the node of the profile itself
            edges, chances = self._columns(profiles, shares=False), self._columns(profiles, shares=True)
            item_sums = item_sums + edges
        items = (1 - d) * d * items
        total = items.copy()
        for _ in range(rounds - 1):
            shares = items / item_sums
            users = propagate(self.from_items, shares, backend=backend, threads=1) / self.user_sums[:, None]
            items = d * d * propagate(self.from_users, users, backend=backend, threads=1)
            if self.new:
                items += d * d * chances * (edges * shares).sum(axis=0)
            total += items
        return total * self.scale[:, None]

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)

"""Lists whose shares match the user's: calibration, and explicit coverage of categories (xQuAD)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...engine.sparse import CSR
from ...models.contract.parameters import checked, flag, number
from .candidates import Candidates, Chunk, Facts
from .conditions import column_name, optional_column
from .contract import Places, Reranker, best, first
from .diversity import take

ALPHA = 0.01  # of the user's own shares mixed into those of the list, so that none of them is 0


class Calibration(Reranker):
    """Calibrated lists: greedily the largest (1 - w) sum_{i in S} r_i - w KL(p(g|u) || q~(g|S)).

    p(g|u) is the mean share of category g over what the user has, q(g|S) that over the list, and q~ = (1 - .01) q + .01 p. The greedy
    choice is within 1 - 1/e of the best list, since the objective is submodular. Steck 2018, "Calibrated recommendations", eqs. 3 to 6;
    r_i is the score moved to 0 .. 1 within the list. O(k C m) a user, m the most categories of an item. Users without events keep their
    lists.
    """

    name = "calibration"

    weight: float = number(default=0.5, low=0, high=1, doc="w, how much the shares count against relevance; 0 gives the lists as they are.")
    by: str = checked(default="category", check=column_name, limits="an item column", doc='The column of categories, split at "|".')

    def _ready(self, found: Candidates, facts: Facts) -> tuple[Any, int]:
        if not self.weight:
            return (lambda chunk: first(chunk, self.k)), 1
        categories = facts.categories(self.by)
        which, shares = _padded(categories)
        wanted = facts.profiles(found.users, categories)

        def pick(chunk: Chunk) -> Places:
            return self._pick(chunk, which[chunk.rows], shares[chunk.rows], wanted[chunk.users])

        return pick, 6 * which.shape[1]

    def _pick(self, chunk: Chunk, which: NDArray[np.int64], shares: NDArray[np.float64], wanted: NDArray[np.float64]) -> Places:
        users, width = np.arange(len(chunk.users)), chunk.rows.shape[1]
        left, gain = chunk.there.copy(), np.where(chunk.there, (1 - self.weight) * chunk.relevance, 0)
        chosen, counts = np.full((len(users), self.k), -1, np.int64), np.zeros(wanted.shape)
        told = (wanted.sum(axis=1) > 0)[:, None]
        sizes, size_of = np.unique(shares, return_inverse=True)  # few: an item has 1, 2, 3, ... categories
        entry = (users[:, None, None] * wanted.shape[1] + which) * len(sizes) + size_of.reshape(shares.shape)
        for place in range(min(self.k, width)):
            size = place + 1
            before = _divergence(wanted, counts / size)
            after = _divergence(wanted[:, :, None], (counts[:, :, None] + sizes) / size)
            change = np.take((after - before[:, :, None]).reshape(-1), entry).sum(axis=2)
            value = gain - np.where(told, self.weight * (before.sum(axis=1)[:, None] + change), 0)
            at = take(np.where(left, value, -np.inf), left, chosen, place)
            np.add.at(counts, (users[:, None], which[users, at]), shares[users, at])
        return chosen


def _divergence(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """p log(p / q~), 0 where p is."""
    smooth = (1 - ALPHA) * q + ALPHA * p
    ratio = np.divide(p, smooth, out=np.ones(smooth.shape), where=p > 0)
    terms: NDArray[np.float64] = p * np.log(ratio)
    return terms


class XQuAD(Reranker):
    """Explicit coverage: each place takes the highest (1 - w) r_i + w sum_d P(d|u) P(i|d) prod_{j in S} (1 - P(j|d)).

    d are the categories of `by`, or, without it, the head (the most popular items that hold 80 % of the events) and the tail. P(d|u) is the
    share of d in what the user has, P(i|d) the share of d in item i; with smooth=True the product is 1 - (share of d in S), so that a
    category counts on after its first item. Abdollahpouri, Burke and Mobasher 2019, "Managing popularity bias in recommender systems with
    personalized re-ranking", eqs. 1 to 5. r_i is the score moved to 0 .. 1 within the list. O(k C m) a user.
    """

    name = "xquad"

    weight: float = number(default=0.3, low=0, high=1, doc="w, how much coverage counts against relevance; 0 gives the lists as they are.")
    by: str | None = checked(
        default=None, check=optional_column, limits="an item column or None", doc="The column of categories; None: head and tail."
    )
    smooth: bool = flag(default=True, doc="Whether a category that the list has already counts on.")

    def _ready(self, found: Candidates, facts: Facts) -> tuple[Any, int]:
        if not self.weight:
            return (lambda chunk: first(chunk, self.k)), 1
        categories = head_and_tail(facts.popularity()) if self.by is None else facts.categories(self.by)
        which, shares = _padded(categories)
        wanted = facts.profiles(found.users, categories)
        totals = wanted.sum(axis=1, keepdims=True)
        wanted = np.divide(wanted, totals, out=np.full_like(wanted, 1 / wanted.shape[1]), where=totals > 0)

        def pick(chunk: Chunk) -> Places:
            return self._pick(chunk, which[chunk.rows], shares[chunk.rows], wanted[chunk.users])

        return pick, 4 * which.shape[1]

    def _pick(self, chunk: Chunk, which: NDArray[np.int64], shares: NDArray[np.float64], wanted: NDArray[np.float64]) -> Places:
        users = np.arange(len(chunk.users))
        left, gain = chunk.there.copy(), (1 - self.weight) * chunk.relevance
        chosen, uncovered = np.full((len(users), self.k), -1, np.int64), np.ones(wanted.shape)
        counts = np.zeros(wanted.shape)
        for place in range(min(self.k, chunk.rows.shape[1])):
            open_ = 1 - counts / max(place, 1) if self.smooth else uncovered
            value = gain + self.weight * (shares * (wanted * open_)[users[:, None, None], which]).sum(axis=2)
            at = take(np.where(left, value, -np.inf), left, chosen, place)
            taken = np.zeros(wanted.shape)
            np.add.at(taken, (users[:, None], which[users, at]), shares[users, at])
            counts += taken
            uncovered *= 1 - taken
        return chosen


class PopularityCompensation(Reranker):
    """Popularity compensation: r_i + w (|r| / |c|) c_i with c_i = (1 / n_i) (b r_i + 1 - b), n_i the users of item i.

    Zhu et al. 2021, "Popularity-opportunity bias in collaborative filtering", section 5.2; the norms are over the candidates. O(C) a user.
    """

    name = "popularity-compensation"

    weight: float = number(default=0.1, low=0, high=100, doc="w, the strength; 0 gives the lists as they are.")
    balance: float = number(default=0.5, low=0, high=1, doc="b, how far the compensation follows relevance.")

    def _ready(self, found: Candidates, facts: Facts) -> tuple[Any, int]:
        rarity = 1 / np.maximum(facts.popularity(), 1)

        def pick(chunk: Chunk) -> Places:
            score = np.where(chunk.there, chunk.relevance, 0)
            given = np.where(chunk.there, rarity[chunk.rows] * (self.balance * score + 1 - self.balance), 0)
            norms = np.linalg.norm(given, axis=1, keepdims=True)
            ratio = np.divide(np.linalg.norm(score, axis=1, keepdims=True), norms, out=np.zeros_like(norms), where=norms > 0)
            return best(score + self.weight * ratio * given, chunk.there, self.k)

        return pick, 3


class PropensityWeights(Reranker):
    """Scores over the propensity of their items: s_i / p_i, p_i = 1 / (1 + exp(-a - b ln(N_i + 1))), N_i the users of item i.

    a = -b (ln(min N + 1) + ln(max N + 1)) / 2, so that the propensity is 1/2 in the middle. The column weights of IPS-LAE, "Inverse
    propensity scored linear autoencoders" (arXiv 2512.20896). Scores below 0 are left as they are. O(C) a user.
    """

    name = "propensity"

    weight: float = number(default=0.3, low=0, high=10, doc="b, the strength; 0 gives the lists as they are.")

    def _ready(self, found: Candidates, facts: Facts) -> tuple[Any, int]:
        logs = np.log(facts.popularity() + 1)
        middle = (logs.min(initial=0) + logs.max(initial=0)) / 2 if len(logs) else 0.0
        boost = 1 + np.exp(-self.weight * (logs - middle))

        def pick(chunk: Chunk) -> Places:
            return best(np.where(chunk.scores > 0, chunk.scores * boost[chunk.rows], chunk.scores), chunk.there, self.k)

        return pick, 2


def head_and_tail(popularity: NDArray[np.float64]) -> CSR:
    """Category 0, the head: the most popular items that hold 80 % of the events; category 1, the tail."""
    order = np.argsort(-popularity, kind="stable")
    before = np.cumsum(popularity[order]) - popularity[order]
    tail = np.ones(len(popularity), np.int64)
    tail[order[before < 0.8 * popularity.sum()]] = 0
    return CSR.from_pairs(np.arange(len(tail)), tail, None, (len(tail), 2))


def _padded(categories: CSR) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The categories of each item side by side, (items, m), with their shares; padding has share 0."""
    m = max(int(categories.counts().max(initial=0)), 1)
    which, shares = np.zeros((categories.shape[0], m), np.int64), np.zeros((categories.shape[0], m))
    rows = categories.row_ids()
    place = np.arange(categories.nnz) - categories.indptr[rows]
    which[rows, place], shares[rows, place] = categories.indices, categories.data
    return which, shares

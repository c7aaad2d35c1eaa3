"""Lists of all users at once under conditions on groups of items: prices for groups, and a bound on what any lists could reach.

A list takes the k candidates of the highest s_ui + price of the item's group x exposure v_ui. Whatever the prices are, the sum over users
of these k values bounds the objective from above (weak duality); the distance to what the lists reach is the certificate.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_BATCH = 16  # users at the most whose lists are chosen at the same prices; of few users fewer, for each moves the totals more
SWEEPS = 12  # passes over all users
_THETAS = 14  # halvings that find how far a user's list may follow the prices
EPS = 1e-9


class Problem(NamedTuple):
    """Candidates side by side (users, C), best first: scores s from 0 up (0 for padding), groups (-1: none), exposures v, what is there."""

    scores: Floats
    groups: NDArray[np.int64]
    exposure: Floats
    there: NDArray[np.bool_]
    k: int
    size: int  # number of groups

    def top(self, values: Floats, rows: slice | NDArray[np.int64]) -> NDArray[np.bool_]:
        """The k best candidates of some users, as a mask; of equal ones the earlier."""
        found = np.zeros(values.shape, bool)
        order = np.argsort(-np.where(self.there[rows], values, -np.inf), axis=1, kind="stable")[:, : self.k]
        np.put_along_axis(found, order, True, axis=1)
        return found & self.there[rows]

    def totals(self, chosen: NDArray[np.bool_], rows: slice | NDArray[np.int64]) -> Floats:
        """The exposure of each group in the chosen lists of some users."""
        inside = chosen & (self.groups[rows] >= 0)
        sums: Floats = np.bincount(self.groups[rows][inside], weights=self.exposure[rows][inside], minlength=self.size).astype(np.float64)
        return sums

    def priced(self, prices: Floats, rows: slice | NDArray[np.int64]) -> Floats:
        """What the prices add to each candidate."""
        added: Floats = np.append(prices, 0.0)[self.groups[rows]] * self.exposure[rows]
        return added

    def best(self) -> Floats:
        """The largest sum of scores of each user, (users,)."""
        sums: Floats = np.where(self.top(self.scores, slice(None)), self.scores, 0).sum(axis=1)
        return sums

    def bound(self, prices: Floats) -> float:
        """The sum over users of the k largest values at these prices."""
        values = self.scores + self.priced(prices, slice(None))
        return float(np.where(self.top(values, slice(None)), values, 0).sum())


def choose(problem: Problem, prices: Floats, rows: slice, least: Floats | None) -> NDArray[np.bool_]:
    """Lists of some users at the prices; with `least` (users,) no list has a smaller sum of scores than that."""
    scores, added = problem.scores[rows], problem.priced(prices, rows)
    chosen = problem.top(scores + added, rows)
    if least is None:
        return chosen
    short = np.flatnonzero(np.where(chosen, scores, 0).sum(axis=1) < least[rows] - EPS)
    if len(short):
        where = np.arange(rows.start, rows.stop)[short]
        low, high = np.zeros(len(short)), np.ones(len(short))
        kept = problem.top(scores[short], where)
        for _ in range(_THETAS):  # the list of theta x prices: its sum of scores falls as theta rises
            theta = (low + high) / 2
            lists = problem.top(scores[short] + theta[:, None] * added[short], where)
            good = np.where(lists, scores[short], 0).sum(axis=1) >= least[where] - EPS
            kept[good] = lists[good]
            low, high = np.where(good, theta, low), np.where(good, high, theta)
        chosen[short] = kept
    return chosen


class Solution(NamedTuple):
    """Lists as a mask (users, C), the exposure of each group, the prices, and the bound: no lists can have an objective above it."""

    chosen: NDArray[np.bool_]
    totals: Floats
    prices: Floats
    objective: float
    bound: float

    @property
    def gap(self) -> float:
        """How far the objective may be from the best, as a share of it."""
        return max(self.bound - self.objective, 0.0) / max(abs(self.bound), EPS)


def equalize(problem: Problem, weight: float, least: Floats | None = None) -> Solution:
    """The lists of the largest sum of scores + weight x sum_r w_r V_(r), V_(1) <= V_(2) <= ... the exposures of the groups.

    w_r = (2 (G - r) + 1) / G falls with the rank: this is the welfare whose loss against equal exposure is the Gini index. Block by block
    each user's lists are chosen at the slopes of the welfare, with that user's own exposure taken out: the objective rises from sweep to
    sweep. The mean of the slopes over a sweep gives the bound. O(sweeps x users x C log C).
    """
    users, slopes, batch = len(problem.scores), _slopes(problem.size), batch_size(problem)
    chosen = problem.top(problem.scores, slice(None))
    totals = problem.totals(chosen, slice(None))
    found, mean = (chosen, totals), np.zeros(problem.size)
    objective, bound = -np.inf, np.inf
    for sweep in range(SWEEPS):
        sums, chosen = np.zeros(problem.size), chosen.copy()
        for start in range(0, users, batch):
            rows = slice(start, min(start + batch, users))
            totals = totals - problem.totals(chosen[rows], rows)
            prices = np.empty(problem.size)
            prices[np.argsort(totals, kind="stable")] = weight * slopes
            chosen[rows] = choose(problem, prices, rows, least)
            totals = totals + problem.totals(chosen[rows], rows)
            sums += prices * (rows.stop - rows.start) / users
        value = float(problem.scores[chosen].sum() + weight * np.sort(totals) @ slopes)
        limit = problem.bound(sums)
        if limit < bound:
            bound, mean = limit, sums
        rises = value > objective + 1e-6 * abs(value)
        if value > objective:
            objective, found = value, (chosen, totals)
        if sweep and not rises:
            break
    return Solution(*found, mean, objective, bound)


def batch_size(problem: Problem) -> int:
    return max(1, min(_BATCH, len(problem.scores) // 400))


def _slopes(groups: int) -> Floats:
    return (2 * (groups - np.arange(1, groups + 1)) + 1) / groups

"""Metrics of lists with ties: what they are on average over all orders of the items that have the same score.

McSherry & Najork, ECIR 2008, "Computing information retrieval performance measures efficiently in the presence of tied scores". Places of
one score are a run. In a run of s items, m of them test items, each order is as likely as another; so each place holds a test item with
the chance m / s. The last run of a list may go on beyond it: then s and m count the items that were left out as well.

`linear`, `precisions` and `found` are the `Hits` by which the formulas of `accuracy` give these expectations: for sums over places of
weights, for average precision, and for whether there is a hit. Nothing is drawn; all is exact. O(U K).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..engine.sparse import CSR
from . import accuracy
from .accuracy import Counts, Hits, Mask, Values


class Ties(NamedTuple):
    """What the scores of U lists, K places each, say about their order.

    scores : float64 (U, K), NaN after the end of a list. beyond : int64 (U,), how many further candidates have the score of the last
    place. further : CSR (U, n), those of them that are test items.
    """

    scores: Values
    beyond: Counts
    further: CSR

    def rows(self, selection: NDArray[np.int64]) -> Ties:
        """Those of some users."""
        return Ties(self.scores[selection], self.beyond[selection], self.further.rows(selection))

    def part(self, start: int, stop: int) -> Ties:
        """Those of users start..stop."""
        return Ties(self.scores[start:stop], self.beyond[start:stop], self.further.span(start, stop))

    def tied(self) -> Mask:
        """bool (U, K): whether another candidate has the score of the item at this place."""
        same = self.scores[:, 1:] == self.scores[:, :-1]
        tied = np.zeros(self.scores.shape, bool)
        tied[:, 1:] |= same
        tied[:, :-1] |= same
        going_on = np.flatnonzero(self.beyond)
        last = (np.isfinite(self.scores) | np.isinf(self.scores)).sum(1)[going_on] - 1
        end = self.scores[going_on, last]
        tied[going_on] |= self.scores[going_on] == end[:, None]
        return tied


def share_of_ties(tied: Mask, inside: Mask, k: int) -> Values:
    """Ties@k = |places among the first k whose score another candidate has, too| / min(k, |L|).

    Denominator: the length of the list, at most k.
    Empty: a user without a list is left out.
    Elsewhere: nobody else reports it.
    Source: McSherry and Najork, ECIR 2008.
    """
    length = inside[:, :k].sum(1)
    return np.where(length, (tied & inside)[:, :k].sum(1) / np.maximum(length, 1), np.nan)


class Expected(NamedTuple):
    """`Hits` whose values are expectations; see the module. found.upto is the chance of a hit among the first r."""

    linear: Hits
    precisions: Hits
    found: Hits

    @classmethod
    def of(cls, hit: Mask, ties: Ties, group: Mask | None = None) -> Expected:
        """hit : bool (U, K), restricted to the group's items where there is one."""
        scores = ties.scores
        users, places = scores.shape
        further = accuracy.relevant_in(ties.further, group)
        inside = ~np.isnan(scores)
        fresh = np.ones((users, places), bool)
        fresh[:, 1:] = ~(scores[:, 1:] == scores[:, :-1])
        run = np.cumsum(fresh, 1) - 1 + np.arange(users)[:, None] * places
        size = np.bincount(run[inside], minlength=users * places).astype(np.float64)
        relevant = np.bincount(run[inside], weights=hit[inside], minlength=users * places)
        length = inside.sum(1)
        goes_on = np.flatnonzero((ties.beyond > 0) & (length > 0))
        last = run[goes_on, length[goes_on] - 1]
        size[last] += ties.beyond[goes_on]
        relevant[last] += further[goes_on]
        s, m = np.where(inside, size[run], 1.0), np.where(inside, relevant[run], 0.0)
        rank = np.arange(places)
        start = np.maximum.accumulate(np.where(fresh, rank, 0), 1)
        offset = rank - start
        at = m / s
        total = np.cumsum(hit & inside, 1, dtype=np.float64)
        held: Values = np.concatenate((np.zeros((users, 1)), total[:, :-1]), 1)
        before = held[np.arange(users)[:, None], start]  # hits in the runs before
        with_another = np.divide(offset * (m - 1.0), s - 1.0, out=np.zeros_like(s), where=s > 1)
        miss = np.ones(users)
        chance = np.empty((users, places))
        for place in range(places):
            rest = s[:, place] - offset[:, place]
            miss = miss * np.maximum(rest - m[:, place], 0.0) / rest
            chance[:, place] = 1.0 - miss
        return cls(Hits(at, np.cumsum(at, 1)), Hits(at, before + 1.0 + with_another), Hits(at, chance))

    def value(self, name: str, relevant: Counts, k: int) -> Values:
        """The expectation of a metric of `accuracy.ACCURACY`."""
        if name == "mrr":
            first = np.diff(self.found.upto[:, :k], axis=1, prepend=0.0)  # the chance that the first hit is at this place
            mean: Values = (first / np.arange(1.0, k + 1.0)).sum(1)
            return mean
        hits = self.precisions if name in ("map", "map_trec") else self.found if name == "hitrate" else self.linear
        return accuracy.ACCURACY[name](hits, relevant, k)

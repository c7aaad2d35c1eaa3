"""Both sides of a market: guarantees for providers that cost each user little, from the literature."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...models.contract.parameters import flag, number
from .candidates import Candidates, Facts
from .contract import Places
from .exposure import Grouped, places_of, report_of
from .prices import Problem, Solution, equalize


class FairRec(Grouped):
    """FairRec: each item (or each group of `by`) is first given at least floor(share x fair share) places, then users fill their lists.

    Phase one goes round the users in a fixed order; each takes the best candidate that has copies left, and every item has
    floor(share x users x k / items) of them; phase two fills the lists greedily in the same round-robin order. No user envies another by
    more than one item (EF1), where every user has every item as a candidate; a candidate list of k to 100 keeps the guarantee of
    providers as far as candidates allow. Patro et al. 2020, "FairRec: two-sided fairness for personalized recommendations", algorithms 1
    and 2. With plus=True phase one deals the copies of a group, not of an item, as FairRec+ (Biswas et al. 2021) does for producers.
    O(users C log C).
    """

    name = "fairrec"

    share: float = number(
        default=0.5, low=0, high=1, doc="alpha, the part of the fair share that is guaranteed; 0 gives the lists as they are."
    )
    plus: bool = flag(default=False, doc="Whether the copies are those of a group.")

    def _choose(self, found: Candidates, facts: Facts) -> tuple[Places, dict[str, Any]]:
        groups, names = self._groups(facts)
        problem = self._problem(found, groups, len(names))
        item = np.full(problem.there.shape, -1, np.int64)
        item[problem.there] = found.rows
        label = problem.groups if self.plus else item
        owners = len(names) if self.plus else len(found.items)
        copies = int(self.share * len(found.users) * self.k / max(owners, 1))
        chosen = self._dealt(problem, label, np.full(owners + 1, copies))
        solution = Solution(chosen, problem.totals(chosen, slice(None)), np.zeros(len(names)), float(problem.scores[chosen].sum()), np.inf)
        return places_of(problem, chosen), report_of(problem, solution, names) | {"copies": copies}

    def _dealt(self, problem: Problem, label: NDArray[np.int64], copies: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Round by round, each user in turn takes the best candidate whose label has copies; then the best that is left."""
        users, chosen = len(problem.scores), np.zeros(problem.there.shape, bool)
        filled = [0] * users
        copies[-1] = 0  # of what has no label
        if copies.any():
            for _ in range(self.k):
                taken = 0
                for user in range(users):
                    able = np.flatnonzero(problem.there[user] & ~chosen[user] & (copies[label[user]] > 0))
                    if filled[user] < self.k and len(able):
                        chosen[user, able[0]] = True
                        copies[label[user, able[0]]] -= 1
                        filled[user] += 1
                        taken += 1
                if not taken:
                    break
        for user in range(users):
            able = np.flatnonzero(problem.there[user] & ~chosen[user])[: self.k - filled[user]]
            chosen[user, able] = True
        return chosen


class PMMF(Grouped):
    """P-MMF: max-min fairness of providers online, by mirror descent on the dual.

    Users come one after the other; each gets the k best s_ui - mu_g(i), and mu moves along the gradient of the dual, by steps with
    momentum, in the set where the sum of the negative parts of gamma_g mu_g is at least -w. gamma_g is the share of the exposure that a
    provider may have: its share of the items. Xu et al. 2023, "P-MMF: provider max-min fairness re-ranking in recommender system",
    algorithm 1. O(users C log C).
    """

    name = "pmmf"

    weight: float = number(
        default=0.1, low=0, high=1e6, doc="lambda, how much the worst-off provider counts; 0 gives the lists as they are."
    )
    rate: float = number(default=0.01, above=0, high=10, doc="eta, the step of the prices.")
    momentum: float = number(default=0.5, low=0, below=1, doc="How much of the last gradient is kept.")

    def _choose(self, found: Candidates, facts: Facts) -> tuple[Places, dict[str, Any]]:
        groups, names = self._groups(facts)
        problem = self._problem(found, groups, len(names))
        users, n = len(problem.scores), len(names)
        gamma = np.maximum(np.bincount(groups[groups >= 0], minlength=n), 1) / max(len(groups), 1)
        left = users * self.k * gamma
        prices, gradient, chosen = np.zeros(n), np.zeros(n), np.zeros(problem.there.shape, bool)
        for user in range(users):
            rows = slice(user, user + 1)
            open_ = np.append(left > 0, True)[problem.groups[rows]] if self.weight else np.ones((1, problem.there.shape[1]), bool)
            values = np.where(open_, problem.scores[rows] - problem.priced(prices, rows), -1e9)
            chosen[rows] = problem.top(values, rows)
            got = problem.totals(chosen[rows], rows)
            left -= got
            gradient = self.momentum * gradient + (1 - self.momentum) * (self.k * gamma - got)
            if self.weight:
                prices = _into(prices - self.rate * gradient, gamma, self.weight)
        solution = Solution(chosen, problem.totals(chosen, slice(None)), prices, float(problem.scores[chosen].sum()), np.inf)
        return places_of(problem, chosen), report_of(problem, solution, names)


def _into(prices: NDArray[np.float64], gamma: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """The nearest prices, in the norm weighted by gamma^2, whose gamma-weighted negative parts sum to at least -weight."""
    owed = np.maximum(-prices, 0) * gamma
    if owed.sum() <= weight:
        return prices
    falling = np.sort(owed)[::-1]
    sums = np.cumsum(falling) - weight
    last = int(np.flatnonzero(falling - sums / np.arange(1, len(falling) + 1) > 0)[-1])
    kept = np.maximum(owed - sums[last] / (last + 1), 0)
    return np.where(prices < 0, -kept / gamma, prices)


class CPFair(Grouped):
    """CPFair: the sum of scores less w x the gap in exposure between two groups of items, over all lists.

    The item side of Naghiaei, Rahmani and Deldjoo 2022, "CPFair: personalized consumer and producer fairness re-ranking", eq. 6: by
    default the groups are head and tail, and the gap is |exposure of the head - exposure of the tail|. Solved by prices, where the source
    takes a mixed-integer program; the report has the certificate. With more than two groups the gap is that of the welfare of
    `EqualExposure`.
    """

    name = "cpfair"

    weight: float = number(default=0.1, low=0, high=1e6, doc="The strength; 0 gives the lists as they are.")

    def _choose(self, found: Candidates, facts: Facts) -> tuple[Places, dict[str, Any]]:
        groups, names = self._groups(facts)
        problem = self._problem(found, groups, len(names))
        solution = equalize(problem, self.weight)
        return places_of(problem, solution.chosen), report_of(problem, solution, names)

"""Lists served one after the other: what a group was owed so far decides the next list."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...models.contract.parameters import number
from .candidates import Candidates, Facts
from .contract import Places
from .exposure import Grouped, report_of
from .prices import Problem, Solution


class _OverTime(Grouped):
    """Lists are made in the order of the users given; attention by place is 1 / log2(1 + rank)."""

    weight: float = number(default=0.1, low=0, high=1e6, doc="The strength; 0 gives the lists as they are.")

    def _owed(self, attention: np.ndarray[Any, Any], merit: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        raise AssertionError

    def _choose(self, found: Candidates, facts: Facts) -> tuple[Places, dict[str, Any]]:
        groups, names = self._groups(facts)
        problem = self._problem(found, groups, len(names))
        places, chosen = self._served(problem)
        solution = Solution(chosen, problem.totals(chosen, slice(None)), np.zeros(len(names)), float(problem.scores[chosen].sum()), np.inf)
        return places, report_of(problem, solution, names)

    def _served(self, problem: Problem) -> tuple[Places, np.ndarray[Any, np.dtype[np.bool_]]]:
        users, width = problem.there.shape
        discount = 1 / np.log2(np.arange(2, self.k + 2))
        attention, merit = np.zeros(problem.size), np.zeros(problem.size)
        places, chosen = np.full((users, self.k), -1, np.int64), np.zeros((users, width), bool)
        for user in range(users):
            scores, there = problem.scores[user], problem.there[user]
            largest = max(float(scores[there].max(initial=0)), 1e-30)
            value = scores / largest + self.weight * np.append(self._owed(attention, merit), 0.0)[problem.groups[user]]
            order = np.argsort(-np.where(there, value, -np.inf), kind="stable")[: self.k]
            order = order[there[order]]
            places[user, : len(order)] = order
            chosen[user, order] = True
            group = problem.groups[user]
            inside = there & (group >= 0)
            merit += np.bincount(group[inside], weights=scores[inside] / max(float(scores[inside].sum()), 1e-30), minlength=problem.size)
            shown = group[order]
            seen = discount[: len(order)] / discount[: len(order)].sum() if len(order) else discount[:0]
            attention += np.bincount(shown[shown >= 0], weights=seen[shown >= 0], minlength=problem.size)
        return places, chosen


class Amortized(_OverTime):
    """Amortized attention: a group that has had less attention than relevance so far is moved up by w x (relevance - attention).

    Relevance and attention of a list each sum to 1. Biega, Gummadi and Weikum 2018, "Equity of attention: amortizing individual fairness in
    rankings", section 4, with the greedy online step in place of its integer program. O(C log C) a list.
    """

    name = "amortized"

    def _owed(self, attention: np.ndarray[Any, Any], merit: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        owed: np.ndarray[Any, Any] = merit - attention
        return owed


class FairCo(_OverTime):
    """FairCo: a proportional controller adds w x err_g to the scores, err_g the largest attention per merit of any group less that of g.

    Morik et al. 2020, "Controlling fairness and bias in dynamic learning-to-rank", eqs. 11 and 12, exposure-based. The error is a mean
    over the lists so far, as there. O(C log C) a list.
    """

    name = "fairco"

    def _owed(self, attention: np.ndarray[Any, Any], merit: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        ratio = np.divide(attention, merit, out=np.zeros_like(attention), where=merit > 0)
        owed: np.ndarray[Any, Any] = ratio.max(initial=0) - ratio
        return owed

"""Exposure of groups over the lists of all users: floors and caps held by prices, or as equal as a bound on the loss allows."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError
from ...models.contract.parameters import checked, choice, number
from .calibration import head_and_tail
from .candidates import Candidates, Facts
from .conditions import optional_column
from .contract import Places, Reranker
from .floors import hold
from .prices import Problem, Solution, equalize

Exposed = Literal["count", "utility"]
_HALVINGS = 12  # of the weight, to meet a mean loss


class Grouped(Reranker):
    """What re-rankers share that choose the lists of all users together."""

    per_user: ClassVar[bool] = False

    by: str | None = checked(
        default=None,
        check=optional_column,
        limits="an item column or None",
        doc="The column of the groups, such as a provider; None: head and tail.",
    )
    exposure: Exposed = choice(default="count", doc='What a group gets from an item in a list: 1 ("count"), or the score ("utility").')

    def _ready(self, found: Candidates, facts: Facts) -> tuple[Any, int]:
        raise AssertionError("lists are chosen together")

    def _groups(self, facts: Facts) -> tuple[NDArray[np.int32], list[str]]:
        if self.by is not None:
            return facts.groups(self.by)
        return head_and_tail(facts.popularity()).indices, ["head", "tail"]

    def _problem(self, found: Candidates, groups: NDArray[np.int32], count: int) -> Problem:
        """All candidates side by side; scores are moved so that the least of each list is 0 where any is below 0."""
        lengths = np.diff(found.indptr)
        there = np.arange(int(lengths.max(initial=1))) < lengths[:, None]
        scores = np.zeros(there.shape)
        scores[there] = found.scores
        lowest = np.minimum(np.where(there, scores, np.inf).min(axis=1), 0)
        scores = np.where(there, scores - np.where(np.isfinite(lowest), lowest, 0)[:, None], 0)
        group = np.full(there.shape, -1, np.int64)
        group[there] = groups[found.rows]
        exposure = scores if self.exposure == "utility" else there.astype(np.float64)
        return Problem(scores, group, exposure, there, self.k, count)


class EqualExposure(Grouped):
    """Exposure of the groups as equal as possible: the most sum of scores + w x welfare, the welfare whose loss is the Gini index.

    The welfare is sum_r (2 (G - r) + 1) / G V_(r) over the exposures V in ascending order. `max_loss` finds the largest w whose mean loss
    over the users stays within it. See `prices.equalize`. The report has the Gini index, the share of the worse-off half, and the
    certificate: no lists can have an objective above `bound`.
    """

    name = "equal-exposure"

    weight: float = number(default=0.1, low=0, high=1e6, doc="w; 0 gives the lists as they are. Not used with max_loss.")
    max_loss: float | None = number(
        default=None, low=0, high=1, doc="The mean over users of 1 - (sum of scores of the list) / (that of the k best) that is allowed."
    )

    def _choose(self, found: Candidates, facts: Facts) -> tuple[Places, dict[str, Any]]:
        groups, names = self._groups(facts)
        problem = self._problem(found, groups, len(names))
        weight = self.weight
        if self.max_loss is None:
            solution = equalize(problem, weight)
        else:
            weight, solution = _largest(problem, self.max_loss)
        report = report_of(problem, solution, names) | {"weight": weight}
        return places_of(problem, solution.chosen), report


class Exposure(Grouped):
    """Floors and caps on the share of the exposure that each group has over all lists, at the least loss, with a bound for each user.

    max sum_u sum_{i in S_u} s_ui  where  floor <= (exposure of g) / (exposure of all lists) <= cap for each group g, and the sum of each
    user's list is at least (1 - max_loss) of that user's best. Prices of the groups by an augmented Lagrangian; see `floors.hold`. The
    report says which groups hold, and has the certificate: no lists that hold can have a sum of scores above `bound`; `gap` is the
    distance as a share. Conditions that cannot be held within max_loss are reported with what they lack (`held` is False).
    """

    name = "exposure"

    floor: float = number(default=0.0, low=0, high=1, doc="The least share of each group.")
    cap: float = number(default=1.0, low=0, high=1, doc="The largest share of each group.")
    max_loss: float = number(default=1.0, low=0, high=1, doc="What each user's list may lose of the sum of its scores, as a share.")

    def _check(self) -> None:
        super()._check()
        if self.floor > self.cap:
            raise ParameterError(f"floor={self.floor} is above cap={self.cap}")

    def _choose(self, found: Candidates, facts: Facts) -> tuple[Places, dict[str, Any]]:
        groups, names = self._groups(facts)
        if self.floor * len(names) > 1:
            raise ParameterError(f"floor={self.floor} for each of {len(names)} groups adds up to more than 1: at most {1 / len(names):.4g}")
        problem = self._problem(found, groups, len(names))
        total = self._total(problem)
        floors, caps = np.full(len(names), self.floor * total), np.full(len(names), np.inf if self.cap == 1 else self.cap * total)
        least = None if self.max_loss == 1 else (1 - self.max_loss) * problem.best()
        solution = hold(problem, floors, caps, least)
        lacks = _beyond(names, (floors - solution.totals) / max(total, 1e-30))
        over = _beyond(names, (solution.totals - caps) / max(total, 1e-30))
        report = report_of(problem, solution, names) | {"held": not lacks and not over, "lacks": lacks, "over": over}
        return places_of(problem, solution.chosen), report

    def _total(self, problem: Problem) -> float:
        """The exposure that shares are of: the places of all lists, or the utility of the best ones."""
        return float(problem.best().sum() if self.exposure == "utility" else np.minimum(problem.there.sum(axis=1), self.k).sum())


def _beyond(names: list[str], shares: NDArray[np.float64]) -> dict[str, float]:
    """The groups whose share is above 0."""
    return {name: float(share) for name, share in zip(names, shares, strict=True) if share > 1e-9}


def _largest(problem: Problem, max_loss: float) -> tuple[float, Solution]:
    """The largest weight whose mean loss is within the bound, by doubling and halving."""
    best = problem.best()

    def loss(solution: Solution) -> float:
        got = np.where(solution.chosen, problem.scores, 0).sum(axis=1)
        return float(np.mean(np.divide(best - got, best, out=np.zeros_like(best), where=best > 0)))

    low, found, high = 0.0, equalize(problem, 0.0), 1.0
    while loss(tried := equalize(problem, high)) <= max_loss and high < 1e6:
        low, found, high = high, tried, 4 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        tried = equalize(problem, middle)
        if loss(tried) <= max_loss:
            low, found = middle, tried
        else:
            high = middle
    return low, found


def places_of(problem: Problem, chosen: NDArray[np.bool_]) -> Places:
    """The chosen candidates in the order of their scores: the places stand best first already."""
    order = np.argsort(~chosen, axis=1, kind="stable")[:, : problem.k]
    places: Places = np.where(np.take_along_axis(chosen, order, axis=1), order, -1)
    return np.pad(places, ((0, 0), (0, problem.k - places.shape[1])), constant_values=-1)


def report_of(problem: Problem, solution: Solution, names: list[str]) -> dict[str, Any]:
    totals, best = np.sort(solution.totals), problem.best()
    n, total = len(totals), max(float(totals.sum()), 1e-30)
    got = np.where(solution.chosen, problem.scores, 0).sum(axis=1)
    loss = np.divide(best - got, best, out=np.zeros_like(best), where=best > 0)
    return {
        "shares": {name: float(value / total) for name, value in zip(names, solution.totals, strict=True)},
        "prices": {name: float(value) for name, value in zip(names, solution.prices, strict=True)},
        "gini": float((2 * np.arange(1, n + 1) - n - 1) @ totals / (n * total)),
        "worse_half": float(totals[: n // 2].sum() / total),
        "mean_loss": float(loss.mean()) if len(loss) else 0.0,
        "largest_loss": float(loss.max(initial=0)),
        "objective": solution.objective,
        **({"bound": solution.bound, "gap": solution.gap} if np.isfinite(solution.bound) else {}),
    }

"""The last step to the best lists: what the prices leave open is a small linear program, solved exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .prices import Floats, Problem, Solution

_OPEN = 20_000  # candidates of the program at the most
_WHOLE = 1e-6  # how near to 0 or 1 a variable must be


def settled(problem: Problem, solution: Solution, floors: Floats, caps: Floats) -> Solution:
    """A better solution where the program finds one, else the one given.

    At the prices, a candidate far above the k-th value of its user is listed and one far below is not; those nearest to it are open, at
    most 20,000 of them. Where exposures are 1, the program is a flow from users to groups, and its vertices are whole numbers: up to 20,000
    candidates in all the answer is the best there is. Its multipliers are prices, and may tighten the bound. By SciPy's HiGHS.
    """
    from scipy.optimize import linprog

    values = np.where(problem.there, problem.scores + problem.priced(solution.prices, slice(None)), -np.inf)
    margin = _margins(problem, values)
    open_, fixed = _split(problem, margin)
    if not open_.any():
        return solution
    users, groups, exposure = np.nonzero(open_)[0], problem.groups[open_], problem.exposure[open_]
    done = problem.totals(fixed, slice(None))
    left = np.minimum(problem.there.sum(axis=1), problem.k) - fixed.sum(axis=1)
    rows, equal = _users(users, left, len(left))
    bounded = np.flatnonzero(np.isfinite(caps))
    upper, right = _limits(groups, exposure, problem.size, floors - done, (caps - done)[bounded], bounded)
    found = linprog(-problem.scores[open_], A_ub=upper, b_ub=right, A_eq=rows, b_eq=equal, bounds=(0, 1), method="highs-ds")
    if found.x is None:
        return solution
    prices = -np.asarray(found.ineqlin.marginals[: problem.size])
    prices[bounded] += np.asarray(found.ineqlin.marginals[problem.size :])
    limits = np.where(prices > 0, floors, np.where(prices < 0, np.where(np.isfinite(caps), caps, 0), 0))
    bound = problem.bound(prices) - float(prices @ limits)
    if bound < solution.bound:
        solution = solution._replace(bound=bound, prices=prices)
    if np.abs(found.x - np.round(found.x)).max(initial=0) > _WHOLE:
        return solution
    chosen = fixed.copy()
    chosen[open_] = found.x > 0.5
    totals, objective = problem.totals(chosen, slice(None)), float(problem.scores[chosen].sum())
    held = bool(((totals >= floors - 1e-6) & (totals <= caps + 1e-6)).all())
    was_held = bool(((solution.totals >= floors - 1e-6) & (solution.totals <= caps + 1e-6)).all())
    if held and (objective > solution.objective or not was_held):
        return solution._replace(chosen=chosen, totals=totals, objective=objective)
    return solution


def _margins(problem: Problem, values: Floats) -> Floats:
    """How far each candidate is from being decided otherwise: its distance to the middle of the k-th and the next value of its user."""
    ordered = -np.sort(-values, axis=1)
    width = ordered.shape[1]
    last = ordered[:, min(problem.k, width) - 1]
    after = ordered[:, problem.k] if width > problem.k else np.full(len(ordered), -np.inf)
    middle = np.where(np.isfinite(after), (last + after) / 2, last)
    margins: Floats = values - np.where(np.isfinite(middle), middle, 0)[:, None]
    return margins


def _split(problem: Problem, margin: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which candidates are open, and which are listed for certain."""
    distance = np.where(problem.there, np.abs(margin), np.inf)
    count = int(problem.there.sum())
    limit = np.inf if count <= _OPEN else float(np.partition(distance[problem.there], _OPEN - 1)[_OPEN - 1])
    open_ = problem.there & (distance <= limit)
    fixed = problem.there & ~open_ & (margin > 0)
    return open_, fixed


def _users(users: NDArray[np.int64], left: NDArray[np.int64], count: int) -> tuple[object, Floats]:
    """Each user's open places are filled."""
    from scipy.sparse import csr_array

    some = np.unique(users)
    number = np.full(count, -1)
    number[some] = np.arange(len(some))
    matrix = csr_array((np.ones(len(users)), (number[users], np.arange(len(users)))), shape=(len(some), len(users)))
    return matrix, left[some].astype(np.float64)


def _limits(
    groups: NDArray[np.int64], exposure: Floats, size: int, floors: Floats, caps: Floats, bounded: NDArray[np.int64]
) -> tuple[object, Floats]:
    """Minus the exposure of each group is at most minus its floor; that of a bounded group at most its cap."""
    from scipy.sparse import csr_array, vstack

    inside = np.flatnonzero(groups >= 0)
    exposed = csr_array((exposure[inside], (groups[inside], inside)), shape=(size, len(groups)))
    return vstack([-exposed, exposed[bounded]]).tocsr(), np.concatenate((-floors, caps))

"""Floors and caps of groups held over all lists, at the least loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .core import settled
from .prices import EPS, SWEEPS, Floats, Problem, Solution, batch_size, choose


def hold(problem: Problem, floors: Floats, caps: Floats, least: Floats | None = None) -> Solution:
    """The lists of the largest sum of scores where each group's exposure is in [floors, caps].

    Augmented Lagrangian: a group's price is its multiplier plus rho times what it lacks (or minus what it has too much); lists are chosen
    batch by batch at these prices, the multipliers move after each sweep. Then the cheapest exchanges close what is left open, those that
    are no longer needed are taken back, and `settled` decides what the prices leave open, where users have no bound of their own. The
    bound is the dual function at the best multipliers.
    """
    users, batch = len(problem.scores), batch_size(problem)
    unit = problem.exposure[problem.there].mean() if problem.there.any() else 1.0
    spread = float(problem.scores[problem.there].std()) or 1.0
    rho = 4 * spread / unit / max(1.0, float(np.mean(np.maximum(floors, 1))) / unit)
    prices = np.zeros(problem.size)
    chosen = problem.top(problem.scores, slice(None))
    totals = problem.totals(chosen, slice(None))
    bound, found = np.inf, prices
    for _ in range(3 * SWEEPS):
        mean = np.zeros(problem.size)
        for start in range(0, users, batch):
            rows = slice(start, min(start + batch, users))
            totals = totals - problem.totals(chosen[rows], rows)
            ahead = problem.totals(chosen[rows], rows)
            at = _augmented(prices, rho, totals + ahead, floors, caps)
            chosen[rows] = choose(problem, at, rows, least)
            totals = totals + problem.totals(chosen[rows], rows)
            mean += at * (rows.stop - rows.start) / users
        prices = _augmented(prices, rho, totals, floors, caps)
        for candidate in (mean, prices):
            limit = problem.bound(candidate) - _value(candidate, floors, caps)
            if limit < bound:
                bound, found = limit, candidate
        if ((totals >= floors - EPS) & (totals <= caps + EPS)).all():
            break
    chosen, totals = _repaired(problem, chosen, totals, floors, caps, least)
    solution = Solution(chosen, totals, found, float(problem.scores[chosen].sum()), float(bound))
    return solution if least is not None else settled(problem, solution, floors, caps)


def _augmented(prices: Floats, rho: float, totals: Floats, floors: Floats, caps: Floats) -> Floats:
    """Multipliers after a step: up where a floor is not reached, down where a cap is passed, towards 0 between."""
    moved: Floats = np.maximum(prices + rho * (floors - totals), 0) + np.minimum(prices + rho * (np.minimum(caps, 1e300) - totals), 0)
    return moved


def _value(prices: Floats, floors: Floats, caps: Floats) -> float:
    """What the conditions take from the bound: prices x floors where they are above 0, x caps where below."""
    limits = np.where(prices > 0, floors, np.where(prices < 0, caps, 0))
    return float(np.where(prices == 0, 0.0, prices * np.where(np.isfinite(limits), limits, 0)).sum())


def _repaired(
    problem: Problem, chosen: NDArray[np.bool_], totals: Floats, floors: Floats, caps: Floats, least: Floats | None
) -> tuple[NDArray[np.bool_], Floats]:
    """Exchange one item of a list for another, cheapest first, until the groups hold; then take back what is not needed."""
    slack = None if least is None else np.where(chosen, problem.scores, 0).sum(axis=1) - least
    for _ in range(problem.size + 1):
        lacking, over = totals < floors - EPS, totals > caps + EPS
        if not (lacking.any() or over.any()):
            break
        moved = _exchange(problem, chosen, totals, floors, caps, slack, lacking, over)
        if not moved:
            break
    none = np.zeros(problem.size, bool)
    while _exchange(problem, chosen, totals, floors, caps, slack, none, none):
        pass
    return chosen, problem.totals(chosen, slice(None))


def _exchange(
    problem: Problem, chosen: NDArray[np.bool_], totals: Floats, floors: Floats, caps: Floats, slack: Floats | None,
    lacking: NDArray[np.bool_], over: NDArray[np.bool_],
) -> int:  # fmt: skip
    """One round: of each user the cheapest exchange that helps (or, where nothing is wanted, one that gains), in order of cost."""
    group = problem.groups
    gain_in, gain_out = np.append(lacking, False)[group], np.append(over, False)[group]
    wanted = lacking.any() or over.any()
    spare = np.append(totals - problem.exposure[problem.there].max(initial=0) >= floors, True)[group]
    out_able = chosen & (gain_out | (spare if not over.any() else spare | gain_out)) & ~(gain_in if wanted else np.zeros_like(chosen))
    in_able = problem.there & ~chosen & (gain_in if lacking.any() else ~gain_out)
    out = np.where(out_able, problem.scores, np.inf)
    into = np.where(in_able, problem.scores, -np.inf)
    leaves, enters = np.argmin(out, axis=1), np.argmax(into, axis=1)
    users = np.arange(len(chosen))
    cost = out[users, leaves] - into[users, enters]
    limit = np.inf if wanted else -1e-12
    moved = 0
    for user in users[np.isfinite(cost) & (cost < limit)][np.argsort(cost[np.isfinite(cost) & (cost < limit)], kind="stable")].tolist():
        a, b = int(leaves[user]), int(enters[user])
        ga, gb = int(group[user, a]), int(group[user, b])
        va, vb = problem.exposure[user, a], problem.exposure[user, b]
        if slack is not None and cost[user] > slack[user] + EPS:
            continue
        if ga == gb and wanted:
            continue
        if ga >= 0 and ga != gb and totals[ga] - va < floors[ga] - EPS and not over[ga]:
            continue
        if gb >= 0 and ga != gb and totals[gb] + vb > caps[gb] + EPS:
            continue
        if wanted and not ((gb >= 0 and totals[gb] < floors[gb] - EPS) or (ga >= 0 and totals[ga] > caps[ga] + EPS)):
            continue
        chosen[user, a], chosen[user, b] = False, True
        if ga >= 0:
            totals[ga] -= va
        if gb >= 0:
            totals[gb] += vb
        if slack is not None:
            slack[user] -= cost[user]
        moved += 1
    return moved

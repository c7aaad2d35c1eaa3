"""From figures with draws to verdicts: pass, fail or cannot tell, corrected over all criteria of a plan.

An interval is figure +- t s, s the standard deviation over the draws, t the quantile of Student's distribution with draws - 1
degrees of freedom; ratios on the logarithmic scale. It is centered on the figure: draws of an index of concentration and of the
largest of several gaps lie above the figure on average, and percentiles would take that for a finding (Efron and Tibshirani 1993,
chapter 11 on the bias of the bootstrap). A criterion about several groups holds if it holds for every contrast (no correction is
needed: the intersection-union test, Berger 1982), and fails if it fails for one (Bonferroni over the contrasts).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..evaluation.statistics import holm
from .measures import Measure
from .plan import Criterion, Plan
from .users import GroupFigure

PASS, FAIL, CANNOT = "pass", "fail", "cannot tell"
MAX_PAIRS = 20  # groups; of more, each is compared with all others together
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GroupValue:
    """The value of one group with its interval (None: no draws). small: too few to take part in a comparison."""

    name: str
    n: int
    value: float | None
    low: float | None
    high: float | None
    small: bool


@dataclass(frozen=True)
class Finding:
    """What came out for a criterion.

    value, low, high : the figure that is judged, with its interval (at the plan's level, divided by the number of contrasts).
    low_users, ..., high_items : the same with draws of the users alone, of the items alone. contrast : which groups.
    p : two-sided, of the figure being the threshold; p_adjusted : over all criteria. why : where the verdict is cannot tell.
    """

    criterion: Criterion
    verdict: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    over_users: tuple[float, float] | None = None
    over_items: tuple[float, float] | None = None
    contrast: tuple[str, ...] = ()
    contrasts: int = 0
    n: int = 0
    groups: tuple[GroupValue, ...] = ()
    p: float | None = None
    p_adjusted: float | None = None
    why: str = ""
    side: str = ""


@dataclass(frozen=True)
class _Contrasts:
    """C figures to judge: value (C,) and their standard errors over users and items, on the scale of `log`."""

    labels: list[tuple[str, ...]]
    value: Floats
    users: Floats | None
    items: Floats | None
    log: bool


def judge(criterion: Criterion, figure: GroupFigure | None, plan: Plan, why: str = "") -> Finding:
    """The finding of a criterion, not yet corrected for the others; `why` where there is no figure."""
    if figure is None:
        return Finding(criterion, CANNOT, why=why)
    measure = criterion.measure
    least = 1 if not criterion.by else plan.smallest_item_group if measure.by_items else plan.smallest_group
    eligible = (figure.n >= least) & np.isfinite(figure.value) & np.array([name != "(not stated)" for name in figure.names])
    groups = _group_values(criterion, figure, plan, measure, figure.n < least)
    base = Finding(criterion, CANNOT, n=int(figure.n.sum()), groups=groups)
    if not criterion.by and not eligible.any():
        return replace(base, why="no user has a value of this measure")
    if criterion.group:
        if criterion.group not in figure.names:
            return replace(base, why=f"there is no group {criterion.group!r}; there are {', '.join(figure.names[:20])}")
        eligible &= np.array([name == criterion.group for name in figure.names])
    needed = 1 if criterion.compare == "value" else 2
    if eligible.sum() < needed:
        return replace(
            base, why=f"{int(eligible.sum())} groups have at least {least} {'items' if measure.by_items else 'users'} and a value"
        )
    contrasts = _contrasts(criterion, figure, eligible)
    return _judged(base, contrasts, plan, measure)


def _group_values(
    criterion: Criterion, figure: GroupFigure, plan: Plan, measure: Measure, small: NDArray[np.bool_]
) -> tuple[GroupValue, ...]:
    if not criterion.by:
        return ()
    spread = _spread(_deviation(figure.users), _deviation(figure.items), criterion.over)
    half = np.zeros(len(figure.names)) if spread is None else _quantile(plan, 1) * spread
    return tuple(
        GroupValue(
            name,
            int(n),
            _number(value),
            None if spread is None else _number(max(value - h, measure.low)),
            None if spread is None else _number(min(value + h, measure.high)),
            bool(s),
        )
        for name, n, value, h, s in zip(figure.names, figure.n, figure.value.tolist(), half.tolist(), small, strict=True)
    )


def _contrasts(criterion: Criterion, figure: GroupFigure, eligible: NDArray[np.bool_]) -> _Contrasts:
    at = np.flatnonzero(eligible)
    labels: list[tuple[str, ...]]
    if criterion.compare == "value":
        labels = [(figure.names[a],) if criterion.by else () for a in at]
        users, items = (None if d is None else _deviation(d[:, at]) for d in (figure.users, figure.items))
        return _Contrasts(labels, figure.value[at], users, items, log=False)
    ratio = criterion.compare == "ratio"
    labels, values = [], []
    spreads: tuple[list[Floats], list[Floats]] = ([], [])
    for a, b in _pairs(at.tolist(), figure):
        mine, others = float(figure.value[a]), float(_mean(figure.value[None], figure.n, b)[0])
        if ratio and (min(mine, others) < 0 or max(mine, others) == 0):
            continue
        below = mine <= others
        values.append(_log_ratio(mine, others) if ratio else abs(mine - others))
        for spread, draws in zip(spreads, (figure.users, figure.items), strict=True):
            if draws is not None:
                drawn, beside = draws[:, a], _mean(draws, figure.n, b)
                spread.append(_deviation_of(_signed_log(drawn, beside, below) if ratio else drawn - beside))
        first, second = figure.names[a], figure.names[b[0]] if len(b) == 1 else "all others"
        labels.append((first, second) if below else (second, first))
    users, items = (np.array(spread, np.float64) if spread else None for spread in spreads)
    return _Contrasts(labels, np.array(values), users, items, log=ratio)


def _pairs(at: list[int], figure: GroupFigure) -> list[tuple[int, list[int]]]:
    if len(at) <= MAX_PAIRS:
        return [(a, [b]) for a, b in combinations(at, 2)]
    return [(a, [b for b in at if b != a]) for a in at]


def _mean(values: Floats, n: NDArray[np.int64], which: list[int]) -> Floats:
    """The values of several groups together, each by its size."""
    mean: Floats = values[:, which] @ (n[which] / n[which].sum())
    return mean


def _log_ratio(a: float, b: float) -> float:
    low, high = min(a, b), max(a, b)
    return float(np.log(low / high)) if low > 0 else -np.inf


def _signed_log(a: Floats, b: Floats, below: bool) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(a) - np.log(b)
    return logs if below else -logs


def _deviation(draws: Floats | None) -> Floats | None:
    """The standard deviation over the draws of each column; None where there are none."""
    return None if draws is None else _deviation_of(draws)


def _deviation_of(draws: Floats) -> Floats:
    """The standard deviation over the draws; a draw without a value is left out, and infinite where hardly any has one."""
    finite = np.isfinite(draws)
    kept = np.where(finite, draws, 0.0)
    count = finite.sum(0)
    mean = kept.sum(0) / np.maximum(count, 1)
    squares = (np.where(finite, draws - mean, 0.0) ** 2).sum(0)
    return np.where(count >= 0.9 * len(draws), np.sqrt(squares / np.maximum(count - 1, 1)), np.inf)


def _spread(users: Floats | None, items: Floats | None, over: str) -> Floats | None:
    """The standard error that a criterion asks for; draws that there are none of count as none."""
    chosen = {"users": (users,), "items": (items,), "providers": (items,), "both": (users, items), "none": ()}[over]
    present = [part for part in chosen if part is not None]
    if not present:
        return None
    total: Floats = np.sqrt(np.sum([part**2 for part in present], axis=0))
    return total


def _quantile(plan: Plan, contrasts: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(plan.draws - 1, 1.0 - (1.0 - plan.level) / (2.0 * contrasts)))


def _judged(base: Finding, contrasts: _Contrasts, plan: Plan, measure: Measure) -> Finding:
    from scipy.special import stdtr

    criterion = base.criterion
    if not contrasts.labels:
        return replace(base, why="no two groups have values whose ratio can be taken")
    sign = 1.0 if criterion.direction == "at most" else -1.0
    threshold = criterion.threshold
    if contrasts.log:
        threshold = float(np.log(threshold)) if threshold > 0 else -np.inf
    count = len(contrasts.labels)
    excess = sign * (contrasts.value - threshold)  # above 0: the criterion is not met
    spread = _spread(contrasts.users, contrasts.items, criterion.over)
    error = np.zeros(count) if spread is None else spread
    if measure.kind == "user" and criterion.compare == "value" and measure.high == 1.0:
        error = np.maximum(error, 1.9 / max(base.n, 1))  # where every user has the same value: the rule of three
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(error > 0, excess / np.where(error > 0, error, 1.0), np.where(excess > 0, np.inf, -np.inf))
    t = np.where(np.isnan(t), 0.0, t)
    met, missed = stdtr(plan.draws - 1, t), stdtr(plan.draws - 1, -t)  # one-sided p of "not met" and of "met" being true
    worst = int(np.argmax(np.where(np.isinf(error), -np.inf, excess))) if np.isfinite(error).any() else 0
    p_fail, p_pass = min(1.0, float(missed.min()) * count), float(met.max())
    side = FAIL if p_fail < p_pass else PASS
    if criterion.over != "none" and side == FAIL:
        worst = int(np.argmin(missed))
    p = min(1.0, 2.0 * min(p_fail, p_pass))
    low, high = _interval(contrasts, worst, error, plan, measure, criterion)
    both = [
        None if part is None else _interval(contrasts, worst, part, plan, measure, criterion) for part in (contrasts.users, contrasts.items)
    ]
    return replace(
        base,
        value=_number(float(np.exp(contrasts.value[worst])) if contrasts.log else float(contrasts.value[worst])),
        low=low if spread is not None else None,
        high=high if spread is not None else None,
        over_users=_pair(both[0]),
        over_items=_pair(both[1]),
        contrast=contrasts.labels[worst],
        contrasts=count,
        p=p,
        side=side,
    )


def _interval(
    contrasts: _Contrasts, at: int, error: Floats, plan: Plan, measure: Measure, criterion: Criterion
) -> tuple[float | None, float | None]:
    half = _quantile(plan, len(contrasts.labels)) * float(error[at])
    low, high = float(contrasts.value[at]) - half, float(contrasts.value[at]) + half
    if contrasts.log:
        return _number(float(np.exp(low))), _number(float(np.exp(min(high, 700.0))))
    bounds = (measure.low, measure.high) if criterion.compare == "value" else (0.0, measure.high - measure.low)
    return _number(max(low, bounds[0])), _number(min(high, bounds[1]))


def _pair(ends: tuple[float | None, float | None] | None) -> tuple[float, float] | None:
    return None if ends is None or ends[0] is None or ends[1] is None else (ends[0], ends[1])


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def corrected(findings: list[Finding], plan: Plan) -> list[Finding]:
    """Verdicts at the plan's level after its correction over all criteria that could be measured."""
    measured = [at for at, finding in enumerate(findings) if finding.p is not None]
    p = np.array([findings[at].p for at in measured], np.float64)
    corrections: dict[str, Callable[[Floats], Floats]] = {"holm": holm, "benjamini-hochberg": benjamini_hochberg}
    adjusted = corrections[plan.correction](p) if plan.correction in corrections else p
    done = list(findings)
    for at, value in zip(measured, adjusted.tolist(), strict=True):
        finding = findings[at]
        sure = value <= 1.0 - plan.level + 1e-12
        why = "" if sure else "the interval, after the correction for the number of criteria, holds the threshold"
        done[at] = replace(finding, verdict=finding.side if sure else CANNOT, p_adjusted=value, why=why)
    return done


def benjamini_hochberg(p: Floats) -> Floats:
    """Adjusted p values that bound the share of false findings among all findings. Benjamini and Hochberg 1995.

    Sorted p_(1) <= ... <= p_(m): adjusted p_(i) = min_{j >= i} min(1, m p_(j) / j).
    """
    m = len(p)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(m)
    adjusted[order] = np.minimum.accumulate(np.minimum(1.0, p[order] * m / np.arange(1, m + 1))[::-1])[::-1]
    return adjusted

"""All figures that a plan asks for, out of a case; and the findings that follow."""

from __future__ import annotations

import numpy as np

from .case import Case
from .exposure import Exposure, exposure_figures
from .groups import Grouping
from .measures import MEASURES
from .plan import Criterion, Plan
from .signals import unlinked
from .users import EVERYONE, GroupFigure, item_facts, user_figures
from .verdicts import Finding, judge

Figures = dict[tuple[str, str], GroupFigure]
BY_GROUP = ("ndcg", "recall", "popularity_lift", "tail_share", "upd")  # what the tables of the groups of users show


def figures(case: Case, plan: Plan, k: int, *, overview: bool = True) -> Figures:
    """Figures by (measure, key of the grouping): those of the criteria and, with `overview`, those of the tables of the report."""
    users: dict[str, list[Grouping | None]] = {}
    shares: dict[str, list[Grouping]] = {}
    concentration: list[str] = []

    def want(name: str, key: str) -> None:
        kind = MEASURES[name].kind
        if kind == "user":
            group = None if not key else case.user_groups.get(key)
            if (group is None) == (not key) and group not in users.setdefault(name, []):
                users[name].append(group)
        elif kind == "share":
            if key in case.item_groups and case.item_groups[key] not in shares.setdefault(name, []):
                shares[name].append(case.item_groups[key])
        elif kind == "exposure" and name not in concentration:
            concentration.append(name)

    for criterion in plan.criteria:
        want(criterion.metric, criterion.by)
    if overview:
        for name, measure in MEASURES.items():
            if measure.kind in ("user", "exposure"):
                want(name, EVERYONE)
            for key in case.user_groups if name in BY_GROUP else ():
                want(name, key)
            for key in case.item_groups if measure.kind == "share" else ():
                want(name, key)
    has_link = unlinked(case, k, plan.sample, plan.seed) if "unlinked" in users else None
    found: Figures = {}
    if users:
        found |= user_figures(case, users, plan, k, item_facts(case), has_link)
    if shares or concentration:
        exposure = Exposure(case, plan, k)
        over = "providers" if any(c.over == "providers" for c in plan.criteria) else "items"
        found |= exposure_figures(exposure, concentration, shares, over)
    return found | facts(case, k)


def facts(case: Case, k: int) -> Figures:
    """Figures that are counted, not estimated."""
    without = case.event_counts == 0
    places = max(len(case.lists.items) + case.counts["repeated_places"], 1)
    values = {
        "repeats": case.counts["repeated_places"] / places,
        "unknown_items": float(without[case.lists.items].mean()) if len(case.lists.items) else 0.0,
    }
    if case.truth is not None:
        known = case.counts["test_pairs_known_before"] - case.counts.get("test_pairs_left_out", 0)
        values["leaks"] = known / max(case.counts["test_pairs"], 1)
    n = np.array([case.n_users])
    return {(name, EVERYONE): GroupFigure(("all",), n, np.array([value]), None, None) for name, value in values.items()}


def findings(case: Case, plan: Plan, found: Figures) -> list[Finding]:
    """A finding for each criterion, not yet corrected."""
    return [_finding(criterion, case, plan, found) for criterion in plan.criteria]


def _finding(criterion: Criterion, case: Case, plan: Plan, found: Figures) -> Finding:
    return judge(criterion, found.get((criterion.metric, criterion.by)), plan, _why_not(criterion, case))


def _why_not(criterion: Criterion, case: Case) -> str:
    """Why a criterion has no figure."""
    measure = criterion.measure
    if "test" in measure.needs and case.truth is None:
        return "no test events were given, so nothing says what users would have liked"
    if "time" in measure.needs and case.events.timestamp is None:
        return "the events have no times"
    known = case.item_groups if measure.by_items else case.user_groups
    if criterion.by and criterion.by not in known:
        side = "items" if measure.by_items else "users"
        return f"there are no groups of {side} by {criterion.by!r}; there are {', '.join(known)}"
    return "no figure could be worked out from this data"

"""The checks of the first screen: pass, warn or fail, each with the numbers of its sentence."""

from __future__ import annotations

from typing import Any

from ..report.contents import Check
from .records import Outcome

FEW = 100  # users: below, intervals are wide
DROP = 0.3  # share of the NDCG that may be lost from validation to test before it is a warning


def checks_of(outcome: Outcome) -> list[Check]:
    """The checks of a run, in the order in which a reader should see them."""
    return [
        check
        for check in (_bestsellers(outcome), _judged(outcome), _users(outcome), _drift(outcome), _leakage(outcome), _memory(outcome))
        if check
    ]


def _check(key: str, status: str, **values: Any) -> Check:
    return Check(key=key, status=status, values=values)


def _bestsellers(outcome: Outcome) -> Check | None:
    against = outcome.against
    if against is None:
        return None
    if outcome.best == "popularity":
        return _check("bestsellers_chosen", "fail")
    status = "pass" if against.above else "fail" if against.below else "warn"
    return _check(f"bestsellers_{status}", status, difference=against.difference, low=against.low, high=against.high)


def _judged(outcome: Outcome) -> Check:
    judged = outcome.parts.judged
    status = "pass" if judged.share >= 0.8 else "warn" if judged.share >= 0.5 else "fail"
    pairs = judged.pairs - judged.repeats
    return _check("judged", status, share=judged.share, judged=judged.judged_pairs, pairs=pairs, repeats=judged.repeats)


def _users(outcome: Outcome) -> Check:
    users = len(outcome.result.users)
    return _check("users", "pass" if users >= FEW else "warn", users=users)


def _drift(outcome: Outcome) -> Check:
    key = f"ndcg@{outcome.result.settings['k'][-1]}"
    before = outcome.validation.to_dict()[outcome.labels[outcome.best]][key]
    after = outcome.result.to_dict()[outcome.best][key]
    fell = bool(before and after < (1 - DROP) * before)
    return _check("drift", "warn" if outcome.shift.differs or fell else "pass", before=before, after=after, differs=outcome.shift.differs)


def _leakage(outcome: Outcome) -> Check:
    if outcome.parts.how == "time":
        return _check("leakage_time", "pass")
    if outcome.data.timestamp is None:
        return _check("leakage_no_times", "pass")
    return _check("leakage_order", "warn", split=outcome.parts.how)


def _memory(outcome: Outcome) -> Check:
    gigabytes = outcome.peak / 1e9
    return _check("memory", "pass" if gigabytes < 4 else "warn", gigabytes=gigabytes)

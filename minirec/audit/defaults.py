"""The plan to start from: criteria that fit the events at hand, each with a threshold and the reason for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.dataset import Dataset
from ..data.popularity import popularity_groups
from .case import as_events
from .plan import Criterion, Plan, checked

NOTES = (
    "Plan of an audit by minirec. Edit it before you look at any list: the report shows its SHA-256 and every deviation from it.",
    "The thresholds are points to start from, with the reason that they have; they are no legal limits. Change both together.",
    "Metrics, comparisons and settings are explained in docs/audit.md.",
    "",
)
_FIFTHS = "four-fifths rule (US EEOC 1978) as a convention: below 0.8 a difference in outcomes between groups calls for an explanation"


def default_plan(
    events: Any = None,
    *,
    k: int = 10,
    provider: str | None = None,
    user_groups: tuple[str, ...] = (),
    item_groups: tuple[str, ...] = (),
    seed: int = 0,
    reading: dict[str, Any] | None = None,
) -> Plan:
    """A plan to edit. With events its thresholds on the long tail are taken from them, and what needs times is left out without.

    >>> from minirec.audit import default_plan
    >>> [criterion.id for criterion in default_plan().criteria][:3]
    ['no-repeats', 'no-unknown-items', 'no-leaks']
    """
    data = None if events is None else as_events(events, "events", reading)[0]
    criteria = [
        Criterion("no-repeats", "repeats", "at most", 0.0, "a list that names an item twice wastes a place", over="none"),
        Criterion(
            "no-unknown-items", "unknown_items", "at most", 0.05, "items that nobody ever had may be new or gone; many are a fault",
            over="none",
        ),
        Criterion("no-leaks", "leaks", "at most", 0.05, "accuracy on test events that were known before says nothing", over="none"),
        Criterion("lists-are-full", "fill", "at least", 0.95, "a user with a short list has less to choose from"),
        Criterion("lists-follow-users", "unlinked", "at most", 0.02, "a list without a link to its user is not a recommendation to them"),
        Criterion("accuracy", "ndcg", "at least", 0.01, "far below what simple methods reach; replace by a figure of your own system"),
        Criterion(
            "accuracy-by-activity", "ndcg", "at least", 0.8, f"users with few events are served as well: {_FIFTHS}", "ratio", "activity"
        ),
        Criterion("popularity-lift", "popularity_lift", "at most", 1.0, "lists at most twice as popular as what users choose"),
        Criterion("tail-exposure", "share", "at least", _tail_floor(data), _tail_reason(data), "value", "popularity", "tail", "both"),
        Criterion("coverage", "coverage", "at least", 0.1, "at least a tenth of the catalogue is shown to somebody", over="both"),
        Criterion("concentration", "gini", "at most", 0.95, "exposure is not left to a handful of items", over="both"),
    ]  # fmt: skip
    if data is None or _has_times(data):
        criteria.append(
            Criterion("not-stale", "stale_share", "at most", 0.3, "most of what is shown is still in use in the last fifth of the time")
        )
        if data is None or _has_new_items(data):
            criteria.append(
                Criterion("new-items", "new_ratio", "at least", 0.2, "new items get a fifth of the attention that users give them")
            )
    for group in user_groups:
        name = "".join(char if char.isalnum() else "-" for char in group)
        criteria.append(Criterion(f"accuracy-by-{name}", "ndcg", "at least", 0.8, f"equal accuracy: {_FIFTHS}", "ratio", group))
        criteria.append(
            Criterion(f"popularity-by-{name}", "popularity_lift", "at most", 0.5, "no group's lists are much more popular than another's, "
                      "measured by what the groups choose themselves", "difference", group)
        )  # fmt: skip
    if provider:
        criteria.append(
            Criterion("providers", "treatment", "at least", 0.5, "no provider gets less than half the exposure for its merit that another "
                      "gets", "ratio", provider, "", "both")
        )  # fmt: skip
    for group in item_groups:
        name = "".join(char if char.isalnum() else "-" for char in group)
        criteria.append(
            Criterion(
                f"exposure-by-{name}", "treatment", "at least", 0.8, f"equal exposure for merit: {_FIFTHS}", "ratio", group, "", "both"
            )
        )
    plan = Plan(
        system={"name": "", "operator": "", "purpose": "", "auditor": "", "scope": ""},
        criteria=tuple(criteria), k=k, seed=seed, user_groups=user_groups, item_groups=item_groups, provider=provider or "",
    )  # fmt: skip
    return checked(plan)


def _tail_floor(data: Dataset | None) -> float:
    return 0.05 if data is None else round(_tail_share(data) / 4, 4)


def _tail_reason(data: Dataset | None) -> str:
    if data is None:
        return "a quarter of the fifth of the interactions that the tail has by definition"
    return f"a quarter of the {_tail_share(data):.1%} of the interactions that the tail has in the events"


def _tail_share(data: Dataset) -> float:
    groups = popularity_groups(data)
    return float(groups.popularity[groups.mask("tail")].sum() / max(int(groups.popularity.sum()), 1))


def _has_times(data: Dataset) -> bool:
    return data.timestamp is not None and int(data.timestamp.max()) - int(data.timestamp.min()) >= 5


def _has_new_items(data: Dataset) -> bool:
    assert data.timestamp is not None
    first, last = int(data.timestamp.min()), int(data.timestamp.max())
    recent = data.timestamp > last - (last - first) // 5
    before = np.bincount(data.item[~recent], minlength=data.n_items) > 0
    return bool(recent.any() and (~before[data.item[recent]]).mean() > 0.01)

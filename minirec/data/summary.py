"""What a data set is, in a dozen numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from .dataset import Dataset
from .popularity import popularity_groups

_DATES = (10**8, 10**11)  # seconds between 1973 and 5138: below, a time is taken for a count


def describe(data: Dataset) -> dict[str, Any]:
    """Counts, density, activity, concentration and time range, as plain numbers and texts.

    events, users, items; pairs (distinct user-item pairs) and density = pairs / (users * items); user_items, item_users: minimum,
    median and maximum of different items of a user and different users of an item; single_items: items with one user;
    gini: of the items' popularity (0: all alike, 1: one item has it all); head, middle, tail by interaction mass (`Groups`);
    weight and time: range, where there are any; repeated: events beyond the first of their pair.

    >>> import minirec as mr
    >>> mr.describe(mr.Dataset.from_arrays([1, 1, 2], ["a", "b", "a"]))["density"]
    0.75
    """
    pairs = data.matrix.nnz
    item_users, user_items = data.item_counts, data.matrix.counts()
    summary: dict[str, Any] = {
        "name": data.name,
        "events": len(data),
        "users": data.n_users,
        "items": data.n_items,
        "pairs": pairs,
        "repeated": len(data) - pairs,
        "density": pairs / max(data.n_users * data.n_items, 1),
        "user_items": _spread(user_items),
        "item_users": _spread(item_users),
        "single_items": int((item_users == 1).sum()),
        "gini": _gini(item_users),
        "groups": popularity_groups(data).describe()["mass"],
        "kinds": {kind: int((data.kind == at).sum()) for at, kind in enumerate(data.kinds)} if data.kind is not None else {},
        "user_features": list(data.user_features),
        "item_features": list(data.item_features),
        "fingerprint": data.fingerprint,
    }
    if data.weight is not None and len(data):
        summary["weight"] = {"min": float(data.weight.min()), "median": float(np.median(data.weight)), "max": float(data.weight.max())}
    if data.timestamp is not None and len(data):
        first, last = int(data.timestamp.min()), int(data.timestamp.max())
        summary["time"] = {"min": first, "max": last}
        if _DATES[0] <= first and last <= _DATES[1]:
            summary["time"] |= {"from": _date(first), "to": _date(last)}
    return summary


def describe_text(data: Dataset) -> str:
    """`describe` as a readable block of lines."""
    facts = describe(data)
    rows = [
        ("events", f"{facts['events']:,} ({facts['pairs']:,} different pairs, {facts['repeated']:,} repeated)"),
        ("users", f"{facts['users']:,} (different items of a user: {_range(facts['user_items'])})"),
        ("items", f"{facts['items']:,} (different users of an item: {_range(facts['item_users'])}; {facts['single_items']:,} with one)"),
        ("density", f"{facts['density']:.4%}"),
        ("popularity", f"Gini {facts['gini']:.3f}; " + ", ".join(f"{group} {row['items']:,}" for group, row in facts["groups"].items())),
    ]
    if "weight" in facts:
        rows.append(("weight", _range(facts["weight"])))
    if "time" in facts:
        span = facts["time"]
        rows.append(("time", f"{span.get('from', span['min'])} to {span.get('to', span['max'])}"))
    if facts["kinds"]:
        rows.append(("kinds", ", ".join(f"{kind} {count:,}" for kind, count in facts["kinds"].items())))
    for side in ("user", "item"):
        if facts[f"{side}_features"]:
            rows.append((f"{side} text", ", ".join(facts[f"{side}_features"])))
    return "\n".join([facts["name"], *(f"  {label:<11}{value}" for label, value in rows)])


def _spread(counts: Any) -> dict[str, float]:
    if not len(counts):
        return {"min": 0, "median": 0.0, "max": 0}
    return {"min": int(counts.min()), "median": float(np.median(counts)), "max": int(counts.max())}


def _range(spread: dict[str, float]) -> str:
    return f"{spread['min']:g} to {spread['max']:g}, median {spread['median']:g}"


def _gini(counts: Any) -> float:
    """G = sum_i (2i - n - 1) x_i / (n sum x), x ascending, i from 1."""
    n, total = len(counts), int(counts.sum())
    if total == 0:
        return 0.0
    place = 2 * np.arange(1, n + 1, dtype=np.int64) - n - 1
    return float((place * np.sort(counts)).sum() / (n * total))


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")

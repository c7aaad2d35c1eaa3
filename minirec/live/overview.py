"""What the page shows: figures of the last hour and day, an item, reasons in words."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from ..data.ids import Id
from ..errors import RequestError
from .metrics import Metrics
from .records import Served
from .service import Service

_LISTS = 20_000  # the latest ones, of which figures are told
_Z = 1.959963984540054  # of a 95 % interval
CLICKS = ("click", "cart", "buy", "purchase", "rating", "like")


def overview(service: Service, metrics: Metrics) -> dict[str, Any]:
    """Events by minute over the last hour, and figures of the lists of the last day (at most the latest 20,000)."""
    service.refresh()
    now = service.store.now()
    minutes = [0] * 60
    for kept in service.store.received_since(now - 3600):
        minutes[min(59, int((now - kept.received) // 60))] += 1
    lists = service.store.lists(since=now - 86400, limit=_LISTS)
    shown = Counter(item for served in lists for item in served.items)
    tail = service.current.tail
    total = sum(shown.values())
    clicks, chances = _clicks(service, lists, now)
    return {
        "model": service.current.name,
        "events": service.seq,
        "events_per_minute": minutes[::-1],
        "lists": len(lists),
        "tail_share": sum(n for item, n in shown.items() if tail.get(item, True)) / total if total else None,
        "coverage": len(shown) / max(len(service.current.items), 1) if total else None,
        "click_rate": wilson(clicks, chances),
        "latency": {name: metrics.quantile("/v1/recommend", share) for name, share in (("p50", 0.5), ("p99", 0.99))},
    }


def _clicks(service: Service, lists: list[Served], now: float) -> tuple[int, int]:
    """Lists of users with an event of `CLICKS` with one of their items within the hour after, and all lists of users."""
    acts: dict[tuple[Id, Id], list[float]] = {}
    for kept in service.store.received_since(now - 86400):
        if kept.event.kind in CLICKS:
            acts.setdefault((kept.event.user, kept.event.item), []).append(kept.received)
    known = [served for served in lists if served.user is not None]
    hit = sum(
        any(served.time <= moment <= served.time + 3600 for item in served.items for moment in acts.get((served.user or 0, item), ()))
        for served in known
    )
    return hit, len(known)


def wilson(hits: int, n: int) -> dict[str, Any] | None:
    """A rate with its 95 % interval (Wilson 1927, "Probable inference, the law of succession, and statistical inference")."""
    if not n:
        return None
    rate, z2 = hits / n, _Z**2
    middle = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    return {"value": rate, "low": max(middle - half, 0.0), "high": min(middle + half, 1.0), "of": n}


def audit(service: Service) -> dict[str, Any]:
    """What was served in the last day: share and items of head and tail, concentration, the items shown most."""
    service.refresh()
    lists = service.store.lists(since=service.store.now() - 86400, limit=_LISTS)
    shown = Counter(item for served in lists for item in served.items)
    total, tail = sum(shown.values()), service.current.tail
    counts = sorted(shown.values())
    catalogue = max(len(service.current.items), len(counts))
    ranks = sum((at + 1) * n for at, n in enumerate(counts, catalogue - len(counts)))
    groups = {
        name: {
            "shown": sum(n for item, n in shown.items() if tail.get(item, True) == is_tail),
            "items": sum(tail.get(item, True) == is_tail for item in shown),
            "of": sum(value == is_tail for value in tail.values()),
        }
        for name, is_tail in (("tail", True), ("head and middle", False))
    }
    return {
        "lists": len(lists),
        "truncated": len(lists) == _LISTS,
        "users": len({served.user for served in lists if served.user is not None}),
        "items_shown": len(shown),
        "catalogue": catalogue,
        "groups": groups,
        "gini": None if not total else (2 * ranks / (catalogue * total)) - (catalogue + 1) / catalogue,
        "most_shown": [
            {"item": item, "title": service.catalogue.title(item), "shown": n, "tail": tail.get(item, True)}
            for item, n in shown.most_common(20)
        ],
    }


def item(service: Service, key: Id) -> dict[str, Any]:
    """An item: its columns, its popularity, whether it is of the tail and whether the model knows it."""
    service.refresh()
    current = service.current
    known = key in current.model.items_
    if not known and key not in service.catalogue.columns and key not in service.popular.scores:
        raise RequestError(f"unknown item {key!r:.100}", 404)
    return {
        "item": key,
        "title": service.catalogue.title(key),
        "columns": service.catalogue.columns.get(key, {}),
        "in_model": known,
        "users_in_training": int(current.counts[current.model.items_.row(key)]) if known else 0,
        "tail": current.tail.get(key, True),
    }


def reasons(service: Service, user: Id, key: Id, score: float, parts: list[tuple[str, Id, float]]) -> dict[str, Any]:
    """An explanation with the parts as they are and the largest of them in words."""
    size = sum(abs(value) for _, _, value in parts)
    told = []
    for source, name, value in parts[:5]:
        share = f"{abs(value) / size:.0%}" if size else "0%"
        title = service.catalogue.title(name)
        way = "speaks for it" if value >= 0 else "speaks against it"
        texts = {
            "history": f"{title}, of this user's history, {way} ({share})",
            "left out": f"without {title} the score would be {'lower' if value >= 0 else 'higher'} ({share})",
            "popularity": f"many people take it ({share})",
            "user": f"what was learned about this user {way} ({share})",
            "all users": f"what all users have in common {way} ({share})",
        }
        told.append(texts.get(source, f"{source}: {title} {way} ({share})"))
    return {
        "user": user,
        "item": key,
        "title": service.catalogue.title(key),
        "score": score,
        "parts": [{"source": source, "name": name, "value": value} for source, name, value in parts],
        "reasons": told,
    }


def resident() -> float:
    """Bytes of memory that this process holds; 0 where the system does not tell."""
    try:
        return float(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096
    except (OSError, IndexError):
        return 0.0

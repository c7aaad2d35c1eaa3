"""Probes of a system that can be asked: repeatability, stability under one event changed, reachability, order and size effects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..data.dataset import Dataset
from ..data.ids import Id
from ..errors import MinirecError, NotSupportedError
from ..models.contract.recommender import Recommender
from .case import Case
from .lists import known_rows
from .plan import Plan

Ask: TypeAlias = Callable[[Sequence[Sequence[Id]], int], list[list[Id]]]
PROBED = 50  # users; a system answers a few requests for each
TARGETS = 5  # items that each of them tries to reach


class Probe(NamedTuple):
    """One probe. value : the mean over `n` trials, with an interval of the mean; `words` says what 0 and 1 mean."""

    id: str
    value: float
    low: float
    high: float
    n: int
    words: str


class Probes(NamedTuple):
    """All probes, how many requests they took, and latency in milliseconds (median, 95th percentile) where it was measured.

    Latency changes from run to run, so it is no part of the record's figures.
    """

    probes: list[Probe]
    requests: int
    failed: dict[str, str]
    latency: tuple[float, float] | None = None


def asks_of(model: Recommender) -> Ask:
    """A fitted model as a system that is asked with histories."""

    def ask(histories: Sequence[Sequence[Id]], k: int) -> list[list[Id]]:
        return [made.items for made in model.recommend(history=[list(history) for history in histories], k=k)]

    return ask


def histories_of(events: Dataset, rows: Any) -> list[list[Id]]:
    """The different items of some users of the events, in the order of time."""
    order = np.arange(len(events)) if events.time is None else np.argsort(events.time, kind="stable")
    wanted = set(np.asarray(rows).tolist())
    found: dict[int, dict[int, None]] = {row: {} for row in wanted}
    for user, item in zip(events.user[order].tolist(), events.item[order].tolist(), strict=True):
        if user in wanted:
            found[user][item] = None
    return [events.items.ids(np.array(list(found[row]), np.int64)) for row in np.asarray(rows).tolist()]


def probe(ask: Ask, case: Case, plan: Plan) -> Probes:
    """Ask a system with changed histories of at most 50 users and say how far its answers move.

    The users are drawn with the plan's seed among those with at least three items. A probe that the system refuses is named with
    its reason in `failed`. About 50 * (8 + 5) requests.
    """
    rng = np.random.default_rng([plan.seed, 29])
    row = known_rows(case.events.users, case.users)
    able = row[(row >= 0) & (case.profile.counts() >= 3)]
    if not len(able):
        return Probes([], 0, {"all": "no user with at least three items"})
    chosen = np.sort(rng.choice(able, min(PROBED, len(able)), replace=False))
    histories = histories_of(case.events, chosen)
    counter = [0]

    def counted(asked: Sequence[Sequence[Id]], k: int = plan.k) -> list[list[Id]]:
        counter[0] += len(asked)
        return ask(asked, k)

    found: list[Probe] = []
    failed: dict[str, str] = {}

    def run(name: str, words: str, values: Callable[[], list[float]]) -> None:
        try:
            found.append(_summary(name, values(), words))
        except (MinirecError, OSError, ValueError, KeyError) as error:
            failed[name] = f"{type(error).__name__}: {error}"

    try:
        base = counted(histories)
    except (MinirecError, OSError, ValueError, KeyError) as error:
        return Probes([], counter[0], {"all": f"{type(error).__name__}: {error}"})
    run("repeatability", "the same request twice: 1 the same list, 0 no item in common",
        lambda: _overlaps(base, counted(histories)))  # fmt: skip
    run("stability_without_latest", "one event less, the latest: 1 the same list, 0 no item in common",
        lambda: _overlaps(base, counted([history[:-1] for history in histories])))  # fmt: skip
    run("stability_without_random", "one event less, drawn: 1 the same list, 0 no item in common",
        lambda: _overlaps(base, counted([_without(history, rng) for history in histories])))  # fmt: skip
    run("order_effect", "the same history in reverse order: 1 the same list, 0 no item in common",
        lambda: _overlaps(base, counted([history[::-1] for history in histories])))  # fmt: skip
    run("size_effect", "half of the history, the later one: 1 the same list, 0 no item in common",
        lambda: _overlaps(base, counted([history[len(history) // 2 :] for history in histories])))  # fmt: skip
    run("prefix", "a list half as long: 1 it is the beginning of the longer one",
        lambda: _prefixes(base, counted(histories, max(1, plan.k // 2)), max(1, plan.k // 2)))  # fmt: skip
    run("paired_profiles", "pairs of users with most alike histories: overlap of their lists less that of pairs drawn at random",
        lambda: _paired(base, histories))  # fmt: skip
    run("item_probe", "an item of the list added to the history: 1 it is no longer listed, 0 it still is",
        lambda: _item_probe(base, histories, counted))  # fmt: skip
    run("reachability", "one event added brings an item that was not listed into the list: share of tried items",
        lambda: _reach(base, histories, counted, case, rng))  # fmt: skip
    return Probes(found, counter[0], failed)


def _summary(name: str, values: list[float], words: str) -> Probe:
    if not values:
        raise NotSupportedError("nothing could be tried")
    array = np.array(values)
    half = 1.96 * float(array.std(ddof=1)) / np.sqrt(len(array)) if len(array) > 1 else 0.0
    mean = float(array.mean())
    return Probe(name, mean, mean - half, mean + half, len(array), words)


def _overlaps(first: list[list[Id]], second: list[list[Id]]) -> list[float]:
    """Jaccard overlap of two lists of each user; two empty lists are alike."""
    return [_jaccard(a, b) for a, b in zip(first, second, strict=True)]


def _jaccard(a: Sequence[Id], b: Sequence[Id]) -> float:
    union = len(set(a) | set(b))
    return len(set(a) & set(b)) / union if union else 1.0


def _without(history: list[Id], rng: np.random.Generator) -> list[Id]:
    at = int(rng.integers(0, len(history)))
    return [*history[:at], *history[at + 1 :]]


def _prefixes(longer: list[list[Id]], shorter: list[list[Id]], k: int) -> list[float]:
    return [float(a[:k] == b) for a, b in zip(longer, shorter, strict=True)]


def _paired(base: list[list[Id]], histories: list[list[Id]]) -> list[float]:
    """For each user: overlap of the list with that of the user with the most alike history, less the mean with all others."""
    gains = []
    for at, history in enumerate(histories):
        alike = [_jaccard(history, other) if place != at else -1.0 for place, other in enumerate(histories)]
        overlaps = [_jaccard(base[at], other) for place, other in enumerate(base) if place != at]
        nearest = int(np.argmax(alike))
        if alike[nearest] > 0 and len(overlaps) > 1:
            gains.append(_jaccard(base[at], base[nearest]) - float(np.mean(overlaps)))
    return gains


def _item_probe(base: list[list[Id]], histories: list[list[Id]], ask: Callable[..., list[list[Id]]]) -> list[float]:
    asked = [(listed[0], [*history, listed[0]]) for listed, history in zip(base, histories, strict=True) if listed]
    answers = ask([history for _, history in asked])
    return [float(item not in answer) for (item, _), answer in zip(asked, answers, strict=True)]


def _reach(
    base: list[list[Id]], histories: list[list[Id]], ask: Callable[..., list[list[Id]]], case: Case, rng: np.random.Generator
) -> list[float]:
    """For items that are not listed: does the item come into the list when the item that goes with it most is added?"""
    from .signals import similarity

    likeness = similarity(case, 0)
    known = np.flatnonzero((case.popularity > 0) & (np.diff(likeness.indptr) > 0))
    if not len(known):
        return []
    tries: list[tuple[Id, list[Id]]] = []
    for listed, history in zip(base, histories, strict=True):
        for target in rng.choice(known, min(TARGETS, len(known)), replace=False).tolist():
            item = case.items[int(target)]
            if item in listed or item in history:
                continue
            low, high = likeness.indptr[target], likeness.indptr[target + 1]
            nearest = case.items[int(likeness.indices[low:high][np.argmax(likeness.data[low:high])])]
            tries.append((item, [*(entry for entry in history if entry != nearest), nearest]))
    answers = ask([history for _, history in tries])
    return [float(item in answer) for (item, _), answer in zip(tries, answers, strict=True)]

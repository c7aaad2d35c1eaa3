"""The figures of a round."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..engine.sparse import CSR
from .world import World

FIGURES = {
    "gini": "Gini index of the events of the items: 0 all alike, 1 one item has all",
    "coverage": "share of the catalogue in at least one list",
    "tail_share": "share of the places of the lists that hold items of the tail at the start (all but the 20 % most popular)",
    "individual_diversity": "mean over lists of 1 - the mean cosine of the tastes for two listed items",
    "collective_diversity": "effective number of items in all lists, exp of the entropy, over the catalogue",
    "nearest_jaccard": "mean Jaccard index of what a user has and what the user of the most alike tastes has",
    "survival": "share of the items that came new to which anybody holds on: two events or more",
    "utility": "mean utility of what is taken, over that of the best item that the user does not have",
}
_SOME = 500  # users whose neighbors are compared


def figures(
    world: World, lists: NDArray[np.int64], seen: CSR, tail: NDArray[np.bool_], arrived: NDArray[np.int64],
    taken: tuple[NDArray[np.int64], NDArray[np.int64]], before: CSR,
) -> dict[str, float]:  # fmt: skip
    """All figures of a round; NaN where there is nothing to measure."""
    counts = np.bincount(seen.indices, minlength=seen.shape[1]).astype(np.float64)
    shown = lists[lists >= 0]
    exposure = np.bincount(shown, minlength=seen.shape[1]).astype(np.float64)
    share = exposure[exposure > 0] / max(exposure.sum(), 1)
    return {
        "gini": _gini(counts),
        "coverage": float((exposure > 0).mean()),
        "tail_share": float(tail[shown].mean()) if len(shown) else float("nan"),
        "individual_diversity": _apart(world, lists),
        "collective_diversity": float(np.exp(-(share * np.log(share)).sum()) / seen.shape[1]) if len(share) else float("nan"),
        "nearest_jaccard": _jaccard(world, seen),
        "survival": float((counts[arrived] >= 2).mean()) if len(arrived) else float("nan"),
        "utility": _gained(world, taken, before),
    }


def _gini(counts: NDArray[np.float64]) -> float:
    ordered, n = np.sort(counts), len(counts)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / max(n * ordered.sum(), 1e-30))


def _apart(world: World, lists: NDArray[np.int64]) -> float:
    """How unlike the items of a list are, by who likes them; of some users with at least two items."""
    some = np.unique(np.linspace(0, len(lists) - 1, min(len(lists), _SOME)).astype(np.int64))
    shown = lists[some]
    shown = shown[(shown >= 0).all(axis=1)]
    if not len(shown) or shown.shape[1] < 2:
        return float("nan")
    tastes = (world.utility[some] - world.utility[some].mean(axis=0)).T
    unit = tastes / np.maximum(np.linalg.norm(tastes, axis=1, keepdims=True), 1e-12)
    listed = unit[shown]
    n = shown.shape[1]
    together = np.square(listed.sum(axis=1)).sum(axis=1) - np.square(listed).sum(axis=(1, 2))
    return float(1 - np.mean(together / (n * (n - 1))))


def _jaccard(world: World, seen: CSR) -> float:
    """Of some users: what each has beside what the user of the nearest utilities has."""
    some = np.unique(np.linspace(0, seen.shape[0] - 1, min(seen.shape[0], _SOME)).astype(np.int64))
    centered = world.utility[some] - world.utility[some].mean(axis=1, keepdims=True)
    unit = centered / np.maximum(np.linalg.norm(centered, axis=1, keepdims=True), 1e-12)
    like = unit @ unit.T
    np.fill_diagonal(like, -np.inf)
    near = np.argmax(like, axis=1)
    rows = seen.rows(some).binary()
    both = rows.to_scipy() @ rows.to_scipy().T
    sizes = rows.counts()
    common = np.asarray(both[np.arange(len(some)), near]).ravel()
    union = sizes + sizes[near] - common
    return float(np.mean(np.divide(common, union, out=np.zeros(len(some)), where=union > 0)))


def _gained(world: World, taken: tuple[NDArray[np.int64], NDArray[np.int64]], before: CSR) -> float:
    users, items = taken
    if not len(users):
        return float("nan")
    free = world.utility.copy()
    free[before.row_ids(), before.indices] = 0
    best = free[users].max(axis=1)
    return float(np.mean(world.utility[users, items] / np.maximum(best, 1e-9)))

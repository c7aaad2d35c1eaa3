"""Random lists and test items that every peer can take, and what a comparison is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

Value: TypeAlias = "float | dict[int, float]"


@dataclass(frozen=True)
class World:
    """lists: {user: items, best first}, some shorter than k. truth: {user: {item: gain}}. popularity: {item: users} of a train set."""

    lists: dict[int, list[int]]
    truth: dict[int, dict[int, int]]
    train: list[tuple[int, int]]
    n_items: int
    k: int
    predicted: np.ndarray
    ratings: np.ndarray
    labels: np.ndarray
    raters: np.ndarray

    @property
    def popularity(self) -> dict[int, int]:
        """Users of each item in train, zeros included."""
        return {item: sum(i == item for _, i in self.train) for item in range(self.n_items)}

    @property
    def full(self) -> bool:
        """Whether all lists have k items."""
        return all(len(items) >= self.k for items in self.lists.values())


def world(seed: int, *, full: bool, users: int = 60, n_items: int = 30, k: int = 5) -> World:
    rng = np.random.default_rng(seed)
    lists = {u: rng.permutation(n_items)[: 8 if full else int(rng.integers(1, 9))].tolist() for u in range(users)}
    truth = {u: {int(i): int(rng.integers(1, 4)) for i in rng.permutation(n_items)[: int(rng.integers(1, 12))]} for u in range(users)}
    train = sorted(
        {(int(u), int(i)) for u, i in zip(rng.integers(0, users, 400), rng.geometric(0.12, 400) - 1, strict=True) if i < n_items - 3}
    )
    return World(
        lists, truth, train, n_items, k, np.clip(rng.normal(3, 1, 300), 1, 5).round(1), rng.integers(1, 6, 300).astype(float),
        rng.integers(0, 2, 300), rng.integers(0, 40, 300),
    )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One comparison. definition: how the peer's differs; by_definition: ours, worked out by the peer's definition."""

    peer: str
    metric: str
    ours_name: str
    theirs: Value
    ours: Value
    definition: str = ""
    by_definition: Value | None = None

    @property
    def gap(self) -> float:
        """Largest difference of a value."""
        return distance(self.theirs, self.ours)

    @property
    def explained_gap(self) -> float:
        """The same after the definition was applied."""
        return self.gap if self.by_definition is None else distance(self.theirs, self.by_definition)


def distance(a: Value, b: Value) -> float:
    if isinstance(a, dict) != isinstance(b, dict):
        a, b = (sum(x.values()) / len(x) if isinstance(x, dict) else x for x in (a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        if set(a) != set(b):
            return math.inf
        return max((abs(a[key] - b[key]) for key in a), default=0.0)
    return abs(float(a) - float(b))  # type: ignore[arg-type]

"""Small data sets with a known answer. A fit on them takes milliseconds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..data.ids import Id, Rows

GROUPS = 3


class Held(NamedTuple):
    """A data set, and the events held out from it: users, items and weights, alike in length."""

    train: Dataset
    users: list[int]
    items: list[int]
    weights: list[float]


def shop(seed: int = 0, n_users: int = 36, n_items: int = 24) -> Dataset:
    """Events with weights 1 to 5 and distinct times: users and items fall into three groups, most events stay inside them.

    Popularity is skewed, and users differ in the number of their events (5 to 11). Ids: users 100, 101, ..., items 500, 501, ....
    """
    rng = np.random.default_rng(seed)
    users: list[int] = []
    items: list[int] = []
    for user in range(n_users):
        liking = np.where(np.arange(n_items) % GROUPS == user % GROUPS, 1.0, 0.15) / np.sqrt(1.0 + np.arange(n_items) // GROUPS)
        chosen = rng.choice(n_items, rng.integers(5, min(12, n_items)), replace=False, p=liking / liking.sum())
        users += [100 + user] * len(chosen)
        items += (500 + chosen).tolist()
    inside = np.array(users) % GROUPS == (np.array(items) - 500 + 100) % GROUPS
    weights = np.where(inside, rng.integers(3, 6, len(users)), rng.integers(1, 4, len(users)))
    order = rng.permutation(len(users))
    return Dataset.from_arrays(
        np.array(users)[order],
        np.array(items)[order],
        weights=weights[order],
        times=rng.permutation(1000)[: len(users)] if len(users) <= 1000 else np.arange(len(users)),
        name="shop",
    )


def blocks(seed: int = 0, n_users: int = 45, n_items: int = 24) -> Held:
    """Users like all items of their group and no others; two items a user are held out, so the answer is obvious."""
    rng = np.random.default_rng(seed)
    train: list[tuple[int, int]] = []
    held: list[tuple[int, int]] = []
    for user in range(n_users):
        items = rng.permutation(np.arange(user % GROUPS, n_items, GROUPS)).tolist()
        held += [(user, item) for item in items[:2]]
        train += [(user, item) for item in items[2:]]
    data = Dataset.from_arrays([u for u, _ in train], [i for _, i in train], name="blocks")
    return Held(data, [u for u, _ in held], [i for _, i in held], [1.0] * len(held))


def ratings(seed: int = 0, n_users: int = 60, n_items: int = 40) -> Held:
    """Ratings 3 + b_u + b_i + .8 s_u s_i, with s = -1 or 1: a quarter of the pairs is held out, half is in training.

    Biases alone explain less than half of the variance; one factor explains all the rest.
    """
    rng = np.random.default_rng(seed)
    user_bias, item_bias = rng.normal(0, 0.4, n_users), rng.normal(0, 0.4, n_items)
    user_side, item_side = rng.choice([-1, 1], n_users), rng.choice([-1, 1], n_items)
    rating = 3 + user_bias[:, None] + item_bias + 0.8 * user_side[:, None] * item_side
    pairs = rng.permutation(n_users * n_items)
    users, items = pairs // n_items, pairs % n_items
    known, held = slice(0, len(pairs) // 2), slice(len(pairs) // 2, 3 * len(pairs) // 4)
    data = Dataset.from_arrays(users[known], items[known], weights=rating[users[known], items[known]], name="ratings")
    return Held(data, users[held].tolist(), items[held].tolist(), rating[users[held], items[held]].tolist())


def relabelled(data: Dataset, kind: str) -> Dataset:
    """The same events with ids of another kind, "strings" or "mixed" (integers and strings), in the same order of rows."""

    def rename(rows: Rows, n: int) -> list[int | str]:
        first = 0 if kind == "strings" else n // 2
        return [int(row) if row < first else f"id {row:06d} é" for row in rows]

    renamed = Dataset.from_arrays(
        rename(data.user, data.n_users), rename(data.item, data.n_items), weights=data.weight, times=data.time, name=data.name,
        time_unit=data.time_unit,
    )  # fmt: skip
    return renamed.with_columns(user_features=data.user_features, item_features=data.item_features)


def with_content(data: Dataset, seed: int = 0) -> Dataset:
    """The same events with vectors of items, "text" and "picture", and of users, "answers": who has what, projected, with noise.

    So items that the same users have are alike, and the groups of `shop` and `blocks` are there to be seen.
    """
    rng = np.random.default_rng(seed)
    seen = data.binary.to_dense().astype(np.float64)

    def vectors(rows: NDArray[np.float64], width: int) -> NDArray[np.float32]:
        projected = (rows[:, :, None] * rng.standard_normal((rows.shape[1], width))).sum(axis=1)
        projected /= np.linalg.norm(projected, axis=1, keepdims=True)
        noisy: NDArray[np.float32] = (projected + 0.1 * rng.standard_normal(projected.shape)).astype(np.float32)
        return noisy

    items = {"text": vectors(seen.T, 6), "picture": vectors(seen.T, 3)}
    return data.with_columns(item_features=items, user_features={"answers": vectors(seen, 4)})


def without_items(data: Dataset, every: int = 6) -> tuple[Dataset, list[Id], dict[str, NDArray[np.float32]]]:
    """Events without those of every n-th item, the ids of these items, and their features."""
    held = np.arange(data.n_items) % every == every - 1
    known = data.select(~held[data.item]).compact()
    return known, data.items.ids(np.flatnonzero(held)), {name: column[held] for name, column in data.item_features.items()}

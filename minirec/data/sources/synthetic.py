"""A synthetic shop with a known truth: Zipf exposure, latent tastes, and the bias that the one puts on the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError
from ..dataset import Dataset
from ..ids import IdIndex

CATEGORIES = ("Tea", "Coffee", "Bread", "Cheese", "Fruit", "Paper", "Soap", "Candle", "Toy", "Garden", "Wool", "Lamp")
_FIRST = ("Amber", "Blue", "Cosy", "Dusty", "Early", "Fine", "Golden", "Honest", "Ivory", "Jolly", "Kind", "Little", "Mellow", "North")
_SECOND = ("Harbour", "Meadow", "River", "Cottage", "Market", "Valley", "Lantern", "Orchard", "Station", "Island", "Forest", "Mill")
_DAY = 86_400
_START = 1_672_531_200  # 2023-01-01 in UTC


@dataclass(frozen=True)
class Truth:
    """What the events were drawn from. Row u belongs to user id u + 1, row i to item id i + 1.

    user_tastes (n_users, factors), item_traits (n_items, factors) : float64, unit vectors.
    exposure : float64 (n_items,), the chance that an item is the next one shown to anybody (before its release: none).
    strength : an item shown is taken with probability sigmoid(strength * (taste . trait) - offset).
    """

    user_tastes: NDArray[np.float64]
    item_traits: NDArray[np.float64]
    exposure: NDArray[np.float64]
    strength: float
    offset: float

    def preference(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probability that each user takes the item once it is shown, by ids; free of exposure, so of popularity."""
        match = np.einsum("nf,nf->n", self.user_tastes[users - 1], self.item_traits[items - 1])
        return np.asarray(1 / (1 + np.exp(self.offset - self.strength * match)))


def synthetic(
    n_users: int = 2_000,
    n_items: int = 3_000,
    n_events: int = 60_000,
    *,
    seed: int = 0,
    zipf: float = 1.0,
    factors: int = 8,
    strength: float = 6.0,
) -> Dataset:
    """A synthetic shop: `n_events` purchases with times over one year, quantities, item names and categories.

    An item is shown with probability proportional to rank^-zipf, and taken, once shown, with probability
    sigmoid(strength * (taste . trait) - strength / 2): popularity comes from exposure alone, taste is independent of it.
    How active a user is follows a log-normal law; a tenth of the items is released in the course of the year. Users and items
    that no event was drawn for are left out. Vectorised rejection sampling, O(n_events); the same seed gives the same data.

    >>> import minirec as mr
    >>> data = mr.synthetic(n_users=100, n_items=80, n_events=1_000, seed=1)
    >>> len(data), data.timestamp is not None, sorted(data.item_features)
    (1000, True, ['category', 'name'])
    """
    return synthetic_with_truth(n_users, n_items, n_events, seed=seed, zipf=zipf, factors=factors, strength=strength)[0]


def synthetic_with_truth(
    n_users: int = 2_000,
    n_items: int = 3_000,
    n_events: int = 60_000,
    *,
    seed: int = 0,
    zipf: float = 1.0,
    factors: int = 8,
    strength: float = 6.0,
) -> tuple[Dataset, Truth]:
    """As `synthetic`, with the truth that the events were drawn from."""
    for name, value in (("n_users", n_users), ("n_items", n_items), ("n_events", n_events), ("factors", factors)):
        if value < 1:
            raise ParameterError(f"{name} must be at least 1, got {value}")
    if not (zipf >= 0 and strength >= 0):
        raise ParameterError(f"zipf and strength must not be negative, got {zipf} and {strength}")
    rng = np.random.default_rng(seed)
    category = rng.integers(0, len(CATEGORIES), n_items)
    centres = _unit(rng.standard_normal((len(CATEGORIES), factors)))
    traits = _unit(centres[category] + 0.5 * _unit(rng.standard_normal((n_items, factors))))
    tastes = _unit(centres[rng.integers(0, len(CATEGORIES), n_users)] + _unit(rng.standard_normal((n_users, factors))))
    exposure = np.arange(1, n_items + 1, dtype=np.float64) ** -zipf
    exposure = rng.permutation(exposure / exposure.sum())
    truth = Truth(tastes, traits, exposure, strength, strength / 2)

    released = np.where(rng.random(n_items) < 0.1, rng.integers(0, 330, n_items) * _DAY, 0)
    released[np.argmax(exposure)] = 0  # something can always be sold
    activity = rng.lognormal(0.0, 1.0, n_users)
    parts: list[NDArray[np.int64]] = []
    drawn = 0
    while drawn < n_events:
        size = min(4 * n_events + 64, 2**22)
        user = rng.choice(n_users, size, p=activity / activity.sum())
        item = rng.choice(n_items, size, p=exposure)
        time = rng.integers(0, 365 * _DAY, size)
        taken = (rng.random(size) < truth.preference(user + 1, item + 1)) & (time >= released[item])
        parts.append(np.stack([user[taken], item[taken], time[taken]]))
        drawn += int(taken.sum())
    user, item, time = np.concatenate(parts, axis=1)[:, :n_events]
    order = np.argsort(time, kind="stable")
    quantity = np.minimum(rng.geometric(0.7, n_events), 9)
    names = [f"{_FIRST[a]} {_SECOND[b]} {CATEGORIES[c]}" for a, b, c in zip(*_name_parts(n_items, rng), category, strict=True)]
    data = Dataset(
        _numbered(n_users),
        _numbered(n_items),
        user[order].astype(np.int32),
        item[order].astype(np.int32),
        quantity.astype(np.float32),
        time[order] + _START,
        item_features={"name": np.array(names, object), "category": np.array(CATEGORIES, object)[category]},
        name="synthetic",
    )
    return data.compact(), truth


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _numbered(n: int) -> IdIndex:
    """The ids 1 to n."""
    return IdIndex(np.arange(1, n + 1, dtype=np.int64), np.zeros(0, np.uint8), np.zeros(1, np.int64))


def _name_parts(n_items: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return rng.integers(0, len(_FIRST), n_items), rng.integers(0, len(_SECOND), n_items)

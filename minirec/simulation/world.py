"""Worlds: what users like, which nobody in them knows, and how they take what they are shown. All are assumptions, and say so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..data.ids import IdIndex
from ..errors import ParameterError
from ..models.factorization.als import ALS

ADOPTIONS = ("utility", "cascade", "popularity")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """What users like, and what of it they know before they take an item.

    users, items : the ids. utility (users, items) : what a user gains from an item, 0 to 1. known (users, items) : what the user expects of
    it. events : those at the start, from outside of the loop. assumption : where the utility comes from, in a sentence.
    """

    users: IdIndex
    items: IdIndex
    utility: NDArray[np.float32]
    known: NDArray[np.float32]
    events: Dataset
    assumption: str


def beta_world(n_users: int = 100, n_items: int = 200, *, startup: int = 50, factors: int = 20, seed: int = 0) -> World:
    """The world of Chaney, Stewart and Engelhardt 2018, "How algorithmic confounding in recommendation systems increases homogeneity",
    section 3.

    Preferences of users are Dirichlet(mu) with mu ~ Dirichlet(1) x 10, attributes of items Dirichlet with mu ~ Dirichlet(100) x .1; the
    utility is Beta with mean preference . attributes and deviation .01 x, scaled to 0 .. 1 within each user, the known share of it Beta
    with mean .98. `startup` events a user follow from items shown at random.
    """
    rng = np.random.default_rng(seed)
    preferences = rng.dirichlet(np.maximum(rng.dirichlet(np.ones(factors)) * 10, 1e-3), n_users)
    attributes = rng.dirichlet(np.maximum(rng.dirichlet(np.full(factors, 100.0)) * 0.1 * factors, 1e-3), n_items)
    mean = np.clip(preferences @ attributes.T, 1e-3, 1 - 1e-3)
    utility = _beta(rng, mean, 1e-5)
    utility /= utility.max(axis=1, keepdims=True)
    known = utility * _beta(rng, np.full(utility.shape, 0.98), 1e-5)
    users, items = _numbered(n_users), _numbered(n_items)
    user, item = [], []
    left = np.ones((n_users, n_items), bool)
    for _ in range(min(startup, n_items)):
        shown = np.argsort(np.where(left, rng.random((n_users, n_items)), 2), axis=1)[:, :10]
        able = np.take_along_axis(left, shown, axis=1)
        at = np.argmax(np.where(able, np.take_along_axis(known, shown, axis=1), -1), axis=1)
        taken = shown[np.arange(n_users), at]
        left[np.arange(n_users), taken] = False
        user.append(np.arange(n_users))
        item.append(taken)
    events = Dataset(users, items, np.concatenate(user).astype(np.int32), np.concatenate(item).astype(np.int32), name="beta world")
    text = f"Utilities are drawn as in Chaney et al. 2018: {n_users} users, {n_items} items, {startup} items a user at the start."
    return World(users, items, utility.astype(np.float32), known.astype(np.float32), events, text)


def world_of(data: Dataset, *, factors: int = 32, seed: int = 0) -> World:
    """A world from real events: ALS on all of them says what users like, and nobody can check it.

    The utility of an item for a user is the rank of its ALS score among the items, 0 to 1, for each user. Memory 8 users x items bytes.
    """
    data = data.compact()
    model = ALS(factors=factors, regularization=0.03, seed=seed).fit(data)
    scores = model.user_factors_ @ model.item_factors_.T
    order = np.argsort(scores, axis=1, kind="stable")
    utility = np.empty(scores.shape, np.float32)
    np.put_along_axis(utility, order, np.linspace(0, 1, scores.shape[1], dtype=np.float32)[None, :], axis=1)
    text = f"Utilities are the ranks of the scores of ALS with {factors} factors, fitted on all events of {data.name}."
    return World(data.users, data.items, utility, utility, data, text)


def adopt(
    rule: str, lists: NDArray[np.int64], world: World, popularity: Floats, rate: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Who takes what of the lists (users, k), -1 where there is none: the users and their items, at most one each.

    rule : "utility", the user takes the listed item of the highest known utility (Chaney et al. 2018); "cascade", goes down the list and
    takes an item with probability known utility^2, looking on with .85 after each; "popularity", takes one with probability in proportion
    to known utility x (1 + ln(1 + n_i)), n_i its users: the herd. rate : probability that a user takes anything in a round.
    """
    users = np.arange(len(lists))
    there = lists >= 0
    known = np.where(there, world.known[users[:, None], np.maximum(lists, 0)], 0.0).astype(np.float64)
    awake = (rng.random(len(lists)) < rate) & there.any(axis=1)
    if rule == "utility":
        at = np.argmax(np.where(there, known, -1), axis=1)
        taken = awake
    elif rule == "cascade":
        looks = rng.random(lists.shape) < 0.85
        reached = np.concatenate((np.ones((len(lists), 1), bool), np.logical_and.accumulate(looks, axis=1)[:, :-1]), axis=1)
        hits = there & reached & (rng.random(lists.shape) < known**2)
        at = np.argmax(hits, axis=1)
        taken = awake & hits.any(axis=1)
    elif rule == "popularity":
        weight = np.where(there, known * (1 + np.log1p(popularity[np.maximum(lists, 0)])), 0.0)
        edges = np.cumsum(weight, axis=1)
        at = np.minimum((edges < rng.random((len(lists), 1)) * edges[:, -1:]).sum(axis=1), lists.shape[1] - 1)
        taken = awake & (edges[:, -1] > 0) & there[users, at]
    else:
        raise ParameterError(f"adoption must be one of {', '.join(ADOPTIONS)}, got {rule!r}")
    return users[taken], lists[users, at][taken]


def _beta(rng: np.random.Generator, mean: Floats, variance: float) -> Floats:
    """Beta numbers of these means; the variance is kept below what a Beta can have."""
    size = mean * (1 - mean) / np.minimum(variance, 0.5 * mean * (1 - mean)) - 1
    drawn: Floats = rng.beta(mean * size, (1 - mean) * size)
    return drawn


def _numbered(n: int) -> IdIndex:
    return IdIndex(np.arange(n, dtype=np.int64), np.zeros(0, np.uint8), np.zeros(1, np.int64))

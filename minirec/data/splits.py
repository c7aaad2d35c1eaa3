"""Train and test: five ways to split events, none of which lets a pair of user and item stand on both sides."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, ParameterError
from .convert import Events, as_dataset
from .dataset import Dataset

SPLITS = ("time", "random", "leave-last", "users", "cold-items")
Bools = NDArray[np.bool_]


@overload
def split(
    data: Events,
    how: Literal["time", "random", "leave-last", "cold-items"] | None = None,
    *,
    test: float = 0.2,
    seed: int = 0,
    fold_in: float = 0.8,
) -> tuple[Dataset, Dataset]: ...
@overload
def split(
    data: Events, how: Literal["users"], *, test: float = 0.2, seed: int = 0, fold_in: float = 0.8
) -> tuple[Dataset, Dataset, Dataset]: ...
@overload
def split(data: Events, how: str | None = None, *, test: float = 0.2, seed: int = 0, fold_in: float = 0.8) -> tuple[Dataset, ...]: ...
def split(data: Events, how: str | None = None, *, test: float = 0.2, seed: int = 0, fold_in: float = 0.8) -> tuple[Dataset, ...]:
    """Split events into train and test ("users": into train, fold-in and target). Each part is compacted; no event is lost.

    how :
        "time" (the default where there are times): one instant for everybody; all train times <= cut < all test times, the cut
            being the one whose share of test events is nearest to `test`. The user of a test event may have no events in
            train, and a pair may be met again in test: the only split that shows what a live system would have met.
        "random" (the default where there are none): of each user's distinct items a share `test`, rounded up or down at random
            so that the share is right on average; a user with a single item stays in train.
        "leave-last": from the moment each user meets the last of their new items, by time (file order where times are equal
            or missing). With distinct pairs, this is the last event of each user. Users with a single item stay in train.
        "users": a share `test` of the users is held out of train altogether; of their distinct items a random share `fold_in`
            is what the model is shown (at least one), the rest is the target (at least one). Users with a single item stay in
            train. Liang et al. (2018), "Variational autoencoders for collaborative filtering", section 4.2, without their
            removal of items that train does not hold.
        "cold-items": a share `test` of the items, with all their events: no test item is known to train.
    test : share of test events (of users for "users", of items for "cold-items"; unused by "leave-last"), in (0, 1).
    seed : of the random draws; the same seed gives the same split whatever the order of the events.

    Users and items with too few events are kept, in train, as said above; drop them first with `clean` if that is wanted.
    DataError where a side would be empty. O(n log n).

    >>> import minirec as mr
    >>> train, test = mr.split(mr.synthetic(n_users=50, n_items=40, n_events=500), "time", test=0.2)
    >>> bool(train.timestamp.max() < test.timestamp.min())
    True
    """
    data = as_dataset(data, "data")
    if how is None:
        how = "time" if data.time is not None else "random"
    if how not in SPLITS:
        raise ParameterError(f"how must be one of {', '.join(SPLITS)}, got {how!r}")
    for name, share in (("test", test), ("fold_in", fold_in)):
        if not isinstance(share, (int, float)) or not 0 < share < 1:
            raise ParameterError(f"{name} is a share above 0 and below 1, got {share!r}")
    if len(data) == 0:
        raise DataError("there are no events to split")
    rng = np.random.default_rng(seed)
    if how == "time":
        return _two_sides(data, _after_cut(data, test), "their times are all equal: use how='random'")
    if how == "leave-last":
        return _two_sides(data, _from_last_new_item(data), "no user has two different items")
    if how == "cold-items":
        return _two_sides(data, _some(data.n_items, test, rng)[data.item], "there is only one item")
    if how == "random":
        return _two_sides(data, _share_of_pairs(data, np.full(data.n_users, test), rng), "no user has two different items: use how='time'")
    return _held_out_users(data, test, fold_in, rng)


def _two_sides(data: Dataset, in_test: Bools, why: str) -> tuple[Dataset, Dataset]:
    for side, empty in (("test", not in_test.any()), ("train", in_test.all())):
        if empty:
            raise DataError(f"the {side} side of this split of {len(data)} events would be empty: {why}, or give more data")
    return data.select(~in_test).compact(), data.select(in_test).compact()


def _after_cut(data: Dataset, test: float) -> Bools:
    if data.time is None:
        raise DataError("a split by time needs times: name the time column when reading, or use how='random'")
    instants, counts = np.unique(data.time, return_counts=True)
    test_events = len(data) - np.cumsum(counts)[:-1]  # if the cut is after instant 0, 1, ...
    if not len(test_events):
        return np.zeros(len(data), bool)
    cut = instants[int(np.argmin(np.abs(test_events - test * len(data))))]
    after: Bools = data.time > cut
    return after


def _from_last_new_item(data: Dataset) -> Bools:
    position = np.arange(len(data))
    order = np.lexsort((position, position if data.time is None else data.time, data.user))
    rank = np.empty(len(data), np.int64)
    rank[order] = position  # place of each event in (user, time, file order)
    pair, _, n_pairs = _pairs(data)
    first_met = np.full(n_pairs, len(data))
    np.minimum.at(first_met, pair, rank)
    last_new = np.full(data.n_users, -1)
    np.maximum.at(last_new, data.user, first_met[pair])
    earliest = np.full(data.n_users, len(data))
    np.minimum.at(earliest, data.user, rank)
    held: Bools = (rank >= last_new[data.user]) & (last_new > earliest)[data.user]
    return held


def _pairs(data: Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """The number of each event's pair of user and item (pairs in row order), the user of each pair, and how many pairs."""
    unique, pair = np.unique(data.user.astype(np.int64) * data.n_items + data.item, return_inverse=True)
    return pair, unique // data.n_items, len(unique)


def _share_of_pairs(data: Dataset, share: NDArray[np.float64], rng: np.random.Generator, *, at_least_one: bool = False) -> Bools:
    """Events of a random share of each user's pairs; at least one pair of each user is left out."""
    pair, user, n_pairs = _pairs(data)
    size = np.bincount(user, minlength=data.n_users)
    take = np.floor(share * size + rng.random(data.n_users)).astype(np.int64)
    take = np.minimum(np.maximum(take, 1) if at_least_one else take, size - 1)
    shuffled = np.lexsort((rng.random(n_pairs), user))
    place = np.empty(n_pairs, np.int64)
    place[shuffled] = np.arange(n_pairs) - (np.cumsum(size) - size)[user[shuffled]]
    chosen: Bools = (place < take[user])[pair]
    return chosen


def _some(n: int, share: float, rng: np.random.Generator) -> Bools:
    """A random share of n rows, at least one and not all where n allows it."""
    chosen = np.zeros(n, bool)
    chosen[rng.permutation(n)[: min(max(1, round(share * n)), n - 1)]] = True
    return chosen


def _held_out_users(data: Dataset, test: float, fold_in: float, rng: np.random.Generator) -> tuple[Dataset, Dataset, Dataset]:
    _, user, _ = _pairs(data)
    eligible = np.flatnonzero(np.bincount(user, minlength=data.n_users) > 1)
    wanted = min(max(1, round(test * data.n_users)), data.n_users - 1)
    if not len(eligible) or data.n_users < 2:
        raise DataError("held-out users need two different items each, and at least one other user to train on")
    held = np.zeros(data.n_users, bool)
    held[rng.permutation(eligible)[:wanted]] = True
    train, held_out = _two_sides(data, held[data.user], "hold fewer users out")
    target = _share_of_pairs(held_out, np.full(held_out.n_users, 1 - fold_in), rng, at_least_one=True)
    return train, *_two_sides(held_out, target, "no held-out user has two different items")

"""Train and test, in six ways; all but "time" keep a pair of user and item on one side."""

from __future__ import annotations

import warnings
from datetime import datetime
from typing import Literal, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, DataWarning, ParameterError
from .convert import Events, as_dataset
from .dataset import Dataset

SPLITS = ("time", "random", "leave-last", "users", "cold-items")
FEW = 10  # events by which a split in time may miss its share without a word
Instant: TypeAlias = int | str | datetime | np.datetime64
Bools = NDArray[np.bool_]


@overload
def split(
    data: Events, how: Literal["users"], *, test: float = 0.2, seed: int = 0, fold_in: float = 0.8
) -> tuple[Dataset, Dataset, Dataset]: ...
@overload
def split(
    data: Events,
    how: Literal["time", "random", "leave-last", "cold-items", "fixed"] | None = None,
    *,
    test: Events | float = 0.2,
    validation: None = None,
    at: Instant | None = None,
    last: int = 1,
    seed: int = 0,
    fold_in: float = 0.8,
) -> tuple[Dataset, Dataset]: ...
@overload
def split(
    data: Events,
    how: str | None = None,
    *,
    test: Events | float = 0.2,
    validation: Events | float | None = None,
    at: Instant | None = None,
    last: int = 1,
    seed: int = 0,
    fold_in: float = 0.8,
) -> tuple[Dataset, ...]: ...
def split(
    data: Events,
    how: str | None = None,
    *,
    test: Events | float = 0.2,
    validation: Events | float | None = None,
    at: Instant | None = None,
    last: int = 1,
    seed: int = 0,
    fold_in: float = 0.8,
) -> tuple[Dataset, ...]:
    """Split events into train and test ("users": into train, fold-in and target). Each part is compacted; no event is lost.

    With `validation` there are three parts, train, validation and test: what is not test is split once more in the same way.

    how :
        "time" (the default where there are times): one instant for everybody; all train times <= cut < all test times, the cut
            being the one whose share of test events is nearest to `test`. The user of a test event may have no events in
            train, and a pair may be met again in test: the only split that shows what a live system would have met. Where the
            nearest cut leaves a side less than half of its share, because many events have one time, that is a DataError; where
            it is off by more than a quarter, a DataWarning. With `at`, test is what comes at that instant or later, whatever its share.
        "random" (the default where there are none): of each user's distinct items a share `test`, rounded up or down at random
            so that the share is right on average; a user with a single item stays in train.
        "leave-last": from the moment each user meets the last of their new items, by time (file order where times are equal
            or missing). With distinct pairs, this is the last event of each user. Users with a single item stay in train.
            `last` holds out more of them, but never a user's first one.
        "users": a share `test` of the users is held out of train altogether; of their distinct items a random share `fold_in`
            is what the model is shown (at least one), the rest is the target (at least one). Users with a single item stay in
            train. Liang et al. (2018), "Variational autoencoders for collaborative filtering", section 4.2, without their
            removal of items that train does not hold.
        "cold-items": a share `test` of the items, with all their events: no test item is known to train.
        "fixed": train is `data`, and `test` (and `validation`) are events, too: the files of a published protocol. Pairs that stand
            in two parts are told by a DataWarning.
    test : share of test events (of users for "users", of items for "cold-items"; unused by "leave-last"), in (0, 1).
    validation : share of all events likewise, None for none; for "leave-last" how many new items before the last, 1 or more.
    at : an instant for "time": a whole number as in the data, or a date such as "2026-01-31".
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
    if how not in (*SPLITS, "fixed"):
        raise ParameterError(f"how must be one of {', '.join(SPLITS)} or fixed, got {how!r}")
    if how == "fixed":
        return _fixed(data, test, validation)
    _check(how, test, validation, at, last, fold_in)
    assert isinstance(test, (int, float))
    if len(data) == 0:
        raise DataError("there are no events to split")
    if validation is not None:
        assert isinstance(validation, (int, float))
        rest, held = split(data, how, test=test, at=at, last=last, seed=seed)
        if how == "leave-last":
            return *split(rest, how, last=int(validation), seed=seed), held
        if at is not None:
            return *split(rest, how, test=validation, seed=seed), held
        return *split(rest, how, test=validation / (1.0 - test), seed=seed), held
    rng = np.random.default_rng(seed)
    if how == "time":
        if at is not None:
            return two_sides(data, _from_instant(data, at), "no event is on that side of the instant")
        sides = two_sides(data, _after_cut(data, test), "their times are all equal: use how='random'")
        _check_share(len(sides[1]), len(data), test)
        return sides
    if how == "leave-last":
        return two_sides(data, _from_last_new_item(data, last), "no user has two different items")
    if how == "cold-items":
        return two_sides(data, _some(data.n_items, test, rng)[data.item], "there is only one item")
    if how == "random":
        return two_sides(data, _share_of_pairs(data, np.full(data.n_users, test), rng), "no user has two different items: use how='time'")
    return _held_out_users(data, test, fold_in, rng)


def two_sides(data: Dataset, in_test: Bools, why: str) -> tuple[Dataset, Dataset]:
    """The events that are not in test and those that are; DataError where one side is empty."""
    for side, empty in (("test", not in_test.any()), ("train", in_test.all())):
        if empty:
            raise DataError(f"the {side} side of this split of {len(data)} events would be empty: {why}, or give more data")
    return data.select(~in_test).compact(), data.select(in_test).compact()


def _check(how: str, test: object, validation: object, at: object, last: int, fold_in: float) -> None:
    for name, share in (("test", test), ("fold_in", fold_in)):
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
            raise ParameterError(f"{name} is a share above 0 and below 1, got {share!r}")
    if isinstance(last, bool) or not isinstance(last, int) or last < 1:
        raise ParameterError(f"last is how many of each user's last new items are held out, 1 or more; got {last!r}")
    if at is not None and how != "time":
        raise ParameterError(f"at= goes with how='time', not {how!r}")
    if validation is None:
        return
    if how == "users":
        raise ParameterError("validation= does not go with how='users': split the train part once more")
    if how == "leave-last":
        if isinstance(validation, bool) or not isinstance(validation, int) or validation < 1:
            raise ParameterError(f"validation is how many new items come before the last for how='leave-last', got {validation!r}")
    elif isinstance(validation, bool) or not isinstance(validation, (int, float)) or not 0 < validation < 1:
        raise ParameterError(f"validation is a share above 0 and below 1, got {validation!r}")
    elif at is None and validation + test >= 1:  # type: ignore[operator]  # a share, as checked above
        raise ParameterError(f"test and validation leave nothing for train: {test!r} + {validation!r}")


def _check_share(held: int, events: int, asked: float) -> None:
    """DataError where a side of a cut in time has less than half of its share, DataWarning where it is off by a quarter.

    Not where a few events more or less make that difference.
    """
    got = held / events
    if abs(held - asked * events) <= FEW:
        return
    text = f"a share of {asked:.0%} of the events was asked for as test, and the nearest cut between two times gives {got:.0%}"
    advice = "many events have the same time: use how='random', how='leave-last', or at= with an instant"
    if got < asked / 2 or 1.0 - got < (1.0 - asked) / 2:
        raise DataError(f"{text}; {advice}")
    if got < 0.75 * asked or got > 1.25 * asked:
        warnings.warn(f"{text}; {advice}", DataWarning, stacklevel=4)


def _fixed(train: Dataset, test: Events | float, validation: Events | float | None) -> tuple[Dataset, ...]:
    """Parts that are given, each of them compacted."""
    if isinstance(test, (int, float)) or isinstance(validation, (int, float)):
        raise ParameterError("how='fixed' takes the events of each part: split(train, 'fixed', test=test_events)")
    parts = {"train": train.compact()}
    for name, given in (("validation", validation), ("test", test)):
        if given is not None:
            parts[name] = as_dataset(given, name).compact()
    for name, part in parts.items():
        if not len(part):
            raise DataError(f"the {name} part has no events")
    names = list(parts)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            both = _shared_pairs(parts[first], parts[second])
            if both:
                text = f"{both:,} pairs of user and item stand in {first} and in {second}"
                warnings.warn(f"{text}: a model that leaves out what a user has already cannot list them", DataWarning, stacklevel=4)
    return tuple(parts.values())


def _shared_pairs(a: Dataset, b: Dataset) -> int:
    users, items = a.users.rows(b.users.ids(np.arange(b.n_users))), a.items.rows(b.items.ids(np.arange(b.n_items)))
    user, item = users[b.matrix.row_ids()].astype(np.int64), items[b.matrix.indices].astype(np.int64)
    known = (user >= 0) & (item >= 0)
    return int(np.isin(user[known] * a.n_items + item[known], a.matrix.row_ids() * a.n_items + a.matrix.indices).sum())


def _from_instant(data: Dataset, at: Instant) -> Bools:
    if data.time is None:
        raise DataError("a split by time needs times: name the time column when reading, or use how='random'")
    if isinstance(at, int):
        instant = at
    elif data.time_unit == "order":
        raise ParameterError(f"the times of {data.name} only have an order: at must be one of their whole numbers, got {at!r}")
    else:
        try:
            instant = int(np.array(at, f"datetime64[{data.time_unit}]").astype(np.int64))
        except (TypeError, ValueError):
            raise ParameterError(f"at must be a whole number as in the data or a date such as '2026-01-31', got {at!r}") from None
    after: Bools = data.time >= instant
    return after


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


def _from_last_new_item(data: Dataset, last: int) -> Bools:
    position = np.arange(len(data))
    order = np.lexsort((position, position if data.time is None else data.time, data.user))
    rank = np.empty(len(data), np.int64)
    rank[order] = position  # place of each event in (user, time, file order)
    pair, user, n_pairs = pairs_of(data)
    first_met = np.full(n_pairs, len(data))
    np.minimum.at(first_met, pair, rank)
    earliest = np.full(data.n_users, len(data))
    np.minimum.at(earliest, data.user, rank)
    order = np.lexsort((first_met, user))  # a user's pairs in the order in which they were met
    size = np.bincount(user, minlength=data.n_users)
    stop = np.cumsum(size)
    from_pair = order[np.clip(stop - np.clip(last, 1, np.maximum(size - 1, 1)), 0, max(n_pairs - 1, 0))]
    last_new = first_met[from_pair]
    held: Bools = (rank >= last_new[data.user]) & (last_new > earliest)[data.user]
    return held


def pairs_of(data: Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """The number of each event's pair of user and item (pairs in row order), the user of each pair, and how many pairs."""
    unique, pair = np.unique(data.user.astype(np.int64) * data.n_items + data.item, return_inverse=True)
    return pair, unique // data.n_items, len(unique)


def _share_of_pairs(data: Dataset, share: NDArray[np.float64], rng: np.random.Generator, *, at_least_one: bool = False) -> Bools:
    """Events of a random share of each user's pairs; at least one pair of each user is left out."""
    pair, user, n_pairs = pairs_of(data)
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
    _, user, _ = pairs_of(data)
    eligible = np.flatnonzero(np.bincount(user, minlength=data.n_users) > 1)
    wanted = min(max(1, round(test * data.n_users)), data.n_users - 1)
    if not len(eligible) or data.n_users < 2:
        raise DataError("held-out users need two different items each, and at least one other user to train on")
    held = np.zeros(data.n_users, bool)
    held[rng.permutation(eligible)[:wanted]] = True
    train, held_out = two_sides(data, held[data.user], "hold fewer users out")
    target = _share_of_pairs(held_out, np.full(held_out.n_users, 1 - fold_in), rng, at_least_one=True)
    return train, *two_sides(held_out, target, "no held-out user has two different items")

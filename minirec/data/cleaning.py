"""Cleaning of a data set: kinds, weak events, bots, repeated events, k-core; with an account of what went and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, ParameterError
from .account import MAX_EXAMPLES, Account
from .convert import Events, as_dataset
from .dataset import Dataset
from .ids import IdIndex

DUPLICATES = ("sum", "last", "max", "keep")
Bools = NDArray[np.bool_]


def clean(
    data: Events,
    *,
    kinds: Sequence[str] | None = None,
    kind_weights: Mapping[str, float] | None = None,
    min_weight: float | None = None,
    max_user_events: int | None = None,
    duplicates: str = "sum",
    min_user_items: int = 1,
    min_item_users: int = 1,
) -> tuple[Dataset, Account]:
    """Clean a data set; return it, compacted, with the account of every event that was removed or merged.

    The steps, in this order:

    1. `kinds`: events of other kinds are removed. `kind_weights`: the weight of an event becomes the weight of its kind times its
       own; a kind that is not named is removed.
    2. `min_weight`: events below it are removed (an explicit rating of 4 or more counts as a like: min_weight=4).
    3. `max_user_events`: users with more events than that are removed with all of them (bots, resellers, test accounts).
    4. `duplicates`, the events of one pair of user and item: "sum" leaves one event with the sum of their weights (of ones where
       there are none) and the time and kind of the last; "last" leaves the last (by time, then by order in the file), "max" the one
       of the largest weight (of equals the last); "keep" leaves them all.
    5. k-core: users with fewer than `min_user_items` different items and items with fewer than `min_item_users` different users are
       removed in turn until none is left of either.

    DataError where nothing would remain. O(n log n), and O(n) for each round of step 5.

    >>> import minirec as mr
    >>> data = mr.Dataset.from_arrays([1, 1, 1, 2], ["a", "a", "b", "b"], weights=[2, 3, 1, 1])
    >>> cleaned, account = mr.clean(data, duplicates="sum", min_item_users=2)
    >>> len(cleaned), account.total("removed"), account.total("merged")
    (2, 1, 1)
    """
    data = as_dataset(data, "data")
    _check(data, kinds, kind_weights, min_weight, max_user_events, duplicates, min_user_items, min_item_users)
    account = Account(events_in=len(data))
    if kinds is not None or kind_weights is not None:
        data = _of_kinds(data, kinds, kind_weights, account)
    if min_weight is not None and data.weight is not None:
        data = _without(data, data.weight < np.float32(min_weight), f"weight below {min_weight:g}", account)
    if max_user_events is not None:
        events = np.bincount(data.user, minlength=data.n_users)
        bots = events > max_user_events
        examples = [f"user {_shown(data.users, row)}: {events[row]:,} events" for row in np.flatnonzero(bots)[:MAX_EXAMPLES].tolist()]
        data = _without(data, bots[data.user], f"user with more than {max_user_events:,} events", account, examples)
    if duplicates != "keep":
        before = len(data)
        data = _merged(data, duplicates)
        account.add(f"repeated events of a pair ({duplicates})", before - len(data), "merged")
    data = _core(data, min_user_items, min_item_users, account)
    account.events_out = len(data)
    if len(data) == 0:
        raise DataError(f"{data.name}: cleaning leaves no events; loosen the limits.\n{account}")
    return data.compact(), account


def _check(
    data: Dataset,
    kinds: Sequence[str] | None,
    kind_weights: Mapping[str, float] | None,
    min_weight: float | None,
    max_user_events: int | None,
    duplicates: str,
    min_user_items: int,
    min_item_users: int,
) -> None:
    if duplicates not in DUPLICATES:
        raise ParameterError(f"duplicates must be one of {', '.join(DUPLICATES)}, got {duplicates!r}")
    for name, value in (("max_user_events", max_user_events), ("min_user_items", min_user_items), ("min_item_users", min_item_users)):
        if value is not None and value < 1:
            raise ParameterError(f"{name} must be at least 1, got {value}")
    if min_weight is not None and data.weight is None:
        raise ParameterError(f"min_weight needs weights; {data.name} has none")
    named = {*(kinds or ()), *(kind_weights or ())}
    if named and data.kind is None:
        raise ParameterError(f"kinds need a column of event kinds; {data.name} has none")
    if not named <= set(data.kinds):
        raise ParameterError(f"unknown kind {sorted(named - set(data.kinds))[0]!r}; {data.name} has {', '.join(data.kinds)}")


def _of_kinds(data: Dataset, kinds: Sequence[str] | None, kind_weights: Mapping[str, float] | None, account: Account) -> Dataset:
    assert data.kind is not None
    wanted = [kind for kind in data.kinds if (kinds is None or kind in kinds) and (kind_weights is None or kind in kind_weights)]
    weight = data.weight
    if kind_weights is not None:
        table = np.array([kind_weights.get(kind, 0.0) for kind in data.kinds])
        weight = (table[data.kind] * (1.0 if weight is None else weight)).astype(np.float32)
    other = ~np.isin(data.kind, [data.kinds.index(kind) for kind in wanted])
    return _without(replace(data, weight=weight), other, f"kind other than {', '.join(wanted)}", account)


def _without(data: Dataset, rows: Bools, reason: str, account: Account, examples: Sequence[str] = ()) -> Dataset:
    account.add(reason, int(rows.sum()), examples=examples)
    return data.select(~rows) if rows.any() else data


def _merged(data: Dataset, how: str) -> Dataset:
    """One event a pair; it stands where the event that remains stood."""
    pair = data.user.astype(np.int64) * data.n_items + data.item
    position = np.arange(len(data))
    time = position if data.time is None else data.time
    weight = np.ones(len(data), np.float32) if data.weight is None else data.weight
    order = np.lexsort((position, time, weight, pair) if how == "max" else (position, time, pair))
    ends = np.flatnonzero(np.append(pair[order][1:] != pair[order][:-1], True)) if len(data) else np.zeros(0, np.int64)
    if len(ends) == len(data):
        return data
    chosen = order[ends]
    kept = data.select(np.sort(chosen))
    if how != "sum":
        return kept
    starts = np.concatenate(([0], ends[:-1] + 1))
    sums = np.add.reduceat(weight[order].astype(np.float64), starts)
    return kept.with_columns(weight=sums[np.argsort(chosen)])


def _core(data: Dataset, min_user_items: int, min_item_users: int, account: Account) -> Dataset:
    """The largest set of events in which every user and every item has enough partners (it is unique, so the order is free)."""
    pair = np.sort(data.user.astype(np.int64) * data.n_items + data.item)
    pair = pair[np.flatnonzero(np.diff(pair, prepend=-1))]
    user, item = pair // max(data.n_items, 1), pair % max(data.n_items, 1)
    keep = np.ones(len(data), bool)
    sides = (
        ("user", data.users, data.user, min_user_items, f"user with fewer than {min_user_items} different items"),
        ("item", data.items, data.item, min_item_users, f"item with fewer than {min_item_users} different users"),
    )
    while True:
        before = len(user)
        for side, index, events, least, reason in sides:
            partners = np.bincount(user if side == "user" else item, minlength=len(index))
            few = (partners > 0) & (partners < least)
            if not few.any():
                continue
            struck = keep & few[events]
            examples = [f"{side} {_shown(index, row)}" for row in np.flatnonzero(few)[:MAX_EXAMPLES].tolist()]
            account.add(reason, int(struck.sum()), examples=examples)
            keep &= ~struck
            stays = ~few[user if side == "user" else item]
            user, item = user[stays], item[stays]
        if len(user) == before:
            return data if keep.all() else data.select(keep)


def _shown(index: IdIndex, row: int) -> str:
    return repr(index[row])[:60]

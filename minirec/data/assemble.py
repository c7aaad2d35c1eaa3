"""From raw columns to a Dataset: what cannot be used is removed and counted, gaps are filled by one rule each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, ParameterError
from .account import MAX_EXAMPLES, Account
from .dataset import Dataset
from .ids import IdIndex
from .raw import Bools, Ids, Numbers, RawEvents

MAX_ID_BYTES = 10_000


def assemble(raw: RawEvents, account: Account, *, kind_weights: Mapping[str, float] | None = None, name: str = "events") -> Dataset:
    """Build the data set; the account says what happened to the rest of the rows.

    Removed: rows without a user or an item id; ids longer than 10,000 bytes or with a line break or a zero byte in them; weights
    and times that are not numbers, weights that are not finite (or too large for float32), negative times; kinds without a weight
    in `kind_weights`. Filled: a missing weight by the median of the weights that are there; a missing time by the time of the same
    user's previous row (else of the next one; a user without any time is removed). With `kind_weights`, the weight of an event is
    the weight of its kind times the weight of its row, if it has one.
    """
    n = len(raw.user.rows)
    account.events_in = n + account.total()  # malformed rows have been counted by the reader
    keep = np.ones(n, bool)

    def drop(rows: Bools, reason: str) -> None:
        hit = np.flatnonzero(keep & rows)
        account.add(reason, len(hit), examples=[f"row {at + 1}" for at in hit[:MAX_EXAMPLES]])
        keep[hit] = False

    for role, ids in (("user", raw.user), ("item", raw.item), ("kind", raw.kind)):
        if ids is not None:
            drop(ids.rows < 0, f"missing {role}{'' if role == 'kind' else ' id'}")
            for reason, unusable in _unusable(ids.distinct):
                drop(np.append(unusable, False)[ids.rows], f"{role} id {reason}")
    weight = None if raw.weight is None else raw.weight.values
    if raw.weight is not None and weight is not None:
        drop(raw.weight.bad, "weight is not a number")
        with np.errstate(over="ignore"):
            drop(~raw.weight.missing & ~np.isfinite(weight.astype(np.float32)), "weight is not finite")
        weight = _filled_weight(raw.weight, keep, account)
    time = None if raw.time is None else raw.time.values
    if raw.time is not None and time is not None:
        drop(raw.time.bad, "time is not a number or an ISO date")
        drop(~raw.time.missing & (time < 0), "negative time")
        time = _filled_time(raw.time, raw.user.rows, keep, account)
        drop(time < 0, "no time for any event of this user")
    kind: NDArray[np.int8] | None = None
    kinds: tuple[str, ...] = ()
    if raw.kind is not None:
        kinds = tuple(str(label) for label in raw.kind.distinct)
        if kind_weights is not None:
            known = np.array([label in kind_weights for label in kinds] + [True])
            drop(~known[raw.kind.rows], f"kind without a weight (weights are given for: {', '.join(kind_weights)})")
            table = np.array([kind_weights.get(label, 0.0) for label in kinds] + [0.0])
            weight = table[raw.kind.rows] * (1.0 if weight is None else weight)
        used = np.bincount(raw.kind.rows[keep], minlength=len(kinds)) > 0
        if used.sum() > 127:
            raise DataError(f"{raw.where}: {used.sum()} event kinds; at most 127 are possible: is the right column named?")
        kind = (np.cumsum(used) - 1)[raw.kind.rows[keep]].astype(np.int8)
        kinds = tuple(label for label, there in zip(kinds, used.tolist(), strict=True) if there)
    elif kind_weights is not None:
        raise ParameterError(f"{raw.where}: kind_weights needs a column of event kinds; pass kind=")
    account.events_out = int(keep.sum())
    if not keep.any():
        raise DataError(f"{raw.where}: no usable events.\n{account}")
    everything = bool(keep.all())
    users, user = _used(raw.user, keep, everything)
    items, item = _used(raw.item, keep, everything)
    return Dataset(
        users,
        items,
        user,
        item,
        None if weight is None else weight[keep].astype(np.float32),
        None if time is None else time[keep].astype(np.int64),
        kind,
        kinds,
        item_features={label: _text_of_items(Ids(text.distinct, text.rows[keep]), item, len(items)) for label, text in raw.text.items()},
        name=name,
    )


def _unusable(index: IdIndex) -> list[tuple[str, Bools]]:
    """Reasons, and for each the rows of the index that it strikes."""
    long = np.zeros(len(index), bool)
    broken = np.zeros(len(index), bool)
    long[len(index.ints) :] = np.diff(index.offsets) > MAX_ID_BYTES
    special = np.flatnonzero((index.text == 10) | (index.text == 13) | (index.text == 0))
    broken[len(index.ints) + np.searchsorted(index.offsets, special, side="right") - 1] = True
    return [(f"longer than {MAX_ID_BYTES:,} bytes", long), ("with a line break or a zero byte", broken)]


def _used(ids: Ids, keep: Bools, everything: bool) -> tuple[IdIndex, NDArray[np.int32]]:
    present = np.zeros(len(ids.distinct), bool)
    present[ids.rows[keep]] = True
    if everything and present.all():
        return ids.distinct, ids.rows
    index, renumbered = ids.distinct.subset(present)
    return index, renumbered[ids.rows[keep]]


def _filled_weight(weight: Numbers, keep: Bools, account: Account) -> NDArray[np.float64]:
    gaps = weight.missing & keep
    if not gaps.any():
        return weight.values
    there = weight.values[keep & ~weight.missing]
    filler = float(np.median(there)) if len(there) else 1.0
    account.add(f"missing weight, set to the median {filler:g}", int(gaps.sum()), "filled")
    return np.where(gaps, filler, weight.values)


def _filled_time(time: Numbers, user: NDArray[np.int32], keep: Bools, account: Account) -> NDArray[np.int64]:
    """Times with the gaps filled from the same user's neighbouring rows; -1 where a user has no time at all."""
    gaps = time.missing & keep
    values = np.asarray(time.values, np.int64)
    if not gaps.any():
        return values
    kept = np.flatnonzero(keep)
    order = kept[np.argsort(user[kept], kind="stable")]
    filled = np.where(gaps, -1, values)
    for step in (order, order[::-1]):  # forwards, then backwards for what stands before a user's first time
        known = np.where(filled[step] >= 0, np.arange(len(step)), -1)
        latest = np.maximum.accumulate(known)
        source = step[np.maximum(latest, 0)]
        usable = (latest >= 0) & (user[source] == user[step]) & (filled[step] < 0)
        filled[step[usable]] = filled[source[usable]]
    account.add("missing time, set to that of the user's nearest row", int((gaps & (filled >= 0)).sum()), "filled")
    return filled


def _text_of_items(text: Ids, item: NDArray[np.int32], n_items: int) -> NDArray[np.object_]:
    """For each item the first text that any of its rows has; "" where none has."""
    there = np.flatnonzero(text.rows >= 0)
    row, first = np.unique(item[there], return_index=True)
    column = np.full(n_items, "", object)
    column[row] = [str(value) for value in text.distinct.ids(text.rows[there[first]])]
    return column

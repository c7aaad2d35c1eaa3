"""From raw columns to a Dataset: what cannot be used is removed and counted, gaps are filled by one rule each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, ParameterError
from ..account import MAX_EXAMPLES, Account
from ..dataset import Dataset
from ..ids import IdIndex
from .raw import Bools, Ids, Numbers, RawEvents

MAX_ID_BYTES = 10_000
MAX_KINDS = 127


def assemble(raw: RawEvents, account: Account, *, kind_weights: Mapping[str, float] | None = None, name: str = "events") -> Dataset:
    """Build the data set; the account says what happened to the rest of the rows.

    Removed: rows without a user or an item id; ids longer than 10,000 bytes or with a line break or a zero byte in them; weights
    and times that are not numbers, weights that are not finite (or too large for float32), negative times; kinds without a weight
    in `kind_weights`. Filled: a missing weight by the median of the weights that are there; a missing time by the time of the same
    user's previous row (else of the next one; a user without any time is removed). With `kind_weights`, the weight of an event is
    the weight of its kind times the weight of its row, if it has one.
    """
    account.events_in = len(raw.user.rows) + account.total()  # malformed rows have been counted by the reader
    if kind_weights is not None and raw.kind is None:
        raise ParameterError(f"{raw.where}: kind_weights needs a column of event kinds; pass kind=")
    sieve = _Sieve(len(raw.user.rows), account)
    _drop_unusable(raw, kind_weights, sieve)
    time = None if raw.time is None else _filled_time(raw.time, raw.user.rows, sieve)
    weight = None if raw.weight is None else _filled_weight(raw.weight, sieve)
    keep = sieve.keep
    account.events_out = int(keep.sum())
    if not keep.any():
        raise DataError(f"{raw.where}: no usable events.\n{account}")
    kind, kinds = _kinds(raw, keep)
    if raw.kind is not None and kind_weights is not None:
        table = np.array([kind_weights.get(str(label), 0.0) for label in raw.kind.distinct] + [0.0])
        weight = table[raw.kind.rows] * (1.0 if weight is None else weight)
    users, user = _used(raw.user, keep)
    items, item = _used(raw.item, keep)
    return Dataset(
        users,
        items,
        user,
        item,
        None if weight is None else weight[keep].astype(np.float32),
        None if time is None else time[keep],
        kind,
        kinds,
        item_features={label: _text_of_items(Ids(text.distinct, text.rows[keep]), item, len(items)) for label, text in raw.text.items()},
        name=name,
    )


class _Sieve:
    """Which rows are kept, with the account of those that are not; a row is counted under the first reason that strikes it."""

    def __init__(self, n: int, account: Account) -> None:
        self.keep = np.ones(n, bool)
        self.account = account

    def drop(self, rows: Bools, reason: str) -> None:
        if not rows.any():
            return
        hit = np.flatnonzero(self.keep & rows)
        self.account.add(reason, len(hit), examples=[f"row {at + 1}" for at in hit[:MAX_EXAMPLES]])
        self.keep[hit] = False


def _drop_unusable(raw: RawEvents, kind_weights: Mapping[str, float] | None, sieve: _Sieve) -> None:
    for role, ids in (("user id", raw.user), ("item id", raw.item), ("kind", raw.kind)):
        if ids is not None:
            sieve.drop(ids.rows < 0, f"missing {role}")
            for reason, unusable in _unusable(ids.distinct):
                if unusable.any():
                    sieve.drop(np.append(unusable, False)[ids.rows], f"{role} {reason}")
    if raw.weight is not None:
        sieve.drop(raw.weight.bad, "weight is not a number")
        with np.errstate(over="ignore"):
            sieve.drop(~raw.weight.missing & ~np.isfinite(raw.weight.values.astype(np.float32)), "weight is not finite")
    if raw.time is not None:
        sieve.drop(raw.time.bad, "time is not a number or an ISO date")
        sieve.drop(~raw.time.missing & (raw.time.values < 0), "negative time")
    if raw.kind is not None and kind_weights is not None:
        known = np.array([str(label) in kind_weights for label in raw.kind.distinct] + [True])
        sieve.drop(~known[raw.kind.rows], f"kind without a weight (weights are given for: {', '.join(kind_weights)})")


def _kinds(raw: RawEvents, keep: Bools) -> tuple[NDArray[np.int8] | None, tuple[str, ...]]:
    if raw.kind is None:
        return None, ()
    distinct, rows = _used(raw.kind, keep)
    if len(distinct) > MAX_KINDS:
        raise DataError(f"{raw.where}: {len(distinct)} event kinds; at most {MAX_KINDS} are possible: is the right column named?")
    return rows.astype(np.int8), tuple(str(label) for label in distinct)


def _unusable(index: IdIndex) -> list[tuple[str, Bools]]:
    """Reasons, and for each the rows of the index that it strikes."""
    long = np.zeros(len(index), bool)
    broken = np.zeros(len(index), bool)
    long[len(index.ints) :] = np.diff(index.offsets) > MAX_ID_BYTES
    special = np.flatnonzero((index.text == 10) | (index.text == 13) | (index.text == 0))
    broken[len(index.ints) + np.searchsorted(index.offsets, special, side="right") - 1] = True
    return [(f"longer than {MAX_ID_BYTES:,} bytes", long), ("with a line break or a zero byte", broken)]


def _used(ids: Ids, keep: Bools) -> tuple[IdIndex, NDArray[np.int32]]:
    """The ids of the rows that are kept, and their rows in that index."""
    if keep.all():
        return ids
    present = np.zeros(len(ids.distinct), bool)
    present[ids.rows[keep]] = True
    index, renumbered = ids.distinct.subset(present)
    return index, renumbered[ids.rows[keep]]


def _filled_weight(weight: Numbers, sieve: _Sieve) -> NDArray[np.float64]:
    gaps = weight.missing & sieve.keep
    if not gaps.any():
        return weight.values
    there = weight.values[sieve.keep & ~weight.missing]
    filler = float(np.median(there)) if len(there) else 1.0
    sieve.account.add(f"missing weight, set to the median {filler:g}", int(gaps.sum()), "filled")
    return np.where(gaps, filler, weight.values)


def _filled_time(time: Numbers, user: NDArray[np.int32], sieve: _Sieve) -> NDArray[np.int64]:
    """Times with the gaps filled from the same user's neighbouring rows; users without any time are dropped."""
    gaps = time.missing & sieve.keep
    values = np.asarray(time.values, np.int64)
    if not gaps.any():
        return values
    kept = np.flatnonzero(sieve.keep)
    order = kept[np.argsort(user[kept], kind="stable")]
    filled = np.where(gaps, -1, values)
    for step in (order, order[::-1]):  # forwards, then backwards for what stands before a user's first time
        latest = np.maximum.accumulate(np.where(filled[step] >= 0, np.arange(len(step)), -1))
        source = step[np.maximum(latest, 0)]
        usable = (latest >= 0) & (user[source] == user[step]) & (filled[step] < 0)
        filled[step[usable]] = filled[source[usable]]
    sieve.account.add("missing time, set to that of the user's nearest row", int((gaps & (filled >= 0)).sum()), "filled")
    sieve.drop(gaps & (filled < 0), "no time for any event of this user")
    return filled


def _text_of_items(text: Ids, item: NDArray[np.int32], n_items: int) -> NDArray[np.object_]:
    """For each item the first text that any of its rows has; "" where none has."""
    there = np.flatnonzero(text.rows >= 0)
    row, first = np.unique(item[there], return_index=True)
    column = np.full(n_items, "", object)
    column[row] = [str(value) for value in text.distinct.ids(text.rows[there[first]])]
    return column

"""From raw columns to a Dataset: what cannot be used is removed and counted, gaps are filled by one rule each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, ParameterError
from .. import clock
from ..account import MAX_EXAMPLES, Account
from ..dataset import Dataset
from ..ids import IdIndex
from .dates import calendar_numbers
from .raw import MISSING, Bools, Ids, Numbers, RawEvents, Times, as_texts, as_whole, read_times, settled, without

MAX_ID_BYTES = 10_000
MAX_KINDS = 127
NEGATIVES = ("keep", "drop")


def assemble(
    raw: RawEvents,
    account: Account,
    *,
    kind_weights: Mapping[Any, float] | None = None,
    negatives: str | None = None,
    missing: Collection[str] = MISSING,
    time_format: str | None = None,
    time_unit: str | None = None,
    name: str = "events",
) -> Dataset:
    """Build the data set; the account says what happened to the rest of the rows.

    Removed: rows without a user or an item id; repeated header lines; ids longer than 10,000 bytes or with a line break or a zero
    byte in them; weights and times that are not numbers, weights that are not finite (or too large for float32), negative times;
    kinds without a weight in `kind_weights`; with negatives="drop" negative weights. Filled: a missing weight by the median of the
    weights that are there; a missing time by the time of the same user's previous row (else of the next one; a user without any time
    is removed). With `kind_weights`, the weight of an event is the weight of its kind times the weight of its row, if it has one.

    What is removed has no say in the rest: ids become integers where all that remain read as whole numbers, and the unit of times
    without one is told from those that remain. `missing` holds the texts that stand for nothing, beside the empty one.
    """
    if negatives is not None and negatives not in NEGATIVES:
        raise ParameterError(f"negatives must be one of {', '.join(NEGATIVES)}, got {negatives!r}")
    account.events_in = len(raw.user.rows) + account.total()  # malformed rows have been counted by the reader
    if kind_weights is not None:
        if raw.kind is None:
            raise ParameterError(f"{raw.where}: kind_weights needs a column of event kinds; pass kind=")
        kind_weights = {str(kind): weight for kind, weight in kind_weights.items()}
    sieve = _Sieve(len(raw.user.rows), account)
    _drop_repeated_header(raw, sieve)
    raw.user, raw.item = without(raw.user, missing), without(raw.item, missing)
    kind = None if raw.kind is None else without(raw.kind, missing)
    _drop_unusable_ids((("user id", raw.user), ("item id", raw.item), ("kind", kind)), sieve)
    weight = None if raw.weight is None else _usable_weight(raw.weight, missing, sieve)
    times = None
    if raw.time is not None:
        found = raw.time if time_format is None else as_texts(raw.time)
        times = read_times(found, missing, raw.where, time_format, time_unit) if isinstance(found, Ids) else found
        sieve.drop(times.bad, "time is not a number or a date", times.texts)
    if kind is not None:
        kind = as_whole(kind)
        if kind_weights is not None:
            known = np.array([str(label) in kind_weights for label in kind.distinct] + [True])
            sieve.drop(~known[kind.rows], f"kind without a weight (weights are given for: {', '.join(kind_weights)})")
    time, unit = (None, "s") if times is None else _ticks(times, raw.user.rows, sieve, time_unit)
    weights = None if weight is None else _filled_weight(weight, sieve, negatives, raw.where)
    keep = sieve.keep
    account.events_out = int(keep.sum())
    if not keep.any():
        raise DataError(f"{raw.where}: no usable events.\n{account}")
    kinds_of, kinds = _kinds(kind, keep, raw.where)
    if kind is not None and kind_weights is not None:
        table = np.array([kind_weights.get(str(label), 0.0) for label in kind.distinct] + [0.0])
        weights = table[kind.rows] * (1.0 if weights is None else weights)
    users, user = as_whole(Ids(*_used(raw.user, keep)))
    items, item = as_whole(Ids(*_used(raw.item, keep)))
    if not raw.typed:
        users.came_as_text = items.came_as_text = False
    texts = {label: without(text, missing) for label, text in raw.text.items()}
    return Dataset(
        users,
        items,
        user,
        item,
        None if weights is None else weights[keep].astype(np.float32),
        None if time is None else time[keep],
        kinds_of,
        kinds,
        item_features={label: _text_of_items(Ids(text.distinct, text.rows[keep]), item, len(items)) for label, text in texts.items()},
        name=name,
        time_unit=unit,
    )


class _Sieve:
    """Which rows are kept, with the account of those that are not; a row is counted under the first reason that strikes it."""

    def __init__(self, n: int, account: Account) -> None:
        self.keep = np.ones(n, bool)
        self.account = account

    def drop(self, rows: Bools, reason: str, texts: Ids | None = None) -> None:
        """Strike rows; the examples show what stood there, where `texts` holds it."""
        if not rows.any():
            return
        hit = np.flatnonzero(self.keep & rows)
        shown = [f"row {at + 1}{_shown(texts, at)}" for at in hit[:MAX_EXAMPLES].tolist()]
        self.account.add(reason, len(hit), examples=shown)
        self.keep[hit] = False


def _shown(texts: Ids | None, at: int) -> str:
    return "" if texts is None or texts.rows[at] < 0 else f": {str(texts.distinct[texts.rows[at]])[:40]!r}"


def _drop_repeated_header(raw: RawEvents, sieve: _Sieve) -> None:
    if raw.header is None:
        return
    user, item = (ids.distinct.find_text(name) for ids, name in zip((raw.user, raw.item), raw.header, strict=True))
    if user >= 0 and item >= 0:
        sieve.drop((raw.user.rows == user) & (raw.item.rows == item), "the header once more")


def _drop_unusable_ids(columns: tuple[tuple[str, Ids | None], ...], sieve: _Sieve) -> None:
    for role, ids in columns:
        if ids is not None:
            sieve.drop(ids.rows < 0, f"missing {role}")
            for reason, unusable in _unusable(ids.distinct):
                if unusable.any():
                    sieve.drop(np.append(unusable, False)[ids.rows], f"{role} {reason}")


def _usable_weight(raw: Numbers | Ids, missing: Collection[str], sieve: _Sieve) -> Numbers:
    weight, texts = settled(raw, missing)
    sieve.drop(weight.bad, "weight is not a number", texts)
    with np.errstate(over="ignore"):
        sieve.drop(~weight.missing & ~np.isfinite(weight.values.astype(np.float32)), "weight is not finite")
    return weight


def _kinds(kind: Ids | None, keep: Bools, where: str) -> tuple[NDArray[np.int8] | None, tuple[str, ...]]:
    if kind is None:
        return None, ()
    distinct, rows = _used(kind, keep)
    if len(distinct) > MAX_KINDS:
        raise DataError(f"{where}: {len(distinct)} event kinds; at most {MAX_KINDS} are possible: is the right column named?")
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


def _filled_weight(weight: Numbers, sieve: _Sieve, negatives: str | None, where: str) -> NDArray[np.float64]:
    below = sieve.keep & ~weight.missing & (weight.values < 0)
    if negatives == "drop":
        sieve.drop(below, "negative weight")
    elif negatives is None and below.any():
        sieve.account.warn(
            f"{where}: {int(below.sum()):,} weights are negative (the least is {weight.values[below].min():g}), and most models take a "
            "weight for a strength of interest. Pass negatives='drop', or 'keep' to have them as they are, or clean with min_weight"
        )
    gaps = weight.missing & sieve.keep
    if not gaps.any():
        return weight.values
    there = weight.values[sieve.keep & ~weight.missing]
    filler = float(np.median(there)) if len(there) else 1.0
    sieve.account.add(f"missing weight, set to the median {filler:g}", int(gaps.sum()), "filled")
    return np.where(gaps, filler, weight.values)


def _ticks(times: Times, user: NDArray[np.int32], sieve: _Sieve, time_unit: str | None) -> tuple[NDArray[np.int64], str]:
    """Ticks of all rows and their unit; the unit of bare numbers is told from the rows that are kept."""
    values = np.asarray(times.values, np.int64)
    sieve.drop(~times.missing & (values < 0), "negative time")
    unit = times.unit
    if unit is None:
        there = sieve.keep & ~times.missing
        some = values if there.all() else values[there]
        days = calendar_numbers(some) if time_unit is None else None
        if days is not None:
            sieve.account.note(f"time: whole numbers such as {int(some[0])} are read as dates; time_unit= says what else they are")
            ticks, unit = days, "s"
        else:
            ticks, unit = clock.from_whole(some, time_unit)
        if len(some) == len(values):
            values = ticks
        else:
            values = np.zeros(len(values), np.int64)
            values[there] = ticks
    return _filled_time(values, times.missing, user, sieve), unit


def _filled_time(values: NDArray[np.int64], missing: Bools, user: NDArray[np.int32], sieve: _Sieve) -> NDArray[np.int64]:
    """Times with the gaps filled from the same user's neighboring rows; users without any time are dropped."""
    gaps = missing & sieve.keep
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

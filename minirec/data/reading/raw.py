"""Columns as they come out of a source, before anything is judged: coded ids, numbers and times, with what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from .. import clock
from ..ids import IdIndex, Rows, factorize
from .dates import NUMBER, instant, parse_dates

Bools = NDArray[np.bool_]
MISSING = ("NA", "N/A", "NULL", "null", "None", "nan", "NaN", "\\N", "<NA>")  # beside the empty field
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,18})(\.0+)?")
_INT64 = np.iinfo(np.int64)
_EXACT = 2**53  # from here on a double skips whole numbers
_WORDS = {"true": 1.0, "false": 0.0, "inf": np.inf, "infinity": np.inf, "nan": np.nan}


def is_whole(text: str) -> bool:
    """Whether a text reads as an integer of 64 bits and comes back as it was written; `12.0` counts, the way integers with gaps are
    written by data-frame libraries."""
    return _WHOLE.fullmatch(text) is not None and _INT64.min <= int(text.split(".")[0]) <= _INT64.max


class Ids(NamedTuple):
    """Distinct values in canonical order, and the row of each event in them (-1: missing)."""

    distinct: IdIndex
    rows: Rows


class Numbers(NamedTuple):
    """float64 values; `missing`: nothing was there; `bad`: something was, but no number; `odd`: the texts of rows whose value is not
    settled yet (-1 for all others), which `settled` reads."""

    values: NDArray[np.float64]
    missing: Bools
    bad: Bools
    odd: Ids | None = None


class Times(NamedTuple):
    """int64 ticks of `unit`; None: whole numbers whose unit is to be told from their size. `texts`: what they were, for messages."""

    values: NDArray[np.int64]
    missing: Bools
    bad: Bools
    unit: str | None = None
    texts: Ids | None = None


@dataclass
class RawEvents:
    """The columns of a source by role; a weight or a time may be coded text that is not read yet. `text` holds columns that describe
    the items. `where` names the source; `typed`: its columns have types, so that a text there is meant as one. `header`: the names
    of the user and item columns as the file has them."""

    user: Ids
    item: Ids
    weight: Numbers | Ids | None = None
    time: Times | Ids | None = None
    kind: Ids | None = None
    text: dict[str, Ids] = field(default_factory=dict)
    where: str = "events"
    typed: bool = False
    header: tuple[str, str] | None = None


def as_whole(ids: Ids) -> Ids:
    """Strings become integers where every one of them is a whole number as a program would write it (007 is not: it would not
    come back as it was)."""
    index = ids.distinct
    if len(index.offsets) == 1:
        return ids
    lengths = np.diff(index.offsets)
    initial = index.text[index.offsets[:-1][lengths > 0]]
    if len(initial) < len(lengths) or not (((initial >= 48) & (initial <= 57)) | (initial == 45)).all():
        return ids  # the first byte decides for most texts
    texts = [value for value in index if isinstance(value, str)]
    if not all(map(is_whole, texts)):
        return ids
    numbers = np.array([*index.ints.tolist(), *(int(text.split(".")[0]) for text in texts)], np.int64)
    unique, renumber = np.unique(numbers, return_inverse=True)
    whole = IdIndex(unique, np.zeros(0, np.uint8), np.zeros(1, np.int64), came_as_text=len(index.ints) == 0)
    return Ids(whole, renumbered(renumber, ids.rows))


def renumbered(table: NDArray[Any], rows: Rows) -> Rows:
    """table[rows], with -1 staying -1."""
    return np.append(table, -1).astype(np.int32)[rows]


def without(ids: Ids, missing: Collection[str]) -> Ids:
    """The ids with the texts that stand for nothing taken out (the empty one always)."""
    gone = [row for row in map(ids.distinct.find_text, ("", *missing)) if row >= 0]
    if not gone:
        return ids
    keep = np.ones(len(ids.distinct), bool)
    keep[gone] = False
    index, table = ids.distinct.subset(keep)
    return Ids(index, renumbered(table, ids.rows))


# ---- ids --------------------------------------------------------------------------------------------------------------------------


def ids_from_array(values: NDArray[Any], missing: Bools, what: str) -> Ids:
    """Ids from a NumPy column and its missing entries. Floats must be whole; NaN counts as missing."""
    kind = values.dtype.kind
    if kind == "f":
        missing = missing | np.isnan(values)
        present = values[~missing] if missing.any() else values
        odd = np.flatnonzero((present != np.floor(present)) | (np.abs(present) > _EXACT))
        if len(odd):
            _refuse_float(present[odd[0]], what)
        present = present.astype(np.int64)
    elif kind in "iuOUST":
        present = values[~missing] if missing.any() else values
        if kind == "u" and len(present) and int(present.max()) > _INT64.max:
            present = np.array([str(value) for value in present.tolist()], object)
        elif kind == "O":
            return ids_from_objects([None if gap else value for value, gap in zip(values.tolist(), missing.tolist(), strict=True)], what)
    else:
        raise DataError(f"{what}s are of type {values.dtype}; ids are whole numbers or strings: convert the column first")
    index, known = factorize(present, what)
    if len(known) == len(values):
        return Ids(index, known)
    rows = np.full(len(values), -1, np.int32)
    rows[~missing] = known
    return Ids(index, rows)


def _refuse_float(value: Any, what: str) -> NoReturn:
    if value == np.floor(value) and np.isfinite(value):
        raise DataError(
            f"{what} {value!s} is a float beyond 2^53, where floats skip whole numbers: different ids may have become one. Read the column "
            "as integers or as strings"
        )
    raise DataError(f"{what} {value!s} is not a whole number: ids are integers or strings; convert the column first")


def ids_from_objects(values: Sequence[Any], what: str) -> Ids:
    """Ids from Python objects: None and NaN are missing, whole floats and decimals become integers; where an integer does not fit
    into 64 bits, all are texts."""
    clean: list[Any] = []
    wide = False
    for value in values:
        if isinstance(value, (float, np.floating)):
            number = float(value)
            if number != number:
                value = None
            elif number.is_integer() and abs(number) <= _EXACT:
                value = int(number)
            else:
                _refuse_float(value, what)
        elif isinstance(value, Decimal):
            value = None if value.is_nan() else int(value) if value.is_finite() and value == value.to_integral_value() else str(value)
        elif type(value).__name__ in ("NAType", "NaTType"):
            value = None
        wide = wide or (type(value) is int and _beyond(value))
        clean.append(value)
    present = [value for value in clean if value is not None]
    if wide:
        present = [str(value) if type(value) is int else value for value in present]
    index, known = factorize(present, what)
    rows = np.full(len(clean), -1, np.int32)
    rows[np.fromiter((value is not None for value in clean), bool, len(clean))] = known
    return Ids(index, rows)


def _beyond(value: int) -> bool:
    return not -(2**63) <= value < 2**63


def coded(values: Sequence[str | None], what: str) -> Ids:
    """The texts of a file, coded: blanks around are dropped, an empty field is missing."""
    clean = [value.strip() if value else "" for value in values]
    index, known = factorize([value for value in clean if value], what)
    if len(known) == len(clean):
        return Ids(index, known)
    rows = np.full(len(clean), -1, np.int32)
    rows[np.fromiter((value != "" for value in clean), bool, len(clean))] = known
    return Ids(index, rows)


# ---- weights ----------------------------------------------------------------------------------------------------------------------


def numbers_from_array(values: NDArray[Any], missing: Bools) -> Numbers:
    """Weights from a NumPy column; booleans are 1 and 0, NaN is missing."""
    nothing = np.zeros(len(values), bool)
    if values.dtype.kind in "fiub":
        real = values.astype(np.float64, copy=False)
        return Numbers(real, missing | np.isnan(real) if values.dtype.kind == "f" else missing, nothing)
    if values.dtype.kind not in "OUST":
        return Numbers(np.zeros(len(values)), missing, ~missing)
    return numbers_from_objects([None if gap else value for value, gap in zip(values.tolist(), missing.tolist(), strict=True)])


def numbers_from_objects(values: Sequence[Any]) -> Numbers:
    """Weights from numbers or their text; texts are left to be read later."""
    out, missing, bad = np.zeros(len(values)), np.zeros(len(values), bool), np.zeros(len(values), bool)
    texts: list[str | None] = [None] * len(values)
    for at, value in enumerate(values):
        if isinstance(value, str):
            texts[at] = value
        elif value is None or type(value).__name__ in ("NAType", "NaTType") or value != value:
            missing[at] = True
        else:
            try:
                out[at] = _number(value)
            except (ValueError, TypeError, OverflowError):
                bad[at] = True
    odd = coded(texts, "weight") if any(text is not None for text in texts) else None
    return Numbers(out, missing, bad, odd)


def _number(value: Any) -> float:
    if isinstance(value, (datetime, date, bytes, complex)):
        raise TypeError
    return float(value)


def settled(weight: Numbers | Ids, missing: Collection[str]) -> tuple[Numbers, Ids | None]:
    """Weights with their texts read, and the texts, for messages: `true` and `false` are 1 and 0, `NaN` is missing where it stands
    in `missing`."""
    if isinstance(weight, Ids):
        n = len(weight.rows)
        weight = Numbers(np.zeros(n), weight.rows < 0, np.zeros(n, bool), weight)
    if weight.odd is None:
        return weight, None
    odd = without(weight.odd, missing)
    texts = [str(text) for text in odd.distinct]
    table = np.array([_weight_of(text) for text in texts] + [np.nan])
    wrong = np.array([np.isnan(value) and text.lstrip("+-").lower() != "nan" for text, value in zip(texts, table, strict=False)] + [False])
    was_text = weight.odd.rows >= 0
    values = np.where(was_text, table[odd.rows], weight.values)
    gone = was_text & (odd.rows < 0)
    empty = ~was_text & weight.missing
    return Numbers(values, gone | empty, weight.bad | (was_text & wrong[odd.rows])), odd


def _weight_of(text: str) -> float:
    """The number that a text stands for; NaN where it stands for none."""
    if NUMBER.fullmatch(text):
        return float(text)
    sign = -1.0 if text.startswith("-") else 1.0
    return sign * _WORDS.get(text.lstrip("+-").lower(), np.nan)


# ---- times ------------------------------------------------------------------------------------------------------------------------


def times_from_array(values: NDArray[Any], missing: Bools) -> Times | Ids:
    """Times from a NumPy column: whole numbers, numbers with a fraction, datetimes, or texts."""
    nothing = np.zeros(len(values), bool)
    kind = values.dtype.kind
    if kind == "M":
        missing = missing | np.isnat(values)
        ticks, unit = clock.from_datetimes(values[~missing])
        return Times(_spread(ticks, missing), missing, nothing, unit)
    if kind == "f":
        missing = missing | np.isnan(values)
        bad = ~missing & ~(np.abs(values) < 2**62)
        usable = values[~missing & ~bad].astype(np.float64)
        ticks, told = (usable.astype(np.int64), None) if (usable == np.floor(usable)).all() else clock.from_real(usable)
        return Times(_spread(ticks, missing | bad), missing, bad, told)
    if kind in "iu":
        bad = nothing if kind == "i" else ~missing & (values > _INT64.max)
        return Times(np.where(missing | bad, 0, values).astype(np.int64), missing, bad)
    if kind not in "OUST":
        return Times(np.zeros(len(values), np.int64), missing, ~missing)
    return times_from_objects([None if gap else value for value, gap in zip(values.tolist(), missing.tolist(), strict=True)])


def times_from_objects(values: Sequence[Any]) -> Times | Ids:
    """Times from numbers, datetimes or their text. Texts alone are left to be read later; mixed with others they are parsed now."""
    if all(value is None or isinstance(value, str) for value in values):
        return coded(values, "time")
    gaps = [value is None or type(value).__name__ in ("NAType", "NaTType") or value != value for value in values]
    if all(gap or (type(value) is int and abs(value) < 2**63) for gap, value in zip(gaps, values, strict=True)):
        missing = np.array(gaps, bool)
        return times_from_array(np.array([0 if gap else value for gap, value in zip(gaps, values, strict=True)], np.int64), missing)
    return coded([None if gap else _time_text(value) for gap, value in zip(gaps, values, strict=True)], "time")


def _time_text(value: Any) -> str:
    if isinstance(value, (datetime, date)):
        seconds, nanos = instant(value)
        return f"{np.datetime64(seconds, 's')}.{nanos:09d}"
    if isinstance(value, np.datetime64):
        return str(value)
    if isinstance(value, (bool, np.bool_)):
        return f"{value} is a boolean"
    return repr(float(value)) if isinstance(value, (float, np.floating)) else str(value)


def as_texts(times: Times | Ids) -> Times | Ids:
    """Bare whole numbers as the texts that they were; all else as it is."""
    if isinstance(times, Ids) or times.unit is not None:
        return times
    return coded([None if gap else str(value) for gap, value in zip(times.missing.tolist(), times.values.tolist(), strict=True)], "time")


def in_coarsest(times: Times) -> Times:
    """Times of a known unit in the coarsest that is exact."""
    if times.unit is None:
        return times
    there = ~times.missing
    ticks, unit = clock.coarsest(times.values if there.all() else times.values[there], times.unit)
    return times._replace(values=_spread(ticks, ~there), unit=unit)


def read_times(ids: Ids, missing: Collection[str], where: str, time_format: str | None, time_unit: str | None) -> Times:
    """Coded texts as times, each distinct one parsed once."""
    ids = without(ids, missing)
    texts = [str(text) for text in ids.distinct]
    found = parse_dates(texts, where, time_format)
    good = ~found.bad
    unit: str | None = None
    if found.bare and not found.nanos.any():
        ticks = found.seconds
    else:
        convert: Callable[..., tuple[NDArray[np.int64], str]] = clock.from_numbers if found.bare else clock.from_parts
        some, unit = convert(found.seconds[good], found.nanos[good], *([time_unit] if found.bare else []))
        ticks = _spread(some, found.bad)
    rows = ids.rows
    return Times(np.append(ticks, 0)[rows], rows < 0, np.append(found.bad, False)[rows], unit, ids)


def _spread(present: NDArray[Any], gaps: Bools) -> NDArray[Any]:
    """The values that are there at their places; 0 in the gaps."""
    if not gaps.any():
        return present
    values = np.zeros(len(gaps), present.dtype)
    values[~gaps] = present
    return values

"""Columns as they come out of a source, before anything is judged: coded ids, numbers and times, with what is missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..ids import IdIndex, Rows, factorize

Bools = NDArray[np.bool_]
WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.0+)?")  # what reads as an integer and comes back as it was written


class Ids(NamedTuple):
    """Distinct values in canonical order, and the row of each event in them (-1: missing)."""

    distinct: IdIndex
    rows: Rows


class Numbers(NamedTuple):
    """float64 or int64 values; `missing`: nothing was there; `bad`: something was, but not a number (or a time)."""

    values: NDArray[Any]
    missing: Bools
    bad: Bools


@dataclass
class RawEvents:
    """The columns of a source by role. `text` holds columns that describe the items. `where` names the source."""

    user: Ids
    item: Ids
    weight: Numbers | None = None
    time: Numbers | None = None
    kind: Ids | None = None
    text: dict[str, Ids] = field(default_factory=dict)
    where: str = "events"


def as_whole(ids: Ids) -> Ids:
    """Strings become integers where every one of them is a whole number as a program would write it (007 is not: it would not
    come back as it was); `12.0` counts as 12, the way integers with gaps are written by data-frame libraries."""
    index = ids.distinct
    if len(index.offsets) == 1:
        return ids
    lengths = np.diff(index.offsets)
    initial = index.text[index.offsets[:-1][lengths > 0]]
    if len(initial) < len(lengths) or not (((initial >= 48) & (initial <= 57)) | (initial == 45)).all():
        return ids  # most texts are told by their first byte
    texts = [value for value in index if isinstance(value, str)]
    if not all(WHOLE.fullmatch(text) for text in texts):
        return ids
    numbers = np.array([*index.ints.tolist(), *(int(text.split(".")[0]) for text in texts)], np.int64)
    unique, renumber = np.unique(numbers, return_inverse=True)
    whole = IdIndex(unique, np.zeros(0, np.uint8), np.zeros(1, np.int64))
    return Ids(whole, renumbered(renumber, ids.rows))


def renumbered(table: NDArray[Any], rows: Rows) -> Rows:
    """table[rows], with -1 staying -1."""
    return np.append(table, -1).astype(np.int32)[rows]


def ids_from_array(values: NDArray[Any], missing: Bools, what: str) -> Ids:
    """Ids from a NumPy column and its missing entries. Floats must be whole; NaN counts as missing."""
    kind = values.dtype.kind
    if kind == "f":
        missing = missing | np.isnan(values)
        present = values[~missing] if missing.any() else values
        odd = np.flatnonzero((present != np.floor(present)) | (np.abs(present) >= 2**63))
        if len(odd):
            raise DataError(f"{what} {present[odd[0]]!s} is not a whole number: ids are integers or strings; convert the column first")
        present = present.astype(np.int64)
    elif kind in "iuOUST":
        present = values[~missing] if missing.any() else values
        if kind == "O":
            return ids_from_objects([None if gap else value for value, gap in zip(values.tolist(), missing.tolist(), strict=True)], what)
    else:
        raise DataError(f"{what}s are of type {values.dtype}; ids are whole numbers or strings: convert the column first")
    index, known = factorize(present, what)
    if len(known) == len(values):
        return Ids(index, known)
    rows = np.full(len(values), -1, np.int32)
    rows[~missing] = known
    return Ids(index, rows)


def ids_from_objects(values: Sequence[Any], what: str) -> Ids:
    """Ids from Python objects: None and NaN are missing, whole floats become integers."""
    clean: list[Any] = []
    for value in values:
        if isinstance(value, (float, np.floating)):
            if np.isnan(value):
                value = None
            elif value == int(value):
                value = int(value)
        clean.append(value)
    present = [value for value in clean if value is not None]
    index, known = factorize(present, what)
    rows = np.full(len(clean), -1, np.int32)
    rows[np.fromiter((value is not None for value in clean), bool, len(clean))] = known
    return Ids(index, rows)


def ids_from_text(values: Sequence[str | None], what: str) -> Ids:
    """Ids from the text of a file: blanks around are dropped, an empty field is missing, whole numbers become integers."""
    return as_whole(ids_from_objects([(value.strip() or None) if value else None for value in values], what))


def numbers_from_array(values: NDArray[Any], missing: Bools) -> Numbers:
    """Weights from a NumPy column."""
    nothing = np.zeros(len(values), bool)
    if values.dtype.kind in "fiu":
        return Numbers(values.astype(np.float64, copy=False), missing, nothing)
    if values.dtype.kind not in "OUST":
        return Numbers(np.zeros(len(values)), missing, ~missing)
    return numbers_from_objects([None if gap else value for value, gap in zip(values.tolist(), missing.tolist(), strict=True)])


def numbers_from_objects(values: Sequence[Any]) -> Numbers:
    """Weights from numbers or their text."""
    return _parsed(values, _number, np.float64)


def times_from_array(values: NDArray[Any], missing: Bools) -> Numbers:
    """Times from a NumPy column: datetimes become seconds since 1970, fractions are cut off (downwards)."""
    bad = np.zeros(len(values), bool)
    kind = values.dtype.kind
    if kind == "M":
        missing = missing | np.isnat(values)
        return Numbers(np.where(missing, 0, values.astype("datetime64[s]").astype(np.int64)), missing, bad)
    if kind == "f":
        bad = ~missing & ~(np.abs(values) < 2**62)  # NaN as well
        return Numbers(np.floor(np.where(missing | bad, 0, values)).astype(np.int64), missing, bad)
    if kind in "iu":
        return Numbers(values.astype(np.int64, copy=False), missing, bad)
    if kind not in "OUST":
        return Numbers(np.zeros(len(values), np.int64), missing, ~missing)
    return times_from_objects([None if gap else value for value, gap in zip(values.tolist(), missing.tolist(), strict=True)])


def times_from_objects(values: Sequence[Any]) -> Numbers:
    """Times from numbers, datetimes or their text (ISO 8601; without a zone it is UTC)."""
    return _parsed(values, _seconds, np.int64)


def _parsed(values: Sequence[Any], parse: Any, dtype: Any) -> Numbers:
    out = np.zeros(len(values), dtype)
    missing = np.zeros(len(values), bool)
    bad = np.zeros(len(values), bool)
    for at, value in enumerate(values):
        if value is None or (isinstance(value, str) and not value.strip()) or value != value:
            missing[at] = True
            continue
        try:
            out[at] = parse(value)
        except (ValueError, TypeError, OverflowError):
            bad[at] = True
    return Numbers(out, missing, bad)


def _number(value: Any) -> float:
    if isinstance(value, (bool, datetime, date)):
        raise TypeError
    return float(value)


def _seconds(value: Any) -> int:
    if isinstance(value, str):
        text = value.strip()
        try:
            return int(np.floor(float(text)))
        except ValueError:
            value = datetime.fromisoformat(text.removesuffix(" UTC"))
    if isinstance(value, datetime):
        return int(np.floor((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()))
    if isinstance(value, date):
        return int(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp())
    return int(np.floor(_number(value)))

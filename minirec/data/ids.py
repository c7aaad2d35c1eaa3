"""External ids <-> row numbers.

An id is an integer (int64) or a string; one index may mix both. bool, float, None and bytes are refused. Rows follow a
canonical order (integers ascending, then strings by their UTF-8 bytes), so the same set of ids always gets the same rows,
whatever the order of the events. Integers are kept in one int64 array, strings as UTF-8 bytes with offsets: both go into
a model file without pickle and can be memory-mapped.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..engine.backend import run_blocks
from ..errors import DataError, UnknownIdError

Id: TypeAlias = int | str
Ids: TypeAlias = Sequence[Id] | NDArray[Any]
Rows: TypeAlias = NDArray[np.int32]
_INT64 = np.iinfo(np.int64)


def checked_id(value: Any, what: str = "id") -> Id:
    """The id as a Python int or str; anything that is not a whole number or a string is refused."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_)):
        if not _INT64.min <= int(value) <= _INT64.max:
            raise DataError(f"{what} {value} does not fit into 64 bits; pass it as a string")
        return int(value)
    raise DataError(f"{what} {value!r} is of type {type(value).__name__}; ids are whole numbers or strings: convert with int() or str()")


class IdIndex:
    """An immutable set of ids with a row number for each.

    Parameters
    ----------
    ints : int64 (n_ints,), strictly ascending: the ids of rows 0 to n_ints - 1.
    text : uint8, the UTF-8 bytes of all string ids, in ascending byte order.
    offsets : int64 (n_strings + 1,), string r is `text[offsets[r]:offsets[r+1]]` and stands in row n_ints + r.

    came_as_text : the source of the integers had them as strings; tables that are made of them (`to_frame`) have strings again.

    Lookup of one id is a binary search, O(log n), and needs no preparation; a lookup of many strings builds a dictionary once. A
    whole number is found in either spelling, 42 or "42", where only one of them is known.
    """

    __slots__ = ("_lookup", "came_as_text", "ints", "offsets", "text")

    def __init__(self, ints: NDArray[np.int64], text: NDArray[np.uint8], offsets: NDArray[np.int64], *, came_as_text: bool = False) -> None:
        self.ints, self.text, self.offsets, self.came_as_text = ints, text, offsets, came_as_text
        self._lookup: dict[str, int] | None = None

    @classmethod
    def from_ids(cls, ids: Iterable[Any], what: str = "id") -> IdIndex:
        """Index of the distinct ids of any iterable."""
        return factorize(ids, what)[0]

    @classmethod
    def from_range(cls, n: int) -> IdIndex:
        """The integers 0 to n - 1, each in its own row."""
        return cls(np.arange(n, dtype=np.int64), np.zeros(0, np.uint8), np.zeros(1, np.int64))

    @classmethod
    def _of(cls, ints: NDArray[np.int64], strings: Sequence[bytes]) -> IdIndex:
        offsets = np.zeros(len(strings) + 1, np.int64)
        np.cumsum([len(s) for s in strings], out=offsets[1:])
        return cls(ints, np.frombuffer(b"".join(strings), np.uint8), offsets)

    @classmethod
    def from_bytes(cls, text: NDArray[np.uint8], offsets: NDArray[np.int64]) -> tuple[IdIndex, Rows]:
        """Index of distinct strings in any order (UTF-8, without zero bytes), and the row of each. O(n log n)."""
        lengths = np.diff(offsets)
        width = int(lengths.max(initial=1))
        if len(lengths) * width > 4 * len(text) + 2**20:  # a few long ones: a table of all would be mostly empty
            strings = [text[start:stop].tobytes() for start, stop in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)]
            order = np.array(sorted(range(len(strings)), key=strings.__getitem__), np.int64)
            index = cls._of(np.zeros(0, np.int64), [strings[at] for at in order])
        else:
            filled = np.arange(width) < lengths[:, None]
            table = np.zeros((len(lengths), width), np.uint8)
            table[filled] = text
            order = np.argsort(table.view(f"S{width}")[:, 0])
            index = cls(np.zeros(0, np.int64), table[order][filled[order]], np.append(0, np.cumsum(lengths[order])))
        rows = np.empty(len(lengths), np.int32)
        rows[order] = np.arange(len(lengths))
        return index, rows

    def __len__(self) -> int:
        return len(self.ints) + len(self.offsets) - 1

    def __getitem__(self, row: int) -> Id:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} is outside 0..{len(self) - 1}")
        if row < len(self.ints):
            return int(self.ints[row])
        return self._bytes(row - len(self.ints)).decode()

    def __iter__(self) -> Iterator[Id]:
        return iter(self.ids(np.arange(len(self))))

    def __contains__(self, value: Any) -> bool:
        return self._find(value) >= 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IdIndex):
            return NotImplemented
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in ("ints", "text", "offsets"))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"IdIndex({len(self.ints)} integers, {len(self.offsets) - 1} strings)"

    def _bytes(self, position: int) -> bytes:
        return self.text[self.offsets[position] : self.offsets[position + 1]].tobytes()

    def _find(self, value: Any) -> int:
        """The row of an id in either spelling, -1 where there is none."""
        if isinstance(value, str):
            row = self.find_text(value)
            return self._find_number(int(value)) if row < 0 and len(self.ints) and _is_number(value) else row
        number = checked_id(value)
        assert isinstance(number, int)
        row = self._find_number(number)
        return self.find_text(str(number)) if row < 0 and len(self.offsets) > 1 else row

    def find_text(self, value: str) -> int:
        """The row of a string as it is written, -1 where there is none."""
        if self._lookup is not None:
            return self._lookup.get(value, -1)
        key = value.encode("utf-8", "surrogatepass")  # one with lone surrogates is asked for, but never found
        n_strings = len(self.offsets) - 1
        position = bisect_left(range(n_strings), key, key=self._bytes)
        return len(self.ints) + position if position < n_strings and self._bytes(position) == key else -1

    def _find_number(self, number: int) -> int:
        position = int(self.ints.searchsorted(number))
        return position if position < len(self.ints) and self.ints[position] == number else -1

    def row(self, value: Any, what: str = "id") -> int:
        """The row of one id; an unknown id raises UnknownIdError."""
        value = checked_id(value, what)
        row = self._find(value)
        if row < 0:
            raise UnknownIdError(f"unknown {what} {value!r}: it is not among the {len(self)} that are known")
        return row

    def rows(self, values: Any) -> Rows:
        """Rows of many ids, -1 for each unknown one. Accepts arrays, lists, series."""
        if isinstance(values, list) and len(values) == 1:  # the path of a live request
            return np.array([self._find(values[0])], np.int32)
        ints = _as_int_array(values)
        if ints is None and isinstance(values, list) and all(type(v) is int and -(2**63) <= v < 2**63 for v in values):
            ints = np.array(values, np.int64)  # one search for all instead of a Python call each
        if ints is not None:
            found = np.full(len(ints), -1, np.int32)
            if len(self.ints):
                position = np.minimum(self.ints.searchsorted(ints), len(self.ints) - 1)
                found = np.where(self.ints[position] == ints, position, -1).astype(np.int32)
            lost = np.flatnonzero(found < 0) if len(self.offsets) > 1 else ()
            if len(lost):
                found[lost] = self.rows([str(number) for number in ints[lost].tolist()])
            return found
        values = list(values)
        if len(values) > 64 and self._lookup is None and len(self.offsets) > 1:
            first = len(self.ints)
            self._lookup = {self._bytes(r).decode(): first + r for r in range(len(self.offsets) - 1)}
        return np.fromiter((self._find(value) for value in values), np.int32, len(values))

    def ids(self, rows: Any) -> list[Id]:
        """External ids of row numbers, as Python ints and strings."""
        rows = np.asarray(rows)
        if len(self.offsets) == 1:
            taken: list[Id] = self.ints[rows].tolist()
            return taken
        return [self[int(row)] for row in rows]

    def spelled(self, rows: Any) -> Any:
        """External ids of row numbers in the type in which they came, for a table: int64, or a list (of strings, or mixed)."""
        if len(self.offsets) == 1 and not self.came_as_text:
            return self.ints[np.asarray(rows)]
        found = self.ids(rows)
        return [str(value) for value in found] if self.came_as_text else found

    def as_known(self, other: IdIndex) -> list[Id]:
        """The ids of another index as this one would spell them: those that are known as they are here; others as integers where all
        ids here are, as strings where all are."""
        found = self.rows(list(other))
        only_text, only_ints = len(self.offsets) > 1 and not len(self.ints), len(self.offsets) == 1 and len(self.ints) > 0
        return [
            self[row] if row >= 0
            else str(value) if only_text
            else int(value) if only_ints and isinstance(value, str) and _is_number(value)
            else value
            for value, row in zip(other, found.tolist(), strict=True)
        ]  # fmt: skip

    def subset(self, keep: Any) -> tuple[IdIndex, Rows]:
        """The index of the rows where `keep` (bool, one a row) is true, and the new row of every old one (-1: left out)."""
        keep = np.asarray(keep, bool)
        renumbered = np.where(keep, np.cumsum(keep) - 1, -1).astype(np.int32)
        first = len(self.ints)
        strings = [self._bytes(int(r)) for r in np.flatnonzero(keep[first:])]
        taken = IdIndex._of(self.ints[keep[:first]], strings)
        taken.came_as_text = self.came_as_text
        return taken, renumbered


def _is_number(text: str) -> bool:
    """Whether a string is a whole number of 64 bits, written as Python would."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and len(digits) < 20 and str(int(text)) == text and _INT64.min <= int(text) <= _INT64.max


def _as_int_array(values: Any) -> NDArray[np.int64] | None:
    """The values as int64 where they are an integer array already (NumPy, or a series or column that converts to one)."""
    if isinstance(values, (list, tuple)) or not hasattr(values, "__array__"):
        return None
    array = np.asarray(values)
    if array.ndim == 1 and array.dtype.kind in "iu" and not (array.dtype == np.uint64 and len(array) and array.max() > _INT64.max):
        return array.astype(np.int64, copy=False)
    return None


def factorize(values: Any, what: str = "id") -> tuple[IdIndex, Rows]:
    """Index of the distinct values, and the row of each value. O(n log n); a compact range of integers takes O(n).

    >>> index, rows = factorize(["b", 7, "a", "b"])
    >>> list(index), rows.tolist()
    ([7, 'a', 'b'], [2, 0, 1, 2])
    """
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise DataError(f"{what}s must be a column of ids, got {values!r}")
    ints = _as_int_array(values)
    if ints is not None:
        unique, rows = _factorize_ints(ints)
        return IdIndex._of(unique, []), rows
    array = np.asarray(values) if hasattr(values, "__array__") else None
    if array is not None and array.ndim != 1:
        raise DataError(f"{what}s must be one-dimensional, got an array of shape {array.shape}")
    if array is not None and array.dtype.kind == "f":
        raise DataError(f"{what}s are of type {array.dtype}; ids are whole numbers or strings: convert with astype('int64') or astype(str)")
    codes: dict[Any, int] = {}
    values = array.tolist() if array is not None else values if isinstance(values, list) else list(values)
    # 1 == True == 1.0 as dictionary keys, so anything but plain str and int is checked (and refused) before it gets there
    clean = values if all(type(v) is str for v in values) else [v if type(v) is str else checked_id(v, what) for v in values]
    seen = np.fromiter((codes.setdefault(v, len(codes)) for v in clean), np.int64, len(clean))
    numbers = sorted(v for v in codes if isinstance(v, int))
    try:
        strings = sorted((v.encode(), v) for v in codes if isinstance(v, str))
    except UnicodeEncodeError as error:
        raise DataError(f"{what} {error.object!r} holds half of a surrogate pair, which is no text: decode it properly first") from None
    renumber = np.zeros(len(codes), np.int32)
    for row, value in enumerate([*numbers, *(v for _, v in strings)]):
        renumber[codes[value]] = row
    return IdIndex._of(np.array(numbers, np.int64), [b for b, _ in strings]), renumber[seen]


def _factorize_ints(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], Rows]:
    if not len(values):
        return values, np.zeros(0, np.int32)
    low, high = int(values.min()), int(values.max())
    if high - low < 4 * len(values) + 1024:  # a lookup table is cheaper than sorting
        present = np.zeros(high - low + 1, bool)
        rows = np.empty(len(values), np.int32)

        def mark(start: int, stop: int) -> None:
            present[values[start:stop] - low] = True

        def look_up(start: int, stop: int) -> None:
            rows[start:stop] = table[values[start:stop] - low]

        run_blocks(mark, len(values), 2**16)
        table = np.cumsum(present, dtype=np.int32) - np.int32(1)
        run_blocks(look_up, len(values), 2**16)
        return np.flatnonzero(present) + low, rows
    unique, inverse = np.unique(values, return_inverse=True)
    return unique, inverse.astype(np.int32)


def places(hashes: NDArray[np.uint64], values: NDArray[np.uint64]) -> Rows:
    """The place of each value in `hashes` (ascending, evenly spread, holding every value): their upper bits tell it nearly. O(n)."""
    shift = np.uint64(64 - min(len(hashes).bit_length() + 1, 30))
    begin = np.searchsorted(hashes >> shift, np.arange(2 ** (64 - int(shift)), dtype=np.uint64)).astype(np.int32)

    def block(start: int, stop: int) -> None:
        wanted = values[start:stop]
        place = begin[wanted >> shift]
        later = np.flatnonzero(hashes[place] != wanted)
        while len(later):
            place[later] += 1
            later = later[hashes[place[later]] != wanted[later]]
        found[start:stop] = place

    found = np.empty(len(values), np.int32)
    run_blocks(block, len(values), 2**16)
    return found

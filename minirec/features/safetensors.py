"""Files of named arrays in the format "safetensors", read and written with NumPy alone.

The format (its description is part of the project safetensors on GitHub): 8 bytes, the length of the header as a little-endian
integer; the header, a JSON object {name: {"dtype", "shape", "data_offsets": [begin, end]}}, with an optional "__metadata__" of texts;
then the numbers, little-endian, in C order, without holes or overlaps. Nothing in such a file can be run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, ParameterError
from ..files import DAMAGE, atomic_path

_KINDS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?",
}  # fmt: skip
_NAMES = {np.dtype(kind): name for name, kind in _KINDS.items() if name != "BF16"}
_LONGEST_HEADER = 100_000_000


class _Entry(NamedTuple):
    kind: str
    shape: tuple[int, ...]
    begin: int  # in the file
    size: int


class SafeTensors:
    """The arrays of a file, by name; each is read when it is asked for. DataError where the file is damaged or of another format.

    The header is checked whole: known types, shapes that fit the offsets, data that fill the file without holes or overlaps. bfloat16
    is read as float32.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            with open(self.path, "rb") as file:
                self._entries, self.metadata = _header(file, self.path.stat().st_size)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror or error}") from None
        except DAMAGE as error:
            raise DataError(f"{self.path}: not a safetensors file, or a damaged one: {error}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def names(self) -> list[str]:
        """The names, sorted."""
        return sorted(self._entries)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of an array."""
        return self._entry(name).shape

    def dtype(self, name: str) -> str:
        """The type of an array in the file, such as F32, BF16 or I8."""
        return self._entry(name).kind

    def read(self, name: str) -> NDArray[Any]:
        """A copy in memory."""
        kind, shape, begin, _ = self._entry(name)
        flat: NDArray[Any] = np.fromfile(self.path, _KINDS[kind], math.prod(shape), offset=begin)
        if len(flat) != math.prod(shape):
            raise DataError(f"{self.path}: became shorter while it was read")
        if kind == "BF16":
            flat = (flat.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return flat.reshape(shape)

    def mapped(self, name: str) -> NDArray[Any]:
        """The array, read-only, memory-mapped: only the pages that are looked at are loaded. bfloat16 is read."""
        kind, shape, begin, size = self._entry(name)
        if kind == "BF16" or not size:
            return self.read(name)
        return np.asarray(np.memmap(self.path, _KINDS[kind], "r", begin, shape))

    def _entry(self, name: str) -> _Entry:
        if name not in self._entries:
            raise DataError(f"{self.path}: there is no array {name!r} in it")
        return self._entries[name]


def write_safetensors(path: str | Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None) -> None:
    """Write named arrays; the file appears whole or not at all. Same arrays, same bytes."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in sorted(arrays):
        array = arrays[name]
        if array.dtype not in _NAMES or name == "__metadata__":
            raise ParameterError(f"array {name!r} of type {array.dtype} cannot be written as safetensors")
        header[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with atomic_path(path) as draft, open(draft, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in sorted(arrays):
            file.write(np.ascontiguousarray(arrays[name]).data)


def _header(file: Any, size: int) -> tuple[dict[str, _Entry], dict[str, str]]:
    """The entries and the metadata, checked."""
    length = int.from_bytes(file.read(8), "little")
    if size < 10 or not 2 <= length <= min(size - 8, _LONGEST_HEADER):
        raise ValueError(f"a header of {length} bytes in a file of {size}")
    raw = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_once)
    metadata = raw.pop("__metadata__", {})
    entries = {name: _entry(name, given, 8 + length) for name, given in raw.items()}
    end = 8 + length
    for name, entry in sorted(entries.items(), key=lambda pair: (pair[1].begin, pair[1].size)):
        if entry.begin != end:
            raise ValueError(f"the data of {name!r} begin at byte {entry.begin}, expected {end}")
        end += entry.size
    if end != size:
        raise ValueError(f"{size} bytes, the header tells of {end}")
    return entries, {str(key): str(value) for key, value in metadata.items()}


def _entry(name: str, given: Mapping[str, Any], data: int) -> _Entry:
    kind, shape, (begin, end) = given["dtype"], tuple(given["shape"]), given["data_offsets"]
    if kind not in _KINDS:
        raise ValueError(f"type {kind!r} of {name!r} is not known; there are {', '.join(_KINDS)}")
    if any(type(n) is not int or n < 0 for n in (*shape, begin, end)):
        raise ValueError(f"shape {shape} and offsets {begin}, {end} of {name!r}")
    size = math.prod(shape) * np.dtype(_KINDS[kind]).itemsize
    if end - begin != size:
        raise ValueError(f"{end - begin} bytes for shape {shape} of {kind} in {name!r}")
    return _Entry(kind, shape, data + begin, size)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found

"""The check of a write-ahead log: SQLite reads it up to the first damaged frame and drops what follows without a word.

Format: https://www.sqlite.org/fileformat.html, section 4. A header of 32 bytes with a magic number, the page size, two salts and a
checksum; then frames, each a header of 24 bytes (page, size after a commit, salts, running checksum) and a page. A frame is valid where its
salts are those of the header and the running checksum fits. A log may end in a torn frame: it was never committed. But a valid
salt after an invalid frame is a frame of this log that SQLite would not see.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_HEADER, _FRAME = 32, 24
_MAGIC = 0x377F0682  # its last bit: the words of the checksum are big-endian


class Damage(NamedTuple):
    """Frames before the damage, frames of the log after it that would be lost, and the bytes of the part that is whole."""

    good: int
    lost: int
    keep: int


def wal_damage(path: Path) -> Damage | None:
    """Damage in the log, or None. A log that is being written may look damaged for a moment, so it is read three times."""
    for _ in range(3):
        found = _damage(path)
        if found is None:
            return None
        time.sleep(0.05)
    return found


def _damage(path: Path) -> Damage | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(data) <= _HEADER + _FRAME:
        return None
    magic, _, page, _, salt_1, salt_2, sum_1, sum_2 = struct.unpack(">8I", data[:_HEADER])
    order = ">u4" if magic & 1 else "<u4"
    if magic & ~1 != _MAGIC or not 512 <= page <= 65536 or _sums(np.frombuffer(data[:24], order)[None]).tolist() != [[sum_1, sum_2]]:
        return Damage(0, (len(data) - _HEADER) // (_FRAME + 4096), 0) if any(data) else None
    size = _FRAME + page
    count = (len(data) - _HEADER) // size
    frames = np.frombuffer(data, np.uint8, count * size, _HEADER).reshape(count, size)
    heads = np.ascontiguousarray(frames[:, :_FRAME]).view(">u4").astype(np.uint32)
    ours = (heads[:, 2] == salt_1) & (heads[:, 3] == salt_2)
    words = np.ascontiguousarray(np.concatenate((frames[:, :8], frames[:, _FRAME:]), axis=1)).view(order).astype(np.uint32)
    good = _valid(words, heads[:, 4:6], ours, (sum_1, sum_2))
    lost = int(np.count_nonzero(ours[good:]))
    torn = lost == 1 and bool(ours[good])  # the process died between writing its header and its page
    return None if lost == 0 or torn else Damage(good, lost, _HEADER + good * size)


def _valid(words: NDArray[np.uint32], told: NDArray[np.uint32], ours: NDArray[np.bool_], start: tuple[int, int]) -> int:
    """How many frames from the first on are valid. O(bytes), the sums of all frames at once, chained one after the other."""
    own = _sums(words).astype(np.uint64)
    step = _powers(words.shape[1] // 2)[-1].astype(object)
    first, second = start
    for at in range(len(words)):
        if not ours[at]:
            return at
        first, second = (
            int(step[0, 0] * first + step[0, 1] * second + int(own[at, 0])) % 2**32,
            int(step[1, 0] * first + step[1, 1] * second + int(own[at, 1])) % 2**32,
        )
        if (first, second) != (int(told[at, 0]), int(told[at, 1])):
            return at
    return len(words)


def _sums(words: NDArray[np.generic]) -> NDArray[np.uint32]:
    """Checksums (n, 2) of rows of words from (0, 0): for each pair (x, y) of words, s += x + t, then t += y + s, modulo 2^32.

    One step is (s, t) -> M (s, t) + (x, x + y) with M = [[1, 1], [1, 2]], so the sum is a product with powers of M.
    """
    x, y = words[:, ::2].astype(np.uint32), words[:, 1::2].astype(np.uint32)
    powers = _powers(x.shape[1] - 1)[::-1] if x.shape[1] > 1 else _powers(0)
    both = x + y
    first = (x * powers[:, 0, 0]).sum(axis=1, dtype=np.uint32) + (both * powers[:, 0, 1]).sum(axis=1, dtype=np.uint32)
    second = (x * powers[:, 1, 0]).sum(axis=1, dtype=np.uint32) + (both * powers[:, 1, 1]).sum(axis=1, dtype=np.uint32)
    return np.stack((first, second), axis=1)


def _powers(n: int) -> NDArray[np.uint32]:
    """M^0 to M^n, (n + 1, 2, 2), modulo 2^32."""
    out = np.empty((n + 1, 2, 2), np.uint32)
    a, b, c, d = 1, 0, 0, 1
    for at in range(n + 1):
        out[at] = ((a, b), (c, d))
        a, b, c, d = (a + c) % 2**32, (b + d) % 2**32, (a + 2 * c) % 2**32, (b + 2 * d) % 2**32
    return out

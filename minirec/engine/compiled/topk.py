"""Selection of the k best items of each row, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit

_CHUNK = 64

@jit
def select(scores: Any, k: int, slack: Any, users: Any, items: Any) -> Any:
    """See reference/topk.py. One pass with a heap of the k best finds the threshold, a second one gathers the survivors.

    Bound by reading the tile twice: few scores enter the heap, and most chunks are passed over by SIMD comparisons.
    """
    b, n = scores.shape
    counts, columns, values = np.zeros(b, np.int64), np.zeros((b, k), np.int32), np.zeros((b, k), np.float32)
    d = users.shape[1]
    heap = np.empty(max(k, 1), np.float32)
    for r in range(b):
        row = scores[r]
        heap[:] = -np.inf
        for first in range(0, n, _CHUNK):
            last = min(first + _CHUNK, n)
            if _any_above(row, first, last, heap[0]):
                for c in range(first, last):
                    if row[c] > heap[0]:
                        _replace_smallest(heap, k, row[c])
        # the largest number below the threshold, so that "above" means "at least the threshold"
        below = np.nextafter(heap[0] - slack[r], np.float32(-np.inf)) if k < n else np.float32(-np.inf)
        count = 0
        for first in range(0, n, _CHUNK):
            last = min(first + _CHUNK, n)
            if not _any_above(row, first, last, below):
                continue
            for c in range(first, last):
                if not row[c] > below:
                    continue
                value = row[c]
                if d > 0:
                    total = 0.0
                    for f in range(d):
                        total += np.float64(users[r, f]) * np.float64(items[c, f])
                    value = np.float32(total)
                if count == k and value <= values[r, k - 1]:
                    continue
                at = min(count, k - 1)
                while at > 0 and values[r, at - 1] < value:
                    values[r, at], columns[r, at] = values[r, at - 1], columns[r, at - 1]
                    at -= 1
                values[r, at], columns[r, at] = value, c
                count = min(count + 1, k)
        counts[r] = count
    return counts, columns, values


@jit
def _any_above(row: Any, first: int, last: int, threshold: Any) -> Any:
    """Whether any of row[first:last] is above the threshold; a loop without branches, so that it becomes SIMD code."""
    found = 0
    for c in range(first, last):
        found |= row[c] > threshold
    return found != 0


@jit
def _replace_smallest(heap: Any, k: int, value: Any) -> None:
    """Put `value` in the place of the smallest entry of a min-heap."""
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= k:
            break
        if child + 1 < k and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[parent] = heap[child]
        parent = child
    heap[parent] = value

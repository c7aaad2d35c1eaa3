"""Selection of the k best items of each row, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit


@jit
def select(scores: Any, k: int, slack: Any, users: Any, items: Any) -> Any:
    """See reference/topk.py. The k-th largest of the chunks' maxima is at most the k-th largest score: what reaches it, less the
    slack, is scored canonically and sorted in.

    Bound by reading the tile once, from the cache: few chunks hold anything that reaches the bar.
    """
    b, n = scores.shape
    counts, columns, values = np.zeros(b, np.int64), np.zeros((b, k), np.int32), np.zeros((b, k), np.float32)
    d = users.shape[1]
    size = max(1, min(32, n // (4 * k)))
    heap = np.empty(k, np.float32)
    keys = np.empty((n + size - 1) // size, np.int32)
    maxima = keys.view(np.float32)
    for r in range(b):
        row = scores[r]
        bits = row.view(np.int32)
        for chunk in range(len(keys)):
            keys[chunk] = _largest(bits[chunk * size : (chunk + 1) * size])
        heap[:] = -np.inf
        for chunk in range(len(keys)):
            if maxima[chunk] > heap[0]:
                _replace_smallest(heap, maxima[chunk])
        bar = heap[0] - slack[r]
        count = 0
        for chunk in range(len(keys)):
            if maxima[chunk] < bar:
                continue
            for c in range(chunk * size, min((chunk + 1) * size, n)):
                if row[c] < bar or row[c] == -np.inf:
                    continue
                value = np.float32(_dot(users[r], items[c])) if d > 0 else row[c]
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
def _dot(left: Any, right: Any) -> Any:
    """The canonical dot product of two float32 vectors, in float64."""
    total = 0.0
    for f in range(left.shape[0]):
        total += np.float64(left[f]) * np.float64(right[f])
    return total


@jit
def _largest(bits: Any) -> Any:
    """The largest of a chunk of float32 numbers, from and to their bit patterns.

    With the magnitude bits of negative numbers flipped, patterns order as the numbers do; a maximum of integers becomes SIMD
    code, one of floats does not unless NaN is assumed away. Flipping is its own inverse.
    """
    largest = np.int32(-2147483648)
    for c in range(bits.shape[0]):
        largest = max(largest, np.int32(bits[c] ^ np.int32(np.int32(bits[c] >> np.int32(31)) & np.int32(0x7FFFFFFF))))
    return np.int32(largest ^ np.int32(np.int32(largest >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@jit
def _replace_smallest(heap: Any, value: Any) -> None:
    """Put `value` in the place of the smallest entry of a min-heap."""
    k = len(heap)
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

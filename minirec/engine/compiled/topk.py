"""Selection of the k best items of each profile, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit


@jit
def merge_topk(scores: Any, rows: Any, who: Any, users: Any, vectors: Any, slack: Any, counts: Any, items: Any, values: Any) -> None:
    """See reference/topk.py. The k-th largest of the chunks' maxima is at most the k-th largest score: only chunks that reach it,
    or the k-th best so far, less the slack, are looked into.

    Bound by reading the block once, from the cache: few chunks hold anything that reaches the bar. All of MovieLens-1M takes one
    thread 15 ms, 89 MB at 6 GB/s, beside 34 ms for the products.
    """
    assert scores.itemsize == vectors.itemsize == values.itemsize == 4, "scores are read as the bits of float32 numbers"
    m, k = scores.shape[1], items.shape[1]
    d = users.shape[1]
    terms = np.empty(d, np.float64)
    size = max(1, min(32, m // (4 * k)))
    heap = np.empty(k, np.float32)
    keys = np.empty((m + size - 1) // size, np.int32)
    maxima = keys.view(np.float32)
    for r in range(len(who)):
        p, row = who[r], scores[r]
        bits = row.view(np.int32)
        for chunk in range(len(keys)):
            keys[chunk] = _largest(bits[chunk * size : (chunk + 1) * size])
        if counts[p] == k:
            bar = values[p, k - 1] - slack[p]
        else:
            heap[:] = -np.inf
            for chunk in range(len(keys)):
                if maxima[chunk] > heap[0]:
                    _replace_smallest(heap, maxima[chunk])
            bar = heap[0] - slack[p]
        for chunk in range(len(keys)):
            if maxima[chunk] < bar:
                continue
            for c in range(chunk * size, min((chunk + 1) * size, m)):
                if row[c] < bar or row[c] == -np.inf:
                    continue
                value = np.float32(_dot(users[p], vectors[c], terms)) if d > 0 else row[c]
                if counts[p] < k:
                    counts[p] += 1
                elif value < values[p, k - 1] or (value == values[p, k - 1] and rows[c] > items[p, k - 1]):
                    continue
                at = counts[p] - 1
                while at > 0 and (values[p, at - 1] < value or (values[p, at - 1] == value and items[p, at - 1] > rows[c])):
                    values[p, at], items[p, at] = values[p, at - 1], items[p, at - 1]
                    at -= 1
                values[p, at], items[p, at] = value, rows[c]


@jit
def _dot(left: Any, right: Any, terms: Any) -> Any:
    """The canonical dot product of two float32 vectors, see `canonical_dot`; `terms` is room for as many float64 numbers."""
    d = len(left)
    for f in range(d):
        terms[f] = np.float64(left[f]) * np.float64(right[f])
    while d > 1:
        half = (d + 1) // 2
        for f in range(d - half):
            terms[f] += terms[half + f]
        d = half
    return terms[0]


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

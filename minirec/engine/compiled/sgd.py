"""Stochastic training in mini-batches, compiled. See reference/sgd.py.

Bound by gathering rows of the two factor matrices, which stay in the second- or third-level cache for most data sets. A BPR sample
of 64 factors on MovieLens-1M takes a thread 160 ns: 60 to draw and to compare, 50 each for moving users and items, which read two rows
of 256 bytes each, 10 GB/s; another 40 ns of it are spent outside the blocks, on one thread.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit


@jit
def _mix(x: Any) -> Any:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@jit
def _draw(bits: Any, cumulative: Any, guide: Any) -> Any:
    """The first item with cumulative > x, x uniform in [0, 1) from 53 bits; the guide leaves about one comparison."""
    x = np.float64(bits >> np.uint64(11)) * 2.0**-53
    item = guide[np.int64(x * len(guide))]
    while cumulative[item] <= x:
        item += 1
    return item


@jit
def _holds(user: Any, item: Any, indptr: Any, indices: Any, filter_: Any) -> Any:
    """Whether the user has the item: by the filter, which settles nearly all that are not there, then by bisection of the row."""
    first, last = indptr[user], indptr[user + 1]
    hashed = (np.uint64(item) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    bit = 8 * first + np.int64((hashed * np.uint64(8 * (last - first))) >> np.uint64(32))
    if first == last or not (filter_[bit >> 3] >> np.uint8(bit & 7)) & np.uint8(1):
        return False
    stop = last
    while first < stop:
        middle = (first + stop) >> 1
        if indices[middle] < item:
            first = middle + 1
        else:
            stop = middle
    return first < last and indices[first] == item


@jit
def _sigmoid(x: Any) -> Any:
    return np.float32(1) / (np.float32(1) + np.exp(-x))


@jit
def draw_negatives(
    start: int, stop: int, key: Any, draws: int, users: Any, positives: Any, indptr: Any, indices: Any, filter_: Any,
    cumulative: Any, guide: Any, out: Any,
) -> None:  # fmt: skip
    """See reference/sgd.py. The loop over draws stands in `logistic_entries` too: as a function of both it took twice as long."""
    for s in range(start, stop):
        out[s] = positives[s]
        bits = _mix(key ^ np.uint64(s))
        for _ in range(draws):
            bits = _mix(bits)
            drawn = _draw(bits, cumulative, guide)
            if not _holds(users[s], drawn, indptr, indices, filter_):
                out[s] = drawn
                break


@jit
def bpr_entries(
    start: int, stop: int, key: Any, draws: int, users: Any, positives: Any, indptr: Any, indices: Any, filter_: Any,
    cumulative: Any, guide: Any, p: Any, q: Any, bias: Any, columns: Any, pulls: Any,
) -> None:  # fmt: skip
    """See reference/sgd.py. All draws, then all pulls: short loops keep more loads in flight; 60 ns a sample in place of 150."""
    draw_negatives(start, stop, key, draws, users, positives, indptr, indices, filter_, cumulative, guide, columns[:, 1])
    for s in range(start, stop):
        i, j = positives[s], columns[s, 1]
        columns[s, 0] = i
        pull = np.float32(0)
        if j != i:
            vector, liked, other = p[users[s]], q[i], q[j]
            x = np.float32(0)
            for f in range(len(vector)):
                x += vector[f] * (liked[f] - other[f])
            pull = _sigmoid(-(x + bias[i] - bias[j]))
        pulls[s, 0], pulls[s, 1] = pull, -pull


@jit
def warp_entries(
    start: int, stop: int, key: Any, draws: int, trials: int, ranks: Any, users: Any, positives: Any, indptr: Any, indices: Any,
    filter_: Any, cumulative: Any, guide: Any, p: Any, q: Any, bias: Any, columns: Any, pulls: Any,
) -> None:  # fmt: skip
    """See reference/sgd.py."""
    d = p.shape[1]
    for s in range(start, stop):
        u, i = users[s], positives[s]
        own = np.float32(0)
        for f in range(d):
            own += p[u, f] * q[i, f]
        own += bias[i]
        columns[s, 0], columns[s, 1] = i, i
        pulls[s, 0], pulls[s, 1] = 0, 0
        bits = _mix(key ^ np.uint64(s))
        tried = 0
        for _ in range(draws):
            bits = _mix(bits)
            j = _draw(bits, cumulative, guide)
            if _holds(u, j, indptr, indices, filter_):
                continue
            tried += 1
            other = np.float32(0)
            for f in range(d):
                other += p[u, f] * q[j, f]
            if own - (other + bias[j]) < 1:
                pull = ranks[(len(q) - 1) // tried]
                columns[s, 1] = j
                pulls[s, 0], pulls[s, 1] = pull, -pull
                break
            if tried == trials:
                break


@jit
def logistic_entries(
    start: int, stop: int, key: Any, draws: int, users: Any, positives: Any, confidence: Any, indptr: Any, indices: Any,
    filter_: Any, cumulative: Any, guide: Any, p: Any, user_bias: Any, q: Any, bias: Any, columns: Any, pulls: Any,
) -> None:  # fmt: skip
    """See reference/sgd.py."""
    d = p.shape[1]
    for s in range(start, stop):
        u, i = users[s], positives[s]
        bits = _mix(key ^ np.uint64(s))
        for e in range(columns.shape[1]):
            j, c = i, np.float32(0)
            if e == 0:
                c = confidence[s]
            else:
                for _ in range(draws):
                    bits = _mix(bits)
                    drawn = _draw(bits, cumulative, guide)
                    if not _holds(u, drawn, indptr, indices, filter_):
                        j = drawn
                        break
            columns[s, e] = j
            if e > 0 and j == i:
                pulls[s, e] = 0
                continue
            x = np.float32(0)
            for f in range(d):
                x += p[u, f] * q[j, f]
            pulls[s, e] = c - (np.float32(1) + c) * _sigmoid(x + user_bias[u] + bias[j])


@jit
def rating_entries(
    start: int, stop: int, users: Any, items: Any, ratings: Any, mean: Any, p: Any, user_bias: Any, q: Any, bias: Any, pulls: Any
) -> None:
    """See reference/sgd.py."""
    d = p.shape[1]
    for s in range(start, stop):
        u, i = users[s], items[s]
        x = np.float32(0)
        for f in range(d):
            x += p[u, f] * q[i, f]
        pulls[s, 0] = ratings[s] - (mean + user_bias[u] + bias[i] + x)


@jit
def deal_samples(batch: Any, count: int, users: Any, items: Any) -> Any:
    """See reference/sgd.py. A counting sort; to gather users and items batch by batch would read all of both for each batch."""
    offsets = np.zeros(count + 1, np.int64)
    for b in batch:
        offsets[b + 1] += 1
    for b in range(count):
        offsets[b + 1] += offsets[b]
    following = offsets[:-1].copy()
    samples, owners, positives = np.empty(len(batch), np.int32), np.empty(len(batch), np.int32), np.empty(len(batch), np.int32)
    for s in range(len(batch)):
        at = following[batch[s]]
        samples[at], owners[at], positives[at] = s, users[s], items[s]
        following[batch[s]] += 1
    return offsets, samples, owners, positives


@jit
def group_entries(columns: Any, n: int) -> Any:
    """See reference/sgd.py: a counting sort, O(entries + n)."""
    counts = np.zeros(n + 1, np.int32)
    for c in columns:
        counts[c + 1] += 1
    distinct = 0
    for c in range(n):
        distinct += counts[c + 1] > 0
    rows, indptr, group = np.empty(distinct, np.int32), np.zeros(distinct + 1, np.int64), np.empty(n, np.int32)
    at = 0
    for c in range(n):
        if counts[c + 1] > 0:
            rows[at], group[c] = c, at
            indptr[at + 1] = indptr[at] + counts[c + 1]
            at += 1
        counts[c + 1] += counts[c]
    order, of_entry = np.empty(len(columns), np.int32), np.empty(len(columns), np.int32)
    for e in range(len(columns)):
        c = columns[e]
        order[counts[c]], of_entry[e] = e, group[c]
        counts[c] += 1
    return rows, indptr, order, of_entry


@jit
def sum_rows(start: int, stop: int, indptr: Any, columns: Any, values: Any, other: Any, out: Any) -> None:
    """See reference/sgd.py."""
    d = other.shape[1]
    for r in range(start, stop):
        for f in range(d):
            out[r, f] = 0
        for e in range(indptr[r], indptr[r + 1]):
            c, value = columns[e], values[e]
            for f in range(d):
                out[r, f] += value * other[c, f]


@jit
def descend_rows(
    start: int, stop: int, rows: Any, indptr: Any, order: Any, columns: Any, pulls: Any, other: Any,
    vectors: Any, bias: Any, squares: Any, bias_squares: Any, rate: Any, regularization: Any, before: Any,
) -> None:  # fmt: skip
    """See reference/sgd.py."""
    d = vectors.shape[1]
    keep = len(before) > 0
    gradient = np.empty(d, np.float32)
    tiny = np.float32(1e-12)
    for r in range(start, stop):
        row = rows[r]
        gradient[:] = 0
        bias_gradient, count = np.float32(0), np.float32(0)
        at, end = indptr[r], indptr[r + 1]
        while at + 1 < end:  # two at a time: half as many loads and stores of the gradient
            e, e_next = order[at], order[at + 1]
            pull, pull_next = pulls[e], pulls[e_next]
            count += np.float32(pull != 0) + np.float32(pull_next != 0)
            bias_gradient += pull + pull_next
            along, along_next = other[columns[e]], other[columns[e_next]]
            for f in range(d):
                gradient[f] += pull * along[f] + pull_next * along_next[f]
            at += 2
        if at < end:
            e = order[at]
            pull, along = pulls[e], other[columns[e]]
            count += np.float32(pull != 0)
            bias_gradient += pull
            for f in range(d):
                gradient[f] += pull * along[f]
        decay = regularization * count
        total = np.float32(0)
        for f in range(d):
            value = vectors[row, f]
            if keep:
                before[r, f] = value
            gradient[f] -= decay * value
            total += gradient[f] * gradient[f]
        squares[row] += total / np.float32(d)
        step = rate / np.sqrt(squares[row] + tiny)
        for f in range(d):
            vectors[row, f] += step * gradient[f]
        bias_gradient -= decay * bias[row]
        bias_squares[row] += bias_gradient * bias_gradient
        bias[row] += rate * bias_gradient / np.sqrt(bias_squares[row] + tiny)

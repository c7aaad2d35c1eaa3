"""Attention over packed sequences, compiled. See reference/attention.py.

Four queries at a time against all keys that they see: 4 x n scores stay in the first-level cache, every key or value loaded serves
four queries, and a causal triangle costs a triangle. Scores are sixteen dot products at a time, 100 Gflop/s on a core for heads of 64
numbers; sums with few terms add four rows to one, 50 to 75: with more rows written in a loop LLVM no longer proves that they are apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit
from .exponential import LOG2_E, powers_of_two
from .sgd import _mix

GROUP = 4
LANES = 16
LONG = 24  # keys, from which loops run along the keys, on transposed values and gradients: a head may be narrow


@jit
def attend_rows(
    start: int, stop: int, indptr: Any, q: Any, k: Any, v: Any, heads: int, causal: bool, key: Any, drop: Any,
    out: Any, logsum: Any,
) -> None:  # fmt: skip
    """See reference/attention.py."""
    width, longest = q.shape[1] // heads, _longest(start, stop, indptr)
    queries, sums, p = np.empty((GROUP, width), q.dtype), np.empty((GROUP, width), q.dtype), np.empty((GROUP, longest), q.dtype)
    across, mask, bits = np.empty((width, longest), q.dtype), np.empty(longest, q.dtype), np.empty(longest, np.uint64)
    shares = np.empty(GROUP, q.dtype)
    scale = LOG2_E / np.sqrt(np.float64(width))
    for s in range(start, stop):
        first, n = indptr[s], indptr[s + 1] - indptr[s]
        for h in range(heads):
            left = h * width
            if n >= LONG:
                _transpose(v, first, n, left, across)
            for i in range(0, n, GROUP):
                rows = min(GROUP, n - i)
                seen = i + rows if causal else n
                span = _rounded(seen)
                _copy(q, first + i, rows, left, scale, queries)
                _dots(queries, width, k, first, left, seen, p)
                for r in range(rows):
                    own, token = p[r], first + i + r
                    sees = i + r + 1 if causal else n
                    top = own[0]
                    for j in range(sees):
                        top = max(top, own[j])
                    total = powers_of_two(own, sees, top)
                    logsum[token, h] = top + np.log2(total)
                    shares[r] = p.dtype.type(1) / total
                    own[sees:span] = 0
                    if drop:
                        _mask(n, sees, token * heads + h, key, drop, bits, mask)
                        for j in range(sees):
                            own[j] *= mask[j]
                if n >= LONG:
                    _dots(p, span, across, 0, 0, width, sums)
                else:
                    _combine(p, seen, v, first, left, sums, rows)
                for r in range(rows):
                    result = out[first + i + r]
                    for f in range(width):
                        result[left + f] = sums[r, f] * shares[r]


@jit
def attend_gradients(
    start: int, stop: int, indptr: Any, q: Any, k: Any, v: Any, heads: int, causal: bool, key: Any, drop: Any,
    out: Any, logsum: Any, gradient: Any, by_q: Any, by_k: Any, by_v: Any,
) -> None:  # fmt: skip
    """See reference/attention.py."""
    width, longest = q.shape[1] // heads, _longest(start, stop, indptr)
    queries, incoming, sums = np.empty((GROUP, width), q.dtype), np.empty((GROUP, width), q.dtype), np.empty((GROUP, width), q.dtype)
    p, by_p = np.empty((GROUP, longest), q.dtype), np.empty((GROUP, longest), q.dtype)
    across, mask, bits = np.empty((width, longest), q.dtype), np.empty(longest, q.dtype), np.empty(longest, np.uint64)
    k_across, v_across = np.empty((width, longest), q.dtype), np.empty((width, longest), q.dtype)
    scale = 1 / np.sqrt(np.float64(width))
    factor = q.dtype.type(scale)
    for s in range(start, stop):
        first, n = indptr[s], indptr[s + 1] - indptr[s]
        by_k[first : first + n], by_v[first : first + n] = 0, 0
        for h in range(heads):
            left = h * width
            if n >= LONG:
                _transpose(k, first, n, left, across)
                k_across[:], v_across[:] = 0, 0
            for i in range(0, n, GROUP):
                rows = min(GROUP, n - i)
                seen = i + rows if causal else n
                span = _rounded(seen)
                _copy(q, first + i, rows, left, scale * LOG2_E, queries)
                _copy(gradient, first + i, rows, left, 1.0, incoming)
                _dots(queries, width, k, first, left, seen, p)
                _dots(incoming, width, v, first, left, seen, by_p)
                for r in range(rows):
                    own, by_own, token = p[r], by_p[r], first + i + r
                    sees = i + r + 1 if causal else n
                    powers_of_two(own, sees, logsum[token, h])
                    along, result = p.dtype.type(0), out[token]
                    for f in range(width):
                        along += incoming[r, f] * result[left + f]
                    if drop:
                        _mask(n, sees, token * heads + h, key, drop, bits, mask)
                        for j in range(sees):
                            by_own[j] = own[j] * (by_own[j] * mask[j] - along) * factor
                            own[j] *= mask[j]
                    else:
                        for j in range(sees):
                            by_own[j] = own[j] * (by_own[j] - along) * factor
                    own[sees:span], by_own[sees:span] = 0, 0
                p[rows:, :span], by_p[rows:, :span] = 0, 0
                if n >= LONG:
                    _dots(by_p, span, across, 0, 0, width, sums)
                else:
                    _combine(by_p, seen, k, first, left, sums, rows)
                for r in range(rows):
                    result = by_q[first + i + r]
                    for f in range(width):
                        result[left + f] = sums[r, f]
                _copy(q, first + i, rows, left, 1.0, queries)
                if n >= LONG:
                    _spread(queries, width, by_p, span, k_across, 0, 0)
                    _spread(incoming, width, p, span, v_across, 0, 0)
                else:
                    _spread(by_p, seen, queries, width, by_k, first, left)
                    _spread(p, seen, incoming, width, by_v, first, left)
            if n >= LONG:
                _transpose_back(k_across, first, n, left, by_k)
                _transpose_back(v_across, first, n, left, by_v)


@jit
def _longest(start: int, stop: int, indptr: Any) -> Any:
    longest = 1
    for s in range(start, stop):
        longest = max(longest, indptr[s + 1] - indptr[s])
    return _rounded(longest)


@jit
def _rounded(n: int) -> Any:
    """The next multiple of what a pass of a vectorised loop takes: what is left over would be done one by one."""
    return (n + LANES - 1) // LANES * LANES


@jit
def _copy(x: Any, first: int, rows: int, left: int, scale: float, out: Any) -> None:
    """Four rows of a head, scaled; rows that are not there are zero."""
    factor = x.dtype.type(scale)
    for r in range(rows):
        row = x[first + r]
        for f in range(out.shape[1]):
            out[r, f] = row[left + f] * factor
    out[rows:] = 0


@jit
def _dots(rows: Any, width: int, x: Any, first: int, left: int, count: int, out: Any) -> None:
    """out[r, j] = rows[r, :width] . x[first + j, left : left + width], for four rows and j < count."""
    zero = out.dtype.type(0)
    a, b, c, d = rows[0], rows[1], rows[2], rows[3]
    for j in range(0, count - 3, 4):
        s, t = x[first + j][left : left + width], x[first + j + 1][left : left + width]
        u, v = x[first + j + 2][left : left + width], x[first + j + 3][left : left + width]
        a0, a1, a2, a3, b0, b1, b2, b3 = zero, zero, zero, zero, zero, zero, zero, zero
        c0, c1, c2, c3, d0, d1, d2, d3 = zero, zero, zero, zero, zero, zero, zero, zero
        for f in range(width):
            sf, tf, uf, vf = s[f], t[f], u[f], v[f]
            a0 += a[f] * sf
            a1 += a[f] * tf
            a2 += a[f] * uf
            a3 += a[f] * vf
            b0 += b[f] * sf
            b1 += b[f] * tf
            b2 += b[f] * uf
            b3 += b[f] * vf
            c0 += c[f] * sf
            c1 += c[f] * tf
            c2 += c[f] * uf
            c3 += c[f] * vf
            d0 += d[f] * sf
            d1 += d[f] * tf
            d2 += d[f] * uf
            d3 += d[f] * vf
        out[0, j], out[0, j + 1], out[0, j + 2], out[0, j + 3] = a0, a1, a2, a3
        out[1, j], out[1, j + 1], out[1, j + 2], out[1, j + 3] = b0, b1, b2, b3
        out[2, j], out[2, j + 1], out[2, j + 2], out[2, j + 3] = c0, c1, c2, c3
        out[3, j], out[3, j + 1], out[3, j + 2], out[3, j + 3] = d0, d1, d2, d3
    for j in range(count - count % 4, count):
        s = x[first + j][left : left + width]
        a0, b0, c0, d0 = zero, zero, zero, zero
        for f in range(width):
            a0 += a[f] * s[f]
            b0 += b[f] * s[f]
            c0 += c[f] * s[f]
            d0 += d[f] * s[f]
        out[0, j], out[1, j], out[2, j], out[3, j] = a0, b0, c0, d0


@jit
def _combine(p: Any, seen: int, x: Any, first: int, left: int, out: Any, rows: int) -> None:
    """out[r] = sum_{j < seen} p[r, j] x[first + j], r < rows, in the columns from `left`."""
    width = out.shape[1]
    right = left + width
    out[:] = 0
    for j in range(0, seen - 3, 4):
        a, b = x[first + j][left:right], x[first + j + 1][left:right]
        c, d = x[first + j + 2][left:right], x[first + j + 3][left:right]
        for r in range(rows):
            own = out[r]
            pa, pb, pc, pd = p[r, j], p[r, j + 1], p[r, j + 2], p[r, j + 3]
            for f in range(width):
                own[f] += (pa * a[f] + pb * b[f]) + (pc * c[f] + pd * d[f])
    for j in range(seen - seen % 4, seen):
        a = x[first + j][left:right]
        for r in range(rows):
            own, pa = out[r], p[r, j]
            for f in range(width):
                own[f] += pa * a[f]


@jit
def _spread(p: Any, count: int, rows: Any, width: int, out: Any, first: int, left: int) -> None:
    """out[first + j] += sum_r p[r, j] rows[r, :width], for j < count and four r, in the columns from `left`."""
    a, b, c, d = rows[0], rows[1], rows[2], rows[3]
    for j in range(count):
        own = out[first + j][left : left + width]
        pa, pb, pc, pd = p[0, j], p[1, j], p[2, j], p[3, j]
        for f in range(width):
            own[f] += (pa * a[f] + pb * b[f]) + (pc * c[f] + pd * d[f])


@jit
def _transpose(x: Any, first: int, n: int, left: int, across: Any) -> None:
    for j in range(n):
        row = x[first + j]
        for f in range(across.shape[0]):
            across[f, j] = row[left + f]
    across[:, n : _rounded(n)] = 0


@jit
def _transpose_back(across: Any, first: int, n: int, left: int, out: Any) -> None:
    for j in range(n):
        row = out[first + j]
        for f in range(across.shape[0]):
            row[left + f] = across[f, j]


@jit
def _mask(n: int, sees: int, number: int, key: Any, drop: Any, bits: Any, mask: Any) -> None:
    """mask[j], j < sees: 0 where weight j of a row of n is dropped, else what makes up for those."""
    seed = _mix(key ^ np.uint64(number))
    words = (n + 3) // 4
    for x in range(min(words, sees)):
        bits[x] = _mix(seed ^ np.uint64(x))
    scale = mask.dtype.type(65536 / (65536 - np.float64(drop)))
    for lane in range(4):
        quarter, shift = mask[lane * words :], np.uint64(16 * lane)
        for x in range(min(words, sees - lane * words)):
            quarter[x] = scale if ((bits[x] >> shift) & np.uint64(0xFFFF)) >= drop else mask.dtype.type(0)

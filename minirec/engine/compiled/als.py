"""Half steps of implicit-feedback ALS, compiled. See reference/als.py for what they compute.

No BLAS is called: its overhead on matrices this small, its temporaries and its threads cost more than these loops, which
work on several rows at once so that each vector loaded serves several sums. Loops run from 0, or they are not vectorised.
Distances from the bounds are those on MovieLens-1M, 64 factors, 2 threads (benchmarks/RESULTS.md has the seconds).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit

CHUNK = 256  # entries gathered at a time: enough to make the sums long, few enough for the second-level cache
STRIDE = CHUNK + 16  # a power of two would map the rows of the buffer onto the same cache lines


@jit
def als_cholesky(
    start: int, stop: int, indptr: Any, indices: Any, confidence: Any, overlap: float,
    fixed: Any, gram: Any, ridge: Any, prior: Any, out: Any, loss: Any,
) -> None:  # fmt: skip
    """Bound by arithmetic: d^2 / 2 multiply-adds an entry, 8 of them for 6 loads, and d^3 / 6 a row.

    .14 s for 7.4 Gflop: 53 Gflop/s, 30 % of what a large GEMM reaches on the two cores.
    """
    d = fixed.shape[1]
    columns, weights, lhs, rhs, x = _workspace(d)
    for r in range(start, stop):
        first, last = indptr[r], indptr[r + 1]
        out[r], loss[r] = 0, 0
        if first == last and not len(prior):
            continue
        _start_lhs(gram, ridge[r], 0, d, lhs)
        rhs[:] = 0
        for at in range(first, last, CHUNK):
            count = min(CHUNK, last - at)
            _gather(fixed, indices, at, count, 0, d, columns)
            for e in range(count):
                weights[e] = confidence[at + e]
                loss[r] += confidence[at + e]
            _add_sums(columns, count, weights, d, rhs)
            for e in range(count):
                weights[e] -= np.float32(overlap)
            _add_products(columns, count, weights, d, lhs)
        if len(prior):
            loss[r] += _add_prior(ridge[r], prior[r], rhs)
        for f in range(d):
            x[f] = rhs[f]
        _solve(lhs, x, d)
        for f in range(d):
            out[r, f] = x[f]
            loss[r] -= np.float64(rhs[f]) * np.float64(x[f])


@jit
def als_cg(
    start: int, stop: int, indptr: Any, indices: Any, confidence: Any, overlap: float,
    fixed: Any, gram: Any, ridge: Any, prior: Any, steps: int, out: Any, loss: Any,
) -> None:  # fmt: skip
    """Bound by the cache: each step reads the gathered vectors of a row once, 2 d multiply-adds an entry.

    .036 s for 1.6 Gflop on 2 GB of gathered vectors: 45 Gflop/s at 57 GB/s on the two cores.
    """
    d = fixed.shape[1]
    longest = 0
    for r in range(start, stop):
        longest = max(longest, indptr[r + 1] - indptr[r])
    vectors = np.empty((longest, d), np.float32)
    residual, direction, image = np.empty(d, np.float32), np.empty(d, np.float32), np.empty(d, np.float32)
    for r in range(start, stop):
        first, count, x = indptr[r], indptr[r + 1] - indptr[r], out[r]
        if count == 0 and not len(prior):
            x[:], loss[r] = 0, 0
            continue
        for e in range(count):
            row = fixed[indices[first + e]]
            for f in range(d):
                vectors[e, f] = row[f]
        _minus_spread(gram, ridge[r], x, residual)
        value = -_dot(x, residual)
        value += _add_pulls(vectors, count, confidence[first:], overlap, 1, x, residual)
        if len(prior):
            value -= 2 * np.float64(ridge[r]) * np.float64(_dot(prior[r], x))
            value += _add_prior(ridge[r], prior[r], residual)
        for f in range(d):  # an assignment to a slice would make Numba compile an error message, for seconds
            direction[f] = residual[f]
        square = _dot(residual, residual)
        for _ in range(steps):
            if not square > 1e-20:
                break
            _minus_spread(gram, ridge[r], direction, image)
            _add_pulls(vectors, count, confidence[first:], overlap, 0, direction, image)
            length = -square / _dot(direction, image)
            for f in range(d):
                x[f] += length * direction[f]
                residual[f] += length * image[f]
            value -= np.float64(length) * np.float64(square)
            before = square
            square = _dot(residual, residual)
            ratio = square / before
            for f in range(d):
                direction[f] = residual[f] + ratio * direction[f]
        loss[r] = value


@jit
def als_block(
    start: int, stop: int, indptr: Any, indices: Any, confidence: Any, overlap: float,
    fixed: Any, gram: Any, ridge: Any, prior: Any, size: int, out: Any, loss: Any,
) -> None:  # fmt: skip
    """Bound by arithmetic and by gathering twice a block; `scores` keeps v.x of each entry of the row up to date."""
    d = fixed.shape[1]
    columns, weights, lhs, rhs, move = _workspace(min(size, d))
    longest = 0
    for r in range(start, stop):
        longest = max(longest, indptr[r + 1] - indptr[r])
    scores, spread = np.empty(longest, np.float32), np.empty(d, np.float32)
    for r in range(start, stop):
        first, count, x = indptr[r], indptr[r + 1] - indptr[r], out[r]
        loss[r] = 0
        if count == 0 and not len(prior):
            x[:] = 0
            continue
        scores[:count] = 0
        _add_scores(fixed, indices, first, count, 0, d, x, scores)
        for left in range(0, d, size):
            width = min(size, d - left)
            _start_lhs(gram, ridge[r], left, width, lhs)
            _minus_spread(gram[left : left + width], 0, x, rhs)
            for f in range(width):
                rhs[f] -= ridge[r] * x[left + f]
            if len(prior):
                _add_prior(ridge[r], prior[r, left:], rhs[:width])
            for at in range(0, count, CHUNK):
                n = min(CHUNK, count - at)
                _gather(fixed, indices, first + at, n, left, width, columns)
                for e in range(n):
                    c = confidence[first + at + e]
                    weights[e] = c - (c - np.float32(overlap)) * scores[at + e]
                _add_sums(columns, n, weights, width, rhs)
                for e in range(n):
                    weights[e] = confidence[first + at + e] - np.float32(overlap)
                _add_products(columns, n, weights, width, lhs)
            for f in range(width):
                move[f] = rhs[f]
            _solve(lhs, move, width)
            for f in range(width):
                x[left + f] += move[f]
            _add_scores(fixed, indices, first, count, left, width, move, scores)
        _minus_spread(gram, ridge[r], x, spread)
        value = -np.float64(_dot(x, spread))
        if len(prior):
            value -= 2 * np.float64(ridge[r]) * np.float64(_dot(prior[r], x))
            value += np.float64(ridge[r]) * np.float64(_dot(prior[r], prior[r]))
        for e in range(count):
            c, score = np.float64(confidence[first + e]), np.float64(scores[e])
            value += c * (score - 1) ** 2 - overlap * score * score
        loss[r] = value


@jit
def _workspace(d: int) -> Any:
    """Buffers for d coordinates: gathered columns, a weight an entry, the matrix, the right side, the solution.

    Coordinates are rounded up to whole tiles of 4; the surplus stays zero.
    """
    padded = (d + 3) // 4 * 4
    columns, lhs = np.zeros((padded, STRIDE), np.float32), np.zeros((padded, padded), np.float32)
    return columns, np.empty(CHUNK, np.float32), lhs, np.empty(d, np.float32), np.empty(d, np.float32)


@jit
def _start_lhs(gram: Any, ridge: Any, left: int, width: int, lhs: Any) -> None:
    """Lower triangle of gram + ridge I for the coordinates left..left + width."""
    for f in range(width):
        for g in range(f + 1):
            lhs[f, g] = gram[left + f, left + g]
        lhs[f, f] += ridge


@jit
def _gather(fixed: Any, indices: Any, at: int, count: int, left: int, width: int, columns: Any) -> None:
    """columns[f, e] = coordinate left + f of entry at + e, transposed so that sums over entries run through memory."""
    e = 0
    while e + 4 <= count:
        i0, i1, i2, i3 = indices[at + e], indices[at + e + 1], indices[at + e + 2], indices[at + e + 3]
        for f in range(width):
            columns[f, e], columns[f, e + 1] = fixed[i0, left + f], fixed[i1, left + f]
            columns[f, e + 2], columns[f, e + 3] = fixed[i2, left + f], fixed[i3, left + f]
        e += 4
    while e < count:
        i0 = indices[at + e]
        for f in range(width):
            columns[f, e] = fixed[i0, left + f]
        e += 1


@jit
def _add_products(columns: Any, count: int, weights: Any, width: int, lhs: Any) -> None:
    """lhs[f, g] += sum_e weights[e] columns[f, e] columns[g, e] on the lower triangle, in tiles of 2 x 4 sums kept in registers."""
    for f in range(0, width, 2):
        for g in range(0, f + 2, 4):
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = np.float32(0)
            for e in range(count):
                x, y = weights[e] * columns[f, e], weights[e] * columns[f + 1, e]
                c0, c1, c2, c3 = columns[g, e], columns[g + 1, e], columns[g + 2, e], columns[g + 3, e]
                a0 += x * c0
                a1 += x * c1
                a2 += x * c2
                a3 += x * c3
                b0 += y * c0
                b1 += y * c1
                b2 += y * c2
                b3 += y * c3
            lhs[f, g] += a0
            lhs[f, g + 1] += a1
            lhs[f, g + 2] += a2
            lhs[f, g + 3] += a3
            lhs[f + 1, g] += b0
            lhs[f + 1, g + 1] += b1
            lhs[f + 1, g + 2] += b2
            lhs[f + 1, g + 3] += b3


@jit
def _add_sums(columns: Any, count: int, weights: Any, width: int, rhs: Any) -> None:
    """rhs[f] += sum_e weights[e] columns[f, e]."""
    for f in range(width):
        total = np.float32(0)
        for e in range(count):
            total += weights[e] * columns[f, e]
        rhs[f] += total


@jit
def _solve(lhs: Any, x: Any, d: int) -> None:
    """Solve lhs x = x in place by Cholesky, from the lower triangle, which becomes the factor L.

    Row by row as dot products, four rows at a time; a matrix that is not positive definite gives NaN.
    """
    for j in range(d):
        total = np.float32(0)
        for k in range(j):
            total += lhs[j, k] * lhs[j, k]
        lhs[j, j] = np.sqrt(lhs[j, j] - total)
        inverse = np.float32(1) / lhs[j, j]
        i = j + 1
        while i + 4 <= d:
            t0 = t1 = t2 = t3 = np.float32(0)
            for k in range(j):
                pivot = lhs[j, k]
                t0 += lhs[i, k] * pivot
                t1 += lhs[i + 1, k] * pivot
                t2 += lhs[i + 2, k] * pivot
                t3 += lhs[i + 3, k] * pivot
            lhs[i, j] = (lhs[i, j] - t0) * inverse
            lhs[i + 1, j] = (lhs[i + 1, j] - t1) * inverse
            lhs[i + 2, j] = (lhs[i + 2, j] - t2) * inverse
            lhs[i + 3, j] = (lhs[i + 3, j] - t3) * inverse
            i += 4
        while i < d:
            t0 = np.float32(0)
            for k in range(j):
                t0 += lhs[i, k] * lhs[j, k]
            lhs[i, j] = (lhs[i, j] - t0) * inverse
            i += 1
    for j in range(d):  # L y = x
        total = np.float32(0)
        for k in range(j):
            total += lhs[j, k] * x[k]
        x[j] = (x[j] - total) / lhs[j, j]
    for j in range(d - 1, -1, -1):  # Lᵀ x = y
        x[j] /= lhs[j, j]
        for k in range(j):
            x[k] -= x[j] * lhs[j, k]


@jit
def _dot(x: Any, y: Any) -> Any:
    total = np.float32(0)
    for f in range(len(x)):
        total += x[f] * y[f]
    return total


@jit
def _minus_spread(gram: Any, ridge: Any, x: Any, out: Any) -> None:
    """out = -(gram x + ridge x), four rows of gram (rows, d) at a time; its length is the number of rows."""
    rows, d = gram.shape
    f = 0
    while f + 4 <= rows:
        t0 = t1 = t2 = t3 = np.float32(0)
        for g in range(d):
            t0 += gram[f, g] * x[g]
            t1 += gram[f + 1, g] * x[g]
            t2 += gram[f + 2, g] * x[g]
            t3 += gram[f + 3, g] * x[g]
        out[f], out[f + 1], out[f + 2], out[f + 3] = -t0, -t1, -t2, -t3
        f += 4
    while f < rows:
        t0 = np.float32(0)
        for g in range(d):
            t0 += gram[f, g] * x[g]
        out[f] = -t0
        f += 1
    if ridge:
        for f in range(rows):
            out[f] -= ridge * x[f]


@jit
def _add_pulls(vectors: Any, count: int, confidence: Any, overlap: float, target: int, x: Any, out: Any) -> Any:
    """out += sum_e (c_e target - (c_e - overlap) s_e) v_e with s_e = v_e.x; returns sum_e c_e (s_e - target)^2 - overlap s_e^2."""
    d = len(x)
    wanted, less, value = np.float32(target), np.float32(overlap), 0.0
    e = 0
    while e + 4 <= count:
        v0, v1, v2, v3 = vectors[e], vectors[e + 1], vectors[e + 2], vectors[e + 3]
        c0, c1, c2, c3 = confidence[e], confidence[e + 1], confidence[e + 2], confidence[e + 3]
        s0 = s1 = s2 = s3 = np.float32(0)
        for f in range(d):
            s0 += v0[f] * x[f]
            s1 += v1[f] * x[f]
            s2 += v2[f] * x[f]
            s3 += v3[f] * x[f]
        value += c0 * (s0 - wanted) ** 2 + c1 * (s1 - wanted) ** 2 + c2 * (s2 - wanted) ** 2 + c3 * (s3 - wanted) ** 2
        value -= less * (s0 * s0 + s1 * s1 + s2 * s2 + s3 * s3)
        p0, p1 = c0 * wanted - (c0 - less) * s0, c1 * wanted - (c1 - less) * s1
        p2, p3 = c2 * wanted - (c2 - less) * s2, c3 * wanted - (c3 - less) * s3
        for f in range(d):
            out[f] += p0 * v0[f] + p1 * v1[f] + p2 * v2[f] + p3 * v3[f]
        e += 4
    while e < count:
        v0, c0, s0 = vectors[e], confidence[e], np.float32(0)
        for f in range(d):
            s0 += v0[f] * x[f]
        value += c0 * (s0 - wanted) ** 2 - less * s0 * s0
        p0 = c0 * wanted - (c0 - less) * s0
        for f in range(d):
            out[f] += p0 * v0[f]
        e += 1
    return value


@jit
def _add_prior(ridge: Any, prior: Any, out: Any) -> Any:
    """out += ridge prior; returns ridge |prior|^2 over as many coordinates as `out` has."""
    square = np.float32(0)
    for f in range(len(out)):
        out[f] += ridge * prior[f]
        square += prior[f] * prior[f]
    return np.float64(ridge) * np.float64(square)


@jit
def _add_scores(fixed: Any, indices: Any, first: int, count: int, left: int, width: int, x: Any, scores: Any) -> None:
    """scores[e] += coordinates left..left + width of the vector of entry first + e, times x."""
    e = 0
    while e + 4 <= count:
        i0, i1, i2, i3 = indices[first + e], indices[first + e + 1], indices[first + e + 2], indices[first + e + 3]
        s0 = s1 = s2 = s3 = np.float32(0)
        for f in range(width):
            s0 += fixed[i0, left + f] * x[f]
            s1 += fixed[i1, left + f] * x[f]
            s2 += fixed[i2, left + f] * x[f]
            s3 += fixed[i3, left + f] * x[f]
        scores[e] += s0
        scores[e + 1] += s1
        scores[e + 2] += s2
        scores[e + 3] += s3
        e += 4
    while e < count:
        i0, s0 = indices[first + e], np.float32(0)
        for f in range(width):
            s0 += fixed[i0, left + f] * x[f]
        scores[e] += s0
        e += 1

"""Half steps of implicit-feedback ALS, in NumPy: each row of one side, the other side fixed.

Row r has the entries e = indptr[r] .. indptr[r+1] with confidences c_e; v_e is the row `indices[e]` of `fixed` (n, d). With
`gram` = alpha0 VᵀV over all rows of `fixed`, a row x of `out` minimises

    sum_e [c_e (v_e.x - 1)^2 - overlap (v_e.x)^2] + xᵀ gram x + ridge_r |x - prior_r|^2,

`overlap` being alpha0 where the unobserved term leaves out the observed entries, else 0; `prior` is (rows, d), or (0, d) where all are
zero. That is A x = b with A = gram + ridge_r I + sum_e (c_e - overlap) v_e v_eᵀ and b = sum_e c_e v_e + ridge_r prior_r. `loss[r]`
receives the value at the new x. A row without entries is zero where there is no prior. Rows do not see each other: one alone gets the
same bits as in a batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..ranking.topk import Scores
from ..sparse import Floats, Index, Pointer


def als_cholesky(
    start: int, stop: int, indptr: Pointer, indices: Index, confidence: Floats, overlap: float,
    fixed: Scores, gram: Scores, ridge: Scores, prior: Scores, out: Scores, loss: NDArray[np.float64],
) -> None:  # fmt: skip
    """Exact solution of rows start..stop. O(nnz d^2 + rows d^3)."""
    out[start:stop], loss[start:stop] = 0, 0
    rows = start + np.flatnonzero(np.diff(indptr[start : stop + 1]) >= (0 if len(prior) else 1))
    d = fixed.shape[1]
    lhs, rhs = np.empty((len(rows), d, d)), np.empty((len(rows), d))
    for at, r in enumerate(rows.tolist()):
        v, c = _entries(r, indptr, indices, confidence, fixed)
        lhs[at] = gram + (v.T * (c - overlap)) @ v
        lhs[at].flat[:: d + 1] += ridge[r]
        rhs[at] = c @ v
        loss[r] = c.sum()
        if len(prior):
            mean = prior[r].astype(np.float64)
            rhs[at] += ridge[r] * mean
            loss[r] += ridge[r] * (mean @ mean)
    solution = np.linalg.solve(lhs, rhs[:, :, None])[:, :, 0]
    out[rows] = solution
    loss[rows] -= (rhs * solution).sum(axis=1)


def als_cg(
    start: int, stop: int, indptr: Pointer, indices: Index, confidence: Floats, overlap: float,
    fixed: Scores, gram: Scores, ridge: Scores, prior: Scores, steps: int, out: Scores, loss: NDArray[np.float64],
) -> None:  # fmt: skip
    """Conjugate gradient from the present x of each row. O(steps (nnz d + rows d^2)).

    Rows with about as many entries go together, each with products of its own, so that it gets the bits it gets alone.
    """
    loss[start:stop] = 0
    if not len(prior):
        out[start:stop][np.diff(indptr[start : stop + 1]) == 0] = 0
    for rows, v, c in _alike(start, stop, indptr, indices, confidence, fixed, len(prior) > 0):
        x = out[rows]
        weights, across, own = c - np.float32(overlap), v.transpose(0, 2, 1), ridge[rows, None]
        scores, spread = _times(v, x), _times(gram, x) + own * x
        value = _dots(c, (scores - 1) ** 2) - overlap * _dots(scores, scores) + _dots(x, spread)
        residual = _times(across, c - weights * scores) - spread
        if len(prior):
            value += _dots(own * prior[rows], prior[rows] - 2 * x)
            residual += own * prior[rows]
        direction, square = residual, _dots(residual, residual)
        for _ in range(steps):
            going = square > TINY
            image = _times(across, weights * _times(v, direction)) + _times(gram, direction) + own * direction
            length = np.where(going, square / np.where(going, _dots(direction, image), 1), np.float32(0))
            x += length[:, None] * direction
            value -= (length * square).astype(np.float64)
            residual = residual - length[:, None] * image
            before, square = np.where(going, square, 1), np.where(going, _dots(residual, residual), square)
            direction = residual + (square / before)[:, None] * direction
        out[rows], loss[rows] = x, value


def als_block(
    start: int, stop: int, indptr: Pointer, indices: Index, confidence: Floats, overlap: float,
    fixed: Scores, gram: Scores, ridge: Scores, prior: Scores, size: int, out: Scores, loss: NDArray[np.float64],
) -> None:  # fmt: skip
    """One sweep over blocks of `size` coordinates, each solved exactly with the others fixed. O(nnz d size + rows d size^2)."""
    d = fixed.shape[1]
    loss[start:stop] = 0
    if not len(prior):
        out[start:stop][np.diff(indptr[start : stop + 1]) == 0] = 0
    for rows, *single in _alike(start, stop, indptr, indices, confidence, fixed, len(prior) > 0):
        v, c, x, own = (array.astype(np.float64) for array in (*single, out[rows], ridge[rows, None]))
        weights = c - overlap
        mean = prior[rows].astype(np.float64) if len(prior) else np.zeros_like(x)
        scores = _times(v, x)
        for first in range(0, d, size):
            block = slice(first, first + size)
            part = v[:, :, block]
            across = part.transpose(0, 2, 1)
            lhs = gram[block, block] + np.matmul(across * weights[:, None, :], part)
            lhs += own[:, :, None] * np.eye(lhs.shape[1])
            rhs = _times(across, c - weights * scores) - _times(gram[block], x) - own * (x[:, block] - mean[:, block])
            move = np.linalg.solve(lhs, rhs[:, :, None])[:, :, 0]
            x[:, block] += move
            scores += _times(part, move)
        out[rows] = x
        loss[rows] = _dots(c, (scores - 1) ** 2) - overlap * _dots(scores, scores) + _dots(x, _times(gram, x))
        loss[rows] += _dots(own * (x - mean), x - mean)


TINY = np.float32(1e-20)  # a squared residual below it is zero in single precision
GROUP = 2**19  # numbers gathered at a time


def _entries(r: int, indptr: Pointer, indices: Index, confidence: Floats, fixed: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The vectors v (entries, d) and confidences c of one row, in double precision."""
    entries = slice(indptr[r], indptr[r + 1])
    return fixed[indices[entries]].astype(np.float64), confidence[entries].astype(np.float64)


def _alike(
    start: int, stop: int, indptr: Pointer, indices: Index, confidence: Floats, fixed: Floats, empty: bool
) -> Iterator[tuple[NDArray[np.int64], Floats, Floats]]:
    """Rows start..stop with entries (or all), those of about as many together: rows (b,), their vectors (b, m, d) and confidences (b, m).

    Rows are filled up with zeros to one of 16 lengths an octave, which depends on their own alone; b m d stays small.
    """
    counts, d = np.diff(indptr[start : stop + 1]), fixed.shape[1]
    step = 2 ** np.maximum(np.frexp(counts)[1] - 5, 0)
    lengths = -(-counts // step) * step
    order = np.argsort(lengths, kind="stable")
    order = order if empty else order[np.count_nonzero(counts == 0) :]
    for group in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        length = int(lengths[group[0]]) if len(group) else 1
        size = max(1, GROUP // max(length * d, 1))
        for first in range(0, len(group), size):
            rows = group[first : first + size]
            inside = np.arange(length) < counts[rows, None]
            entries = np.where(inside, indptr[start + rows, None] + np.arange(length), 0)
            yield start + rows, fixed[indices[entries]] * inside[:, :, None], confidence[entries] * inside


def _times(a: Floats, x: Floats) -> Floats:
    """A x for each row of x, a matrix-vector product each."""
    product: Floats = np.matmul(a, x[:, :, None])[:, :, 0]
    return product


def _dots(a: Floats, b: Floats) -> Floats:
    product: Floats = np.matmul(a[:, None, :], b[:, :, None])[:, 0, 0]
    return product

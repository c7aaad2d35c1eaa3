"""Dense matrix products over fixed tiles: the same bytes for any number of threads, with BLAS kept to one (`one_blas_thread`).

The tiles depend on the shapes alone. Products of few operations are one call, since handing them over costs more than they do.
"""

from __future__ import annotations

import math

import numpy as np

from .backend import run_blocks
from .sparse import Floats

SMALL = 2**24  # multiplications of a product that is not worth a hand-over: 200 to 300 microseconds
_TILE, _FEWEST = 2**23, 32  # multiplications of a tile; rows that BLAS needs for its speed
_PARTS, _PART = 8, 1024  # parts of a reduction, and the fewest rows of one


def product(a: Floats, b: Floats) -> Floats:
    """a b for a (..., n, k) and b (..., k, m), stacks of matrices broadcast; (..., n, m). Shapes are the caller's to check."""
    n, k, m = *a.shape[-2:], b.shape[-1]
    if math.prod(a.shape[:-2]) * n * k * m <= SMALL:
        out: Floats = np.matmul(a, b)
        return out
    if a.ndim == b.ndim == 2:
        return _matrix(a, b)
    if b.ndim == 2:
        return _matrix(a.reshape(-1, k), b).reshape(*a.shape[:-1], m)
    if a.shape[:-2] != b.shape[:-2]:
        return np.matmul(a, b)  # type: ignore[no-any-return]
    left, right = a.reshape(-1, n, k), b.reshape(-1, k, m)
    stack = np.empty((len(left), n, m), np.result_type(a, b))
    run_blocks(lambda s, e: np.matmul(left[s:e], right[s:e], out=stack[s:e]), len(left), max(1, _TILE // max(n * k * m, 1)))
    return stack.reshape(*a.shape[:-1], m)


def gram(a: Floats, b: Floats) -> Floats:
    """a^T b for a (n, k) and b (n, m); (k, m). Where n is the long side, fixed parts of it are summed in their order."""
    n = len(a)
    if n * a.shape[1] * b.shape[1] <= SMALL or n <= 4 * max(a.shape[1], b.shape[1]):
        return product(a.T, b)
    parts = run_blocks(lambda s, e: a[s:e].T @ b[s:e], n, max(-(-n // _PARTS), _PART))
    total: Floats = parts[0]
    for part in parts[1:]:
        total += part
    return total


def _matrix(a: Floats, b: Floats) -> Floats:
    """a b by tiles of the longer side of the result."""
    n, k, m = *a.shape, b.shape[1]
    out = np.empty((n, m), np.result_type(a, b))
    if n >= m:
        run_blocks(lambda s, e: np.matmul(a[s:e], b, out=out[s:e]), n, max(_TILE // (k * m), _FEWEST))
    else:
        run_blocks(lambda s, e: np.matmul(a, b[:, s:e], out=out[:, s:e]), m, max(_TILE // (k * n), _FEWEST))
    return out

"""The inverse of a symmetric positive definite matrix, in place, by blocks of a fixed size spread over the threads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend import run_blocks

BLOCK = 512  # indices swept at a time, and rows of a task: each pass over A does this many products for a number read
SPAN = 4 * BLOCK  # columns of one product


def negative_inverse(a: NDArray[Any]) -> None:
    """Overwrite A (n, n), symmetric positive definite, float32 or float64, with -A^-1; only its lower triangle is read.

    The sweep operator (Goodnight 1979, "A tutorial on the SWEEP operator") on blocks of indices K, one after the other:
    A_KK <- -A_KK^-1, A_IK <- A_IK A_KK^-1, A_IJ <- A_IJ - A_IK A_KK^-1 A_KJ. Once all are swept A is -A^-1. Each step is
    matrix products on tiles that do not depend on each other, so that the bits do not depend on the number of threads.
    n^3 operations, as many as by Cholesky factors; memory beyond A: 2 n BLOCK numbers, and a tile a thread. A singular block
    raises numpy.linalg.LinAlgError.
    """
    n = len(a)
    panel, scaled = (np.empty((n, min(n, BLOCK)), a.dtype) for _ in range(2))
    for first in range(0, n, BLOCK):
        width = min(BLOCK, n - first)
        _sweep(a, first, first + width, panel[:, :width], scaled[:, :width])
    for first in range(0, n, BLOCK):
        last = min(first + BLOCK, n)
        a[:first, first:last] = a[first:last, :first].T
        a[first:last, first:last] = _mirrored(a[first:last, first:last])


def _sweep(a: NDArray[Any], first: int, last: int, panel: NDArray[Any], scaled: NDArray[Any]) -> None:
    """Sweep the indices first..last of the lower triangle; `panel` and `scaled` (n, last - first) are for A_IK and A_IK A_KK^-1."""
    inverse = np.linalg.inv(_mirrored(a[first:last, first:last]).astype(np.float64)).astype(a.dtype)
    panel[:first], panel[last:] = a[first:last, :first].T, a[last:, first:last]

    def scale(start: int, stop: int) -> None:
        if start != first:
            scaled[start:stop] = panel[start:stop] @ inverse

    def subtract(start: int, stop: int) -> None:
        if start == first:
            return
        for low, high in ((0, min(first, stop)), (last, stop)):
            for left in range(low, high, SPAN):
                right = min(left + SPAN, high)
                a[start:stop, left:right] -= scaled[start:stop] @ panel[left:right].T

    run_blocks(scale, len(a), BLOCK)
    run_blocks(subtract, len(a), BLOCK)
    a[first:last, :first], a[last:, first:last], a[first:last, first:last] = scaled[:first].T, scaled[last:], -inverse


def _mirrored(square: NDArray[Any]) -> NDArray[Any]:
    """A symmetric matrix from its lower triangle."""
    full: NDArray[Any] = np.tril(square) + np.tril(square, -1).T
    return full

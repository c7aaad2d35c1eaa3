"""Coordinate descent for sparse linear models, in NumPy: many targets at once, one coordinate after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..ranking.scorers import Scores
from ..sparse import Floats, Index, Pointer

_CHUNK = 64  # coordinates whose steps reach the other residuals in one matrix product


def slim_columns(
    start: int, stop: int, g_indptr: Pointer, g_indices: Index, g_data: Floats, diagonal: Floats,
    l1: float, l2: float, tol: float, max_sweeps: int,
) -> tuple[NDArray[np.int64], Index, Scores, NDArray[np.int64]]:  # fmt: skip
    """For each target t in start..stop the w >= 0 with w_t = 0 that minimises, with G = XᵀX,

        w G w / 2 - w G_t + l2 |w|^2 / 2 + l1 |w|_1

    by cyclic steps w_i <- max(0, (G_it - sum_{l != i} G_il w_l - l1) / (G_ii + l2)). G is CSR, symmetric, not negative; so the
    gradient at i is never below l1 - G_it, and only items with G_it > l1 can have a weight.
    A target is done when no weight moves by more than `tol` in a sweep over all of them.
    Returns counts (b,), the items and values of all targets one after the other, and the sweeps made (b,), -1: `max_sweeps`
    were not enough. O(sweeps x candidates^2) for all targets together.
    """
    from scipy.sparse import csr_array

    targets = np.arange(start, stop)
    gram = csr_array((g_data, g_indices, g_indptr), shape=(len(diagonal), len(diagonal)))
    towards = gram[targets].toarray().T.astype(np.float64)  # (items, b)
    towards[targets, np.arange(len(targets))] = 0
    candidates = np.flatnonzero((towards > l1).any(axis=1))
    g = gram[candidates][:, candidates].toarray().astype(np.float64)
    residual, weights = towards[candidates], np.zeros((len(candidates), len(targets)))
    other = candidates[:, None] != targets
    sweeps = np.full(len(targets), -1)
    for sweep in range(1, max_sweeps + 1):
        moved = np.zeros(len(targets))
        for first in range(0, len(candidates), _CHUNK):
            chunk = slice(first, first + _CHUNK)
            square, local, before = g[chunk, chunk], residual[chunk].copy(), weights[chunk].copy()
            for i, own in enumerate(square.diagonal()):
                at = first + i
                new = np.maximum(0, (local[i] + own * weights[at] - l1) / (own + l2)) * other[at]
                step = new - weights[at]
                local -= square[:, i : i + 1] * step
                weights[at] = new
                np.maximum(moved, np.abs(step), out=moved)
            residual -= g[:, chunk] @ (weights[chunk] - before)
        sweeps[(sweeps < 0) & (moved <= tol)] = sweep
        if (moved <= tol).all():
            break
    column, row = np.nonzero(weights.T)
    counts = np.bincount(column, minlength=len(targets))
    return counts, candidates[row].astype(np.int32), weights[row, column].astype(np.float32), sweeps

"""Scores of item-weight models, x_u W, compiled. See reference/linear.py."""

from __future__ import annotations

from typing import Any

from ._jit import jit


@jit
def weighted_rows_dense(start: int, stop: int, indptr: Any, indices: Any, data: Any, weights: Any, out: Any) -> None:
    """Bound by memory bandwidth: each history item streams one row of the weights."""
    m = weights.shape[1]
    for r in range(start, stop):
        target = out[r - start]
        for at in range(indptr[r], indptr[r + 1]):
            value, row = data[at], weights[indices[at]]
            for c in range(m):
                target[c] += value * row[c]


@jit
def weighted_rows_sparse(
    start: int, stop: int, indptr: Any, indices: Any, data: Any, w_indptr: Any, w_indices: Any, w_data: Any, out: Any
) -> None:
    """Bound by scattered writes into one row of the output, which stays in the cache."""
    for r in range(start, stop):
        target = out[r - start]
        for at in range(indptr[r], indptr[r + 1]):
            value, i = data[at], indices[at]
            for w in range(w_indptr[i], w_indptr[i + 1]):
                target[w_indices[w]] += value * w_data[w]

"""Rows of a sparse factor of an inverse, compiled. See reference/factor.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit


@jit
def _entry(indptr: Any, indices: Any, data: Any, row: int, column: int) -> float:
    """A[row, column] by bisection, 0 where nothing is stored."""
    low, high = indptr[row], indptr[row + 1]
    end = high
    while low < high:
        middle = (low + high) // 2
        if indices[middle] < column:
            low = middle + 1
        else:
            high = middle
    return float(data[low]) if low < end and indices[low] == column else 0.0


@jit
def inverse_factor(
    start: int, stop: int, indptr: Any, indices: Any, data: Any, ridge: Any, s_indptr: Any, s_indices: Any, values: Any, pivots: Any
) -> None:
    """By the Cholesky factor L of A_SS, row by row, with A_S,r as its last row: d_r is the square of the last pivot."""
    longest = 0
    for r in range(start, stop):
        longest = max(longest, s_indptr[r + 1] - s_indptr[r])
    factor = np.empty((longest + 1, longest + 1), np.float64)
    for r in range(start, stop):
        first, size = s_indptr[r], s_indptr[r + 1] - s_indptr[r]
        for i in range(size + 1):
            item = s_indices[first + i] if i < size else r
            row = factor[i]
            for j in range(i):
                earlier = s_indices[first + j]
                left, right = factor[i, :j], factor[j, :j]
                total = _entry(indptr, indices, data, item, earlier)
                for k in range(left.shape[0]):
                    total -= left[k] * right[k]
                row[j] = total / factor[j, j]
            total = _entry(indptr, indices, data, item, item) + ridge[item]
            left = factor[i, :i]
            for k in range(left.shape[0]):
                total -= left[k] * left[k]
            if i < size:
                row[i] = np.sqrt(total)
            else:
                pivots[r] = total
        last = factor[size]
        for i in range(size - 1, -1, -1):  # Lᵀ y = last row
            last[i] /= factor[i, i]
            for k in range(i):
                last[k] -= factor[i, k] * last[i]
            values[first + i] = -last[i]

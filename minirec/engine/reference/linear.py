"""Scores of item-weight models, x_u W, in NumPy: history items are added in ascending order, so one user equals a batch."""

from __future__ import annotations

from ..ranking.topk import Scores
from ..sparse import Floats, Index, Pointer


def weighted_rows_dense(start: int, stop: int, indptr: Pointer, indices: Index, data: Floats, weights: Scores, out: Scores) -> None:
    """out[r] += sum_i data_i weights[i] over the history of profile start + r; weights (n, m), out (stop - start, m). O(nnz m)."""
    for r in range(start, stop):
        for at in range(indptr[r], indptr[r + 1]):
            out[r - start] += data[at] * weights[indices[at]]


def weighted_rows_sparse(
    start: int, stop: int, indptr: Pointer, indices: Index, data: Floats,
    w_indptr: Pointer, w_indices: Index, w_data: Floats, out: Scores,
) -> None:  # fmt: skip
    """The same with CSR weights (n, m). O(sum of the lengths of the weight rows of the history)."""
    for r in range(start, stop):
        for at in range(indptr[r], indptr[r + 1]):
            i = indices[at]
            row = slice(w_indptr[i], w_indptr[i + 1])
            out[r - start, w_indices[row]] += data[at] * w_data[row]

"""Sparse-sparse product that keeps the k largest entries of each row: neighbors, walks and Gram matrices, in SciPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..ranking.scorers import Scores
from ..sparse import Floats, Index, Pointer


def matmul_topk(
    start: int, stop: int, a_indptr: Pointer, a_indices: Index, a_data: Floats, b_indptr: Pointer, b_indices: Index, b_data: Floats,
    row_scale: NDArray[np.float64], column_scale: NDArray[np.float64], shrinkage: float, union: bool, left_out: Index, k: int,
) -> tuple[NDArray[np.int64], Index, Scores]:  # fmt: skip
    """The k largest positive entries of rows start..stop of S, where with P = A B

        S_rc = P_rc / (row_scale_r column_scale_c + shrinkage), or with `union`
        S_rc = P_rc / (row_scale_r + column_scale_c - P_rc + shrinkage);

    equal values: the lower column is kept. Sums are float32, in the order of the entries of A. An empty b_data means ones.
    left_out (rows,) : a column that row r must not have, or -1.
    Returns counts (b,), columns (b, k) ascending and values (b, k), filled up to the count of each row; the count is -1 where an
    entry of S is NaN, infinite or negative.
    O(products + columns of S touched) and O(columns) memory.
    """
    from scipy.sparse import csr_array

    inner, n = len(b_indptr) - 1, len(column_scale)
    entries = slice(a_indptr[start], a_indptr[stop])
    a = csr_array((a_data[entries], a_indices[entries], a_indptr[start : stop + 1] - a_indptr[start]), shape=(stop - start, inner))
    b = csr_array((b_data if len(b_data) else np.ones(len(b_indices), np.float32), b_indices, b_indptr), shape=(inner, n))
    product = a @ b
    product.sort_indices()
    counts = np.zeros(stop - start, np.int64)
    columns, values = np.zeros((stop - start, k), np.int32), np.zeros((stop - start, k), np.float32)
    for r in range(stop - start):
        entries = slice(product.indptr[r], product.indptr[r + 1])
        found, total = product.indices[entries], product.data[entries]
        good = (total > 0) & (found != left_out[start + r])
        found, total = found[good], total[good].astype(np.float64)
        own, other = row_scale[start + r], column_scale[found]
        with np.errstate(all="ignore"):
            similarity = (total / ((own + other - total if union else own * other) + shrinkage)).astype(np.float32)
        if not ((similarity >= 0) & (similarity < np.inf)).all():
            counts[r] = -1
            continue
        best = np.sort(np.argsort(-similarity, kind="stable")[:k])  # columns ascend, so the stable sort prefers the lower one
        counts[r] = len(best)
        columns[r, : len(best)], values[r, : len(best)] = found[best], similarity[best]
    return counts, columns, values

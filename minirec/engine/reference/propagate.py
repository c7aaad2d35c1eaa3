"""A sparse matrix times a dense block, in NumPy: the entries of each row are added in ascending order of columns."""

from __future__ import annotations

import numpy as np

from ..sparse import Floats, Index, Pointer

_PRODUCTS = 2**20  # of a step


def propagate_rows(start: int, stop: int, indptr: Pointer, indices: Index, data: Floats, block: Floats, out: Floats) -> None:
    """out[r] = sum_i data_i block[i] over the entries of each row r in start..stop; block (n, d), out (rows, d). O(nnz d)."""
    first, last = int(indptr[start]), int(indptr[stop])
    filled = start + np.flatnonzero(np.diff(indptr[start : stop + 1]))
    out[start:stop] = 0
    if not len(filled):
        return
    values, columns, heads = data[first:last, None].astype(block.dtype), indices[first:last], indptr[filled] - first
    width = max(1, _PRODUCTS // (last - first))
    for left in range(0, block.shape[1], width):
        taken = block[:, left : left + width][columns]
        taken *= values
        out[filled, left : left + width] = np.add.reduceat(taken, heads, axis=0)

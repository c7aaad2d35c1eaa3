"""Propagation: a sparse matrix times a dense block, the step that graph filters, graph convolutions and Krylov spaces repeat."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import kernel, run_blocks
from ..sparse import CSR, Floats

BLOCK = 256  # rows of a block


def propagate(matrix: CSR, block: Floats, *, backend: str, threads: int | None = None) -> Floats:
    """A B for A (m, n) in CSR and B (n, d) dense, rows in order (C); (m, d) of B's type, float32 or float64.

    Each row of the result belongs to one thread, which adds the entries of the row of A in one order: the bits depend neither on
    the threads nor on the other rows and columns. O(nnz d), bound by reading B's rows.
    """
    out = np.empty((matrix.shape[0], block.shape[1]), block.dtype)
    rows, block = kernel("propagate_rows", backend), np.ascontiguousarray(block)
    run_blocks(lambda a, b: rows(a, b, matrix.indptr, matrix.indices, matrix.data, block, out), len(out), BLOCK, threads)
    return out


def normalized(matrix: CSR, user_exponent: float = 0.5, item_exponent: float = 0.5, dtype: Any = np.float32) -> CSR:
    """D_U^-a X D_I^-b for the binary matrix X of the entries, users x items, with the degrees on the diagonals of D.

    With both exponents 1/2, the normalized adjacency matrix, the largest singular value is 1. Empty rows and columns stay empty.
    """
    users, items = matrix.counts().astype(np.float64), np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.float64)
    by_user, by_item = np.maximum(users, 1) ** -user_exponent, np.maximum(items, 1) ** -item_exponent
    return matrix.with_data((np.repeat(by_user, matrix.counts()) * by_item[matrix.indices]).astype(dtype))

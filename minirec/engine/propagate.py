"""Propagation: a sparse matrix times a dense block, the step that graph filters, graph convolutions and Krylov spaces repeat."""

from __future__ import annotations

import numpy as np

from .backend import kernel, run_blocks
from .sparse import CSR, Floats

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

"""Sparse products that keep the k largest entries of each row, spread over the threads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .backend import kernel, run_blocks
from .sparse import CSR, Index

BLOCK = 64  # rows of a block: fixed, so that results do not depend on the number of threads


def topk_product(
    a: CSR,
    b: CSR,
    k: int,
    backend: str,
    *,
    row_scale: NDArray[np.float64] | None = None,
    column_scale: NDArray[np.float64] | None = None,
    shrinkage: float = 0.0,
    union: bool = False,
    left_out: Index | None = None,
    threads: int | None = None,
) -> CSR:
    """The k largest positive entries of each row of A B, divided by scales (None: ones) as reference/spgemm.py says.

    A (rows, inner) and B (inner, columns) are float32; B may be without values: all ones. left_out (rows,): a column that each
    row must not have. Returns CSR float32 (rows, columns).
    """
    rows, n = a.shape[0], b.shape[1]
    row_scale = np.ones(rows) if row_scale is None else row_scale
    column_scale = np.ones(n) if column_scale is None else column_scale
    left_out = np.full(rows, -1, np.int32) if left_out is None else left_out
    values = b.data[:0] if (b.data == 1).all() else b.data  # the kernel is faster where B is binary
    matmul_topk, k = kernel("matmul_topk", backend), min(k, n)

    def block(start: int, stop: int) -> tuple[NDArray[np.int64], Index, NDArray[np.float32]]:
        counts, columns, kept = matmul_topk(
            start, stop, a.indptr, a.indices, a.data, b.indptr, b.indices, values,
            row_scale, column_scale, shrinkage, union, left_out, k,
        )  # fmt: skip
        filled = np.arange(k) < counts[:, None]
        return counts, columns[filled], kept[filled]

    parts = run_blocks(block, rows, BLOCK, threads)
    indptr = np.concatenate([np.zeros(1, np.int64), *(counts for counts, _, _ in parts)]).cumsum()
    indices = np.concatenate([np.zeros(0, np.int32), *(columns for _, columns, _ in parts)])
    return CSR(indptr, indices, np.concatenate([np.zeros(0, np.float32), *(kept for _, _, kept in parts)]), (rows, n))


def topk_rows(matrix: CSR, k: int, backend: str) -> CSR:
    """The k largest positive entries of each row; of equal ones those of the lower columns."""
    n = matrix.shape[1]
    identity = CSR(np.arange(n + 1), np.arange(n, dtype=np.int32), np.zeros(0, np.float32), (n, n))
    return topk_product(matrix, identity, k, backend)

"""Products, of sparse matrices and of vectors, that keep the k largest entries of each row, spread over the threads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..backend import kernel, one_blas_thread, run_blocks
from ..sequences import offsets
from ..sparse import CSR, Index
from .scorers import EPS, TINY, Scores, canonical_dot, row_norms

_TILE = 2**22  # dot products of vectors taken at a time
_PAIRS = 2**13  # of them taken again, canonically, at a time
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
    row must not have. Returns CSR float32 (rows, columns). Raises DataError where an entry is not a finite number of at least 0.
    """
    rows, n = a.shape[0], b.shape[1]
    row_scale = np.ones(rows) if row_scale is None else row_scale
    column_scale = np.ones(n) if column_scale is None else column_scale
    left_out = np.full(rows, -1, np.int32) if left_out is None else left_out
    _check_range(a, b, row_scale, column_scale)
    values = b.data[:0] if (b.data == 1).all() else b.data  # the kernel is faster where B is binary
    matmul_topk, k = kernel("matmul_topk", backend), min(k, n)

    def block(start: int, stop: int) -> tuple[NDArray[np.int64], Index, NDArray[np.float32]]:
        counts, columns, kept = matmul_topk(
            start, stop, a.indptr, a.indices, a.data, b.indptr, b.indices, values,
            row_scale, column_scale, shrinkage, union, left_out, k,
        )  # fmt: skip
        if (counts < 0).any():
            raise DataError(
                f"the products of row {start + int(np.argmin(counts))} are not finite: its numbers are too large for 32 bits (their "
                "squares must stay below 3e38); scale the weights down"
            )
        filled = np.arange(k) < counts[:, None]
        return counts, columns[filled], kept[filled]

    parts = run_blocks(block, rows, BLOCK, threads)
    indptr = np.concatenate([np.zeros(1, np.int64), *(counts for counts, _, _ in parts)]).cumsum()
    indices = np.concatenate([np.zeros(0, np.int32), *(columns for _, columns, _ in parts)])
    return CSR(indptr, indices, np.concatenate([np.zeros(0, np.float32), *(kept for _, _, kept in parts)]), (rows, n))


def _check_range(a: CSR, b: CSR, row_scale: NDArray[np.float64], column_scale: NDArray[np.float64]) -> None:
    """DataError where a sum of products could pass the range of float32: the kernel packs the bits of its sums, which may not be NaN."""
    left, right = (float(np.abs(data).max(initial=0)) for data in (a.data, b.data if len(b.data) else np.ones(1)))
    terms = int(a.counts().max(initial=0))
    if not left * right * terms < np.finfo(np.float32).max:  # NaN where an entry is NaN
        raise DataError(
            f"numbers of up to {left:.3g} and {right:.3g} are too large to be multiplied and summed in float32: rescale the weights"
        )
    if not (np.isfinite(row_scale).all() and np.isfinite(column_scale).all()):
        raise DataError("a scale of the rows or columns is not finite: rescale the weights, or take a smaller exponent")


def topk_rows(matrix: CSR, k: int, backend: str) -> CSR:
    """The k largest positive entries of each row; of equal ones those of the lower columns."""
    n = matrix.shape[1]
    identity = CSR(np.arange(n + 1), np.arange(n, dtype=np.int32), np.zeros(0, np.float32), (n, n))
    return topk_product(matrix, identity, k, backend)


def nearest_vectors(queries: Scores, items: Scores, k: int, own: Index | None = None) -> CSR:
    """The k items (n, d) with the largest positive dot products with each query (m, d), CSR (m, n); of equal ones the lower rows.

    own (m,): a row of `items` that each query must not have, -1: none. The products are canonical (`canonical_dot`): float32 tiles only
    find those above 0 that may be among the k. O(m n d).
    """
    n = len(items)

    def floor(start: int, stop: int, sims: Scores) -> Scores:
        if k >= n:
            return np.zeros(len(sims), np.float32)
        kth: Scores = np.partition(sims, n - k, axis=1)[:, n - k]
        return kth

    def cut(start: int, rows: NDArray[np.int64], values: Scores) -> NDArray[np.int64]:
        order = np.lexsort((-values, rows))
        first = np.searchsorted(rows, rows[order])
        kept: NDArray[np.int64] = np.sort(order[np.arange(len(order)) - first < k])
        return kept

    return _near(queries, items, own, floor, cut)


def near_vectors(queries: Scores, items: Scores, least: Scores, own: Index | None = None) -> CSR:
    """The items whose dot product with query r is above 0 and at least `least[r]`, CSR (m, n); else as `nearest_vectors`."""

    def cut(start: int, rows: NDArray[np.int64], values: Scores) -> NDArray[np.int64]:
        return np.flatnonzero(values >= least[start + rows])

    return _near(queries, items, own, lambda start, stop, sims: least[start:stop], cut)


def _near(
    queries: Scores,
    items: Scores,
    own: Index | None,
    floor: Callable[[int, int, Scores], Scores],
    cut: Callable[[int, NDArray[np.int64], Scores], NDArray[np.int64]],
) -> CSR:
    """floor(start, stop, products) : what the products of queries start..stop must come near, for each. cut(start, rows, values) : the
    places to keep among entries above 0, by rows (from start) and columns, ascending."""
    n, d = items.shape
    longest = float(row_norms(items).max(initial=0))
    slack = (2 * (d + 2) * EPS * longest * row_norms(queries) + TINY).astype(np.float32)  # twice the rounding of a float32 product

    def block(start: int, stop: int) -> tuple[NDArray[np.int64], Index, Scores]:
        sims = queries[start:stop] @ items.T
        if own is not None:
            has = np.flatnonzero(own[start:stop] >= 0)
            sims[has, own[start:stop][has]] = -np.inf
        above = np.maximum(floor(start, stop, sims), 0) - slack[start:stop]
        rows, columns = np.nonzero((sims >= above[:, None]) & (sims > 0))
        values = np.empty(len(rows), np.float32)
        for at in range(0, len(rows), _PAIRS):
            some = slice(at, at + _PAIRS)
            values[some] = canonical_dot(queries[start + rows[some]], items[columns[some]])
        kept = np.flatnonzero(values > 0)
        kept = kept[cut(start, rows[kept], values[kept])]
        return np.bincount(rows[kept], minlength=stop - start), columns[kept].astype(np.int32), values[kept]

    with one_blas_thread():
        parts = run_blocks(block, len(queries), min(max(_TILE // max(n, 1), 1), 256))
    counts = np.concatenate([np.zeros(0, np.int64), *(part[0] for part in parts)])
    indices = np.concatenate([np.zeros(0, np.int32), *(part[1] for part in parts)])
    values = np.concatenate([np.zeros(0, np.float32), *(part[2] for part in parts)])
    return CSR(offsets(counts), indices, values, (len(queries), n))

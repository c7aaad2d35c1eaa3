"""Rows of a sparse factor of an inverse, in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..sparse import Floats, Index, Pointer


def inverse_factor(
    start: int, stop: int, indptr: Pointer, indices: Index, data: Floats, ridge: NDArray[np.float64],
    s_indptr: Pointer, s_indices: Index, values: NDArray[np.float32], pivots: NDArray[np.float64],
) -> None:  # fmt: skip
    """Rows start..stop of K and the pivots d, for which Kᵀ diag(1 / d) K approximates A^-1, A = G + diag(ridge) in CSR:

        K_rr = 1, K_r,S = -A_SS^-1 A_S,r, d_r = A_rr + K_r,S A_S,r

    S, the entries of row r in the pattern, are columns before r. values (pattern entries,) and pivots (rows,) are written to.
    Float64 within. O(|S|^3) a row, beside the look-ups of A_SS.
    """
    from scipy.sparse import csr_array

    n = len(indptr) - 1
    a = csr_array((data, indices, indptr), shape=(n, n))
    for r in range(start, stop):
        entries = slice(s_indptr[r], s_indptr[r + 1])
        chosen = np.append(s_indices[entries], r)
        square = a[chosen][:, chosen].toarray().astype(np.float64) + np.diag(ridge[chosen])
        row = -np.linalg.solve(square[:-1, :-1], square[:-1, -1])
        values[entries] = row
        pivots[r] = square[-1, -1] + row @ square[:-1, -1]

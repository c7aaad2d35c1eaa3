"""Generated input for the twins of engine/*/spgemm.py and engine/*/slim.py."""

import numpy as np

from minirec.engine.sparse import CSR


def sparse(rng, rows, columns, low=1, density=0.4):
    at = np.nonzero(rng.random((rows, columns)) < density)
    return CSR.from_pairs(*at, rng.integers(low, 4, len(at[0])), (rows, columns))


def matmul_topk(rng):
    """Small whole numbers, so that values tie, among columns few (all sums are read) or many (touched ones are listed)."""
    rows, inner, n = 7, 6, int(rng.choice([1, 5, 12, 300]))
    density = 0.4 if n < 300 else 0.01
    a = sparse(rng, rows, inner, low=-2)
    b = sparse(rng, inner, n, low=-2, density=density)
    values = b.data[:0] if rng.random() < 0.5 else b.data
    union = bool(rng.random() < 0.3)
    row_scale, column_scale = (
        rng.integers(100, 104, size).astype(np.float64) if union else np.sqrt(rng.integers(1, 4, size)) for size in (rows, n)
    )
    left_out = rng.integers(-1, n, rows).astype(np.int32)
    k = min(n, int(rng.integers(1, 6)))
    return (
        1, 6, a.indptr, a.indices, a.data, b.indptr, b.indices, values,
        row_scale, column_scale, float(rng.choice([0.0, 2.0])), union, left_out, k,
    )  # fmt: skip


def slim_columns(rng):
    users, items = 40, int(rng.integers(2, 90))
    x = (rng.random((users, items)) < 0.2).astype(np.float64)
    x[0] = 1  # every item has a user, and all pairs one in common
    gram = x.T @ x
    g = CSR.from_pairs(*np.nonzero(gram), gram[np.nonzero(gram)], gram.shape)
    start = int(rng.integers(0, items))
    stop = min(items, start + 5)
    l1, l2 = float(rng.choice([0.0, 0.5, 2.0])), float(rng.choice([0.5, 5.0]))
    return start, stop, g.indptr, g.indices, g.data, gram.diagonal().astype(np.float32), l1, l2, 1e-6, 10_000


def slim_objective(arguments, result):
    """Plus one for each target, so that two of value zero compare as well."""
    start, stop, g_indptr, g_indices, g_data, diagonal, l1, l2, _, _ = arguments
    counts, items, values, sweeps = result
    assert (sweeps > 0).all()
    n = len(diagonal)
    gram = CSR(g_indptr, g_indices, g_data, (n, n)).to_dense().astype(np.float64)
    w = np.zeros((n, stop - start))
    w[items, np.repeat(np.arange(stop - start), counts)] = values
    assert (w >= 0).all()
    assert not w[np.arange(start, stop), np.arange(stop - start)].any()
    gain = 0.5 * (w * (gram @ w)).sum() - (w * gram[:, start:stop]).sum()
    return stop - start + gain + l1 * w.sum() + 0.5 * l2 * (w**2).sum()


CASES = {"matmul_topk": matmul_topk, "slim_columns": slim_columns}
OBJECTIVES = {"slim_columns": slim_objective}

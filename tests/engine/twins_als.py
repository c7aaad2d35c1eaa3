"""Generated input for the twins of engine/*/als.py."""

import numpy as np

from minirec.engine.sparse import CSR


def half_step(rng, *extra):
    """Rows with none, few and hundreds of entries (more than the kernels gather at once), lengths of vectors that fill no tile."""
    rows, columns, d = 9, 600, int(rng.choice([1, 2, 5, 8, 11]))
    share = rng.choice([0.0, 0.005, 0.02, 0.9], rows)
    events = CSR.from_pairs(*np.nonzero(rng.random((rows, columns)) < share[:, None]), None, (rows, columns))
    fixed = 0.3 * rng.standard_normal((columns, d), np.float32)
    alpha0 = float(rng.choice([0.0, 0.1, 1.0]))
    overlap = alpha0 if rng.random() < 0.5 else 0.0
    confidence = rng.uniform(0.5, 3.0, events.nnz).astype(np.float32)
    start, stop = np.sort(rng.integers(0, rows + 1, 2)).tolist()
    ridge = rng.uniform(0.5, 5.0, rows).astype(np.float32)
    out, loss = rng.standard_normal((rows, d), np.float32), np.full(rows, -1.0)
    gram = np.float32(alpha0) * (fixed.T @ fixed)
    prior = 0.3 * rng.standard_normal((rows if rng.random() < 0.5 else 0, d), np.float32)
    return start, stop, events.indptr, events.indices, confidence, overlap, fixed, gram, ridge, prior, *extra, out, loss


CASES = {
    "als_cholesky": half_step,
    "als_cg": lambda rng: half_step(rng, int(rng.integers(1, 5))),
    "als_block": lambda rng: half_step(rng, int(rng.integers(1, 7))),
}

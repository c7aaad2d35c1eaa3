"""Generated input for the twins of engine/*/factor.py."""

import numpy as np

from minirec.engine.sparse import CSR


def inverse_factor(rng):
    users, n = 30, int(rng.integers(1, 40))
    x = (rng.random((users, n)) < 0.2).astype(np.float64)
    gram = x.T @ x
    g = CSR.from_pairs(*np.nonzero(gram), gram[np.nonzero(gram)], (n, n))
    rows, columns = np.nonzero(np.tril(rng.random((n, n)) < rng.choice([0.0, 0.3, 1.0]), -1))
    pattern = CSR.from_pairs(rows, columns, None, (n, n))
    start = int(rng.integers(0, n))
    return (
        start, n, g.indptr, g.indices, g.data, rng.uniform(0.5, 5.0, n),
        pattern.indptr, pattern.indices, np.zeros(pattern.nnz, np.float32), np.zeros(n),
    )  # fmt: skip


CASES = {"inverse_factor": inverse_factor}

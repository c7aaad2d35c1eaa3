"""Generated input for the twins of engine/*/propagate.py."""

import numpy as np

from minirec.engine.sparse import CSR


def propagate_rows(rng):
    """A few rows of a matrix with empty rows, times a block of one to many columns, in both types."""
    rows, columns, d = 9, 6, int(rng.choice([1, 3, 16, 37]))
    held = rng.random((rows, columns)) < rng.choice([0.0, 0.3, 0.9])
    a = CSR.from_pairs(*np.nonzero(held), rng.standard_normal(held.sum()), held.shape)
    dtype = rng.choice([np.float32, np.float64])
    block = rng.standard_normal((columns, d)).astype(dtype)
    return 1, 8, a.indptr, a.indices, a.data, block, np.ones((rows, d), dtype)


CASES = {"propagate_rows": propagate_rows}

"""Generated input for the twins of engine/*/product.py."""

import numpy as np


def add_product(rng):
    """Rows and terms with and without a remainder of four, columns of one tile or of two."""
    rows, k, n = int(rng.integers(1, 10)), int(rng.integers(0, 11)), int(rng.choice([3, 1030]))
    return (
        rng.standard_normal((rows, k), np.float32),
        rng.standard_normal((k, n), np.float32),
        rng.standard_normal((rows, n), np.float32),
    )


CASES = {"add_product": add_product}

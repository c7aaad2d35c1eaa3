"""Generated input for the twins of engine/*/encoder.py: one panel and several, depths over a block, all types of weights."""

import numpy as np

from minirec.engine.nn.encoder import Dense


def dense_rows(rng):
    rows, depth, width = int(rng.integers(1, 10)), int(rng.choice([5, 32, 390])), int(rng.choice([7, 192, 200]))
    weight = rng.standard_normal((width, depth), np.float32) / np.float32(np.sqrt(depth))
    dense = Dense.packed(weight, rng.standard_normal(width, np.float32), str(rng.choice(["float32", "float16", "int8"])))
    start, stop = np.sort(rng.integers(0, rows + 1, 2)).tolist()
    x, out = rng.standard_normal((rows, depth), np.float32), np.zeros((rows, width), np.float32)
    return start, stop, *dense, bool(rng.integers(2)), x, out


def normalise_rows(rng):
    x, beside = rng.standard_normal((2, 9, int(rng.integers(2, 70))), np.float32)
    gain, bias = rng.standard_normal((2, x.shape[1]), np.float32)
    start, stop = np.sort(rng.integers(0, 10, 2)).tolist()
    return start, stop, x, beside, gain, bias, float(rng.choice([1e-12, 1e-5]))


CASES = {"dense_rows": dense_rows, "normalise_rows": normalise_rows}

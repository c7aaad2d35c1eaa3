"""Generated input for the twins of engine/*/rowwise.py: both precisions, ranges of rows, rows that are -inf in part or throughout."""

import numpy as np


def _rows(rng, low=1):
    n, d = int(rng.integers(low, 12)), int(rng.integers(1, 70))
    start, stop = np.sort(rng.integers(0, n + 1, 2)).tolist()
    return start, stop, (n, d), rng.choice([np.float32, np.float64])


def layer_norm_rows(rng):
    start, stop, shape, dtype = _rows(rng)
    x, (gain, bias) = (3 * rng.standard_normal(shape) + 1).astype(dtype), rng.standard_normal((2, shape[1])).astype(dtype)
    unit, out = np.zeros((2, *shape), dtype)
    return start, stop, x, gain, bias, float(rng.choice([1e-8, 1e-5])), unit, np.zeros(shape[0], dtype), out


def layer_norm_gradients(rng):
    start, stop, shape, dtype = _rows(rng)
    gradient, unit = rng.standard_normal((2, *shape)).astype(dtype)
    gain, scale = rng.standard_normal(shape[1]).astype(dtype), (rng.random(shape[0]) + 0.1).astype(dtype)
    return start, stop, gradient, gain, unit, scale, np.zeros(shape, dtype)


def softmax_rows(rng):
    start, stop, shape, dtype = _rows(rng)
    x = (rng.choice([1, 30]) * rng.standard_normal(shape)).astype(dtype)
    x[rng.random(shape) < 0.2] = -np.inf
    x[rng.random(shape[0]) < 0.2] = -np.inf
    return start, stop, x, np.zeros(shape[0], dtype)


def drop_numbers(rng):
    n = int(rng.integers(1, 60))
    start = int(rng.integers(0, n)) // 4 * 4
    key = rng.integers(0, 2**64, 1, dtype=np.uint64)
    dtype = rng.choice([np.float32, np.float64])
    return (
        start,
        int(rng.integers(start, n + 1)),
        rng.standard_normal(n).astype(dtype),
        key,
        int(rng.integers(1, 65536)),
        np.zeros(n, dtype),
    )


CASES = {
    "layer_norm_rows": layer_norm_rows,
    "layer_norm_gradients": layer_norm_gradients,
    "softmax_rows": softmax_rows,
    "drop_numbers": drop_numbers,
}

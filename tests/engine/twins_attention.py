"""Generated input for the twins of engine/*/attention.py: lengths from 0 to over a tile, with and without dropout."""

import numpy as np

from minirec.engine.sequences import offsets


def _arguments(rng):
    heads, width = int(rng.integers(1, 4)), int(rng.integers(1, 10))
    indptr = offsets(np.append(rng.integers(0, 12, 6), rng.integers(20, 90)))
    start, stop = np.sort(rng.integers(0, 8, 2)).tolist()
    q, k, v, gradient = rng.standard_normal((4, indptr[-1], heads * width), np.float32)
    causal, key, drop = bool(rng.integers(2)), np.uint64(rng.integers(2**63)), np.uint64(rng.choice([0, 20000]))
    return (start, stop, indptr, q, k, v, heads, causal, key, drop), (indptr[-1], heads), gradient


def attend_rows(rng):
    given, shape, _ = _arguments(rng)
    return *given, np.zeros_like(given[3]), np.zeros(shape, np.float32)


def attend_gradients(rng):
    given, shape, gradient = _arguments(rng)
    out = rng.standard_normal(gradient.shape, np.float32)
    empty = [np.zeros_like(gradient) for _ in range(3)]
    return *given, out, np.full(shape, 8, np.float32) + rng.random(shape, np.float32), gradient, *empty


CASES = {"attend_rows": attend_rows, "attend_gradients": attend_gradients}

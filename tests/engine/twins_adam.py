"""Generated input for the twins of engine/*/adam.py."""

import numpy as np


def adam_step(rng):
    gradient, mean, parameter = rng.standard_normal((3, 40), np.float32)
    start, stop = np.sort(rng.integers(0, 41, 2)).tolist()
    numbers = [np.float32(number) for number in (0.01, 0.9, 0.999, 0.3, 1e-8)]
    return start, stop, gradient, mean, rng.random(40, np.float32), parameter, *numbers


def adam_rows(rng):
    rows = np.sort(rng.permutation(30)[:12]).astype(np.int32)
    gradient, (mean, parameter) = rng.standard_normal((12, 5), np.float32), rng.standard_normal((2, 30, 5), np.float32)
    start, stop = np.sort(rng.integers(0, 13, 2)).tolist()
    numbers = [np.float32(number) for number in (0.01, 0.9, 0.999, 0.3, 1e-8)]
    return start, stop, rows, gradient, mean, rng.random((30, 5), np.float32), parameter, *numbers


CASES = {"adam_step": adam_step, "adam_rows": adam_rows}

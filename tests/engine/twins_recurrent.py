"""Generated input for the twins of engine/*/recurrent.py: some of the sequences of a step, at its start and later."""

import numpy as np


def _arguments(rng):
    d, n, t = int(rng.integers(1, 12)), int(rng.integers(1, 9)), int(rng.integers(0, 3))
    start, stop = np.sort(rng.integers(0, n + 1, 2)).tolist()
    firsts = rng.permutation(n) * 4
    return (start, stop, t, firsts), (4 * n, d), n, lambda *shape: rng.normal(0, 2, shape).astype(np.float32)


def gru_step(rng):
    given, (tokens, d), n, draw = _arguments(rng)
    x, product, bias, state = draw(tokens, 3 * d), draw(n, 3 * d), draw(3 * d), draw(n, d)
    x[0], bias[0] = -300, 300
    return *given, x, product, bias, state, np.zeros((tokens, d), np.float32), np.zeros((tokens, 4 * d), np.float32)


def gru_step_back(rng):
    given, (tokens, d), n, draw = _arguments(rng)
    gates = rng.random((tokens, 4 * d), np.float32)
    empty = [np.zeros(shape, np.float32) for shape in ((n, 3 * d), (tokens, 3 * d), (tokens, d))]
    return *given, draw(tokens, d), gates, draw(tokens, d), draw(n, d), *empty


CASES = {"gru_step": gru_step, "gru_step_back": gru_step_back}

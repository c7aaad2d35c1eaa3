"""Adam against its algorithm written out, and its independence of threads."""

import numpy as np
import pytest

from minirec.engine.adam import Adam
from minirec.options import options


def oracle(parameter, gradients, rate):
    """Kingma & Ba 2015, algorithm 1."""
    mean, square = np.zeros_like(parameter), np.zeros_like(parameter)
    for t, gradient in enumerate(gradients, 1):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        parameter = parameter - rate * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
    return parameter


def test_steps_are_those_of_the_algorithm():
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal((7, 3)), rng.standard_normal((5, 7, 3))
    gradients[:, 2] = 0
    parameter, other = start.copy(), np.ones(2)
    adam = Adam((parameter, other), 0.05, "numpy")
    for gradient in gradients:
        adam.step((gradient, np.zeros(2)))
    assert parameter == pytest.approx(oracle(start, gradients, 0.05), rel=1e-12)
    assert np.array_equal(parameter[2], start[2])
    assert (other == 1).all()


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_threads_do_not_matter(backend):
    if backend == "numba":
        pytest.importorskip("numba")
    results = []
    for threads in (1, 2):
        rng = np.random.default_rng(1)
        parameter = rng.standard_normal((9000, 64), np.float32)
        with options(threads=threads):
            adam = Adam((parameter,), 0.01, backend)
            for _ in range(3):
                adam.step((rng.standard_normal((9000, 64), np.float32),))
        results.append(parameter.tobytes())
    assert results[0] == results[1]

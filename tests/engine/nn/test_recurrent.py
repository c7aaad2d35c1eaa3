"""The gated recurrent unit: a loop as the oracle, finite differences, and what must not matter."""

import numpy as np
import pytest
from naive_gradients import error, numeric

from minirec.engine.nn.recurrent import gru, gru_backward
from minirec.engine.sequences import offsets
from minirec.errors import ParameterError
from minirec.options import options


@pytest.fixture(params=["numpy", "numba"])
def backend(request):
    if request.param == "numba":
        pytest.importorskip("numba")
    return request.param


def batch(lengths, d, dtype=np.float64):
    rng, indptr = np.random.default_rng(0), offsets(np.array(lengths))
    arrays = (rng.standard_normal(shape) for shape in ((indptr[-1], 3 * d), (d, 3 * d), (3 * d,), (indptr[-1], d)))
    return indptr, *(x.astype(dtype) for x in arrays)


def oracle(x, indptr, weights, bias):
    """The formulas of reference/recurrent.py, a token at a time."""
    d = len(weights)
    out = np.zeros((len(x), d))
    for s in range(len(indptr) - 1):
        h = np.zeros(d)
        for token in range(indptr[s], indptr[s + 1]):
            (x_r, x_z, x_n), (a_r, a_z, a_n) = np.split(x[token], 3), np.split(h @ weights + bias, 3)
            r, z = 1 / (1 + np.exp(-x_r - a_r)), 1 / (1 + np.exp(-x_z - a_z))
            h = (1 - z) * np.tanh(x_n + r * a_n) + z * h
            out[token] = h
    return out


LENGTHS = [1, 4, 0, 9, 4, 1]


def test_states_are_those_of_the_formulas(backend):
    indptr, x, weights, bias, _ = batch(LENGTHS, 5)
    expected = oracle(x, indptr, weights, bias)
    assert error(gru(x, indptr, weights, bias, backend=backend)[0], expected) < 1e-13
    single = [array.astype(np.float32) for array in (x, weights, bias)]
    assert error(gru(single[0], indptr, *single[1:], backend=backend)[0], expected) < 1e-5


def test_gradients_are_those_of_finite_differences(backend):
    indptr, x, weights, bias, gradient = batch(LENGTHS, 3)

    def forward(x, weights, bias):
        return gru(x, indptr, weights, bias, backend=backend)[0]

    found = gru_backward(gradient, gru(x, indptr, weights, bias, backend=backend)[1])
    for mine, expected in zip(found, numeric(forward, (x, weights, bias), gradient), strict=True):
        assert error(mine, expected) < 1e-6


@pytest.mark.slow_without_jit
def test_threads_do_not_matter(backend):
    indptr, x, weights, bias, gradient = batch(np.random.default_rng(0).integers(0, 60, 600), 8, np.float32)
    found = []
    for threads in (1, 2):
        with options(threads=threads):
            out, saved = gru(x, indptr, weights, bias, backend=backend)
            found.append([array.tobytes() for array in (out, *gru_backward(gradient, saved))])
    assert len(saved.blocks) > 2
    assert found[0] == found[1]


def test_many_blocks_and_large_numbers(backend):
    indptr, x, weights, bias, gradient = batch([2, 3] * 200, 3, np.float32)
    out, saved = gru(x * 1000, indptr, weights, bias, backend=backend)
    with np.errstate(over="ignore"):
        expected = oracle(x.astype(np.float64) * 1000, indptr, weights, bias)
    assert error(out, expected) < 1e-4
    assert all(np.isfinite(array).all() for array in gru_backward(gradient, saved))


def test_nothing_to_remember(backend):
    indptr, x, weights, bias, gradient = batch([0, 0], 3)
    out, saved = gru(x, indptr, weights, bias, backend=backend)
    assert out.shape == (0, 3)
    assert [(array.shape, array.any()) for array in gru_backward(gradient, saved)] == [((0, 9), False), ((3, 9), False), ((9,), False)]


def test_what_does_not_fit_is_named():
    indptr, x, weights, bias, gradient = batch([2, 3], 3)
    with pytest.raises(ParameterError, match=r"gru: x must be \(tokens, 3 d\).*got \(5, 8\), \(3, 9\), \(9,\)"):
        gru(x[:, :8], indptr, weights, bias)
    with pytest.raises(ParameterError, match="one type, got float64, float64, float32"):
        gru(x, indptr, weights, bias.astype(np.float32))
    with pytest.raises(ParameterError, match=r"gru: the gradient must be \(5, 3\) as the states are, got \(4, 3\)"):
        gru_backward(gradient[:4], gru(x, indptr, weights, bias)[1])

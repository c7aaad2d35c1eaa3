"""Filters along sequences: loops as the oracle, finite differences, and what must not matter."""

from itertools import pairwise

import numpy as np
import pytest
from naive_gradients import error, numeric

from minirec.engine.nn import spectral
from minirec.engine.nn.spectral import causal_filter, causal_filter_backward
from minirec.engine.sequences import offsets
from minirec.errors import ParameterError
from minirec.options import options


def draw(*shapes, dtype=np.float64):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def oracle(x, indptr, weights):
    out = np.zeros_like(x)
    for first, stop in pairwise(indptr):
        for t in range(first, stop):
            for m in range(min(t - first + 1, len(weights))):
                out[t] += weights[m] * x[t - m]
    return out


@pytest.mark.parametrize("width", [1, 3, 8, 20])
def test_result_and_gradients(width, monkeypatch):
    monkeypatch.setattr(spectral, "_NUMBERS", 60)  # one or two sequences at a time
    indptr = offsets(np.array([1, 0, 5, 8, 9, 2, 6]))
    x, weights, gradient = draw((31, 3), (width, 3), (31, 3))
    out, saved = causal_filter(x, indptr, weights)
    assert error(out, oracle(x, indptr, weights)) < 1e-13
    expected = numeric(lambda *given: causal_filter(given[0], indptr, given[1])[0], (x, weights), gradient)
    for mine, other in zip(causal_filter_backward(gradient, saved), expected, strict=True):
        assert error(mine, other) < 1e-6


def test_threads_and_company_do_not_matter():
    indptr = offsets(np.random.default_rng(0).integers(0, 60, 300))
    x, weights, gradient = draw((indptr[-1], 8), (50, 8), (indptr[-1], 8), dtype=np.float32)
    found = []
    for threads in (1, 2):
        with options(threads=threads):
            out, saved = causal_filter(x, indptr, weights)
            found.append([array.tobytes() for array in (out, *causal_filter_backward(gradient, saved))])
    assert found[0] == found[1]
    assert out.dtype == np.float32
    for first, stop in pairwise(indptr[:20]):
        assert np.array_equal(causal_filter(x[first:stop], np.array([0, stop - first]), weights)[0], out[first:stop])


def test_nothing_to_filter():
    x, weights = draw((0, 3), (2, 3))
    out, saved = causal_filter(x, np.array([0, 0]), weights)
    assert out.shape == (0, 3)
    assert [gradient.tolist() for gradient in causal_filter_backward(out, saved)] == [[], [[0.0] * 3] * 2]


def test_what_does_not_fit_is_named():
    x, weights = draw((5, 3), (2, 3))
    with pytest.raises(ParameterError, match=r"causal filter: weights \(2, 2\) float64 do not fit x \(5, 3\) float64"):
        causal_filter(x, np.array([0, 5]), weights[:, :2])
    with pytest.raises(ParameterError, match="causal filter: indptr must ascend"):
        causal_filter(x, np.array([0, 4]), weights)
    with pytest.raises(ParameterError, match=r"the gradient must be \(5, 3\) as the result is, got \(4, 3\)"):
        causal_filter_backward(x[:4], causal_filter(x, np.array([0, 5]), weights)[1])

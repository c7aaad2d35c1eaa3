"""Convolutions and pooling: loops as the oracle, finite differences, and what must not matter."""

import itertools

import numpy as np
import pytest
from naive_gradients import error, numeric

from minirec.engine.nn.temporal import (
    causal_convolution,
    causal_convolution_backward,
    convolution_2d,
    convolution_2d_backward,
    horizontal_convolution,
    horizontal_convolution_backward,
    max_pool,
    max_pool_backward,
    vertical_convolution,
    vertical_convolution_backward,
)
from minirec.engine.sequences import offsets
from minirec.errors import ParameterError
from minirec.options import options


def draw(*shapes, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def causal_oracle(x, indptr, weights, bias, dilation):
    out = np.tile(bias, (len(x), 1))
    for first, stop in itertools.pairwise(indptr):
        for t in range(first, stop):
            for m, place in enumerate(range(t - (len(weights) - 1) * dilation, t + 1, dilation)):
                if place >= first:
                    out[t] += x[place] @ weights[m]
    return out


@pytest.mark.parametrize(("width", "dilation"), [(1, 1), (3, 1), (3, 4), (2, 2)])
def test_causal_convolution(width, dilation):
    indptr = offsets(np.array([1, 0, 5, 14]))
    x, weights, bias, gradient = draw((20, 3), (width, 3, 2), 2, (20, 2))
    out, saved = causal_convolution(x, indptr, weights, bias, dilation)
    assert error(out, causal_oracle(x, indptr, weights, bias, dilation)) < 1e-13
    expected = numeric(lambda *given: causal_convolution(given[0], indptr, *given[1:], dilation)[0], (x, weights, bias), gradient)
    for mine, other in zip(causal_convolution_backward(gradient, saved), expected, strict=True):
        assert error(mine, other) < 1e-6


def test_threads_do_not_matter_to_a_causal_convolution():
    indptr = offsets(np.random.default_rng(0).integers(0, 60, 400))
    x, weights, bias, gradient = draw((indptr[-1], 8), (3, 8, 8), 8, (indptr[-1], 8), dtype=np.float32)
    found = []
    for threads in (1, 2):
        with options(threads=threads):
            out, saved = causal_convolution(x, indptr, weights, bias, 2)
            found.append([array.tobytes() for array in (out, *causal_convolution_backward(gradient, saved))])
    assert found[0] == found[1]
    assert out.dtype == np.float32


@pytest.mark.parametrize("height", [1, 2, 5])
def test_horizontal_convolution(height):
    x, weights, bias, gradient = draw((4, 5, 3), (6, height, 3), 6, (4, 6))
    out, saved = horizontal_convolution(x, weights, bias)
    places = [[(weights * x[b, i : i + height]).sum((1, 2)) + bias for i in range(6 - height)] for b in range(4)]
    assert error(out, np.maximum(places, 0).max(1)) < 1e-13
    expected = numeric(lambda *given: horizontal_convolution(*given)[0], (x, weights, bias), gradient)
    for mine, other in zip(horizontal_convolution_backward(gradient, saved), expected, strict=True):
        assert error(mine, other) < 1e-6


def test_vertical_convolution():
    x, weights, gradient = draw((4, 5, 3), (2, 5), (4, 2, 3))
    assert error(vertical_convolution(x, weights), np.einsum("fl,bld->bfd", weights, x)) < 1e-13
    expected = numeric(vertical_convolution, (x, weights), gradient)
    for mine, other in zip(vertical_convolution_backward(gradient, x, weights), expected, strict=True):
        assert error(mine, other) < 1e-6


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2)])
def test_convolution_2d(stride, padding):
    x, weights, bias = draw((2, 3, 5, 6), (4, 3, 2, 3), 4)
    out, saved = convolution_2d(x, weights, bias, stride=stride, padding=padding)
    whole = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    for b, f, i, j in np.ndindex(out.shape):
        patch = whole[b, :, i * stride : i * stride + 2, j * stride : j * stride + 3]
        assert out[b, f, i, j] == pytest.approx(bias[f] + (patch * weights[f]).sum(), abs=1e-12)
    (gradient,) = draw(out.shape, seed=1)
    expected = numeric(lambda *given: convolution_2d(*given, stride=stride, padding=padding)[0], (x, weights, bias), gradient)
    for mine, other in zip(convolution_2d_backward(gradient, saved), expected, strict=True):
        assert error(mine, other) < 1e-6


@pytest.mark.parametrize(("size", "stride"), [((2, 3), None), ((3, 2), (1, 2))])
def test_max_pool(size, stride):
    (x,) = draw((2, 3, 5, 7))
    out, saved = max_pool(x, size, stride)
    step = stride or size
    for b, c, i, j in np.ndindex(out.shape):
        assert out[b, c, i, j] == x[b, c, i * step[0] : i * step[0] + size[0], j * step[1] : j * step[1] + size[1]].max()
    (gradient,) = draw(out.shape, seed=1)
    (expected,) = numeric(lambda given: max_pool(given, size, stride)[0], (x,), gradient)
    assert error(max_pool_backward(gradient, saved), expected) < 1e-6
    single = max_pool_backward(gradient.astype(np.float32), saved)
    assert single.dtype == np.float32


def test_no_tokens():
    x, weights, bias = draw((0, 3), (2, 3, 2), 2)
    out, saved = causal_convolution(x, offsets(np.array([0])), weights, bias)
    assert out.shape == (0, 2)
    assert [part.shape for part in causal_convolution_backward(out, saved)] == [(0, 3), (2, 3, 2), (2,)]


def test_what_does_not_fit_is_named():
    indptr = np.array([0, 4])
    x, weights, bias, cube, filters, image = draw((4, 3), (2, 3, 2), 2, (2, 4, 3), (2, 3, 3), (1, 2, 4, 4))
    with pytest.raises(ParameterError, match=r"causal convolution: x must be \(tokens, d\).*got \(4, 3\), \(2, 3, 2\) and \(3,\)"):
        causal_convolution(x, indptr, weights, np.zeros(3))
    with pytest.raises(ParameterError, match="causal convolution: dilation must be at least 1, got 0"):
        causal_convolution(x, indptr, weights, bias, 0)
    with pytest.raises(ParameterError, match=r"causal convolution: the gradient must be \(4, 2\), got \(4, 3\)"):
        causal_convolution_backward(x, causal_convolution(x, indptr, weights, bias)[1])
    with pytest.raises(ParameterError, match=r"horizontal convolution: x must be .* got \(2, 4, 3\) and \(2, 5, 3\)"):
        horizontal_convolution(cube, np.zeros((2, 5, 3)), bias)
    with pytest.raises(ParameterError, match=r"horizontal convolution: bias must be \(2,\), got \(3,\)"):
        horizontal_convolution(cube, filters, np.zeros(3))
    with pytest.raises(ParameterError, match=r"horizontal convolution: the gradient must be \(2, 2\), got \(4, 3\)"):
        horizontal_convolution_backward(x, horizontal_convolution(cube, filters, bias)[1])
    with pytest.raises(ParameterError, match=r"vertical convolution: x must be .* got \(2, 4, 3\) and \(4, 3\)"):
        vertical_convolution(cube, x)
    with pytest.raises(ParameterError, match=r"vertical convolution: the gradient must be \(2, 3, 3\), got \(4, 3\)"):
        vertical_convolution_backward(x, cube, np.zeros((3, 4)))
    with pytest.raises(ParameterError, match=r"convolution: x must be .* got \(1, 2, 4, 4\), \(2, 3, 2\) and \(2,\)"):
        convolution_2d(image, weights, bias)
    with pytest.raises(ParameterError, match=r"convolution: \(2, 2, 5, 1\) with stride 1 and padding 0 has no place in \(1, 2, 4, 4\)"):
        convolution_2d(image, np.zeros((2, 2, 5, 1)), bias)
    with pytest.raises(ParameterError, match=r"convolution: the gradient must be \(1, 2, 3, 3\), got \(1, 2, 4, 4\)"):
        convolution_2d_backward(image, convolution_2d(image, np.zeros((2, 2, 2, 2)), bias)[1])
    with pytest.raises(ParameterError, match=r"max pooling: windows of \(5, 1\) every \(5, 1\) have no place in \(1, 2, 4, 4\)"):
        max_pool(image, (5, 1))
    with pytest.raises(ParameterError, match=r"max pooling: the gradient must be \(1, 2, 2, 2\), got \(1, 2, 4, 4\)"):
        max_pool_backward(image, max_pool(image, (2, 2))[1])

"""Differentiable functions of tensors beside the operators: activations, normalization, dropout, look-ups, sparse products.

Each works in the precision of its arguments and raises ShapeError, with its name and the shapes, where they do not fit. Those marked
fused are one node of the graph with a hand-derived backward, so that no intermediate array is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError, ShapeError
from ..backend import kernel, resolve, run_blocks
from ..descent import losses
from ..graph.propagate import propagate as propagate_array
from ..random import mix
from ..sparse import CSR, Floats
from ..tiles import gram, product
from . import recurrent, spectral, temporal
from . import target_attention as target
from .attention import attend, attend_backward
from .autodiff import Operand, Tensor, as_tensor, unbroadcast
from .row_gradient import RowGradient

T = TypeVar("T")
_CHUNK = 2**15  # numbers that a thread takes at once of what goes number by number or row by row; a multiple of 4
_SHARED = 2**17  # numbers that are worth more than one thread: some 200 microseconds, where to hand over takes 50 to 100


def concatenate(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Tensors one after the other along an axis."""
    arrays = [tensor.data for tensor in tensors]
    try:
        out = np.concatenate(arrays, axis=axis)
    except ValueError:
        raise ShapeError(f"concatenate: shapes {_shapes(arrays)} do not fit along axis {axis}") from None
    cuts = np.cumsum([array.shape[axis] for array in arrays])[:-1]
    return Tensor.from_op("concatenate", out, tensors, lambda g: tuple(np.split(g, cuts, axis=axis)))


def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Tensors of one shape along a new axis."""
    arrays = [tensor.data for tensor in tensors]
    try:
        out = np.stack(arrays, axis=axis)
    except ValueError:
        raise ShapeError(f"stack: shapes {_shapes(arrays)} differ") from None
    return Tensor.from_op("stack", out, tensors, lambda g: tuple(np.moveaxis(g, axis, 0)))


def where(condition: NDArray[np.bool_], a: Tensor, b: Operand) -> Tensor:
    """a where the condition holds, else b; the three broadcast."""
    other, condition = as_tensor(b, a), np.asarray(condition, bool)
    try:
        out = np.where(condition, a.data, other.data)
    except ValueError:
        raise ShapeError(f"where: shapes {_shapes((condition, a.data, other.data))} do not fit") from None
    shapes = a.shape, other.shape
    return Tensor.from_op(
        "where",
        out,
        (a, other),
        lambda g: (unbroadcast(np.where(condition, g, 0), shapes[0]), unbroadcast(np.where(condition, 0, g), shapes[1])),
    )


def softplus(x: Tensor) -> Tensor:
    """ln(1 + e^x), without overflow; derivative sigma(x)."""
    return _unary("softplus", x, softplus_array, lambda a, out: losses.sigmoid(a))


def sigmoid(x: Tensor) -> Tensor:
    """sigma(x) = 1 / (1 + e^-x)."""
    return _unary("sigmoid", x, losses.sigmoid, lambda a, out: out * (1 - out))


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return _unary("tanh", x, np.tanh, lambda a, out: 1 - out * out)


def relu(x: Tensor) -> Tensor:
    """max(0, x); derivative 0 at 0."""
    # by the number 0 it takes NumPy twice as long
    return _unary("relu", x, lambda a: np.maximum(a, np.zeros_like(a)), lambda a, out: a > 0)


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """max(0, x) + slope min(0, x), He et al. 2015, "Delving deep into rectifiers", equation 1; x (..., d), slope (d,). Fused."""
    data, below = x.data, slope.data
    if x.shape[-1:] != slope.shape:
        raise ShapeError(f"prelu: shapes {_shapes((data, below))} do not fit")
    lead = tuple(range(x.ndim - 1))

    def backward(g: Floats) -> tuple[Floats, Floats]:
        return np.where(data > 0, g, g * below), (g * np.minimum(data, 0)).sum(axis=lead)

    return Tensor.from_op("prelu", np.where(data > 0, data, data * below), (x, slope), backward)


def leaky_relu(x: Tensor, slope: float = 0.01) -> Tensor:
    """max(x, slope x), Maas et al. 2013; derivative `slope` at 0."""
    return _unary("leaky_relu", x, lambda a: np.maximum(a, slope * a), lambda a, out: np.where(a > 0, a.dtype.type(1), a.dtype.type(slope)))


def gelu(x: Tensor) -> Tensor:
    """x Phi(x) in the tanh form, Hendrycks & Gimpel 2016, section 2: x/2 (1 + tanh(sqrt(2/pi) (x + .044715 x^3))). Fused.

    Within 5e-4 of the form with erf, and NumPy alone has what it needs.
    """
    c = float(np.sqrt(2 / np.pi))

    def derivative(a: Floats, out: Floats) -> Floats:
        square = a * a
        curve = np.tanh(c * a * (1 + 0.044715 * square))
        slope: Floats = 0.5 * (1 + curve) + (0.5 * c) * a * (1 - curve * curve) * (1 + 0.134145 * square)
        return slope

    return _unary("gelu", x, lambda a: 0.5 * a * (1 + np.tanh(c * a * (1 + 0.044715 * (a * a)))), derivative)


def silu(x: Tensor) -> Tensor:
    """x sigma(x), Elfwing et al. 2018. Fused."""

    def derivative(a: Floats, out: Floats) -> Floats:
        gate = losses.sigmoid(a)
        return gate + out * (1 - gate)

    return _unary("silu", x, lambda a: a * losses.sigmoid(a), derivative)


def logsumexp(x: Tensor, axis: int = -1, keepdims: bool = False) -> Tensor:
    """ln sum e^x over an axis, shifted by the maximum; fused. -inf where all of them are."""
    kept, probabilities = softmax_array(x.data, axis)
    out = kept if keepdims else kept.squeeze(axis)
    return Tensor.from_op("logsumexp", out, (x,), lambda g: ((g if keepdims else np.expand_dims(g, axis)) * probabilities,))


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """e^x / sum e^x over an axis; fused. Entries -inf have none of it."""
    out = softmax_array(x.data, axis)[1]
    return Tensor.from_op("softmax", out, (x,), lambda g: (out * (g - (g * out).sum(axis=axis, keepdims=True)),))


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """x - ln sum e^x over an axis; fused."""
    out = x.data - softmax_array(x.data, axis)[0]
    return Tensor.from_op("log_softmax", out, (x,), lambda g: (g - np.exp(out) * g.sum(axis=axis, keepdims=True),))


def normalize(x: Tensor) -> Tensor:
    """Vectors of the last axis at length 1; those shorter than 1e-12 stay short. Fused."""
    norms = np.maximum(np.sqrt((x.data * x.data).sum(axis=-1, keepdims=True)), x.dtype.type(1e-12))
    out = x.data / norms
    return Tensor.from_op("normalize", out, (x,), lambda g: ((g - (g * out).sum(axis=-1, keepdims=True) * out) / norms,))


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float = 1e-5) -> Tensor:
    """weight (x - mean) / sqrt(variance + epsilon) + bias over the last axis, Ba et al. 2016; x (..., d), weight and bias (d,). Fused."""
    if not x.shape[-1:] == weight.shape == bias.shape:
        raise ShapeError(f"layer_norm: shapes {_shapes((x.data, weight.data, bias.data))} do not fit")
    backend, flat = resolve(), np.ascontiguousarray(x.data).reshape(-1, len(weight.data))
    unit, out, scale, gain = np.empty_like(flat), np.empty_like(flat), np.empty(len(flat), flat.dtype), weight.data
    rows = kernel("layer_norm_rows", backend)
    _by_parts(lambda s, e: rows(s, e, flat, gain, bias.data, epsilon, unit, scale, out), len(flat), flat.shape[1])

    def backward(g: Floats) -> tuple[Floats, Floats, Floats]:
        given, by_x = np.ascontiguousarray(g).reshape(flat.shape), np.empty_like(flat)
        gradients = kernel("layer_norm_gradients", backend)
        parts = _by_parts(lambda s, e: gradients(s, e, given, gain, unit, scale, by_x), len(flat), flat.shape[1])
        by_gain, by_bias = np.sum(parts, axis=0) if parts else np.zeros((2, *gain.shape), gain.dtype)
        return by_x.reshape(x.shape), by_gain, by_bias

    return Tensor.from_op("layer_norm", out.reshape(x.shape), (x, weight, bias), backward)


def dropout(x: Tensor, rate: float, key: int) -> Tensor:
    """x with a share of its numbers set to 0 and the others divided by the share that is kept, Srivastava et al. 2014.

    rate : in [0, 1), to the nearest 1 / 65536. Number i (in C order) is kept or not by 16 bits of mix(mix(key) ^ (i // 4)), mix as in
    reference/sgd.py: by the key and i alone.
    """
    if not 0 <= rate < 1:
        raise ParameterError(f"dropout: rate {rate} is not in [0, 1)")
    dropped = min(round(rate * 65536), 65535)
    if not dropped:
        return x
    base, drop = mix(np.array([key % 2**64], np.uint64)), kernel("drop_numbers", resolve())

    def masked(array: Floats) -> Floats:
        flat = np.ascontiguousarray(array).reshape(-1)
        out = np.empty_like(flat)
        _by_parts(lambda s, e: drop(s, e, flat, base, dropped, out), len(flat))
        return out.reshape(array.shape)

    return Tensor.from_op("dropout", masked(x.data), (x,), lambda g: (masked(g),))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W + b for x (..., k), weight (k, m), bias (m,); (..., m). Fused."""
    data, w = x.data, weight.data
    if w.ndim != 2 or not data.ndim or data.shape[-1] != w.shape[0] or (bias is not None and bias.shape != w.shape[1:]):
        raise ShapeError(f"linear: shapes {_shapes((data, w) if bias is None else (data, w, bias.data))} do not fit")
    flat = data.reshape(math.prod(data.shape[:-1]), w.shape[0])  # not -1, which a width of 0 leaves open
    out = product(flat, w)
    if bias is not None:
        out += bias.data

    def backward(g: Floats) -> tuple[Floats | None, ...]:
        flat_g = g.reshape(-1, w.shape[1])
        by_x = product(flat_g, w.T).reshape(data.shape) if x.requires_grad else None
        by_weight = gram(flat, flat_g) if weight.requires_grad else None
        return (by_x, by_weight) if bias is None else (by_x, by_weight, flat_g.sum(axis=0))

    parents = (x, weight) if bias is None else (x, weight, bias)
    return Tensor.from_op("linear", out.reshape(*data.shape[:-1], w.shape[1]), parents, backward)


def embedding(weight: Tensor, rows: NDArray[Any]) -> Tensor:
    """weight[rows] for a table (n, ...) and rows of any shape, integers in 0..n; the gradient is a RowGradient."""
    n = weight.shape[0]
    if rows.dtype.kind not in "iu" or (rows.size and not (rows.min() >= 0 and rows.max() < n)):
        span = f" from {rows.min()} to {rows.max()}" if rows.size else ""
        raise ShapeError(f"embedding: rows of type {rows.dtype}{span} for a table of shape {weight.shape}")

    def backward(g: Floats) -> tuple[RowGradient]:
        return (RowGradient.of(rows.reshape(-1), g.reshape(rows.size, *weight.shape[1:]), n),)

    return Tensor.from_op("embedding", weight.data[rows], (weight,), backward)


def propagate(matrix: CSR, transposed: CSR, x: Tensor) -> Tensor:
    """A x for a constant sparse matrix A (m, n), given with its transpose, and x (n, d); (m, d). See engine/graph/propagate.py."""
    if x.ndim != 2 or matrix.shape[1] != x.shape[0] or transposed.shape != matrix.shape[::-1]:
        raise ShapeError(f"propagate: shapes {matrix.shape}, transposed {transposed.shape}, and {x.shape} do not fit")
    backend = resolve()
    out = propagate_array(matrix, x.data, backend=backend)
    return Tensor.from_op("propagate", out, (x,), lambda g: (propagate_array(transposed, g, backend=backend),))


def attention(q: Tensor, k: Tensor, v: Tensor, indptr: NDArray[np.int64], heads: int, dropout: float = 0.0, key: int = 0) -> Tensor:
    """Causal attention of packed sequences, see engine/nn/attention.py; q, k, v (tokens, d); (tokens, d). Fused: no weights are kept."""
    out, saved = attend(q.data, k.data, v.data, indptr, heads, dropout=dropout, key=key)
    return Tensor.from_op("attention", out, (q, k, v), lambda g: attend_backward(g, saved))


def gru(x: Tensor, indptr: NDArray[np.int64], weights: Tensor, bias: Tensor) -> Tensor:
    """States of a gated recurrent unit over packed sequences, see engine/nn/recurrent.py; x (tokens, 3 d) projected; (tokens, d). Fused."""
    out, saved = recurrent.gru(x.data, indptr, weights.data, bias.data)
    return Tensor.from_op("gru", out, (x, weights, bias), lambda g: recurrent.gru_backward(g, saved))


def causal_convolution(x: Tensor, indptr: NDArray[np.int64], weights: Tensor, bias: Tensor, dilation: int = 1) -> Tensor:
    """Dilated causal convolution of packed sequences, see engine/nn/temporal.py; x (tokens, d), weights (width, d, d'); (tokens, d')."""
    out, saved = temporal.causal_convolution(x.data, indptr, weights.data, bias.data, dilation)
    return Tensor.from_op("causal_convolution", out, (x, weights, bias), lambda g: temporal.causal_convolution_backward(g, saved))


def causal_filter(x: Tensor, indptr: NDArray[np.int64], weights: Tensor) -> Tensor:
    """Filters of each coordinate of packed sequences, see engine/nn/spectral.py; x (tokens, d), weights (width, d); (tokens, d)."""
    out, saved = spectral.causal_filter(x.data, indptr, weights.data)
    return Tensor.from_op("causal_filter", out, (x, weights), lambda g: spectral.causal_filter_backward(g, saved))


def horizontal_convolution(x: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """Caser's filters over all places, see temporal.py; x (batch, L, d), weights (filters, height, d); (batch, filters)."""
    out, saved = temporal.horizontal_convolution(x.data, weights.data, bias.data)
    return Tensor.from_op("horizontal_convolution", out, (x, weights, bias), lambda g: temporal.horizontal_convolution_backward(g, saved))


def vertical_convolution(x: Tensor, weights: Tensor) -> Tensor:
    """Caser's weighted sums of the last L vectors, see temporal.py; x (batch, L, d), weights (filters, L); (batch, filters, d)."""
    out = temporal.vertical_convolution(x.data, weights.data)
    return Tensor.from_op(
        "vertical_convolution", out, (x, weights), lambda g: temporal.vertical_convolution_backward(g, x.data, weights.data)
    )


def convolution_2d(x: Tensor, weights: Tensor, bias: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
    """Convolution of images, see temporal.py; x (batch, channels, height, width), weights (filters, channels, kh, kw), bias
    (filters,); (batch, filters, rows, columns). Fused: of the backward pass the patches are kept.
    """
    out, saved = temporal.convolution_2d(x.data, weights.data, bias.data, stride=stride, padding=padding)
    return Tensor.from_op("convolution_2d", out, (x, weights, bias), lambda g: temporal.convolution_2d_backward(g, saved))


def max_pool(x: Tensor, size: tuple[int, int], stride: tuple[int, int] | None = None) -> Tensor:
    """The largest value of each window, see temporal.py; x (batch, channels, height, width); (batch, channels, rows, columns)."""
    out, saved = temporal.max_pool(x.data, size, stride)
    return Tensor.from_op("max_pool", out, (x,), lambda g: (temporal.max_pool_backward(g, saved),))


def target_attention(values: Tensor, targets: Tensor, indptr: NDArray[np.int64], own: Tensor, asked: Tensor, *unit: Tensor) -> Tensor:
    """Attention by candidates over packed sequences, see engine/nn/target_attention.py; unit: its four parts. (tokens, c, d). Fused."""
    arrays = (values.data, targets.data, indptr, own.data, asked.data)
    out, saved = target.target_attention(*arrays, target.Unit(*(part.data for part in unit)))
    parents = (values, targets, own, asked, *unit)
    return Tensor.from_op("target_attention", out, parents, lambda g: target.target_attention_backward(g, saved))


def sparse_linear(matrix: CSR, weight: Tensor, bias: Tensor) -> Tensor:
    """A W + b for a constant sparse matrix A (n, items), weight W (items, m) and bias (m,); (n, m). Fused.

    The first layer over histories. The gradient by W is a RowGradient of the items that A has entries of. Forward and backward O(nnz m).
    """
    if weight.ndim != 2 or matrix.shape[1] != weight.shape[0] or bias.shape != weight.shape[1:]:
        raise ShapeError(f"sparse_linear: shapes {_shapes((weight.data, bias.data))} do not fit a matrix of shape {matrix.shape}")
    backend, n = resolve(), weight.shape[0]
    out = propagate_array(matrix, weight.data, backend=backend)
    out += bias.data

    def backward(g: Floats) -> tuple[RowGradient, Floats]:
        back = matrix.transpose()
        items = np.flatnonzero(back.counts()).astype(np.int32)
        indptr = np.append(back.indptr[items], back.nnz)  # rows without entries take no room
        values = propagate_array(CSR(indptr, back.indices, back.data, (len(items), len(g))), g, backend=backend)
        return RowGradient(items, values, n), g.sum(axis=0)

    return Tensor.from_op("sparse_linear", out, (weight, bias), backward)


def softplus_array(x: Floats) -> Floats:
    """ln(1 + e^x) of an array, in its precision."""
    value: Floats = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return value


def softmax_array(x: Floats, axis: int = -1) -> tuple[Floats, Floats]:
    """ln sum e^x over an axis, which is kept with length 1, and e^x / sum e^x. All of them -inf: -inf, and zeros."""
    powers = np.array(np.moveaxis(x, axis, -1), order="C")
    logs = softmax_in_place(powers.reshape(-1, x.shape[axis])).reshape(*powers.shape[:-1], 1)
    return np.moveaxis(logs, -1, axis), np.moveaxis(powers, -1, axis)


def softmax_in_place(rows: Floats) -> Floats:
    """The same of the rows of a contiguous array (n, m), which are overwritten; returns ln sum e^x, (n,)."""
    logs, softmax_rows = np.empty(len(rows), rows.dtype), kernel("softmax_rows", resolve())
    _by_parts(lambda s, e: softmax_rows(s, e, rows, logs), len(rows), rows.shape[1])
    return logs


def _unary(name: str, x: Tensor, value: Callable[[Floats], Floats], derivative: Callable[[Floats, Floats], Any]) -> Tensor:
    """A function of each number, with its derivative as one of the number and the value."""
    data = x.data
    out = _by_chunks(value, data)
    return Tensor.from_op(name, out, (x,), lambda g: (_by_chunks(lambda up, a, y: up * derivative(a, y), g, data, out),))


def _by_chunks(function: Callable[..., Floats], *arrays: Floats) -> Floats:
    """A function of each number of arrays of one shape, computed in parts that stay in the cache with all that lies between."""
    if arrays[0].size <= _CHUNK:
        return function(*arrays)
    flat = [np.ascontiguousarray(array).reshape(-1) for array in arrays]
    out = np.empty_like(flat[0])

    def chunk(start: int, stop: int) -> None:
        out[start:stop] = function(*(array[start:stop] for array in flat))

    _by_parts(chunk, out.size)
    return out.reshape(arrays[0].shape)


def _by_parts(function: Callable[[int, int], T], n: int, width: int = 1) -> list[T]:
    """`run_blocks` over n rows of `width` numbers, by blocks that stay in the cache, on one thread where there is little to do."""
    return run_blocks(function, n, max(_CHUNK // max(width, 1), 1), threads=None if n * width > _SHARED else 1)


def _shapes(arrays: Sequence[Any]) -> str:
    return ", ".join(str(np.shape(array)) for array in arrays)

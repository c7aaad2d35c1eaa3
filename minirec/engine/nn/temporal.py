"""Convolutions over sequences and images, forward and backward: rows gathered side by side, then one matrix product.

As in the literature on networks all of them are cross-correlations: the kernel is not turned round. The products are
BLAS's: a fit enters `one_blas_thread` once, around all of its steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ...errors import ParameterError
from ..backend import run_blocks
from ..sequences import check_packed, shifted
from ..sparse import Floats, Pointer

_TOKENS = 2**12  # gathered at a time, and of a product that is summed over all tokens


class Convolved(NamedTuple):
    """What the backward pass of `causal_convolution` needs: its arguments."""

    x: Floats
    indptr: Pointer
    weights: Floats
    dilation: int


def causal_convolution(x: Floats, indptr: Pointer, weights: Floats, bias: Floats, dilation: int = 1) -> tuple[Floats, Convolved]:
    """out_t = bias + sum_m x_(t - (w - 1 - m) dilation) W_m within each sequence, what is before its start being zero.

    The layer of NextItNet, Yuan et al. 2019, section 3.3, after van den Oord et al. 2016, "WaveNet". x (tokens, d), weights (w, d, d'),
    bias (d',) of one floating type, indptr (sequences + 1,). Returns (tokens, d') and what `causal_convolution_backward` takes.
    O(tokens w d d').
    """
    check_packed("causal convolution", indptr, x=x)
    if weights.ndim != 3 or weights.shape[1] != x.shape[1] or bias.shape != weights.shape[2:]:
        shapes = f"{x.shape}, {weights.shape} and {bias.shape}"
        raise ParameterError(f"causal convolution: x must be (tokens, d), weights (width, d, d'), bias (d',), got {shapes}")
    if dilation < 1:
        raise ParameterError(f"causal convolution: dilation must be at least 1, got {dilation}")
    out = np.empty((len(x), len(bias)), x.dtype)
    taps = _taps(indptr, len(weights), dilation)
    flat = weights.reshape(-1, len(bias))

    def fill(start: int, stop: int) -> None:
        np.matmul(_beside(x, [tap[start:stop] for tap in taps]), flat, out=out[start:stop])
        out[start:stop] += bias

    run_blocks(fill, len(x), _TOKENS)
    return out, Convolved(x, indptr, weights, dilation)


def causal_convolution_backward(gradient: Floats, saved: Convolved) -> tuple[Floats, Floats, Floats]:
    """The gradients by x, weights and bias from that by the result, (tokens, d')."""
    x, indptr, weights, dilation = saved
    if gradient.shape != (len(x), weights.shape[2]):
        raise ParameterError(f"causal convolution: the gradient must be {(len(x), weights.shape[2])}, got {gradient.shape}")
    by_x = np.empty_like(x)
    earlier, later = _taps(indptr, len(weights), dilation), _taps(indptr, len(weights), -dilation)
    back = np.ascontiguousarray(weights.transpose(0, 2, 1)).reshape(-1, x.shape[1])

    def fill(start: int, stop: int) -> Floats:
        np.matmul(_beside(gradient, [tap[start:stop] for tap in later]), back, out=by_x[start:stop])
        product: Floats = _beside(x, [tap[start:stop] for tap in earlier]).T @ gradient[start:stop]
        return product

    by_weights = np.zeros((len(weights) * x.shape[1], weights.shape[2]), x.dtype)
    for part in run_blocks(fill, len(x), _TOKENS):
        by_weights += part
    return by_x, by_weights.reshape(weights.shape), gradient.sum(0)


def _taps(indptr: Pointer, width: int, dilation: int) -> list[NDArray[np.int64]]:
    """The token that each place of the kernel meets at each token, -1 where none; later ones where the dilation is negative."""
    return [shifted(indptr, (width - 1 - m) * dilation) for m in range(width)]


def _beside(x: Floats, taps: list[NDArray[np.int64]]) -> Floats:
    """The rows of x that each tap names, side by side: (tokens, width d); zero where there is none."""
    d = x.shape[1]
    out = np.empty((len(taps[0]), len(taps) * d), x.dtype)
    for m, tap in enumerate(taps):
        block = out[:, m * d : (m + 1) * d]
        block[:] = x[tap]
        block[tap < 0] = 0
    return out


class Pooled(NamedTuple):
    """What the backward pass of `horizontal_convolution` needs: its arguments, and where each largest value was (batch, filters)."""

    x: Floats
    weights: Floats
    at: NDArray[np.int64]
    out: Floats


def horizontal_convolution(x: Floats, weights: Floats, bias: Floats) -> tuple[Floats, Pooled]:
    """max_i relu(bias_f + <W_f, x[i : i + height]>), Caser, Tang & Wang 2018, equations 4 and 5, with relu as its phi.

    x (batch, L, d), the last L vectors of each user; weights (filters, height, d), height <= L; bias (filters,). (batch, filters).
    The relu is taken after the maximum, which is the same. O(batch L filters height d); each of the L - height + 1 places is a product on
    a view of x.
    """
    if x.ndim != 3 or weights.ndim != 3 or x.shape[2] != weights.shape[2] or not 1 <= weights.shape[1] <= x.shape[1]:
        shapes = f"{x.shape} and {weights.shape}"
        raise ParameterError(f"horizontal convolution: x must be (batch, L, d), weights (filters, height <= L, d), got {shapes}")
    if bias.shape != weights.shape[:1]:
        raise ParameterError(f"horizontal convolution: bias must be {weights.shape[:1]}, got {bias.shape}")
    x = np.ascontiguousarray(x)
    batch, length, d = x.shape
    flat, size = x.reshape(batch, length * d), weights.shape[1] * d
    across = np.ascontiguousarray(weights.reshape(len(weights), size).T)
    best = flat[:, :size] @ across
    at = np.zeros(best.shape, np.int64)
    for i in range(1, length - weights.shape[1] + 1):
        here = flat[:, i * d : i * d + size] @ across
        at[here > best] = i
        np.maximum(best, here, out=best)
    out = np.maximum(best + bias, 0)
    return out, Pooled(x, weights, at, out)


def horizontal_convolution_backward(gradient: Floats, saved: Pooled) -> tuple[Floats, Floats, Floats]:
    """The gradients by x, weights and bias from that by the result, (batch, filters): only the places of the largest values get any."""
    x, weights, at, out = saved
    if gradient.shape != out.shape:
        raise ParameterError(f"horizontal convolution: the gradient must be {out.shape}, got {gradient.shape}")
    batch, length, d = x.shape
    size, flat = weights.shape[1] * d, x.reshape(batch, length * d)
    by_x, by_weights = np.zeros_like(flat), np.zeros((len(weights), size), x.dtype)
    passed = np.where(out > 0, gradient, 0)
    for i in range(length - weights.shape[1] + 1):
        here = np.where(at == i, passed, 0)
        by_x[:, i * d : i * d + size] += here @ weights.reshape(len(weights), size)
        by_weights += here.T @ flat[:, i * d : i * d + size]
    return by_x.reshape(x.shape), by_weights.reshape(weights.shape), passed.sum(0)


def vertical_convolution(x: Floats, weights: Floats) -> Floats:
    """out[b, f] = sum_l weights[f, l] x[b, l], Caser's weighted sums of the last L vectors, Tang & Wang 2018, equations 6 and 7.

    x (batch, L, d), weights (filters, L); (batch, filters, d).
    """
    if x.ndim != 3 or weights.ndim != 2 or weights.shape[1] != x.shape[1]:
        raise ParameterError(f"vertical convolution: x must be (batch, L, d), weights (filters, L), got {x.shape} and {weights.shape}")
    out: Floats = weights @ x
    return out


def vertical_convolution_backward(gradient: Floats, x: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """The gradients by x and weights from that by the result, (batch, filters, d)."""
    if gradient.shape != (len(x), len(weights), x.shape[2]):
        raise ParameterError(f"vertical convolution: the gradient must be {(len(x), len(weights), x.shape[2])}, got {gradient.shape}")
    return weights.T @ gradient, np.tensordot(gradient, x, ((0, 2), (0, 2)))


class Images(NamedTuple):
    """What the backward pass of `convolution_2d` needs: the shape of x, the patches (batch rows columns, channels kh kw), the weights."""

    shape: tuple[int, ...]
    patches: Floats
    weights: Floats
    stride: int
    padding: int


def convolution_2d(x: Floats, weights: Floats, bias: Floats, *, stride: int = 1, padding: int = 0) -> tuple[Floats, Images]:
    """out[b, f, i, j] = bias_f + sum_{c,u,v} weights[f, c, u, v] x[b, c, i stride + u - padding, j stride + v - padding].

    x (batch, channels, height, width), weights (filters, channels, kh, kw), bias (filters,); zero outside of x. Returns (batch,
    filters, rows, columns) and what `convolution_2d_backward` takes, kh kw times as much as x. O(patches filters kh kw channels).
    """
    if x.ndim != 4 or weights.ndim != 4 or x.shape[1] != weights.shape[1] or bias.shape != weights.shape[:1]:
        shapes = f"{x.shape}, {weights.shape} and {bias.shape}"
        raise ParameterError(
            f"convolution: x must be (batch, channels, h, w), weights (filters, channels, kh, kw), a bias a filter, got {shapes}"
        )
    if stride < 1 or padding < 0 or any(n + 2 * padding < k for n, k in zip(x.shape[2:], weights.shape[2:], strict=True)):
        raise ParameterError(f"convolution: {weights.shape} with stride {stride} and padding {padding} has no place in {x.shape}")
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = sliding_window_view(padded, weights.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    batch, _, rows, columns = windows.shape[:4]
    patches = windows.transpose(0, 2, 3, 1, 4, 5).reshape(batch * rows * columns, -1)
    out = patches @ weights.reshape(len(weights), -1).T + bias
    return out.reshape(batch, rows, columns, -1).transpose(0, 3, 1, 2), Images(x.shape, patches, weights, stride, padding)


def convolution_2d_backward(gradient: Floats, saved: Images) -> tuple[Floats, Floats, Floats]:
    """The gradients by x, weights and bias from that by the result, (batch, filters, rows, columns)."""
    (batch, channels, height, width), patches, weights, stride, padding = saved
    filters, _, kh, kw = weights.shape
    rows, columns = ((n + 2 * padding - k) // stride + 1 for n, k in ((height, kh), (width, kw)))
    if gradient.shape != (batch, filters, rows, columns):
        raise ParameterError(f"convolution: the gradient must be {(batch, filters, rows, columns)}, got {gradient.shape}")
    flat = gradient.transpose(0, 2, 3, 1).reshape(-1, filters)
    by_patch = (flat @ weights.reshape(filters, -1)).reshape(batch, rows, columns, channels, kh, kw)
    padded = np.zeros((batch, channels, height + 2 * padding, width + 2 * padding), gradient.dtype)
    for u in range(kh):
        for v in range(kw):
            here = by_patch[..., u, v].transpose(0, 3, 1, 2)
            padded[:, :, u : u + rows * stride : stride, v : v + columns * stride : stride] += here
    by_x = padded[:, :, padding : padding + height, padding : padding + width]
    return by_x, (flat.T @ patches).reshape(weights.shape), flat.sum(0)


class Largest(NamedTuple):
    """What the backward pass of `max_pool` needs: the shape of x and where in it each largest value stands, as flat places."""

    shape: tuple[int, ...]
    at: NDArray[np.int64]


def max_pool(x: Floats, size: tuple[int, int], stride: tuple[int, int] | None = None) -> tuple[Floats, Largest]:
    """The largest value of each window of `size`, every `stride` (None: side by side), over the last two axes; the first where equal.

    x (batch, channels, height, width); (batch, channels, rows, columns). A rest that no window covers is left out.
    """
    step = size if stride is None else stride
    if x.ndim != 4 or min(*size, *step) < 1 or size[0] > x.shape[2] or size[1] > x.shape[3]:
        raise ParameterError(f"max pooling: windows of {size} every {step} have no place in {x.shape}")
    windows = sliding_window_view(x, size, axis=(2, 3))[:, :, :: step[0], :: step[1]]
    rows, columns = windows.shape[2:4]
    inner = windows.reshape(*windows.shape[:4], -1).argmax(-1)
    i = np.arange(rows)[:, None] * step[0] + inner // size[1]
    j = np.arange(columns) * step[1] + inner % size[1]
    images = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], 1, 1)
    at = (images * x.shape[2] + i) * x.shape[3] + j
    return x.reshape(-1)[at], Largest(x.shape, at)


def max_pool_backward(gradient: Floats, saved: Largest) -> Floats:
    """The gradient by x from that by the result: a place that is the largest of several windows gets the sum of theirs."""
    if gradient.shape != saved.at.shape:
        raise ParameterError(f"max pooling: the gradient must be {saved.at.shape}, got {gradient.shape}")
    by_x = np.bincount(saved.at.reshape(-1), gradient.reshape(-1), int(np.prod(saved.shape)))
    return by_x.astype(gradient.dtype, copy=False).reshape(saved.shape)

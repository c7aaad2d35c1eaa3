"""Filters as long as the history, one for each coordinate, over packed sequences: by the Fourier transform, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError
from ..backend import run_blocks
from ..sequences import check_packed, cut_last, positions
from ..sparse import Floats, Pointer

_NUMBERS = 2**18  # of padded sequences that a thread takes at once, and of a part of the sum over them

Spectrum = NDArray[np.complexfloating[Any, Any]]


class Filtered(NamedTuple):
    """The arguments of `causal_filter`, which its backward pass needs."""

    x: Floats
    indptr: Pointer
    weights: Floats


def causal_filter(x: Floats, indptr: Pointer, weights: Floats) -> tuple[Floats, Filtered]:
    """out_t = sum_m w_m * x_(t - m) within each sequence, coordinate by coordinate; what is before its start is zero.

    x (tokens, d), weights w (width, d) of one floating type, indptr (sequences + 1,). Returns (tokens, d) and what
    `causal_filter_backward` takes. A sequence of n is padded to a power of two of at least 2 n, so that the circular convolution, which
    is a product of transforms, does not come round: its size, and so its bits, depend on its own length alone. O(tokens d log n).
    """
    check_packed("causal filter", indptr, x=x)
    if weights.ndim != 2 or weights.shape[1] != x.shape[1] or weights.dtype != x.dtype:
        raise ParameterError(f"causal filter: weights {weights.shape} {weights.dtype} do not fit x {x.shape} {x.dtype}")
    out = np.empty_like(x)
    for size, sequences in _by_size(indptr):
        kernel = _kernel(weights, size)

        def block(start: int, stop: int, size: int = size, sequences: NDArray[np.int64] = sequences, kernel: Spectrum = kernel) -> None:
            tokens, spectrum = _spectra(x, indptr, sequences[start:stop], size)
            tokens.write(out, spectrum * kernel)

        run_blocks(block, len(sequences), _together(size, x.shape[1]))
    return out, Filtered(x, indptr, weights)


def causal_filter_backward(gradient: Floats, saved: Filtered) -> tuple[Floats, Floats]:
    """The gradients by x and the weights from that by the result, (tokens, d): correlations in place of the convolution."""
    x, indptr, weights = saved
    if gradient.shape != x.shape:
        raise ParameterError(f"causal filter: the gradient must be {x.shape} as the result is, got {gradient.shape}")
    by_x, by_weights = np.empty_like(x), np.zeros_like(weights)
    for size, sequences in _by_size(indptr):
        kernel = _kernel(weights, size)

        def block(start: int, stop: int, size: int = size, sequences: NDArray[np.int64] = sequences, kernel: Spectrum = kernel) -> Spectrum:
            tokens, above = _spectra(gradient, indptr, sequences[start:stop], size)
            tokens.write(by_x, above * kernel.conj())
            inputs = _spectra(x, indptr, sequences[start:stop], size)[1]
            np.conjugate(inputs, out=inputs)
            inputs *= above
            summed: Spectrum = inputs.sum(axis=0)
            return summed

        total = sum(run_blocks(block, len(sequences), _together(size, x.shape[1])))
        reach = min(size // 2, len(weights))
        by_weights[:reach] += np.fft.irfft(total, size)[:, :reach].T
    return by_x, by_weights


class _Tokens(NamedTuple):
    """Where the tokens of some padded sequences (sequences, d, size) are: their rows, sequences and places."""

    rows: NDArray[np.int64]
    owners: NDArray[np.int64]
    places: NDArray[np.int64]
    size: int

    def write(self, out: Floats, spectrum: Spectrum) -> None:
        out[self.rows] = np.fft.irfft(spectrum, self.size)[self.owners, :, self.places]


def _spectra(x: Floats, indptr: Pointer, sequences: NDArray[np.int64], size: int) -> tuple[_Tokens, Spectrum]:
    """The transforms of some sequences, padded: (sequences, d, size / 2 + 1)."""
    packed, rows = cut_last(indptr, sequences)
    tokens = _Tokens(rows, np.repeat(np.arange(len(sequences)), np.diff(packed)), positions(packed), size)
    wide = np.zeros((len(sequences), x.shape[1], size), x.dtype)
    wide[tokens.owners, :, tokens.places] = x[rows]
    return tokens, np.fft.rfft(wide)


def _kernel(weights: Floats, size: int) -> Spectrum:
    """The transforms of the filters, cut to what sequences of this size can reach: (d, size / 2 + 1)."""
    return np.fft.rfft(np.ascontiguousarray(weights[: size // 2].T), size)


def _by_size(indptr: Pointer) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The sequences that are padded to each size, empty ones left out."""
    lengths = np.diff(indptr)
    sizes = np.where(lengths > 0, 2 ** np.ceil(np.log2(2 * np.maximum(lengths, 1))).astype(np.int64), 0)
    for size in np.unique(sizes[sizes > 0]).tolist():
        yield size, np.flatnonzero(sizes == size)


def _together(size: int, d: int) -> int:
    return max(_NUMBERS // (size * d), 1)

"""The forward pass of a text encoder of the BERT family over packed token sequences (see sequences.py); nothing is padded.

Devlin et al. 2019, "BERT"; Liu et al. 2019, "RoBERTa". Weights are held as float32, float16 or int8 with a scale a row, and are widened
to float32 in small blocks while they are used; all sums are in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError
from ..backend import kernel, one_blas_thread, resolve, run_blocks
from ..sequences import blocks_of, offsets, positions
from ..sparse import Floats, Index, Pointer
from .dense import COLUMNS

TILE = 256  # tokens of a tile: a thread takes its texts through all layers
PRECISIONS = ("float32", "float16", "int8")
_ROWS = 4096  # of a table that are made int8 at once


class Dense(NamedTuple):
    """A dense layer as the kernel wants it: weights in panels, scale and bias (outputs,). See reference/encoder.py."""

    panels: NDArray[Any]
    scale: Floats
    bias: Floats

    @classmethod
    def packed(cls, weight: NDArray[Any], bias: Floats, precision: str, scale: Floats | None = None) -> Self:
        """From weights (outputs, inputs), floating, or int8 with the scale of each output."""
        values, factor = held(weight, precision, scale)
        m, k = weight.shape
        panels = np.zeros((-(-m // COLUMNS), k, COLUMNS), values.dtype)
        for p, panel in enumerate(panels):
            part = values[p * COLUMNS : (p + 1) * COLUMNS]
            panel[:, : len(part)] = part.T
        ones = np.ones(m, np.float32) if factor is None else factor
        return cls(panels.view(np.uint16) if precision == "float16" else panels, ones, np.ascontiguousarray(bias, np.float32))


class Table(NamedTuple):
    """A table of vectors (n, d) that are looked up; int8 with the scale of each."""

    values: NDArray[Any]
    scale: Floats | None

    def rows(self, at: NDArray[Any]) -> Floats:
        """Some rows, float32."""
        found: Floats = self.values[at].astype(np.float32)
        if self.scale is not None:
            found *= self.scale[at, None]
        return found


class Norm(NamedTuple):
    """Gain and bias of a layer normalization, (d,) each."""

    gain: Floats
    bias: Floats


class Layer(NamedTuple):
    """One layer: attention and a network of two layers, each added to its input and normalized."""

    query: Dense
    key: Dense
    value: Dense
    attended: Dense
    attended_norm: Norm
    inner: Dense
    outer: Dense
    outer_norm: Norm


class Encoder(NamedTuple):
    """words (vocabulary, d); places (longest text, d), positions and token type together; heads of attention, epsilon of the norms."""

    words: Table
    places: Floats
    norm: Norm
    layers: list[Layer]
    heads: int
    epsilon: float


def encode(encoder: Encoder, tokens: Index, indptr: Pointer, pooling: str, *, backend: str | None = None) -> Floats:
    """Vectors float32 (texts, d): of each text the mean of its tokens' vectors in the last layer ("mean"), or its first one ("cls").

    tokens : rows of the vocabulary, those of text s at indptr[s] .. indptr[s + 1]; every text has at least one, and no more than there
    are places. Texts go through the layers in tiles of about `TILE` tokens, by their lengths: same texts, same bytes for any threads.
    With the compiled kernels a text has the same bytes in any list. For n tokens a text and h inner units a layer: time
    O(layers tokens (d² + d h + n d)), memory O(TILE (d + h)) a thread beside the result.
    """
    lengths = np.diff(indptr)
    if len(lengths) and not 1 <= lengths.min() <= lengths.max() <= len(encoder.places):
        raise ParameterError(f"encode: texts must have 1 to {len(encoder.places)} tokens, got {lengths.min()} to {lengths.max()}")
    if pooling not in ("mean", "cls"):
        raise ParameterError(f"encode: pooling must be mean or cls, got {pooling!r}")
    chosen = backend or resolve()
    out = np.empty((len(lengths), encoder.places.shape[1]), np.float32)
    order = np.argsort(-lengths, kind="stable")
    cuts = blocks_of(lengths[order], TILE).tolist()

    def tile(number: int, _: int) -> None:
        texts = order[cuts[number] : cuts[number + 1]]
        packed = offsets(lengths[texts])
        rows = np.arange(packed[-1]) + np.repeat(indptr[texts] - packed[:-1], lengths[texts])
        hidden = _through(encoder, tokens[rows], packed, chosen)
        if pooling == "cls":
            out[texts] = hidden[packed[:-1]]
        else:
            out[texts] = np.add.reduceat(hidden, packed[:-1], axis=0) / lengths[texts, None].astype(np.float32)

    with one_blas_thread():
        run_blocks(tile, len(cuts) - 1 if len(lengths) else 0, 1)
    return out


def held(weight: NDArray[Any], precision: str, scale: Floats | None = None) -> tuple[NDArray[Any], Floats | None]:
    """Weights (rows, columns) in a precision: as they are, or int8 with a scale a row, the largest of it / 127."""
    if precision == "int8":
        if scale is not None:
            return weight, scale
        values, factor = np.empty(weight.shape, np.int8), np.empty(len(weight), np.float32)
        for start in range(0, len(weight), _ROWS):
            part = slice(start, start + _ROWS)
            largest = np.abs(weight[part]).max(axis=1, initial=0).astype(np.float32)
            factor[part] = np.where(largest > 0, largest / np.float32(127), np.float32(1))
            values[part] = np.rint(weight[part] / factor[part, None])
        return values, factor
    wide = weight if scale is None else weight.astype(np.float32) * scale[:, None]
    return wide.astype(precision, copy=False), None


def _through(encoder: Encoder, tokens: Index, indptr: Pointer, backend: str) -> Floats:
    """The last layer's vectors of the tokens of a tile, (tokens, d)."""
    dense_rows, attend = kernel("dense_rows", backend), kernel("attend_rows", backend)
    n, d = len(tokens), encoder.places.shape[1]

    def dense(layer: Dense, x: Floats, out: Floats, curved: bool = False) -> Floats:
        dense_rows(0, n, *layer, curved, x, out)
        return out

    normalise: Callable[..., None] = kernel("normalise_rows", backend)
    x = encoder.words.rows(tokens)
    normalise(0, n, x, encoder.places[positions(indptr)], *encoder.norm, encoder.epsilon)
    q, k, v, y = np.empty((4, n, d), np.float32)
    logsum = np.empty((n, encoder.heads), np.float32)
    inner = np.empty((n, len(encoder.layers[0].inner.bias) if encoder.layers else 0), np.float32)
    none = np.uint64(0)
    for layer in encoder.layers:
        dense(layer.query, x, q)
        dense(layer.key, x, k)
        dense(layer.value, x, v)
        attend(0, len(indptr) - 1, indptr, q, k, v, encoder.heads, False, none, none, y, logsum)
        dense(layer.attended, y, q)
        normalise(0, n, x, q, *layer.attended_norm, encoder.epsilon)
        dense(layer.inner, x, inner, curved=True)
        dense(layer.outer, inner, q)
        normalise(0, n, x, q, *layer.outer_norm, encoder.epsilon)
    return x

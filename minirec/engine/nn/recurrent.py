"""A gated recurrent unit over packed sequences (see sequences.py), forward and backward.

Matrix products are BLAS's: a fit enters `one_blas_thread` once, around all of its steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError
from ..backend import kernel, resolve, run_blocks
from ..sequences import blocks_of, check_packed
from ..sparse import Floats, Pointer

_SEQUENCES = 128  # that go through time together, unless they have more tokens
_TOKENS = 2**13  # in such a block, and of a product that is summed over all tokens


class Remembered(NamedTuple):
    """What the backward pass of `gru` needs: the order of the sequences, cut into blocks, weights, states, gates (tokens, 4 d)."""

    indptr: Pointer
    order: NDArray[np.int64]
    blocks: NDArray[np.int64]
    weights: Floats
    out: Floats
    gates: Floats
    backend: str


def gru(x: Floats, indptr: Pointer, weights: Floats, bias: Floats, *, backend: str | None = None) -> tuple[Floats, Remembered]:
    """The states h of every sequence from h_0 = 0, (tokens, d); formulas and sources: reference/recurrent.py.

    x (tokens, 3 d), the projected inputs with their bias, weights (d, 3 d) and bias (3 d,) of the recurrent product, columns in the order
    reset, update, new, all of one floating type. Also returns what `gru_backward` takes. Sequences are taken in the order of their
    lengths, so that step t is one product for those that are longer than t. O(tokens d^2); memory O(tokens d).
    """
    check_packed("gru", indptr, x=x)
    d = weights.shape[0]
    if weights.shape != (d, 3 * d) or x.shape[1] != 3 * d or bias.shape != (3 * d,):
        raise ParameterError(f"gru: x must be (tokens, 3 d), weights (d, 3 d), bias (3 d,), got {x.shape}, {weights.shape}, {bias.shape}")
    if x.dtype != weights.dtype or x.dtype != bias.dtype:
        raise ParameterError(f"gru: x, weights and bias must have one type, got {x.dtype}, {weights.dtype}, {bias.dtype}")
    x, weights, bias = np.ascontiguousarray(x), np.ascontiguousarray(weights), np.ascontiguousarray(bias)
    lengths = np.diff(indptr)
    order = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
    blocks = blocks_of(np.maximum(lengths[order], _TOKENS // _SEQUENCES), _TOKENS)
    out, gates = np.empty((len(x), d), x.dtype), np.empty((len(x), 4 * d), x.dtype)
    saved = Remembered(indptr, order, blocks, weights, out, gates, backend or resolve())
    step = kernel("gru_step", saved.backend)

    def run(b: int, _: int) -> None:
        firsts, active = _block(saved, b)
        state, product = np.zeros((len(firsts), d), x.dtype), np.zeros((len(firsts), 3 * d), x.dtype)
        for t, n in enumerate(active):
            if t:
                np.matmul(state[:n], weights, out=product[:n])
            step(0, n, t, firsts, x, product, bias, state, out, gates)

    run_blocks(run, len(blocks) - 1, 1)
    return out, saved


def gru_backward(gradient: Floats, saved: Remembered) -> tuple[Floats, Floats, Floats]:
    """The gradients by x (tokens, 3 d), weights (d, 3 d) and bias (3 d,) from that by the states (tokens, d). O(tokens d^2)."""
    out, weights = saved.out, saved.weights
    if gradient.shape != out.shape:
        raise ParameterError(f"gru: the gradient must be {out.shape} as the states are, got {gradient.shape}")
    incoming, back = np.ascontiguousarray(gradient, out.dtype), np.ascontiguousarray(weights.T)
    d = len(weights)
    by_x, by_m = np.empty((len(out), 3 * d), out.dtype), np.empty((len(out), d), out.dtype)
    step = kernel("gru_step_back", saved.backend)

    def run(b: int, _: int) -> None:
        firsts, active = _block(saved, b)
        by_state, by_product = np.zeros((len(firsts), d), out.dtype), np.empty((len(firsts), 3 * d), out.dtype)
        for t in range(len(active) - 1, -1, -1):
            n = active[t]
            step(0, n, t, firsts, out, saved.gates, incoming, by_state, by_product, by_x, by_m)
            if t:
                by_state[:n] += by_product[:n] @ back

    run_blocks(run, len(saved.blocks) - 1, 1)
    before = np.zeros_like(out)
    before[1:] = out[:-1]
    before[saved.indptr[saved.order]] = 0

    def add_up(start: int, stop: int) -> tuple[Floats, Floats]:
        rows = slice(start, stop)
        by_product = np.concatenate((by_x[rows, : 2 * d], by_m[rows]), axis=1)
        return before[rows].T @ by_product, by_product.sum(0)

    by_weights, by_bias = np.zeros_like(weights), np.zeros(3 * d, out.dtype)
    for part, bias_part in run_blocks(add_up, len(out), _TOKENS):
        by_weights += part
        by_bias += bias_part
    return by_x, by_weights, by_bias


def _block(saved: Remembered, b: int) -> tuple[Pointer, list[int]]:
    """The first tokens of the sequences of a block, the longest first, and how many of them are longer than t for each step t."""
    chosen = saved.order[saved.blocks[b] : saved.blocks[b + 1]]
    lengths = saved.indptr[chosen + 1] - saved.indptr[chosen]
    return saved.indptr[chosen], np.searchsorted(-lengths, -np.arange(lengths.max(initial=0)), side="left").tolist()

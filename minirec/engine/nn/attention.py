"""Multi-head self-attention over packed sequences (see sequences.py), forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...errors import ParameterError
from ..backend import kernel, resolve, run_blocks
from ..sequences import blocks_of, check_packed
from ..sparse import Floats, Pointer

_PAIRS = 2**15  # pairs of a query and a key in a block of sequences; no result depends on it


class Attended(NamedTuple):
    """What the backward pass of `attend` needs: its arguments, its result, and the log-sum-exp (tokens, heads) of the scores."""

    q: Floats
    k: Floats
    v: Floats
    indptr: Pointer
    heads: int
    causal: bool
    drop: np.uint64
    key: np.uint64
    backend: str
    out: Floats
    logsum: Floats


def attend(
    q: Floats,
    k: Floats,
    v: Floats,
    indptr: Pointer,
    heads: int,
    *,
    causal: bool = True,
    dropout: float = 0.0,
    key: int = 0,
    backend: str | None = None,
) -> tuple[Floats, Attended]:
    """softmax(q k^T / sqrt(w)) v within each sequence and head, Vaswani et al. 2017, equation 1; w = d / heads.

    q, k, v (tokens, d) of one floating type, indptr (sequences + 1,). causal: a token sees itself and what is before it. dropout, in
    [0, 1), to 16 bits, is applied to the weights by a mask that depends on `key` (64 bits) alone: give each layer and step its own. Returns
    (tokens, d) and what `attend_backward` takes. O(d sum n^2) time over the lengths n; memory O(tokens d). Same bytes for any threads.
    """
    check_packed("attention", indptr, q=q, k=k, v=v)
    _check_heads(q, heads)
    if q.shape != k.shape or q.shape != v.shape:
        raise ParameterError(f"attention: q, k and v must have one shape, got {q.shape}, {k.shape} and {v.shape}")
    if not 0 <= dropout < 1:
        raise ParameterError(f"attention: dropout must be in [0, 1), got {dropout}")
    q, k, v = (np.ascontiguousarray(x) for x in (q, k, v))
    drop, bits = np.uint64(min(round(dropout * 2**16), 2**16 - 1)), np.uint64(key % 2**64)
    saved = Attended(q, k, v, indptr, heads, causal, drop, bits, backend or resolve(), np.empty_like(q), np.empty((len(q), heads), q.dtype))
    rows = kernel("attend_rows", saved.backend)
    _over(indptr, lambda a, b: rows(a, b, indptr, q, k, v, heads, causal, bits, drop, saved.out, saved.logsum))
    return saved.out, saved


def attend_backward(gradient: Floats, saved: Attended) -> tuple[Floats, Floats, Floats]:
    """The gradients by q, k and v from that by the result, (tokens, d) each; weights and masks are computed again. O(d sum n^2)."""
    if gradient.shape != saved.out.shape:
        raise ParameterError(f"attention: the gradient must be {saved.out.shape} as the result is, got {gradient.shape}")
    incoming = np.ascontiguousarray(gradient, saved.out.dtype)
    by_q, by_k, by_v = np.empty_like(saved.q), np.empty_like(saved.k), np.empty_like(saved.v)
    given = (saved.indptr, saved.q, saved.k, saved.v, saved.heads, saved.causal, saved.key, saved.drop, saved.out, saved.logsum)
    rows = kernel("attend_gradients", saved.backend)
    _over(saved.indptr, lambda a, b: rows(a, b, *given, incoming, by_q, by_k, by_v))
    return by_q, by_k, by_v


def attention_weights(q: Floats, k: Floats, heads: int, *, causal: bool = True) -> Floats:
    """The weights of one sequence, for explanation: (heads, n, n), row i of a head adding up to 1 over what token i sees; q, k (n, d)."""
    _check_heads(q, heads)
    if q.shape != k.shape:
        raise ParameterError(f"attention weights: q and k must have one shape, got {q.shape} and {k.shape}")
    n, width = len(q), q.shape[1] // heads
    scores = q.reshape(n, heads, width).transpose(1, 0, 2) @ k.reshape(n, heads, width).transpose(1, 2, 0) / q.dtype.type(np.sqrt(width))
    if causal:
        scores[:, np.triu(np.ones((n, n), bool), 1)] = -np.inf
    p = np.exp(scores - scores.max(-1, keepdims=True))
    weights: Floats = p / p.sum(-1, keepdims=True)
    return weights


def _check_heads(q: Floats, heads: int) -> None:
    if heads < 1 or q.ndim != 2 or q.shape[1] % heads:
        raise ParameterError(f"attention: {heads} heads do not divide the columns of {q.shape}")


def _over(indptr: Pointer, work: Callable[[int, int], None]) -> None:
    """`work` on blocks of sequences with about as many pairs each."""
    lengths = np.diff(indptr)
    cuts = blocks_of(lengths * (lengths + 16), _PAIRS).tolist()
    run_blocks(lambda b, _: work(cuts[b], cuts[b + 1]), len(cuts) - 1, 1)

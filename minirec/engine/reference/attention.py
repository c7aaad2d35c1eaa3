"""Attention over packed sequences, in NumPy: sequences of one length are computed together, so that nothing is padded.

Rows indptr[s] .. indptr[s + 1] of q, k, v (tokens, d) are sequence s; head h has columns h w .. (h + 1) w, w = d / heads. Weights of
query i on the keys j that it sees (j <= i where causal, else all of its sequence), Vaswani et al. 2017, equation 1:

    p_ij = exp(q_i . k_j / sqrt(w) - l_i),   l_i = log sum_j exp(q_i . k_j / sqrt(w)),   out_i = sum_j m_ij p_ij v_j

With dropout (Srivastava et al. 2014) m_ij is 0 where a draw falls below drop / 2^16, else 1 / (1 - drop / 2^16). The draw of weight j
of n is the 16 bits number j // c of mix(mix(key ^ (token heads + h)) ^ (j mod c)), c = ceil(n / 4), mix being SplitMix64's step (see
sgd.py): so the backward pass makes the same mask again. Only l is kept, one number a token and head, in powers of two (l / log 2), as
Dao et al. 2022, "FlashAttention", does: memory is linear in the tokens. Weights are held for `_WEIGHTS` pairs at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..random import mix
from ..sparse import Floats, Pointer

_WEIGHTS, _ROWS = 2**20, 64


def attend_rows(
    start: int, stop: int, indptr: Pointer, q: Floats, k: Floats, v: Floats, heads: int, causal: bool, key: np.uint64, drop: np.uint64,
    out: Floats, logsum: Floats,
) -> None:  # fmt: skip
    """Fill the rows of sequences start..stop in out (tokens, d) and in logsum (tokens, heads). O(d sum n^2)."""
    scale = q.dtype.type(np.log2(np.e) / np.sqrt(q.shape[1] // heads))
    for tokens in _alike(start, stop, indptr, heads):
        n = tokens.shape[1]
        queries, keys, values = (_by_head(x, tokens, heads) for x in (q * scale, k, v))
        for i in range(0, n, _ROWS):
            rows = tokens[:, i : i + _ROWS]
            scores = _scores(queries[:, :, i : i + _ROWS], keys, i, causal)
            top = scores.max(-1, keepdims=True)
            p = np.exp2(scores - top)
            total = p.sum(-1, keepdims=True)
            logsum[rows] = (top + np.log2(total))[..., 0].transpose(0, 2, 1)
            p /= total
            if drop:
                p *= _mask(rows, n, heads, key, drop, p.dtype)
            out[rows] = _joined(p @ values)


def attend_gradients(
    start: int, stop: int, indptr: Pointer, q: Floats, k: Floats, v: Floats, heads: int, causal: bool, key: np.uint64, drop: np.uint64,
    out: Floats, logsum: Floats, gradient: Floats, by_q: Floats, by_k: Floats, by_v: Floats,
) -> None:  # fmt: skip
    """Fill the rows of sequences start..stop in the gradients by q, k, v from that by out; out and logsum as `attend_rows` left them.

    With g the gradient by out: by v_j: sum_i m_ij p_ij g_i. By the score ij: s_ij = p_ij (m_ij g_i . v_j - g_i . out_i); then by
    q_i: sum_j s_ij k_j / sqrt(w), by k_j: sum_i s_ij q_i / sqrt(w). O(d sum n^2).
    """
    scale = 1 / np.sqrt(q.shape[1] // heads)
    for tokens in _alike(start, stop, indptr, heads):
        n = tokens.shape[1]
        queries, keys, values, incoming, result = (_by_head(x, tokens, heads) for x in (q, k, v, gradient, out))
        along = (incoming * result).sum(-1, keepdims=True)
        to_keys, to_values = np.zeros_like(keys), np.zeros_like(values)
        for i in range(0, n, _ROWS):
            part, rows = slice(i, i + _ROWS), tokens[:, i : i + _ROWS]
            scores = _scores(queries[:, :, part] * q.dtype.type(scale * np.log2(np.e)), keys, i, causal)
            p = np.exp2(scores - logsum[rows].transpose(0, 2, 1)[..., None])
            m = _mask(rows, n, heads, key, drop, p.dtype) if drop else p.dtype.type(1)
            by_score = p * (m * (incoming[:, :, part] @ values.swapaxes(2, 3)) - along[:, :, part]) * q.dtype.type(scale)
            by_q[rows] = _joined(by_score @ keys)
            to_keys += by_score.swapaxes(2, 3) @ queries[:, :, part]
            to_values += (m * p).swapaxes(2, 3) @ incoming[:, :, part]
        by_k[tokens], by_v[tokens] = _joined(to_keys), _joined(to_values)


def _alike(start: int, stop: int, indptr: Pointer, heads: int) -> Iterator[NDArray[np.int64]]:
    """The tokens (sequences, n) of sequences of one length n > 0, few enough that their weights fit."""
    lengths = np.diff(indptr[start : stop + 1])
    for n in np.unique(lengths[lengths > 0]).tolist():
        firsts = indptr[start + np.flatnonzero(lengths == n)]
        few = max(1, _WEIGHTS // (heads * n * min(n, _ROWS)))
        for at in range(0, len(firsts), few):
            yield firsts[at : at + few, None] + np.arange(n)


def _by_head(x: Floats, tokens: NDArray[np.int64], heads: int) -> Floats:
    """x of the tokens (sequences, n) as (sequences, heads, n, w)."""
    return x[tokens].reshape(*tokens.shape, heads, -1).transpose(0, 2, 1, 3)


def _joined(x: Floats) -> Floats:
    """(sequences, heads, n, w) as (sequences, n, d)."""
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)


def _scores(queries: Floats, keys: Floats, first: int, causal: bool) -> Floats:
    """The scores of queries number first, first + 1, ... by all keys; -inf where a key is not seen."""
    scores: Floats = queries @ keys.swapaxes(2, 3)
    if causal:
        scores[..., np.arange(keys.shape[2]) > first + np.arange(queries.shape[2])[:, None]] = -np.inf
    return scores


def _mask(rows: NDArray[np.int64], n: int, heads: int, key: np.uint64, drop: np.uint64, dtype: Any) -> Floats:
    """m of the weights of some tokens (sequences, rows) on n keys: (sequences, heads, rows, n)."""
    numbers = (rows[:, None] * heads + np.arange(heads)[:, None]).astype(np.uint64)
    j, c = np.arange(n), np.uint64((n + 3) // 4)
    bits = mix(mix(key ^ numbers)[..., None] ^ (j.astype(np.uint64) % c))
    kept = (bits >> (np.uint64(16) * (j.astype(np.uint64) // c))) & np.uint64(0xFFFF) >= drop
    mask: Floats = kept * np.dtype(dtype).type(65536 / (65536 - float(drop)))
    return mask

"""Stochastic training in mini-batches, in NumPy.

A batch is a set of samples, each a user with `width` items (entries): columns[s, e] is an item, pulls[s, e] minus the derivative of
the loss by the score of user s for it. All pulls are computed from the parameters at the batch's start; then each row of the two
factor matrices that occurs in the batch is moved once, by the sum over its entries in the order of the samples. So the update does
not depend on who computes which rows.

Random numbers are counter-based: sample s of a batch with key c draws from mix(mix(c ^ s)), mix(mix(mix(c ^ s))), ..., where mix is
the step of SplitMix64 (Steele et al. 2014, "Fast splittable pseudorandom number generators").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..descent.losses import logistic, pairwise_logistic, squared
from ..descent.sgd import filter_bits
from ..random import mix
from ..sparse import Floats, Index, Pointer


class _Draws:
    """The draws of samples start..stop of a batch: items from a distribution, without those that the user has."""

    def __init__(
        self, start: int, stop: int, key: np.uint64, users: Index, indptr: Pointer, indices: Index, filter_: NDArray[np.uint8],
        cumulative: NDArray[np.float64],
    ) -> None:  # fmt: skip
        self.bits = mix(key ^ np.arange(start, stop, dtype=np.uint64))
        self.users, self.indptr, self.indices, self.filter, self.cumulative = users[start:stop], indptr, indices, filter_, cumulative

    def next(self, samples: NDArray[np.int64]) -> tuple[Index, NDArray[np.bool_]]:
        """One draw for each of the samples (numbered from start), and whether the user has it: then it is no negative."""
        self.bits[samples] = mix(self.bits[samples])
        x = (self.bits[samples] >> np.uint64(11)) * 2.0**-53
        drawn = np.searchsorted(self.cumulative, x, side="right").astype(np.int32)
        return drawn, self._have(self.users[samples], drawn)

    def _have(self, users: Index, items: Index) -> NDArray[np.bool_]:
        """Whether each user has the item: by the filter (see `sgd.Held`), then by bisection of the rows of those that may."""
        first, last = self.indptr[users], self.indptr[users + 1]
        bit = filter_bits(items, first, last - first)
        have = last > first
        have[have] = (self.filter[bit[have] >> 3] >> (bit[have] & 7)) & 1
        maybe = np.flatnonzero(have)
        low, high, wanted = first[maybe], last[maybe] - 1, items[maybe]
        while (low < high).any():  # the first entry that is not below the item; one stays where all are
            middle = (low + high) >> 1
            below = self.indices[middle] < wanted
            low, high = np.where(below, np.minimum(middle + 1, high), low), np.where(below, high, middle)
        have[maybe] = self.indices[low] == wanted
        return have

    def negatives(self, draws: int, otherwise: Index) -> Index:
        """One negative a sample: the first draw that the user does not have; after `draws` of them `otherwise`."""
        found = otherwise.copy()
        open_ = np.arange(len(found))
        for _ in range(draws):
            if not len(open_):
                break
            drawn, has = self.next(open_)
            found[open_[~has]] = drawn[~has]
            open_ = open_[has]
        return found


def draw_negatives(
    start: int, stop: int, key: np.uint64, draws: int, users: Index, positives: Index, indptr: Pointer, indices: Index,
    filter_: NDArray[np.uint8], cumulative: NDArray[np.float64], guide: Index, out: Index,
) -> None:  # fmt: skip
    """out[start:stop], (B,): a negative for each sample as `bpr_entries` draws it; the positive itself where none was found."""
    draw = _Draws(start, stop, key, users, indptr, indices, filter_, cumulative)
    out[start:stop] = draw.negatives(draws, positives[start:stop])


def bpr_entries(
    start: int, stop: int, key: np.uint64, draws: int, users: Index, positives: Index, indptr: Pointer, indices: Index,
    filter_: NDArray[np.uint8], cumulative: NDArray[np.float64], guide: Index, p: Floats, q: Floats, bias: Floats,
    columns: Index, pulls: Floats,
) -> None:  # fmt: skip
    """Fill rows start..stop of columns and pulls, (B, 2): the positive, a negative, and the pulls of the BPR loss on their scores.

    key : uint64, of the batch. draws : after this many draws of items that the user has, a sample has no effect (both pulls 0).
    users, positives (B,); indptr, indices, filter_ : what each user has, see `sgd.Held`. cumulative (n,) float64 : the
    distribution function of the negatives; guide (n,) : the first item with cumulative > k / n. p (users, d), q (items, d), bias (items,).
    """
    i = positives[start:stop]
    j = _Draws(start, stop, key, users, indptr, indices, filter_, cumulative).negatives(draws, i)
    vectors = p[users[start:stop]]
    pull = pairwise_logistic(np.einsum("sf,sf->s", vectors, q[i] - q[j]) + bias[i] - bias[j])[1]
    pull[j == i] = 0
    columns[start:stop, 0], columns[start:stop, 1] = i, j
    pulls[start:stop, 0], pulls[start:stop, 1] = pull, -pull


def warp_entries(
    start: int, stop: int, key: np.uint64, draws: int, trials: int, ranks: Floats, users: Index, positives: Index, indptr: Pointer,
    indices: Index, filter_: NDArray[np.uint8], cumulative: NDArray[np.float64], guide: Index, p: Floats, q: Floats, bias: Floats,
    columns: Index, pulls: Floats,
) -> None:  # fmt: skip
    """As `bpr_entries`, with the WARP loss: negatives are tried until one comes within a margin of 1 of the positive.

    After N trials the rank of the positive is estimated as floor((n - 1) / N), and the pull is ranks[that]. Where `trials` negatives
    all keep the margin (or `draws` draws give no such negative), the sample counts nothing. ranks (n,).
    """
    draw = _Draws(start, stop, key, users, indptr, indices, filter_, cumulative)
    i, vectors = positives[start:stop], p[users[start:stop]]
    own = np.einsum("sf,sf->s", vectors, q[i]) + bias[i]
    columns[start:stop, 0], columns[start:stop, 1] = i, i
    pulls[start:stop] = 0
    tried = np.zeros(stop - start, np.int64)
    open_ = np.arange(stop - start)
    for _ in range(draws):
        if not len(open_):
            break
        j, has = draw.next(open_)
        tried[open_] += ~has
        short = ~has & (own[open_] - (np.einsum("sf,sf->s", vectors[open_], q[j]) + bias[j]) < 1)
        samples = open_[short]
        columns[start + samples, 1] = j[short]
        pulls[start + samples] = ranks[(len(q) - 1) // tried[samples]][:, None] * np.array([1, -1], np.float32)
        open_ = open_[~short & (tried[open_] < trials)]


def logistic_entries(
    start: int, stop: int, key: np.uint64, draws: int, users: Index, positives: Index, confidence: Floats, indptr: Pointer,
    indices: Index, filter_: NDArray[np.uint8], cumulative: NDArray[np.float64], guide: Index, p: Floats, user_bias: Floats,
    q: Floats, bias: Floats, columns: Index, pulls: Floats,
) -> None:  # fmt: skip
    """As `bpr_entries`, with the logistic loss of each score by itself: the positive with its confidence (B,), then width - 1 negatives."""
    draw = _Draws(start, stop, key, users, indptr, indices, filter_, cumulative)
    u, i = users[start:stop], positives[start:stop]
    for e in range(columns.shape[1]):
        j = i if e == 0 else draw.negatives(draws, i)
        c = confidence[start:stop] if e == 0 else np.zeros(stop - start, np.float32)
        pull = logistic(np.einsum("sf,sf->s", p[u], q[j]) + user_bias[u] + bias[j], c)[1]
        columns[start:stop, e] = j
        pulls[start:stop, e] = pull if e == 0 else np.where(j == i, 0, pull)


def rating_entries(
    start: int, stop: int, users: Index, items: Index, ratings: Floats, mean: np.float32,
    p: Floats, user_bias: Floats, q: Floats, bias: Floats, pulls: Floats,
) -> None:  # fmt: skip
    """Rows start..stop of pulls, (B, 1): the error of r̂ = mean + user bias + item bias + p_u . q_i."""
    u, i = users[start:stop], items[start:stop]
    score = mean + user_bias[u] + bias[i] + np.einsum("sf,sf->s", p[u], q[i])
    pulls[start:stop, 0] = squared(score, ratings[start:stop])[1]


def deal_samples(batch: NDArray[np.uint16], count: int, users: Index, items: Index) -> tuple[Pointer, Index, Index, Index]:
    """Order samples by their batch (of count), ascending within it: the offsets of the batches; samples, their users and items."""
    order = np.argsort(batch, kind="stable").astype(np.int32)
    offsets = np.concatenate(([0], np.cumsum(np.bincount(batch, minlength=count)))).astype(np.int64)
    return offsets, order, users[order], items[order]


def group_entries(columns: Index, n: int) -> tuple[Index, Pointer, Index, Index]:
    """Group entries by column (of n): distinct columns ascending, offsets of their groups, the entries of each in their order, and the
    group of each entry."""
    order = np.argsort(columns, kind="stable").astype(np.int32)
    rows, at, counts = np.unique(columns, return_inverse=True, return_counts=True)
    return rows.astype(np.int32), np.concatenate(([0], np.cumsum(counts))).astype(np.int64), order, at.astype(np.int32)


def sum_rows(start: int, stop: int, indptr: Pointer, columns: Index, values: Floats, other: Floats, out: Floats) -> None:
    """out[r] = sum_e values[e] other[columns[e]] over the entries e of row r in indptr[r]..indptr[r + 1], for start <= r < stop."""
    out[start:stop] = 0
    filled = start + np.flatnonzero(np.diff(indptr[start : stop + 1]))
    if len(filled):
        entries = slice(indptr[start], indptr[stop])
        out[filled] = np.add.reduceat(values[entries, None] * other[columns[entries]], indptr[filled] - indptr[start], axis=0)


def descend_rows(
    start: int, stop: int, rows: Index, indptr: Pointer, order: Index, columns: Index, pulls: Floats, other: Floats,
    vectors: Floats, bias: Floats, squares: Floats, bias_squares: Floats, rate: np.float32, regularization: np.float32, before: Floats,
) -> None:  # fmt: skip
    """Move rows[r], start <= r < stop, along g = sum_e pull_e other[column_e] - regularization count vector, over its entries e.

    The entries of r are order[indptr[r]:indptr[r + 1]], at least one; those with pull 0 do not count. AdaGrad (Duchi et al. 2011)
    with one sum of squares a row: squares += mean(g^2), vector += rate g / sqrt(squares). The bias, with g = sum_e pull_e - ..., has
    its own sum of squares.
    before : receives the vectors as they were, by r; with no rows: not wanted. O(entries d).
    """
    from scipy.sparse import csr_array

    if start == stop:
        return
    entries, first = order[indptr[start] : indptr[stop]], indptr[start:stop] - indptr[start]
    moved, pull, tiny = rows[start:stop], pulls[entries], np.float32(1e-12)
    decay = regularization * np.add.reduceat(pull != 0, first, dtype=np.float32)
    offsets = np.append(first, len(entries))
    gradient = csr_array((pull, columns[entries], offsets), shape=(stop - start, len(other))) @ other - decay[:, None] * vectors[moved]
    # one by one, as opposite pulls then cancel to zero: AdaGrad would blow up a rest
    total = np.bincount(np.repeat(np.arange(stop - start), np.diff(indptr[start : stop + 1])), weights=pull)
    bias_gradient = total.astype(pulls.dtype) - decay * bias[moved]
    if len(before):
        before[start:stop] = vectors[moved]
    squares[moved] += np.einsum("rf,rf->r", gradient, gradient) / np.float32(gradient.shape[1])
    bias_squares[moved] += bias_gradient**2
    vectors[moved] += rate * gradient / np.sqrt(squares[moved] + tiny)[:, None]
    bias[moved] += rate * bias_gradient / np.sqrt(bias_squares[moved] + tiny)

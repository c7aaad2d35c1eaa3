"""What scores all items for some profiles: by vectors, by item weights, or the same for all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..backend import kernel
from ..sparse import CSR, Index

Scores = NDArray[np.float32]
_CANCELLED = 1e-6  # of 1 - 1, what float32 leaves of it at most
EPS, TINY = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).tiny)


class Scorer(Protocol):
    """Scores of some profiles (users) for all items of a catalogue."""

    @property
    def shape(self) -> tuple[int, int]:
        """(profiles, items)."""

    def block(self, start: int, stop: int) -> Scores:
        """Scores of profiles start..stop for all items, float32 (stop - start, items): an array the caller may write to."""

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        """Canonical scores of (profile, item) pairs."""


class PathScorer:
    """A scorer whose score is 0 where nothing leads from a history to an item: nothing is known then, and the item is not listed.

    A scorer without `drop_unknown` knows something of every item.
    """

    def drop_unknown(self, start: int, stop: int, scores: Scores) -> None:
        """Put -inf in place of the scores (stop - start, items) of what nothing is known of."""
        np.putmask(scores, scores == 0, -np.inf)


class NormOrder(NamedTuple):
    """Item vectors in descending order of their norms: what lets a ranking stop early (Cauchy-Schwarz: |p . q| <= |p| |q|)."""

    rows: Index  # (n,) item row at each position; equal norms by ascending row
    position: Index  # (n,) position of each item row
    vectors: Scores  # (n, d) in that order
    norms: Scores  # (n,) descending, rounded upwards

    @classmethod
    def of(cls, vectors: Scores) -> NormOrder:
        """Sort the vectors. O(n d + n log n)."""
        norms = row_norms(vectors)
        rows = np.argsort(-norms, kind="stable").astype(np.int32)
        position = np.empty_like(rows)
        position[rows] = np.arange(len(rows), dtype=np.int32)
        return cls(rows, position, vectors[rows], norms[rows])


class VectorScorer:
    """Score = dot product of a user vector (profiles, d) and an item vector (items, d), float32.

    order : the items by norm, where the caller keeps it.
    """

    def __init__(self, users: Scores, items: Scores, order: NormOrder | None = None) -> None:
        if users.dtype != np.float32 or items.dtype != np.float32:  # the kernels of top-k read the bits of float32 numbers
            raise TypeError(f"vectors of users and items must be float32, got {users.dtype} and {items.dtype}")
        self.users, self.items = users, items
        self.order = NormOrder.of(items) if order is None else order

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.users), len(self.items)

    def block(self, start: int, stop: int) -> Scores:
        if stop - start == 1:
            one: Scores = (self.items @ self.users[start])[None, :]
            return one
        scores: Scores = self.users[start:stop] @ self.items.T
        return scores

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return canonical_dot(self.users[profiles], self.items[items])


class LinearScorer(PathScorer):
    """Score = sum over the history of value x item weights: x_u W, with W dense (items, items) or CSR.

    positive : the weights of W are all above 0, so that a score of 0 is no sum that cancels.
    """

    def __init__(self, history: CSR, weights: Scores | CSR, backend: str, *, positive: bool = False) -> None:
        self.history, self.weights, self.backend, self.positive = history, weights, backend, positive

    @property
    def shape(self) -> tuple[int, int]:
        return self.history.shape[0], self.weights.shape[1]

    def block(self, start: int, stop: int) -> Scores:
        out = np.zeros((stop - start, self.shape[1]), np.float32)
        indptr, indices, data, _ = self.history
        if isinstance(self.weights, CSR):
            w = self.weights
            kernel("weighted_rows_sparse", self.backend)(start, stop, indptr, indices, data, w.indptr, w.indices, w.data, out)
        else:
            kernel("weighted_rows_dense", self.backend)(start, stop, indptr, indices, data, self.weights, out)
        return out

    def drop_unknown(self, start: int, stop: int, scores: Scores) -> None:
        """-inf where all weights from the history are 0."""
        zero = scores == 0
        if not self.positive or self.history.data[self.history.indptr[start] : self.history.indptr[stop]].min(initial=1) <= 0:
            for row in np.flatnonzero(zero.any(axis=1)).tolist():
                columns, sources = np.flatnonzero(zero[row]), self.history.row(start + row)[0]
                zero[row, columns[self._reached(sources, columns)]] = False
        np.putmask(scores, zero, -np.inf)

    def _reached(self, sources: Index, columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some items have a weight from one of the sources."""
        reached = np.zeros(self.shape[1], bool)
        if isinstance(self.weights, CSR):
            some = self.weights.rows(sources)
            reached[some.indices[some.data != 0]] = True
            return reached[columns]
        for source in sources.tolist():
            reached[columns] |= self.weights[source, columns] != 0
        return reached[columns]

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)


class FactoredScorer(PathScorer):
    """Score = x_u (E D + I): two sparse layers, (items, hidden) and (hidden, items), and 1 for the diagonal, which E D has as -1."""

    def __init__(self, history: CSR, encoder: CSR, decoder: CSR, backend: str) -> None:
        self.history, self.encoder, self.decoder, self.backend = history, encoder, decoder, backend

    @property
    def shape(self) -> tuple[int, int]:
        return self.history.shape[0], self.decoder.shape[1]

    def block(self, start: int, stop: int) -> Scores:
        hidden = LinearScorer(self.history, self.encoder, self.backend).block(start, stop)
        rows, columns = np.nonzero(hidden)
        indptr = np.append(0, np.cumsum(np.bincount(rows, minlength=len(hidden))))
        layer = CSR(indptr, columns.astype(np.int32), hidden[rows, columns], hidden.shape)
        out = LinearScorer(layer, self.decoder, self.backend).block(0, stop - start)
        own = slice(self.history.indptr[start], self.history.indptr[stop])
        owners = np.repeat(np.arange(stop - start), np.diff(self.history.indptr[start : stop + 1]))
        at, ones = self.history.indices[own], self.history.data[own]
        out[owners, at] += ones
        left = out[owners, at]
        out[owners, at] = np.where(np.abs(left) > _CANCELLED * np.abs(ones), left, 0)
        return out

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)


class BlendScorer(PathScorer):
    """Score = after (sum_m w_m s_m / std(s_m)): the scores of several scorers, each scaled by its standard deviation over all items.

    scorers : of the same profiles and items, whose blocks have the same bits alone and in a batch (no `VectorScorer`: BLAS has not).
    weights : w, one for each. after : float32 (items,).
    """

    def __init__(self, scorers: Sequence[Scorer], weights: Sequence[float], after: Scores) -> None:
        self.scorers, self.weights, self.after = scorers, weights, after
        self.tile = max(getattr(scorer, "tile", 16) for scorer in scorers)

    @property
    def shape(self) -> tuple[int, int]:
        return self.scorers[0].shape

    def block(self, start: int, stop: int) -> Scores:
        out = np.zeros((stop - start, self.shape[1]), np.float32)
        for scores, scale in self._parts(start, stop):
            scores *= scale[:, None]
            out += scores
        out *= self.after
        return out

    def drop_unknown(self, start: int, stop: int, scores: Scores) -> None:
        """-inf where no scorer that counts knows anything, if there may be such items."""
        if all(isinstance(scorer, PathScorer) for scorer, weight in zip(self.scorers, self.weights, strict=True) if weight):
            super().drop_unknown(start, stop, scores)

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)

    def scales(self, profile: int) -> Scores:
        """What the scores of each scorer are multiplied by for a profile, (scorers,)."""
        return np.array([scale[0] for _, scale in self._parts(profile, profile + 1)], np.float32)

    def _parts(self, start: int, stop: int) -> Iterator[tuple[Scores, Scores]]:
        """Of each scorer its scores and w / std, (profiles,); 0 where all items have the same score, which then says nothing."""
        for scorer, weight in zip(self.scorers, self.weights, strict=True):
            scores = scorer.block(start, stop)
            std = scores.std(axis=1, dtype=np.float64)
            scale = np.divide(weight, std, out=np.zeros_like(std), where=std > TINY)
            yield scores, scale.astype(np.float32)


class ConstantScorer(PathScorer):
    """The same scores for every profile; 0 for an item that nothing is known of."""

    def __init__(self, scores: Scores, profiles: int) -> None:
        self.scores, self.profiles = scores, profiles

    @property
    def shape(self) -> tuple[int, int]:
        return self.profiles, len(self.scores)

    def block(self, start: int, stop: int) -> Scores:
        return np.tile(self.scores, (stop - start, 1))

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return self.scores[items]


def row_norms(vectors: Scores) -> Scores:
    """Euclidean norms of the rows, rounded upwards by more than the error of computing them; squares may underflow."""
    squares = (vectors * vectors).sum(axis=1) + vectors.shape[1] * TINY
    norms: Scores = (np.sqrt(squares) * (1 + 1e-5)).astype(np.float32)
    return norms


def canonical_dot(left: Scores, right: Scores) -> Scores:
    """Row by row dot products, (n, d) x (n, d) -> (n,): exact products in float64, summed by halves, then rounded to float32.

    By halves: the second half is added to the first until one number is left. This order depends on d alone, and NumPy and
    compiled code both follow it at full speed: their scores are equal to the last bit.
    """
    products = np.ascontiguousarray((left.astype(np.float64) * right).T)  # (d, n): whole rows are added
    d = len(products)
    while d > 1:
        half = (d + 1) // 2
        products[: d - half] += products[half:d]
        d = half
    scores: Scores = products[0].astype(np.float32)
    return scores


def pairs_by_block(scorer: Scorer, profiles: NDArray[np.int64], items: Index) -> Scores:
    """Scores of pairs by way of whole rows, as many profiles at a time as the scorer's `tile` says; one where it has none."""
    size = getattr(scorer, "tile", 1)
    out = np.empty(len(profiles), np.float32)
    order = np.argsort(profiles, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(profiles[order] // size)) + 1):
        if len(group):
            start = int(profiles[group[0]]) // size * size
            rows = scorer.block(start, min(start + size, scorer.shape[0]))
            out[group] = rows[profiles[group] - start, items[group]]
    return out

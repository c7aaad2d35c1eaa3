"""The one top-k engine: scores in tiles, filters, selection. No users x items matrix is ever held whole.

A tile's scores come from BLAS or from sparse sums. BLAS scores are approximate, with bits that depend on the shape of the
tile; so for them the kernel keeps every item within twice the rounding bound of the k-th best, scores these survivors
again by one canonical dot product (float64, rounded to float32), and only then cuts to k. The result is the exact top-k of
the canonical scores, ties going to the lower row: one user equals a batch, and one thread equals many.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..options import memory_budget, thread_count
from .backend import kernel, one_blas_thread, run_blocks
from .sparse import CSR, Index, Pointer

Scores = NDArray[np.float32]
TILE_ELEMENTS = 2**20  # scores of a tile: 4 MB, so that selection finds them in the cache
_NO_VECTORS = np.zeros((0, 0), np.float32)


class Ranked(NamedTuple):
    """Ragged lists, best first: row r has items[indptr[r]:indptr[r+1]] with their scores."""

    indptr: Pointer
    items: Index
    scores: Scores


class Scorer(Protocol):
    """Scores of some profiles (users) for all items of a catalogue."""

    @property
    def shape(self) -> tuple[int, int]:
        """(profiles, items)."""

    def block(self, start: int, stop: int) -> Scores:
        """Scores of profiles start..stop for all items, float32 (stop - start, items): an array the caller may write to."""

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        """Canonical scores of (profile, item) pairs."""


class VectorScorer:
    """Score = dot product of a user vector (profiles, d) and an item vector (items, d), float32.

    longest : the largest norm of an item vector, where the caller has it at hand.
    """

    def __init__(self, users: Scores, items: Scores, longest: float | None = None) -> None:
        self.users, self.items = users, items
        self.longest = longest_norm(items) if longest is None else longest

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


class LinearScorer:
    """Score = sum over the history of value x item weights: x_u W, with W dense (items, items) or CSR."""

    def __init__(self, history: CSR, weights: Scores | CSR, backend: str) -> None:
        self.history, self.weights, self.backend = history, weights, backend

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

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)


class ConstantScorer:
    """The same scores for every profile."""

    def __init__(self, scores: Scores, profiles: int) -> None:
        self.scores, self.profiles = scores, profiles

    @property
    def shape(self) -> tuple[int, int]:
        return self.profiles, len(self.scores)

    def block(self, start: int, stop: int) -> Scores:
        return np.tile(self.scores, (stop - start, 1))

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return self.scores[items]


def longest_norm(vectors: Scores) -> float:
    """The largest norm of the rows, 0 where there are none."""
    return float(np.sqrt(np.einsum("nd,nd->n", vectors, vectors).max(initial=0)))


def canonical_dot(left: Scores, right: Scores) -> Scores:
    """Row by row dot products, (n, d) x (n, d) -> (n,): float64 sums in an order that depends on d alone, then float32."""
    scores: Scores = np.multiply(left, right, dtype=np.float64).sum(axis=-1).astype(np.float32)
    return scores


def pairs_by_block(scorer: Scorer, profiles: NDArray[np.int64], items: Index) -> Scores:
    """Scores of pairs by way of whole rows, one distinct profile at a time."""
    out = np.empty(len(profiles), np.float32)
    order = np.argsort(profiles, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(profiles[order])) + 1):
        if len(group):
            p = int(profiles[group[0]])
            out[group] = scorer.block(p, p + 1)[0][items[group]]
    return out


def rank(
    scorer: Scorer,
    k: int,
    *,
    backend: str,
    banned: tuple[CSR, ...] = (),
    allowed: CSR | None = None,
    columns: Index | None = None,
    threads: int | None = None,
) -> Ranked:
    """The k best items of every profile.

    banned : CSR (profiles, items) each; their entries are left out. allowed : CSR (profiles, items), only its entries stay.
    columns : ascending item rows; only these are ranked. All filters combine; a list is shorter where too few items remain.
    Time O(profiles x items x d) for the scores, memory O(threads x tile).
    """
    profiles, n = scorer.shape
    vectors = scorer if isinstance(scorer, VectorScorer) else None
    position = None
    if columns is not None:
        position = np.full(n, -1, np.int64)
        position[columns] = np.arange(len(columns))
        if vectors is not None:
            scorer = vectors = VectorScorer(vectors.users, vectors.items[columns], vectors.longest)
    slack = np.zeros(profiles, np.float32) if vectors is None else _rounding_slack(vectors)
    k = min(k, n if columns is None else len(columns))
    if k == 0:
        return Ranked(np.zeros(profiles + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))
    select = kernel("select", backend)

    def tile(start: int, stop: int) -> tuple[NDArray[np.int64], Index, Scores]:
        scores = scorer.block(start, stop)
        if allowed is not None:
            kept = np.full_like(scores, -np.inf)
            entries = _entries(allowed, start, stop, position if vectors is not None else None)
            kept[entries] = scores[entries]
            scores = kept
        if columns is not None and vectors is None:
            scores = np.ascontiguousarray(scores[:, columns])
        for matrix in banned:
            scores[_entries(matrix, start, stop, position)] = -np.inf
        users, items = (vectors.users[start:stop], vectors.items) if vectors is not None else (_NO_VECTORS, _NO_VECTORS)
        counts, rows, values = select(scores, k, slack[start:stop], users, items)
        filled = np.arange(rows.shape[1]) < counts[:, None]
        return counts, rows[filled], values[filled]

    size = max(16, min(TILE_ELEMENTS // n, 256))
    if profiles < 64:  # everything in the caller's thread: a web server brings its own
        parts = run_blocks(tile, profiles, size, 1)
    else:
        if 16 * n * size > 2**26:  # very wide tiles: scores, their copies under filters, and what selection takes
            size = max(1, min(size, memory_budget() // (16 * n * thread_count())))
        with one_blas_thread():
            parts = run_blocks(tile, profiles, size, threads)
    if not parts:
        return Ranked(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))
    indptr = np.concatenate([[0], *(counts for counts, _, _ in parts)]).cumsum().astype(np.int64)
    items = np.concatenate([rows for _, rows, _ in parts])
    if columns is not None:
        items = columns[items]
    return Ranked(indptr, items.astype(np.int32, copy=False), np.concatenate([values for _, _, values in parts]))


def _entries(matrix: CSR, start: int, stop: int, position: NDArray[np.int64] | None) -> tuple[NDArray[np.int64], NDArray[np.integer[Any]]]:
    """Coordinates within a tile of a matrix's entries; with `position`, columns are renumbered and those not in it dropped."""
    columns: NDArray[np.integer[Any]] = matrix.indices[matrix.indptr[start] : matrix.indptr[stop]]
    rows = np.repeat(np.arange(stop - start), np.diff(matrix.indptr[start : stop + 1]))
    if position is None:
        return rows, columns
    columns = position[columns]
    return rows[columns >= 0], columns[columns >= 0]


def _rounding_slack(vectors: VectorScorer) -> Scores:
    """Twice the error bound of a float32 dot product of length d, gamma_d |u| max|v| with gamma_d = d eps (Higham 2002, section 3.1).

    One more eps covers the rounding of the canonical score itself.
    """
    norms = np.sqrt((vectors.users * vectors.users).sum(axis=1))
    bound: Scores = ((vectors.users.shape[1] + 2) * 2.0 * np.finfo(np.float32).eps * vectors.longest * norms).astype(np.float32)
    return bound

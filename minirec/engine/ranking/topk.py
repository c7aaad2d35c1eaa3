"""The one top-k engine: scores in tiles, filters, selection. No users x items matrix is ever held whole.

A tile's scores come from BLAS or from sparse sums. BLAS scores are approximate, with bits that depend on the shape of the
tile; so for them the kernel takes every item within twice the rounding bound of the k-th best, scores it again by one
canonical dot product (float64, rounded to float32), and sorts it in by that. The result is the exact top-k of the canonical
scores, ties going to the lower row: one user equals a batch, and one thread equals many.

Items with long vectors come first, and a user is done when |p_u| |q_i| of the next item is below the k-th best score: in a
long-tailed catalogue most pairs are never scored, and the result is still exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...options import memory_budget, thread_count
from ..backend import kernel, one_blas_thread, run_blocks
from ..sparse import CSR, Index, Pointer
from .scorers import (
    EPS,
    TINY,
    ConstantScorer,
    LinearScorer,
    NormOrder,
    PathScorer,
    Scorer,
    Scores,
    VectorScorer,
    canonical_dot,
    pairs_by_block,
    row_norms,
)

__all__ = [
    "ConstantScorer", "LinearScorer", "Ranked", "Scorer", "Scores", "VectorScorer", "canonical_dot", "pairs_by_block", "rank",
]  # fmt: skip

TILE_ELEMENTS = 2**20  # scores of a tile: 4 MB, so that selection finds them in the cache
FIRST_BLOCK = 1024  # items of the first block by norm, where there are many profiles
FIRST_SCORES = 2**14  # scores of the first block, where there are few
_NO_VECTORS, _FIRST = np.zeros((0, 0), np.float32), np.zeros(1, np.int64)
Entries: TypeAlias = tuple[NDArray[np.int64], NDArray[np.integer[Any]]]  # (profiles of a tile, columns)


class Ranked(NamedTuple):
    """Ragged lists, best first: row r has items[indptr[r]:indptr[r+1]] with their scores."""

    indptr: Pointer
    items: Index
    scores: Scores
    scored: int = 0  # (profile, item) pairs that a score was computed for; the rest was ruled out by its norm


class Filters(NamedTuple):
    """What may be ranked. All filters combine.

    banned : CSR (profiles, items) each; their entries are left out. allowed : CSR (profiles, items); only its entries stay.
    only : ascending item rows; only these are ranked. deny : item rows that are left out for all.
    """

    banned: tuple[CSR, ...] = ()
    allowed: CSR | None = None
    only: Index | None = None
    deny: Index | None = None


def rank(
    scorer: Scorer, k: int, *, backend: str, filters: Filters | None = None, threads: int | None = None, prune: bool = True,
    unknown: bool = False,
) -> Ranked:  # fmt: skip
    """The k best items of every profile; a list is shorter where fewer pass the filters, or are known anything of (`PathScorer`).

    unknown=True ranks also what nothing is known of. prune=False scores every pair (to measure what pruning saves); the result is the same.
    Time O(profiles x items x d) at the most, memory O(threads x tile).
    """
    profiles, n = scorer.shape
    filters = filters or Filters()
    k = min(k, n if filters.only is None else len(filters.only))
    if k == 0 or profiles == 0:
        return Ranked(np.zeros(profiles + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))
    unfiltered = filters.allowed is None and filters.only is None and filters.deny is None
    if profiles == 1 and n <= FIRST_SCORES and unfiltered and isinstance(scorer, VectorScorer):
        return _rank_one(scorer, k, backend, filters.banned)
    if isinstance(scorer, VectorScorer):
        tile = _vector_tile(scorer, k, backend, filters, prune)
    else:
        tile = _plain_tile(scorer, k, backend, filters, unknown)

    size = max(getattr(scorer, "tile", 16), min(TILE_ELEMENTS // n, 256)) if not isinstance(scorer, VectorScorer) else 256
    if profiles < 64:  # everything in the caller's thread: a web server brings its own
        parts = run_blocks(tile, profiles, size, 1)
    else:
        if 16 * n * size > 2**26:  # very wide tiles: scores, their copies under filters, and what selection takes
            size = max(1, min(size, memory_budget() // (16 * n * thread_count())))
        with one_blas_thread():
            parts = run_blocks(tile, profiles, size, threads)
    best = parts[0]
    if len(parts) > 1:
        counts, items, values, scored = zip(*parts, strict=True)
        best = _Best(np.concatenate(counts), np.concatenate(items), np.concatenate(values), sum(scored))
    indptr = np.zeros(profiles + 1, np.int64)
    np.cumsum(best.counts, out=indptr[1:])
    filled = np.arange(k) < best.counts[:, None]
    return Ranked(indptr, best.items[filled], best.values[filled], best.scored)


def _rank_one(scorer: VectorScorer, k: int, backend: str, banned: tuple[CSR, ...]) -> Ranked:
    """One profile and all items in one block, the path of a live request: what `rank` does, less what many profiles need."""
    order, users = scorer.order, scorer.users
    n, d = order.vectors.shape
    user = users[0]
    norm = math.sqrt(float(user @ user)) * (1 + 1e-5) + math.sqrt(d * TINY)
    scores: Scores = order.vectors @ user
    for matrix in banned:
        scores[order.position[matrix.indices]] = -np.inf
    counts, items, values = np.zeros(1, np.int64), np.empty((1, k), np.int32), np.empty((1, k), np.float32)
    slack = np.array([_slack(norm, float(order.norms[0]), d)], np.float32)
    kernel("merge_topk", backend)(scores[None], order.rows, _FIRST, users, order.vectors, slack, counts, items, values)
    count = int(counts[0])
    return Ranked(np.array([0, count], np.int64), items[0, :count], values[0, :count], n)


def _slack(norms: Any, longest: float, d: int) -> Any:
    """Twice the error bound of a float32 dot product, gamma_d |u| max|v| with gamma_d = d eps (Higham 2002, section 3.1), and of the
    rounding of the canonical score; the last term covers products that underflow."""
    return (d + 2) * 2.0 * EPS * longest * norms + d * TINY


class _Best(NamedTuple):
    """The best items so far of each profile of a tile: `counts[r]` of them, best first, in items[r] and values[r]."""

    counts: NDArray[np.int64]
    items: Index
    values: Scores
    scored: int = 0

    @classmethod
    def none(cls, profiles: int, k: int) -> _Best:
        return cls(np.zeros(profiles, np.int64), np.zeros((profiles, k), np.int32), np.zeros((profiles, k), np.float32))


def _plain_tile(scorer: Scorer, k: int, backend: str, filters: Filters, unknown: bool) -> Callable[[int, int], _Best]:
    """A tile of canonical scores, all items at once."""
    n = scorer.shape[1]
    merge, everything = kernel("merge_topk", backend), np.arange(n, dtype=np.int32)
    barred = np.zeros(n, bool) if filters.only is None else ~np.isin(everything, filters.only)
    barred[filters.deny if filters.deny is not None else []] = True

    def tile(start: int, stop: int) -> _Best:
        best = _Best.none(stop - start, k)
        scores = scorer.block(start, stop)
        if isinstance(scorer, PathScorer) and not unknown:
            scorer.drop_unknown(start, stop, scores)
        if filters.allowed is not None:
            scores = _only(scores, _entries(filters.allowed, start, stop))
        scores[:, barred] = -np.inf
        for matrix in filters.banned:
            scores[_entries(matrix, start, stop)] = -np.inf
        who, slack = np.arange(stop - start), np.zeros(stop - start, np.float32)
        merge(scores, everything, who, _NO_VECTORS, _NO_VECTORS, slack, best.counts, best.items, best.values)
        return best._replace(scored=scores.size)

    return tile


def _vector_tile(scorer: VectorScorer, k: int, backend: str, filters: Filters, prune: bool) -> Callable[[int, int], _Best]:
    """A tile of dot products, blocks of items in descending order of their norms."""
    merge, order = kernel("merge_topk", backend), scorer.order
    if filters.only is not None:
        order = _restrict(order, filters.only)
    n, d = order.vectors.shape
    denied = np.zeros(0, np.int64) if filters.deny is None else order.position[filters.deny]
    norms = row_norms(scorer.users)
    longest = float(order.norms[0]) if n else 0.0
    slack: Scores = _slack(norms.astype(np.float64), longest, d).astype(np.float32)

    def cells(matrix: CSR, start: int, stop: int, blocks: int) -> _Cells:
        return _Cells(_entries(matrix, start, stop, order.position), blocks, filters.only is not None)

    def tile(start: int, stop: int) -> _Best:
        best = _Best.none(stop - start, k)
        users, active, scored = scorer.users[start:stop], np.arange(stop - start), 0
        blocks = _blocks(n, stop - start)
        banned = [cells(matrix, start, stop, len(blocks)) for matrix in filters.banned]
        allowed = None if filters.allowed is None else cells(filters.allowed, start, stop, len(blocks))
        slot = active  # where a profile stands among the active ones, -1: done
        for first, last in blocks:
            block = order.vectors[first:last]
            scores: Scores = users[active] @ block.T if len(active) > 1 else (block @ users[active[0]])[None, :]
            if allowed is not None:
                scores = _only(scores, allowed.within(first, last, slot))
            if len(denied):
                scores[:, denied[(denied >= first) & (denied < last)] - first] = -np.inf
            for out in banned:
                scores[out.within(first, last, slot)] = -np.inf
            merge(scores, order.rows[first:last], active, users, block, slack[start:stop], best.counts, best.items, best.values)
            scored += scores.size
            if prune and last < n:
                bars = np.where(best.counts == k, best.values[:, k - 1], -np.inf)
                active = np.flatnonzero(norms[start:stop] * order.norms[last] >= bars)
                if not len(active):
                    break
                slot = np.full(stop - start, -1)
                slot[active] = np.arange(len(active))
        return best._replace(scored=scored)

    return tile


def _blocks(n: int, profiles: int) -> list[tuple[int, int]]:
    """Blocks of items: the first one small, so that much can be ruled out after it, each next one twice as large."""
    blocks, first, size = [], 0, max(FIRST_BLOCK, FIRST_SCORES // profiles)
    while first < n:
        blocks.append((first, min(first + size, n)))
        first, size = first + size, min(2 * size, max(FIRST_BLOCK, TILE_ELEMENTS // profiles))
    return blocks


class _Cells:
    """Coordinates of a filter within a tile, to be taken block by block."""

    def __init__(self, entries: Entries, blocks: int, restricted: bool) -> None:
        if restricted:  # some items are not ranked at all, their position is -1
            entries = entries[0][entries[1] >= 0], entries[1][entries[1] >= 0]
        if blocks > 1:
            order = np.argsort(entries[1])
            entries = entries[0][order], entries[1][order]
        self.entries, self.one_block = entries, blocks == 1

    def within(self, first: int, last: int, slot: NDArray[np.int64]) -> Entries:
        """Those in a block of items, for the profiles that are still active."""
        if self.one_block:
            return self.entries
        between = slice(*np.searchsorted(self.entries[1], (first, last)))
        rows, columns = slot[self.entries[0][between]], self.entries[1][between] - first
        return rows[rows >= 0], columns[rows >= 0]


def _restrict(order: NormOrder, only: Index) -> NormOrder:
    """The order of some items alone; the position of the others is -1."""
    keep = np.sort(order.position[only])
    position = np.full(len(order.position), -1, np.int32)
    position[order.rows[keep]] = np.arange(len(keep), dtype=np.int32)
    return NormOrder(order.rows[keep], position, order.vectors[keep], order.norms[keep])


def _only(scores: Scores, entries: Entries) -> Scores:
    kept = np.full_like(scores, -np.inf)
    kept[entries] = scores[entries]
    return kept


def _entries(matrix: CSR, start: int, stop: int, position: Index | None = None) -> Entries:
    """Coordinates within a tile of a matrix's entries, their columns renumbered by `position`."""
    columns: NDArray[np.integer[Any]] = matrix.indices[matrix.indptr[start] : matrix.indptr[stop]]
    if stop - start == 1:
        rows = np.zeros(len(columns), np.int64)
    else:
        rows = np.repeat(np.arange(stop - start), np.diff(matrix.indptr[start : stop + 1]))
    return rows, columns if position is None else position[columns]

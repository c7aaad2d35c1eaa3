"""Lists whose items differ: maximal marginal relevance, and determinantal point processes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...models.contract.parameters import checked, number, whole
from .candidates import Candidates, Chunk, Facts
from .conditions import column_name
from .contract import Places, Reranker, first

_RIDGE = 1e-3  # of the similarity of an item with itself: kernels of few categories are singular without it


class _Diverse(Reranker):
    """What MMR and DPP share: vectors of the items."""

    weight: float = number(default=0.3, low=0, high=1, doc="How much difference counts against relevance; 0 gives the lists as they are.")
    by: str = checked(
        default="category",
        check=column_name,
        limits="an item column",
        doc='The item column by which items are alike: of vectors, or of texts, several split at "|"; likeness is the cosine.',
    )

    def _pick(self, chunk: Chunk, vectors: NDArray[np.float32]) -> Places:
        raise AssertionError

    def _ready(self, found: Candidates, facts: Facts) -> tuple[Any, int]:
        if not self.weight:
            return (lambda chunk: first(chunk, self.k)), 1
        vectors = facts.vectors(self.by)
        return (lambda chunk: self._pick(chunk, vectors)), 2 * vectors.shape[1] + self.k


class MMR(_Diverse):
    """Maximal marginal relevance: each place takes the candidate of the highest (1 - w) r_i - w max_{j in S} cos(i, j).

    r_i is the score moved to 0 .. 1 within the list, S what is listed already. Carbonell and Goldstein 1998, "The use of MMR", eq. 1, with
    w = 1 - lambda. O(k C d) a user with C candidates.
    """

    name = "mmr"

    def _pick(self, chunk: Chunk, vectors: NDArray[np.float32]) -> Places:
        spread, gain = vectors[chunk.rows], (1 - self.weight) * chunk.relevance
        left, nearest = chunk.there.copy(), np.full(chunk.rows.shape, -np.inf)
        chosen = np.full((len(chunk.users), self.k), -1, np.int64)
        for place in range(min(self.k, chunk.rows.shape[1])):
            value = gain if place == 0 else gain - self.weight * nearest
            at = take(np.where(left, value, -np.inf), left, chosen, place)
            nearest = np.maximum(nearest, _cosines(spread, at))
        return chosen


class DPP(_Diverse):
    """A determinantal point process: greedily the largest (1 - w) sum_{i in S} r_i + w log det K_S, K the cosines of the items.

    Chen, Zhang and Zhou 2018, "Fast greedy MAP inference for determinantal point process", algorithm 1 (the Cholesky factor grows by a
    row a place), section 4 for the trade-off. The diagonal of K has 1 + 0.001. With `window` only the last `window` items count. O(k^2 C)
    a user.
    """

    name = "dpp"

    window: int | None = whole(default=None, high=10_000, doc="How many of the last items must differ; None: all of the list.")

    def _pick(self, chunk: Chunk, vectors: NDArray[np.float32]) -> Places:
        spread = vectors[chunk.rows].astype(np.float64)
        users, width = np.arange(len(chunk.users)), chunk.rows.shape[1]
        left, gain = chunk.there.copy(), (1 - self.weight) * chunk.relevance
        chosen = np.full((len(users), self.k), -1, np.int64)
        window = self.k if self.window is None else self.window
        for place in range(min(self.k, width)):
            if place == 0 or place >= window:
                factor, rest = self._restart(spread, chosen[:, max(0, place - window + 1) : place])
            value = gain + self.weight * np.log(np.maximum(rest, 1e-12))
            at = take(np.where(left, value, -np.inf), left, chosen, place)
            factor, rest = _grow(spread, factor, rest, at)
        return chosen

    @staticmethod
    def _restart(spread: NDArray[np.float64], listed: Places) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The rows of the Cholesky factor for the items listed last, (B, C, listed), and what of each diagonal is left, (B, C)."""
        users, width = spread.shape[:2]
        factor, rest = np.zeros((users, width, 0)), np.einsum("bcd,bcd->bc", spread, spread) + _RIDGE
        for place in range(listed.shape[1]):
            factor, rest = _grow(spread, factor, rest, np.maximum(listed[:, place], 0))
        return factor, rest


def _grow(
    spread: NDArray[np.float64], factor: NDArray[np.float64], rest: NDArray[np.float64], at: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One more column e_i = (K_ji - c_j . c_i) / d_j for the item j that was taken; the diagonals lose e_i^2."""
    users = np.arange(len(at))
    like = _cosines(spread, at)
    like[users, at] += _RIDGE
    like -= _cosines(factor, at)
    column = like / np.sqrt(np.maximum(rest[users, at], 1e-12))[:, None]
    return np.concatenate((factor, column[:, :, None]), axis=2), rest - column**2


def _cosines(rows: NDArray[Any], at: NDArray[np.int64]) -> NDArray[Any]:
    """The dot products of all rows of each list, (B, C, d), with its row `at`; (B, C)."""
    products: NDArray[Any] = np.matmul(rows, rows[np.arange(len(at)), at][:, :, None])[:, :, 0]
    return products


def take(value: NDArray[np.float64], left: NDArray[np.bool_], chosen: Places, place: int) -> NDArray[np.int64]:
    """Put the best candidate of each list into `chosen`, and take it out of `left`; of equal ones the earlier."""
    at: NDArray[np.int64] = np.argmax(value, axis=1)
    users = np.arange(len(at))
    chosen[:, place] = np.where(left[users, at], at, -1)
    left[users, at] = False
    return at

"""Whitening: vectors whose directions are uncorrelated and of one variance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..engine.backend import one_blas_thread, run_blocks
from ..engine.tiles import product
from ..errors import DataError, ParameterError
from .base import Vectors, present

ROWS = 2048  # of a block: fixed, so that sums do not depend on the number of threads
METHODS = ("pca", "zca")


class Whitening(NamedTuple):
    """x -> (x - mean) turn. mean float32 (d,); turn float32 (d, k); variances float64 (k,), of the directions before, descending."""

    mean: Vectors
    turn: Vectors
    variances: NDArray[np.float64]

    @classmethod
    def of(cls, vectors: NDArray[Any], dimensions: int | None = None, *, ridge: float = 1e-3, method: str = "pca") -> Whitening:
        """Learn it from the rows that are present: those that are not all zeros.

        With the covariance C = U diag(s) Uᵀ of these rows, s descending, and ε = `ridge` times the mean of s, the map is
        U diag(s + ε)^-1/2, the first k columns of it (pca), or U diag(s + ε)^-1/2 Uᵀ, as near to the vectors as a whitening can be
        (zca; k = d). The covariance of the result is diag(s / (s + ε)): the identity without a ridge. The ridge keeps directions of
        nearly no variance from being blown up. Kessy, Lewin and Strimmer 2018, "Optimal whitening and decorrelation"; whitened item
        texts for recommendation: Zhang et al. 2024, "Are ID embeddings necessary? Whitening pre-trained text embeddings for
        effective sequential recommendation" (WhitenRec).

        dimensions : k, by default all d; fewer are kept where without a ridge the rank is lower. O(n d² + d³).
        """
        if method not in METHODS:
            raise ParameterError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        if not 0 <= ridge < np.inf:
            raise ParameterError(f"ridge must be at least 0, got {ridge}")
        vectors = np.asarray(vectors)
        if vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise DataError(f"vectors must be finite, of shape (n, d); got shape {vectors.shape}")
        d = vectors.shape[1]
        if dimensions is not None and not 1 <= dimensions <= d:
            raise ParameterError(f"dimensions must be from 1 to {d}, the length of the vectors, got {dimensions}")
        if method == "zca" and dimensions not in (None, d):
            raise ParameterError(f"zca keeps all {d} dimensions; with dimensions={dimensions} use method='pca'")
        rows = vectors[present(vectors)]
        if len(rows) < 2:
            raise DataError(f"whitening needs two vectors or more that are not zero, got {len(rows)}")
        with one_blas_thread():
            mean = _sum(rows, lambda block: block.sum(axis=0)) / len(rows)
            spread, turn = np.linalg.eigh(_sum(rows, lambda block: (block - mean).T @ (block - mean)) / (len(rows) - 1))
            spread, turn = np.maximum(spread[::-1], 0), turn[:, ::-1]
            kept = spread + ridge * spread.mean() > 1e-7 * spread[0]
            kept[d if dimensions is None else dimensions :] = False
            if not kept.any():
                raise DataError(f"the {len(rows)} vectors that are not zero are all equal: nothing to whiten")
            turn = turn * np.sign(turn[np.abs(turn).argmax(axis=0), np.arange(d)])
            scaled = turn[:, kept] / np.sqrt(spread[kept] + ridge * spread.mean())
            if method == "zca":
                scaled = scaled @ turn[:, kept].T
        return cls(mean.astype(np.float32), scaled.astype(np.float32), spread[kept])

    def __call__(self, vectors: NDArray[Any]) -> Vectors:
        """The whitened vectors, float32 (n, k); rows of zeros, which have no content, stay. O(n d k).

        A vector that is exactly the mean becomes a row of zeros, too.
        """
        if vectors.ndim != 2 or vectors.shape[1] != len(self.mean):
            raise DataError(f"vectors of shape (n, {len(self.mean)}) are needed, got {vectors.shape}")
        there = present(vectors)
        out = np.zeros((len(vectors), self.turn.shape[1]), np.float32)
        with one_blas_thread():
            out[there] = product(np.asarray(vectors[there], np.float32) - self.mean, self.turn)
        return out


def whiten(vectors: NDArray[Any], dimensions: int | None = None, *, ridge: float = 1e-3, method: str = "pca") -> Vectors:
    """The vectors whitened by what is learned from them, float32 (n, k): see `Whitening.of`, which keeps the map for new ones."""
    return Whitening.of(vectors, dimensions, ridge=ridge, method=method)(np.asarray(vectors))


def _sum(rows: NDArray[Any], part: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
    """The sum of a function of blocks of rows, in float64 and in order."""
    parts = run_blocks(lambda a, b: part(rows[a:b].astype(np.float64)), len(rows), ROWS)
    total: NDArray[np.float64] = np.sum(parts, axis=0)
    return total

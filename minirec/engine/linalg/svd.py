"""The largest singular values of a sparse matrix and their right singular vectors, by block Lanczos from a random start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..backend import one_blas_thread, run_blocks
from ..graph.propagate import propagate
from ..ranking.scorers import Scores
from ..sparse import CSR

WIDTH = 32  # vectors that one step adds
ROWS = 2048  # of a block of dense algebra: fixed, so that sums do not depend on the number of threads
CHECK = 8  # steps between looks at the residuals
ZERO = 1e-5  # what is shorter than this share of the longest is a rounding error of float32


class SVD(NamedTuple):
    """values float64 (k,), descending; vectors float32 (columns, k), orthonormal."""

    values: NDArray[np.float64]
    vectors: Scores


def basis_size(shape: tuple[int, int], k: int) -> int:
    """The most vectors that `truncated_svd` keeps; with them it ends, however large the residuals are."""
    return min(6 * k + 8 * WIDTH, *shape)


def truncated_svd(matrix: CSR, k: int, *, backend: str, tolerance: float = 1e-2, seed: int = 0, threads: int | None = None) -> SVD:
    """The k largest singular values s of A (m, n), float32, and their right singular vectors v; the left ones are A v / s.
    The number of v that is largest in size is positive.

    Block Lanczos: the Krylov space of G = AᵀA on some random vectors, kept orthonormal (each block is made so against all before it,
    twice), and the eigenvectors of G within it (Golub and Underwood 1977, "The block Lanczos method for computing eigenvalues";
    Musco and Musco 2015 on the random start). It ends where |G v - s² v| <= tolerance s² for all of them. Fewer than k are returned
    where the rank is lower; s below .003 of the largest counts as zero. An s that occurs more often than WIDTH times may be found
    less often than it occurs.

    Products and sums are over fixed blocks: the bits depend on the seed, not on the threads.
    With D vectors in the end, some four or five times k: time O(D nnz + n D²), memory 4 n D bytes.
    """
    with one_blas_thread():
        return _Lanczos(matrix, basis_size(matrix.shape, k), backend, threads).run(k, tolerance, np.random.default_rng(seed))


class _Lanczos:
    """An orthonormal basis that grows by Krylov steps, `basis[:, :stop]`, and G within it."""

    def __init__(self, matrix: CSR, size: int, backend: str, threads: int | None) -> None:
        self.matrix, self.across, self.backend, self.threads = matrix, matrix.transpose(), backend, threads
        self.basis = np.empty((matrix.shape[1], size), np.float32)
        self.within = np.zeros((size, size))
        self.stop, self.largest = 0, 0.0

    def run(self, k: int, tolerance: float, random: np.random.Generator) -> SVD:
        values, turn, step = np.zeros(0), np.zeros((0, 0)), 0
        block = self._fresh(random)
        while block.shape[1]:
            block, link = self._grow(block)
            step += 1
            if not block.shape[1]:  # full, or closed under G: what is left of the range of G, if anything, is elsewhere
                block = self._fresh(random)
            if not block.shape[1] or (step % CHECK == 0 and self.stop >= 2 * k):
                values, turn = np.linalg.eigh(self.within[: self.stop, : self.stop])
                values, turn = values[: -k - 1 : -1], turn[:, : -k - 1 : -1]
                last = turn[self.stop - link.shape[1] :]
                if len(link) and (np.linalg.norm(link @ last, axis=0) <= tolerance * values).all():
                    break
        kept = values > ZERO * self.largest
        vectors = self._rotated(self.basis[:, : self.stop], turn[:, kept])
        longest = np.abs(vectors).argmax(axis=0)
        vectors *= np.where(vectors[longest, np.arange(vectors.shape[1])] < 0, np.float32(-1), np.float32(1))
        return SVD(np.sqrt(values[kept]), vectors)

    def _grow(self, block: Scores) -> tuple[Scores, NDArray[np.float64]]:
        """Take a block Q into the basis: the next block Q' and B, with G Q = (its share in the basis) + Q' B."""
        start, self.stop = self.stop, self.stop + block.shape[1]
        self.basis[:, start : self.stop] = block
        block = self._product(block)
        share = self._take_off(block)
        self.within[: self.stop, start : self.stop], self.within[start : self.stop, : self.stop] = share, share.T
        self.largest = max(self.largest, float(np.linalg.norm(share, 2)))
        return self._orthonormal(block)

    def _fresh(self, random: np.random.Generator) -> Scores:
        """A block in the range of G, orthonormal to the basis; of no columns where there is no such direction, or no room."""
        n, size = self.basis.shape
        block = self._product(random.standard_normal((n, min(WIDTH, size)), np.float32) / np.float32(np.sqrt(n)))
        self._take_off(block)
        return self._orthonormal(block)[0]

    def _product(self, block: Scores) -> Scores:
        """G times a block."""
        left = propagate(self.matrix, block, backend=self.backend, threads=self.threads)
        return propagate(self.across, left, backend=self.backend, threads=self.threads)

    def _take_off(self, block: Scores) -> NDArray[np.float64]:
        """Make a block orthogonal to the basis, in place; returns what it had there, (stop, columns)."""
        basis = self.basis[:, : self.stop]
        share: NDArray[np.float64] = self._sum(lambda a, b: basis[a:b].T @ block[a:b])
        taken = share.astype(np.float32)

        def rows(a: int, b: int) -> None:
            block[a:b] -= basis[a:b] @ taken

        run_blocks(rows, len(block), ROWS, self.threads)
        return share

    def _orthonormal(self, block: Scores) -> tuple[Scores, NDArray[np.float64]]:
        """Q and B with block = Q B, for a block orthogonal to the basis; twice, as short directions have lost digits at first."""
        block, first = self._normal(block, ZERO * self.largest)
        self._take_off(block)
        block, second = self._normal(block, 0.5)
        return block, second @ first

    def _normal(self, block: Scores, floor: float) -> tuple[Scores, NDArray[np.float64]]:
        """Q and B with block = Q B by the eigenvectors of the Gram matrix: of the directions longer than `floor`, if there is room."""
        room = self.basis.shape[1] - self.stop
        squares, turn = np.linalg.eigh(self._sum(lambda a, b: _gram(block[a:b])))
        longest = float(np.sqrt(max(squares.max(initial=0.0), 0.0)))
        kept = np.flatnonzero(squares > max(floor, ZERO * longest) ** 2)
        kept = kept[max(0, len(kept) - room) :]
        lengths = np.sqrt(squares[kept])
        return self._rotated(block, turn[:, kept] / lengths), lengths[:, None] * turn[:, kept].T

    def _rotated(self, block: Scores, turn: NDArray[np.float64]) -> Scores:
        parts = run_blocks(lambda a, b: block[a:b] @ turn.astype(np.float32), len(block), ROWS, self.threads)
        return np.concatenate(parts)

    def _sum(self, part: Callable[[int, int], NDArray[Any]]) -> NDArray[np.float64]:
        """The sum of a function of blocks of rows, in order."""
        total: NDArray[np.float64] = np.sum(run_blocks(part, len(self.basis), ROWS, self.threads), axis=0, dtype=np.float64)
        return total


def _gram(block: Scores) -> NDArray[np.float64]:
    exact = block.astype(np.float64)
    gram: NDArray[np.float64] = exact.T @ exact
    return gram

"""Polynomial graph filters: signals over the items, smoothed along the graph of users and items, and their scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..backend import kernel, run_blocks
from ..ranking.scorers import PathScorer, Scores, pairs_by_block
from ..sparse import CSR, Index
from .propagate import propagate

SIGNALS = 64  # of a tile: as many columns as propagation takes at its best


class PolynomialFilter:
    """p(G) for a symmetric G (items, items) that is not formed: signals x become p(G) x.

    steps : (Rᵀ, R) for G = RᵀR, or (G,).
    coefficients : c_0, c_1, ... of p(G) = sum_k c_k G^k, by Horner's rule; with chebyshev=True of sum_k c_k T_k(I - 2 G), by
        Clenshaw's recurrence, for eigenvalues of G in [0, 1].

    Signals are sparse, as histories are, and there the first product is. O(degree x nnz x signals).
    """

    def __init__(self, steps: tuple[CSR, ...], coefficients: Sequence[float], backend: str, *, chebyshev: bool = False) -> None:
        self._steps, self._backend = steps, backend
        self._coefficients = [np.float32(c) for c in coefficients]
        self._chebyshev = chebyshev

    @property
    def items(self) -> int:
        """Length of a signal."""
        return self._steps[0].shape[0]

    def __call__(self, signals: CSR) -> Scores:
        """(items, signals) for signals in the rows of a CSR (signals, items), in the caller's thread."""
        return self._clenshaw(signals) if self._chebyshev else self._horner(signals)

    def of_columns(self, signals: Scores) -> Scores:
        """The same for dense signals in columns, (items, signals), spread over the threads."""
        n = len(signals)

        def tile(start: int, stop: int) -> Scores:
            pointer, indices = n * np.arange(stop - start + 1), np.tile(np.arange(n, dtype=np.int32), stop - start)
            return self(CSR(pointer, indices, np.ascontiguousarray(signals[:, start:stop].T).reshape(-1), (stop - start, n)))

        return np.concatenate([np.zeros((n, 0), np.float32), *run_blocks(tile, signals.shape[1], SIGNALS)], axis=1)

    def _horner(self, x: CSR) -> Scores:
        """y <- c_k x + G y, from the highest power down."""
        *lower, highest = self._coefficients
        if not lower:
            return self._add(np.zeros(x.shape[::-1], np.float32), x, highest)
        y = highest * self._product(x)
        for c in reversed(lower[1:]):
            y = self._product(self._add(y, x, c))
        return self._add(y, x, lower[0])

    def _clenshaw(self, x: CSR) -> Scores:
        """b_k = c_k x + 2 M b_k+1 - b_k+2 with M = I - 2 G; the sum is c_0 x + M b_1 - b_2."""
        lowest, *_, highest = self._coefficients
        before, b = np.zeros(x.shape[::-1], np.float32), self._add(np.zeros(x.shape[::-1], np.float32), x, highest)
        product = self._product(x)
        product *= highest
        for c in reversed(self._coefficients[1:-1]):
            product *= -4
            product += 2 * b
            product -= before
            before, b = b, self._add(product, x, c)
            product = self._product(b)
        product *= -2
        product += b
        product -= before
        return self._add(product, x, lowest)

    def _product(self, x: CSR | Scores) -> Scores:
        """G x."""
        steps = self._steps
        if isinstance(x, CSR):
            out = np.zeros((x.shape[0], steps[-1].shape[0]), np.float32)
            first, add = steps[0], kernel("weighted_rows_sparse", self._backend)  # the first is the transpose of the last
            add(0, len(out), x.indptr, x.indices, x.data, first.indptr, first.indices, first.data, out)
            steps, x = steps[:-1], np.ascontiguousarray(out.T)
        for matrix in reversed(steps):
            x = propagate(matrix, x, backend=self._backend, threads=1)
        return x

    @staticmethod
    def _add(y: Scores, x: CSR, c: np.float32) -> Scores:
        if c:
            y[x.indices, x.row_ids()] += c * x.data
        return y


class FilterScorer(PathScorer):
    """Scores after (p(G) (before x_u)) + (x_u A) B: a polynomial filter, and a filter of low rank beside it.

    history (profiles, items); before, after (items,); inward A (items, k) and outward B (k, items), k = 0 for none; all float32.
    The scores of a profile have the same bits alone and in a batch.
    """

    tile = SIGNALS

    def __init__(
        self, history: CSR, polynomial: PolynomialFilter, before: Scores, after: Scores, inward: Scores, outward: Scores, backend: str
    ) -> None:
        self.history, self.polynomial, self.backend = history, polynomial, backend
        self.before, self.after, self.inward, self.outward = before, after, inward, outward

    @property
    def shape(self) -> tuple[int, int]:
        return self.history.shape

    def block(self, start: int, stop: int) -> Scores:
        rows = self.history.rows(np.arange(start, stop))
        filtered = self.polynomial(rows.with_data(rows.data * self.before[rows.indices]))
        scores: Scores = np.multiply(filtered.T, self.after, order="C")
        if len(self.outward):
            inner = propagate(rows, self.inward, backend=self.backend, threads=1)
            kernel("add_product", self.backend)(inner, self.outward, scores)
        return scores

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)

    def parts(self, item: int) -> NDArray[np.float64]:
        """What each entry of the history of the first profile adds to its score for an item."""
        n = self.shape[1]
        signal = CSR(np.array([0, 1]), np.array([item], np.int32), self.after[[item]], (1, n))
        column = self.before * self.polynomial(signal)[:, 0]
        at, values = self.history.row(0)
        low_rank = self.inward[at].astype(np.float64) @ self.outward[:, item]
        shares: NDArray[np.float64] = values * (column[at] + low_rank)
        return shares

"""A compressed-row matrix in three plain arrays: what the kernels and the serving path work on, without SciPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Index = NDArray[np.int32]
Pointer = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]


class CSR(NamedTuple):
    """Rows `indices[indptr[r]:indptr[r+1]]` with values `data[...]`; within a row the indices ascend and are unique.

    indptr int64 (rows + 1,), indices int32 (nnz,), data float32 or float64 (nnz,), shape (rows, columns).
    """

    indptr: Pointer
    indices: Index
    data: Floats
    shape: tuple[int, int]

    @classmethod
    def empty(cls, rows: int, columns: int) -> CSR:
        """A matrix without entries, its values float32."""
        return cls(np.zeros(rows + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32), (rows, columns))

    @classmethod
    def from_pairs(cls, rows: NDArray[Any], columns: NDArray[Any], data: NDArray[Any] | None, shape: tuple[int, int]) -> CSR:
        """Build from coordinates; values of one pair are summed in float64, in the order given. O(nnz log nnz).

        Raises DataError where a sum is not a finite float32: its infinities would become NaN in products.
        """
        key = rows.astype(np.int64) * shape[1] + columns
        if data is None:
            key.sort()
        else:
            order = np.argsort(key, kind="stable")
            key, data = key[order], data.astype(np.float64)[order]
        fresh = np.ones(len(key), bool)
        np.not_equal(key[1:], key[:-1], out=fresh[1:])
        first = np.flatnonzero(fresh)
        unique = key[first]
        if data is None:
            summed = np.ones(len(key)) if len(first) == len(key) else np.diff(np.append(first, len(key)))
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                summed = (np.add.reduceat(data, first) if len(first) else data).astype(np.float32)
            if not np.isfinite(summed).all():
                at = int(unique[~np.isfinite(summed)][0])
                raise DataError(
                    f"the weights of row {at // shape[1]} and column {at % shape[1]} do not sum to a finite 32-bit number: "
                    "look for values that are not finite, or scale the weights down (the largest possible sum is 3.4e38)"
                )
        if shape[0] == 1:  # the path of a live request
            return cls(np.array([0, len(unique)], np.int64), unique.astype(np.int32), summed.astype(np.float32), shape)
        counts = np.bincount(unique // shape[1], minlength=shape[0]) if shape[1] else np.zeros(shape[0], np.int64)
        indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        return cls(indptr, (unique % max(shape[1], 1)).astype(np.int32), summed.astype(np.float32), shape)

    @classmethod
    def from_scipy(cls, matrix: Any, dtype: Any = np.float32) -> CSR:
        """Copy any SciPy sparse matrix or array (both kinds are accepted); duplicates are summed, indices sorted."""
        csr = matrix.tocsr(copy=True)
        csr.sum_duplicates()
        return cls(csr.indptr.astype(np.int64), csr.indices.astype(np.int32), csr.data.astype(dtype), tuple(csr.shape))

    def to_scipy(self) -> csr_array:
        """The same matrix for SciPy; the values are shared, not copied."""
        from scipy.sparse import csr_array

        return csr_array((self.data, self.indices, self.indptr), shape=self.shape)

    @property
    def nnz(self) -> int:
        """Number of stored entries."""
        return len(self.indices)

    def counts(self) -> NDArray[np.int64]:
        """Entries in each row."""
        return np.diff(self.indptr)

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The sum of `values` (nnz,) over each row, in float64."""
        total, filled = np.zeros(self.shape[0]), np.flatnonzero(self.counts())
        if len(filled):
            total[filled] = np.add.reduceat(values.astype(np.float64, copy=False), self.indptr[filled])
        return total

    def row_ids(self) -> NDArray[np.int64]:
        """The row of each stored entry."""
        return np.repeat(np.arange(self.shape[0]), self.counts())

    def row(self, r: int) -> tuple[Index, Floats]:
        """Indices and values of one row, as views."""
        start, stop = self.indptr[r], self.indptr[r + 1]
        return self.indices[start:stop], self.data[start:stop]

    def rows(self, selection: NDArray[Any]) -> CSR:
        """The matrix of the selected rows, in the order given; a row may be asked for twice."""
        if len(selection) == 1:  # the path of a live request: views, no copies
            start, stop = self.indptr[selection[0]], self.indptr[selection[0] + 1]
            pointer = np.array([0, stop - start], np.int64)
            return CSR(pointer, self.indices[start:stop], self.data[start:stop], (1, self.shape[1]))
        counts = self.counts()[selection]
        indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        take = np.arange(indptr[-1]) + np.repeat(self.indptr[selection] - indptr[:-1], counts)
        return CSR(indptr, self.indices[take], self.data[take], (len(selection), self.shape[1]))

    def span(self, start: int, stop: int) -> CSR:
        """Rows start..stop, as views but for the offsets."""
        first, last = int(self.indptr[start]), int(self.indptr[stop])
        indptr = self.indptr[start : stop + 1] - first
        return CSR(indptr, self.indices[first:last], self.data[first:last], (stop - start, self.shape[1]))

    def transpose(self) -> CSR:
        """The transposed matrix, by SciPy's counting sort: O(nnz + columns). Raises DataError for a column out of range, which the
        sort would write outside of its arrays."""
        if self.nnz and not 0 <= self.indices.min() <= self.indices.max() < self.shape[1]:
            raise DataError(f"a column of the matrix is outside of 0 ... {self.shape[1] - 1}")
        csc = self.to_scipy().tocsc()
        return CSR(csc.indptr.astype(np.int64), csc.indices.astype(np.int32, copy=False), csc.data, (self.shape[1], self.shape[0]))

    def binary(self) -> CSR:
        """The same pattern with ones."""
        return self.with_data(np.ones(self.nnz, np.float32))

    def with_data(self, data: Floats) -> CSR:
        """The same pattern with other values."""
        return self._replace(data=data)

    def to_dense(self) -> Floats:
        """A dense copy; for small matrices."""
        dense = np.zeros(self.shape, self.data.dtype)
        dense[self.row_ids(), self.indices] = self.data
        return dense

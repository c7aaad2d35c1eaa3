"""The gradient by a table of which only some rows were used."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..backend import resolve
from ..descent.batches import row_sums
from ..sparse import Floats, Index


class RowGradient(NamedTuple):
    """The gradient by a table (n, ...) that only some of its rows have: rows int32 (r,), distinct and ascending, values (r, ...)."""

    rows: Index
    values: Floats
    n: int

    @classmethod
    def of(cls, rows: NDArray[Any], values: Floats, n: int) -> RowGradient:
        """Sum the values (entries, ...) of each row, in their order, whatever the threads; rows (entries,) are in 0..n."""
        rest = values.shape[1:]
        flat = np.ascontiguousarray(values).reshape(len(rows), math.prod(rest))
        distinct, sums = row_sums(np.ascontiguousarray(rows, np.int32), flat, n, resolve())
        return cls(distinct, sums.reshape(len(distinct), *rest), n)

    def plus(self, other: RowGradient) -> RowGradient:
        """The sum of two gradients by one table."""
        if self.rows is other.rows:
            return self._replace(values=self.values + other.values)
        return self.of(np.concatenate((self.rows, other.rows)), np.concatenate((self.values, other.values)), self.n)

    def dense(self) -> Floats:
        """The same as an array (n, ...)."""
        out = np.zeros((self.n, *self.values.shape[1:]), self.values.dtype)
        out[self.rows] = self.values
        return out

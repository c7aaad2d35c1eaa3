"""A sparse matrix times a dense block, compiled. See reference/propagate.py."""

from __future__ import annotations

from typing import Any

from ._jit import jit


@jit
def propagate_rows(start: int, stop: int, indptr: Any, indices: Any, data: Any, block: Any, out: Any) -> None:
    """Bound by gathering rows of the block; tiles of its columns were measured to gain nothing."""
    d = block.shape[1]
    for r in range(start, stop):
        target = out[r]
        target[:] = 0
        for at in range(indptr[r], indptr[r + 1]):
            value, row = block.dtype.type(data[at]), block[indices[at]]
            for c in range(d):
                target[c] += value * row[c]

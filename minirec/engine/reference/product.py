"""A dense product whose every entry is summed in one order, rounded at each step, so that it has the same bits in any batch of rows."""

from __future__ import annotations

from ..ranking.scorers import Scores

_COLUMNS = 1024


def add_product(left: Scores, right: Scores, out: Scores) -> None:
    """out += left right: (rows, k) x (k, n), float32, the k products of an entry added one after the other. O(rows k n)."""
    for first in range(0, right.shape[1], _COLUMNS):
        columns = slice(first, first + _COLUMNS)
        for j in range(len(right)):
            out[:, columns] += left[:, j, None] * right[j, columns]

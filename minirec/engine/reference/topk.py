"""Selection of the k best items of each row, in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..topk import Scores, canonical_dot


def select(scores: Scores, k: int, slack: Scores, users: Scores, items: Scores) -> tuple[NDArray[np.int64], NDArray[np.int32], Scores]:
    """The k best columns of each row of `scores` (b, n), ties to the lower column; -inf marks what must not be chosen.

    slack (b,) : items within it of the k-th best survive and are scored again as users[r] . items[column].
    users (b, d), items (n, d) : the vectors, or arrays without columns where `scores` are canonical already.
    Returns counts (b,), columns (b, k) and values (b, k), filled up to the count of each row. O(b n).
    """
    b, n = scores.shape
    counts, columns, values = np.zeros(b, np.int64), np.zeros((b, k), np.int32), np.zeros((b, k), np.float32)
    rescore = users.shape[1] > 0
    for r in range(b):
        row = scores[r]
        threshold = np.partition(row, n - k)[n - k] - slack[r] if k < n else -np.inf
        survivors = np.flatnonzero(row >= threshold)
        survivors = survivors[row[survivors] > -np.inf]
        final = canonical_dot(users[r], items[survivors]) if rescore else row[survivors]
        order = np.argsort(-final, kind="stable")[:k]  # survivors ascend, so a stable sort keeps the lower column first
        counts[r] = len(order)
        columns[r, : len(order)] = survivors[order]
        values[r, : len(order)] = final[order]
    return counts, columns, values

"""Selection of the k best items of each profile, in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..ranking.scorers import Scores, canonical_dot
from ..sparse import Index


def merge_topk(
    scores: Scores, rows: Index, who: NDArray[np.int64], users: Scores, vectors: Scores, slack: Scores,
    counts: NDArray[np.int64], items: Index, values: Scores,
) -> None:  # fmt: skip
    """Merge a block of scores into the best items so far; ties go to the lower item row, -inf marks what must not be chosen.

    scores (a, m) : of the profiles who[0], who[1], ... for the items rows[0], rows[1], ....
    users (b, d), vectors (m, d) : where they have columns, scores are approximate: what comes within slack[p] of the k-th best
        of profile p is scored again as users[p] . vectors[c].
    counts (b,), items (b, k), values (b, k) : the lists so far, best first; written in place. O(a m).
    """
    assert scores.itemsize == vectors.itemsize == values.itemsize == 4, "scores are read as the bits of float32 numbers"
    k, m = items.shape[1], scores.shape[1]
    bars = np.where(counts[who] == k, values[who, k - 1], -np.inf) - slack[who]
    for r in (scores.max(axis=1, initial=-np.inf) >= bars).nonzero()[0]:
        p, row, bar = who[r], scores[r], bars[r]
        if m > k:
            bar = max(bar, np.partition(row, m - k)[m - k] - slack[p])
        found = (row >= bar).nonzero()[0]
        if bar == -np.inf:
            found = found[row[found] > -np.inf]
        new_items, new_values = rows[found], canonical_dot(users[p], vectors[found]) if users.shape[1] else row[found]
        if count := counts[p]:
            new_items, new_values = np.concatenate((items[p, :count], new_items)), np.concatenate((values[p, :count], new_values))
        best = np.lexsort((new_items, -new_values))[:k]
        counts[p] = count = len(best)
        items[p, :count], values[p, :count] = new_items[best], new_values[best]

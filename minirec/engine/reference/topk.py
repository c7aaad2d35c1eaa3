"""Selection of the k best items of each profile, in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..scorers import Scores, canonical_dot
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
    k, m = items.shape[1], scores.shape[1]
    bars = np.where(counts[who] == k, values[who, k - 1], -np.inf) - slack[who]
    for r in np.flatnonzero(scores.max(axis=1, initial=-np.inf) >= bars):
        p, row = who[r], scores[r]
        bar = max(bars[r], np.partition(row, m - k)[m - k] - slack[p]) if m > k else bars[r]
        found = np.flatnonzero((row >= bar) & (row > -np.inf))
        new = canonical_dot(users[p], vectors[found]) if users.shape[1] else row[found]
        all_items, all_values = np.concatenate((items[p, : counts[p]], rows[found])), np.concatenate((values[p, : counts[p]], new))
        best = np.lexsort((all_items, -all_values))[:k]
        counts[p] = len(best)
        items[p, : len(best)], values[p, : len(best)] = all_items[best], all_values[best]

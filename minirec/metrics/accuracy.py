"""Accuracy of ranked lists: precision, recall, F1, NDCG, MAP, MRR and hit rate, for every user on its own.

Symbols: L_u the list of user u, best first; T_u the user's test items (binary relevance); hit_r = 1 where the item at rank r
(1, 2, ...) is in T_u. Each metric takes `hit`, a `Hits` of K >= k ranks, and `relevant`, int64 (U,) = |T_u|, and returns
float64 (U,). A list shorter than k counts as if its missing ranks were misses.

A user without test items (|T_u| = 0) has no value: NaN here, left out of every mean, and counted in the Result. For a group of
items (head, tail, ...) T_u is restricted to the group's items, and so the mean is over users with at least one such test item
(the definition of Park et al., SIGIR 2025, for tail metrics). All metrics cost O(U k).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..engine.sparse import CSR

Values: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
Table: TypeAlias = NDArray[np.int32]
Number = TypeVar("Number", np.bool_, np.int64, np.float64)


class Lists(NamedTuple):
    """Lists of U users: `items[indptr[u]:indptr[u + 1]]`, rows of the catalogue, best first; some may be short or empty."""

    indptr: NDArray[np.int64]
    items: NDArray[np.int32]

    def table(self, k: int) -> Table:
        """The first k of every list as int32 (U, k), -1 where a list has ended."""
        lengths = np.diff(self.indptr)
        inside = np.arange(k) < lengths[:, None]
        table = np.full((len(lengths), k), -1, np.int32)
        table[inside] = self.items[(self.indptr[:-1, None] + np.arange(k))[inside]]
        return table


def find_hits(table: Table, truth: CSR) -> Mask:
    """bool (U, K): is the item at this place of the table among the user's test items? O(U K log nnz)."""
    if not truth.nnz:
        return np.zeros(table.shape, bool)
    n = truth.shape[1]
    keys = truth.row_ids() * n + truth.indices  # ascending, as rows and the columns within a row ascend
    wanted = np.arange(len(table))[:, None] * n + table
    place = np.minimum(keys.searchsorted(wanted.ravel()), len(keys) - 1).reshape(table.shape)
    hit: Mask = (keys[place] == wanted) & (table >= 0)
    return hit


def pad(per_item: NDArray[Number]) -> NDArray[Number]:
    """Values by item with a zero appended, so that the -1 of a table's empty places looks up the zero."""
    return np.concatenate((per_item, np.zeros(1, per_item.dtype)))


def relevant_in(truth: CSR, group: Mask | None = None) -> Counts:
    """|T_u|, or |T_u and the group's items|, as int64 (U,)."""
    if group is None:
        return truth.counts()
    before = np.zeros(truth.nnz + 1, np.int64)
    np.cumsum(group[truth.indices], out=before[1:])
    return np.diff(before[truth.indptr])


def discounts(k: int) -> Values:
    """1 / log2(r + 1) for the ranks r = 1 to k."""
    weights: Values = 1.0 / np.log2(np.arange(2.0, k + 2.0))
    return weights


class Hits(NamedTuple):
    """at : float64 (U, K), 1 where the item at rank r is a hit, else 0. upto : float64 (U, K), the hits among the first r."""

    at: Values
    upto: Values

    @classmethod
    def of(cls, hit: Mask) -> Hits:
        """From hit_r, bool (U, K)."""
        at = hit.astype(np.float64)
        upto = at.copy(order="K")
        for rank in range(1, at.shape[1]):  # column by column: `measure` has the ranks of many users side by side
            upto[:, rank] += upto[:, rank - 1]
        return cls(at, upto)


def precision(hit: Hits, relevant: Counts, k: int) -> Values:
    """Precision@k = |hits in the first k| / k. The denominator is k, also where the list is shorter."""
    return hit.upto[:, k - 1] / k


def recall(hit: Hits, relevant: Counts, k: int) -> Values:
    """Recall@k = |hits in the first k| / |T_u|: the denominator of the LightGCN papers; cannot reach 1 where |T_u| > k."""
    return hit.upto[:, k - 1] / np.maximum(relevant, 1)


def recall_capped(hit: Hits, relevant: Counts, k: int) -> Values:
    """Capped Recall@k = |hits in the first k| / min(k, |T_u|): the denominator of Liang et al., WWW 2018 (Mult-VAE), equation 8."""
    return hit.upto[:, k - 1] / np.clip(relevant, 1, k)


def f1(hit: Hits, relevant: Counts, k: int) -> Values:
    """F1@k, the harmonic mean of Precision@k and Recall@k (denominator |T_u|) = 2 |hits| / (k + |T_u|)."""
    return 2.0 * hit.upto[:, k - 1] / (k + relevant)


def ndcg(hit: Hits, relevant: Counts, k: int) -> Values:
    """NDCG@k = sum_{r<=k} hit_r / log2(r + 1), over its ideal sum_{r<=min(k,|T_u|)} 1 / log2(r + 1). Binary relevance."""
    ideal = np.cumsum(discounts(k))
    gained: Values = (hit.at[:, :k] * discounts(k)).sum(1)
    return gained / ideal[np.clip(relevant, 1, k) - 1]


def average_precision(hit: Hits, relevant: Counts, k: int) -> Values:
    """AP@k = sum_{r<=k} hit_r Precision@r / min(k, |T_u|); its mean over users is MAP@k. Other libraries divide by |T_u| or by hits."""
    total: Values = (hit.at[:, :k] * hit.upto[:, :k] / np.arange(1.0, k + 1.0)).sum(1)
    return total / np.clip(relevant, 1, k)


def reciprocal_rank(hit: Hits, relevant: Counts, k: int) -> Values:
    """RR@k = 1 / (rank of the first hit), 0 without a hit in the first k; its mean over users is MRR@k."""
    before: Values = (hit.upto[:, :k] == 0).sum(1, dtype=np.float64)
    return hitrate(hit, relevant, k) / (before + 1)


def hitrate(hit: Hits, relevant: Counts, k: int) -> Values:
    """HitRate@k = 1 where the first k hold at least one hit, else 0."""
    found: Values = np.minimum(hit.upto[:, k - 1], 1)
    return found


ACCURACY: dict[str, Callable[[Hits, Counts, int], Values]] = {
    "precision": precision,
    "recall": recall,
    "recall_capped": recall_capped,
    "f1": f1,
    "ndcg": ndcg,
    "map": average_precision,
    "mrr": reciprocal_rank,
    "hitrate": hitrate,
}

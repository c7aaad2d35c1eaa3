"""Accuracy of ranked lists, for every user on its own: the one place of each formula.

Symbols: L_u the list of user u, best first; T = T_u the user's test items (binary relevance); hit_r = 1 where the item at rank r
(1, 2, ...) is in T. Each metric takes `hit`, a `Hits` of K >= k ranks, and `relevant`, int64 (U,) = |T|, and returns float64 (U,).
A list shorter than k counts as if its missing ranks were misses. Graded metrics take `gain`, float64 (U, K), that of the item at each
rank, and `best`, the gains of T in descending order.

The first line of each docstring is the formula; the lines "Denominator:", "Empty:", "Elsewhere:" and "Source:" go into
docs/metrics.md as they stand.

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
    """Lists of U users: `items[indptr[u]:indptr[u + 1]]`, rows of the catalogue, best first; some may be short or empty.

    Row n, one beyond the catalogue, is an item that it does not have: it takes its place in the list, and is no hit and of no group.
    """

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
    hit: Mask = (keys[place] == wanted) & (table >= 0) & (table < n)
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
    """Precision@k = |hits in the first k| / k.

    Denominator: k, also where the list is shorter.
    Elsewhere: RecTools, ranx, ir-measures and recommenders have the same; LensKit and irspack divide by the length of a shorter list.
    Source: Herlocker et al., TOIS 2004.
    """
    return hit.upto[:, k - 1] / k


def recall(hit: Hits, relevant: Counts, k: int) -> Values:
    """Recall@k = |hits in the first k| / |T|.

    Denominator: |T|, so a user with more than k test items cannot reach 1. That of the papers of LightGCN.
    Elsewhere: RecTools, ranx, ir-measures, irspack and recommenders have the same; LensKit's Recall is `recall_capped`.
    Source: Herlocker et al., TOIS 2004.
    """
    return hit.upto[:, k - 1] / np.maximum(relevant, 1)


def recall_capped(hit: Hits, relevant: Counts, k: int) -> Values:
    """RecallCapped@k = |hits in the first k| / min(k, |T|).

    Denominator: min(k, |T|), so everybody can reach 1.
    Elsewhere: LensKit's Recall, and irspack's with recall_with_cutoff=True; the recall of Mult-VAE's protocol.
    Source: Liang et al., WWW 2018, equation 8.
    """
    return hit.upto[:, k - 1] / np.clip(relevant, 1, k)


def f1(hit: Hits, relevant: Counts, k: int) -> Values:
    """F1@k = 2 |hits in the first k| / (k + |T|).

    Denominator: k + |T|: the harmonic mean of `precision` and `recall`.
    Elsewhere: RecTools (F1Beta) and ranx have the same.
    Source: van Rijsbergen 1979, chapter 7.
    """
    return 2.0 * hit.upto[:, k - 1] / (k + relevant)


def fbeta(hit: Hits, relevant: Counts, k: int, beta: float) -> Values:
    """FBeta@k = (1 + b^2) |hits in the first k| / (k + b^2 |T|).

    Denominator: k + b^2 |T|: b above 1 weighs recall more than precision, below 1 less; b = 1 is `f1`.
    Elsewhere: RecTools' F1Beta is the same.
    Source: van Rijsbergen 1979, chapter 7.
    """
    return (1.0 + beta**2) * hit.upto[:, k - 1] / (k + beta**2 * relevant)


def mcc(hit: Hits, relevant: Counts, k: int, n_items: int) -> Values:
    """MCC@k = (TP TN - FP FN) / sqrt((TP + FP) (TP + FN) (TN + FP) (TN + FN)).

    Denominator: as above, with TP = |hits in the first k|, FP = k - TP, FN = |T| - TP and TN the rest of the n items of the catalogue.
    Empty: 0 where the denominator is 0.
    Elsewhere: RecTools' MCC is the same.
    Source: Matthews 1975.
    """
    tp = hit.upto[:, k - 1]
    fp, fn = k - tp, relevant - tp
    tn = n_items - tp - fp - fn
    scale = np.sqrt(np.maximum((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn), 0.0))
    return np.divide(tp * tn - fp * fn, scale, out=np.zeros_like(tp), where=scale > 0)


def dcg(hit: Hits, relevant: Counts, k: int) -> Values:
    """DCG@k = sum_{r<=k} hit_r / log2(r + 1).

    Denominator: none.
    Elsewhere: ranx has the same; LensKit has log2(max(r, 2)), as the paper has it: both first places count 1.
    Source: Jarvelin and Kekalainen, TOIS 2002.
    """
    gained: Values = (hit.at[:, :k] * discounts(k)).sum(1)
    return gained


def ndcg(hit: Hits, relevant: Counts, k: int) -> Values:
    """NDCG@k = DCG@k / sum_{r<=min(k,|T|)} 1 / log2(r + 1).

    Denominator: the DCG of the best list of k places for this user, cut at min(k, |T|). Binary relevance.
    Elsewhere: ranx, ir-measures, recommenders (ndcg_at_k), irspack on full lists and RecTools with divide_by_achievable=True have the
    same; RecTools by default divides by the sum of all k discounts; LensKit's discount is that of its DCG, see `dcg`.
    Source: Jarvelin and Kekalainen, TOIS 2002.
    """
    ideal = np.cumsum(discounts(k))
    return dcg(hit, relevant, k) / ideal[np.clip(relevant, 1, k) - 1]


def average_precision(hit: Hits, relevant: Counts, k: int) -> Values:
    """MAP@k = sum_{r<=k} hit_r Precision@r / min(k, |T|).

    Denominator: min(k, |T|), so everybody can reach 1.
    Elsewhere: RecBole and recommenders (map_at_k) have the same; RecTools, ranx, irspack and trec_eval divide by |T|: `map_trec`.
    Source: Buckley and Voorhees, SIGIR 2000, with the cut of McFee et al., WWW 2012.
    """
    return _precisions(hit, k) / np.clip(relevant, 1, k)


def average_precision_trec(hit: Hits, relevant: Counts, k: int) -> Values:
    """MAPTrec@k = sum_{r<=k} hit_r Precision@r / |T|.

    Denominator: |T|, as trec_eval's map_cut has it: a user with more than k test items cannot reach 1.
    Elsewhere: ranx (map@k), ir-measures (AP@k), irspack, recommenders (map) and RecTools (MAP) have the same; see `map`.
    Source: Buckley and Voorhees, SIGIR 2000.
    """
    return _precisions(hit, k) / np.maximum(relevant, 1)


def _precisions(hit: Hits, k: int) -> Values:
    """sum_{r<=k} hit_r Precision@r."""
    total: Values = (hit.at[:, :k] * hit.upto[:, :k] / np.arange(1.0, k + 1.0)).sum(1)
    return total


def reciprocal_rank(hit: Hits, relevant: Counts, k: int) -> Values:
    """MRR@k = 1 / (rank of the first hit), 0 without a hit in the first k.

    Denominator: the rank.
    Elsewhere: RecTools, LensKit (RecipRank), ranx and ir-measures (RR@k) have the same.
    Source: Voorhees, TREC-8, 1999.
    """
    before: Values = (hit.upto[:, :k] == 0).sum(1, dtype=np.float64)
    return hitrate(hit, relevant, k) / (before + 1)


def rbp(hit: Hits, relevant: Counts, k: int, persistence: float) -> Values:
    """RBP@k = (1 - p) sum_{r<=k} hit_r p^(r - 1).

    Denominator: none: a reader goes on to the next place with the chance p, and 1 - p makes the weights of all places sum to 1.
    Elsewhere: ranx (rbp.p) and LensKit (RBP) have the same.
    Source: Moffat and Zobel, TOIS 2008.
    """
    gained: Values = (hit.at[:, :k] * persistence ** np.arange(k)).sum(1) * (1.0 - persistence)
    return gained


def hitrate(hit: Hits, relevant: Counts, k: int) -> Values:
    """HitRate@k = 1 where the first k hold at least one hit, else 0.

    Denominator: none.
    Elsewhere: irspack (hit), RecTools, LensKit (Hit), ranx and ir-measures (Success) have the same; a mean over test items in place of
    users (He et al., WWW 2017) is the same where every user has one.
    Source: Deshpande and Karypis, TOIS 2004.
    """
    found: Values = np.minimum(hit.upto[:, k - 1], 1)
    return found


def graded_dcg(gain: Values, k: int) -> Values:
    """DCGGraded@k = sum_{r<=k} gain_r / log2(r + 1).

    Denominator: none. gain: the weight of the test item, or 2^weight - 1 (gain="exponential").
    Elsewhere: ranx has both, dcg and dcg_burges.
    Source: Jarvelin and Kekalainen, TOIS 2002; exponential gains: Burges et al., ICML 2005.
    """
    gained: Values = (gain[:, :k] * discounts(k)).sum(1)
    return gained


def graded_ndcg(gain: Values, best: Values, k: int) -> Values:
    """NDCGGraded@k = DCGGraded@k / DCGGraded@k of the user's test items by descending gain.

    Denominator: the DCG of the best list of k places.
    Empty: 0 where all gains are 0.
    Elsewhere: ranx (ndcg, ndcg_burges) and ir-measures (nDCG, linear) have the same.
    Source: Jarvelin and Kekalainen, TOIS 2002; exponential gains: Burges et al., ICML 2005.
    """
    gained, ideal = graded_dcg(gain, k), graded_dcg(best, k)
    return np.divide(gained, ideal, out=np.zeros_like(gained), where=ideal > 0)


ACCURACY: dict[str, Callable[[Hits, Counts, int], Values]] = {
    "precision": precision,
    "recall": recall,
    "recall_capped": recall_capped,
    "f1": f1,
    "ndcg": ndcg,
    "map": average_precision,
    "map_trec": average_precision_trec,
    "mrr": reciprocal_rank,
    "hitrate": hitrate,
}

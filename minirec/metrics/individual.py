"""Individual fairness of items: how evenly the places of all lists fall on the items of the catalogue.

Rampisela, Maistro, Ruotsalo and Lioma, ACM TORS 3 (2), 2024, "Evaluation measures of individual item fairness for recommender systems".
`table` : int (m, k), the lists as item rows, -1 after the end of a list; n_items : n. c_i : how many lists have item i. The corrected
forms divide what is above the least value that m lists of k places can have by the range of values that they can have, so that 0 and 1
are reached; they need full lists. NaN where nothing is recommended.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .accuracy import Values, discounts

Table = NDArray[np.integer[Any]]


def counts(table: Table, n_items: int, *, full: bool = False) -> NDArray[np.int64]:
    """c_i, int64 (n,). full: DataError unless every list has k items."""
    if full and table.size and (table < 0).any():
        raise DataError(
            f"corrected forms need full lists: {int((table < 0).any(1).sum()):,} of {len(table):,} are shorter than {table.shape[1]}"
        )
    return np.bincount(table[(table >= 0) & (table < n_items)], minlength=n_items)


def jain(table: Table, n_items: int, *, corrected: bool = False) -> float:
    """Jain's index, (sum c)^2 / (n sum c^2): 1 = all items alike, 1/n = one item has all (Jain et al. 1984).

    Corrected: (J - k/n) / (J_max - k/n), J_max that of counts which differ by at most one.
    """
    c = counts(table, n_items, full=corrected).astype(np.float64)
    if not c.any():
        return float("nan")
    n, places = n_items, c.sum()
    value = places**2 / (n * (c**2).sum())
    if not corrected:
        return float(value)
    each, more = divmod(int(places), n)
    best = places**2 / (n * (n * each**2 + more * (2 * each + 1)))
    return _scaled(value, table.shape[1] / n, best)


def qualification(table: Table, n_items: int, *, corrected: bool = False) -> float:
    """QF, |items recommended| / n (Zhu et al. 2020). Corrected: (|items| - k) / (min(n, m k) - k)."""
    c = counts(table, n_items, full=corrected)
    if not c.any():
        return float("nan")
    shown = float((c > 0).sum())
    k = table.shape[1]
    return _scaled(shown, k, min(n_items, int(c.sum()))) if corrected else shown / n_items


def entropy_share(table: Table, n_items: int, *, corrected: bool = False) -> float:
    """Ent, -sum p_i log_n p_i with p_i = c_i / sum c (Patro et al. 2020); 0 log 0 = 0.

    The original form has no value where an item is never recommended; here its term is 0. Corrected: (E - log_n k) / (E_max - log_n k),
    E_max that of counts which differ by at most one.
    """
    c = counts(table, n_items, full=corrected).astype(np.float64)
    if not c.any() or n_items < 2:
        return float("nan")
    value, places, n = _entropy(c) / np.log(n_items), int(c.sum()), n_items
    if not corrected:
        return float(value)
    each, more = divmod(places, n)
    best = _entropy(np.concatenate((np.full(n - more, each), np.full(more, each + 1))).astype(np.float64)) / np.log(n)
    return _scaled(value, float(np.log(table.shape[1]) / np.log(n)), best)


def gini_share(table: Table, n_items: int, *, corrected: bool = False, weighted: bool = False) -> float:
    """Gini, sum_j (2 j - n - 1) c_(j) / (n sum c), over ascending c: 0 = all alike.

    weighted (Gini-w): c_i is the sum of 1 / log2(1 + r) over the ranks r at which i stands. Corrected: (G - G_min) / (G_max - G_min): for
    counts G_max = 1 - k/n and G_min of counts that differ by at most one; for weights G_max where all lists are the same, and G_min where
    no item stands in two lists, which is taken as 0 where m k > n.
    """
    whole = counts(table, n_items, full=corrected)
    if not whole.any():
        return float("nan")
    n, (m, k) = n_items, table.shape
    c = whole.astype(np.float64)
    if weighted:
        inside = (table >= 0) & (table < n)
        c = np.bincount(table[inside], weights=np.broadcast_to(discounts(k), table.shape)[inside], minlength=n).astype(np.float64)
    value = _gini(np.sort(c))
    if not corrected:
        return value
    if weighted:
        least = _gini(np.sort(np.concatenate((np.zeros(n - m * k), np.repeat(discounts(k), m))))) if m * k <= n else 0.0
        return _scaled(value, least, _gini(np.concatenate((np.zeros(n - k), np.sort(discounts(k)) * m))))
    more = m * k % n
    return _scaled(value, (n - more) * more / (n * m * k), 1.0 - k / n)


def vocd(table: Table, n_items: int) -> float:
    """VoCD, the mean of |c_i - c_j| / max(c_i, c_j) over the pairs of items that are recommended (Zhu et al. 2021, all items alike).

    NaN for fewer than two such items. O(n log n), by prefix sums of the sorted counts.
    """
    c = np.sort(counts(table, n_items).astype(np.float64))
    c = c[c > 0]
    q = len(c)
    if q < 2:
        return float("nan")
    below = np.cumsum(c) - c
    return float((np.arange(q) - below / c).sum() / (q * (q - 1) / 2))


def individual_disparity(table: Table, n_items: int, *, patience: float = 0.8) -> tuple[float, float]:
    """(II-D, AI-D), Wu et al. 2022: how far the exposure of items is from the same for all.

    e_ui = p^(r - 1) where user u has item i at rank r, else 0; e = sum_{r<=k} p^(r-1) / n. II-D = mean over u and i of (e_ui - e)^2,
    AI-D = mean over i of (mean over u of (e_ui - e))^2. II-D is the same for all full lists of k places.
    """
    m, k = table.shape
    if not m:
        return float("nan"), float("nan")
    weight = patience ** np.arange(k)
    inside = (table >= 0) & (table < n_items)
    at = np.broadcast_to(weight, table.shape)[inside]
    equal = weight.sum() / n_items
    mean = np.bincount(table[inside], weights=at, minlength=n_items) / m
    each = (at**2).sum() / (m * n_items) - 2.0 * equal * mean.mean() + equal**2
    return float(each), float(((mean - equal) ** 2).mean())


def _entropy(c: Values) -> float:
    p = c[c > 0] / c.sum()
    return float(-(p * np.log(p)).sum())


def _gini(ascending: Values) -> float:
    n = len(ascending)
    return float(((2.0 * np.arange(1, n + 1) - n - 1) * ascending).sum() / (n * ascending.sum()))


def _scaled(value: float, low: float, high: float) -> float:
    """Where a value stands between two others; NaN where they are the same."""
    return float((value - low) / (high - low)) if high != low else float("nan")

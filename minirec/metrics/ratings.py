"""Accuracy of predictions, one a pair of user and item, pooled over all pairs (not averaged within users first)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, ParameterError
from .accuracy import Values


def rmse(predicted: ArrayLike, actual: ArrayLike) -> float:
    """RMSE = sqrt(sum (predicted - actual)^2 / n), in units of the rating.

    Denominator: n, the number of pairs.
    Elsewhere: Surprise, recommenders and scikit-learn have the same.
    Source: Herlocker et al., TOIS 2004.

    >>> import minirec as mr
    >>> mr.metrics.rmse([4, 3], [5, 3]) ** 2
    0.5000000000000001
    """
    return float(mse(predicted, actual) ** 0.5)


def mse(predicted: ArrayLike, actual: ArrayLike) -> float:
    """MSE = sum (predicted - actual)^2 / n.

    Denominator: n, the number of pairs.
    Elsewhere: Surprise and scikit-learn have the same.
    Source: Herlocker et al., TOIS 2004.

    >>> import minirec as mr
    >>> mr.metrics.mse([4, 3], [5, 3])
    0.5
    """
    p, a = _pairs(predicted, actual)
    return float(((p - a) ** 2).mean())


def mae(predicted: ArrayLike, actual: ArrayLike) -> float:
    """MAE = sum |predicted - actual| / n, in units of the rating.

    Denominator: n, the number of pairs.
    Elsewhere: Surprise, recommenders and scikit-learn have the same.
    Source: Herlocker et al., TOIS 2004.

    >>> import minirec as mr
    >>> mr.metrics.mae([4, 3], [5, 3])
    0.5
    """
    p, a = _pairs(predicted, actual)
    return float(abs(p - a).mean())


def accuracy_at(predicted: ArrayLike, actual: ArrayLike, threshold: float) -> float:
    """Accuracy = |pairs whose prediction and rating stand on the same side of the threshold| / n.

    Denominator: n, the number of pairs; at the threshold counts as above it.
    Elsewhere: scikit-learn's accuracy_score of the two comparisons.
    Source: Herlocker et al., TOIS 2004.

    >>> import minirec as mr
    >>> mr.metrics.accuracy_at([4, 3], [5, 4], threshold=4)
    0.5
    """
    p, a = _pairs(predicted, actual)
    return float(((p >= threshold) == (a >= threshold)).mean())


def r2(predicted: ArrayLike, actual: ArrayLike) -> float:
    """R2 = 1 - sum (predicted - actual)^2 / sum (actual - mean of actual)^2.

    Denominator: the variance of the actual values; below 0 where the mean would have been better.
    Empty: NaN where all actual values are equal.
    Elsewhere: recommenders' rsquared and scikit-learn's r2_score have the same, but for equal actual values.
    Source: Draper and Smith 1998.

    >>> import minirec as mr
    >>> mr.metrics.r2([4, 3, 1], [5, 3, 1])
    0.875
    """
    p, a = _pairs(predicted, actual)
    spread = ((a - a.mean()) ** 2).sum()
    return float(1.0 - ((p - a) ** 2).sum() / spread) if spread > 0 else float("nan")


def log_loss(predicted: ArrayLike, actual: ArrayLike, *, eps: float = 1e-15) -> float:
    """LogLoss = -sum (y log p + (1 - y) log(1 - p)) / n, in nats.

    Denominator: n, the number of pairs. y is 0 or 1; p, a probability, is kept within [eps, 1 - eps].
    Elsewhere: scikit-learn (log_loss) and recommenders (logloss) have the same.
    Source: Good 1952.

    >>> import minirec as mr
    >>> round(mr.metrics.log_loss([0.9, 0.2], [1, 0]), 4)
    0.1643
    """
    p, y = _pairs(predicted, actual)
    if not np.isin(y, (0, 1)).all() or (p < 0).any() or (p > 1).any():
        raise DataError("log_loss takes probabilities, 0 to 1, and actual values of 0 or 1")
    p = np.clip(p, eps, 1.0 - eps)
    return float(-(y * np.log(p) + (1.0 - y) * np.log1p(-p)).mean())


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """AUC = (|pairs of a positive with a higher score and a negative| + |such pairs of equal score| / 2) / (P N).

    Denominator: P N, positives times negatives; a tie counts one half.
    Empty: NaN without positives or without negatives.
    Elsewhere: scikit-learn's roc_auc_score and recommenders' auc have the same.
    Source: Hanley and McNeil 1982.

    >>> import minirec as mr
    >>> mr.metrics.auc([0.9, 0.8, 0.3, 0.3], [1, 0, 1, 0])
    0.625
    """
    s, y = _pairs(scores, labels)
    return float(_auc_of_groups(np.zeros(len(s), np.int64), s, _labels(y), 1)[0][0])


def gauc(users: ArrayLike, scores: ArrayLike, labels: ArrayLike) -> float:
    """GAUC = sum_u w_u AUC_u / sum_u w_u.

    Denominator: the weights w_u = number of entries of user u, over the users with both a positive and a negative.
    Empty: NaN where no user has both.
    Elsewhere: RecBole weighs by the number of positives.
    Source: Zhu et al., KDD 2017 (Deep Interest Network, equation 6 of its long version).

    >>> import minirec as mr
    >>> mr.metrics.gauc(["a", "a", "b", "b", "b"], [0.9, 0.1, 0.5, 0.2, 0.5], [1, 0, 1, 0, 0])
    0.85
    """
    s, y = _pairs(scores, labels)
    _, user = np.unique(np.asarray(users), return_inverse=True)
    if user.shape != s.shape:
        raise DataError(f"users, scores and labels differ in length: {user.size} and {len(s)}")
    values, weight = _auc_of_groups(user, s, _labels(y), int(user.max(initial=-1)) + 1)
    has = np.isfinite(values)
    return float((values[has] * weight[has]).sum() / weight[has].sum()) if has.any() else float("nan")


def fcp(users: ArrayLike, predicted: ArrayLike, actual: ArrayLike) -> float:
    """FCP = sum_u concordant_u / sum_u (concordant_u + discordant_u).

    Denominator: pairs of ratings of one user that differ; concordant where the higher rating has the higher prediction, else discordant
    (equal predictions too).
    Empty: NaN where no user has two different ratings.
    Elsewhere: Surprise takes means over the users with a concordant pair, and over those with a discordant one, in place of sums; that
    is the same where every user has both.
    Source: Koren and Sill, IJCAI 2013.

    >>> import minirec as mr
    >>> mr.metrics.fcp(["a", "a", "a"], [3.0, 4.0, 2.0], [2, 5, 3])
    0.6666666666666666
    """
    p, a = _pairs(predicted, actual)
    _, user = np.unique(np.asarray(users), return_inverse=True)
    if user.shape != p.shape:
        raise DataError(f"users, predicted and actual differ in length: {user.size} and {len(p)}")
    order = np.argsort(user, kind="stable")
    bounds = np.concatenate(([0], np.cumsum(np.bincount(user)))) if len(user) else np.zeros(1, np.int64)
    concordant = total = 0
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        mine = order[start:stop]
        higher = a[mine][:, None] > a[mine]
        total += int(higher.sum())
        concordant += int((higher & (p[mine][:, None] > p[mine])).sum())
    return concordant / total if total else float("nan")


def _pairs(first: Any, second: Any) -> tuple[Values, Values]:
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise DataError(f"there must be one value a pair in both columns, got shapes {a.shape} and {b.shape}")
    if not len(a):
        raise DataError("there are no pairs to measure")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError("values must be finite: leave pairs without a prediction out, and say how many")
    return a, b


def _labels(y: Values) -> NDArray[np.bool_]:
    if not np.isin(y, (0, 1)).all():
        raise ParameterError("labels are 0 or 1")
    positive: NDArray[np.bool_] = y == 1
    return positive


def _auc_of_groups(group: NDArray[np.int64], s: Values, positive: NDArray[np.bool_], n: int) -> tuple[Values, Values]:
    """AUC of each group by the ranks of its positives (ties share the mean rank), and the number of its entries."""
    order = np.lexsort((s, group))
    g, v, y = group[order], s[order], positive[order]
    size = np.bincount(g, minlength=n).astype(np.float64)
    fresh = np.ones(len(v), bool)
    fresh[1:] = (g[1:] != g[:-1]) | (v[1:] != v[:-1])
    run = np.cumsum(fresh) - 1
    first = np.flatnonzero(fresh)
    length = np.diff(np.append(first, len(v)))
    rank = (first + (length - 1) / 2.0)[run] - (np.cumsum(size) - size)[g] + 1.0  # mean rank, from 1, within the group
    positives = np.bincount(g[y], minlength=n).astype(np.float64)
    ranks = np.bincount(g[y], weights=rank[y], minlength=n)
    pairs = positives * (size - positives)
    better = ranks - positives * (positives + 1.0) / 2.0
    return np.divide(better, pairs, out=np.full(n, np.nan), where=pairs > 0), size

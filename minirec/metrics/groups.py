"""Values of users by group of users: means, gaps, small groups, intersections; calibration; the shares of providers.

`group` : int (U,), the group of each user, 0 to G - 1, -1 for none. Values of users are float64 (U,), NaN where a user has none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError
from .accuracy import Mask, Values

Group = NDArray[np.integer[Any]]
SMALL = 30  # users: the mean of a smaller group is flagged


class ByGroup(NamedTuple):
    """means : float64 (G,), NaN for a group without a value. users : int64 (G,), how many have one. small : bool (G,), fewer than 30."""

    means: Values
    users: NDArray[np.int64]
    small: Mask


def group_means(values: Values, group: Group, *, small: int = SMALL) -> ByGroup:
    """The mean of each group over its users who have a value."""
    known = (group >= 0) & np.isfinite(values)
    n = int(group.max(initial=-1)) + 1
    users = np.bincount(group[known], minlength=n)
    total = np.bincount(group[known], weights=values[known], minlength=n)
    return ByGroup(np.divide(total, users, out=np.full(n, np.nan), where=users > 0), users, users < small)


def intersections(*groups: Group) -> tuple[NDArray[np.int64], list[tuple[int, ...]]]:
    """Groups of users by several attributes at once: the number of each user's combination, and the combinations, ascending.

    -1 where a user has no group in one of them. Only combinations that somebody has are there.
    """
    if not groups:
        raise ParameterError("intersections needs at least one grouping")
    table = np.column_stack(groups)
    known = (table >= 0).all(1)
    distinct, place = np.unique(table[known], axis=0, return_inverse=True)
    found = np.full(len(table), -1, np.int64)
    found[known] = place.reshape(-1)
    return found, [tuple(row) for row in distinct.tolist()]


def gap(means: Values) -> float:
    """The largest difference between two groups; NaN with fewer than two values."""
    values = means[np.isfinite(means)]
    return float(values.max() - values.min()) if len(values) > 1 else float("nan")


def mean_absolute_difference(means: Values) -> float:
    """MADr: the mean of |a - b| over the pairs of groups (Deldjoo et al., UMUAI 2021); NaN with fewer than two values.

    Elliot's UserMADranking is this of each group's NDCG, its ItemMADranking of the precision of items, by group of items.
    """
    values = np.sort(means[np.isfinite(means)])
    n = len(values)
    if n < 2:
        return float("nan")
    return float(((2.0 * np.arange(n) - n + 1) * values).sum() / (n * (n - 1) / 2))


def min_max_ratio(values: Values) -> float:
    """The least of the groups' (or providers') values over the largest: 1 = alike. NaN where the largest is not above 0."""
    values = values[np.isfinite(values)]
    return float(values.min() / values.max()) if len(values) and values.max() > 0 else float("nan")


def max_min_fairness(exposure: Values, weight: Values) -> float:
    """MMF: the least of exposure_p / weight_p over the providers, each as a share of all (Xu et al., WWW 2023, P-MMF).

    1 where all providers have what their weights say, 0 where one has nothing. NaN where nothing is shown.
    """
    able = weight > 0
    if not exposure[able].sum() > 0:
        return float("nan")
    return float((exposure[able] / exposure[able].sum() / (weight[able] / weight[able].sum())).min())


def popularity_lift(shown: Values, before: Values, group: Group) -> Values:
    """Delta GAP of each group: (GAP_r - GAP_p) / GAP_p (Abdollahpouri et al., RMSE 2019).

    shown, before : the mean popularity of the items in each user's list and profile; GAP is their mean over the group's users who have
    both. 0 = as popular as what the group had, 1 = twice as popular.
    """
    both = np.isfinite(shown) & np.isfinite(before)
    listed, had = (group_means(np.where(both, values, np.nan), group).means for values in (shown, before))
    lift: Values = np.divide(listed - had, had, out=np.full(len(had), np.nan), where=had > 0)
    return lift


def calibration(profile: Values, shown: Values, *, alpha: float = 0.01) -> Values:
    """C_KL of each user: sum_g p_g ln(p_g / q'_g), q' = (1 - alpha) q + alpha p (Steck, RecSys 2018, equations 5 and 6).

    profile, shown : float64 (U, G), the shares p of the kinds of items in what a user had, and q in the list. 0 = the list has the kinds
    that the user has. NaN where a user has no profile or no list.
    """
    if not 0 < alpha < 1:
        raise ParameterError(f"alpha is above 0 and below 1, got {alpha!r}")
    smoothed = (1.0 - alpha) * shown + alpha * profile
    ratio = np.divide(profile, smoothed, out=np.ones_like(smoothed), where=profile > 0)
    total: Values = np.where(profile > 0, profile * np.log(ratio), 0.0).sum(1)
    return np.where(np.isfinite(profile).all(1) & np.isfinite(shown).all(1), np.maximum(total, 0.0), np.nan)

"""Many paired comparisons over the same users: one pass over the users for all models, not one for each pair."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..metrics.accuracy import Values
from .statistics import bootstrap_means, effect_size, flipped_sums, t_test

PAIRS = 2**22  # users x pairs at a time: 32 MB


class Paired(NamedTuple):
    """Model a less model b: the mean difference with its bootstrap interval, p, Cohen's d_z, and the number of users."""

    difference: float
    low: float
    high: float
    p: float
    effect: float
    n: int


def paired(
    values: Values, first: NDArray[np.int64], second: NDArray[np.int64], *, test: str = "t", level: float = 0.95, seed: int = 0
) -> list[Paired]:
    """Columns first[j] less second[j] of `values`, float64 (users, models), finite.

    The mean of a resample's differences is the difference of its means, and a sum with flipped signs the difference of two such sums: so
    resamples and flips go over the models once. Where two sums are equal up to rounding, the observed one counts as reached, as in
    `randomisation_test`. O(resamples users models + users pairs).
    """
    n = len(values)
    means = bootstrap_means(values, seed=seed)
    tail = (1.0 - level) / 2.0
    flips = None if test == "t" else flipped_sums(values, seed=seed)
    found = []
    step = max(1, PAIRS // max(n, len(means)))
    for start in range(0, len(first), step):
        a, b = first[start : start + step], second[start : start + step]
        gap = values[:, a] - values[:, b]
        low, high = np.quantile(means[:, a] - means[:, b], (tail, 1.0 - tail), axis=0)
        if flips is None:
            p = t_test(gap)
        else:
            bound = np.abs(gap.sum(0)) * (1.0 - 1e-12) - 1e-12 * (np.abs(values[:, a]) + np.abs(values[:, b])).sum(0)
            p = (1.0 + (np.abs(flips[:, a] - flips[:, b]) >= bound).sum(0)) / (1.0 + len(flips))
        columns = (gap.mean(0), low, high, p, effect_size(gap))
        found += [Paired(d, lo, hi, p, e, n) for d, lo, hi, p, e in zip(*(column.tolist() for column in columns), strict=True)]
    return found

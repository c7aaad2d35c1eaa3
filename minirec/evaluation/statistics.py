"""Uncertainty of means over users: bootstrap intervals, paired tests, effect sizes, correction for many comparisons.

With thousands of users the Wilcoxon and sign tests reject far too often (Ihemelandu & Ekstrand, SIGIR 2023), so they are not
offered: the tests are the paired t and the randomisation test, and both come with an interval and an effect size.
"""

from __future__ import annotations

import numpy as np

from ..engine.backend import one_blas_thread
from ..metrics.accuracy import Values

CELLS_A_BLOCK = 2**22  # of resamples x users at a time: 32 MB


def bootstrap_interval(values: Values, *, level: float = 0.95, resamples: int = 1000, seed: int = 0) -> tuple[Values, Values]:
    """Percentile bootstrap interval of each column's mean over users, as (low, high), float64 (m,).

    values: float64 (users, m), finite. Whole users are drawn with replacement, the same ones for every column. Efron & Tibshirani
    1993, chapter 13. O(resamples users m) time, 32 MB of working memory whatever the number of users (as long as one resample fits).
    """
    means = bootstrap_means(values, resamples=resamples, seed=seed)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, (tail, 1.0 - tail), axis=0)
    return low, high


def bootstrap_means(values: Values, *, resamples: int = 1000, seed: int = 0) -> Values:
    """The mean of each column in each resample, float64 (resamples, m); see `bootstrap_interval`."""
    n = len(values)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    step = max(1, CELLS_A_BLOCK // n)
    with one_blas_thread():
        for start in range(0, resamples, step):
            size = min(step, resamples - start)
            drawn = rng.integers(0, n, (size, n), dtype=np.int32) + np.arange(size)[:, None] * n
            times = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
            means[start : start + size] = times.astype(np.float64) @ values / n
    return means


def t_test(differences: Values) -> Values:
    """Two-sided p of the paired t test, H0: the mean difference is 0. differences: float64 (users, m); returns (m,).

    t = mean / (sd / sqrt(n)) with n - 1 degrees of freedom. Where all differences are equal: p = 1 if they are 0, else 0.
    """
    from scipy.special import stdtr

    n = len(differences)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = differences.mean(0) / (differences.std(0, ddof=1) / np.sqrt(n))
    p: Values = 2.0 * stdtr(n - 1, -np.abs(np.nan_to_num(t, nan=0.0)))
    return p


def randomisation_test(differences: Values, *, rounds: int = 10_000, seed: int = 0) -> Values:
    """Two-sided p of the paired randomisation (sign flip) test. differences: float64 (users, m); returns (m,).

    H0: the two models are exchangeable for each user, so each difference may as well have the other sign. p = (1 + rounds whose
    |mean| is at least the observed one) / (1 + rounds): never 0, at least 1 / (1 + rounds). Smucker et al., CIKM 2007.
    O(rounds users m) time, 32 MB of working memory.
    """
    total = differences.sum(0)
    # equal sums must count as at least as extreme, although they are added up in another order
    bound = np.abs(total) * (1.0 - 1e-12) - 1e-12 * np.abs(differences).sum(0)
    extreme = (np.abs(flipped_sums(differences, rounds=rounds, seed=seed)) >= bound).sum(0)
    p: Values = (1.0 + extreme) / (1.0 + rounds)
    return p


def flipped_sums(values: Values, *, rounds: int = 10_000, seed: int = 0) -> Values:
    """The sum of each column under random signs of its users, the same ones for every column: float64 (rounds, m)."""
    n, m = values.shape
    rng = np.random.default_rng(seed)
    total = values.sum(0)
    sums = np.empty((rounds, m))
    step = max(1, CELLS_A_BLOCK // n)
    with one_blas_thread():
        for start in range(0, rounds, step):
            size = min(step, rounds - start)
            bits = np.unpackbits(rng.integers(0, 256, (size, -(-n // 8)), dtype=np.uint8), axis=1, count=n)
            sums[start : start + size] = total - 2.0 * (bits.astype(np.float64) @ values)
    return sums


def effect_size(differences: Values) -> Values:
    """Cohen's d_z = mean / standard deviation of the differences, (m,). 0 where all are 0; infinite where all are equal, not 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Values = differences.mean(0) / differences.std(0, ddof=1)
    return np.where(np.isnan(ratio), 0.0, ratio)


def holm(p: Values) -> Values:
    """Holm's step-down correction: p values adjusted so that the chance of any false rejection stays at the level.

    Sorted p_(1) <= ... <= p_(m): adjusted p_(i) = max_{j <= i} min(1, (m - j + 1) p_(j)). Holm, Scand. J. Statistics 1979.
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, p[order] * np.arange(len(p), 0, -1)))
    return adjusted

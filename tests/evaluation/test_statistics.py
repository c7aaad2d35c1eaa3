"""Intervals and tests against SciPy and by their properties."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from minirec.evaluation import paired, statistics
from minirec.evaluation.statistics import bootstrap_interval, effect_size, holm, randomisation_test, t_test


def normal(seed, n, m, mean=0.1):
    return np.random.default_rng(seed).normal(mean, 1.0, (n, m))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 50))
def test_t_is_scipys(seed, n):
    a, b = normal(seed, n, 3), normal(seed + 1, n, 3)
    np.testing.assert_allclose(t_test(a - b), stats.ttest_rel(a, b).pvalue, rtol=1e-9)


def test_constant_differences_have_defined_answers():
    differences = np.array([[0.0, 0.5, -0.25]] * 4)
    np.testing.assert_array_equal(t_test(differences), [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(effect_size(differences), [0.0, np.inf, -np.inf])


def test_randomisation_is_close_to_all_sign_flips():
    x = normal(3, 10, 1, mean=0.4)[:, 0]
    exact = stats.permutation_test((x,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", n_resamples=np.inf, vectorized=True)
    assert randomisation_test(x[:, None], rounds=20_000)[0] == pytest.approx(exact.pvalue, abs=0.015)


def test_randomisation_counts_ties_and_is_never_zero():
    assert randomisation_test(np.zeros((5, 1)), rounds=200)[0] == 1.0
    assert randomisation_test(np.ones((200, 1)), rounds=999)[0] == pytest.approx(1 / 1000)
    # 0.1 + 0.2 is not 0.3 in floats: the observed sum must still count as reached when the signs restore it
    p = randomisation_test(np.array([[0.1], [0.2], [-0.3]]), rounds=500)
    assert p[0] == 1.0


def test_no_test_rejects_too_often():
    rejected_t, rejected_r = 0, 0
    for seed in range(200):
        x = normal(seed, 40, 1, mean=0.0)
        rejected_t += t_test(x)[0] < 0.05
        rejected_r += randomisation_test(x, rounds=300, seed=seed)[0] < 0.05
    assert rejected_t <= 20
    assert rejected_r <= 20


def test_bootstrap_agrees_with_scipy_and_with_the_normal_interval():
    x = normal(1, 400, 2)
    low, high = bootstrap_interval(x, resamples=4000)
    reference = stats.bootstrap((x[:, 0],), np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(2))
    assert low[0] == pytest.approx(reference.confidence_interval.low, abs=0.01)
    assert high[0] == pytest.approx(reference.confidence_interval.high, abs=0.01)
    half = 1.96 * x.std(0) / np.sqrt(len(x))
    np.testing.assert_allclose(high - low, 2 * half, rtol=0.1)


def test_bootstrap_covers_the_true_mean():
    covered = 0
    for seed in range(200):
        low, high = bootstrap_interval(normal(seed, 60, 1, mean=0.3), resamples=300, seed=seed)
        covered += low[0] <= 0.3 <= high[0]
    assert 178 <= covered <= 199


def test_results_do_not_depend_on_blocks(monkeypatch):
    x = normal(4, 30, 2)
    whole = bootstrap_interval(x, resamples=50), randomisation_test(x, rounds=64)
    monkeypatch.setattr(statistics, "CELLS_A_BLOCK", 8 * 30)
    parts = bootstrap_interval(x, resamples=50), randomisation_test(x, rounds=64)
    np.testing.assert_allclose(whole[0], parts[0], rtol=1e-12)
    np.testing.assert_array_equal(whole[1], parts[1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_the_slow_one(p):
    np.testing.assert_allclose(holm(np.array(p)), naive.holm(p))


def test_holm_known():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])


@pytest.mark.parametrize("test", ["t", "randomisation"])
def test_many_comparisons_equal_one_by_one(test, monkeypatch):
    values = normal(6, 40, 5)
    values[:, 4] = values[:, 0]  # two models that are equal
    first, second = np.triu_indices(5, 1)
    whole = paired.paired(values, first, second, test=test, seed=3)
    monkeypatch.setattr(paired, "PAIRS", 3 * 1000)
    for a, b, row, again in zip(first, second, whole, paired.paired(values, first, second, test=test, seed=3), strict=True):
        gap = values[:, [a]] - values[:, [b]]
        low, high = bootstrap_interval(gap, seed=3)
        p = t_test(gap) if test == "t" else randomisation_test(gap, seed=3)
        assert row[:4] == pytest.approx((gap.mean(), low[0], high[0], p[0]), abs=1e-12)
        assert row.effect == pytest.approx(effect_size(gap)[0])
        assert row == again

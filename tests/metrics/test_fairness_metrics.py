"""Exposure, individual fairness, groups and calibration against slow twins and known extremes."""

import math

import naive_fairness as naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_metrics_oracles import ragged, sets_as_csr

from minirec.errors import DataError, ParameterError
from minirec.metrics import exposure, groups, individual


def same(found, expected):
    assert math.isnan(found) if expected is None else found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@st.composite
def worlds(draw):
    n, k = draw(st.integers(2, 8)), draw(st.integers(1, 5))
    lists = [draw(st.permutations(range(n)))[: draw(st.integers(0, k))] for _ in range(draw(st.integers(1, 6)))]
    return lists, ragged(lists).table(k), n, k


@settings(max_examples=80, deadline=None)
@given(worlds())
def test_individual_fairness_equals_its_slow_twin(world):
    lists, table, n, k = world
    if any(lists):
        same(individual.jain(table, n), naive.jain(lists, n))
        same(individual.qualification(table, n), len({i for x in lists for i in x}) / n)
        same(individual.entropy_share(table, n), naive.entropy_share(lists, n))
        same(individual.gini_share(table, n), naive.gini(naive.times(lists, n)))
        same(individual.gini_share(table, n, weighted=True), naive.gini(naive.weights(lists, n)))
    same(individual.vocd(table, n), naive.vocd(lists, n))
    for found, expected in zip(individual.individual_disparity(table, n), naive.disparity(lists, n, k, 0.8), strict=True):
        same(found, expected)


@pytest.mark.parametrize(("m", "n"), [(4, 12), (6, 12), (8, 12), (3, 12), (9, 7)])
def test_corrected_forms_reach_both_ends(m, n):
    k = 3
    unfair = np.tile(np.arange(k), (m, 1))
    fair = (np.arange(m * k) % n).reshape(m, k)
    measures = {
        "jain": (individual.jain, 1.0),
        "QF": (individual.qualification, 1.0),
        "entropy": (individual.entropy_share, 1.0),
        "gini": (individual.gini_share, 0.0),
    }
    for name, (measure, best) in measures.items():
        assert measure(fair, n, corrected=True) == pytest.approx(best, abs=1e-9), name
        assert measure(unfair, n, corrected=True) == pytest.approx(1.0 - best, abs=1e-9), name
    assert individual.gini_share(unfair, n, corrected=True, weighted=True) == pytest.approx(1.0)
    with pytest.raises(DataError, match="full lists: 1 of"):
        individual.jain(np.array([[0, 1], [2, -1]]), n, corrected=True)


def test_gini_w_is_least_where_no_item_stands_in_two_lists():
    spread = np.array([[0, 3], [1, 4], [2, 5]])
    assert individual.gini_share(spread, 9, corrected=True, weighted=True) == pytest.approx(0.0, abs=1e-12)


def test_nothing_recommended_has_no_value():
    empty = np.full((2, 3), -1)
    for measure in (individual.jain, individual.qualification, individual.entropy_share, individual.gini_share, individual.vocd):
        assert math.isnan(measure(empty, 5))


@settings(max_examples=80, deadline=None)
@given(worlds(), st.data())
def test_expected_exposure_equals_its_slow_twin(world, data):
    lists, table, n, k = world
    truths = [data.draw(st.sets(st.integers(0, n - 1), min_size=1)) for _ in lists]
    hit = np.array([[item in truth for item in row] for row, truth in zip(table.tolist(), truths, strict=True)])
    found = exposure.expected_exposure(hit, table, np.array([len(t) for t in truths]), n)
    for u, (items, truth) in enumerate(zip(lists, truths, strict=True)):
        expected = naive.expected_exposure(items, truth, n, k, 0.8)
        assert [found[name][u] for name in ("loss", "disparity", "relevance")] == pytest.approx(list(expected))


@settings(max_examples=60, deadline=None)
@given(worlds(), st.data())
def test_bias_disparity_equals_its_slow_twin(world, data):
    lists, table, n, _ = world
    user_group = data.draw(st.lists(st.integers(0, 1), min_size=len(lists), max_size=len(lists)))
    item_group = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    profiles = [data.draw(st.sets(st.integers(0, n - 1))) for _ in lists]
    found = exposure.bias_disparity(table, sets_as_csr(profiles, n), np.array(user_group), np.array(item_group))
    for name, sides in (("BS", profiles), ("BR", lists)):
        pairs = [(u, i) for u, items in enumerate(sides) for i in items]
        expected = naive.bias(pairs, user_group, item_group, max(user_group) + 1, max(item_group) + 1)
        for row, wanted in zip(found[name].tolist(), expected, strict=True):
            for one, value in zip(row, wanted, strict=True):
                same(one, value)
    both = found["BS"] > 0
    np.testing.assert_allclose(found["BD"][both], (found["BR"][both] - found["BS"][both]) / found["BS"][both])


def test_exposure_of_groups():
    table = np.array([[0, 1], [0, 2]])
    group = np.array([0, 1, 1, 1])
    worth = exposure.place_worth(table)
    np.testing.assert_allclose(worth, [[1.0, 1 / math.log2(3)]] * 2)
    shown = exposure.item_exposure(table, 4, worth)
    np.testing.assert_allclose(shown, [2.0, 1 / math.log2(3), 1 / math.log2(3), 0.0])
    share = shown[0] / shown.sum()
    np.testing.assert_allclose(exposure.parity(shown, group), [share / 0.25, (1 - share) / 0.75])
    merit = np.array([1.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(exposure.treatment(shown, merit, group), exposure.parity(shown, group))
    np.testing.assert_allclose(exposure.impact(merit, merit, group), [1.0, 1.0])
    assert np.isnan(exposure.treatment(shown, np.array([0.0, 1, 1, 1]), group)[0])
    cascade = exposure.place_worth(table, "cascade", patience=0.5, hit=np.array([[True, False], [False, True]]))
    np.testing.assert_allclose(cascade, [[1.0, 0.25], [1.0, 0.5]])
    np.testing.assert_allclose(exposure.place_worth(np.array([[0, -1]]), "geometric"), [[1.0, 0.0]])
    for wrong in ({"model": "linear"}, {"model": "cascade"}):
        with pytest.raises(ParameterError):
            exposure.place_worth(table, **wrong)
    even = exposure.awrf(table, np.array([0, 0, 1, 1]), np.ones((2, 2)), np.array([1.0, 1.0]))
    assert even[1] == pytest.approx(1.0)
    assert even[0] == pytest.approx(1 - (0.5 * math.log2(0.5 / 0.75) + 0.5 * math.log2(0.5 / 0.25) + math.log2(1 / 0.75)) / 2)
    assert np.isnan(exposure.awrf(np.array([[-1]]), group, np.zeros((1, 1)), np.ones(2))[0])


def test_values_by_group():
    values, group = np.array([1.0, 3.0, np.nan, 5.0, 7.0]), np.array([0, 0, 0, 1, -1])
    found = groups.group_means(values, group, small=2)
    assert found.means.tolist() == [2.0, 5.0]
    assert found.users.tolist() == [2, 1]
    assert found.small.tolist() == [False, True]
    assert groups.gap(found.means) == 3.0
    assert groups.mean_absolute_difference(np.array([1.0, 2.0, 4.0])) == pytest.approx((1 + 3 + 2) / 3)
    assert math.isnan(groups.gap(np.array([1.0])))
    assert groups.min_max_ratio(np.array([1.0, 4.0, np.nan])) == 0.25
    assert groups.max_min_fairness(np.array([1.0, 1.0]), np.array([1.0, 3.0])) == pytest.approx(0.5 / 0.75)
    both, names = groups.intersections(np.array([0, 0, 1, -1]), np.array([1, 0, 1, 0]))
    assert names == [(0, 0), (0, 1), (1, 1)]
    assert both.tolist() == [1, 0, 2, -1]
    lift = groups.popularity_lift(np.array([4.0, 2.0, 9.0]), np.array([2.0, 2.0, np.nan]), np.array([0, 0, 1]))
    assert lift[0] == pytest.approx(0.5)
    assert math.isnan(lift[1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=5))
def test_calibration_equals_its_slow_twin(rows):
    p, q = (np.array(column, float)[None] for column in zip(*rows, strict=True))
    if not p.sum() or not q.sum():
        return
    p, q = p / p.sum(), q / q.sum()
    assert groups.calibration(p, q)[0] == pytest.approx(naive.calibration(p[0], q[0], 0.01), abs=1e-12)
    assert groups.calibration(p, p)[0] == pytest.approx(0.0, abs=1e-12)

"""Verdicts from draws: sides, corrections, contrasts."""

import numpy as np
import pytest

from minirec.audit.concentration import CONCENTRATION
from minirec.audit.draws import weights
from minirec.audit.plan import Criterion, Plan
from minirec.audit.users import GroupFigure
from minirec.audit.verdicts import CANNOT, FAIL, PASS, benjamini_hochberg, corrected, judge
from minirec.metrics.beyond import gini

PLAN = Plan(draws=200, smallest_group=5)


def figure(values, error, n=100, names=None, seed=0):
    values = np.atleast_1d(np.asarray(values, float))
    draws = values + np.random.default_rng(seed).normal(0, error, (200, len(values)))
    return GroupFigure(tuple(names or [f"g{at}" for at in range(len(values))]), np.full(len(values), n), values, draws, None)


def verdict(criterion, shown, plan=PLAN):
    return corrected([judge(criterion, shown, plan)], plan)[0]


@pytest.mark.parametrize(
    ("value", "direction", "wanted"),
    [(0.5, "at least", PASS), (0.5, "at most", FAIL), (0.31, "at least", CANNOT), (0.31, "at most", CANNOT), (0.1, "at least", FAIL)],
)
def test_a_value_is_judged_by_its_interval(value, direction, wanted):
    found = verdict(Criterion("c", "recall", direction, 0.3), figure(value, 0.02))
    assert found.verdict == wanted
    assert found.low < found.value < found.high
    assert (found.low <= 0.3 <= found.high) == (wanted == CANNOT)


def test_without_a_figure_there_is_a_reason():
    found = judge(Criterion("c", "recall", "at least", 0.3), None, PLAN, "no test events")
    assert (found.verdict, found.why) == (CANNOT, "no test events")


def test_the_lowest_ratio_between_groups_is_judged():
    criterion = Criterion("c", "recall", "at least", 0.8, compare="ratio", by="age")
    found = verdict(criterion, figure([0.5, 0.49, 0.2], 0.005, names=["young", "middle", "old"]))
    assert found.verdict == FAIL
    assert found.contrast == ("old", "young")
    assert found.value == pytest.approx(0.4)
    assert verdict(criterion, figure([0.5, 0.49, 0.48], 0.005)).verdict == PASS


def test_the_largest_difference_between_groups_is_judged():
    criterion = Criterion("c", "recall", "at most", 0.1, compare="difference", by="age")
    found = verdict(criterion, figure([0.5, 0.45, 0.2], 0.005))
    assert (found.verdict, found.value) == (FAIL, pytest.approx(0.3))
    assert verdict(criterion, figure([0.5, 0.45, 0.46], 0.005)).verdict == PASS


def test_small_groups_are_shown_and_take_no_part():
    shown = figure([0.5, 0.5, 0.0], 0.01)._replace(n=np.array([100, 100, 3]))
    found = verdict(Criterion("c", "recall", "at least", 0.8, compare="ratio", by="age"), shown)
    assert found.verdict == PASS
    assert [group.small for group in found.groups] == [False, False, True]


def test_of_many_groups_each_is_compared_with_the_others():
    values = np.full(40, 0.5)
    values[7] = 0.1
    found = verdict(Criterion("c", "recall", "at least", 0.8, compare="ratio", by="age"), figure(values, 0.005))
    assert (found.verdict, found.contrast, found.contrasts) == (FAIL, ("g7", "all others"), 40)


def test_counted_facts_have_no_interval():
    exact = GroupFigure(("all",), np.array([10]), np.array([0.0]), None, None)
    found = verdict(Criterion("c", "repeats", "at most", 0.0, over="none"), exact)
    assert (found.verdict, found.low, found.p) == (PASS, None, 0.0)
    assert verdict(Criterion("c", "repeats", "at most", 0.0, over="none"), exact._replace(value=np.array([0.01]))).verdict == FAIL


def test_a_share_that_nobody_has_is_not_certain():
    nobody = GroupFigure(("all",), np.array([100]), np.array([0.0]), np.zeros((200, 1)), None)
    assert verdict(Criterion("c", "seen_share", "at most", 0.01), nobody).verdict == CANNOT
    assert verdict(Criterion("c", "seen_share", "at most", 0.05), nobody).verdict == PASS


def test_holm_makes_verdicts_harder_and_bh_less_so():
    criteria = [Criterion(f"c{at}", "recall", "at least", 0.3) for at in range(10)]
    shown = [figure(0.3 + 0.02 * z, 0.02, seed=at) for at, z in enumerate([2.3, *[0.1] * 9])]
    single = corrected([judge(criteria[0], shown[0], PLAN)], PLAN)[0]
    many = corrected([judge(c, f, PLAN) for c, f in zip(criteria, shown, strict=True)], PLAN)[0]
    assert (single.verdict, many.verdict) == (PASS, CANNOT)
    assert many.p_adjusted == pytest.approx(10 * many.p)


def test_benjamini_hochberg_by_hand():
    assert benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.5])) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])


def test_weights_are_poisson_and_the_same_in_pieces():
    whole = weights(3, 1, 0, 10_000, 0, 100)
    assert whole.mean() == pytest.approx(1, abs=0.005)
    assert whole.var() == pytest.approx(1, abs=0.01)
    pieces = np.concatenate([weights(3, 1, 0, 4096, 50, 100), weights(3, 1, 4096, 10_000, 50, 100)])
    assert (pieces == whole[:, 50:]).all()


def test_concentration_against_its_definition_and_repeated_items():
    rng = np.random.default_rng(1)
    exposure, times = rng.exponential(size=(30, 1)), rng.poisson(1, (30, 4)).astype(float)
    lists = np.repeat(np.arange(30), rng.integers(1, 9, 30)).astype(np.int32)[:, None]
    counts = np.bincount(lists[:, 0], minlength=30).astype(float)[:, None]
    assert CONCENTRATION["gini"](counts, np.ones((30, 1)))[0] == pytest.approx(gini(lists, 1, 30))
    for function in CONCENTRATION.values():
        drawn = function(exposure, times)
        for draw in range(4):
            repeated = np.repeat(exposure, times[:, draw].astype(int), 0)
            assert drawn[draw] == pytest.approx(function(repeated, np.ones((len(repeated), 1)))[0])

"""Floors, caps and equal exposure: against the linear program, and their certificates against all lists there are."""

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

import minirec as mr
from minirec.errors import ParameterError
from minirec.longtail.rerank.floors import hold
from minirec.longtail.rerank.prices import Problem, equalize


def problem(seed, users=None, width=None, groups=None, k=5):
    rng = np.random.default_rng(seed)
    users, width, groups = users or rng.integers(5, 50), width or rng.integers(12, 50), groups or rng.integers(2, 8)
    scores = -np.sort(-rng.gamma(2, 1, (users, width)), axis=1)
    group = rng.choice(groups, (users, width), p=rng.dirichlet(np.ones(groups)))
    return Problem(scores, group, np.ones_like(scores), np.ones_like(scores, bool), k, int(groups))


def limits(found, seed):
    total = len(found.scores) * found.k
    able = np.array([np.minimum((found.groups == group).sum(axis=1), found.k).sum() for group in range(found.size)])
    floors = np.minimum(0.6 * total / found.size, 0.8 * able).round()
    return floors, np.full(found.size, np.ceil(0.5 * total)) if seed % 3 == 2 else np.full(found.size, np.inf)


def best_of_all_lists(found, floors, caps):
    """The linear program over all lists, by HiGHS; None where no lists hold."""
    users, width = found.scores.shape
    members = np.array([(found.groups == group).ravel() for group in range(found.size)], float)
    bounded = np.isfinite(caps)
    answer = linprog(
        -found.scores.ravel(), A_ub=np.vstack((-members, members[bounded])), b_ub=np.concatenate((-floors, caps[bounded])),
        A_eq=np.kron(np.eye(users), np.ones((1, width))), b_eq=np.full(users, found.k), bounds=(0, 1), method="highs",
    )  # fmt: skip
    return -answer.fun if answer.status == 0 else None


@pytest.mark.parametrize("seed", range(12))
def test_floors_and_caps_are_held_at_the_least_loss(seed):
    found = problem(seed)
    floors, caps = limits(found, seed)
    best = best_of_all_lists(found, floors, caps)
    solution = hold(found, floors, caps)
    if best is None:
        assert (solution.totals < floors - 1e-9).any() or (solution.totals > caps + 1e-9).any()
        return
    assert (solution.totals >= floors - 1e-9).all()
    assert (solution.totals <= caps + 1e-9).all()
    assert (solution.chosen.sum(axis=1) == found.k).all()
    assert abs(solution.objective - best) <= 1e-6 * best
    assert solution.bound >= best - 1e-9 * best
    assert solution.gap <= 1e-6


def test_more_candidates_than_the_program_takes_keep_a_small_gap():
    found = problem(1, users=900, width=40, groups=6)
    floors, caps = limits(found, 1)
    solution = hold(found, floors, caps)
    assert (solution.totals >= floors - 1e-9).all()
    assert solution.gap < 1e-3


@pytest.mark.parametrize("seed", range(6))
def test_no_user_loses_more_than_the_bound(seed):
    found = problem(seed, users=40, width=30, groups=4)
    floors, caps = limits(found, 0)
    least = 0.9 * found.best()
    solution = hold(found, floors, caps, least)
    assert (np.where(solution.chosen, found.scores, 0).sum(axis=1) >= least - 1e-6).all()


def test_the_certificate_of_equal_exposure_is_above_all_lists():
    for seed in range(5):
        found = problem(seed, users=4, width=5, groups=3, k=2)
        slopes = (2 * (3 - np.arange(1, 4)) + 1) / 3
        most = -np.inf
        for lists in itertools.product(list(itertools.combinations(range(5), 2)), repeat=4):
            chosen = np.zeros((4, 5), bool)
            for user, places in enumerate(lists):
                chosen[user, list(places)] = True
            totals = found.totals(chosen, slice(None))
            most = max(most, found.scores[chosen].sum() + 2.0 * np.sort(totals) @ slopes)
        solution = equalize(found, 2.0)
        assert solution.objective <= most + 1e-9
        assert solution.bound >= most - 1e-9
        assert solution.objective >= 0.9 * most  # four users: each moves the totals much


def lists_of(found):
    names = np.arange(found.scores.size).reshape(found.scores.shape)
    lists = {u: [(int(i), float(s)) for i, s in zip(names[u], found.scores[u], strict=True)] for u in range(len(names))}
    return lists, {"brand": {int(i): f"b{g}" for i, g in zip(names.ravel(), found.groups.ravel(), strict=True)}}


def test_shares_loss_and_certificate_are_reported():
    lists, table = lists_of(problem(3, users=200, width=30, groups=5))
    plain = mr.rerank.Exposure(k=5, by="brand").apply(lists, items=table)
    found = mr.rerank.Exposure(k=5, by="brand", floor=0.12).apply(lists, items=table)
    assert plain.report["held"]
    assert found.report["held"]
    assert min(found.report["shares"].values()) >= 0.12 - 1e-12
    assert sum(found.report["shares"].values()) == pytest.approx(1)
    assert found.report["gap"] <= 1e-6
    assert found.report["mean_loss"] > 0
    bounded = mr.rerank.Exposure(k=5, by="brand", floor=0.19, max_loss=0.0).apply(lists, items=table)
    assert not bounded.report["held"]
    assert bounded.report["lacks"]
    assert bounded.report["largest_loss"] <= 1e-9


def test_the_mean_loss_of_equal_exposure_is_within_its_bound():
    lists, table = lists_of(problem(4, users=300, width=30, groups=6))
    ginis = []
    for bound in (0.0, 0.01, 0.05):
        report = mr.rerank.EqualExposure(k=5, by="brand", exposure="utility", max_loss=bound).apply(lists, items=table).report
        assert report["mean_loss"] <= bound + 1e-12
        ginis.append(report["gini"])
    assert ginis == sorted(ginis, reverse=True)
    assert ginis[-1] < ginis[0]


def test_impossible_conditions_are_refused():
    lists, table = lists_of(problem(5))
    with pytest.raises(ParameterError, match="adds up to more than 1"):
        mr.rerank.Exposure(by="brand", floor=0.9).apply(lists, items=table)
    with pytest.raises(ParameterError, match="above cap"):
        mr.rerank.Exposure(by="brand", floor=0.1, cap=0.05).apply(lists, items=table)

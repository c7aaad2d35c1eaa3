"""tune(): the same trials for the same seed, within the budget, on validation only."""

import math
import sys

import numpy as np
import pytest
from test_protocol import ItemMean, events

import minirec as mr
from minirec.data.dataset import Dataset
from minirec.errors import MissingExtraError, ModelFitError, ParameterError
from minirec.evaluation import tune, tuning
from minirec.models.baselines.popularity import Popularity, Random

SPACE = {"shift": (-2.0, 2.0, "linear")}


def test_rmse_is_minimised_and_the_best_is_fitted_on_everything():
    data = events()
    tuned = tune(ItemMean(shift=2.0), data, space=SPACE, metric="rmse", budget=12)
    values = [trial.value for trial in tuned.trials]
    assert tuned.trials[0].params == {"shift": 2.0}
    assert tuned.value == min(values) < values[0]
    assert abs(tuned.params["shift"]) < 1.0
    whole = ItemMean(**tuned.params).fit(data)
    np.testing.assert_array_equal(tuned.model.means_, whole.means_)
    assert "12 trials" in str(tuned)
    assert "time split" in str(tuned)


@pytest.mark.parametrize("how", ["time", "random"])
def test_folds_give_the_mean_over_them(how):
    data = events()
    tuned = tune(ItemMean(shift=0.5), data, space=SPACE, metric="rmse", budget=3, folds=3, split_by=how, seed=2)
    for trial in tuned.trials:
        values = [
            mr.evaluate(ItemMean(**trial.params).fit(train), train, test, metrics=["rmse"]).to_dict()["item_mean"]["rmse"]
            for train, test in mr.folds(data, 3, how, seed=2)
        ]
        assert trial.value == pytest.approx(sum(values) / 3)
    assert "3 folds" in str(tuned)
    with pytest.raises(ParameterError, match="folds go with"):
        tune(ItemMean, data, space=SPACE, metric="rmse", folds=3, split_by="leave-last")


def test_the_seed_decides_the_trials():
    data = events()
    space = {"shift": [0.0, 1.0, 2.0], "unused": (1, 9, "int")}
    with pytest.raises(ParameterError, match="no parameter unused"):
        tune(ItemMean, data, space=space)
    tables = [[t.params for t in tune(ItemMean, data, space=SPACE, metric="mae", budget=5, seed=s).trials] for s in (1, 1, 2)]
    assert tables[0] == tables[1] != tables[2]


def test_draws_stay_in_the_space():
    ranges = {"a": (1e-4, 1e2, "log"), "b": (2, 4, "int"), "c": (0.5, 0.75, "linear"), "d": ["x", None], "e": (1, 2)}
    suggest, _ = tuning._random(ranges, seed=0)
    drawn = [suggest() for _ in range(400)]
    logs = [math.log10(d["a"]) for d in drawn]
    assert min(logs) >= -4
    assert max(logs) <= 2
    assert sum(logs) / 400 == pytest.approx(-1, abs=0.3)
    assert {d["b"] for d in drawn} == {2, 3, 4}
    assert all(0.5 <= d["c"] <= 0.75 for d in drawn)
    assert {d["d"] for d in drawn} == {"x", None}
    assert {d["e"] for d in drawn} == {1, 2}


def test_the_default_space_and_a_split_at_random():
    data = events()
    timeless = Dataset(data.users, data.items, data.user, data.item, data.weight)
    tuned = tune(Popularity, data, metric="ndcg@5", budget=3)
    assert set(tuned.params) == set(Popularity.search_space)
    tuned = tune(Popularity(), timeless, metric="tail.recall@5", budget=4)  # a half-life needs times: those trials fail
    assert tuned.validation.startswith("random")
    assert tuned.params == {"half_life": None}
    assert any("needs timestamps" in trial.error for trial in tuned.trials)
    assert "failed" in str(tuned)
    frame = pytest.importorskip("pandas") and tuned.to_frame()
    assert list(frame.columns) == ["half_life", "tail.recall@5", "seconds", "error"]


def test_a_budget_of_time_ends_the_search(monkeypatch):
    clock = iter(range(0, 100_000, 4))
    monkeypatch.setattr(tuning, "perf_counter", lambda: next(clock))
    seen = []
    tuned = tune(ItemMean, events(), space=SPACE, metric="rmse", budget="1m", callback=seen.append)
    assert 2 <= len(tuned.trials) <= 8
    assert list(tuned.trials) == seen
    monkeypatch.setattr(tuning, "perf_counter", lambda: 5.0 * next(clock))
    assert len(tune(ItemMean, events(), space=SPACE, metric="rmse", budget="1s").trials) == 1


def test_trials_that_all_fail_raise():
    data = events()
    timeless = Dataset(data.users, data.items, data.user, data.item, data.weight)
    with pytest.raises(ModelFitError, match="needs timestamps"):
        tune(Popularity(half_life=3.0), timeless, space={"half_life": [3.0]}, budget=2)


def test_a_metric_without_a_value_is_a_failed_trial():
    with pytest.raises(ModelFitError, match="has no value"):
        tune(Popularity, events(), metric="rmse", budget=1)


def test_wrong_calls():
    data = events()
    for match, options in (
        ("budget", {"budget": "soon"}),
        ("budget", {"budget": 0}),
        ("metric", {"metric": "ndcg@x"}),
        ("length of the lists", {"metric": "ndcg"}),
        ("unknown metric", {"metric": "ndgc@3"}),
        ("sampler", {"sampler": "grid"}),
        ("split_by", {"split_by": "users"}),
        ("space of shift", {"space": {"shift": (3.0, 1.0, "linear")}}),
        ("space of shift", {"space": {"shift": (0.0, 1.0, "log")}}),
        ("space of shift", {"space": {"shift": []}}),
        ("space of shift", {"space": {"shift": "abc"}}),
    ):
        with pytest.raises(ParameterError, match=match):
            tune(ItemMean, data, **({"space": SPACE} | options))
    with pytest.raises(ParameterError, match="no default search space"):
        tune(Random, data)


def test_optuna_searches_the_same_space():
    pytest.importorskip("optuna")
    space = {**SPACE}
    tuned = [tune(ItemMean(shift=2.0), events(), space=space, metric="rmse", budget=8, sampler="optuna", seed=4) for _ in range(2)]
    assert [t.params for t in tuned[0].trials] == [t.params for t in tuned[1].trials]
    assert tuned[0].value < tuned[0].trials[0].value
    data = events()
    timeless = Dataset(data.users, data.items, data.user, data.item)
    tuned = tune(Popularity, timeless, space={"half_life": [None, 2.0, 3.0]}, metric="ndcg@5", budget=5, sampler="optuna")
    assert tuned.params == {"half_life": None}


def test_optuna_draws_from_every_kind_of_range():
    pytest.importorskip("optuna")
    suggest, tell = tuning._optuna({"a": (1e-3, 1e1, "log"), "b": (2, 4, "int"), "c": [None, "x"]}, "ndcg@5", seed=0)
    for value in (0.1, None, 0.2):
        drawn = suggest()
        assert 1e-3 <= drawn["a"] <= 1e1
        assert drawn["b"] in (2, 3, 4)
        assert drawn["c"] in (None, "x")
        tell(tuning.Trial(drawn, value, 0.0))


def test_optuna_missing_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"minirec\[tune\]"):
        tune(ItemMean, events(), space=SPACE, metric="rmse", sampler="optuna")

"""The loop over time: what it promises, and the trends that it must show."""

import numpy as np
import pytest

import minirec as mr
from minirec.errors import ParameterError
from minirec.simulation.measures import FIGURES
from minirec.simulation.world import adopt, beta_world, world_of


def test_the_same_seed_gives_the_same_figures_for_any_threads():
    found = []
    for threads in (1, 2):
        with mr.options(threads=threads):
            found.append(mr.simulate(models=("itemknn",), rounds=3, seeds=2, seed=5).to_dict())
    assert found[0]["figures"]["itemknn"]["gini"] == found[1]["figures"]["itemknn"]["gini"]
    assert repr(found[0]) == repr(found[1])


def test_without_adoption_nothing_changes():
    found = mr.simulate(beta_world(seed=1), ("itemknn", "popularity"), rounds=4, rate=0.0)
    for model in found.values:
        for figure in ("gini", "individual_diversity", "nearest_jaccard", "coverage", "tail_share"):
            values = found.values[model][figure]
            assert (values == values[:, :1]).all(), (model, figure)
        assert np.isnan(found.values[model]["utility"]).all()


@pytest.mark.parametrize("rule", ["utility", "cascade", "popularity"])
def test_adoption_takes_listed_items_and_no_more_than_one(rule):
    world, rng = beta_world(seed=2), np.random.default_rng(0)
    lists = np.argsort(rng.random((100, 200)), axis=1)[:, :8]
    lists[:10, 3:] = -1
    lists[5] = -1
    users, items = adopt(rule, lists, world, np.ones(200), 1.0, rng)
    assert len(set(users.tolist())) == len(users)
    assert all(item in lists[user] for user, item in zip(users, items, strict=True))
    assert 5 not in users
    assert not len(adopt(rule, lists, world, np.ones(200), 0.0, rng)[0])
    if rule == "utility":
        known = world.known[users[:, None], np.maximum(lists[users], 0)]
        best = np.where(lists[users] >= 0, known, -1).max(axis=1)
        assert np.allclose(world.known[users, items], best)


def test_adoption_by_popularity_follows_its_probabilities():
    world, rng = beta_world(seed=3), np.random.default_rng(1)
    lists, popularity = np.tile(np.arange(4), (100, 1)), np.array([0.0, 9.0, 99.0, 999.0])
    weight = world.known[:, :4] * (1 + np.log1p(popularity))
    expected = (weight / weight.sum(axis=1, keepdims=True)).mean(axis=0)
    taken = np.concatenate([adopt("popularity", lists, world, popularity, 1.0, rng)[1] for _ in range(300)])
    assert np.bincount(taken, minlength=4) / len(taken) == pytest.approx(expected, abs=0.01)


def test_nobody_beats_the_oracle_in_utility_at_first():
    found = mr.simulate(models=("random", "popularity"), rounds=2, seeds=3)
    assert found.values["oracle"]["utility"][:, 0] == pytest.approx(1, abs=0.05)
    for model in ("random", "popularity"):
        assert (found.values[model]["utility"][:, 0] < found.values["oracle"]["utility"][:, 0]).all()


def test_popularity_concentrates_and_random_does_not():
    found = mr.simulate(models=("popularity", "random"), rounds=10, seeds=4)
    popular, chance = found.curve("popularity", "gini"), found.curve("random", "gini")
    assert popular.low[-1] > chance.high[-1]
    assert found.curve("random", "coverage").mean[-1] > found.curve("popularity", "coverage").mean[-1]


def test_items_that_come_later_and_re_rankers():
    data = mr.synthetic(n_users=80, n_items=60, n_events=1500, seed=0)
    brands = {"brand": {item: f"b{at % 4}" for at, item in enumerate(data.items)}}
    knn = mr.ItemKNN(neighbors=10)
    fair = mr.rerank.Exposure(model=knn, by="brand", floor=0.2, candidates=30)
    found = mr.simulate(data, {"plain": knn, "fair": fair}, rounds=3, k=5, arrivals=1, items=brands)
    assert set(found.values) == {"plain", "fair", "oracle"}
    survival = found.values["plain"]["survival"]
    assert ((survival >= 0) & (survival <= 1)).all()
    assert all(np.isfinite(values).all() for values in found.values["fair"].values())
    assert "ALS" in found.assumptions[0]


def test_a_world_of_events_ranks_the_items_of_each_user():
    data = mr.synthetic(n_users=30, n_items=20, n_events=300, seed=0)
    world = world_of(data, factors=4)
    assert np.allclose(np.sort(world.utility, axis=1), np.linspace(0, 1, world.utility.shape[1]), atol=1e-6)


def test_figures_are_all_there_and_settings_are_checked():
    found = mr.simulate(models="random", rounds=1)
    assert set(found.values["random"]) == set(FIGURES)
    assert "random" in str(found)
    for wrong in ({"rounds": 0}, {"rate": 2.0}, {"adoption": "magic"}, {"models": []}):
        with pytest.raises(ParameterError):
            mr.simulate(**{"models": ("random",), "rounds": 1, **wrong})

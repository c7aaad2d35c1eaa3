"""The synthetic shop: reproducible, and true to what it claims."""

import numpy as np
import pytest

from minirec.data.sources.built_in import datasets, load
from minirec.data.sources.synthetic import synthetic, synthetic_with_truth
from minirec.errors import ParameterError


def test_same_seed_same_data_other_seed_other_data():
    small = {"n_users": 60, "n_items": 40, "n_events": 500}
    assert synthetic(**small, seed=3).fingerprint == synthetic(**small, seed=3).fingerprint
    assert synthetic(**small, seed=3).fingerprint != synthetic(**small, seed=4).fingerprint


def test_shape_times_and_features():
    data = synthetic(100, 50, 800)
    assert len(data) == 800
    assert data.n_users <= 100
    assert (np.diff(data.timestamp) >= 0).all()
    assert (data.weight >= 1).all()
    assert data.item_text(data.items[0]).split()[-1] == data.item_features["category"][0]


def test_popularity_follows_exposure_and_taste_follows_the_truth():
    data, truth = synthetic_with_truth(500, 200, 20_000, seed=1)
    ids = np.array(list(data.items))
    counts = np.bincount(data.item, minlength=data.n_items)
    assert np.corrcoef(np.log(truth.exposure[ids - 1]), np.log(counts))[0, 1] > 0.9
    users, items = np.array(data.users.ids(data.user)), np.array(data.items.ids(data.item))
    shuffled = np.random.default_rng(0).permutation(items)
    assert truth.preference(users, items).mean() > truth.preference(users, shuffled).mean() + 0.1


def test_without_zipf_and_taste_all_items_are_alike():
    data = synthetic(300, 20, 20_000, zipf=0.0, strength=0.0)
    counts = np.sort(np.bincount(data.item))
    assert counts[10] > 0.8 * counts[-1]


@pytest.mark.parametrize("bad", [{"n_users": 0}, {"n_events": 0}, {"zipf": -1.0}, {"strength": float("nan")}])
def test_bad_parameters(bad):
    with pytest.raises(ParameterError):
        synthetic(**bad)


def test_load_by_name():
    assert load("synthetic").name == "synthetic"
    assert "synthetic" in datasets()
    with pytest.raises(ParameterError, match="completejourney"):
        load("netflix")

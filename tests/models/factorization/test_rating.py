"""Models of ratings: the answer that is known, closed forms, explanations, new users."""

import numpy as np
import pytest

from minirec.data.dataset import Dataset
from minirec.errors import DataError
from minirec.models import BiasedMF, SVDpp
from minirec.testing.sets import ratings, shop

MODELS = {"biasedmf": BiasedMF(factors=4), "svdpp": SVDpp(factors=4)}


def rmse(predicted, actual):
    return float(np.sqrt(np.mean((np.asarray(predicted, float) - actual) ** 2)))


@pytest.mark.parametrize("name", MODELS)
def test_held_out_ratings_are_predicted(name):
    held = ratings()
    model = MODELS[name].clone(regularization=0.02).fit(held.train)
    assert rmse(model.score(held.users, held.items), held.weights) < 0.4 * np.std(held.weights)


def test_svdpp_learns_from_what_was_rated():
    """Users rate mostly items of the side that they like: so which items were rated tells, before any rating, how they are rated."""
    rng = np.random.default_rng(0)
    users, items = np.indices((80, 30))
    likes = users % 2 == items % 2
    rated = (rng.random((80, 30)) < np.where(likes, 0.6, 0.1)) | (items < 2)
    known = rated & (users < 70)
    train = Dataset.from_arrays(users[known], items[known], weights=np.where(likes, 4.0, 2.0)[known])
    model = SVDpp(factors=4, regularization=0.02).fit(train)
    new = [np.flatnonzero(rated[u] & (items[u] > 1)).tolist() for u in range(70, 80)]
    implicit = model._implicit(model._new(new, None, "raise", [], None)[1].history)
    difference = implicit @ (model.item_factors_[0] - model.item_factors_[1])[:4]
    assert (np.sign(difference) == np.where(np.arange(70, 80) % 2 == 0, 1, -1)).all()


@pytest.mark.parametrize("name", MODELS)
def test_a_new_user_is_the_ridge_regression_of_the_ratings(name):
    """p and b by normal equations on all that is left after the implicit part; gradient of the loss zero there."""
    model = MODELS[name].clone(iterations=3).fit(shop())
    items, values = list(model.items_)[2:7], np.array([1.0, 5.0, 3.0, 4.0, 2.0])
    profile = model._new([items], [values.tolist()], "raise", [], None)[1]
    vector = model._vectors(profile)[0].astype(float)
    q, rest = model.item_factors_[2:7, :-1].astype(float), values - model.item_factors_[2:7, -1]
    z = np.append(model._implicit(profile.history)[0], 0).astype(float)
    own = vector[:-1] - z
    gradient = q.T @ (rest - q @ vector[:-1]) - 0.1 * 5 * own
    assert np.abs(gradient).max() < 1e-4
    assert vector[-1] == 1
    if name == "svdpp":
        assert z[:-1] == pytest.approx(model.implicit_factors_[2:7].sum(axis=0) / np.sqrt(5), abs=1e-6)
    else:
        assert not z.any()


@pytest.mark.slow_without_jit
@pytest.mark.parametrize("name", MODELS)
def test_a_history_from_training_predicts_as_the_trained_user(name):
    held = ratings()
    model = MODELS[name].clone(regularization=0.02).fit(held.train)
    seen = [model.seen_.row(row) for row in range(len(model.users_))]
    history = [model.items_.ids(items) for items, _ in seen]
    new = model.user_vectors(history=history[:1])  # without weights: ratings of 1
    assert new.shape == (1, 6)
    found = model.recommend(history=history, weights=[w.tolist() for _, w in seen], k=len(model.items_), exclude_seen=False)
    known = model.recommend(k=len(model.items_), exclude_seen=False)
    for (_, a, s), (_, b, t) in zip(found, known, strict=True):
        mine, theirs = dict(zip(a, s.tolist(), strict=True)), dict(zip(b, t.tolist(), strict=True))
        assert np.corrcoef([mine[i] for i in model.items_], [theirs[i] for i in model.items_])[0, 1] > 0.95


def test_several_ratings_of_a_pair_count_with_their_mean():
    users, items = np.nonzero(np.ones((6, 5)))
    value = 1.0 + (users * items) % 5
    once = Dataset.from_arrays(users, items, weights=value)
    twice = Dataset.from_arrays(np.tile(users, 2), np.tile(items, 2), weights=np.concatenate([value - 0.5, value + 0.5]))
    for model in MODELS.values():
        a, b = model.clone(iterations=3).fit(once), model.clone(iterations=3).fit(twice)
        assert a.mean_ == pytest.approx(value.mean())
        assert np.allclose(a.user_factors_, b.user_factors_)


def test_the_parts_of_a_rating():
    model = SVDpp(factors=3, iterations=5).fit(shop())
    found = model.explain(model.users_[0], model.items_[1])
    kinds = [part.source for part in found.parts]
    assert sorted(set(kinds)) == ["history", "item bias", "mean", "taste", "user bias"]
    assert kinds.count("history") == model.seen_.counts()[0]
    assert next(part.value for part in found.parts if part.source == "mean") == pytest.approx(model.mean_)
    plain = BiasedMF(factors=3, iterations=5).fit(shop()).explain(history=[[500, 501]], item=502)
    assert sorted(part.source for part in plain.parts) == ["item bias", "mean", "taste", "user bias"]


def test_validation_reports_the_error_of_ratings():
    held = ratings()
    validation = Dataset.from_arrays(held.users, held.items, weights=held.weights)
    model = BiasedMF(factors=4, iterations=4).fit(held.train, validation)
    assert model.log_[-1]["validation_rmse"] == pytest.approx(rmse(model.score(held.users, held.items), held.weights), rel=1e-5)
    assert "validation_recall@20" in model.log_[-1]
    bare = BiasedMF(factors=4, iterations=1).fit(held.train, validation.with_columns(weight=None))
    assert "validation_rmse" not in bare.log_[-1]
    strangers = BiasedMF(factors=4, iterations=1).fit(held.train, Dataset.from_arrays(["nobody"], ["nothing"], weights=[1.0]))
    assert "validation_rmse" not in strangers.log_[-1]


def test_events_without_ratings_are_refused():
    for model in MODELS.values():
        with pytest.raises(DataError, match="no weights"):
            model.fit(shop().with_columns(weight=None))


def test_a_file_with_foreign_implicit_factors_is_refused(tmp_path):
    model = SVDpp(factors=2, iterations=1).fit(shop())
    model.implicit_factors_ = model.implicit_factors_[1:]
    model.save(tmp_path / "model.npz")
    with pytest.raises(ValueError, match="implicit_factors_"):
        SVDpp.load(tmp_path / "model.npz")

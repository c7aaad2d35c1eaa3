"""FeatureALS against its loss written out, the gradient of each of its blocks, and ALS."""

from itertools import pairwise

import naive_als
import numpy as np
import pytest

from minirec.data.dataset import Dataset
from minirec.errors import NotSupportedError, ParameterError
from minirec.models import ALS, FeatureALS, load_model
from minirec.models.forms.content import unit_rows
from minirec.testing.sets import shop, with_content, without_items

SETTINGS = [
    {"content_weight": 0.05},
    {"content_weight": 2.0, "content_regularization": 0.1, "alpha0": 0.6, "nu": 0.5, "regularization": 0.05},
    {"content_weight": 0.5, "alpha": 0.7, "alpha0": 1.0, "nu": 0.0, "regularization": 0.5},
]


def random_data(seed=0, users=12, items=9, width=3):
    rng = np.random.default_rng(seed)
    x = rng.integers(1, 4, (users, items)) * (rng.random((users, items)) < 0.3)
    x[np.arange(users), np.arange(users) % items] = 2
    rows, columns = np.nonzero(x)
    of_items, of_users = (rng.standard_normal((n, width)) * (rng.random((n, 1)) < 0.8) for n in (items, users))
    data = Dataset.from_arrays(rows, columns, weights=x[rows, columns], item_features={"v": of_items}, user_features={"g": of_users})
    return data, x.astype(float)


def loss_of(model, weights, **changed):
    """The loss at the vectors and maps of the model, some of them changed."""
    at = {name: getattr(model, name).astype(float) for name in ("user_factors_", "item_factors_", "item_map_", "user_map_")} | changed
    with_users = model.user_content_.shape[1] > 0
    return naive_als.feature_loss(
        weights, at["user_factors_"], at["item_factors_"], (at["user_map_"], at["item_map_"]),
        (unit_rows(model.user_content_) if with_users else None, unit_rows(model.item_content_)), model.regularization,
        model.alpha0, model.nu, model.alpha, model.content_weight, model.content_regularization,
    )  # fmt: skip


def steepest(model, weights, name):
    """The largest entry of the gradient by one block, by central differences."""
    values = getattr(model, name).astype(float)
    step, found = 1e-4, 0.0
    for at in np.ndindex(values.shape):
        up, down = values.copy(), values.copy()
        up[at] += step
        down[at] -= step
        found = max(found, abs(loss_of(model, weights, **{name: up}) - loss_of(model, weights, **{name: down})) / (2 * step))
    return found


@pytest.mark.parametrize("parameters", SETTINGS)
@pytest.mark.parametrize("solver", ["cg", "cholesky", "block"])
@pytest.mark.parametrize("users", [None, ()])
def test_the_loss_in_history_is_the_loss_and_never_rises(parameters, solver, users):
    data, weights = random_data()
    found = []
    model = FeatureALS(factors=4, iterations=6, solver=solver, block_size=3, cg_steps=2, init_std=1.0, user_features=users, **parameters)
    model.fit(data, callback=lambda model, record: found.append((record["loss"], loss_of(model, weights))) and False)
    assert np.allclose(*zip(*found, strict=True), rtol=1e-5)
    losses = [loss for loss, _ in found]
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(losses))
    assert losses[-1] < losses[0]
    assert model.user_content_.shape == (12, 0 if users == () else 3)


@pytest.mark.parametrize("parameters", SETTINGS)
@pytest.mark.parametrize("users", [None, ()])
def test_the_gradient_of_each_block_is_zero_at_convergence(parameters, users):
    data, weights = random_data(1, users=7, items=6)
    model = FeatureALS(factors=2, iterations=400, solver="cholesky", init_std=1.0, user_features=users, **parameters).fit(data)
    scale = steepest(
        FeatureALS(factors=2, iterations=1, init_std=1.0, user_features=users, **parameters).fit(data), weights, "item_factors_"
    )
    for name in ("user_factors_", "item_factors_", "item_map_", *(("user_map_",) if users is None else ())):
        assert steepest(model, weights, name) < 1e-4 * max(scale, 1), name


def test_one_map_is_the_minimum_with_the_vectors_fixed():
    """Also far from convergence: the maps of an iteration belong to its vectors."""
    data, weights = random_data(2)
    model = FeatureALS(factors=3, iterations=1, solver="cholesky", init_std=1.0, **SETTINGS[0]).fit(data)
    assert steepest(model, weights, "item_map_") < 1e-5
    assert steepest(model, weights, "user_map_") < 1e-5


def test_without_weight_or_content_it_is_als():
    data, _ = random_data(3)
    als = ALS(factors=4, iterations=3).fit(data)
    model = FeatureALS(factors=4, iterations=3, content_weight=0.0).fit(data)
    assert model.item_factors_.tobytes() == als.item_factors_.tobytes()
    assert model.user_factors_.tobytes() == als.user_factors_.tobytes()
    none = data.with_columns(item_features={"v": np.zeros((data.n_items, 2))}, user_features={})
    model = FeatureALS(factors=4, iterations=3).fit(none)
    assert np.allclose(model.item_factors_, als.item_factors_, atol=1e-6)
    assert np.allclose(model.user_factors_, als.user_factors_, atol=1e-6)


def test_a_heavy_prior_leaves_the_content_alone():
    data, _ = random_data(4)
    model = FeatureALS(factors=3, iterations=30, content_weight=1e4, content_regularization=1e-4, user_features=()).fit(data)
    f = unit_rows(model.item_content_)
    there = f.any(axis=1)
    assert np.allclose(model.item_factors_[there], (f @ model.item_map_)[there], atol=1e-3)


def test_new_items_and_users_are_what_is_left_of_the_loss():
    data, _ = random_data(5)
    parameters = {"factors": 3, "iterations": 4, "content_weight": 0.2, "regularization": 0.1}
    model = FeatureALS(**parameters).fit(data)
    new = np.array([[0.3, -1.0, 0.5], [0, 0, 0]])
    before = model.recommend(history=[[0, 3]], candidates=list(data.items), exclude_seen=False, k=9)[0].scores
    model.add_items(["a", "b"], new)
    share = 0.2 / 0.3
    expected = share * unit_rows(new) @ model.item_map_
    assert np.allclose(model.item_vectors(["a", "b"]), expected, atol=1e-6)
    assert np.array_equal(model.recommend(history=[[0, 3]], candidates=list(data.items), exclude_seen=False, k=9)[0].scores, before)
    model.add_users("u", new[:1])
    frequency = (0.1 * data.n_items) ** 1.0
    told = share * (unit_rows(new[:1]) @ model.user_map_)[0]
    h = model.item_factors_[: data.n_items].astype(float)
    ridge = frequency * 0.3
    expected = np.linalg.solve(0.1 * h.T @ h + ridge * np.eye(3), ridge * told)
    assert np.allclose(model.user_vectors(["u"])[0], expected, atol=1e-5)
    assert model.explain("u", 4).parts[0].source == "user content"
    assert model.recommend("u", k=3)[0].items


def test_events_of_new_items_and_users_are_taken_in(tmp_path):
    data = with_content(shop())
    known, new, held = without_items(data)
    model = FeatureALS(factors=4, iterations=3).fit(known).add_items(new, held)
    model.add_users([7], {"answers": data.user_features["answers"][:1]})
    alone = model.user_vectors([7])[0]
    model.save(tmp_path / "model.npz")
    model = load_model(tmp_path / "model.npz")
    seen = model.recommend(7, k=1)[0].items[0]
    with pytest.raises(NotSupportedError, match="items of the events have none"):
        model.update(Dataset.from_arrays([7], [9999]))
    model.update(Dataset.from_arrays([7, 8, 8, 100], [new[0], new[1], known.items[0], new[2]]))
    assert list(model.users_)[:2] == [7, 8]
    assert not model.user_content_[1].any()
    assert not np.array_equal(model.user_vectors([7])[0], alone)
    assert seen in model.recommend(7, k=30)[0].items
    assert new[0] not in model.recommend(7, k=30)[0].items
    folded = model.user_vectors(history=[[new[1], known.items[0]]])[0]
    assert np.array_equal(model.user_vectors([8])[0], folded)  # neither is known by features


def test_users_without_features():
    data = with_content(shop())
    model = FeatureALS(factors=4, iterations=2, user_features=()).fit(data)
    with pytest.raises(NotSupportedError, match="was fitted without features of users"):
        model.add_users([1], data.user_features)
    with pytest.raises(ParameterError, match="there is no column 'none' in user_features"):
        FeatureALS(user_features="none").fit(data)
    bare = data.with_columns(user_features={})
    assert FeatureALS(factors=4, iterations=2).fit(bare).user_content_.shape == (36, 0)

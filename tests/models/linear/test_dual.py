"""The dual form of the linear autoencoders against the primal one, which forms the inverse of items x items."""

import numpy as np
import pytest

import minirec as mr
from minirec.errors import MemoryBudgetError, NotSupportedError
from minirec.models.linear import closed_form

MODELS = (
    mr.EASE(regularization=5.0),
    mr.EDLAE(regularization=5.0),
    mr.RDLAE(regularization=5.0, relaxation=0.4),
    mr.DAN(regularization=3.0),
)


def wide(seed, users=None, items=None):
    """Few users, many items, repeated and weighted events."""
    rng = np.random.default_rng(seed)
    m, n = users or int(rng.integers(4, 40)), items or int(rng.integers(90, 250))
    share = np.minimum(1, 3 / (1 + np.arange(n))) * rng.uniform(0.3, 1, (m, 1))
    user, item = np.nonzero(rng.random((m, n)) < np.maximum(share, 0.04))
    again = rng.integers(0, len(user), 30)
    user, item = np.append(user, user[again]), np.append(item, item[again])
    return mr.Dataset.from_arrays(user, item, weights=rng.integers(1, 5, len(user)).astype(float))


def primal(monkeypatch, model, data):
    with monkeypatch.context() as patch:
        patch.setattr(closed_form, "dual_is_cheaper", lambda users, items: False)
        return model.clone().fit(data)


def exact_weights(model, data):
    """W in float64, from the inverse of the whole Gram matrix."""
    x = data.compact().binary.to_dense().astype(np.float64)
    popularity, lengths = x.sum(axis=0), x.sum(axis=1)
    penalty, scale = model._penalty(popularity), model._item_scale(popularity)
    inverse = np.linalg.inv(x.T @ (model._user_weights(lengths)[:, None] * x) + np.diag(penalty))
    multiplier = model._multiplier(inverse.diagonal(), penalty)
    weights = -inverse * multiplier * scale[:, None] / scale
    np.fill_diagonal(weights, 0)
    return weights


def dual_weights(model):
    """W in float64, row by row: the scores of somebody who has one item alone."""
    scorer = model._scorer(model._new([[item] for item in model.items_], None, "raise", [], None)[1])
    return scorer.exact(0, len(model.items_))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_equal_to_the_primal_form_in_float64(model):
    for seed in range(20):
        data = wide(seed)
        fitted = model.clone().fit(data)
        assert fitted.dual_ is not None
        assert fitted.weights_ is None
        weights = exact_weights(model, data)
        assert np.abs(dual_weights(fitted) - weights).max() < 1e-9 * np.abs(weights).max()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_answers_as_the_primal_form_does(model, monkeypatch):
    data = wide(3)
    dual, other = model.clone().fit(data), primal(monkeypatch, model, data)
    assert other.dual_ is None
    users, items = [dual.users_[0]] * 5, list(dual.items_)[:5]
    assert np.allclose(dual.score(users, items), other.score(users, items), atol=1e-5)
    for item in items:
        a, b = dual.explain(users[0], item), other.explain(users[0], item)
        assert abs(a.score - b.score) < 1e-5
        assert {part.name: pytest.approx(part.value, abs=1e-5) for part in b.parts} == {part.name: part.value for part in a.parts}
    assert [found for found, _ in dual.similar_items(items[0], 5)] == [found for found, _ in other.similar_items(items[0], 5)]


def test_a_small_penalty_keeps_its_digits():
    """Popularity a thousand times the penalty: P_jj is a small difference, and the equations still hold."""
    data = wide(5, users=60, items=150)
    model = mr.EASE(regularization=1e-3).fit(data)
    weights = exact_weights(model, data)
    assert np.abs(dual_weights(model) - weights).max() < 1e-6 * np.abs(weights).max()


def test_one_user_equals_a_batch_and_threads_change_no_bit():
    data, found = wide(1, users=70, items=200), []
    for threads in (1, 2, 3):
        with mr.options(threads=threads):
            model = mr.DAN().fit(data)
            found.append(model.dual_.tobytes() + model.inverse_diagonal_.tobytes())
            rows = model._scorer(model._profiles_of(np.arange(70, dtype=np.int32)))
            assert all(np.array_equal(rows.block(0, 16)[r : r + 1], rows.block(r, r + 1)) for r in range(16))
    assert len(set(found)) == 1


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_forgetting_and_updating_equal_a_refit(model):
    data = wide(7, users=20, items=120)
    user, item = data.users.ids(data.user), data.items.ids(data.item)
    keep = [at for at, one in enumerate(user) if one not in (user[0], user[-1])]
    rest = mr.Dataset.from_arrays([user[at] for at in keep], [item[at] for at in keep])
    model = model.clone()
    forgotten, fresh = model.clone().fit(data).forget([user[0], user[-1]]), model.clone().fit(rest)
    common = list(fresh.items_)
    for one in fresh.users_:
        assert np.allclose(forgotten.score([one] * len(common), common), fresh.score([one] * len(common), common), atol=1e-6)
    grown = fresh.update(data.select(np.array([at for at in range(len(user)) if at not in set(keep)])))
    whole = model.clone().fit(mr.Dataset.from_arrays(user, item))
    for one in whole.users_:
        assert np.allclose(grown.score([one] * len(common), common), whole.score([one] * len(common), common), atol=1e-6)


def test_a_file_holds_users_squared_numbers(tmp_path):
    data = wide(2, users=15, items=200)
    model = mr.EASE().fit(data)
    model.save(tmp_path / "dual.npz")
    loaded = mr.load_model(tmp_path / "dual.npz")
    assert loaded.recommend().to_dict() == model.recommend().to_dict()
    assert (tmp_path / "dual.npz").stat().st_size < 4 * 200**2
    with pytest.raises(NotSupportedError, match="items_only"):
        model.save(tmp_path / "items.npz", items_only=True)


def test_memory_is_that_of_the_users():
    data = wide(4, users=30, items=4000)
    assert mr.EASE().estimate_memory(data.compact()) < 4 * 4000**2
    with mr.options(memory="1MB"), pytest.raises(MemoryBudgetError, match="EASE"):
        mr.EASE().fit(data)

"""L3AE against its optimality conditions, the formulas of its source, and EASE."""

import naive_linear
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.data.dataset import Dataset
from minirec.errors import MemoryBudgetError, NotSupportedError, ParameterError
from minirec.models import EASE, L3AE, load_model
from minirec.options import options
from minirec.testing.sets import shop, with_content, without_items

SEEDS = st.integers(0, 10_000)
PENALTIES = st.sampled_from([(5.0, 3.0, 1.0), (0.5, 20.0, 0.1), (-2.0, 4.0, 3.0), (10.0, 0.0, 1.0)])


def dataset(seed, users=9, items=8, width=3):
    rng = np.random.default_rng(seed)
    x = (naive_linear.random_counts(rng, users=users, items=items) > 0).astype(float)
    content = rng.standard_normal((x.shape[1], width)) * (rng.random((x.shape[1], 1)) < 0.9)
    return Dataset.from_arrays(*np.nonzero(x), item_features={"v": content}), x, content


def unit(content):
    return np.array([row / np.linalg.norm(row) if row.any() else row for row in content])


def of_content(content, regularization):
    return naive_linear.ease(unit(content).T, regularization)


@settings(max_examples=40, deadline=None)
@given(SEEDS, PENALTIES, st.sampled_from([1, 3, 12]))
def test_optimality_and_the_formulas_of_the_source(seed, penalties, width):
    data, x, content = dataset(seed, width=width)
    reg, pull, reg_content = penalties
    model = L3AE(regularization=reg, content_weight=pull, content_regularization=reg_content).fit(data)
    weights, c = model.weights_.astype(np.float64), of_content(content, reg_content)
    # the gradient of the objective is zero but on the diagonal, where the constraint holds instead
    gradient = x.T @ (x @ weights - x) + reg * weights + pull * (weights - c)
    np.fill_diagonal(gradient, 0)
    assert np.abs(gradient).max() < 2e-3
    assert not weights.diagonal().any()
    p = np.linalg.inv(x.T @ x + (reg + pull) * np.eye(len(c)))
    expected = pull * p @ c - p * (1 + pull * (p @ c).diagonal()) / p.diagonal()
    np.fill_diagonal(expected, 0)
    assert np.allclose(weights, expected, atol=1e-5)


def test_without_weight_of_the_content_it_is_ease():
    data = with_content(shop())
    model, ease = L3AE(regularization=7.0, content_weight=0.0).fit(data), EASE(regularization=7.0).fit(data)
    assert model.weights_.tobytes() == ease.weights_.tobytes()
    none = data.with_columns(item_features={"v": np.zeros((data.n_items, 2))})
    assert L3AE(regularization=3.0, content_weight=4.0).fit(none).weights_.tobytes() == ease.weights_.tobytes()


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from([(5.0, 3.0, 1.0), (0.5, 20.0, 0.1)]))
def test_new_items_get_the_weights_of_a_ridge_regression(seed, penalties):
    data, _, content = dataset(seed)
    reg, pull, reg_content = penalties
    new = np.random.default_rng(seed).standard_normal((2, 3))
    model = L3AE(regularization=reg, content_weight=pull, content_regularization=reg_content).fit(data)
    before, n = model.weights_.copy(), len(content)
    model.add_items(["a", "b"], new)  # strings come after the integers
    f = unit(content)
    assert np.array_equal(model.weights_[:n, :n], before)
    share = pull / (reg + pull)
    for at, vector in enumerate(unit(new)):
        # the content of the new item, told by that of the items of training
        b = np.linalg.solve(f @ f.T + reg_content * np.eye(n), f @ vector)
        assert np.allclose(model.weights_[:n, n + at], share * b, atol=1e-5)
        gradient = reg * share * b + pull * (share * b - b)
        assert np.abs(gradient).max() < 1e-9
    k = np.linalg.inv(f.T @ f + reg_content * np.eye(3))
    to_known = share * unit(new) @ k @ f.T / (1 - np.einsum("nd,de,ne->n", f, k, f))
    assert np.allclose(model.weights_[n:, :n], to_known, atol=1e-5)
    assert model.weights_[n, n + 1] == pytest.approx(share * unit(new)[0] @ k @ unit(new)[1], abs=1e-6)


def test_behaviour_and_content_are_told_apart(tmp_path):
    data = with_content(shop())
    model, ease = L3AE(regularization=5.0, content_weight=20.0).fit(data), EASE(regularization=25.0).fit(data)
    history, item = data.items.ids([0, 4, 7]), data.items[2]
    parts = model.explain(history=[history], item=item).parts
    behaviour = {part.name: part.value for part in parts if part.source == "behaviour"}
    of_ease = {part.name: part.value for part in ease.explain(history=[history], item=item).parts}
    assert behaviour == pytest.approx(of_ease, abs=1e-6)
    assert {part.source for part in parts} == {"behaviour", "content"}
    assert sum(part.value for part in model.explain(history=[history], item=history[0]).parts) == pytest.approx(
        model.recommend(history=[history], candidates=[history[0]], exclude_seen=False)[0].scores[0], rel=1e-5
    )
    model.save(tmp_path / "model.npz", items_only=True)
    with pytest.raises(NotSupportedError, match="items_only"):
        load_model(tmp_path / "model.npz").explain(history=[history], item=item)


def test_penalties_and_memory():
    data = with_content(shop())
    with pytest.raises(ParameterError, match="their sum must be above 0"):
        L3AE(regularization=-5.0, content_weight=5.0).fit(data)
    known, new, held = without_items(data)
    model = L3AE().fit(known)
    with options(memory=1000), pytest.raises(MemoryBudgetError, match="4 new items need a second matrix"):
        model.add_items(new, held)
    assert len(model.items_) == len(known.items)
    with pytest.raises(NotSupportedError, match="no incremental form"):
        model.update(known)

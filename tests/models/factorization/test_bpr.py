"""BPR and WARP: the answer that is known, the negatives, new users, and the expected update that folding-in uses."""

import naive_sgd as naive
import numpy as np
import pytest

from minirec.data.dataset import Dataset
from minirec.engine.descent.losses import rank_weights
from minirec.errors import ParameterError
from minirec.models import BPR, WARP
from minirec.models.forms.descent import panel, without
from minirec.testing.sets import blocks, shop

MODELS = {"bpr": BPR(factors=6, iterations=12), "warp": WARP(factors=6, iterations=12)}


@pytest.mark.parametrize("name", MODELS)
def test_withheld_items_of_the_own_group_come_first(name):
    held = blocks()
    model = MODELS[name].clone().fit(held.train)
    found = {(user, item) for user, items, _ in model.recommend(k=2) for item in items}
    assert len(found & set(zip(held.users, held.items, strict=True))) >= 0.95 * len(held.users)


@pytest.mark.parametrize("name", MODELS)
def test_a_history_from_training_ranks_as_the_trained_user(name):
    model = MODELS[name].clone().fit(blocks().train)
    history = [model.items_.ids(model.seen_.row(row)[0]) for row in range(len(model.users_))]
    known, new = model.recommend(k=5, exclude_seen=False), model.recommend(history=history, k=5, exclude_seen=False)
    overlap = np.mean([len(set(a[1]) & set(b[1])) / 5 for a, b in zip(known, new, strict=True)])
    assert overlap >= 0.8


@pytest.mark.parametrize("name", MODELS)
def test_scores_are_dot_products_with_an_item_bias(name):
    model = MODELS[name].clone(factors=3).fit(shop())
    assert model.user_vectors().shape[1] == model.item_vectors().shape[1] == 4
    assert (model.user_vectors()[:, -1] == 1).all()
    item = model.items_[0]
    plain = model.item_vectors()[:, :3].astype(float)
    cosine = plain @ plain[0] / (np.linalg.norm(plain, axis=1) * np.linalg.norm(plain[0]))
    found = model.similar_items(item, k=100)  # by taste: the bias has no part in it
    assert [i for i, _ in found] == [model.items_[row] for row in np.argsort(-cosine, kind="stable") if row != 0]
    explained = model.explain(model.users_[0], item)
    assert sum(part.value for part in explained.parts) == pytest.approx(explained.score, abs=1e-5)
    assert {part.source for part in explained.parts} == {"left out", "the rest"}


@pytest.mark.parametrize("name", MODELS)
def test_negatives_by_popularity_hold_popular_items_back(name):
    data = shop(n_users=90, n_items=30)
    slopes = {}
    for power in (0.0, 1.0):
        model = MODELS[name].clone(negative_power=power).fit(data)
        slopes[power] = np.polyfit(np.log(data.item_counts), model.item_vectors()[:, -1], 1)[0]
        assert model.negatives_ == pytest.approx(data.item_counts**power / (data.item_counts**power).sum(), rel=1e-5)
    assert 0 < slopes[1.0] < 0.7 * slopes[0.0]


def test_weights_and_repeated_events_do_not_count():
    data = shop()
    twice = data.select(np.concatenate([np.arange(len(data)), np.arange(len(data))])).with_columns(weight=None)
    a, b = BPR(factors=4, iterations=2).fit(data), BPR(factors=4, iterations=2).fit(twice)
    assert np.array_equal(a.user_factors_, b.user_factors_)


def test_the_expected_update_of_warp_is_that_of_draws():
    """The gradient that folding-in uses, against the average of updates that are drawn."""
    rng = np.random.default_rng(0)
    model = WARP(factors=2, max_trials=4, regularization=0.1).fit(blocks().train)
    n = len(model.items_)
    q, q_other = rng.standard_normal((2, 2)), rng.standard_normal((n - 2, 2))
    b, b_other = np.array([1.5, 2.5]), rng.standard_normal(n - 2)
    shares = np.full(n - 2, 1 / (n - 2))
    gradients = []
    model._as_trained = lambda gradient, samples, d: gradients.append(gradient) or np.zeros(d)
    model._vector(q, b, q_other, b_other, shares)
    p = np.array([0.3, -0.2])
    ranks = rank_weights(n)
    rounds, total, squares = 4000, np.zeros(2), np.zeros(2)
    drawn = rng.integers(0, n - 2, (rounds, 2, 4))
    for round_ in drawn:
        update = np.zeros(2)
        for i in range(2):
            for trial, j in enumerate(round_[i], 1):
                if q[i] @ p + b[i] - (q_other[j] @ p + b_other[j]) < 1:
                    update += ranks[(n - 1) // trial] * (q[i] - q_other[j]) - 0.1 * p
                    break
        total += update
        squares += update**2
    mean = total / rounds
    error = np.sqrt((squares / rounds - mean**2) / rounds)
    assert (np.abs(gradients[0](p) - mean) < 5 * error).all()


def test_the_gradient_of_a_new_user_of_bpr():
    """Against finite differences of the loss, summed over all pairs."""
    rng = np.random.default_rng(1)
    model = BPR(factors=3, regularization=0.1).fit(blocks().train)
    q, q_other, b, b_other = rng.standard_normal((4, 3)), rng.standard_normal((6, 3)), rng.standard_normal(4), rng.standard_normal(6)
    shares = rng.dirichlet(np.ones(6))
    gradients = []
    model._as_trained = lambda gradient, samples, d: gradients.append(gradient) or np.zeros(d)
    model._vector(q, b, q_other, b_other, shares)

    def loss(arrays):
        (p,) = arrays
        pairs = sum(shares[j] * naive.bpr([q[i] @ p + b[i], q_other[j] @ p + b_other[j]], None) for i in range(4) for j in range(6))
        return pairs + 0.1 * 4 / 2 * p @ p

    p = rng.standard_normal(3)
    assert gradients[0](p) == pytest.approx(-naive.numerical_gradients(loss, [p])[0], abs=1e-6)


def test_a_panel_stands_for_its_distribution():
    probability = np.arange(1, 1001, dtype=np.float32)
    items, weights = panel(probability, 100)
    assert len(items) == 100
    assert weights.sum() == pytest.approx(1)
    assert weights @ items == pytest.approx(np.arange(1000) @ probability / probability.sum(), rel=0.01)
    few, exact = panel(probability[:5], 100)
    assert few.tolist() == [0, 1, 2, 3, 4]
    assert exact == pytest.approx(np.arange(1, 6) / 15)
    rest, shares = without(few, exact, np.array([4, 1], np.int32))
    assert rest.tolist() == [0, 2, 3]
    assert shares == pytest.approx(np.array([1, 3, 4]) / 8)
    assert len(without(few, exact, few)[0]) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"negative_power": "high"}, "negative_power"), ({"factors": 0}, "factors"), ({"max_trials": 0}, "max_trials")],
)
def test_parameters_are_checked(changes, message):
    with pytest.raises(ParameterError, match=message):
        WARP(**changes).fit(shop())


def test_a_file_with_a_damaged_distribution_is_refused(tmp_path):
    model = BPR(factors=2, iterations=1).fit(Dataset.from_arrays([1, 1, 2], ["a", "b", "a"]))
    model.negatives_ = -model.negatives_
    model.save(tmp_path / "model.npz")
    with pytest.raises(ValueError, match="distribution"):
        BPR.load(tmp_path / "model.npz")

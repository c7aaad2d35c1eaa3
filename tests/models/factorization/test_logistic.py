"""Logistic matrix factorisation: the answer that is known, new users, the gradient, and weights."""

import naive_sgd as naive
import numpy as np
import pytest

from minirec.data.dataset import Dataset
from minirec.errors import DataError
from minirec.models import LogisticMF
from minirec.testing.sets import blocks, shop


def test_withheld_items_of_the_own_group_come_first():
    held = blocks()
    model = LogisticMF(factors=6).fit(held.train)
    found = {(user, item) for user, items, _ in model.recommend(k=2) for item in items}
    assert len(found & set(zip(held.users, held.items, strict=True))) >= 0.95 * len(held.users)


def test_a_history_from_training_ranks_as_the_trained_user():
    model = LogisticMF(factors=6).fit(blocks().train)
    history = [model.items_.ids(model.seen_.row(row)[0]) for row in range(len(model.users_))]
    known, new = model.recommend(k=5, exclude_seen=False), model.recommend(history=history, k=5, exclude_seen=False)
    assert np.mean([len(set(a[1]) & set(b[1])) / 5 for a, b in zip(known, new, strict=True)]) >= 0.8


def test_the_gradient_of_a_new_user():
    """Against finite differences of the loss: the liked items, and as many zeros as training would draw, spread over the others."""
    model = LogisticMF(factors=3, negatives=2, regularization=0.1, alpha=1.5).fit(shop())
    liked, others = np.array([1, 4], np.int32), np.array([0, 2, 3, 5], np.int32)
    shares, confidence = np.array([0.1, 0.2, 0.3, 0.4]), np.array([1.5, 3.0])
    gradients = []
    model._as_trained = lambda gradient, samples, d, bias: gradients.append(gradient) or np.zeros(d)
    model._vector(liked, confidence, others, shares)
    q, b = model.item_factors_[:, :-1].astype(float), model.item_factors_[:, -1].astype(float)

    def loss(arrays):
        (p,) = arrays
        total = sum(naive.logistic([q[i] @ p + b[i]], c) for i, c in zip(liked, confidence, strict=True))
        total += sum(2 * 2 * s * naive.logistic([q[j] @ p + b[j]], 0) for j, s in zip(others, shares, strict=True))
        return total + 0.1 * 2 / 2 * p @ p

    p = np.random.default_rng(0).standard_normal(4)
    assert gradients[0](p) == pytest.approx(-naive.numerical_gradients(loss, [p])[0], abs=1e-6)


def test_weights_are_confidence():
    """An item that was taken with a large weight ends with a higher score than the same item taken with a small one."""
    users, items = np.nonzero(np.ones((20, 3)))
    some = (users + items) % 3 > 0
    weights = np.where(items[some] == 0, 5.0, 0.5)
    model = LogisticMF(factors=1, iterations=30).fit(Dataset.from_arrays(users[some], items[some], weights=weights))
    bias = dict(zip(model.items_, model.item_vectors()[:, -1].tolist(), strict=True))
    assert bias[0] > max(bias[1], bias[2])


def test_negative_weights_are_refused():
    with pytest.raises(DataError, match="not negative"):
        LogisticMF().fit(Dataset.from_arrays([1, 2], [1, 2], weights=[1.0, -1.0]))

"""Factorization machines: equation 1 written out, gradients of the whole model, features, and what is served."""

import math

import numpy as np
import pytest
from naive_sgd import numerical_gradients, sigmoid

from minirec.data.dataset import Dataset
from minirec.engine.nn.row_gradient import RowGradient
from minirec.errors import DataError, ParameterError
from minirec.models import FactorizationMachine
from minirec.models.factorization.fm import feature_matrix
from minirec.testing.sets import shop

SMALL = {"factors": 3, "batch_size": 16, "negatives": 2, "iterations": 4, "validation_share": 0.0, "learning_rate": 0.02}
USERS = np.array([0, 1, 1, 4], np.int32)
POSITIVES = np.array([2, 0, 2, 5], np.int32)
NEGATIVES = np.array([[1, 0], [3, 3], [2, 5], [4, 2]], np.int32)  # the third event found a single negative


def matrices(features):
    """Of 5 users and 6 items."""
    if not features:
        return feature_matrix({}, 5), feature_matrix({}, 6)
    users = {"age": np.array([0.3, 0.5, np.nan, 1.0, -0.2]), "town": np.array(["a", "b", "a", "", "b"], object)}
    items = {"kind": np.array(["x", "x", "y", "y", "z", "x"], object), "point": np.arange(12.0).reshape(6, 2) / 10}
    return feature_matrix(users, 5), feature_matrix(items, 6)


def score(values, sides, u, i):
    """Equation 1 over all pairs of features, with parameters by name."""
    features = []
    for side, matrix, row in (("users", sides[0], u), ("items", sides[1], i)):
        features.append((1.0, values[f"{side}.own.weight"][row], values[f"{side}.own_weight"][row, 0]))
        for at, x in zip(*matrix.row(row), strict=True):
            features.append((float(x), values[f"{side}.vectors.weight"][at], values[f"{side}.weights"][at, 0]))
    total = float(values["bias"][0]) + sum(w * x for x, _, w in features)
    for at, (x, v, _) in enumerate(features):
        total += sum(x * y * (v @ other) for y, other, _ in features[:at])
    return total


def definition(values, sides, model):
    loss = 0.0
    for user, positive, negatives in zip(USERS, POSITIVES, NEGATIVES, strict=True):
        own = score(values, sides, user, positive)
        others = [score(values, sides, user, negative) for negative in negatives if negative != positive]
        if model.loss == "bpr":
            loss -= sum(math.log(sigmoid(own - other)) for other in others)
        else:
            loss -= math.log(sigmoid(own)) + sum(math.log(1 - sigmoid(other)) for other in others)
    loss /= NEGATIVES.size + (0 if model.loss == "bpr" else len(USERS))
    for name, value in values.items():
        rows = np.unique(USERS) if name.startswith("users") else np.union1d(POSITIVES, NEGATIVES)
        if name != "bias":
            loss += model.regularization / 2 / len(USERS) * (value[rows if "own" in name else ...] ** 2).sum()
    return loss


@pytest.mark.parametrize("loss", ["bpr", "bce"])
@pytest.mark.parametrize("features", [False, True])
def test_loss_and_gradients_of_the_whole_model(loss, features):
    rng = np.random.default_rng(0)
    model = FactorizationMachine(factors=2, loss=loss, regularization=0.2)
    model._sides = sides = matrices(features)
    network = model._network(None, rng)
    named = network.parameters()
    for tensor in named.values():
        tensor.data = rng.standard_normal(tensor.shape) / 2
    if loss == "bpr":
        named["users.own_weight"].data[:] = 0  # they cancel out
        named["users.weights"].data[:] = 0
    arrays = [tensor.data.copy() for tensor in named.values()]

    def of(arrays):
        return definition(dict(zip(named, arrays, strict=True)), sides, model)

    found = model._batch_loss(network, USERS, POSITIVES, NEGATIVES)
    assert found.item() == pytest.approx(of(arrays))
    found.backward()
    for tensor, expected in zip(named.values(), numerical_gradients(of, arrays), strict=True):
        gradient = tensor.grad.dense() if isinstance(tensor.grad, RowGradient) else tensor.grad
        assert (np.zeros(tensor.shape) if gradient is None else gradient) == pytest.approx(expected, abs=1e-7)


def with_features(seed=0):
    data, rng = shop(), np.random.default_rng(seed)
    users = {"age": dict(zip(data.users, rng.random(data.n_users), strict=True))}
    items = {
        "kind": {item: "abc"[at % 3] for at, item in enumerate(data.items)},
        "price": dict(zip(data.items, rng.random(24), strict=True)),
    }
    return Dataset.from_arrays(
        data.users.ids(data.user), data.items.ids(data.item), data.weight, data.timestamp, user_features=users, item_features=items
    )


@pytest.mark.parametrize("loss", ["bpr", "bce"])
def test_scores_are_equation_1(loss, monkeypatch):
    data = with_features()
    model = FactorizationMachine(**SMALL, loss=loss)
    kept = []
    store = type(model)._store
    monkeypatch.setattr(type(model), "_store", lambda self, network, events: (kept.append(network), store(self, network, events)))
    model.fit(data)
    sides = feature_matrix(data.user_features, data.n_users), feature_matrix(data.item_features, data.n_items)
    assert sides[0].shape[1] == 1
    assert sides[1].shape[1] == 4
    values = {name: tensor.data.astype(np.float64) for name, tensor in kept[-1].parameters().items()}
    for u in range(0, data.n_users, 5):
        found = model.score([data.users[u]] * data.n_items, list(data.items))
        assert found == pytest.approx([score(values, sides, u, i) for i in range(data.n_items)], rel=1e-5, abs=1e-6)


def test_features_count_only_where_they_are_asked_for():
    plain, rich = shop(), with_features()
    without = FactorizationMachine(**SMALL, use_features=False).fit(rich).item_vectors()
    assert np.array_equal(without, FactorizationMachine(**SMALL).fit(plain).item_vectors())
    assert not np.array_equal(without, FactorizationMachine(**SMALL).fit(rich).item_vectors())


def test_feature_matrix():
    found = feature_matrix(
        {
            "age": np.array([3.0, np.nan, 0.5, 0.0]),
            "town": np.array(["b", "a", "b", "a"], object),
            "name": np.array(["p", "q", "r", ""], object),  # each in one row
            "member": np.array([True, False, True, False]),
            "point": np.array([[1, 2], [0, 0], [3, 0], [0, 4]]),
        },
        4,
    )
    expected = [[3, 0, 1, 1, 1, 2], [0, 1, 0, 0, 0, 0], [0.5, 0, 1, 1, 3, 0], [0, 1, 0, 0, 0, 4]]
    assert np.array_equal(found.to_dense(), expected)
    assert feature_matrix({}, 3).shape == (3, 0)


@pytest.mark.parametrize("column", [np.array([1.0, np.inf]), np.array([["a", "b"]] * 2, object), np.zeros((2, 1, 1))])
def test_features_that_are_none(column):
    with pytest.raises(DataError, match="'odd'"):
        feature_matrix({"odd": column}, 2)


@pytest.mark.parametrize("changes", [{"loss": "hinge"}, {"use_features": "yes"}, {"negatives": 0}])
def test_bad_parameters(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        FactorizationMachine(**changes).fit(shop())

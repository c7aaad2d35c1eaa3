"""Hybrid: scores and loss written out, gradients of the whole model, what content tells of new items and users."""

import math

import numpy as np
import pytest
from naive_sgd import numerical_gradients, sigmoid

from minirec.data.dataset import Dataset
from minirec.engine.nn.row_gradient import RowGradient
from minirec.errors import ParameterError
from minirec.models import Hybrid, load_model
from minirec.models.contract.parameters import choices
from minirec.testing.sets import shop, with_content, without_items

SMALL = {"factors": 3, "batch_size": 16, "negatives": 2, "iterations": 4, "validation_share": 0.0, "learning_rate": 0.02}
LOSSES = choices(Hybrid, "loss")
USERS = np.array([0, 1, 1, 4], np.int32)
POSITIVES = np.array([2, 0, 2, 5], np.int32)
NEGATIVES = np.array([[1, 0], [3, 3], [2, 5], [4, 2]], np.int32)  # the third event found a single negative


def score(values, content, u, i):
    """The formula of the class, with parameters by name."""
    g, f = content[0][u], content[1][i]
    p = values["users.own.weight"][u] + values["users.map"].T @ g
    q, b = values["items.map"].T @ f, values["items.weights"][:, 0] @ f
    if "items.own.weight" in values:
        q, b = q + values["items.own.weight"][i], b + values["items.own_weight"][i, 0]
    return p @ q + b


def definition(values, content, model, n_items):
    loss = 0.0
    for user, positive, negatives in zip(USERS, POSITIVES, NEGATIVES, strict=True):
        own = score(values, content, user, positive)
        others = [score(values, content, user, negative) for negative in negatives if negative != positive]
        if model.loss == "bpr":
            loss -= sum(math.log(sigmoid(own - other)) for other in others) / NEGATIVES.size
            continue
        for tried, other in enumerate(others, 1):
            if own - other < 1:
                rank = np.float32(sum(1 / s for s in range(1, (n_items - 1) // tried + 1)))
                loss += rank * (1 - own + other) / len(USERS)
                break
    for name, value in values.items():
        rows = np.unique(USERS) if name.startswith("users") else np.union1d(POSITIVES, NEGATIVES)
        if name != "bias":
            loss += model.regularization / 2 / len(USERS) * (value[rows if "own" in name else ...] ** 2).sum()
    return loss


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("own", [False, True])
def test_loss_and_gradients_of_the_whole_model(loss, own):
    rng = np.random.default_rng(3)
    model = Hybrid(factors=2, loss=loss, own=own, regularization=0.2)
    model.user_content_, model.item_content_ = (rng.standard_normal((n, 3)).astype(np.float32) for n in (5, 6))
    for side in ("user", "item"):
        vars(model)[f"{side}_mean_"], vars(model)[f"{side}_deviation_"] = np.zeros(3, np.float32), 3**-0.5
    model.items_ = range(6)
    network = model._network(None, rng)
    named = network.parameters()
    for name, tensor in named.items():
        tensor.data = np.zeros(tensor.shape) if "users" in name and "weight" in name.split(".")[1] else rng.standard_normal(tensor.shape)
    arrays, content = [tensor.data.copy() for tensor in named.values()], (model.user_content_, model.item_content_)

    def of(arrays):
        return definition(dict(zip(named, arrays, strict=True)), content, model, 6)

    found = model._batch_loss(network, USERS, POSITIVES, NEGATIVES)
    assert found.item() == pytest.approx(of(arrays))
    found.backward()
    for (name, tensor), expected in zip(named.items(), numerical_gradients(of, arrays), strict=True):
        gradient = tensor.grad.dense() if isinstance(tensor.grad, RowGradient) else tensor.grad
        assert (np.zeros(tensor.shape) if gradient is None else gradient) == pytest.approx(expected, abs=1e-6), name


@pytest.mark.parametrize("own", [False, True])
def test_scores_are_the_formula(own, monkeypatch):
    data = with_content(shop())
    model, kept = Hybrid(**SMALL, own=own), []
    store = type(model)._store
    monkeypatch.setattr(type(model), "_store", lambda self, network, events: (kept.append(network), store(self, network, events)))
    model.fit(data)
    content = []
    for columns in (data.user_features, data.item_features):
        given = np.concatenate([columns[name] for name in columns], axis=1).astype(float)
        given -= given.mean(axis=0)
        content.append(given / np.sqrt((given**2).sum() / len(given)))
    values = {name: tensor.data.astype(np.float64) for name, tensor in kept[-1].parameters().items()}
    for u in range(0, data.n_users, 5):
        found = model.score([data.users[u]] * data.n_items, list(data.items))
        assert found == pytest.approx([score(values, content, u, i) for i in range(data.n_items)], rel=1e-4, abs=1e-6)


def test_new_items_and_users_are_their_content_and_a_mean(tmp_path):
    known, new, held = without_items(with_content(shop()))
    model = Hybrid(**SMALL).fit(known)
    model.save(tmp_path / "model.npz")
    items, users = model.item_vectors(), model.user_vectors()
    told = np.array([model._told("item", row[None])[0][0] for row in model.item_content_])
    for each in (model, load_model(tmp_path / "model.npz")):
        each.add_items(new, held)
        own = np.delete(items, 3, axis=1) - told
        expected, mean = each._told("item", np.concatenate([held[name] for name in ("text", "picture")], axis=1))
        assert mean == pytest.approx(own.mean(axis=0), abs=1e-6)
        assert np.delete(each.item_vectors(new), 3, axis=1) == pytest.approx(expected + mean)
        assert (each.item_vectors(new)[:, 3] == 1).all()
        found = each.explain(known.users[0], new[0])
        identity = sum(part.value for part in found.parts if "identity" in part.source)
        assert identity == pytest.approx(users[0] @ np.concatenate((mean[:-1], [1.0], mean[-1:])), abs=1e-5)
        before = each.user_vectors()
        each.add_users(["twin", "blank"], np.concatenate((known.user_features["answers"][:1], np.zeros((1, 4)))))
        assert np.array_equal(each.user_vectors(list(known.users)), before)
        twin, blank = each.user_vectors(["twin", "blank"])
        assert blank == pytest.approx(np.append(each.user_map_[-1], 1), abs=1e-6)
        assert twin[:3] - blank[:3] == pytest.approx(each._told("user", known.user_features["answers"][:1])[0][0, :3], abs=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("own", [False, True])
def test_new_items_are_found_by_those_who_like_their_kind(loss, own):
    """Users buy within one of three kinds, which the content tells; of the items that nobody has, they get those of theirs."""
    rng = np.random.default_rng(0)
    n_users, n_items = 90, 60
    kind = np.arange(n_items) % 3
    content = (np.eye(3)[kind] @ rng.normal(size=(3, 8)) + 0.3 * rng.normal(size=(n_items, 8))).astype(np.float32)
    users = np.repeat(np.arange(n_users), 8)
    items = np.concatenate([rng.choice(np.flatnonzero(kind[:48] == user % 3), 8, replace=False) for user in range(n_users)])
    data = Dataset.from_arrays(users, items).with_columns(item_features={"text": content[:48]})
    model = Hybrid(**SMALL | {"factors": 8, "iterations": 15, "batch_size": 64, "negatives": 5}, loss=loss, own=own).fit(data)
    model.add_items(np.arange(48, n_items), content[48:])
    found = model.recommend(k=4, candidates=np.arange(48, n_items))
    assert np.mean([item % 3 == user % 3 for user, listed, _ in found for item in listed]) > 0.95


@pytest.mark.parametrize("changes", [{"loss": "bce"}, {"features": 3}, {"user_features": "none"}, {"own": "no"}, {"negatives": 0}])
def test_parameters_are_checked(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        Hybrid(**SMALL | changes).fit(with_content(shop()))

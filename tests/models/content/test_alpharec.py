"""AlphaRec: the model against its definition, gradients through the graph and the network, new users and new items."""

import numpy as np
import pytest
from naive_sgd import numerical_gradients

from minirec.data.dataset import Dataset
from minirec.engine.graph.convolution import Convolution
from minirec.engine.sparse import CSR
from minirec.errors import ParameterError
from minirec.models import AlphaRec, load_model
from minirec.models.graphs.convolved import Batch
from minirec.testing.sets import shop, with_content, without_items

USERS, ITEMS, WIDTH, HIDDEN, D = 5, 6, 4, 7, 3
SMALL = {"factors": 4, "hidden": 8, "batch_size": 64, "negatives": 8, "iterations": 4, "validation_share": 0.0}


def network(f, w_1, b_1, w_2, b_2):
    wide = f @ w_1 + b_1
    return np.where(wide > 0, wide, 0.01 * wide) @ w_2 + b_2


def vectors(x, content, weights, layers):
    """z of users and items, from the inputs and the matrices, step by step."""
    users, items = network((x / x.sum(axis=1, keepdims=True)) @ content, *weights), network(content, *weights)
    s = x / np.sqrt(x.sum(axis=1)[:, None] * np.maximum(x.sum(axis=0), 1))
    total = [users, items]
    for _ in range(layers):
        users, items = s @ items, s.T @ users
        total = [total[0] + users, total[1] + items]
    return total[0] / (layers + 1), total[1] / (layers + 1)


def definition(x, content, weights, layers, temperature, batch):
    """InfoNCE of the cosines, sample by sample."""
    z_users, z_items = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in vectors(x, content, weights, layers))
    total = 0.0
    for u, i in zip(batch.users, batch.items, strict=True):
        own = np.exp(z_users[u] @ z_items[i] / temperature)
        others = sum(
            t * np.exp(z_users[u] @ z_items[j] / temperature) for j, t in zip(batch.negatives, batch.times, strict=True) if not x[u, j]
        )
        total -= np.log(own / (own + others))
    return total / len(batch.users)


@pytest.mark.parametrize("layers", [1, 2])
def test_gradients_of_the_whole_model(layers):
    rng = np.random.default_rng(layers)
    x = (rng.random((USERS, ITEMS)) < 0.5).astype(float)
    x[np.arange(USERS), np.arange(USERS)] = 1
    matrix = CSR.from_pairs(*np.nonzero(x), None, x.shape)
    model = AlphaRec(layers=layers, temperature=0.4, factors=D, hidden=HIDDEN)
    model.backend_, model.item_content_ = "numpy", rng.standard_normal((ITEMS, WIDTH)).astype(np.float32)
    model.centre_, model.spread_ = np.zeros(WIDTH, np.float32), 1.0
    parameters, embed = model._tables(matrix, rng)
    for tensor in parameters.values():
        tensor.data = tensor.data + 0.3 * rng.standard_normal(tensor.shape)
    samples = np.sort(rng.permutation(matrix.nnz)[:8])
    owners, positives = matrix.row_ids()[samples].astype(np.int32), matrix.indices[samples]
    batch = Batch(owners, positives, np.array([0, 2, 3], np.int32), np.array([2, 1, 3], np.float32))
    users, items = embed()
    found, gradients = model._step(Convolution(matrix, layers, "numpy", np.float64), matrix, users.data, items.data, batch)
    users.backward(gradients[0])
    items.backward(gradients[1])
    content, weights = model.item_content_.astype(float), [tensor.data for tensor in parameters.values()]
    value = lambda arrays: definition(x, content, arrays, layers, 0.4, batch)  # noqa: E731
    assert found == pytest.approx(value(weights), abs=1e-7)
    for tensor, numerical in zip(parameters.values(), numerical_gradients(value, weights), strict=True):
        assert tensor.grad == pytest.approx(numerical, abs=1e-6)


def test_what_is_served_is_the_definition():
    """Known users, new users with the same history, and their scores; the content's place and scale are no matter."""
    data = with_content(shop())
    model = AlphaRec(**SMALL, damping=0.3).fit(data)
    content = np.concatenate([data.item_features[name] for name in ("text", "picture")], axis=1).astype(float)
    inputs = content - content.mean(axis=0)
    inputs /= np.sqrt((inputs**2).mean())
    model._embed(np.zeros((1, 9), np.float32))
    weights = [tensor.data for tensor in model._kept_network[1].parameters().values()]
    z_users, z_items = vectors(data.binary.to_dense().astype(float), inputs, weights, 2)
    assert model.user_vectors() == pytest.approx(z_users, abs=1e-5)
    assert model.item_vectors() == pytest.approx(z_items / np.linalg.norm(z_items, axis=1, keepdims=True) ** 0.3, abs=1e-5)
    history = [data.items.ids(data.matrix.row(row)[0]) for row in range(data.n_users)]
    assert model.user_vectors(history=history) == pytest.approx(z_users, abs=1e-5)
    moved = {name: 40 * column + 7 for name, column in data.item_features.items()}
    other = AlphaRec(**SMALL, damping=0.3).fit(data.with_columns(item_features=moved))
    assert other.user_vectors() == pytest.approx(z_users, abs=1e-3)


def test_new_items_are_what_the_network_makes_of_them(tmp_path):
    known, new, held = without_items(with_content(shop()))
    model = AlphaRec(**SMALL).fit(known)
    before = model.recommend(k=30)
    model.save(tmp_path / "model.npz")
    for each in (model, load_model(tmp_path / "model.npz")):
        each.add_items(new, held)
        embedded = each._embed(each._inputs(np.concatenate([held[name] for name in ("text", "picture")], axis=1)))
        assert each.item_vectors(new) == pytest.approx(embedded / np.linalg.norm(embedded, axis=1, keepdims=True), abs=1e-6)
        for (_, old, _), (_, listed, _) in zip(before, each.recommend(k=30), strict=True):
            assert [item for item in listed if item not in new] == old
        found = each.explain(history=[[new[0], known.items[0]]], item=new[1])
        assert {part.source for part in found.parts} == {"history", "content"}
        assert sum(part.value for part in found.parts) == pytest.approx(found.score, abs=1e-5)


def test_new_items_are_found_by_those_who_like_their_kind():
    """Users buy within one of three kinds, which the content tells; of the items that nobody has, they get those of theirs."""
    rng = np.random.default_rng(0)
    n_users, n_items = 90, 60
    kind = np.arange(n_items) % 3
    content = (np.eye(3)[kind] @ rng.normal(size=(3, 8)) + 0.3 * rng.normal(size=(n_items, 8))).astype(np.float32)
    users = np.repeat(np.arange(n_users), 8)
    items = np.concatenate([rng.choice(np.flatnonzero(kind[:48] == user % 3), 8, replace=False) for user in range(n_users)])
    data = Dataset.from_arrays(users, items).with_columns(item_features={"text": content[:48]})
    model = AlphaRec(factors=8, hidden=16, iterations=20, learning_rate=0.01, validation_share=0.0).fit(data)
    model.add_items(np.arange(48, n_items), content[48:])
    found = model.recommend(k=4, candidates=np.arange(48, n_items))
    assert np.mean([item % 3 == user % 3 for user, listed, _ in found for item in listed]) > 0.95
    assert model.log_[-1]["loss"] < model.log_[0]["loss"]


@pytest.mark.parametrize("changes", [{"hidden": 0}, {"features": 3}, {"temperature": 0.0}, {"damping": 2.0}])
def test_parameters_are_checked(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        AlphaRec(**SMALL | changes).fit(with_content(shop()))

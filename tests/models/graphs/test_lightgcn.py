"""LightGCN: gradients of the whole model, what is served and why, new users, and when training stops."""

import math

import numpy as np
import pytest
from naive_sgd import numerical_gradients, sigmoid

from minirec.data.dataset import Dataset
from minirec.engine.graph.convolution import Convolution
from minirec.engine.sparse import CSR
from minirec.errors import ParameterError
from minirec.models import LightGCN
from minirec.models.contract.parameters import choices
from minirec.models.graphs.convolved import Batch
from minirec.testing.sets import blocks, shop

USERS, ITEMS, D = 5, 6, 3
SMALL = {"layers": 3, "factors": 4, "batch_size": 64, "negatives": 8, "iterations": 4, "validation_share": 0.0}
LOSSES = choices(LightGCN, "loss")


def dense_vectors(x, users, items, layers):
    """Equations 3 to 8 of the paper, step by step."""
    degree_u, degree_i = x.sum(axis=1), x.sum(axis=0)
    s = x / np.sqrt(degree_u[:, None] * degree_i)
    total = [users.copy(), items.copy()]
    for _ in range(layers):
        users, items = s @ items, s.T @ users
        total = [total[0] + users, total[1] + items]
    return total[0] / (layers + 1), total[1] / (layers + 1)


def definition(model, x, users, items, batch):
    """The loss of a batch, sample by sample."""
    z_users, z_items = dense_vectors(x, users, items, model.layers)
    cosine = model.loss != "bpr"
    if cosine:
        z_users, z_items = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (z_users, z_items))
    size, total, squares = len(batch.users), 0.0, 0.0
    for s, (u, i) in enumerate(zip(batch.users, batch.items, strict=True)):
        own = z_users[u] @ z_items[i]
        weights = {j: t for j, t in zip(batch.negatives, batch.times.tolist(), strict=True) if not x[u, j]}
        if model.loss == "bpr":
            total -= math.log(sigmoid(own - z_users[u] @ z_items[batch.negatives[s]]))
        elif model.loss == "softmax":
            others = sum(t * math.exp(z_users[u] @ z_items[j] / model.temperature) for j, t in weights.items())
            total -= math.log(math.exp(own / model.temperature) / (math.exp(own / model.temperature) + others))
        elif model.loss == "ccl":
            beyond = sum(t * max(0, z_users[u] @ z_items[j] - model.margin) for j, t in weights.items())
            total += 1 - own + model.negative_weight * beyond / max(sum(weights.values()), 1)
        else:
            total += ((z_users[u] - z_items[i]) ** 2).sum()
        squares += users[u] @ users[u] + items[i] @ items[i]
    squares += sum(t * items[j] @ items[j] for j, t in zip(batch.negatives, batch.times, strict=True))
    if model.loss == "directau":
        for z, rows in ((z_users, batch.users), (z_items, batch.items)):
            pairs = [math.exp(-2 * ((z[a] - z[b]) ** 2).sum()) for n, a in enumerate(rows) for m, b in enumerate(rows) if n != m]
            total += size * model.gamma / 2 * math.log(sum(pairs) / len(pairs))
    return (total + model.regularization / 2 * squares) / size


def example(loss, rng):
    x = np.ones((USERS, ITEMS))
    x[rng.random(x.shape) < 0.5] = 0
    x[np.arange(USERS), np.arange(USERS)], x[0, 5], x[4, 0] = 1, 1, 0
    matrix = CSR.from_pairs(*np.nonzero(x), None, x.shape)
    samples = np.sort(rng.permutation(matrix.nnz)[:8])
    users, items = matrix.row_ids()[samples].astype(np.int32), matrix.indices[samples]
    negatives, times = np.array([0, 2, 3], np.int32), np.array([2, 1, 3], np.float32)
    if loss == "bpr":
        negatives = np.array([rng.permutation(np.flatnonzero(row == 0))[0] if (row == 0).any() else 0 for row in x[users]], np.int32)
        times = np.ones(len(users), np.float32)
    elif loss == "directau":
        negatives, times = negatives[:0], times[:0]
    return x, matrix, Batch(users, items, negatives, times)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("layers", [1, 3])
def test_gradients_of_the_whole_model(loss, layers):
    rng = np.random.default_rng(layers)
    x, matrix, batch = example(loss, rng)
    model = LightGCN(layers=layers, loss=loss, regularization=0.3, temperature=0.4, margin=0.1, negative_weight=3.0, gamma=1.7)
    model.backend_ = "numpy"
    embeddings = [rng.standard_normal((USERS, D)), rng.standard_normal((ITEMS, D))]
    found, gradients = model._step(Convolution(matrix, layers, "numpy", np.float64), matrix, *embeddings, batch)
    assert found == pytest.approx(definition(model, x, *embeddings, batch))
    expected = numerical_gradients(lambda arrays: definition(model, x, *arrays, batch), embeddings)
    for gradient, numerical in zip(gradients, expected, strict=True):
        assert gradient == pytest.approx(numerical, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_served(loss):
    """Vectors are the convolution of the embeddings; a new user is one without an embedding."""
    data = shop()
    model = LightGCN(**SMALL, loss=loss, damping=0.3)
    model.backend_, rng = "numpy", np.random.default_rng(0)
    users, items = (rng.standard_normal((n, 4)).astype(np.float32) for n in data.matrix.shape)
    x = data.binary.to_dense().astype(np.float64)
    model._store(users, items, data.binary)
    z_users, z_items = dense_vectors(x, users, items, 3)
    expected = z_items / np.linalg.norm(z_items, axis=1, keepdims=True) ** 0.3
    assert model.user_factors_ == pytest.approx(z_users, abs=1e-5)
    assert model.item_factors_ == pytest.approx(expected, abs=1e-5)
    of_history = [model._new_vector(data.matrix.row(row)[0]) for row in range(5)]
    assert np.array(of_history) == pytest.approx(z_users[:5] - users[:5] / 4, abs=1e-5)


@pytest.mark.slow_without_jit
def test_damping_holds_popular_items_back():
    data = shop(n_users=60, n_items=30)
    means = []
    for damping in (0.0, 0.5, 1.0):
        model = LightGCN(**SMALL | {"iterations": 15, "learning_rate": 0.04}, damping=damping).fit(data)
        means.append(np.mean(data.item_counts[data.items.rows(model.recommend(k=5).items)]))
        if damping == 1:
            assert np.linalg.norm(model.item_vectors(), axis=1) == pytest.approx(1, abs=1e-5)
    assert means[0] > means[1] > means[2]


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_goes_down(loss):
    model = LightGCN(**SMALL | {"iterations": 12}, loss=loss).fit(shop())
    losses = [record["loss"] for record in model.log_]
    assert losses[-1] < losses[0] - 0.01


def test_a_history_from_training_ranks_much_as_the_trained_user():
    model = LightGCN(**SMALL | {"iterations": 20}).fit(blocks().train)
    history = [model.items_.ids(model.seen_.row(row)[0]) for row in range(len(model.users_))]
    known, new = model.recommend(k=5, exclude_seen=False), model.recommend(history=history, k=5, exclude_seen=False)
    assert np.mean([len(set(a[1]) & set(b[1])) / 5 for a, b in zip(known, new, strict=True)]) >= 0.7


def test_explanations_name_the_history_and_the_user():
    model = LightGCN(**SMALL).fit(shop())
    user = model.users_[3]
    parts = model.explain(user, model.items_[0]).parts
    assert {part.name for part in parts if part.source == "history"} == set(model.items_.ids(model.seen_.row(3)[0]))
    assert [part.name for part in parts if part.source == "user"] == [user]
    new = model.explain(history=[[model.items_[1], model.items_[2]]], item=model.items_[0]).parts
    assert {part.source for part in new} == {"history"}


def test_the_iterations_are_those_that_were_best_on_held_out_events_and_all_events_are_learned_from():
    data = shop(n_users=80, n_items=40)
    rising = SMALL | {"iterations": 40, "learning_rate": 0.05}
    model = LightGCN(**rising | {"validation_share": 0.2}, patience=3).fit(data)
    chosen = [record["held_out_ndcg@20"] for record in model.log_ if "held_out_ndcg@20" in record]
    best = int(np.argmax(chosen)) + 1
    assert len(chosen) == best + 3 < 40
    assert len(model.log_) == len(chosen) + best
    again = LightGCN(**rising | {"iterations": best}).fit(data)
    assert np.array_equal(model.item_factors_, again.item_factors_)
    assert np.array_equal(model.user_factors_, again.user_factors_)


def test_the_held_out_events_are_the_latest():
    data = shop(n_users=80, n_items=40)
    inner, held_out = LightGCN(**SMALL | {"validation_share": 0.2})._hold_out(data)
    last = np.sort(data.timestamp)[inner.nnz - 1]
    early, late = data.timestamp <= last, data.timestamp > last
    assert inner.nnz + held_out.nnz <= len(data)
    assert np.array_equal(inner.to_dense() > 0, CSR.from_pairs(data.user[early], data.item[early], None, inner.shape).to_dense() > 0)
    pairs = set(zip(data.user[late].tolist(), data.item[late].tolist(), strict=True))
    known = {(u, i) for u, i in pairs if u in data.user[early] and i in data.item[early]}
    assert set(zip(held_out.row_ids().tolist(), held_out.indices.tolist(), strict=True)) == known


def test_held_out_figures_against_their_definition():
    data = shop(n_users=80, n_items=40)
    model = LightGCN(**SMALL | {"validation_share": 0.2}).fit(data)
    inner, held_out = model._hold_out(data)
    total = []
    for user in np.flatnonzero(held_out.counts()):
        scores = model.item_factors_ @ model.user_factors_[user]
        scores[inner.row(user)[0]] = -np.inf
        scores[np.bincount(inner.indices, minlength=40) == 0] = -np.inf
        truth = set(held_out.row(user)[0].tolist())
        gain = sum(1 / math.log2(place + 2) for place, item in enumerate(np.argsort(-scores, kind="stable")[:20]) if item in truth)
        total.append(gain / sum(1 / math.log2(place + 2) for place in range(min(20, len(truth)))))
    assert model._ndcg(inner, held_out) == pytest.approx(np.mean(total))


def test_too_little_to_hold_out_takes_all_iterations():
    model = LightGCN(**SMALL | {"validation_share": 0.3}).fit(Dataset.from_arrays([1, 2], ["a", "b"]))
    assert [set(record) for record in model.log_] == [{"iteration", "loss"}] * 4


@pytest.mark.slow_without_jit
def test_negatives_by_popularity_hold_popular_items_back():
    data = shop(n_users=90, n_items=30)
    slopes = []
    for power in (0.0, 1.0):
        model = LightGCN(**SMALL | {"iterations": 15, "learning_rate": 0.04}, negative_power=power).fit(data)
        mean = model.recommend(k=5).items
        slopes.append(np.mean(data.item_counts[data.items.rows(mean)]))
    assert slopes[1] < slopes[0]


def test_weights_and_repeated_events_do_not_count():
    data = shop()
    twice = data.select(np.concatenate([np.arange(len(data)), np.arange(len(data))])).with_columns(weight=None)
    a, b = LightGCN(**SMALL).fit(data), LightGCN(**SMALL).fit(twice)
    assert np.array_equal(a.user_factors_, b.user_factors_)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "hinge"},
        {"layers": 0},
        {"temperature": 0},
        {"margin": 2},
        {"negative_weight": -1},
        {"gamma": -1},
        {"damping": 2},
        {"validation_share": 0.6},
    ],
)
def test_parameters_are_checked(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        LightGCN(**changes).fit(shop())


@pytest.mark.parametrize("name", ["item_sources_", "user_offset_"])
def test_a_file_with_arrays_of_another_shape_is_refused(name, tmp_path):
    model = LightGCN(**SMALL).fit(shop())
    setattr(model, name, getattr(model, name)[..., :2])
    model.save(tmp_path / "model.npz")
    with pytest.raises(ValueError, match=name):
        LightGCN.load(tmp_path / "model.npz")

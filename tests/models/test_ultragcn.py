"""UltraGCN: constraints and gradients of the whole model against their definitions, and new users."""

import math

import numpy as np
import pytest
from naive_sgd import numerical_gradients, sigmoid

from minirec.engine.sparse import CSR
from minirec.errors import ParameterError
from minirec.models import UltraGCN
from minirec.testing.sets import shop

SMALL = {"factors": 4, "batch_size": 64, "negatives": 8, "iterations": 4, "neighbors": 3, "validation_share": 0.0, "learning_rate": 0.02}


def events(rng, users=6, items=7):
    x = (rng.random((users, items)) < 0.5).astype(float)
    x[np.arange(users), np.arange(users)], x[0, 6], x[:, 3] = 1, 1, x[:, 2]
    x[3, 3] = 1
    return x, CSR.from_pairs(*np.nonzero(x), None, x.shape)


def constraints(x):
    """beta of equation 8 and omega of the authors' code, written out."""
    users, items = x.shape
    d_users, d_items = x.sum(axis=1), x.sum(axis=0)
    beta = np.array([[math.sqrt((d_users[u] + 1) / (d_items[i] + 1)) / d_users[u] for i in range(items)] for u in range(users)])
    g = x.T @ x
    sums = g.sum(axis=1)
    omega = np.array([[g[i, k] / sums[i] * math.sqrt((sums[i] + 1) / (sums[k] + 1)) for k in range(items)] for i in range(items)])
    return beta, omega


def test_constraints():
    x, matrix = events(np.random.default_rng(0))
    model = UltraGCN(neighbors=3)
    model.backend_ = "numpy"
    found = model._constraints(matrix)
    beta, omega = constraints(x)
    assert np.outer(found.users, found.items) == pytest.approx(beta)
    near = found.omega.to_dense()
    assert ((near > 0).sum(axis=1) <= 3).all()
    for i, row in enumerate(omega):
        assert np.sort(near[i])[::-1][:3] == pytest.approx(np.sort(row)[::-1][:3], rel=1e-5)
        assert near[i][near[i] > 0] == pytest.approx(row[near[i] > 0], rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_gradients_of_the_whole_model(seed):
    rng = np.random.default_rng(seed)
    x, matrix = events(rng)
    model = UltraGCN(neighbors=3, negative_weight=5.0, item_weight=0.7, regularization=0.2)
    model.backend_ = "numpy"
    found_constraints = model._constraints(matrix)
    beta, omega = constraints(x)
    near = [found_constraints.omega.row(i)[0].tolist() for i in range(x.shape[1])]
    samples = np.sort(rng.permutation(matrix.nnz)[:9])
    owners, positives = matrix.row_ids()[samples].astype(np.int32), matrix.indices[samples]
    drawn, times = np.array([0, 2, 6], np.int32), np.array([1, 3, 2], np.float32)

    def definition(arrays):
        users, items = arrays
        total = 0.0
        for u, i in zip(owners, positives, strict=True):
            weights = {j: t for j, t in zip(drawn, times.tolist(), strict=True) if not x[u, j]}
            total -= beta[u, i] * math.log(sigmoid(users[u] @ items[i]))
            for j, t in weights.items():
                total -= 5 * t / sum(weights.values()) * beta[u, j] * math.log(sigmoid(-users[u] @ items[j]))
            total -= sum(0.7 * omega[i, k] * math.log(sigmoid(users[u] @ items[k])) for k in near[i])
        return total / len(owners) + 0.1 * sum((side**2).sum() for side in arrays)

    embeddings = [rng.standard_normal((6, 3)), rng.standard_normal((7, 3))]
    loss, gradients = model._step(found_constraints, matrix, *embeddings, owners, positives, drawn, times)
    assert loss == pytest.approx(definition(embeddings), rel=1e-6)
    for gradient, numerical in zip(gradients, numerical_gradients(definition, embeddings), strict=True):
        assert gradient == pytest.approx(numerical, abs=1e-6)


@pytest.mark.slow_without_jit
def test_the_loss_goes_down():
    losses = [record["loss"] for record in UltraGCN(**SMALL | {"iterations": 12}).fit(shop()).history_]
    assert losses[-1] < 0.5 * losses[0]


def test_new_users_go_through_a_ridge_regression_of_the_known_ones():
    data = shop()
    model = UltraGCN(**SMALL).fit(data)
    beta = constraints(data.binary.to_dense().astype(float))[0] * data.binary.to_dense()
    ends, p = beta @ model.item_factors_.astype(float), model.user_factors_.astype(float)
    x = ends - ends.mean(axis=0)
    ridge = 0.01 * np.trace(x.T @ x) / 4 * np.eye(4)
    weights = np.linalg.solve(x.T @ x + ridge, x.T @ (p - p.mean(axis=0)))
    expected = p.mean(axis=0) + x @ weights
    history = [data.items.ids(data.binary.row(row)[0]) for row in range(5)]
    assert model.user_vectors(history=history) == pytest.approx(expected[:5], rel=1e-3, abs=1e-4)


@pytest.mark.slow_without_jit
def test_explanations_name_the_history_and_the_user():
    model = UltraGCN(**SMALL).fit(shop())
    parts = model.explain(model.users_[3], model.items_[0]).parts
    assert {part.source for part in parts} == {"history", "all users", "user"}
    assert len(parts) == len(model.seen_.row(3)[0]) + 2


@pytest.mark.parametrize("changes", [{"neighbors": 0}, {"negative_weight": -1}, {"item_weight": -0.1}, {"batch_size": 0}])
def test_parameters_are_checked(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        UltraGCN(**changes).fit(shop())

"""UltraGCN: constraints and gradients of the whole model against their definitions, and new users."""

import math

import numpy as np
import pytest
from naive_sgd import numerical_gradients, sigmoid

from minirec.engine.sparse import CSR
from minirec.errors import ParameterError
from minirec.models import UltraGCN
from minirec.testing.sets import shop

SMALL = {"factors": 4, "batch_size": 16, "iterations": 4, "neighbors": 3, "validation_share": 0.0, "learning_rate": 0.02}


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
    batch, drawn = np.array([0, 2, 3, 5], np.int32), np.array([1.0, 3, 2, 1, 1, 4, 2])

    def definition(arrays):
        users, items = arrays
        total, samples = 0.0, 0
        for u in batch:
            missing = [j for j in range(x.shape[1]) if not x[u, j]]
            for i in np.flatnonzero(x[u]):
                samples += 1
                total -= beta[u, i] * math.log(sigmoid(users[u] @ items[i]))
                for j in missing:
                    total -= 5 * drawn[j] / drawn[missing].sum() * beta[u, j] * math.log(sigmoid(-users[u] @ items[j]))
                total -= sum(0.7 * omega[i, k] * math.log(sigmoid(users[u] @ items[k])) for k in near[i])
        return total / samples + 0.1 * sum((side**2).sum() for side in arrays)

    embeddings = [rng.standard_normal((6, 3)), rng.standard_normal((7, 3))]
    loss, gradients = model._step(found_constraints, drawn, matrix, *embeddings, batch)
    assert loss == pytest.approx(definition(embeddings), rel=1e-6)
    for gradient, numerical in zip(gradients, numerical_gradients(definition, embeddings), strict=True):
        assert gradient == pytest.approx(numerical, abs=1e-6)


def test_it_begins_with_low_scores_and_with_what_tells_users_apart():
    """Two groups that share one item of one user: within a group scores are higher than across, and the mean is below zero."""
    rng = np.random.default_rng(0)
    block = (rng.random((20, 12)) < 0.5).astype(float)
    x = np.block([[block, np.zeros((20, 12))], [np.zeros((20, 12)), block]])
    x[0, 20] = 1
    model = UltraGCN(factors=4)
    model.backend_ = "numpy"
    users, items = model._start(CSR.from_pairs(*np.nonzero(x), None, x.shape), rng)
    scores = users @ items.T
    same = np.kron(np.eye(2), np.ones((20, 12))) > 0
    assert scores.mean() < -3
    assert scores[same].mean() > scores[~same].mean() + 1


def test_a_batch_is_all_events_of_its_users():
    _, matrix = events(np.random.default_rng(0))
    batches = list(UltraGCN(batch_size=4)._batches(matrix, np.random.default_rng(1)))
    assert sorted(np.concatenate(batches)) == list(range(matrix.nnz))
    owners = [set(matrix.row_ids()[batch]) for batch in batches]
    assert [len(group) for group in owners] == [4, 2]
    assert not owners[0] & owners[1]


@pytest.mark.slow_without_jit
def test_the_loss_goes_down():
    losses = [record["loss"] for record in UltraGCN(**SMALL | {"iterations": 12}).fit(shop()).log_]
    assert losses[-1] < 0.8 * losses[0]


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

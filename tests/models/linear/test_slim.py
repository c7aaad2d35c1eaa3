"""SLIM against its optimality conditions, and against trying every set of items."""

import naive_linear
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minirec.data.dataset import Dataset
from minirec.engine.backend import kernel, resolve
from minirec.engine.sparse import CSR
from minirec.errors import ConvergenceWarning, ParameterError
from minirec.models import SLIM
from minirec.models.linear import slim
from minirec.options import options
from minirec.testing.sets import shop


def dataset(x):
    return Dataset.from_arrays(*np.nonzero(x))


TO_AND_FRO = pytest.mark.filterwarnings("ignore::minirec.errors.ConvergenceWarning")  # single precision may never get within 1e-7


@TO_AND_FRO
@example(339, 0.0, 0.1)
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.1, 0.7, 2.0]), st.sampled_from([0.1, 2.0, 30.0]))
def test_optimality(seed, l1, l2):
    """Karush-Kuhn-Tucker: the gradient is -l1 where a weight is positive, and no lower where it is zero."""
    x = (naive_linear.random_counts(np.random.default_rng(seed), users=15, items=10) > 0).astype(float)
    w = SLIM(l1_regularization=l1, l2_regularization=l2, tol=1e-7).fit(dataset(x)).weights_.to_dense().astype(np.float64)
    gradient = naive_linear.slim_gradient(x, w, l2)
    off_diagonal = ~np.eye(len(w), dtype=bool)
    assert (w >= 0).all()
    assert not w.diagonal().any()
    assert np.abs(gradient[w > 0] + l1).max(initial=0) < 1e-4
    assert gradient[off_diagonal & (w == 0)].min(initial=0) >= -l1 - 1e-4


@TO_AND_FRO
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3]))
def test_objective_against_every_support(seed, l1):
    x = (naive_linear.random_counts(np.random.default_rng(seed), users=8, items=6) > 0).astype(float)
    w = SLIM(l1_regularization=l1, l2_regularization=0.5, tol=1e-7).fit(dataset(x)).weights_.to_dense().astype(np.float64)
    for target in range(6):
        left = x[:, target] - x @ w[:, target]
        value = 0.5 * left @ left + 0.25 * (w[:, target] ** 2).sum() + l1 * w[:, target].sum()
        assert value == pytest.approx(naive_linear.slim_by_subsets(x, target, l1, 0.5), rel=1e-5, abs=1e-6)


def test_many_items_enter():
    """More of them for a target than the buffers of the compiled kernel hold at first."""
    x = (np.random.default_rng(0).random((400, 200)) < 0.3).astype(float)
    gram = CSR.from_pairs(*np.divmod(np.arange(200 * 200), 200), (x.T @ x).ravel(), (200, 200))
    counts, items, values, sweeps = kernel("slim_columns", resolve())(
        7, 9, gram.indptr, gram.indices, gram.data, x.sum(axis=0).astype(np.float32), 0.0, 300.0, 1e-6, 10_000
    )
    assert (sweeps > 0).all()
    assert (counts > 64).all()
    w = np.zeros((200, 2))
    w[items, np.repeat([0, 1], counts)] = values
    gradient = x.T @ (x @ w - x[:, 7:9]) + 300.0 * w
    assert np.abs(gradient[w > 0]).max() < 5e-3
    assert np.delete(gradient, [7, 8], axis=0).min() > -5e-3


def test_threads_do_not_change_a_bit(monkeypatch):
    monkeypatch.setattr(slim, "BLOCK", 8)
    data = shop(n_users=90, n_items=50)
    found = []
    for threads in (1, 2, 3):
        with options(threads=threads):
            found.append(SLIM(l1_regularization=0.2).fit(data).weights_.data.tobytes())
    assert len(set(found)) == 1


def test_sparsity_and_history():
    few, many = (SLIM(l1_regularization=l1, l2_regularization=1.0).fit(shop()) for l1 in (3.0, 0.1))
    assert few.weights_.nnz < many.weights_.nnz
    (record,) = few.log_
    assert record["sweeps"] >= 1
    assert record["weights"] == few.weights_.nnz / few.weights_.shape[0]


def test_no_weight_at_all():
    model = SLIM(l1_regularization=100.0).fit(shop())
    assert model.weights_.nnz == 0
    assert model.recommend(100, k=3)[0].items == []  # nothing leads from the history to any item


@pytest.mark.parametrize("most", [1, 2])
def test_a_column_that_does_not_settle_is_told(monkeypatch, most):
    monkeypatch.setattr(slim, "_MAX_SWEEPS", most)
    with pytest.warns(ConvergenceWarning, match=r"of 24 columns did not settle"):
        SLIM(l1_regularization=0.1, l2_regularization=0.1, tol=1e-9).fit(shop())


@pytest.mark.parametrize("wrong", [{"l1_regularization": -1.0}, {"l2_regularization": -1.0}, {"tol": 0.0}], ids=str)
def test_bad_parameters(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        SLIM(**wrong).fit(shop())
    assert SLIM().estimate_memory(shop()) > 0

"""EASE against its optimality conditions, and the inverse that it rests on."""

import naive_linear
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.data.dataset import Dataset
from minirec.engine.linalg import inverse
from minirec.engine.linalg.inverse import negative_inverse
from minirec.errors import MemoryBudgetError, ModelFitError, ParameterError
from minirec.models import EASE
from minirec.models.linear import closed_form as autoencoder
from minirec.options import options
from minirec.testing.sets import shop


def dataset(x):
    return Dataset.from_arrays(*np.nonzero(x))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 10.0, 500.0]))
def test_closed_form_and_optimality(seed, regularization):
    x = (naive_linear.random_counts(np.random.default_rng(seed), users=9, items=8) > 0).astype(float)
    weights = EASE(regularization=regularization).fit(dataset(x)).weights_
    assert weights.dtype == np.float32
    assert np.allclose(weights, naive_linear.ease(x, regularization), atol=1e-5)
    # the gradient of the objective is zero but on the diagonal, where the constraint holds instead
    gradient = x.T @ (x @ weights.astype(np.float64) - x) + regularization * weights
    np.fill_diagonal(gradient, 0)
    assert np.abs(gradient).max() < 1e-3
    assert not weights.diagonal().any()


@pytest.mark.parametrize("n", [1, 2, 8, 9, 31])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("block", "span"), [(8, 32), (8, 8), (3, 5), (1, 1), (64, 64)])
def test_inverse_by_blocks(monkeypatch, n, dtype, block, span):
    monkeypatch.setattr(inverse, "BLOCK", block)
    monkeypatch.setattr(inverse, "SPAN", span)
    rng = np.random.default_rng(n)
    half = rng.standard_normal((n, n + 3))
    a = half @ half.T + n * np.eye(n)
    given = np.tril(a).astype(dtype)  # the upper triangle is not read
    negative_inverse(given)
    assert np.array_equal(given, given.T)
    assert np.abs(given + np.linalg.inv(a)).max() < (1e-5 if dtype == np.float32 else 1e-12)


def test_threads_do_not_change_a_bit(monkeypatch):
    monkeypatch.setattr(inverse, "BLOCK", 8)
    data = shop(n_users=90, n_items=50)
    found = []
    for threads in (1, 2, 3):
        with options(threads=threads):
            found.append(EASE(regularization=3.0).fit(data).weights_.tobytes())
    assert len(set(found)) == 1


def hard_data():
    """Two items that always come together, many times: float32 cannot tell them apart at a small regularization."""
    users = np.repeat(np.arange(400), 2)
    items = np.tile([0, 1], 400)
    return Dataset.from_arrays(np.append(users, [0, 1]), np.append(items, [2, 2]))


def test_float64_where_float32_is_not_enough(monkeypatch):
    data, regularization = hard_data(), 1e-5
    tried = []
    gram = autoencoder.gram_matrix
    monkeypatch.setattr(autoencoder, "gram_matrix", lambda x, backend, dtype, c: tried.append(dtype) or gram(x, backend, dtype, c))
    weights = EASE(regularization=regularization).fit(data).weights_
    assert tried == [np.float32, np.float64]
    assert weights.dtype == np.float32
    assert np.allclose(weights, naive_linear.ease(data.binary.to_dense().astype(np.float64), regularization), atol=1e-4)


def test_float64_must_fit_the_budget(monkeypatch):
    need = EASE().estimate_memory(hard_data())
    monkeypatch.setattr(autoencoder, "memory_budget", lambda: need)
    with pytest.raises(MemoryBudgetError, match="needs float64"):
        EASE(regularization=1e-5).fit(hard_data())


def test_singular_equations_are_refused():
    with pytest.raises(ModelFitError, match="raise regularization"):
        EASE(regularization=1e-14).fit(hard_data())


def test_singular_block_in_float32():
    """Rounded to float32 the two items are one, and the block has no inverse at all."""
    weights = EASE(regularization=1e-9).fit(Dataset.from_arrays(np.repeat(np.arange(4), 2), np.tile([0, 1], 4))).weights_
    assert weights[0, 1] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("wrong", [0.0, -1.0])
def test_bad_parameters(wrong):
    with pytest.raises(ParameterError, match="regularization"):
        EASE(regularization=wrong).fit(shop())


def test_the_budget_names_what_is_needed():
    with options(memory=1000), pytest.raises(MemoryBudgetError, match="EASE on 36 users and 24 items"):
        EASE().fit(shop())

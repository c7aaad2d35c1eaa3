"""SANSA: the factor of the inverse against its conditions and against EASE, and the scorer of two layers."""

from itertools import pairwise

import naive_linear
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.data.dataset import Dataset
from minirec.engine.ranking.scorers import FactoredScorer
from minirec.engine.sparse import CSR
from minirec.errors import ModelFileError, NotSupportedError, ParameterError
from minirec.models import EASE, SANSA, load_model
from minirec.testing.sets import shop


def counts(seed, users=12, items=9):
    return (naive_linear.random_counts(np.random.default_rng(seed), users=users, items=items) > 0).astype(float)


def dataset(x):
    return Dataset.from_arrays(*np.nonzero(x))


def weighted(x, exponent):
    """The rows times the root of |I_u|^-exponent."""
    return x * np.maximum(x.sum(axis=1, keepdims=True), 1) ** (-exponent / 2)


def weights(model):
    """The item weights that the two layers stand for, with the diagonal that scoring takes out."""
    return model.encoder_.to_dense().astype(np.float64) @ model.decoder_.to_dense().astype(np.float64)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 100.0), st.sampled_from([0.0, 0.4, 1.0]))
def test_with_all_neighbours_it_is_ease_on_weighted_users(seed, regularization, exponent):
    x = counts(seed)
    x[0] = 1  # all pairs of items have a user in common
    model = SANSA(regularization=regularization, neighbors=9, length_exponent=exponent).fit(dataset(x))
    assert np.allclose(weights(model), naive_linear.ease(weighted(x, exponent), regularization) - np.eye(9), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.floats(0.5, 20.0), st.sampled_from([0.0, 0.4]))
def test_the_factor_is_the_best_on_its_pattern(seed, neighbors, regularization, exponent):
    """Rows of K have at most `neighbors` entries beside a 1, for items more popular; A K_iᵀ is zero on them, d_i is K_i A K_iᵀ."""
    x = counts(seed)
    model = SANSA(regularization=regularization, neighbors=neighbors, length_exponent=exponent).fit(dataset(x))
    scaled = model.encoder_.to_dense().T.astype(np.float64)  # D^-1 K
    pivots = 1 / scaled.diagonal()
    k = scaled * pivots[:, None]
    a = weighted(x, exponent).T @ weighted(x, exponent) + regularization * np.eye(9)
    n = x.sum(axis=0)
    for i in range(9):
        pattern = np.flatnonzero(scaled[i])
        pattern = pattern[pattern != i]
        assert len(pattern) <= neighbors
        assert all(n[j] > n[i] or (n[j] == n[i] and j < i) for j in pattern)
        assert np.abs((a @ k[i])[pattern]).max(initial=0) < 1e-4
        assert pivots[i] == pytest.approx(k[i] @ a @ k[i], rel=1e-5)
    assert np.allclose(weights(model).diagonal(), -1, atol=1e-5)


def test_the_pattern_has_the_neighbours_that_explain_most():
    """Item 3 comes with item 0 twice and with item 1 once; items 0 to 2 are more popular."""
    data = Dataset.from_arrays([0, 0, 1, 1, 2, 2, 3, 4, 5, 5, 6, 3, 4], [0, 3, 0, 3, 1, 3, 0, 0, 1, 2, 1, 2, 2])
    model = SANSA(regularization=1.0, neighbors=1).fit(data)
    assert np.flatnonzero(model.encoder_.to_dense()[:, 3]).tolist() == [0, 3]


def test_scores_are_those_of_the_dense_weights():
    data = shop()
    model = SANSA(regularization=5.0, neighbors=4).fit(data)
    w = weights(model)
    np.fill_diagonal(w, 0)
    x = data.binary.to_dense()
    scorer = FactoredScorer(data.binary, model.encoder_, model.decoder_, model.backend_)
    batch = scorer.block(0, data.n_users)
    assert np.allclose(batch, x @ w, atol=1e-5)
    for u in range(data.n_users):
        assert np.array_equal(scorer.block(u, u + 1)[0], batch[u])
    assert np.allclose([value for _, value in model.similar_items(data.items[2], k=50)], np.sort(np.delete(w[2], 2))[::-1], atol=1e-6)


def test_the_more_neighbours_the_less_is_left_over():
    data = shop(n_users=150, n_items=80)
    pivots = [1 / SANSA(regularization=5.0, neighbors=k).fit(data).encoder_.to_dense().diagonal() for k in (1, 4, 16, 79)]
    for fewer, more in pairwise(pivots):
        assert (more <= fewer * (1 + 1e-6)).all()
        assert more.sum() < 0.99 * fewer.sum()


def test_nothing_of_the_size_of_items_squared_is_held():
    n = 2000
    data = Dataset.from_arrays(np.repeat(np.arange(n), 2), np.stack((np.arange(n), (np.arange(n) + 1) % n), 1).ravel())
    model = SANSA(regularization=1.0, neighbors=3)
    assert model.estimate_memory(data) < EASE().estimate_memory(data) / 2
    model.fit(data)
    assert model.encoder_.nnz <= 4 * n


def test_what_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="neighbors"):
        SANSA(neighbors=0).fit(shop())
    with pytest.raises(ParameterError, match="regularization"):
        SANSA(regularization=0.0).fit(shop())
    with pytest.raises(ParameterError, match="length_exponent"):
        SANSA(length_exponent=-0.1).fit(shop())
    model = SANSA(neighbors=3).fit(shop())
    with pytest.raises(NotSupportedError):
        model.forget(100)
    model.decoder_ = CSR(model.decoder_.indptr, model.decoder_.indices, model.decoder_.data, (24, 25))
    model.save(tmp_path / "model.npz")
    with pytest.raises(ModelFileError, match="decoder_ has shape"):
        load_model(tmp_path / "model.npz")

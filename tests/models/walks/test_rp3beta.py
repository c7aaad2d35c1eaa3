"""Walks against powers of dense matrices."""

import naive_linear
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from minirec.data.dataset import Dataset
from minirec.errors import ParameterError
from minirec.models import P3alpha, RP3beta
from minirec.testing.sets import shop


def dataset(x):
    return Dataset.from_arrays(*np.nonzero(x), weights=x[np.nonzero(x)])


def normalized(weights):
    sums = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, sums, out=np.zeros_like(weights), where=sums > 0)


def no_tie_at(weights, k):
    """Whether the k-th largest entry of each row is clearly above the next one, or there is no next one."""
    ordered = -np.sort(-weights, axis=1)
    return k >= weights.shape[1] or bool(((ordered[:, k - 1] - ordered[:, k] > 1e-5 * ordered[:, k - 1]) | (ordered[:, k] <= 0)).all())


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([0.0, 0.5, 1.0, 1.7]),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(1, 6),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_against_matrix_powers(seed, alpha, beta, k, normalize, both, use_weights):
    x = naive_linear.random_counts(np.random.default_rng(seed)).astype(float)
    x = x if use_weights else (x > 0).astype(float)
    whole = naive_linear.walks(x, alpha, beta)
    assume(not (both or use_weights) or no_tie_at(whole, k))  # a tie that falls otherwise changes what the second cut finds
    expected = naive_linear.cut_rows(whole, k)
    if normalize:
        expected = normalized(expected)
    if both:
        expected = naive_linear.cut_rows(expected.T, k).T
    model = RP3beta(
        alpha=alpha, beta=beta, neighbors=k, normalize=normalize, neighbors_of="both" if both else "source", use_weights=use_weights
    )
    model.fit(dataset(x))
    found = model.weights_.to_dense()
    assert np.allclose(np.sort(found, axis=1), np.sort(expected, axis=1), rtol=1e-5)  # ties in exact numbers may fall otherwise
    if k >= x.shape[1] - 1:
        assert np.allclose(found, expected, rtol=1e-5)


def test_scores_are_probabilities_of_the_walk():
    """alpha = 1, nothing cut: with the returns to the middle item added, the scores of a user add up to 1."""
    x = (naive_linear.random_counts(np.random.default_rng(3)) > 0).astype(float)
    model = P3alpha(neighbors=100).fit(dataset(x))
    users, items = np.divmod(np.arange(x.size), x.shape[1])
    found = model.score(users, items).reshape(x.shape)
    to_item, to_user = x / x.sum(axis=1, keepdims=True), x.T / x.T.sum(axis=1, keepdims=True)
    walk, returned = to_item @ to_user @ to_item, to_item * np.diag(to_user @ to_item)
    assert np.allclose(walk.sum(axis=1), 1)
    assert np.allclose(found, walk - returned, rtol=1e-5)


def test_beta_zero_is_p3alpha():
    data = shop()
    for settings_ in ({"alpha": 0.7, "neighbors": 5}, {"normalize": True, "neighbors_of": "both", "neighbors": 3}):
        one, other = P3alpha(**settings_).fit(data), RP3beta(beta=0.0, **settings_).fit(data)
        assert one.weights_.data.tobytes() == other.weights_.data.tobytes()
        assert one.weights_.indices.tobytes() == other.weights_.indices.tobytes()


def test_beta_moves_recommendations_to_the_tail():
    data = shop(n_users=200, n_items=60)
    popularity = [data.item_counts[RP3beta(beta=beta).fit(data).recommend(k=5).rows].mean() for beta in (0.0, 0.4, 0.8, 1.2)]
    assert popularity == sorted(popularity, reverse=True)
    assert popularity[-1] < 0.7 * popularity[0]


@pytest.mark.parametrize(
    "wrong", [{"alpha": -0.1}, {"beta": -0.1}, {"neighbors": 0}, {"neighbors_of": "target"}, {"normalize": "yes"}], ids=str
)
def test_bad_parameters(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        RP3beta(**wrong).fit(shop())
    assert RP3beta().estimate_memory(shop()) > 0

"""GraphBlend: its scores against those of its two models, each fitted alone, and what it says of them."""

import numpy as np
import pytest

from minirec.data.dataset import Dataset
from minirec.engine.ranking.scorers import BlendScorer, ConstantScorer, LinearScorer
from minirec.engine.sparse import CSR
from minirec.errors import ParameterError
from minirec.models import SANSA, ChebyCF, GraphBlend
from minirec.testing.sets import shop
from minirec.testing.tools import all_scores

FILTER = {"factors": 4, "order": 5, "flatness": 2.0, "alpha": 0.3, "beta": 0.2, "user_exponent": 0.3, "item_exponent": 0.4}
AUTOENCODER = {"regularization": 5.0, "neighbors": 4}


@pytest.mark.parametrize(("weight", "tail_exponent"), [(0.0, 0.0), (0.4, 0.3), (1.0, 0.1)])
def test_scores_are_those_of_both_models_each_by_its_deviation(weight, tail_exponent):
    data = shop()
    model = GraphBlend(weight=weight, tail_exponent=tail_exponent, **FILTER, **AUTOENCODER).fit(data)
    expected = np.zeros((data.n_users, data.n_items))
    for share, member in ((1 - weight, ChebyCF(**FILTER)), (weight, SANSA(**AUTOENCODER))):
        scores = all_scores(member.fit(data)).astype(np.float64)
        expected += share * scores / scores.std(axis=1, keepdims=True)
    expected /= data.item_counts**tail_exponent
    assert np.allclose(all_scores(model), expected, rtol=1e-4, atol=1e-4)


def test_a_parameter_of_either_model_is_checked():
    with pytest.raises(ParameterError, match="neighbors"):
        GraphBlend(neighbors=0).fit(shop())
    with pytest.raises(ParameterError, match="flatness"):
        GraphBlend(flatness=-1.0).fit(shop())


def test_scores_that_are_all_the_same_say_nothing():
    history = CSR.from_pairs(np.array([1, 1]), np.array([0, 2]), None, (2, 3))  # nobody's history first, then two items
    linear = LinearScorer(history, np.arange(9, dtype=np.float32).reshape(3, 3), "numpy")
    blend = BlendScorer((ConstantScorer(np.ones(3, np.float32), 2), linear), (0.5, 2.0), np.array([1, 1, 0.5], np.float32))
    sums = np.array([6.0, 8.0, 10.0])
    assert np.allclose(blend.block(0, 2), [[0, 0, 0], 2 * sums / sums.std() * [1, 1, 0.5]])
    assert np.allclose(blend.scales(1), [0, 2 / sums.std()])
    assert np.array_equal(blend.pairs(np.array([1, 0, 1]), np.array([2, 1, 0], np.int32)), blend.block(0, 2)[[1, 0, 1], [2, 1, 0]])


def test_explanations_where_items_share_no_users():
    """Each history goes with itself alone: what is left of 1 - 1 in the autoencoder is no score, and no deviation to divide by."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((40, 60)) < 0.05)
    data = Dataset.from_arrays(users.tolist() + list(range(100, 120)), items.tolist() + list(range(100, 120)))
    model = GraphBlend(**FILTER, **AUTOENCODER, weight=0.5).fit(data)
    for user in [*range(100, 104), *list(data.users)[:6]]:
        for item in list(data.items)[::7]:
            found = model.explain(user, item)
            values = np.array([part.value for part in found.parts])
            assert abs(values.sum() - found.score) <= 1e-5 * np.abs(values).sum()

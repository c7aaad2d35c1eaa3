"""SoftmaxMF: the example of its source done right, the loss and gradients of the whole model, what is served, and the bias."""

import math

import numpy as np
import pytest
from naive_sgd import numerical_gradients

from minirec.engine.descent.losses import sigmoid
from minirec.engine.nn.autodiff import Tensor
from minirec.engine.nn.criteria import softmax_cross_entropy
from minirec.engine.nn.row_gradient import RowGradient
from minirec.engine.sparse import CSR
from minirec.errors import ParameterError
from minirec.models import SoftmaxMF
from minirec.models.factorization.softmax_mf import balanced_bias, logit
from minirec.testing.sets import shop

SMALL = {"factors": 4, "batch_size": 16, "iterations": 4, "validation_share": 0.0}
PAIRS = np.array([(0, 2), (1, 0), (1, 2), (1, 5), (3, 1), (4, 5), (4, 0)])


def events():
    return CSR.from_pairs(PAIRS[:, 0], PAIRS[:, 1], None, (5, 6))


def test_the_example_of_the_source_done_right():
    """The source has p . q = 1 and reads off e^2 / (e^2 + e^0) as .87: p . q is 2, the logit 3, the probability .9526."""
    p, q = (1, 0, 1), (1, 1, 1)
    x = logit(p, q, weights=(1, 1, 1), bias=1)
    assert x == 3
    assert math.exp(x) / (math.exp(x) + math.exp(0)) == pytest.approx(0.9526, abs=5e-5)
    assert math.exp(2) / (math.exp(2) + math.exp(0)) == pytest.approx(0.8808, abs=5e-5)
    assert logit(p, [q, (0, 1, 0)], weights=(2, 1, 3), bias=-1, behaviour=np.array([0.5, 0.25])).tolist() == [4.5, -0.75]


def definition(values, popularity, users, regularization):
    """The softmax of each event of the users, one by one."""
    logits = (values["users.weight"] * values["weights"]) @ values["items.weight"].T + popularity * values["by_behaviour"][0, 0]
    chosen = [(u, i) for u, i in PAIRS if u in users]
    loss = -sum(math.log(math.exp(logits[u, i]) / sum(math.exp(x) for x in logits[u])) for u, i in chosen) / len(chosen)
    lengths = np.array([sum(u == v for v, _ in chosen) for u in users])
    penalty = ((values["users.weight"][users] ** 2).sum(axis=1) / lengths).mean() + (values["items.weight"] ** 2).sum(axis=1).mean()
    return loss + regularization / 2 * penalty


@pytest.mark.parametrize("behaviour", [False, True])
@pytest.mark.parametrize("regularization", [0.0, 0.4])
def test_loss_and_gradients_of_the_whole_model(behaviour, regularization):
    rng = np.random.default_rng(0)
    model = SoftmaxMF(factors=3, behaviour=behaviour, regularization=regularization)
    network = model._network(events(), rng)
    named = network.parameters()
    for tensor in named.values():
        tensor.data = rng.standard_normal(tensor.shape)
    popularity = network._behaviour[:, 0].astype(np.float64)
    counts = np.maximum(np.bincount(PAIRS[:, 1], minlength=6), 1)
    assert popularity == pytest.approx(np.log(counts) - np.log(counts).mean() if behaviour else np.zeros(6), abs=1e-6)
    users, arrays = np.array([0, 1, 4], np.int32), [tensor.data.copy() for tensor in named.values()]

    def of(arrays):
        return definition(dict(zip(named, arrays, strict=True)), popularity, users, regularization)

    loss = model._batch_loss(network, users, events())
    assert loss.item() == pytest.approx(of(arrays))
    loss.backward()
    for tensor, expected in zip(named.values(), numerical_gradients(of, arrays), strict=True):
        gradient = tensor.grad.dense() if isinstance(tensor.grad, RowGradient) else tensor.grad
        assert gradient == pytest.approx(expected, abs=1e-7)


def test_a_user_at_once_is_the_full_softmax_over_the_events():
    rng = np.random.default_rng(1)
    model = SoftmaxMF(factors=3, behaviour=False, regularization=0.0)
    network = model._network(events(), rng)
    hidden = Tensor((network.users.weight.data * network.weights.data)[PAIRS[:, 0]])
    expected = softmax_cross_entropy(hidden, network.items.weight.detach(), PAIRS[:, 1])
    found = model._batch_loss(network, np.array([0, 1, 3, 4], np.int32), events())
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_scores_are_the_logits(monkeypatch):
    data = shop()
    model = SoftmaxMF(**SMALL)
    kept = []
    store = type(model)._store
    monkeypatch.setattr(type(model), "_store", lambda self, network, events: (kept.append(network), store(self, network, events)))
    model.fit(data)
    network, bias = kept[-1], float(model.user_factors_[0, -2])
    popularity = np.log(data.item_counts)
    for u in range(0, data.n_users, 5):
        expected = logit(
            network.users.weight.data[u],
            network.items.weight.data,
            network.weights.data,
            bias,
            (popularity - popularity.mean()) * network.by_behaviour.data[0, 0],
        )
        assert model.score([data.users[u]] * data.n_items, list(data.items)) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_the_bias_balances_the_sigmoids():
    logits = np.random.default_rng(0).standard_normal((7, 50)).astype(np.float32) * 3
    for expected in (0.5, 4, 20):
        assert sigmoid(logits + balanced_bias(logits, expected)).sum(axis=1).mean() == pytest.approx(expected, rel=1e-4)
    assert sigmoid(logits + balanced_bias(logits, 49.0)).sum(axis=1).mean() == pytest.approx(25, rel=1e-4)


def test_the_sigmoids_of_a_fit_add_up_to_a_history():
    data = shop()
    model = SoftmaxMF(**SMALL | {"iterations": 10}).fit(data)
    total = sigmoid(model.user_vectors() @ model.item_vectors().T).sum(axis=1).mean()
    assert total == pytest.approx(len(data) / data.n_users, rel=1e-3)


@pytest.mark.parametrize("changes", [{"factors": 0}, {"behaviour": "all"}, {"regularization": -1}, {"validation_share": 0.9}])
def test_bad_parameters(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        SoftmaxMF(**changes).fit(shop())

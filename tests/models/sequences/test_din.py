"""DIN: the network written out, gradients of the whole model, how all items are scored, attention weights, what it can learn."""

from itertools import pairwise

import numpy as np
import pytest
from gradients import check_gradients

from minirec.data.dataset import Dataset
from minirec.engine.nn.autodiff import Tensor
from minirec.errors import ParameterError
from minirec.models import DIN
from minirec.models.sequences import din
from minirec.models.sequences.history import Batch, in_order
from minirec.options import options
from minirec.testing.sets import shop

SMALL = {"factors": 4, "unit": 3, "hidden": 5, "iterations": 3, "batch_size": 16, "max_length": 8, "negatives": 2}
ITEMS, INDPTR = np.array([2, 0, 5, 1, 1, 3], np.int32), np.array([0, 3, 4, 6])
TARGETS = np.array([0, 5, 1, 4, 3, 2], np.int32)
NEGATIVES = np.array([[1, 1], [2, 0], [1, 5], [0, 3], [3, 3], [5, 4]], np.int32)  # the third and the fifth sample drew their target


def prelu(x, layer):
    return np.where(x > 0, x, layer.slope.data * x)


def weight(found, event, item):
    """a(e_j, e_i), the first layer over the three vectors side by side."""
    first = np.concatenate((found.unit.of_events.data, found.unit.of_targets.data, found.unit.of_products.data))
    e = found.items.weight.data
    x = np.concatenate((e[event], e[item], e[event] * e[item])) @ first + found.unit.first_bias.data
    return float(prelu(x, found.unit.activation) @ found.unit.top.weight.data[:, 0] + found.unit.top_bias.data[0])


def logit(found, history, item):
    e = found.items.weight.data
    interest = sum((weight(found, event, item) * e[event] for event in history), np.zeros(e.shape[1]))
    x = np.concatenate((interest, e[item]))
    for layer, activation in zip(found.layers, found.activations, strict=True):
        x = prelu(x @ layer.weight.data + layer.bias.data, activation)
    return float(x @ found.top.weight.data[:, 0] + found.biases.data[item])


def network(**changes):
    """A model and a network of it in float64, away from where it begins."""
    rng = np.random.default_rng(0)
    model = DIN(**SMALL | {"dropout": 0.0, **changes})
    found = model._network(6, rng)
    for tensor in found._tensors().values():
        tensor.data = tensor.data + 0.5 * rng.standard_normal(tensor.shape)
    return model, found


@pytest.mark.parametrize("layers", [1, 2])
def test_the_network_is_its_formulas(layers):
    _, found = network(layers=layers)
    candidates = np.column_stack((TARGETS, NEGATIVES))
    out = found(ITEMS, INDPTR, candidates).data
    for start, stop in pairwise(INDPTR):
        for t in range(start, stop):
            assert out[t] == pytest.approx([logit(found, ITEMS[start : t + 1], item) for item in candidates[t]], abs=1e-12)


def test_the_loss_is_cross_entropy_over_targets_and_negatives_that_are_none():
    model, found = network()
    total = 0.0
    for start, stop in pairwise(INDPTR):
        for t in range(start, stop):
            total += np.log1p(np.exp(-logit(found, ITEMS[start : t + 1], TARGETS[t])))
            total += sum(np.log1p(np.exp(logit(found, ITEMS[start : t + 1], item))) for item in NEGATIVES[t] if item != TARGETS[t])
    assert model._batch_loss(found, Batch(ITEMS, INDPTR, TARGETS, NEGATIVES)).item() == pytest.approx(total / 18)


def test_gradients_of_the_whole_model():
    model, found = network()
    places = []
    for module in found._modules():
        places += [(module, name) for name, child in vars(module).items() if isinstance(child, Tensor)]
    assert len(places) == len(found._tensors())

    def value(*given: Tensor) -> Tensor:
        for (module, name), one in zip(places, given, strict=True):
            setattr(module, name, one)
        return model._batch_loss(found, Batch(ITEMS, INDPTR, TARGETS, NEGATIVES))

    check_gradients(value, *(getattr(module, name).data for module, name in places))


def scores_of(model, histories):
    """All items' scores, by recommending them all."""
    out = np.empty((len(histories), len(model.items_)), np.float32)
    for row, (_, items, scores) in enumerate(model.recommend(history=histories, k=len(model.items_), exclude_seen=False)):
        out[row, model.items_.rows(items)] = scores
    return out


@pytest.mark.parametrize("tile", [5, 24, 1024])
def test_scores_are_the_logits_in_any_batch_and_by_any_threads(tile, monkeypatch):
    monkeypatch.setattr(din, "_TILE", tile)
    monkeypatch.setattr(din, "_PROFILES", 7)
    data = shop()
    model = DIN(**SMALL).fit(data)
    order, users, items = in_order(data), list(data.users), list(data.items)
    histories = [order.row(user)[-8:] for user in range(len(users))]
    expected = [[logit(model._trained(), history, item) for item in range(len(items))] for history in histories]
    pairs = model.score([user for user in users for _ in items], items * len(users)).reshape(len(users), -1)
    assert pairs == pytest.approx(np.array(expected), rel=1e-5, abs=1e-6)
    named = [data.items.ids(history) for history in histories]
    for threads in (1, 2):
        with options(threads=threads):
            assert np.array_equal(scores_of(model, named * 2), np.tile(pairs, (2, 1)))
    assert np.array_equal(scores_of(model, named[3:4]), pairs[3:4])
    assert model.score(users[3:4], items[9:10])[0] == pairs[3, 9]


def test_attention_weights():
    data = shop()
    model = DIN(**SMALL).fit(data)
    history, items = [*list(data.items)[:9], data.items[4]], list(data.items)[10:13]
    found = model.attention_weights(history, items)
    rows = data.items.rows(history[-8:])
    expected = [[weight(model._trained(), event, item) for event in rows] for item in data.items.rows(items)]
    assert found.dtype == np.float32
    assert found == pytest.approx(np.array(expected), rel=1e-5, abs=1e-6)
    with pytest.raises(ParameterError, match="no item"):
        model.attention_weights([], items)


def test_explanations_leave_out_one_item_at_a_time():
    data = shop()
    model = DIN(**SMALL).fit(data)
    history, item = list(data.items)[:3], data.items[9]
    found = model.explain(history=[[*history, history[0]]], item=item)
    assert {part.source for part in found.parts} == {"left out", "the rest"}
    shorter = scores_of(model, [history[1:]])[0, 9]
    assert next(part.value for part in found.parts if part.name == history[0]) == pytest.approx(found.score - shorter, abs=1e-6)


def test_it_learns_that_a_candidate_asks_for_its_counterpart():
    """Items 2 i and 2 i + 1 belong together. Users have the first halves of some pairs, then one of the second halves: the one that follows
    is known by a single event, in any place."""
    rng = np.random.default_rng(0)
    users, items = [], []
    for user in range(400):
        chosen = rng.permutation(10)[:4]
        users += [user] * 5
        items += [*(2 * chosen), 2 * rng.choice(chosen) + 1]
    model = DIN(factors=16, unit=8, hidden=16, batch_size=32, iterations=30, validation_share=0.0, learning_rate=0.02, dropout=0.0)
    model.fit(Dataset.from_arrays(users, items, times=np.arange(len(users))))
    odd = list(range(1, 20, 2))
    hits = 0
    for _ in range(50):
        chosen = rng.permutation(10)[:4]
        best = model.recommend(history=[(2 * chosen).tolist()], k=4, candidates=odd)[0].items
        hits += len({(item - 1) // 2 for item in best} & set(chosen.tolist()))
    assert hits > 0.9 * 200  # chance: .4


@pytest.mark.parametrize("changes", [{"unit": 0}, {"hidden": 0}, {"layers": 0}, {"negatives": 0}, {"dropout": 1.0}])
def test_parameters_are_checked(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        DIN(**changes).fit(shop())

"""SASRec: the network against its formulas written out, gradients of whole models, sequences, and how histories are served."""

from itertools import pairwise

import numpy as np
import pytest
from gradients import check_gradients

from minirec.data.dataset import Dataset
from minirec.engine.nn.autodiff import Tensor
from minirec.engine.nn.modules import TransformerBlock
from minirec.engine.sequences import Sequences
from minirec.errors import NotSupportedError, ParameterError
from minirec.models import SASRec
from minirec.models.sequences.history import Batch, in_order
from minirec.models.sequences.sasrec import sinusoids
from minirec.testing.sets import shop

SMALL = {"factors": 4, "iterations": 3, "batch_size": 16, "max_length": 8, "negatives": 5}
ITEMS, INDPTR, TARGETS = np.array([2, 0, 5, 1, 1, 3], np.int32), np.array([0, 3, 4, 6]), np.array([0, 5, 1, 4, 3, 2], np.int32)


def network(rng, **changes):
    """A model and a network of it in float64, biases and gains away from where they begin."""
    model = SASRec(**{"factors": 4, "max_length": 3, "dropout": 0.0, "heads": 2, **changes})
    found = model._network(6, rng)
    for tensor in found._tensors().values():
        tensor.data = tensor.data + 0.3 * rng.standard_normal(tensor.shape)
    return model, found


def norm(x, layer):
    unit = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + layer.epsilon)
    return unit * layer.weight.data + layer.bias.data


def linear(x, layer):
    return x @ layer.weight.data + layer.bias.data


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def attention(layer, x, memory):
    """One sequence, head by head and place by place."""
    q, k, v = linear(x, layer.query), linear(memory, layer.key), linear(memory, layer.value)
    out, width = np.zeros_like(q), q.shape[1] // layer.heads
    for head in range(layer.heads):
        at = slice(head * width, (head + 1) * width)
        for t in range(len(q)):
            weights = np.exp(k[: t + 1, at] @ q[t, at] / np.sqrt(width))
            out[t, at] = weights / weights.sum() @ v[: t + 1, at]
    return linear(out, layer.out)


def block(layer, x):
    def forward(y):
        wide = linear(y, layer.into)
        gate = linear(y, layer.gates[2]) if layer.kind == "ligr" else None
        return linear(np.maximum(wide, 0) if gate is None else gate * sigmoid(gate) * wide, layer.out)

    query = norm(x, layer.norms[0])
    if layer.kind == "post":
        z = norm(query + attention(layer.attention, query, x), layer.norms[1])
        return z + forward(z)
    mixed = attention(layer.attention, query, query)
    y = x + (mixed if layer.kind == "pre" else sigmoid(linear(x, layer.gates[0])) * mixed)
    change = forward(norm(y, layer.norms[1]))
    return y + (change if layer.kind == "pre" else sigmoid(linear(y, layer.gates[1])) * change)


@pytest.mark.parametrize("kind", ["post", "pre", "ligr"])
@pytest.mark.parametrize("positions", ["learned", "forward", "none"])
def test_the_network_is_its_formulas(kind, positions):
    _, found = network(np.random.default_rng(0), block=kind, positions=positions)
    out = found(ITEMS, INDPTR).data
    for start, stop in pairwise(INDPTR):
        x = np.sqrt(found.items.weight.shape[1]) * found.items.weight.data[ITEMS[start:stop]]
        if found.places is not None:
            x = x + found.places.data[: stop - start][:: 1 if positions == "forward" else -1]
        for layer in found.blocks:
            x = block(layer, x)
        assert out[start:stop] == pytest.approx(norm(x, found.norm), abs=1e-9)


def test_a_post_block_drops_what_its_feed_forward_layer_adds_and_begins_by_changing_little():
    block = TransformerBlock(4, 1, 4, 0.5, "post", np.random.default_rng(0))
    for layer in (block.into, block.out, block.attention.out):
        assert np.abs(layer.weight.data).max() < 0.1
    block.out.weight.data[:], block.out.bias.data[:] = 0, 1
    x, indptr = Tensor(np.random.default_rng(1).standard_normal((50, 4)).astype(np.float32)), np.array([0, 50])
    block.attention.out.weight.data[:] = 0  # so that what is normalised does not depend on what attention drops
    y = block(x, indptr).data - 1
    block.train(1)
    added = block(x, indptr).data - y
    np.testing.assert_allclose(added * (added - 2), 0, atol=1e-4)
    assert 0.3 < (added > 1).mean() < 0.7


@pytest.mark.parametrize("loss", ["softmax", "sampled", "bce", "gbce"])
@pytest.mark.parametrize("kind", ["post", "ligr"])
def test_gradients_of_the_whole_model(loss, kind):
    rng = np.random.default_rng(1)
    model, found = network(rng, loss=loss, block=kind, layers=1)
    negatives = rng.integers(0, 6, 3 if loss == "sampled" else (len(TARGETS), 2)).astype(np.int32)
    tensors = list(found._tensors().values())

    def value(*given: Tensor) -> Tensor:
        for (name, child), one in zip(named, given, strict=True):
            setattr(child, name, one)
        return model._loss(found(ITEMS, INDPTR), found.items.weight, Batch(ITEMS, INDPTR, TARGETS, negatives))

    named = []  # where each tensor is kept
    for module in found._modules():
        named += [(name, module) for name, child in vars(module).items() if isinstance(child, Tensor)]
    assert len(named) == len(tensors)
    check_gradients(value, *(getattr(module, name).data for name, module in named))


@pytest.mark.parametrize("loss", ["bce", "gbce"])
@pytest.mark.parametrize("drawn", [2, 9])  # of 6 items
def test_a_negative_that_is_the_target_does_not_count(loss, drawn):
    model, found = network(np.random.default_rng(1), loss=loss, layers=1)
    negatives = np.random.default_rng(2).integers(0, 6, (len(TARGETS), drawn)).astype(np.int32)
    negatives[[0, 3], 0] = TARGETS[[0, 3]]
    rate = min(drawn / 5, 1)
    beta = rate * (model.calibration * (1 - 1 / rate) + 1 / rate) if loss == "gbce" else 1
    table, total = found.items.weight.data, 0.0
    for hidden, target, others in zip(found(ITEMS, INDPTR).data, TARGETS, negatives, strict=True):
        total -= beta * np.log(sigmoid(hidden @ table[target]))
        total -= sum(np.log(1 - sigmoid(hidden @ table[other])) for other in others if other != target)
    found_loss = model._loss(found(ITEMS, INDPTR), found.items.weight, Batch(ITEMS, INDPTR, TARGETS, negatives))
    assert found_loss.item() == pytest.approx(total / (len(TARGETS) * (drawn + 1)), rel=1e-12)
    found_loss.backward()
    assert np.isfinite(found.items.weight.grad.dense()).all()


@pytest.mark.parametrize("loss", ["bce", "gbce"])
def test_more_negatives_than_items(loss):
    model = SASRec(**SMALL | {"loss": loss, "negatives": 50, "validation_share": 0.0}).fit(shop())
    losses = [record["loss"] for record in model.log_]
    assert losses == sorted(losses, reverse=True)


def test_batches_are_what_follows():
    """Users 0 to 2 with 4, 1 and 3 events: the second is no sample; max_length cuts the first."""
    learned = Sequences(np.array([0, 4, 5, 8]), np.array([3, 1, 2, 0, 4, 2, 2, 5], np.int32), 6)
    assert learned.latest(3).items.tolist() == [1, 2, 0, 4, 2, 2, 5]
    batches = list(SASRec(batch_size=1, max_length=2)._batches(learned, np.random.default_rng(0)))
    found = {tuple(batch.items.tolist()): batch.targets.tolist() for batch in batches}
    assert found == {(1, 2): [2, 0], (2, 2): [2, 5]}
    (both,) = SASRec(batch_size=4, max_length=2)._batches(learned, np.random.default_rng(0))
    assert both.indptr.tolist() == [0, 2, 4]


@pytest.mark.parametrize(("share", "expected"), [(0.0, [0, 0, 0, 1]), (1.0, [0.25, 0.25, 0.25, 0.25]), (0.5, [0.125, 0.125, 0.125, 0.625])])
def test_windows_of_a_long_history(share, expected):
    """User 0 has four windows of max_length events and the one after, user 1 a single one."""
    learned = Sequences(np.array([0, 6, 9]), np.array([0, 1, 2, 3, 4, 5, 6, 7, 8], np.int32), 9)
    model, rng, counts = SASRec(batch_size=2, max_length=2, random_window=share), np.random.default_rng(0), np.zeros(4)
    for _ in range(2000):
        (batch,) = model._batches(learned, rng)
        assert batch.indptr.tolist() == [0, 2, 4]
        assert np.array_equal(batch.targets, batch.items + 1)
        first, other = sorted(batch.items[[0, 2]].tolist())
        assert other == 6
        counts[first] += 1 / 2000
    assert counts == pytest.approx(expected, abs=0.04)


def test_events_are_taken_in_the_order_of_their_times():
    data = Dataset.from_arrays([7, 8, 7, 7], [1, 2, 3, 1], times=[30, 10, 20, 30])
    found = in_order(data)
    assert [data.items.ids(found.row(user)) for user in range(2)] == [[3, 1, 1], [2]]
    assert in_order(Dataset.from_arrays([7, 7, 7], [1, 3, 2])).row(0).tolist() == [0, 2, 1]


def test_held_out_events_are_the_last_ones_of_a_share_of_the_users():
    everything = in_order(shop())
    learned, judged = SASRec(validation_share=0.5)._hold_out(everything, np.random.default_rng(0))
    able = np.flatnonzero(everything.counts() >= 3)
    assert len(judged) == round(0.5 * len(able))
    for user in range(everything.shape[0]):
        expected = everything.row(user)[: -1 if user in judged else None]
        assert learned.row(user).tolist() == expected.tolist()


def test_the_best_iteration_is_kept():
    model = SASRec(**SMALL | {"iterations": 12, "learning_rate": 0.1, "patience": 3, "validation_share": 0.5})
    scores = []
    kept = {}

    def note(current, record):
        scores.append(record["held_out_ndcg@10"])
        kept[record["iteration"]] = current.weights_.copy()

    model.fit(shop(), callback=note)
    assert np.array_equal(model.weights_, kept[1 + int(np.argmax(scores))])
    assert len(scores) <= 12


def test_a_history_is_served_at_once_and_known_users_by_theirs():
    data = shop()
    model = SASRec(**SMALL).fit(data)
    order = in_order(data)
    history = [data.items.ids(order.row(user)) for user in range(5)]
    assert np.array_equal(model.user_vectors(history=history), model.user_vectors()[:5])
    longer = [[*history[0], data.items[0]]]
    assert not np.array_equal(model.user_vectors(history=longer), model.user_vectors(history=history[:1]))
    far = [[data.items[3]] * 20 + history[0][-8:]]
    assert np.array_equal(model.user_vectors(history=far), model.user_vectors(history=[history[0][-8:]]))


def test_new_events_count_without_training():
    data = shop()
    model = SASRec(**SMALL).fit(data)
    before = in_order(data)
    known, first = data.users[2], data.items.ids(before.row(2))
    coming = [data.items[5], data.items[0]]
    weights = model.weights_.copy()
    model.update(Dataset.from_arrays([known, 10**9, known], [coming[0], data.items[7], coming[1]], times=[1, 2, 3]))
    assert np.array_equal(model.weights_, weights)
    assert np.array_equal(model.user_vectors([known, 10**9]), model.user_vectors(history=[first + coming, [data.items[7]]]))
    assert data.items[5] not in model.recommend(known, k=30)[0].items
    others = [user for user in data.users if user != known]
    assert np.array_equal(model.user_vectors(others), SASRec(**SMALL).fit(data).user_vectors(others))
    with pytest.raises(NotSupportedError, match="1 new items"):
        model.update(Dataset.from_arrays([known], [10**9]))


def test_explanations_leave_out_one_item_at_a_time():
    data = shop()
    model = SASRec(**SMALL).fit(data)
    history = data.items.ids(in_order(data).row(2))
    found = model.explain(history=[history], item=data.items[1])
    assert {part.source for part in found.parts} == {"left out", "the rest"}
    shorter = model.user_vectors(history=[[item for item in history if item != history[0]]]) @ model.item_vectors([data.items[1]]).T
    part = next(part for part in found.parts if part.source == "left out" and part.name == history[0])
    assert part.value == pytest.approx(found.score - shorter.item(), abs=1e-5)


@pytest.mark.parametrize("kind", ["post", "pre"])
def test_attention_weights(kind):
    """Of each layer and head, of the last max_length events; by them the values make what the layer made."""
    data = shop()
    model = SASRec(**SMALL | {"layers": 2, "heads": 2, "block": kind}).fit(data)
    history = list(model.items_)[:10]
    found = model.attention_weights(history)
    assert found.shape == (2, 2, 8, 8)
    assert found.dtype == np.float32
    assert np.array_equal(found, model.attention_weights(history[2:]))
    assert found.sum(axis=-1) == pytest.approx(1, abs=1e-6)
    assert not np.triu(found, 1).any()
    network = model._trained()
    layer = network.blocks[0].attention
    x = 2 * network.items(model.items_.rows(history[2:])).data + network.places.data[:8][::-1]  # sqrt(d) is 2
    query = norm(x, network.blocks[0].norms[0])
    memory = x if kind == "post" else query
    mixed = np.concatenate([found[0, head] @ linear(memory, layer.value)[:, 2 * head : 2 * head + 2] for head in (0, 1)], axis=1)
    assert linear(mixed, layer.out) == pytest.approx(attention(layer, query, memory), abs=1e-6)
    with pytest.raises(ParameterError, match="no item"):
        model.attention_weights([])


def test_sinusoids():
    found = sinusoids(5, 6) / (0.02 * np.sqrt(6))
    assert found[3] == pytest.approx([np.sin(3), np.cos(3), *(f(3 / 10000 ** (2 / 6)) for f in (np.sin, np.cos)),
                                      *(f(3 / 10000 ** (4 / 6)) for f in (np.sin, np.cos))], abs=1e-5)  # fmt: skip
    assert sinusoids(2, 3).shape == (2, 3)


@pytest.mark.parametrize("changes", [{"heads": 3}, {"block": "other"}, {"positions": "x"}, {"loss": "x"}, {"hidden": 0}, {"layers": 0}])
def test_parameters_are_checked(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        SASRec(**changes).fit(shop())

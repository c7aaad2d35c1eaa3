"""GRU4Rec, NextItNet, Caser and FMLP: their networks written out, and gradients of whole models."""

from itertools import pairwise

import numpy as np
import pytest
from gradients import check_gradients

from minirec.engine.nn.autodiff import Tensor
from minirec.errors import ParameterError
from minirec.models import FMLP, Caser, GRU4Rec, NextItNet
from minirec.models.sequences.history import Batch
from minirec.testing.sets import shop

ITEMS, INDPTR, TARGETS = (
    np.array([2, 0, 5, 1, 1, 3, 4, 4, 0], np.int32),
    np.array([0, 5, 6, 9]),
    np.array([0, 5, 1, 1, 2, 3, 4, 0, 2], np.int32),
)
MODELS = {
    "gru4rec": GRU4Rec(factors=3, hidden=4, layers=2, dropout=0.0),
    "nextitnet": NextItNet(factors=4, layers=2, width=2, dropout=0.0),
    "caser": Caser(factors=3, window=3, filters=2, vertical=2, dropout=0.0),
    "fmlp": FMLP(factors=4, layers=2, hidden=1.5, max_length=4, dropout=0.0),
}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def linear(x, layer):
    return x @ layer.weight.data + layer.bias.data


def norm(x, layer):
    unit = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + layer.epsilon)
    return unit * layer.weight.data + layer.bias.data


def gru4rec(found, x):
    for layer in found.layers:
        h, states = np.zeros(layer.weight.shape[0]), []
        for row in linear(x, layer.into):
            from_input, from_state = np.split(row, 3), np.split(h @ layer.weight.data + layer.bias.data, 3)
            reset, update = (sigmoid(from_input[at] + from_state[at]) for at in (0, 1))
            h = (1 - update) * np.tanh(from_input[2] + reset * from_state[2]) + update * h
            states.append(h)
        x = np.array(states)
    return linear(x, found.out)


def nextitnet(found, x):
    for block in found.blocks:
        y = x
        for convolution, layer in zip(block.convolutions, block.norms, strict=True):
            weight, out = convolution.weight.data, np.zeros_like(y)
            for t in range(len(y)):
                out[t] = convolution.bias.data
                for m in range(len(weight)):
                    back = t - (len(weight) - 1 - m) * convolution.dilation
                    out[t] += y[back] @ weight[m] if back >= 0 else 0
            y = np.maximum(norm(out, layer), 0)
        x = x + y
    return x


def caser(found, x):
    out = []
    for t in range(len(x)):
        image = np.zeros((3, 3))
        for place, back in enumerate((2, 1, 0)):
            image[place] = x[t - back] if t >= back else 0
        parts = []
        for weight, bias in zip(found.horizontal, found.biases, strict=True):
            height = weight.shape[1]
            for f in range(2):
                parts.append(max(max((weight.data[f] * image[i : i + height]).sum() + bias.data[f], 0) for i in range(3 - height + 1)))
        parts += (found.vertical.data @ image).reshape(-1).tolist()
        out.append(np.maximum(linear(np.array(parts), found.out), 0))
    return np.array(out)


def fmlp(found, x):
    x = norm(x, found.norm)
    for block in found.blocks:
        weight = block.filter.weight.data
        y = np.array([sum(weight[m] * x[t - m] for m in range(min(t + 1, len(weight)))) for t in range(len(x))])
        y = norm(x + y, block.norms[0])
        wide = linear(y, block.forward.steps[0])
        wide = wide / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (wide + 0.044715 * wide**3)))
        x = norm(y + linear(wide, block.forward.steps[3]), block.norms[1])
    return x


def network(name):
    rng = np.random.default_rng(0)
    found = MODELS[name]._network(6, rng)
    for tensor in found._tensors().values():
        tensor.data = tensor.data + 0.3 * rng.standard_normal(tensor.shape)
    return found


ORACLES = {"gru4rec": gru4rec, "nextitnet": nextitnet, "caser": caser, "fmlp": fmlp}


@pytest.mark.parametrize("name", MODELS)
def test_the_network_is_its_formulas(name):
    found = network(name)
    out = found(ITEMS, INDPTR).data
    for start, stop in pairwise(INDPTR):
        x = found.items.weight.data[ITEMS[start:stop]]
        assert out[start:stop] == pytest.approx(ORACLES[name](found, x), abs=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_gradients_of_the_whole_model(name):
    found, batch = network(name), Batch(ITEMS, INDPTR, TARGETS, ITEMS[:0])
    places = []
    for module in found._modules():
        for key, child in vars(module).items():
            if isinstance(child, Tensor):
                places.append((vars(module), key))
            elif isinstance(child, list):
                places += [(child, at) for at, one in enumerate(child) if isinstance(one, Tensor)]

    def value(*given: Tensor) -> Tensor:
        for (where, key), one in zip(places, given, strict=True):
            where[key] = one
        return MODELS[name]._loss(found(ITEMS, INDPTR), found.items.weight, batch)

    assert len(places) == len(found._tensors())
    check_gradients(value, *(where[key].data for where, key in places))


@pytest.mark.parametrize(
    ("cls", "changes"),
    [
        (GRU4Rec, {"hidden": 0}),
        (GRU4Rec, {"layers": 0}),
        (NextItNet, {"width": 0}),
        (Caser, {"window": 0}),
        (Caser, {"filters": 0}),
        (FMLP, {"hidden": 0}),
        (FMLP, {"layers": 0}),
        (FMLP, {"schedule": "linear"}),
    ],
)
def test_parameters_are_checked(cls, changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        cls(**changes).fit(shop())

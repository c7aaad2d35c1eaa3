"""Modules: names, states, modes and initial weights of layers, and what they compute."""

import numpy as np
import pytest
from gradients import check_gradients

from minirec.engine.nn import functional
from minirec.engine.nn.autodiff import Tensor
from minirec.engine.nn.modules import Dropout, Embedding, FeedForward, LayerNorm, Linear, Module, Noise, Sequential
from minirec.errors import ShapeError


class Model(Module):
    def __init__(self, rng):
        self.table = Embedding(5, 4, rng)
        self.tower = Sequential(Linear(4, 3, rng), functional.tanh, LayerNorm(3), Dropout(0.5))
        self.heads = [Linear(3, 1, rng, bias=False), Linear(3, 1, rng)]
        self.again = self.heads[0]  # shared: named once
        self.fixed = Tensor(np.arange(3, dtype=np.float32))
        self.size = 3

    def __call__(self, rows):
        x = self.tower(self.table(rows)) + self.fixed
        return self.heads[0](x) + self.heads[1](x)


def model(seed=0):
    return Model(np.random.default_rng(seed))


NAMES = [
    "table.weight", "tower.steps.0.weight", "tower.steps.0.bias", "tower.steps.2.weight", "tower.steps.2.bias", "heads.0.weight",
    "heads.1.weight", "heads.1.bias",
]  # fmt: skip


def test_parameters_have_dotted_names():
    assert list(model().parameters()) == NAMES
    assert list(model().state()) == [*NAMES, "fixed"]
    assert all(tensor.dtype == np.float32 for tensor in model().parameters().values())


def test_the_same_generator_makes_the_same_model():
    first, again, other = model().state(), model().state(), model(1).state()
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)
    assert not np.array_equal(first["table.weight"], other["table.weight"])


def test_state_goes_into_another_model():
    one, other = model(), model(1)
    state = one.state()
    other.load_state(state)
    assert np.array_equal(one(np.array([1, 2])).data, other(np.array([1, 2])).data)
    one.table.weight.data[:] = 0
    assert state["table.weight"].any()  # copies
    assert other.table.weight.data.any()


def test_a_state_that_does_not_fit_changes_nothing():
    mine = model()
    before = mine.state()
    for wrong, message in (
        ({**before, "fixed": np.ones(4)}, r"load_state: fixed is \(3,\) in this Model and \(4,\) in the state"),
        ({**before, "more": np.ones(4)}, r"load_state: more is none in this Model and \(4,\) in the state"),
        ({name: array for name, array in before.items() if name != "heads.1.bias"}, r"heads.1.bias is \(1,\) .* none"),
    ):
        with pytest.raises(ShapeError, match=message):
            mine.load_state({name: array + 1 for name, array in wrong.items()})
    assert all(np.array_equal(before[name], array) for name, array in mine.state().items())


def test_dropout_is_of_training_and_of_its_key():
    mine, x = model(), Tensor(np.ones((40, 3), np.float32))
    drop = mine.tower.steps[3]
    assert drop(x) is x
    mine.train(7)
    assert mine.tower.training
    first, second = drop(x).data, drop(x).data
    assert not np.array_equal(first, second)  # two calls of a step
    mine.train(8)
    assert not np.array_equal(drop(x).data, first)
    mine.train(7)
    assert np.array_equal(drop(x).data, first)
    pair = Sequential(Dropout(0.5), Dropout(0.5))
    pair.train(7)
    assert not np.array_equal(*(drop(x).data for drop in pair.steps))
    mine.evaluate()
    assert drop(x) is x
    assert not mine.tower.training


def test_noise_is_of_training_and_of_its_key():
    noise, mean = Noise(), Tensor(np.full((200, 300), 2, np.float32), requires_grad=True)
    log_variance = Tensor(np.full((200, 300), np.log(9), np.float32), requires_grad=True)
    assert noise(mean, log_variance) is mean
    noise.train(7)
    first, second = (noise(mean, log_variance) for _ in range(2))
    assert first.dtype == np.float32
    assert first.data.mean() == pytest.approx(2, abs=0.05)
    assert first.data.std() == pytest.approx(3, abs=0.05)
    assert abs(np.corrcoef(first.data.ravel(), second.data.ravel())[0, 1]) < 0.02
    noise.train(7)
    assert np.array_equal(noise(mean, log_variance).data, first.data)
    noise.train(-1)
    assert not np.array_equal(noise(mean, log_variance).data, first.data)
    first.sum().backward()
    assert (mean.grad == 1).all()
    assert np.allclose(log_variance.grad, (first.data - 2) / 2, atol=1e-5)
    noise.evaluate()
    assert noise(mean, log_variance) is mean


def test_initial_weights():
    rng = np.random.default_rng(0)
    weight = Linear(300, 100, rng).weight.data
    bound = np.sqrt(6 / 400)
    assert 0.99 * bound < np.abs(weight).max() <= bound
    assert abs(weight.mean()) < bound / 50
    assert Embedding(1000, 20, rng, scale=0.5).weight.data.std() == pytest.approx(0.5, rel=0.02)
    assert not Linear(3, 2, rng).bias.data.any()
    assert Linear(3, 2, rng, bias=False).bias is None


@pytest.mark.parametrize("sizes", [(3, 2), (3, 5, 2), (3, 5, 4, 2)])
def test_feed_forward(sizes):
    mine = FeedForward(sizes, np.random.default_rng(0), functional.gelu, dropout=0.2)
    x = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32)
    layers = [step for step in mine.steps if isinstance(step, Linear)]
    expected = Tensor(x)
    for number, layer in enumerate(layers):
        assert layer.weight.shape == sizes[number : number + 2]
        expected = expected @ layer.weight + layer.bias
        if number < len(layers) - 1:
            expected = functional.gelu(expected)
    assert np.allclose(mine(Tensor(x)).data, expected.data, rtol=1e-5)


def test_gradients_through_a_model():
    mine = model()
    state = mine.state()
    arrays = [np.random.default_rng(2).standard_normal(state[name].shape) for name in NAMES]

    def run(*tensors):
        mine.train(3)
        for name, tensor in zip(NAMES, tensors, strict=True):
            *path, last = name.split(".")
            at = mine
            for part in path:
                at = at[int(part)] if part.isdigit() else getattr(at, part)
            setattr(at, last, tensor)
        mine.fixed = Tensor(np.arange(3.0))
        return mine(np.array([0, 3, 3, 4]))

    check_gradients(run, *arrays)

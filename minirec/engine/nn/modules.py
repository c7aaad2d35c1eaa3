"""Layers with parameters: what models are put together from.

A module is a plain object; its parameters are its attributes that are tensors, those of modules among its attributes, and of modules
in lists there. Weights are drawn from a NumPy generator that is given, in float32: the same generator, the same model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import ShapeError
from ..random import mix
from ..sparse import Floats
from . import functional
from .attention import attention_weights
from .autodiff import Tensor


class Module:
    """Base of all layers and models: parameters by dotted name, their state, and whether they are being trained."""

    training = False

    def parameters(self) -> dict[str, Tensor]:
        """The tensors that require a gradient, by dotted name, in the order of their assignment; one that is shared, once."""
        return {name: tensor for name, tensor in self._tensors().items() if tensor.requires_grad}

    def state(self) -> dict[str, NDArray[Any]]:
        """Copies of all tensors, those that require no gradient too, by dotted name."""
        return {name: tensor.data.copy() for name, tensor in self._tensors().items()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Write arrays into the tensors. ShapeError where names or shapes differ, before anything is written."""
        tensors = self._tensors()
        for name in sorted(tensors.keys() | state.keys()):
            mine, given = tensors.get(name), state.get(name)
            if mine is None or given is None or mine.shape != given.shape:
                shapes = [str(array.shape) if array is not None else "none" for array in (mine, given)]
                raise ShapeError(f"load_state: {name} is {shapes[0]} in this {type(self).__name__} and {shapes[1]} in the state")
        for name, tensor in tensors.items():
            tensor.data[...] = state[name]

    def train(self, key: int) -> None:
        """From here on this is being trained; `key` decides what is random in it (dropout), so give each step its own."""
        modules = list(self._modules())
        keys = mix(mix(np.array([key % 2**64], np.uint64)) ^ np.arange(len(modules), dtype=np.uint64)).tolist()
        for module, own in zip(modules, keys, strict=True):
            module._set(True, own)

    def evaluate(self) -> None:
        """From here on this is only used: nothing is random."""
        for module in self._modules():
            module._set(False, 0)

    def _set(self, training: bool, key: int) -> None:
        self.training = training

    def _children(self) -> Iterator[tuple[str, Tensor | Module]]:
        for name, value in vars(self).items():
            if isinstance(value, (Tensor, Module)):
                yield name, value
            elif isinstance(value, (list, tuple)):
                yield from ((f"{name}.{at}", one) for at, one in enumerate(value) if isinstance(one, (Tensor, Module)))

    def _tensors(self) -> dict[str, Tensor]:
        found: dict[Tensor, str] = {}
        for name, child in self._children():
            inner = {name: child} if isinstance(child, Tensor) else {f"{name}.{deep}": one for deep, one in child._tensors().items()}
            for full, tensor in inner.items():
                found.setdefault(tensor, full)
        return {name: tensor for tensor, name in found.items()}

    def _modules(self) -> Iterator[Module]:
        yield self
        for _, child in self._children():
            if isinstance(child, Module):
                yield from child._modules()


def glorot(inputs: int, outputs: int, rng: np.random.Generator) -> Tensor:
    """A weight matrix (inputs, outputs), uniform within sqrt(6 / (inputs + outputs)): Glorot & Bengio 2010, equation 16."""
    bound = np.float32(np.sqrt(6 / (inputs + outputs)))
    return Tensor((2 * rng.random((inputs, outputs), np.float32) - 1) * bound, requires_grad=True)


def normal(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> Tensor:
    """Weights that are normal with mean 0 and deviation `scale`."""
    return Tensor(rng.standard_normal(shape, np.float32) * np.float32(scale), requires_grad=True)


class Linear(Module):
    """x W + b for x (..., inputs): (..., outputs). W as `glorot` draws it, or normal with deviation `scale`; b is 0."""

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator, bias: bool = True, scale: float | None = None) -> None:
        self.weight = glorot(inputs, outputs, rng) if scale is None else normal((inputs, outputs), scale, rng)
        self.bias = Tensor(np.zeros(outputs, np.float32), requires_grad=True) if bias else None

    def __call__(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)


class Embedding(Module):
    """A vector for each of n rows: integers of any shape (...) to (..., d). Normal with deviation `scale`, or as given (`of`)."""

    def __init__(self, n: int, d: int, rng: np.random.Generator, scale: float = 0.02) -> None:
        self.weight = normal((n, d), scale, rng)

    @classmethod
    def of(cls, vectors: NDArray[np.float32], fixed: int = 0) -> Embedding:
        """A table that begins as these vectors (n, d); their first `fixed` coordinates stay (see `Tensor`)."""
        table = cls.__new__(cls)
        table.weight = Tensor(vectors, requires_grad=True)
        table.weight.fixed = fixed
        return table

    def __call__(self, rows: NDArray[Any]) -> Tensor:
        return functional.embedding(self.weight, rows)


class LayerNorm(Module):
    """See `functional.layer_norm`, over the last axis, of length d; weight 1 and bias 0 at first."""

    def __init__(self, d: int, epsilon: float = 1e-5) -> None:
        self.weight = Tensor(np.ones(d, np.float32), requires_grad=True)
        self.bias = Tensor(np.zeros(d, np.float32), requires_grad=True)
        self.epsilon = epsilon

    def __call__(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.weight, self.bias, self.epsilon)


class PReLU(Module):
    """See `functional.prelu`: a slope for each of the d numbers of the last axis, .25 at first, as in its paper."""

    def __init__(self, d: int) -> None:
        self.slope = Tensor(np.full(d, 0.25, np.float32), requires_grad=True)

    def __call__(self, x: Tensor) -> Tensor:
        return functional.prelu(x, self.slope)


class Dropout(Module):
    """See `functional.dropout`; nothing but in training.

    The mask depends on the key of the step (`Module.train`), on the layer's place in the model, and on how often it was called since:
    so not on what was trained before, and a resumed training drops the same.
    """

    def __init__(self, rate: float) -> None:
        self.rate, self._key, self._calls = rate, 0, 0

    def __call__(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        self._calls += 1
        return functional.dropout(x, self.rate, self._key + self._calls)

    def _set(self, training: bool, key: int) -> None:
        self.training, self._key, self._calls = training, key, 0


class Noise(Module):
    """A draw from N(mean, e^log_variance) that gradients flow through, Kingma & Welling 2014, section 2.4: mean + e^(log_variance/2) eps.

    eps is of Philox, a generator by counter, under the key of the step (`Module.train`) and the number of the call, as in `Dropout`;
    outside training it is 0. mean and log_variance share a shape.
    """

    def __init__(self) -> None:
        self._key, self._calls = 0, 0

    def __call__(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        if not self.training:
            return mean
        self._calls += 1
        rng = np.random.Generator(np.random.Philox(key=(self._key + self._calls) % 2**64))
        return mean + (log_variance * 0.5).exp() * rng.standard_normal(mean.shape, np.float32)

    def _set(self, training: bool, key: int) -> None:
        self.training, self._key, self._calls = training, key, 0


class Sequential(Module):
    """Modules, or functions of a tensor, one after the other."""

    def __init__(self, *steps: Callable[[Tensor], Tensor]) -> None:
        self.steps = steps

    def __call__(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = step(x)
        return x


class FeedForward(Sequential):
    """Dense layers of the given sizes with an activation, and dropout, between two of them: sizes (d, 4 d, d) for a transformer's block."""

    def __init__(
        self, sizes: Sequence[int], rng: np.random.Generator, activation: Callable[[Tensor], Tensor] = functional.relu, dropout: float = 0.0
    ) -> None:
        steps: list[Callable[[Tensor], Tensor]] = []
        for inputs, outputs in pairwise(sizes):
            steps += [activation, Dropout(dropout)] if steps else []
            steps.append(Linear(inputs, outputs, rng))
        super().__init__(*steps)


class Attention(Module):
    """Causal self-attention with `heads` heads over packed sequences, see engine/nn/attention.py: queries from one tensor (tokens, d), keys
    and values from another, projected; the heads side by side, projected again (scale : see `Linear`). dropout : of the attention weights.
    """

    def __init__(self, d: int, heads: int, dropout: float, rng: np.random.Generator, scale: float | None = None) -> None:
        self.query, self.key, self.value = (Linear(d, d, rng) for _ in range(3))
        self.out = Linear(d, d, rng, scale=scale)
        self.heads, self.rate, self._key = heads, dropout, 0

    def __call__(self, x: Tensor, memory: Tensor, indptr: NDArray[np.int64]) -> Tensor:
        rate = self.rate if self.training else 0.0
        mixed = functional.attention(self.query(x), self.key(memory), self.value(memory), indptr, self.heads, rate, self._key)
        return self.out(mixed)

    def weights(self, x: Tensor, memory: Tensor) -> Floats:
        """The weights of one sequence, (heads, n, n), see `attention.attention_weights`."""
        return attention_weights(self.query(x).data, self.key(memory).data, self.heads)

    def _set(self, training: bool, key: int) -> None:
        self.training, self._key = training, key


class TransformerBlock(Module):
    """Attention and a feed-forward layer of the given width, each added to what it is given; x (tokens, d) of packed sequences.

    kind : "post", "pre" or "ligr": see `SASRec`.
    """

    def __init__(self, d: int, heads: int, width: int, dropout: float, kind: str, rng: np.random.Generator) -> None:
        self.kind = kind
        scale = 0.02 if kind == "post" else None  # so that a block changes little at first
        self.attention, self.norms = Attention(d, heads, dropout, rng, scale), [LayerNorm(d), LayerNorm(d)]
        self.dropouts = [Dropout(dropout), Dropout(dropout)]
        self.into, self.out = Linear(d, width, rng, scale=scale), Linear(width, d, rng, scale=scale)
        self.gates = [Linear(d, d, rng), Linear(d, d, rng), Linear(d, width, rng)] if kind == "ligr" else []

    def __call__(self, x: Tensor, indptr: NDArray[np.int64]) -> Tensor:
        query = self.norms[0](x)
        if self.kind == "post":
            y = self.norms[1](query + self.attention(query, x, indptr))
            return y + self.dropouts[1](self._forward(y))
        mixed = self.dropouts[1](self.attention(query, query, indptr))
        y = x + (mixed if self.kind == "pre" else functional.sigmoid(self.gates[0](x)) * mixed)
        change = self._forward(self.norms[1](y))
        return y + (change if self.kind == "pre" else functional.sigmoid(self.gates[1](y)) * change)

    def weights(self, x: Tensor) -> Floats:
        """Those of the attention, of one sequence (n, d): (heads, n, n)."""
        query = self.norms[0](x)
        return self.attention.weights(query, x if self.kind == "post" else query)

    def _forward(self, x: Tensor) -> Tensor:
        wide = self.into(x)
        wide = functional.silu(self.gates[2](x)) * wide if self.kind == "ligr" else functional.relu(wide)
        return self.out(self.dropouts[0](wide))


class GRU(Module):
    """A gated recurrent unit, see engine/nn/recurrent.py: x (tokens, inputs) of packed sequences to its states (tokens, d)."""

    def __init__(self, inputs: int, d: int, rng: np.random.Generator) -> None:
        self.into = Linear(inputs, 3 * d, rng)
        bound = np.float32(1 / np.sqrt(d))
        self.weight = Tensor((2 * rng.random((d, 3 * d), np.float32) - 1) * bound, requires_grad=True)
        self.bias = Tensor(np.zeros(3 * d, np.float32), requires_grad=True)

    def __call__(self, x: Tensor, indptr: NDArray[np.int64]) -> Tensor:
        return functional.gru(self.into(x), indptr, self.weight, self.bias)


class CausalConvolution(Module):
    """A dilated causal convolution of the given width, see engine/nn/temporal.py: x (tokens, inputs) of packed sequences to (tokens, d)."""

    def __init__(self, inputs: int, d: int, width: int, dilation: int, rng: np.random.Generator) -> None:
        bound = np.float32(np.sqrt(6 / (width * (inputs + d))))
        self.weight = Tensor((2 * rng.random((width, inputs, d), np.float32) - 1) * bound, requires_grad=True)
        self.bias, self.dilation = Tensor(np.zeros(d, np.float32), requires_grad=True), dilation

    def __call__(self, x: Tensor, indptr: NDArray[np.int64]) -> Tensor:
        return functional.causal_convolution(x, indptr, self.weight, self.bias, self.dilation)


class CausalFilter(Module):
    """A filter of the given width for each of d coordinates, see engine/nn/spectral.py: x (tokens, d) of packed sequences to the same."""

    def __init__(self, d: int, width: int, rng: np.random.Generator, scale: float = 0.02) -> None:
        self.weight = normal((width, d), scale, rng)

    def __call__(self, x: Tensor, indptr: NDArray[np.int64]) -> Tensor:
        return functional.causal_filter(x, indptr, self.weight)


M = TypeVar("M", bound=Module)


def numbers(network: Module) -> NDArray[np.float32]:
    """All parameters of a network, one after the other, float32."""
    return np.concatenate([tensor.data.reshape(-1) for tensor in network.parameters().values()])


class _Zeros(np.random.Generator):
    """Zeros in place of random numbers, for a network whose parameters are read; ValueError once it takes more than there are."""

    def __init__(self, most: int) -> None:
        super().__init__(np.random.PCG64(0))
        self._most, self._left = most, most

    def _take(self, size: Any, dtype: Any) -> Any:
        self._left -= math.prod(size)
        if self._left < 0:
            raise ValueError(f"{self._most} numbers for a network of more")
        return np.zeros(size, dtype)

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        return self._take(size, dtype)

    def standard_normal(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        return self._take(size, dtype)


def filled(build: Callable[[np.random.Generator], M], values: NDArray[np.float32]) -> M:
    """The network that `build` gives, with these parameters, as `numbers` gives them; they are shared, not copied.

    ValueError where there are more or fewer than it has, before memory is taken for a network that the numbers cannot fill.
    """
    network, start = build(_Zeros(len(values))), 0
    for tensor in network.parameters().values():
        stop = start + tensor.data.size
        tensor.data = values[start:stop].reshape(tensor.shape)
        start = stop
    if start != len(values):
        raise ValueError(f"{len(values)} numbers for a network of {start}")
    return network

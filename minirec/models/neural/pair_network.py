"""What GMF, MLP and NeuMF train: a generalised dot product, a tower of dense layers, or both, over pairs of a user and an item.

He, Liao, Zhang, Nie, Hu & Chua 2017, "Neural collaborative filtering"; the models are in neumf.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import import_module

import numpy as np

from ...engine.backend import resolve
from ...engine.nn import pairs
from ...engine.nn.autodiff import Tensor
from ...engine.nn.dense import dense_layers
from ...engine.nn.functional import linear
from ...engine.nn.modules import Embedding, Linear, Module, glorot
from ...engine.nn.pairs import Distinct, rows_of
from ...engine.ranking.scorers import Scores
from ...engine.sparse import Floats, Index
from ..forms.pair_training import PairNetwork, SampledModel

_SCALE = 0.01  # deviation of the embeddings before training, as in the paper


class Half(Module, ABC):
    """A part of a network with embeddings of its own: logits of pairs, and vectors that they follow from."""

    users: Embedding
    items: Embedding

    @abstractmethod
    def __call__(self, users: Distinct, items: Distinct) -> Tensor:
        """Logits (pairs,)."""

    @abstractmethod
    def vectors(self) -> tuple[Floats, Floats]:
        """What scoring begins with, for all users and all items."""

    @abstractmethod
    def top(self) -> Floats:
        """h, to be written to."""


class Product(Half):
    """h . (p_u * q_i), equation 11 without its sigmoid. Vectors h * p_u and q_i."""

    def __init__(self, users: int, items: int, factors: int, rng: np.random.Generator) -> None:
        self.users, self.items = Embedding(users, factors, rng, _SCALE), Embedding(items, factors, rng, _SCALE)
        self.weights = glorot(factors, 1, rng)  # h

    def operands(self) -> pairs.Dots:
        return pairs.Dots(self.users.weight, self.items.weight, self.weights)

    def __call__(self, users: Distinct, items: Distinct) -> Tensor:
        return pairs.dots(self.operands(), users, items)

    def vectors(self) -> tuple[Floats, Floats]:
        return self.users.weight.data * self.top(), self.items.weight.data

    def top(self) -> Floats:
        return self.weights.data[:, 0]


class Tower(Half):
    """h . x_L with x_1 = relu(W_1 (p_u, q_i) + b_1), ..., x_L = relu(W_L x_(L-1) + b_L), equation 10.

    W_1 (p_u, q_i) is W_u p_u + W_i q_i: each is computed once for all pairs of a user or an item. Vectors W_u p_u + b_1 and W_i q_i.
    numbers : W_1, b_1, ..., W_L, b_L and h one after the other.
    """

    def __init__(self, users: int, items: int, widths: Sequence[int], rng: np.random.Generator) -> None:
        self.users, self.items = Embedding(users, widths[0], rng, _SCALE), Embedding(items, widths[0], rng, _SCALE)
        layers = [Linear(inputs, outputs, rng) for inputs, outputs in zip((2 * widths[0], *widths), widths, strict=False)]
        tensors = [*(tensor for layer in layers for tensor in layer.parameters().values()), glorot(widths[-1], 1, rng)]
        self.numbers = Tensor(np.concatenate([tensor.data.ravel() for tensor in tensors]), requires_grad=True)
        self.widths = np.array(widths)

    def operands(self) -> pairs.Tower:
        return pairs.Tower(self.users.weight, self.items.weight, self.numbers, self.widths)

    def __call__(self, users: Distinct, items: Distinct) -> Tensor:
        return pairs.tower(self.operands(), users, items)

    def vectors(self) -> tuple[Floats, Floats]:
        ((weight, bias),), _ = dense_layers(self.numbers.data, (2 * self.widths[0], self.widths[0]))
        of_users, of_items = np.split(weight, 2)
        users = linear(self.users.weight.detach(), Tensor(of_users), Tensor(bias))
        return users.data, linear(self.items.weight.detach(), Tensor(of_items)).data

    def above(self) -> Floats:
        """W_2, b_2, ..., W_L, b_L and h."""
        return dense_layers(self.numbers.data, (2 * self.widths[0], self.widths[0]))[1]

    def top(self) -> Floats:
        return self.numbers.data[-self.widths[-1] :]


class FusedNetwork(PairNetwork):
    """The sum of the logits of a product, a tower, or both, and a bias: one layer over what they concatenate to, equation 12."""

    def __init__(self, product: Product | None = None, tower: Tower | None = None) -> None:
        self.product, self.tower, self.bias = product, tower, Tensor(np.zeros(1, np.float32), requires_grad=True)

    @property
    def halves(self) -> list[Half]:
        return [half for half in (self.product, self.tower) if half is not None]

    def __call__(self, users: Index, items: Index) -> tuple[Tensor, Callable[[], list[Tensor]]]:
        first, *others = self.halves
        whose = Distinct.of(np.repeat(users, items.shape[1]), len(first.users.weight))
        what = Distinct.of(np.ascontiguousarray(items, np.int32).reshape(-1), len(first.items.weight))
        logits = first(whose, what)
        for half in others:
            logits = logits + half(whose, what)
        return (logits + self.bias).reshape(*items.shape), lambda: self._rows(whose.rows, what.rows)

    def loss(self, users: Index, items: Index) -> tuple[Tensor, Callable[[], list[Tensor]]]:
        """Binary cross-entropy of a batch of few pairs, as of the logits of `__call__` (`SampledModel`), in one call."""
        some, each = self.halves[0], items.shape[1]
        shape = len(some.users.weight), len(some.items.weight), self.bias.dtype
        product = pairs.Dots.none(*shape) if self.product is None else self.product.operands()
        tower = pairs.Tower.none(*shape) if self.tower is None else self.tower.operands()
        loss, u, i = pairs.pair_loss(np.repeat(users, each), items.reshape(-1), each, product, tower, self.bias)
        return loss, lambda: self._rows(u, i)

    def _rows(self, users: Index, items: Index) -> list[Tensor]:
        return [rows_of(*side) for half in self.halves for side in ((half.users.weight, users), (half.items.weight, items))]

    def vectors(self) -> tuple[Scores, Scores, Scores]:
        """Those of all parts side by side, of users and of items, and the items' embeddings."""
        users, items = zip(*(half.vectors() for half in self.halves), strict=True)
        return (
            np.concatenate(users, axis=1),
            np.concatenate(items, axis=1),
            np.concatenate([half.items.weight.data for half in self.halves], axis=1),
        )


class FusedModel(SampledModel[FusedNetwork]):
    """What GMF, MLP and NeuMF share: how they train."""

    def _check(self) -> None:
        super()._check()
        if resolve() == "numba":  # their kernels call SciPy's BLAS, which fit can keep to one thread only where it is loaded by then
            import_module("scipy.linalg")

    def _data_loss(self, network: FusedNetwork, users: Index, items: Index) -> tuple[Tensor, Callable[[], list[Tensor]]]:
        return network.loss(users, items) if items.size <= pairs.TILE else super()._data_loss(network, users, items)

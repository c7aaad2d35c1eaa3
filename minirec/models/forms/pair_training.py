"""Networks of a user and an item, trained on the pairs that there are and on some that there are not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.descent.batches import negatives_of_each, shuffled
from ...engine.descent.sgd import Held, Negatives
from ...engine.nn.autodiff import Tensor
from ...engine.nn.criteria import binary_cross_entropy
from ...engine.nn.modules import Module
from ...engine.nn.optimizers import Adam, Optimizer
from ...engine.sparse import CSR, Index
from ..contract.parameters import number, whole
from ..contract.stopping import StoppingModel


class PairNetwork(Module, ABC):
    """What gives logits to pairs of users and items."""

    @abstractmethod
    def __call__(self, users: Index, items: Index) -> tuple[Tensor, Callable[[], list[Tensor]]]:
        """Logits (n, m) of users (n,) with items (n, m), and what gives the rows of tables that they come from, each once."""


N = TypeVar("N", bound=PairNetwork)


class SampledModel(StoppingModel, Generic[N]):
    """A network trained by Adam on each pair (u, i) of the data and `negatives` items j that u has not, drawn anew in every iteration.

    The loss of a batch is binary cross-entropy, the mean of -ln sigma(x_ui) and -ln(1 - sigma(x_uj)) over its samples, and
    regularization / 2 times the squares of the rows of the tables that it touches, each counted once, divided by its number of events.
    Tables are moved by the rows that a batch touches ("lazy" Adam).
    """

    factors: int = whole(default=32, high=4096, search=[16, 32, 64], doc="d, the length of the vectors.")
    learning_rate: float = number(default=1e-3, above=0, high=100, search=(3e-4, 1e-2, "log"), doc="Of Adam.")
    regularization: float = number(
        default=0.0, low=0, high=1e6, search=(1e-6, 1e-1, "log"), doc="Of the rows of tables that a batch touches, see above."
    )
    negatives: int = whole(default=4, high=10_000, search=(2, 10, "int"), doc="Negatives of each event, in each iteration.")
    negative_power: float = number(
        default=0.0,
        low=-10,
        high=10,
        search=(0.0, 1.0, "linear"),
        doc="""
            Negatives are drawn among the items that the user has not, with probability proportional to n_j^negative_power: 0 is
            uniform; larger values hold popular items back.
        """,
    )
    batch_size: int = whole(default=512, doc="Events of a step.")

    @abstractmethod
    def _network(self, events: CSR, rng: np.random.Generator) -> N:
        """The network to begin with."""

    @abstractmethod
    def _store(self, network: N, events: CSR) -> None:
        """Set the arrays of the model from a network that was trained on these events."""

    def _loss(self, logits: Tensor, missing: NDArray[np.bool_]) -> Tensor:
        """The loss of logits (n, 1 + negatives), the positives first; missing (n, negatives): no negative was found."""
        targets, weights = np.zeros((1, logits.shape[1])), np.ones(logits.shape)
        targets[0, 0] = 1
        weights[:, 1:][missing] = 0
        return binary_cross_entropy(logits, targets, weights)

    def _data_loss(self, network: N, users: Index, items: Index) -> tuple[Tensor, Callable[[], list[Tensor]]]:
        """`_loss` of events, users (n,) and items (n, 1 + negatives), the positives first; and what gives the rows of tables, each once."""
        logits, touched = network(users, items)
        return self._loss(logits, items[:, 1:] == items[:, :1]), touched

    def _batch_loss(self, network: N, users: Index, positives: Index, negatives: Index) -> Tensor:
        """The loss of events (n,) with negatives (n, m), and its penalty; a negative that is the positive itself does not count."""
        loss, touched = self._data_loss(network, users, np.column_stack((positives, negatives)))
        if self.regularization:
            for rows in touched():
                loss = loss + (rows * rows).sum() * (self.regularization / 2 / len(users))
        return loss

    def _train(self, events: CSR, iterations: int) -> Iterator[dict[str, float]]:
        rng = np.random.default_rng(self.seed_)
        network = self._network(events, rng)
        for loss in self._descend(network, events, iterations, rng):
            self._store(network, events)
            yield {"loss": loss}

    def _descend(self, network: N, events: CSR, iterations: int, rng: np.random.Generator) -> Iterator[float]:
        """Train a network in place; the mean loss of each iteration."""
        optimizer, held, owners = self._optimizer(network), Held.of(events), events.row_ids().astype(np.int32)
        drawn = Negatives.powered(np.maximum(np.bincount(events.indices, minlength=events.shape[1]), 1), self.negative_power)
        for _ in range(iterations):
            total = 0.0
            for samples in shuffled(events.nnz, self.batch_size, rng):
                users, positives = owners[samples], events.indices[samples]
                owner, positive = np.repeat(users, self.negatives), np.repeat(positives, self.negatives)
                key = rng.integers(0, 2**64, dtype=np.uint64)
                negatives = negatives_of_each(owner, positive, key, held, drawn, self.backend_).reshape(len(samples), self.negatives)
                loss = self._batch_loss(network, users, positives, negatives)
                total += loss.item() * len(samples)
                loss.backward()
                optimizer.step()
            yield total / events.nnz

    def _optimizer(self, network: N) -> Optimizer:
        return Adam(network.parameters(), self.learning_rate)

    def _training_memory(self, dataset: Dataset, table_width: int, sample_width: int) -> int:
        """Tables with Adam's means, gradients, and what is made of them; a batch, forwards and backwards; the events."""
        batch = min(self.batch_size, len(dataset)) * (1 + self.negatives)
        return 24 * table_width * (dataset.n_users + dataset.n_items) + 4 * batch * (8 * sample_width + 16) + 100 * len(dataset)

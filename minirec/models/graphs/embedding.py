"""What LightGCN and UltraGCN share: embeddings trained by Adam, stopped on held-out events; new users are sums over their history."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...engine.descent.sgd import Negatives
from ...engine.nn.autodiff import Tensor, no_grad
from ...engine.nn.optimizers import Adam
from ...engine.sparse import CSR, Floats, Index
from ..contract.parameters import changed, number, whole
from ..contract.stopping import StoppingModel
from ..forms.fold_in import FoldInFactorModel

# (embeddings of users and items, users of the samples ascending, their positives, chance) -> mean loss, gradients by the embeddings
Objective: TypeAlias = Callable[[Floats, Floats, Index, Index, np.random.Generator], tuple[float, tuple[Floats, Floats]]]


class EmbeddingModel(StoppingModel, FoldInFactorModel):
    """score(u, i) = p_u . q_i; p_u is o + scale(|I_u|) sum_{j in I_u} s_j, plus what was learned about u alone where u is known.

    An iteration takes each pair of user and item once, in batches at random, and moves by Adam. When it stops: see `StoppingModel`.
    """

    factors: int = whole(default=64, high=65_536, search=[32, 64, 128], doc="Length of the embeddings.")
    learning_rate: float = number(default=0.01, above=0, high=100, search=(1e-3, 1e-2, "log"), doc="Of Adam.")
    batch_size: int = whole(default=8192, doc="Samples of a step.")
    negative_power: float = number(
        default=0.0,
        low=-10,
        high=10,
        search=(0.0, 1.0, "linear"),
        doc="Negatives j count in proportion to n_j^negative_power: the larger, the more popular items are held back.",
    )
    iterations: int = changed(default=100)

    @abstractmethod
    def _tables(self, events: CSR, rng: np.random.Generator) -> tuple[Mapping[str, Tensor], Callable[[], tuple[Tensor, Tensor]]]:
        """What is learned, and what makes the embeddings of users and items of it as it is."""

    @abstractmethod
    def _batches(self, events: CSR, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """The events of each batch of an iteration, by their places; ascending."""

    @abstractmethod
    def _objective(self, events: CSR, negatives: Negatives) -> Objective:
        """The loss to descend on these events, a binary matrix."""

    @abstractmethod
    def _store(self, users: Floats, items: Floats, events: CSR) -> None:
        """Set the vectors of the model from embeddings that were trained on these events."""

    def _train(self, events: CSR, iterations: int) -> Iterator[dict[str, float]]:
        """Learn from these events; after each iteration the vectors are those of the model, and its record is given."""
        rng = np.random.default_rng(self.seed_)
        parameters, embed = self._tables(events, rng)
        adam, owners = Adam(parameters, self.learning_rate), events.row_ids().astype(np.int32)
        popularity = np.maximum(np.bincount(events.indices, minlength=events.shape[1]), 1)
        objective = self._objective(events, Negatives.powered(popularity, self.negative_power))
        for _ in range(iterations):
            total = 0.0
            for samples in self._batches(events, rng):
                users, items = embed()
                loss, gradients = objective(users.data, items.data, owners[samples], events.indices[samples], rng)
                for embeddings, gradient in zip((users, items), gradients, strict=True):
                    embeddings.backward(gradient)
                adam.step()
                total += loss * len(samples)
            with no_grad():
                users, items = embed()
            self._store(users.data, items.data, events)
            yield {"loss": total / events.nnz}


def free_tables(users: Floats, items: Floats) -> tuple[Mapping[str, Tensor], Callable[[], tuple[Tensor, Tensor]]]:
    """Embeddings that are learned themselves, from these tables (rows, d) on."""
    tables = Tensor(users, requires_grad=True), Tensor(items, requires_grad=True)
    return dict(zip(("users", "items"), tables, strict=True)), lambda: tables

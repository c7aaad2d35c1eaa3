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
from ..contract.checks import number, whole
from ..contract.stopping import StoppingModel
from ..forms.fold_in import FoldInFactorModel

# (embeddings of users and items, users of the samples ascending, their positives, chance) -> mean loss, gradients by the embeddings
Objective: TypeAlias = Callable[[Floats, Floats, Index, Index, np.random.Generator], tuple[float, tuple[Floats, Floats]]]


class EmbeddingModel(StoppingModel, FoldInFactorModel):
    """score(u, i) = p_u . q_i; p_u is o + scale(|I_u|) sum_{j in I_u} s_j, plus what was learned about u alone where u is known.

    An iteration takes each pair of user and item once, in batches at random, and moves by Adam. When it stops: see `StoppingModel`.
    """

    factors: int
    learning_rate: float
    regularization: float
    negative_power: float
    batch_size: int

    def _check(self) -> None:
        super()._check()
        for name in ("factors", "batch_size"):
            whole(name, getattr(self, name))
        number("learning_rate", self.learning_rate, above=0)
        number("regularization", self.regularization, low=0)
        number("negative_power", self.negative_power)

    @abstractmethod
    def _start(self, events: CSR, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """The embeddings of users and items to begin with, float32."""

    @abstractmethod
    def _batches(self, events: CSR, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """The events of each batch of an iteration, by their places; ascending."""

    @abstractmethod
    def _objective(self, events: CSR, negatives: Negatives) -> Objective:
        """The loss to descend on these events, a binary matrix."""

    @abstractmethod
    def _store(self, users: Floats, items: Floats, events: CSR) -> None:
        """Set the vectors of the model from embeddings that were trained on these events."""

    def _tables(self, events: CSR, rng: np.random.Generator) -> tuple[Mapping[str, Tensor], Callable[[], tuple[Tensor, Tensor]]]:
        """The parameters, and what makes the embeddings of users and items of them as they are: here they are themselves."""
        users, items = (Tensor(table, requires_grad=True) for table in self._start(events, rng))
        return {"users": users, "items": items}, lambda: (users, items)

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

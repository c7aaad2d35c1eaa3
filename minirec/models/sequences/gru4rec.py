"""GRU4Rec: a recurrent network over the history."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.nn.autodiff import Tensor
from ...engine.nn.modules import GRU, Dropout, Embedding, Linear
from ...engine.sparse import Index
from ..contract.parameters import changed, whole
from .one_vector import SequenceModel, SequenceNetwork


class GRU4Rec(SequenceModel):
    """Gated recurrent units over the item vectors of a history, `layers` of them of width `hidden`; a linear map of the last state is h,
    and score(S, i) = h . v_i with the item vectors that came in.

    Hidasi et al. 2016, "Session-based recommendations with recurrent neural networks", and Hidasi & Karatzoglou 2018, "Recurrent neural
    networks with top-k gains for session-based recommendations", whose constrained embedding is the shared table here. Full and sampled
    softmax stand for their cross-entropy. Sequences are trained on whole, not in parallel pieces of one event.

    Fit O(events (hidden (hidden + factors) layers + items factors)) an iteration with the full softmax.
    """

    name = "gru4rec"

    hidden: int = whole(default=128, high=65_536, search=[64, 128, 256], doc="Width of the recurrent network.")
    layers: int = whole(default=1, high=1000, doc="Layers of the recurrent network.")
    dropout: float = changed(doc="Share of the item vectors and of the states that training drops.")

    def estimate_memory(self, dataset: Dataset) -> int:
        return self._memory(dataset, 14 * self.hidden * self.layers, self.layers * 3 * self.hidden * (2 * self.hidden + self.factors))

    def _network(self, n_items: int, rng: np.random.Generator) -> SequenceNetwork:
        return _Recurrent(self, n_items, rng)


class _Recurrent(SequenceNetwork):
    def __init__(self, model: GRU4Rec, n_items: int, rng: np.random.Generator) -> None:
        self.items = Embedding(n_items, model.factors, rng)
        self.dropouts = [Dropout(model.dropout), Dropout(model.dropout)]
        inputs = [model.factors] + [model.hidden] * (model.layers - 1)
        self.layers = [GRU(width, model.hidden, rng) for width in inputs]
        self.out = Linear(model.hidden, model.factors, rng)

    def __call__(self, items: Index, indptr: NDArray[np.int64]) -> Tensor:
        x = self.dropouts[0](self.items(items))
        for layer in self.layers:
            x = layer(x, indptr)
        return self.out(self.dropouts[1](x))

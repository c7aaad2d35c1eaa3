"""GRU4Rec: a recurrent network over the history."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.nn.autodiff import Tensor
from ...engine.nn.modules import GRU, Dropout, Embedding, Linear
from ...engine.sparse import Index
from ..contract.checks import whole
from .one_vector import SequenceModel, SequenceNetwork


class GRU4Rec(SequenceModel):
    """Gated recurrent units over the item vectors of a history, `layers` of them of width `hidden`; a linear map of the last state is h,
    and score(S, i) = h . v_i with the item vectors that came in.

    Hidasi et al. 2016, "Session-based recommendations with recurrent neural networks", and Hidasi & Karatzoglou 2018, "Recurrent neural
    networks with top-k gains for session-based recommendations", whose constrained embedding is the shared table here. Full and sampled
    softmax stand for their cross-entropy. Sequences are trained on whole, not in parallel pieces of one event.

    Parameters
    ----------
    factors : length of the item vectors.  hidden, layers : of the recurrent network.  dropout : of the item vectors and of the states.
    max_length, loss, negatives, calibration, learning_rate, schedule, random_window, batch_size (users), iterations, validation_share,
        patience : see `SequenceModel`.  seed : of all chance.

    Fit O(events (hidden (hidden + factors) layers + items factors)) an iteration with the full softmax.
    """

    name = "gru4rec"
    search_space: ClassVar[dict[str, Any]] = {
        "factors": [64, 128],
        "hidden": [64, 128, 256],
        "dropout": (0.1, 0.5, "linear"),
        "learning_rate": (3e-4, 3e-3, "log"),
    }

    def __init__(
        self,
        *,
        factors: int = 64,
        hidden: int = 128,
        layers: int = 1,
        max_length: int = 50,
        loss: str = "softmax",
        negatives: int = 256,
        calibration: float = 0.75,
        dropout: float = 0.2,
        learning_rate: float = 1e-3,
        schedule: str = "constant",
        random_window: float = 0.0,
        batch_size: int = 128,
        iterations: int = 100,
        validation_share: float = 0.1,
        patience: int = 5,
        seed: int = 0,
    ) -> None:
        self.factors = factors
        self.hidden = hidden
        self.layers = layers
        self.max_length = max_length
        self.loss = loss
        self.negatives = negatives
        self.calibration = calibration
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.random_window = random_window
        self.batch_size = batch_size
        self.iterations = iterations
        self.validation_share = validation_share
        self.patience = patience
        self.seed = seed

    def _check(self) -> None:
        super()._check()
        whole("hidden", self.hidden)
        whole("layers", self.layers)

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

"""SASRec: self-attention over the history, each place looking back at those before it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..data.ids import Ids
from ..engine.autodiff import Tensor, no_grad
from ..engine.backend import one_blas_thread
from ..engine.functional import embedding
from ..engine.modules import Dropout, Embedding, LayerNorm, TransformerBlock
from ..engine.ragged import positions
from ..engine.scorers import Scores
from ..engine.sparse import Floats, Index
from ..errors import ParameterError
from .checks import choice, number, whole
from .sequence import SequenceModel, SequenceNetwork

POSITIONS = ("learned", "sinusoidal", "none")
BLOCKS = ("post", "pre", "ligr")


class SASRec(SequenceModel):
    """Self-attentive sequential recommendation: the vectors of the items of a history, plus vectors of their places counted from its end,
    go through `layers` transformer blocks; what comes out at the last place is h, and score(S, i) = h . v_i.

    Kang & McAuley 2018, "Self-attentive sequential recommendation", section III. The paper's loss is "bce" with one negative; full and
    sampled softmax are far better: Klenitskiy & Vasilev 2023, "Turning dross into gold loss: is BERT4Rec really better than SASRec?".
    Item vectors are not scaled by sqrt(d).

    block : "post", a block of the authors' code: y = q + attention(q, x, x), q = norm(x); z = norm(y); z + feedforward(z).
        "pre", the usual one: y = x + attention(norm x); y + feedforward(norm y).
        "ligr", of Zhai et al. 2024 and eSASRec (Tikhonovich et al. 2025): "pre" with each of both terms gated by the sigmoid of a
        linear map of x (of y), and SwiGLU in place of ReLU.
    positions : "learned", "sinusoidal" (Vaswani et al. 2017, section 3.5) or "none".

    Parameters
    ----------
    factors : d.  layers, heads : of the transformer; heads divide d.  hidden : width of the feed-forward layers, as a multiple of d.
    dropout : of the inputs, of the attention weights and within the feed-forward layers.
    max_length, loss, negatives, calibration, learning_rate, batch_size (users), iterations, validation_share, patience : see
        `SequenceModel`.  seed : of all chance.

    Fit O(events d (layers (d + max_length) + items)) an iteration with the full softmax; memory O(items d), and the layers of a batch.
    """

    name = "sasrec"
    search_space: ClassVar[dict[str, Any]] = {
        "factors": [64, 128, 256],
        "layers": [1, 2, 3],
        "dropout": (0.1, 0.5, "linear"),
        "learning_rate": (3e-4, 3e-3, "log"),
        "block": list(BLOCKS),
    }

    def __init__(
        self,
        *,
        factors: int = 64,
        layers: int = 2,
        heads: int = 1,
        hidden: float = 1.0,
        block: str = "pre",
        positions: str = "learned",
        max_length: int = 50,
        loss: str = "softmax",
        negatives: int = 256,
        calibration: float = 0.75,
        dropout: float = 0.2,
        learning_rate: float = 1e-3,
        batch_size: int = 128,
        iterations: int = 100,
        validation_share: float = 0.1,
        patience: int = 5,
        seed: int = 0,
    ) -> None:
        self.factors = factors
        self.layers = layers
        self.heads = heads
        self.hidden = hidden
        self.block = block
        self.positions = positions
        self.max_length = max_length
        self.loss = loss
        self.negatives = negatives
        self.calibration = calibration
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.iterations = iterations
        self.validation_share = validation_share
        self.patience = patience
        self.seed = seed

    def _check(self) -> None:
        super()._check()
        whole("layers", self.layers)
        whole("heads", self.heads)
        number("hidden", self.hidden, above=0)
        choice("block", self.block, BLOCKS)
        choice("positions", self.positions, POSITIONS)
        if self.factors % self.heads:
            raise ParameterError(f"heads={self.heads} does not divide factors={self.factors}")

    def estimate_memory(self, dataset: Dataset) -> int:
        width = (16 + 4 * self.hidden) * self.factors * self.layers
        return self._memory(dataset, width, int(self.layers * (6 + 3 * self.hidden) * self.factors**2))

    def _network(self, n_items: int, rng: np.random.Generator) -> SequenceNetwork:
        return _Transformer(self, n_items, rng)

    def attention_weights(self, history: Ids) -> Scores:
        """How much each place of a history, its last max_length events, takes of those up to it: float32 (layers, heads, events, events).

        Row t of a head adds up to 1 over the events 0..t; what is recommended goes by the last row.
        """
        self._fitted()
        events, network = self._last_events(history), self._trained()
        assert isinstance(network, _Transformer)
        with one_blas_thread(), no_grad():
            return network.weights(events)


class _Transformer(SequenceNetwork):
    def __init__(self, model: SASRec, n_items: int, rng: np.random.Generator) -> None:
        d, length = model.factors, model.max_length
        self.items = Embedding(n_items, d, rng)
        self.places: Tensor | None = None
        if model.positions == "learned":
            self.places = Tensor(rng.standard_normal((length, d), np.float32) * np.float32(0.02), requires_grad=True)
        elif model.positions == "sinusoidal":
            self.places = Tensor(sinusoids(length, d))
        self.dropout = Dropout(model.dropout)
        width = max(round(model.hidden * d), 1)
        self.blocks = [TransformerBlock(d, model.heads, width, model.dropout, model.block, rng) for _ in range(model.layers)]
        self.norm = LayerNorm(d)

    def __call__(self, items: Index, indptr: NDArray[np.int64]) -> Tensor:
        x = self._inputs(items, indptr)
        for block in self.blocks:
            x = block(x, indptr)
        return self.norm(x)

    def weights(self, items: Index) -> Floats:
        """The attention weights of one sequence, (layers, heads, n, n)."""
        indptr, found = np.array([0, len(items)]), []
        x = self._inputs(items, indptr)
        for block in self.blocks:
            found.append(block.weights(x))
            x = block(x, indptr)
        return np.stack(found)

    def _inputs(self, items: Index, indptr: NDArray[np.int64]) -> Tensor:
        x = self.items(items)
        if self.places is not None:
            x = x + embedding(self.places, positions(indptr, from_end=True))
        return self.dropout(x)


def sinusoids(length: int, d: int) -> NDArray[np.float32]:
    """sin(p / 10000^(2 i / d)) and the cosine, for place p in row p, at columns 2 i and 2 i + 1; as long as embeddings are at first."""
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, d, 2) / d)
    out = np.empty((length, d))
    out[:, ::2], out[:, 1::2] = np.sin(angles), np.cos(angles)[:, : d // 2]
    return (0.02 * out).astype(np.float32)

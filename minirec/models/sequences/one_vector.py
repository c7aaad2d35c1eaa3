"""What sequence models share that make one vector of a history: its score with an item is the dot product of the two."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.backend import one_blas_thread, run_blocks
from ...engine.nn import criteria
from ...engine.nn.autodiff import Tensor, no_grad
from ...engine.nn.functional import embedding, where
from ...engine.ranking.scorers import Scores, VectorScorer
from ...engine.sequences import Sequences
from ...engine.sparse import Index
from ...options import options, thread_count
from ..contract.parameters import choice, number
from ..contract.request import Profiles
from ..forms.vectors import VectorModel
from .history import Batch, HistoryModel, HistoryNetwork

_CHUNK = 256  # sequences that go through the network at once while it is judged
_SERVED = 16  # profiles that a thread takes at once


class SequenceNetwork(HistoryNetwork):
    """Its item vectors come in and are scored against. Calling it gives a vector for each place (tokens, d)."""

    @abstractmethod
    def __call__(self, items: Index, indptr: NDArray[np.int64]) -> Tensor:
        """What is expected after each item of packed sequences, from it and those before it."""


class SequenceModel(HistoryModel[SequenceNetwork], VectorModel):
    """score(S, i) = h(S) . v_i, h being what a network makes of the history S, in the order of its events, v the vectors of the items.

    Histories, training and when it stops: see `HistoryModel`. `loss`:

    "softmax"  -ln softmax(V h)_t over all items.
    "sampled"  the same over t and `negatives` uniform items that all samples of a batch share.
    "bce"      -ln sigma(h . v_t) - sum_n ln(1 - sigma(h . v_n)), divided by 1 + negatives, with negatives of its own for each sample.
    "gbce"     "bce" with its positive part tempered, Petrov & Macdonald 2023; `calibration` t, from 0 ("bce") to 1.
    """

    loss: Literal["softmax", "sampled", "bce", "gbce"] = choice(default="softmax", doc="See above.")
    calibration: float = number(default=0.75, low=0, high=1, doc='t of "gbce".')

    def _memory(self, dataset: Dataset, width: float, weights: int) -> int:
        """Bytes of a fit: item table and weights with gradients, Adam's means and the best ones; of a batch, for each place, `width`
        numbers of the layers, the item vectors, and the logits.
        """
        tokens = min(self.batch_size * self.max_length, len(dataset))
        wide = {"softmax": min(dataset.n_items, 2**24 // max(tokens, 1) + 1), "sampled": self.negatives}
        logits = wide.get(self.loss, self.negatives * (self.factors + 3))
        numbers = 7 * (dataset.n_items * self.factors + weights) + tokens * (width + 6 * self.factors + 3 * logits)
        return int(4 * numbers) + 40 * len(dataset) + thread_count() * 2**20

    def _drawn(self, samples: int) -> int | tuple[int, int]:
        return {"softmax": 0, "sampled": self.negatives}.get(self.loss, super()._drawn(samples))

    def _batch_loss(self, network: SequenceNetwork, batch: Batch) -> Tensor:
        return self._loss(network(batch.items, batch.indptr), network.items.weight, batch)

    def _loss(self, hidden: Tensor, table: Tensor, batch: Batch) -> Tensor:
        if self.loss == "softmax":
            return criteria.softmax_cross_entropy(hidden, table, batch.targets)
        if self.loss == "sampled":
            return criteria.sampled_softmax(hidden, table, batch.targets, batch.negatives)
        positive = (hidden * embedding(table, batch.targets)).sum(axis=1)
        n, m = batch.negatives.shape
        negative = (embedding(table, batch.negatives) @ hidden.reshape(n, -1, 1)).reshape(n, m)
        negative = where(batch.negatives != batch.targets[:, None], negative, -np.inf)
        calibration = self.calibration if self.loss == "gbce" else 0.0
        return criteria.gbce(positive, negative, len(table), calibration)

    def _judge(self, network: SequenceNetwork, sequences: Sequences) -> VectorScorer:
        vectors = []
        with no_grad():
            for start in range(0, sequences.shape[0], _CHUNK):
                part = sequences.span(start, min(start + _CHUNK, sequences.shape[0]))
                vectors.append(network(part.items, part.indptr).data[part.indptr[1:] - 1])
        return VectorScorer(np.concatenate(vectors), network.items.weight.data)

    # ---- requests -------------------------------------------------------------------------------------------------------

    def _table(self) -> Scores:
        """v, the table of the network."""
        return self._trained().items.weight.data

    def _vectors(self, profiles: Profiles) -> Scores:
        with one_blas_thread():
            return self._read(profiles.ordered or Sequences.of_rows(profiles.history))

    def _read(self, history: Sequences) -> Scores:
        """h for each history, in its order, (n, d), each by itself. Zeros for an empty one."""
        network, sequences = self._trained(), history.latest(self.max_length)
        out = np.zeros((history.shape[0], self.factors), np.float32)

        def block(start: int, stop: int) -> None:
            with no_grad():
                for at in range(start, stop):
                    items = sequences.row(at)
                    if len(items):
                        out[at] = network(items, np.array([0, len(items)])).data[-1]

        with options(backend=self.backend_):
            run_blocks(block, len(out), _SERVED)
        return out

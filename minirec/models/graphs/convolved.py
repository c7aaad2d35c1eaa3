"""What LightGCN and AlphaRec share: embeddings that are averaged over the graph of users and items, and told apart by their cosines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.descent.batches import row_sums, shared_negatives, shuffled, weights_of
from ...engine.descent.contrast import Contrast, in_blocks, softmax, through_unit, unit
from ...engine.descent.sgd import Held, Negatives
from ...engine.graph.convolution import Convolution
from ...engine.sparse import CSR, Floats, Index
from ...options import thread_count
from ..contract.parameters import number, whole
from .embedding import EmbeddingModel, Objective

BLOCK = 256  # samples whose scores for the shared negatives are in memory at once, in each thread


class Batch(NamedTuple):
    """Samples: users ascending, an item of each, and the negatives: one a sample, or shared ones with the times each was drawn."""

    users: Index
    items: Index
    negatives: Index
    times: Floats


class ConvolutionModel(EmbeddingModel):
    """score(u, i) = z_u . z_i / |z_i|^damping, with vectors Z that are the mean of K + 1 layers of the graph,

    Z = (E + A E + ... + A^K E) / (K + 1),    (A E)_u = sum_{i in I_u} e_i / sqrt(|I_u| |U_i|),   (A E)_i likewise;

    what the embeddings E are, each model says. Trained by the sampled softmax of cosines, where a model has no other loss.
    """

    layers: int = whole(default=2, high=1000, search=[1, 2, 3], doc="K. Each step goes K times through the graph and back.")
    negatives: int = whole(default=1024, doc="Items j that all samples of a batch share.")
    temperature: float = number(default=0.1, above=0, high=1000, search=(0.05, 0.3, "log"), doc="t of the softmax.")
    damping: float = number(
        default=0.5,
        low=0,
        high=1,
        search=(0.0, 1.0, "linear"),
        doc="""
            The knob of the tail. Popular items have the longer vectors, under losses of cosines too: 0 serves the dot product, 1 the
            cosine, which recommends less popular items.
        """,
    )

    def estimate_memory(self, dataset: Dataset) -> int:
        """Embeddings, Adam's means, gradients, layers; the graph twice; the vectors of a batch, and its scores."""
        rows, batch = dataset.n_users + dataset.n_items, min(self.batch_size, len(dataset))
        return 4 * self.factors * (14 * rows + 12 * batch) + 100 * len(dataset) + thread_count() * 20 * BLOCK * self._width(batch)

    def _width(self, batch: int) -> int:
        """Scores of a sample that are in memory at once."""
        return self.negatives

    # ---- the loss -------------------------------------------------------------------------------------------------------

    def _is_of_cosines(self) -> bool:
        return True

    def _decay(self) -> float:
        """The penalty of the embeddings of a sample."""
        return 0.0

    def _drawn(self, owners: Index, positives: Index, held: Held, negatives: Negatives, rng: np.random.Generator) -> tuple[Index, Floats]:
        """The negatives of a batch, and how often each was drawn."""
        return shared_negatives(self.negatives, negatives, rng)

    def _contrast(self, u: Floats, i: Floats, j: Floats, batch: Batch, events: CSR) -> Contrast:
        """The loss, summed over the samples, and its gradients by their vectors."""

        def shared(start: int, stop: int) -> Contrast:
            at = slice(start, stop)
            weights = weights_of(batch.users[at], batch.negatives, batch.times.astype(u.dtype), events)
            return self._against_all(u[at], i[at], j, weights)

        return in_blocks(shared, len(u), BLOCK)

    def _against_all(self, u: Floats, i: Floats, j: Floats, weights: Floats) -> Contrast:
        """The same where all samples share the negatives, with their weights (samples, negatives)."""
        return softmax(u, i, j, weights, self.temperature)

    def _batches(self, events: CSR, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        return shuffled(events.nnz, self.batch_size, rng)

    def _objective(self, events: CSR, negatives: Negatives) -> Objective:
        graph, held = Convolution(events, self.layers, self.backend_), Held.of(events)

        def objective(
            users: Floats, items: Floats, owners: Index, positives: Index, rng: np.random.Generator
        ) -> tuple[float, tuple[Floats, Floats]]:
            drawn, times = self._drawn(owners, positives, held, negatives, rng)
            return self._step(graph, events, users, items, Batch(owners, positives, drawn, times))

        return objective

    def _step(self, graph: Convolution, events: CSR, users: Floats, items: Floats, batch: Batch) -> tuple[float, tuple[Floats, Floats]]:
        """The loss of a batch and its gradients by the embeddings of all users and items."""
        size = len(batch.users)
        user_rows, u = np.unique(batch.users, return_inverse=True)
        item_rows, at = np.unique(np.concatenate((batch.items, batch.negatives)), return_inverse=True)
        i, j = at[:size], at[size:]
        x, y = graph.rows(users, items, user_rows, item_rows)
        if self._is_of_cosines():
            (x, x_norms), (y, y_norms) = unit(x), unit(y)
        found = self._contrast(x[u], y[i], y[j], batch, events)
        by_x = row_sums(u.astype(np.int32), found.users, len(user_rows), self.backend_)[1]
        by_y = row_sums(at.astype(np.int32), np.concatenate((found.items, found.negatives)), len(item_rows), self.backend_)[1]
        if self._is_of_cosines():
            by_x, by_y = through_unit(by_x, x, x_norms), through_unit(by_y, y, y_norms)
        by_users, by_items = graph.back(user_rows, by_x / size, item_rows, by_y / size)
        loss = found.loss / size
        if not self._decay():
            return loss, (by_users, by_items)
        counts = np.concatenate((np.ones(size), batch.times))
        for side, gradient, rows, count in (
            (users, by_users, user_rows, np.bincount(u)),
            (items, by_items, item_rows, np.bincount(at, weights=counts)),
        ):
            decay = (self._decay() / size * count).astype(side.dtype)[:, None] * side[rows]
            gradient[rows] += decay
            loss += float(np.einsum("nd,nd->", decay, side[rows], dtype=np.float64)) / 2
        return loss, (by_users, by_items)

    # ---- the vectors ----------------------------------------------------------------------------------------------------

    def _store(self, users: Floats, items: Floats, events: CSR) -> None:
        graph = Convolution(events, self.layers, self.backend_)
        h_users, h_items = graph.before_last(users, items)
        self.user_factors_, z_items = graph.last(users, items, h_users, h_items)
        self.item_factors_ = z_items / unit(z_items)[1] ** np.float32(self.damping)
        degrees = np.maximum(np.bincount(events.indices, minlength=events.shape[1]), 1)[:, None]
        self.item_sources_ = (h_items / (np.sqrt(degrees) * (self.layers + 1))).astype(np.float32)
        self.user_offset_ = np.zeros(self.factors, np.float32)

    def _scale(self, length: int) -> float:
        return float(length**-0.5)

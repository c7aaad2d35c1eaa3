"""LightGCN: embeddings that are averaged over the graph of users and items, trained with one of four losses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.backend import run_blocks
from ...engine.descent.batches import negatives_of_each, row_sums, shared_negatives, shuffled, weights_of
from ...engine.descent.contrast import (
    Contrast,
    alignment,
    cosine_contrastive,
    in_blocks,
    pairwise,
    softmax,
    through_unit,
    uniformity,
    unit,
)
from ...engine.descent.sgd import Held, Negatives
from ...engine.graph.convolution import Convolution
from ...engine.sparse import CSR, Floats, Index
from ...options import thread_count
from ..contract.checks import choice, number, whole
from .embedding import EmbeddingModel, Objective

LOSSES = ("bpr", "softmax", "ccl", "directau")
_INIT_STD = 0.1  # of the embeddings before training
_BLOCK = 256  # samples whose scores for the shared negatives are in memory at once, in each thread


class Batch(NamedTuple):
    """Samples: users ascending, an item of each, and the negatives: one a sample ("bpr"), or shared ones with the times each was drawn."""

    users: Index
    items: Index
    negatives: Index
    times: Floats


class LightGCN(EmbeddingModel):
    """Light graph convolution network: the vectors Z of users and items are the mean of K + 1 layers of the graph,

    Z = (E + A E + ... + A^K E) / (K + 1),    (A E)_u = sum_{i in I_u} e_i / sqrt(|I_u| |U_i|),   (A E)_i likewise,

    and only the embeddings E are learned; score(u, i) = z_u . z_i / |z_i|^damping.
    He et al. 2020, "LightGCN: simplifying and powering graph convolution network for recommendation", equations 3 to 10.

    `loss`, the mean over the samples (u, i) of a batch; x . y is a cosine for all but the first:

    "bpr"       -ln sigma(z_u . (z_i - z_j)), j one item that u has not: the paper's.
    "softmax"   -ln (e^(u.i / t) / (e^(u.i / t) + sum_j e^(u.j / t))), t = `temperature`. Wu et al. 2024, "On the effectiveness of
                sampled softmax loss for item recommendation".
    "ccl"       1 - u.i + negative_weight mean_j max(0, u.j - margin). Mao et al. 2021, "SimpleX: a simple and strong baseline
                for collaborative filtering".
    "directau"  |u - i|^2 + gamma / 2 (uniformity of the users + of the items of the batch), uniformity being
                ln mean e^(-2 |x - y|^2) over its pairs of samples. Wang et al. 2022, "Towards representation alignment and
                uniformity in collaborative filtering". It has no negatives.

    To it comes regularization / 2 times the mean over the samples of |e_u|^2 + |e_i|^2 + sum_j |e_j|^2, as in the authors' code.
    Differences: an iteration takes every event once, where that code draws a user and one of its items; the negatives j of "softmax"
    and "ccl" are shared by the batch, but for those that the sample's user has (see engine/descent/contrast.py). Weights do not count.

    Parameters
    ----------
    factors : d.  layers : K.  loss : see above.  learning_rate : of Adam.  regularization : see above.  batch_size : samples of a step;
        each step goes K times through the graph and back.
    negatives : j of a batch, for "softmax" and "ccl".  negative_power : they, and those of "bpr", are drawn with probability
        proportional to n_j^negative_power, as in `BPR`: the larger, the more popular items are held back.
    temperature : of "softmax".  margin, negative_weight : of "ccl".  gamma : of "directau".
    damping : the knob of the tail. Popular items have the longer vectors, under the losses of cosines too; 0 serves the dot product, as
        the authors of "bpr" and "directau" do, 1 the cosine, as those of "ccl" do, and recommends less popular items.
    iterations, validation_share, patience : see `StoppingModel`.  seed : of all chance.
    The paper's settings are layers=3, loss="bpr", learning_rate=.001, batch_size=2048, damping=0; the defaults need far fewer steps.

    A new user's vector is what the convolution gives to a user with that history and no embedding, the item vectors fixed:
    sum_{i in I_u} h_i / sqrt(|I_u| |U_i|) / (K + 1), with h_i the sum of the layers 0 to K - 1 of i. A known user has e_u / (K + 1) more.
    Fit O(events / batch_size x K x events x d) an iteration; memory O((users + items) d + events).
    """

    name = "lightgcn"
    search_space: ClassVar[dict[str, Any]] = {
        "factors": [32, 64, 128],
        "layers": [1, 2, 3],
        "loss": list(LOSSES),
        "learning_rate": (1e-3, 1e-2, "log"),
        "regularization": (1e-6, 1e-3, "log"),
        "negative_power": (0.0, 1.0, "linear"),
        "temperature": (0.05, 0.3, "log"),
        "damping": (0.0, 1.0, "linear"),
    }

    def __init__(
        self,
        *,
        factors: int = 64,
        layers: int = 2,
        loss: str = "softmax",
        learning_rate: float = 0.01,
        regularization: float = 1e-4,
        batch_size: int = 8192,
        negatives: int = 1024,
        negative_power: float = 0.0,
        temperature: float = 0.1,
        margin: float = 0.4,
        negative_weight: float = 100.0,
        gamma: float = 1.0,
        damping: float = 0.5,
        iterations: int = 100,
        validation_share: float = 0.1,
        patience: int = 5,
        seed: int = 0,
    ) -> None:
        self.factors = factors
        self.layers = layers
        self.loss = loss
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.batch_size = batch_size
        self.negatives = negatives
        self.negative_power = negative_power
        self.temperature = temperature
        self.margin = margin
        self.negative_weight = negative_weight
        self.gamma = gamma
        self.damping = damping
        self.iterations = iterations
        self.validation_share = validation_share
        self.patience = patience
        self.seed = seed

    def _check(self) -> None:
        super()._check()
        whole("layers", self.layers)
        whole("negatives", self.negatives)
        choice("loss", self.loss, LOSSES)
        number("temperature", self.temperature, above=0)
        number("margin", self.margin, low=-1, high=1)
        number("negative_weight", self.negative_weight, low=0)
        number("gamma", self.gamma, low=0)
        number("damping", self.damping, low=0, high=1)

    def estimate_memory(self, dataset: Dataset) -> int:
        """Embeddings, Adam's means, gradients, layers; the graph twice; the vectors of a batch, and its scores."""
        rows, batch = dataset.n_users + dataset.n_items, min(self.batch_size, len(dataset))
        wide = batch if self.loss == "directau" else self.negatives if self.loss in ("softmax", "ccl") else 0
        return 4 * self.factors * (14 * rows + 12 * batch) + 100 * len(dataset) + thread_count() * 20 * _BLOCK * wide

    def _start(self, events: CSR, rng: np.random.Generator) -> tuple[Floats, Floats]:
        users, items = ((_INIT_STD * rng.standard_normal((n, self.factors))).astype(np.float32) for n in events.shape)
        return users, items

    def _batches(self, events: CSR, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        return shuffled(events.nnz, self.batch_size, rng)

    def _objective(self, events: CSR, negatives: Negatives) -> Objective:
        graph, held = Convolution(events, self.layers, self.backend_), Held.of(events)

        def objective(
            users: Floats, items: Floats, owners: Index, positives: Index, rng: np.random.Generator
        ) -> tuple[float, tuple[Floats, Floats]]:
            times = np.ones(len(owners), np.float32)
            if self.loss == "bpr":
                drawn = negatives_of_each(owners, positives, rng.integers(0, 2**64, dtype=np.uint64), held, negatives, self.backend_)
            elif self.loss == "directau":
                drawn, times = positives[:0], times[:0]
            else:
                drawn, times = shared_negatives(self.negatives, negatives, rng)
            return self._step(graph, events, users, items, Batch(owners, positives, drawn, times))

        return objective

    def _step(self, graph: Convolution, events: CSR, users: Floats, items: Floats, batch: Batch) -> tuple[float, tuple[Floats, Floats]]:
        """The loss of a batch and its gradients by the embeddings of all users and items."""
        size = len(batch.users)
        user_rows, u = np.unique(batch.users, return_inverse=True)
        item_rows, at = np.unique(np.concatenate((batch.items, batch.negatives)), return_inverse=True)
        i, j = at[:size], at[size:]
        x, y = graph.rows(users, items, user_rows, item_rows)
        if self.loss != "bpr":
            (x, x_norms), (y, y_norms) = unit(x), unit(y)
        found = self._contrast(x[u], y[i], y[j], batch, events)
        by_x = row_sums(u.astype(np.int32), found.users, len(user_rows), self.backend_)[1]
        by_y = row_sums(at.astype(np.int32), np.concatenate((found.items, found.negatives)), len(item_rows), self.backend_)[1]
        if self.loss != "bpr":
            by_x, by_y = through_unit(by_x, x, x_norms), through_unit(by_y, y, y_norms)
        by_users, by_items = graph.back(user_rows, by_x / size, item_rows, by_y / size)
        loss = found.loss / size
        counts = np.concatenate((np.ones(size), batch.times))
        for side, gradient, rows, count in (
            (users, by_users, user_rows, np.bincount(u)),
            (items, by_items, item_rows, np.bincount(at, weights=counts)),
        ):
            decay = (self.regularization / size * count).astype(side.dtype)[:, None] * side[rows]
            gradient[rows] += decay
            loss += float(np.einsum("nd,nd->", decay, side[rows], dtype=np.float64)) / 2
        return loss, (by_users, by_items)

    def _contrast(self, u: Floats, i: Floats, j: Floats, batch: Batch, events: CSR) -> Contrast:
        """The loss, summed over the samples, and its gradients by their vectors."""

        def shared(start: int, stop: int) -> Contrast:
            at = slice(start, stop)
            weights = weights_of(batch.users[at], batch.negatives, batch.times.astype(u.dtype), events)
            if self.loss == "softmax":
                return softmax(u[at], i[at], j, weights, self.temperature)
            return cosine_contrastive(u[at], i[at], j, weights, self.margin, self.negative_weight)

        if self.loss == "bpr":
            return pairwise(u, i, j)
        if self.loss != "directau":
            return in_blocks(shared, len(u), _BLOCK)
        found = alignment(u, i)
        loss = found.loss
        for vectors, gradient in ((u, found.users), (i, found.items)):
            parts = run_blocks(lambda start, stop, x=vectors: uniformity(start, stop, x), len(u), _BLOCK)  # type: ignore[misc]
            total = sum(part for part, _ in parts)
            if total > 0:  # else the batch is a single sample
                loss += self.gamma / 2 * len(u) * float(np.log(total / (len(u) * (len(u) - 1))))
                gradient += self.gamma / 2 * len(u) / total * np.concatenate([block for _, block in parts])
        return found._replace(loss=loss)

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

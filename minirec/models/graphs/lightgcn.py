"""LightGCN: embeddings that are averaged over the graph of users and items, trained with one of four losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from ...engine.backend import run_blocks
from ...engine.descent.batches import negatives_of_each
from ...engine.descent.contrast import Contrast, alignment, cosine_contrastive, pairwise, uniformity
from ...engine.descent.sgd import Held, Negatives
from ...engine.nn.autodiff import Tensor
from ...engine.sparse import CSR, Floats, Index
from ..contract.parameters import choice, number
from .convolved import BLOCK, Batch, ConvolutionModel
from .embedding import free_tables

_INIT_STD = 0.1  # of the embeddings before training


class LightGCN(ConvolutionModel):
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

    The paper's settings are layers=3, loss="bpr", learning_rate=.001, batch_size=2048, damping=0; the defaults need far fewer steps.
    A new user's vector is what the convolution gives to a user with that history and no embedding, the item vectors fixed:
    sum_{i in I_u} h_i / sqrt(|I_u| |U_i|) / (K + 1), with h_i the sum of the layers 0 to K - 1 of i. A known user has e_u / (K + 1) more.
    Fit O(events / batch_size x K x events x d) an iteration; memory O((users + items) d + events).
    """

    name = "lightgcn"

    loss: Literal["bpr", "softmax", "ccl", "directau"] = choice(
        default="softmax", search=["bpr", "softmax", "ccl", "directau"], doc="See above."
    )
    regularization: float = number(default=1e-4, low=0, high=1e6, search=(1e-6, 1e-3, "log"), doc="See above.")
    margin: float = number(default=0.4, low=-1, high=1, doc='Of "ccl".')
    negative_weight: float = number(default=100.0, low=0, high=1e9, doc='Of "ccl".')
    gamma: float = number(default=1.0, low=0, high=1e6, doc='Of "directau": the weight of the uniformity.')

    def _start(self, events: CSR, rng: np.random.Generator) -> tuple[Floats, Floats]:
        users, items = ((_INIT_STD * rng.standard_normal((n, self.factors))).astype(np.float32) for n in events.shape)
        return users, items

    def _tables(self, events: CSR, rng: np.random.Generator) -> tuple[Mapping[str, Tensor], Callable[[], tuple[Tensor, Tensor]]]:
        return free_tables(*self._start(events, rng))

    def _width(self, batch: int) -> int:
        return batch if self.loss == "directau" else self.negatives if self.loss in ("softmax", "ccl") else 0

    # ---- the losses -----------------------------------------------------------------------------------------------------

    def _is_of_cosines(self) -> bool:
        return self.loss != "bpr"

    def _decay(self) -> float:
        return self.regularization

    def _drawn(self, owners: Index, positives: Index, held: Held, negatives: Negatives, rng: np.random.Generator) -> tuple[Index, Floats]:
        if self.loss == "bpr":
            key = rng.integers(0, 2**64, dtype=np.uint64)
            return negatives_of_each(owners, positives, key, held, negatives, self.backend_), np.ones(len(owners), np.float32)
        if self.loss == "directau":
            return positives[:0], np.zeros(0, np.float32)
        return super()._drawn(owners, positives, held, negatives, rng)

    def _against_all(self, u: Floats, i: Floats, j: Floats, weights: Floats) -> Contrast:
        if self.loss == "ccl":
            return cosine_contrastive(u, i, j, weights, self.margin, self.negative_weight)
        return super()._against_all(u, i, j, weights)

    def _contrast(self, u: Floats, i: Floats, j: Floats, batch: Batch, events: CSR) -> Contrast:
        if self.loss == "bpr":
            return pairwise(u, i, j)
        if self.loss != "directau":
            return super()._contrast(u, i, j, batch, events)
        found = alignment(u, i)
        loss = found.loss
        for vectors, gradient in ((u, found.users), (i, found.items)):
            parts = run_blocks(lambda start, stop, x=vectors: uniformity(start, stop, x), len(u), BLOCK)  # type: ignore[misc]
            total = sum(part for part, _ in parts)
            if total > 0:  # else the batch is a single sample
                loss += self.gamma / 2 * len(u) * float(np.log(total / (len(u) * (len(u) - 1))))
                gradient += self.gamma / 2 * len(u) / total * np.concatenate([block for _, block in parts])
        return found._replace(loss=loss)

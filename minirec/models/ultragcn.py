"""UltraGCN: the limit of infinitely many graph convolutions as a constraint on plain embeddings, without message passing."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..engine.backend import run_blocks
from ..engine.batches import row_sums, shared_negatives, weights_of
from ..engine.contrast import Contrast, in_blocks, observed, unobserved
from ..engine.neighbours import topk_product
from ..engine.propagate import propagate
from ..engine.sgd import Negatives
from ..engine.sparse import CSR, Floats, Index
from ..options import thread_count
from .checks import number, whole
from .embedding import EmbeddingModel, Objective

_RIDGE = 0.01  # of the map of new users, as a share of the mean of its squares
_BLOCK = 256  # samples whose scores for the shared negatives are in memory at once, in each thread


class Constraints(NamedTuple):
    """beta_ui = users[u] items[i] of the user-item graph (float64, (users,) and (items,)), and omega of the item-item graph, CSR."""

    users: NDArray[np.float64]
    items: NDArray[np.float64]
    omega: CSR


class UltraGCN(EmbeddingModel):
    """score(u, i) = e_u . e_i. Infinitely many convolutions would end where e_u = sum_{i in I_u} beta_ui e_i,
    beta_ui = sqrt((|I_u| + 1) / (|U_i| + 1)) / |I_u|, and so the loss of a sample (u, i) weighs what should be near by beta:

    - beta_ui ln sigma(e_u . e_i) - negative_weight mean_j beta_uj ln sigma(-e_u . e_j)
    - item_weight sum_{k in N(i)} omega_ik ln sigma(e_u . e_k)

    omega_ik = G_ik sqrt((g_i + 1) / (g_k + 1)) / g_i, with G = X^T X of the binary X and g its row sums; N(i) are the `neighbors`
    items k with the largest omega_ik. To the mean over the samples of a batch comes regularization / 2 times the sum of the squares of
    all embeddings.
    Mao et al. 2021, "UltraGCN: ultra simplification of graph convolutional networks for recommendation", equations 9 to 15; omega is
    that of the authors' code, which keeps G's diagonal (so i is mostly one of its own neighbours), where equation 13 leaves it out.
    Other differences from that code: its constants w1 and w3, .000001 for Gowalla and Yelp, are 0 here, w2 and w4 are 1; the mean
    over a batch in place of the sum, so that `regularization` is the code's gamma divided by its batch size; the negatives are shared by
    the batch, but for those that the sample's user has (see engine/contrast.py). Weights do not count.

    Parameters
    ----------
    factors : length of the embeddings.  learning_rate : of Adam.  regularization, negative_weight, item_weight, neighbors : see above.
    batch_size : samples of a step.  negatives : j of a batch.  negative_power : they are drawn with probability proportional to
        n_j^negative_power, as in `BPR`.  iterations, validation_share, patience : see `EmbeddingModel`.  seed : of all chance.

    A new user's vector is o + B^T sum_{i in I_u} beta_ui e_i, affine in where convolutions would end. o and B are fitted to the known users
    by ridge regression: trained scores are mostly negative, so that e_u is not near that sum as it is.
    Fit O(events (negatives + neighbors) d) an iteration; memory O((users + items) d + events).
    """

    name = "ultragcn"
    search_space: ClassVar[dict[str, Any]] = {
        "factors": [32, 64, 128],
        "learning_rate": (3e-4, 1e-2, "log"),
        "regularization": (1e-8, 1e-6, "log"),
        "negative_weight": (10.0, 1000.0, "log"),
        "item_weight": (1e-4, 3.0, "log"),
        "negative_power": (0.0, 1.0, "linear"),
    }
    _init_std = 1e-4

    def __init__(
        self,
        *,
        factors: int = 64,
        learning_rate: float = 5e-3,
        regularization: float = 2e-7,
        batch_size: int = 2048,
        negatives: int = 500,
        negative_power: float = 0.0,
        negative_weight: float = 300.0,
        neighbors: int = 10,
        item_weight: float = 5e-4,
        iterations: int = 100,
        validation_share: float = 0.1,
        patience: int = 10,
        seed: int = 0,
    ) -> None:
        self.factors = factors
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.batch_size = batch_size
        self.negatives = negatives
        self.negative_power = negative_power
        self.negative_weight = negative_weight
        self.neighbors = neighbors
        self.item_weight = item_weight
        self.iterations = iterations
        self.validation_share = validation_share
        self.patience = patience
        self.seed = seed

    def _check(self) -> None:
        super()._check()
        whole("neighbors", self.neighbors)
        number("negative_weight", self.negative_weight, low=0)
        number("item_weight", self.item_weight, low=0)

    def estimate_memory(self, dataset: Dataset) -> int:
        """Embeddings, Adam's means and gradients; the neighbours; the vectors of a batch, and its scores."""
        rows, batch = dataset.n_users + dataset.n_items, min(self.batch_size, len(dataset))
        near = min(self.neighbors, dataset.n_items)
        vectors = 4 * self.factors * (9 * rows + (8 + 4 * near) * batch)
        return vectors + 48 * near * dataset.n_items + 100 * len(dataset) + thread_count() * 24 * _BLOCK * self.negatives

    def _objective(self, events: CSR, negatives: Negatives) -> Objective:
        constraints = self._constraints(events)

        def objective(
            users: Floats, items: Floats, owners: Index, positives: Index, rng: np.random.Generator
        ) -> tuple[float, tuple[Floats, Floats]]:
            drawn, times = shared_negatives(self.negatives, negatives, rng)
            return self._step(constraints, events, users, items, owners, positives, drawn, times)

        return objective

    def _constraints(self, events: CSR) -> Constraints:
        lengths, degrees = events.counts(), np.bincount(events.indices, minlength=events.shape[1])
        by_item = events.transpose()
        # row sums of X^T X: the lengths of the histories that each item is in
        sums = by_item.sums(lengths[by_item.indices])
        omega = topk_product(
            by_item,
            events,
            self.neighbors,
            self.backend_,
            row_scale=np.maximum(sums, 1) / np.sqrt(sums + 1),
            column_scale=np.sqrt(sums + 1),
        )
        return Constraints(np.sqrt(lengths + 1) / np.maximum(lengths, 1), 1 / np.sqrt(degrees + 1), omega)

    def _step(
        self, constraints: Constraints, events: CSR, users: Floats, items: Floats,
        owners: Index, positives: Index, drawn: Index, times: Floats,
    ) -> tuple[float, tuple[Floats, Floats]]:  # fmt: skip
        """The loss of a batch (owners ascend) and its gradients by the embeddings of all users and items."""
        size, kind = len(owners), users.dtype.type
        near = constraints.omega.rows(positives)
        of = near.row_ids()
        beta_users = constraints.users[owners]
        beta_own = (beta_users * constraints.items[positives]).astype(kind)
        beta_drawn = (self.negative_weight * constraints.items[drawn]).astype(kind)
        x, others = users[owners], items[drawn]

        def negative(start: int, stop: int) -> Contrast:
            weights = weights_of(owners[start:stop], drawn, times.astype(kind), events)
            share = (beta_users[start:stop] / np.maximum(weights.sum(axis=1), 1)).astype(kind)
            return unobserved(x[start:stop], others, weights * share[:, None] * beta_drawn)

        parts = (
            observed(x, items[positives], beta_own),
            in_blocks(negative, size, _BLOCK),
            observed(x[of], items[near.indices], self.item_weight * near.data.astype(kind)),
        )
        user_rows, item_rows = np.concatenate((owners, owners, owners[of])), np.concatenate((positives, drawn, near.indices))
        by_user = np.concatenate([part.users for part in parts])
        by_item = np.concatenate((parts[0].items, parts[1].negatives, parts[2].items))
        gradients = []
        for side, rows, vectors in ((users, user_rows, by_user), (items, item_rows, by_item)):
            gradient = kind(self.regularization) * side
            distinct, sums = row_sums(rows, vectors, len(side), self.backend_)
            gradient[distinct] += sums / size
            gradients.append(gradient)
        squares = sum(_squares(side) for side in (users, items))
        return sum(part.loss for part in parts) / size + self.regularization / 2 * squares, (gradients[0], gradients[1])

    def _store(self, users: Floats, items: Floats, events: CSR) -> None:
        """The embeddings themselves, and the affine map that new users go through: ridge regression over all known users."""
        self.user_factors_, self.item_factors_ = users.copy(), items.copy()
        lengths, degrees = events.counts(), np.bincount(events.indices, minlength=events.shape[1])
        near = items / np.sqrt(degrees + 1)[:, None]
        scale = np.sqrt(lengths + 1) / np.maximum(lengths, 1)
        ends = propagate(events.with_data(np.repeat(scale, lengths).astype(np.float32)), near.astype(np.float32), backend=self.backend_)
        known = lengths > 0
        x, y = ends[known].astype(np.float64), users[known].astype(np.float64)
        x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
        x -= x_mean
        gram = x.T @ x
        gram.flat[:: len(gram) + 1] += _RIDGE * np.trace(gram) / len(gram) + 1e-30
        weights = np.linalg.solve(gram, x.T @ (y - y_mean))
        self.item_sources_ = (near @ weights).astype(np.float32)
        self.user_offset_ = (y_mean - x_mean @ weights).astype(np.float32)

    def _scale(self, length: int) -> float:
        return float(np.sqrt(length + 1) / length)


def _squares(side: Floats) -> float:
    parts = run_blocks(
        lambda start, stop: float(np.einsum("nd,nd->", side[start:stop], side[start:stop], dtype=np.float64)), len(side), 8192
    )
    return float(np.sum(parts))

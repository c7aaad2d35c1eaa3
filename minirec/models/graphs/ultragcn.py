"""UltraGCN: the limit of infinitely many graph convolutions as a constraint on plain embeddings, without message passing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.backend import run_blocks
from ...engine.descent.batches import shuffled
from ...engine.descent.contrast import TILE, observed, unobserved
from ...engine.descent.sgd import Negatives
from ...engine.graph.propagate import normalized, propagate
from ...engine.linalg.svd import basis_size, truncated_svd
from ...engine.nn.autodiff import Tensor
from ...engine.ranking.neighbors import topk_product
from ...engine.sparse import CSR, Floats, Index
from ...options import thread_count
from ..contract.parameters import changed, number, whole
from .embedding import EmbeddingModel, Objective, free_tables

_OFFSET, _LENGTH, _NOISE = 2.2, 1.5, 1e-4  # of the embeddings before training, see `_start`


class Constraints(NamedTuple):
    """beta_ui = users[u] items[i] of the user-item graph (float64, (users,) and (items,)), and omega of the item-item graph, CSR."""

    users: NDArray[np.float64]
    items: NDArray[np.float64]
    omega: CSR


class UltraGCN(EmbeddingModel):
    """score(u, i) = e_u . e_i. Infinitely many convolutions would end where e_u = sum_{i in I_u} beta_ui e_i,
    beta_ui = sqrt((|I_u| + 1) / (|U_i| + 1)) / |I_u|, and so the loss of a sample (u, i) weighs what should be near by beta:

    - beta_ui ln sigma(e_u . e_i) - negative_weight sum_{j not in I_u} q_uj beta_uj ln sigma(-e_u . e_j)
    - item_weight sum_{k in N(i)} omega_ik ln sigma(e_u . e_k)

    omega_ik = G_ik sqrt((g_i + 1) / (g_k + 1)) / g_i, with G = X^T X of the binary X and g its row sums; N(i) are the `neighbors`
    items k with the largest omega_ik. q_uj is proportional to n_j^negative_power and sums to 1. To the mean over the samples of a batch
    comes regularization / 2 times the sum of the squares of all embeddings.
    Mao et al. 2021, "UltraGCN: ultra simplification of graph convolutional networks for recommendation", equations 9 to 15; omega is
    that of the authors' code (xue-pai/UltraGCN), which keeps G's diagonal (so i is mostly one of its own neighbors), where equation 13
    leaves it out; its constants w1 and w3, .000001 for Gowalla and Yelp, are 0 here, w2 and w4 are 1. Weights do not count.

    How the loss is descended is ours. The authors draw 1,500 negatives for each sample; here the sum over j is the expectation of such
    draws, taken over all items, which costs less: a batch is of users with all their events, so each row of scores is made once for
    all samples of a user. The authors begin near zero, where no user differs from another; by the log that they publish for Gowalla
    their model recommends by popularity alone for the first 150 epochs and is best after 634. Here it begins with the directions that
    these epochs find: see `_start`.

    A new user's vector is o + B^T sum_{i in I_u} beta_ui e_i, affine in where convolutions would end. o and B are fitted to the known users
    by ridge regression: trained scores are mostly negative, so that e_u is not near that sum as it is.
    Fit O((users x items + events x neighbors) d) an iteration; memory O((users + items) d + events).
    """

    name = "ultragcn"

    learning_rate: float = changed(default=2e-3, search=(3e-4, 1e-2, "log"))
    regularization: float = number(
        default=2e-7, low=0, high=1e6, search=(1e-8, 1e-6, "log"), doc="See above: the gamma of the authors divided by their batch size."
    )
    batch_size: int = changed(default=256, doc="Users of a step.")
    negative_weight: float = number(default=300.0, low=0, high=1e9, search=(10.0, 1000.0, "log"), doc="Of the sum over the negatives.")
    neighbors: int = whole(default=10, doc="Items k with the largest omega_ik that are drawn to an item i.")
    item_weight: float = number(default=5e-4, low=0, high=1e6, search=(1e-4, 3.0, "log"), doc="Of the term of the item-item graph.")
    patience: int = changed(default=10)

    def estimate_memory(self, dataset: Dataset) -> int:
        """Embeddings, Adam's means and gradients; the SVD; the neighbors; the vectors of a batch, and its scores."""
        rows, batch = dataset.n_users + dataset.n_items, min(self.batch_size, dataset.n_users)
        near = min(self.neighbors, dataset.n_items)
        basis = 4 * basis_size((dataset.n_users, dataset.n_items), self.factors) * dataset.n_items
        tiles = thread_count() * 12 * batch * min(TILE, dataset.n_items)
        return 36 * self.factors * rows + basis + 48 * near * dataset.n_items + (100 + 12 * near) * len(dataset) + tiles

    def _tables(self, events: CSR, rng: np.random.Generator) -> tuple[Mapping[str, Tensor], Callable[[], tuple[Tensor, Tensor]]]:
        return free_tables(*self._start(events, rng))

    def _start(self, events: CSR, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Vectors that the loss would reach after long: one coordinate makes all scores low, the others have what tells users apart.

        The first is _OFFSET for users and -_OFFSET for items. The others are the singular vectors of the normalized adjacency
        matrix but the first, which is popularity, times the roots of the singular values, each user and item scaled to _LENGTH.
        These are the directions in which the loss falls fastest from where all scores are popularity: its gradient there is, but for
        the weights, that matrix times the embeddings. What is left of the coordinates is noise.
        """
        users, items = ((_NOISE * rng.standard_normal((n, self.factors))).astype(np.float32) for n in events.shape)
        users[:, 0] += _OFFSET
        items[:, 0] -= _OFFSET
        adjacency = normalized(events)
        found = truncated_svd(adjacency, min(self.factors, *events.shape), backend=self.backend_, seed=self.seed_)
        values, right = np.sqrt(found.values[1:]).astype(np.float32), found.vectors[:, 1:]
        left = propagate(adjacency, found.vectors, backend=self.backend_)[:, 1:]  # times the values
        for side, vectors in ((users, left / values), (items, right * values)):
            lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
            side[:, 1 : 1 + len(values)] += vectors * (_LENGTH / np.where(lengths > 0, lengths, np.inf))[:, None]
        return users, items

    def _batches(self, events: CSR, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        known, owners = np.flatnonzero(events.counts()), events.row_ids()
        for chosen in shuffled(len(known), self.batch_size, rng):
            inside = np.zeros(events.shape[0], bool)
            inside[known[chosen]] = True
            yield np.flatnonzero(inside[owners])

    def _objective(self, events: CSR, negatives: Negatives) -> Objective:
        constraints, drawn = self._constraints(events), np.diff(negatives.cumulative, prepend=0)

        def objective(
            users: Floats, items: Floats, owners: Index, positives: Index, rng: np.random.Generator
        ) -> tuple[float, tuple[Floats, Floats]]:
            return self._step(constraints, drawn, events, users, items, np.unique(owners))

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
        self, constraints: Constraints, drawn: Floats, events: CSR, users: Floats, items: Floats, batch: Index
    ) -> tuple[float, tuple[Floats, Floats]]:
        """The loss of all events of some users (ascending) and its gradients by the embeddings of all users and items.

        drawn : (items,), in proportion to q.
        """
        kind, x, theirs = users.dtype.type, users[batch], events.rows(batch)
        lengths, owners, beta = theirs.counts(), theirs.row_ids(), constraints.users[batch]
        near = constraints.omega.rows(theirs.indices)
        of = np.append(0, np.cumsum(near.counts()))[theirs.indptr]  # all neighbors of a user's items are one row
        near = CSR(of, near.indices, self.item_weight * near.data.astype(kind), theirs.shape)
        left = drawn.sum() - theirs.sums(drawn[theirs.indices])
        negative = self.negative_weight * beta * lengths / np.maximum(left, 1e-12)
        parts = (
            observed(x, items, theirs.with_data((beta[owners] * constraints.items[theirs.indices]).astype(kind)), self.backend_),
            observed(x, items, near, self.backend_),
            unobserved(x, items, negative.astype(kind), (constraints.items * drawn).astype(kind), theirs),
        )
        by_users, by_items = kind(self.regularization) * users, kind(self.regularization) * items
        for part in parts:
            by_users[batch] += part.users / theirs.nnz
            by_items += part.items / theirs.nnz
        squares = sum(_squares(side) for side in (users, items))
        return sum(part.loss for part in parts) / theirs.nnz + self.regularization / 2 * squares, (by_users, by_items)

    def _store(self, users: Floats, items: Floats, events: CSR) -> None:
        """The embeddings themselves, and the affine map that new users go through: ridge regression over all known users."""
        self.user_factors_, self.item_factors_ = users.copy(), items.copy()
        degrees = np.bincount(events.indices, minlength=events.shape[1])
        self._set_sources(users, items / np.sqrt(degrees + 1)[:, None], events)

    def _scale(self, length: int) -> float:
        return float(np.sqrt(length + 1) / length)


def _squares(side: Floats) -> float:
    parts = run_blocks(
        lambda start, stop: float(np.einsum("nd,nd->", side[start:stop], side[start:stop], dtype=np.float64)), len(side), 8192
    )
    return float(np.sum(parts))

"""Neural collaborative filtering: a generalised dot product, a tower of dense layers, and both together.

He, Liao, Zhang, Nie, Hu & Chua 2017, "Neural collaborative filtering". Of the two it was found that a dot product with tuned
regularisation ranks better than the tower (Rendle et al. 2020, "Neural collaborative filtering vs. matrix factorization revisited").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.ids import Rows
from ...engine.backend import one_blas_thread
from ...engine.nn.dense import dense_layers
from ...engine.nn.optimizers import SGD, Optimizer
from ...engine.ranking.scorers import Scorer, Scores, pairs_by_block
from ...engine.sparse import CSR, Index
from ..contract.explanation import Part
from ..contract.parameters import changed, fitted, number, whole
from ..contract.request import Profiles
from ..forms.fold_in import FoldInFactorModel, FoldInModel
from ..forms.vectors import cosines
from .pair_network import FusedModel, FusedNetwork, Product, Tower

_TILE = 1024  # items that go through the tower at once


class GMF(FusedModel, FoldInFactorModel):
    """Generalized matrix factorization: the logit is h . (p_u * q_i) + b, a dot product with a weight for each coordinate.

    He et al. 2017, "Neural collaborative filtering", section 3.2, equation 11; vectors (h * p_u, b) and (q_i, 1). Trained by binary
    cross-entropy with sampled negatives (equation 7), see `SampledModel`; weights of events are not used. Differences: b is that of the
    authors' code; L2 may be asked for; a batch is of `batch_size` events with their negatives, where the paper counts samples.

    A new user's vector is o + B^T mean_{i in I_u} q_i; o and B are fitted to the known users by ridge regression.
    Fit O(events x (1 + negatives) x d) an iteration; memory O((users + items) d + batch_size (1 + negatives) d + events).
    """

    name = "gmf"
    score_kind = "logit"
    _biases = 1

    def estimate_memory(self, dataset: Dataset) -> int:
        return self._training_memory(dataset, 2 * self.factors, self.factors)

    def _network(self, events: CSR, rng: np.random.Generator) -> FusedNetwork:
        return FusedNetwork(product=Product(*events.shape, self.factors, rng))

    def _store(self, network: FusedNetwork, events: CSR) -> None:
        users, items, embeddings = network.vectors()
        self.user_factors_ = np.column_stack((users, np.full(len(users), network.bias.data[0])))
        self.item_factors_ = np.column_stack((items, np.ones(len(items), np.float32)))
        self._set_sources(self.user_factors_, embeddings, events)


class _TowerModel(FusedModel, FoldInModel):
    """What MLP and NeuMF share: a tower, scored by tiles of items.

    A user's vector is (h * p_u of the product, W_u p_u + b_1 of the tower), an item's (q_i, W_i q_i), the first parts (d) for NeuMF alone.
    """

    score_kind = "logit"

    factors: int = changed(doc='The width of x_L, the "predictive factors"; for NeuMF also the length of p_u and q_i.')
    layers: int = whole(
        default=2,
        high=16,
        search=[1, 2, 3],
        doc="""
            L; x_1 and the embeddings have factors 2^(L-1) numbers, the paper's tower of 32, 16, 8 is factors=8, layers=2, as it
            counts the concatenation.
        """,
    )

    user_parts_: Scores = fitted("users", "parts", per_user=True)  # product + w_1
    item_parts_: Scores = fitted("items", "parts")
    tower_: Scores = fitted("tower")  # W_2, b_2, ..., W_L, b_L, h and b, one after the other
    item_sources_: Scores = fitted("items", "parts")
    user_offset_: Scores = fitted("parts")

    def _widths(self) -> list[int]:
        return [self.factors << halvings for halvings in range(self.layers - 1, -1, -1)]

    def _product_width(self) -> int:
        """The length of the vectors of the product beside the tower."""
        return 0

    def estimate_memory(self, dataset: Dataset) -> int:
        widths = self._widths()
        table = 3 * (widths[0] + self._product_width())
        return self._training_memory(dataset, table, sum(widths) + self._product_width()) + 24 * 3 * widths[0] ** 2

    def _check_shapes(self) -> None:
        d = self._product_width() + self._widths()[0]
        if self.item_parts_.shape[1] != d:
            raise ValueError(f"item_parts_ has vectors of {self.item_parts_.shape[1]} where {d} numbers are expected")
        size = sum((inputs + 1) * outputs for inputs, outputs in pairwise(self._widths())) + self.factors + 1
        if len(self.tower_) != size:
            raise ValueError(f"tower_ has {len(self.tower_)} numbers where {size} are expected")

    def _store(self, network: FusedNetwork, events: CSR) -> None:
        assert network.tower is not None
        self.user_parts_, self.item_parts_, embeddings = network.vectors()
        self.tower_ = np.concatenate((network.tower.above(), network.bias.data))
        self._set_sources(self.user_parts_, embeddings, events)

    def _scorer(self, profiles: Profiles) -> TowerScorer:
        users = self._fold_in(profiles.history) if profiles.rows is None else self.user_parts_[profiles.rows]
        return TowerScorer(users, self.item_parts_, self.tower_, self._widths())

    def _similarity(self, rows: Rows) -> Scorer:
        """Cosines of the items' vectors."""
        return cosines(self, "_kept_units", self.item_parts_, rows)

    def _user_similarity(self, rows: Rows) -> Scorer:
        """Cosines of the users' vectors."""
        return cosines(self, "_kept_user_units", self.user_parts_, rows)

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """Leave-one-out: "without" is what the score loses where an item is left out of the history; "rest": what these do not add up to.

        The layers are not linear, so what two items do together is in no part of theirs, and in the rest. Where a user is known, what was
        learned about the user alone stays.
        """
        history = profiles.history.row(0)[0]
        vector = self._scorer(profiles).users[0].astype(np.float64)
        base = self._new_vector(history)
        others = [vector - base + self._new_vector(np.delete(history, at)) for at in range(len(history))]
        users = np.array([vector, *others], np.float32)
        with one_blas_thread():
            logits = TowerScorer(users, self.item_parts_, self.tower_, self._widths()).of_item(item).astype(np.float64)
        shares = logits[0] - logits[1:]
        parts = [Part("without", name, float(share)) for name, share in zip(self.items_.ids(history), shares, strict=True)]
        return [*parts, Part("rest", self.items_[item], float(logits[0] - shares.sum()))]


class TowerScorer:
    """Logits of a tower, and of a product beside it where the vectors are longer than the tower's first layer.

    users (profiles, d), items (items, d); tower : see `_TowerModel`; widths : of its layers.
    A profile's items go through the layers in tiles that depend on the catalogue alone: so it has the same bits alone and in a batch.
    O(items x widths) for a profile, and memory for a tile.
    """

    def __init__(self, users: Scores, items: Scores, tower: Scores, widths: Sequence[int]) -> None:
        self.users, self.items, self.product = users, items, items.shape[1] - widths[0]
        self.layers, rest = dense_layers(tower, widths)
        self.top, self.bias = rest[:-1], rest[-1]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.users), len(self.items)

    def block(self, start: int, stop: int) -> Scores:
        out = np.empty((stop - start, len(self.items)), np.float32)
        with one_blas_thread():
            for user, row in zip(self.users[start:stop], out, strict=True):
                for first in range(0, len(row), _TILE):
                    row[first : first + _TILE] = self._logits(user, self.items[first : first + _TILE])
        return out

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)

    def of_item(self, item: int) -> Scores:
        """Logits of one item for all profiles, not to the last bit those of `block`."""
        return self._logits(self.items[item], self.users)

    def _logits(self, one: Scores, many: Scores) -> Scores:
        """Of one vector with many (n, d) of the other side: they are added and multiplied, so it does not matter which is which."""
        x: Any = many[:, self.product :] + one[self.product :]
        np.maximum(x, 0, out=x)
        for weight, bias in self.layers:
            x = np.matmul(x, weight)
            x += bias
            np.maximum(x, 0, out=x)
        logits: Scores = x @ self.top
        if self.product:
            logits += many[:, : self.product] @ one[: self.product]
        logits += self.bias
        return logits


class MLP(_TowerModel):
    """The logit is h . x_L + b, where x_1 = relu(W_1 (p_u, q_i) + b_1), ..., x_L = relu(W_L x_(L-1) + b_L), each layer half as wide.

    He et al. 2017, "Neural collaborative filtering", section 3.3, equation 10. Trained as `GMF` is, with the same differences.

    A new user's W_u p_u + b_1 is o + B^T mean_{i in I_u} q_i; o and B are fitted to the known users by ridge regression. Explanations
    are leave-one-out.
    Fit O(events x (1 + negatives) x w^2), w being the width of x_1; memory O((users + items) w + batch_size (1 + negatives) w + events).
    Scoring all items for a user takes O(items w^2).
    """

    name = "mlp"

    def _network(self, events: CSR, rng: np.random.Generator) -> FusedNetwork:
        return FusedNetwork(tower=Tower(*events.shape, self._widths(), rng))


class NeuMF(_TowerModel):
    """Neural matrix factorization: GMF and MLP with embeddings of their own, and one last layer over both.

    The logit is h . (p_u * q_i, x_L) + b, with x_L as in `MLP`. He et al. 2017, "Neural collaborative filtering", section 3.4,
    equation 12; as the last layer is linear, it is the sum of the logits of the two. Trained as `GMF` is, with the same differences.

    New users, explanations and scoring: as in `MLP`; a new user's vectors h * p_u and W_u p_u + b_1 are fitted together.
    Time and memory are those of GMF and MLP together, plus pretraining.
    """

    name = "neumf"

    pretraining: int = whole(
        default=0,
        low=0,
        high=100_000,
        search=[0, 5, 10],
        doc="""
            Iterations of GMF and of MLP, each by itself, to begin from: their embeddings and layers are taken over, and h is alpha
            times the one and 1 - alpha times the other (equation 13). 0: none. After pretraining the paper goes on by plain SGD,
            because Adam's momenta are not kept, and so does this: with the same learning rate, which moves little.
        """,
    )
    alpha: float = number(default=0.5, low=0, high=1, doc="Share of GMF in h after pretraining.")

    def _product_width(self) -> int:
        return self.factors

    def _network(self, events: CSR, rng: np.random.Generator) -> FusedNetwork:
        product, tower = Product(*events.shape, self.factors, rng), Tower(*events.shape, self._widths(), rng)
        fused = FusedNetwork(product, tower)
        if self.pretraining:
            for alone, share in ((FusedNetwork(product=product), self.alpha), (FusedNetwork(tower=tower), 1 - self.alpha)):
                _exhaust(self._descend(alone, events, self.pretraining, rng))
                top = alone.halves[0].top()
                top *= np.float32(share)
                fused.bias.data += np.float32(share) * alone.bias.data
        return fused

    def _optimizer(self, network: FusedNetwork) -> Optimizer:
        fused = len(network.halves) > 1
        return SGD(network.parameters(), self.learning_rate) if fused and self.pretraining else super()._optimizer(network)


def _exhaust(losses: Iterator[float]) -> None:
    for _ in losses:
        pass

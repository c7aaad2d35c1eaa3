"""Random walks of three steps on the graph of users and items: P3alpha, and RP3beta that takes popularity back."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.ranking.neighbors import topk_product, topk_rows
from ...engine.sparse import CSR
from ...errors import DataError
from ..contract.monitor import Monitor
from ..contract.parameters import choice, flag, number, whole
from ..forms.item_weights import LinearModel


class P3alpha(LinearModel):
    """Walks user -> item -> user -> item, every step raised to a power.

    score(u, j) = sum_i p_ui^alpha sum_v p_iv^alpha p_vj^alpha,  with p_ui = 1 / d_u and p_iv = 1 / d_i where user and item have met,
    else 0; d is the number of items of a user, or of users of an item. The part from i to j is the weight

        W_ij = (sum_{v has i and j} d_v^-alpha) / d_i^alpha,   i != j.

    With use_weights the probabilities are p_ui = w_ui / d_u and p_iv = w_vi / d_i, d the sums of the weights w of a user or an item.

    Cooper et al. 2014, "Random walks in recommender systems: exact computation and simulations". As in Ferrari
    Dacrema et al. 2021 ("A troubling analysis of reproducibility and progress in recommender systems research") a walk does not
    end where its second step was, and only the largest weights are kept. Their figures are those of neighbors_of="both".

    Time O(sum of the squared lengths of the users' histories), memory O(items x neighbors).
    """

    name = "p3alpha"

    alpha: float = number(
        default=1.0,
        low=0,
        high=10,
        search=(0.2, 1.6, "linear"),
        doc="Power of the transition probabilities; 1 for the plain walk.",
    )
    neighbors: int = whole(default=100, search=(20, 1000, "int"), doc="Weights kept for each item; of equal ones those of the lower rows.")
    neighbors_of: Literal["source", "both"] = choice(
        default="source",
        search=["source", "both"],
        doc="""
            "source": the largest of each row i, an item of the history; "both": and of these the largest of each column j, an item
            to recommend.
        """,
    )
    use_weights: bool = flag(
        default=False,
        doc="Transition probabilities in proportion to the summed weights of events, all above 0, in place of equal ones.",
    )
    normalize: bool = flag(default=False, search=[False, True], doc="Scale each row, once cut, to a sum of 1; columns are cut after that.")

    def estimate_memory(self, dataset: Dataset) -> int:
        return 48 * dataset.n_items * min(self.neighbors, dataset.n_items) + 64 * len(dataset)

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        x, n = self._edges(train.matrix), train.n_items
        popularity = train.item_counts.astype(np.float64)
        step, strength = x.sums(x.data) ** -float(self.alpha), np.bincount(x.indices, x.data, n).astype(np.float64)  # d_v^-alpha, d_i
        if self.use_weights:
            x = x.with_data(x.data ** np.float32(self.alpha))
        xt = x.transpose()
        weights = topk_product(
            xt.with_data((xt.data * step[xt.indices]).astype(np.float32)),
            x,
            self.neighbors,
            self.backend_,
            row_scale=strength**self.alpha,
            column_scale=self._end_scale(popularity),
            left_out=np.arange(n, dtype=np.int32),
        )
        if self.normalize:
            sums = weights.sums(weights.data)
            weights = weights.with_data((weights.data / np.repeat(sums, weights.counts())).astype(np.float32))
        if self.neighbors_of == "both":
            weights = topk_rows(weights.transpose(), self.neighbors, self.backend_).transpose()
        self.weights_ = weights

    def _end_scale(self, popularity: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the weights to each item are divided by."""
        return np.ones_like(popularity)

    def _values(self, history: CSR) -> CSR:
        """p_ui^alpha: equal for all items of a user, so that the score is that of the walk; the ranking does not need it."""
        edges = self._edges(history)
        step = np.where(edges.counts() > 0, edges.sums(edges.data), 1) ** -float(self.alpha)
        return edges.with_data((edges.data ** np.float32(self.alpha) * np.repeat(step, edges.counts())).astype(np.float32))

    def _edges(self, matrix: CSR) -> CSR:
        """The events as edges of the graph, with their weights or ones."""
        if not self.use_weights:
            return matrix.binary()
        if not (matrix.data > 0).all():
            raise DataError(f"{type(self).__name__} with use_weights=True needs weights above 0: they are shares of probabilities")
        return matrix


class RP3beta(P3alpha):
    """`P3alpha` with every score divided by a power of the item's popularity: score(u, j) / d_j^beta, so W_ij / d_j^beta.

    Paudel et al. 2017, "Updatable, accurate, diverse, and scalable recommendations for interactive applications".
    The division comes before the largest weights are chosen, and before `normalize`.
    """

    name = "rp3beta"

    beta: float = number(
        default=0.6,
        low=0,
        high=10,
        search=(0.0, 1.0, "linear"),
        doc="The knob of the tail: the larger, the less popular the items recommended; 0 is P3alpha.",
    )

    def _end_scale(self, popularity: NDArray[np.float64]) -> NDArray[np.float64]:
        scale: NDArray[np.float64] = popularity**self.beta
        return scale

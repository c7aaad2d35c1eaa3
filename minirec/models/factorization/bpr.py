"""Learning to rank from pairs of an item that the user has and one that the user has not: BPR and WARP."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from ...data.dataset import Dataset
from ...engine.backend import kernel
from ...engine.descent.losses import rank_weights, sigmoid
from ...engine.descent.sgd import DRAWS, Batch, Fill, Held, Negatives, Side
from ...engine.ranking.scorers import Scores
from ...engine.sparse import CSR, Floats, Index
from ..contract.monitor import Monitor
from ..contract.parameters import changed, fitted, number, whole
from ..forms.descent import DescentModel, Vector, panel, without


class PairwiseModel(DescentModel):
    """score(u, i) = p_u . q_i + b_i, learned from triples (u, i, j): u has i and has not j. Vectors (p_u, 1) and (q_i, b_i)."""

    _biases = 1

    _panel: ClassVar[int]  # items that stand for the negatives of a new user

    negative_power: float = number(
        default=0.0,
        low=-10,
        high=10,
        search=(0.0, 1.0, "linear"),
        doc="""
            A negative j is drawn with probability proportional to n_j^negative_power, among the items that u has not: 0 is uniform,
            1 goes by popularity, which holds popular items back and lifts the tail.
        """,
    )

    negatives_: Scores = fitted("items")  # the probability of each item to be drawn as a negative

    def _check_shapes(self) -> None:
        super()._check_shapes()
        if not (self.negatives_ >= 0).all() or not self.negatives_.sum() > 0:
            raise ValueError("negatives_ is no distribution over the items")

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        held, negatives = Held.of(train.matrix), Negatives.powered(train.item_counts, self.negative_power)
        self.negatives_ = np.diff(negatives.cumulative, prepend=0).astype(np.float32)

        def prepare(batch: Batch, users: Side, items: Side) -> Fill:
            return self._fill(batch, users, items, held, negatives)

        self._iterate(train.matrix, prepare, self._store, monitor)

    def _width(self) -> int:
        return 2

    @abstractmethod
    def _fill(self, batch: Batch, users: Side, items: Side, held: Held, negatives: Negatives) -> Fill:
        """What writes the entries of a batch."""

    def _store(self, users: Side, items: Side) -> None:
        self.user_factors_ = np.column_stack((users.vectors, np.ones(len(users.bias), np.float32)))
        self.item_factors_ = np.column_stack((items.vectors, items.bias))

    def _fold_in(self, history: CSR) -> Scores:
        out = np.zeros((history.shape[0], self.item_factors_.shape[1]), np.float32)
        out[:, -1] = 1
        items, weights = panel(self.negatives_, self._panel)
        for row in range(history.shape[0]):
            liked = history.row(row)[0]
            others, shares = without(items, weights, liked)
            if len(liked) and len(others):
                q, b = self._split(liked)
                q_other, b_other = self._split(others)
                out[row, :-1] = self._vector(q, b, q_other, b_other, shares)
        return out

    def _split(self, items: Index) -> tuple[Vector, Vector]:
        rows = self.item_factors_[items].astype(np.float64)
        return rows[:, :-1], rows[:, -1]

    @abstractmethod
    def _vector(self, q: Vector, b: Vector, q_other: Vector, b_other: Vector, shares: Vector) -> Vector:
        """The vector of a user who has the items q (n, d) with biases b (n,), the negatives being others with their shares."""


class BPR(PairwiseModel):
    """Bayesian personalized ranking with a factor model.

    Each sample (u, i, j) lowers -ln sigma(x_uij) + lambda/2 (|p_u|^2 + |q_i|^2 + |q_j|^2 + b_i^2 + b_j^2), with
    x_uij = p_u . (q_i - q_j) + b_i - b_j:  with e = sigma(-x_uij),
    p_u += eta (e (q_i - q_j) - lambda p_u),  q_i += eta (e p_u - lambda q_i),  q_j += eta (-e p_u - lambda q_j).

    Rendle, Freudenthaler, Gantner & Schmidt-Thieme 2009, "BPR: Bayesian personalized ranking from implicit feedback", section 4.
    Differences: an iteration takes each pair of user and item once, in random order, where the paper draws them with replacement;
    the updates of a mini-batch are summed, and eta is AdaGrad's (see `DescentModel`), so training is reproducible on any number
    of threads. Weights of events are not used.

    A new user's vector is fitted to the same loss with the item vectors fixed, by as many full-gradient steps as reach as far as
    training does; its expectation over j is exact up to 256 items, above that it is taken on 256 quantiles of the distribution of
    negatives. O(|I_u| 256 + (|I_u| + 256) d) a step.
    Fit O(events x d) an iteration; memory O((users + items) d + events).
    """

    name = "bpr"
    _panel = 256

    def _fill(self, batch: Batch, users: Side, items: Side, held: Held, negatives: Negatives) -> Fill:
        entries = kernel("bpr_entries", self.backend_)

        def fill(start: int, stop: int, columns: Index, pulls: Floats) -> None:
            entries(
                start, stop, batch.key, DRAWS, batch.users, batch.items, *held, *negatives,
                users.vectors, items.vectors, items.bias, columns, pulls,
            )  # fmt: skip

        return fill

    def _vector(self, q: Vector, b: Vector, q_other: Vector, b_other: Vector, shares: Vector) -> Vector:
        def gradient(p: Vector) -> Vector:
            pull = sigmoid((q_other @ p + b_other) - (q @ p + b)[:, None]) * shares
            along: Vector = pull.sum(axis=1) @ q - pull.sum(axis=0) @ q_other - self.regularization * len(q) * p
            return along

        return self._as_trained(gradient, len(q), q.shape[1])


class WARP(PairwiseModel):
    """Weighted approximate-rank pairwise loss: the pairwise hinge, weighted by how far down the positive is ranked.

    For each pair (u, i), items j that u has not are drawn until one comes within the margin, x_uij < 1 (x as in `BPR`). After N
    draws the rank of i is estimated as floor((|I| - 1) / N), and the sample lowers
    L(rank) max(0, 1 - x_uij) + lambda/2 (|p_u|^2 + |q_i|^2 + |q_j|^2 + b_i^2 + b_j^2), with L(k) = sum_{s=1..k} 1/s. Where
    `max_trials` draws all keep the margin nothing happens. So the top of the list counts most.

    Weston, Bengio & Usunier 2011, "WSABIE: scaling up to large vocabulary image annotation", section 3, equations 2 to 6.
    Differences: an L2 penalty in place of a bound on the norms, item biases, a limit of the trials, mini-batches and AdaGrad as in
    `BPR`. Weights of events are not used.

    A new user's vector is fitted as in `BPR`, by the expected update over all draws, exact up to 4,096 items, above that on 4,096
    quantiles of the distribution of negatives. O((|I_u| + 4,096) d + |I_u| max_trials) a step.
    Fit O(events x d x trials needed) an iteration, which grows as the model fits; memory O((users + items) d + events).
    """

    name = "warp"
    _panel = 4096

    learning_rate: float = changed(default=0.05, search=(0.01, 0.2, "log"))
    regularization: float = changed(
        default=0.3, search=(0.02, 1.0, "log"), doc="lambda; the loss of a sample is about ten times that of BPR, so is a good lambda."
    )
    iterations: int = changed(default=15, search=(5, 50, "int"))
    max_trials: int = whole(
        default=30, high=1000, search=(5, 100, "int"), doc="Draws a sample; more of them refine the top of the list, and take time."
    )

    def _fill(self, batch: Batch, users: Side, items: Side, held: Held, negatives: Negatives) -> Fill:
        entries, ranks, draws = kernel("warp_entries", self.backend_), rank_weights(len(self.items_)), self.max_trials + DRAWS

        def fill(start: int, stop: int, columns: Index, pulls: Floats) -> None:
            entries(
                start, stop, batch.key, draws, self.max_trials, ranks, batch.users, batch.items, *held, *negatives,
                users.vectors, items.vectors, items.bias, columns, pulls,
            )  # fmt: skip

        return fill

    def _vector(self, q: Vector, b: Vector, q_other: Vector, b_other: Vector, shares: Vector) -> Vector:
        trials = np.arange(1, self.max_trials + 1)
        weights = rank_weights(len(self.items_)).astype(np.float64)[(len(self.items_) - 1) // trials]

        def gradient(p: Vector) -> Vector:
            own, other = q @ p + b - 1, q_other @ p + b_other
            order = np.argsort(other)
            above = np.append(np.cumsum(shares[order][::-1])[::-1], 0)
            chance = np.minimum(above[np.searchsorted(other[order], own, side="right")], 1)  # that one draw is within the margin
            nth = (1 - chance)[:, None] ** (trials - 1)  # that the first N - 1 draws are not
            each = nth @ weights  # the expected pull of i towards each j within its margin is each_i share_j
            order = np.argsort(own)
            below = np.append(0, np.cumsum(each[order]))
            pull = shares * below[np.searchsorted(own[order], other, side="left")]
            found = 1 - (1 - chance) ** self.max_trials
            along: Vector = (each * chance) @ q - pull @ q_other - self.regularization * found.sum() * p
            return along

        return self._as_trained(gradient, len(q), q.shape[1])

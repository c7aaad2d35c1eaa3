"""Logistic matrix factorization: the probability that a user takes an item."""

from __future__ import annotations

import numpy as np

from ...data.dataset import Dataset
from ...engine.backend import kernel
from ...engine.descent.losses import logistic
from ...engine.descent.sgd import DRAWS, Batch, Fill, Held, Negatives, Side
from ...engine.ranking.scorers import Scores
from ...engine.sparse import CSR, Floats, Index
from ...errors import DataError
from ..contract.monitor import Monitor
from ..contract.parameters import changed, number, whole
from ..forms.descent import DescentModel, Vector, panel, without

PANEL = 1024  # items that stand for the zeros of a new user


class LogisticMF(DescentModel):
    """Logistic matrix factorization: score(u, i) = p_u . q_i + b_u + b_i is the log odds that u takes i.

    Each sample, a pair (u, i) of the data with m items j that u has not, lowers, with c = alpha r_ui,
    (1 + c) ln(1 + e^x_ui) - c x_ui + sum_j ln(1 + e^x_uj) + lambda/2 (|p_u|^2 + b_u^2 + |q_i|^2 + b_i^2 + sum_j (|q_j|^2 + b_j^2)).

    Johnson 2014, "Logistic matrix factorization for implicit feedback data", equations 4 to 6. Differences: the paper sums over all
    zeros, and proposes to sample fewer of them for speed; here every positive brings m = `negatives` of them, drawn uniformly and
    anew in each iteration, so that a zero of u weighs m |I_u| / (|I| - |I_u|) on average (1 in the full sum); the paper alternates
    full-gradient steps of all users and of all items, here both sides move in mini-batches. Both use AdaGrad. Vectors
    (p_u, b_u, 1) and (q_i, 1, b_i).

    Weights r of events must not be negative. A new user's p and b are fitted to the same loss with the items fixed, by as many
    full-gradient steps as reach as far as training does; the zeros are all others, in a catalogue of more than 1,024 items a sample
    of that size. O((|I_u| + 1,024) d) a step. Fit O(events x negatives x d) an iteration.
    """

    name = "logisticmf"
    score_kind = "logit"
    _biases = 2

    alpha: float = number(default=1.0, above=0, high=1e6, search=(0.1, 10.0, "log"), doc="Weight of an event.")
    regularization: float = changed(default=0.02)
    iterations: int = changed(default=15, search=(5, 50, "int"))
    negatives: int = whole(default=10, high=10_000, search=(2, 30, "int"), doc="m; more of them take time in proportion, and rank better.")

    def _width(self) -> int:
        return 1 + self.negatives

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        x = train.matrix
        if (x.data < 0).any():
            raise DataError(f"LogisticMF needs weights that are not negative, and {train.name!r} has some: drop those events")
        confidence = (self.alpha * x.data).astype(np.float32)
        held, uniform = Held.of(x), Negatives.powered(train.item_counts, 0)
        entries = kernel("logistic_entries", self.backend_)

        def prepare(batch: Batch, users: Side, items: Side) -> Fill:
            own = confidence[batch.samples]

            def fill(start: int, stop: int, columns: Index, pulls: Floats) -> None:
                entries(
                    start, stop, batch.key, DRAWS, batch.users, batch.items, own, *held, *uniform,
                    users.vectors, users.bias, items.vectors, items.bias, columns, pulls,
                )  # fmt: skip

            return fill

        self._iterate(x, prepare, self._store, monitor)

    def _store(self, users: Side, items: Side) -> None:
        one = np.ones(max(len(users.bias), len(items.bias)), np.float32)
        self.user_factors_ = np.column_stack((users.vectors, users.bias, one[: len(users.bias)]))
        self.item_factors_ = np.column_stack((items.vectors, one[: len(items.bias)], items.bias))

    def _fold_in(self, history: CSR) -> Scores:
        out = np.zeros((history.shape[0], self.item_factors_.shape[1]), np.float32)
        out[:, -1] = 1
        items, weights = panel(np.ones(len(self.items_), np.float32), PANEL)
        for row in range(history.shape[0]):
            liked, confidence = history.row(row)
            if len(liked):
                others, shares = without(items, weights, liked)
                out[row, :-1] = self._vector(liked, np.maximum(confidence, 0) * self.alpha, others, shares)
        return out

    def _vector(self, liked: Index, confidence: Floats, others: Index, shares: Vector) -> Vector:
        rows = self.item_factors_[np.concatenate((liked, others))].astype(np.float64)
        q, b = rows[:, :-1], rows[:, -1]
        weight = np.concatenate((np.ones(len(liked)), self.negatives * len(liked) * shares))
        c = np.concatenate((confidence.astype(np.float64), np.zeros(len(others))))

        def gradient(p: Vector) -> Vector:
            along: Vector = (weight * logistic(q @ p + b, c)[1]) @ q - self.regularization * len(liked) * p
            return along

        return self._as_trained(gradient, len(liked), q.shape[1], bias=True)

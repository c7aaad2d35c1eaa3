"""Factorization machines: users, items and what is known about them, all as features with vectors that meet in pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.nn.autodiff import Tensor, matmul
from ...engine.nn.criteria import bpr
from ...engine.nn.functional import embedding, propagate, where
from ...engine.nn.modules import Embedding, Module
from ...engine.ranking.scorers import Scores
from ...engine.sparse import CSR, Floats, Index
from ...errors import DataError
from ..contract.monitor import Monitor
from ..contract.parameters import changed, choice, flag
from ..forms.fold_in import FoldInFactorModel
from ..forms.pair_training import PairNetwork, SampledModel

_SCALE = 0.01  # deviation of the vectors before training


class SideNetwork(Module, ABC):
    """The part of one side, users or items."""

    @abstractmethod
    def __call__(self, rows: Index) -> tuple[Tensor, Tensor, list[Tensor]]:
        """s (n, d) and b (n, 1) of these rows, distinct, and the parameters that they were computed from."""


class SideFactors(SideNetwork):
    """An own vector and weight for each row, and those of its features.

    features : CSR (rows, features), of the side's rows.
    """

    def __init__(self, features: CSR, factors: int, rng: np.random.Generator) -> None:
        rows, count = features.shape
        self.own, self.own_weight = Embedding(rows, factors, rng, _SCALE), Tensor(np.zeros((rows, 1), np.float32), requires_grad=True)
        self.vectors, self.weights = Embedding(count, factors, rng, _SCALE), Tensor(np.zeros((count, 1), np.float32), requires_grad=True)
        self._features = features

    def __call__(self, rows: Index) -> tuple[Tensor, Tensor, list[Tensor]]:
        """s = sum_f x_f v_f;  b = sum_f w_f x_f + 1/2 (|s|^2 - sum_f x_f^2 |v_f|^2)."""
        own, linear = embedding(self.own.weight, rows), embedding(self.own_weight, rows)
        if not self._features.shape[1]:  # the row's own feature is alone, and in no pair on its side
            return own, linear, [own, linear]
        table = self.vectors.weight
        chosen = self._features.rows(rows)
        chosen = chosen.with_data(chosen.data.astype(table.dtype))
        squared = chosen.with_data(chosen.data**2)
        back, back_squared = chosen.transpose(), squared.transpose()
        of_features = propagate(chosen, back, table)
        lengths = propagate(squared, back_squared, (table * table).sum(axis=1, keepdims=True))
        # the own feature has value 1, and its vector o: (|s + o|^2 - |o|^2 - sum x^2 |v|^2) / 2 = s . o + (|s|^2 - sum x^2 |v|^2) / 2
        inner = (of_features * (own + of_features * 0.5)).sum(axis=1, keepdims=True) - lengths * 0.5
        return own + of_features, linear + propagate(chosen, back, self.weights) + inner, [own, linear, table, self.weights]


class MachineNetwork(PairNetwork):
    """The sum over all pairs of features of a user and an item, by sides: s_u . s_i + b_u + b_i + w_0.

    pairwise : leave out b_u and w_0, which cancel out of differences: rounding would leave gradients for Adam to blow up.
    """

    def __init__(self, users: SideNetwork, items: SideNetwork, pairwise: bool = False) -> None:
        self.users, self.items = users, items
        self.bias = Tensor(np.zeros(1, np.float32), requires_grad=True)  # w_0
        self._pairwise = pairwise

    def __call__(self, users: Index, items: Index) -> tuple[Tensor, Callable[[], list[Tensor]]]:
        (user_rows, u), (item_rows, i) = (np.unique(rows, return_inverse=True) for rows in (users, items))
        (s, b, by_users), (t, c, by_items) = self.users(user_rows), self.items(item_rows)
        u, i = u.reshape(-1, 1), i.reshape(items.shape)
        product = matmul(embedding(t, i), embedding(s, u).transpose(0, 2, 1)).reshape(*items.shape)
        logits = product + embedding(c, i).reshape(*items.shape)
        if not self._pairwise:
            logits = logits + embedding(b, u).reshape(-1, 1) + self.bias
        return logits, lambda: by_users + by_items

    def vectors(self, shape: tuple[int, int]) -> tuple[Scores, Scores]:
        """(s, b + w_0, 1) of all users and (s, 1, b) of all items, whose products are the logits."""
        (s, b, _), (t, c, _) = (side(np.arange(n, dtype=np.int32)) for side, n in zip((self.users, self.items), shape, strict=True))
        ones = np.ones_like(b.data), np.ones_like(c.data)
        return np.concatenate((s.data, b.data + self.bias.data, ones[0]), axis=1), np.concatenate((t.data, ones[1], c.data), axis=1)


class FactorizationMachine(SampledModel[MachineNetwork], FoldInFactorModel):
    """score = w_0 + sum_f w_f x_f + sum_{f < g} (v_f . v_g) x_f x_g over the features x of a user and an item together.

    Features are who the user is, which the item is, and, with `use_features`, the columns of the data set's `user_features` and
    `item_features`: numbers as they are (scale them to about 1 before; missing ones are 0), vectors by coordinate, texts one-hot,
    but for those that a single row has, which say no more than its id, and "" for missing ones.

    Rendle 2010, "Factorization machines", equation 1. The pairs are summed in linear time by lemma 3.1,
    sum_{f < g} (v_f . v_g) x_f x_g = (|sum_f x_f v_f|^2 - sum_f x_f^2 |v_f|^2) / 2. Split into the features U of the user and I of the
    item, with s = sum_f x_f v_f over a side, |s_U + s_I|^2 = |s_U|^2 + 2 s_U . s_I + |s_I|^2, so that the score is s_U . s_I + b_U + b_I
    + w_0, where b = sum_f w_f x_f + (|s|^2 - sum_f x_f^2 |v_f|^2) / 2 over a side: vectors (s_U, b_U + w_0, 1) and (s_I, 1, b_I).

    Differences: implicit feedback, by `loss`: "bpr", the mean of -ln sigma(x_ui - x_uj) over sampled negatives j (w_0 and the user's w
    cancel out and stay 0), or "bce", see `SampledModel`; Adam. Weights of events are not used.

    A new user's vector is o + B^T mean_{i in I_u} s_i; o and B are fitted to the known users by ridge regression, since a history does
    not tell a user's features.
    Fit O((events x (1 + negatives) + batches x values of features) d) an iteration; memory O((users + items + features) d + events).
    """

    name = "fm"
    _biases = 2

    loss: Literal["bpr", "bce"] = choice(default="bpr", search=["bpr", "bce"], doc="See above.")
    use_features: bool = flag(default=True, doc="False: users and items alone, a factor model with biases.")
    learning_rate: float = changed(default=3e-3)
    regularization: float = changed(
        default=0.01, search=(1e-4, 1.0, "log"), doc="Of rows of users and items as in `SampledModel`, and of all features in each batch."
    )
    negatives: int = changed(search=(1, 10, "int"))

    def estimate_memory(self, dataset: Dataset) -> int:
        columns = [*dataset.user_features.values(), *dataset.item_features.values()] if self.use_features else []
        return self._training_memory(dataset, 2 * self.factors, self.factors) + sum(100 * column.size for column in columns)

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        if self.use_features:
            self._sides = feature_matrix(train.user_features, train.n_users), feature_matrix(train.item_features, train.n_items)
        else:
            self._sides = feature_matrix({}, train.n_users), feature_matrix({}, train.n_items)
        try:
            super()._fit(train, monitor)
        finally:
            del self._sides  # of the training alone

    def _network(self, events: CSR, rng: np.random.Generator) -> MachineNetwork:
        users, items = (SideFactors(features, self.factors, rng) for features in self._sides)
        return MachineNetwork(users, items, pairwise=self.loss == "bpr")

    def _loss(self, logits: Tensor, missing: NDArray[np.bool_]) -> Tensor:
        if self.loss == "bce":
            return super()._loss(logits, missing)
        positive = logits[:, 0]
        return bpr(positive, where(~missing, logits[:, 1:], -np.inf))

    def _store(self, network: MachineNetwork, events: CSR) -> None:
        self.user_factors_, self.item_factors_ = network.vectors(events.shape)
        self._set_sources(self.user_factors_, self.item_factors_[:, : self.factors], events)


def feature_matrix(columns: Mapping[str, NDArray[Any]], rows: int) -> CSR:
    """Columns of features as one matrix (rows, features), as `FactorizationMachine` reads them. Raises DataError for other kinds."""
    blocks: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]] = []
    width = 0
    for name, column in columns.items():
        values = np.asarray(column)
        if values.dtype.kind in "biuf" and values.ndim <= 2:
            numbers = np.nan_to_num(values.reshape(rows, -1).astype(np.float32), nan=0.0, posinf=np.inf, neginf=-np.inf)
            if not np.isfinite(numbers).all():
                raise DataError(f"feature {name!r} has numbers that are not finite, or too large for float32")
            at, which = np.nonzero(numbers)
            blocks.append((at, which + width, numbers[at, which]))
            width += numbers.shape[1]
        elif values.ndim == 1:
            texts, which, counts = np.unique(values.astype(str), return_inverse=True, return_counts=True)
            kept = (counts > 1) & (texts != "")
            at = np.flatnonzero(kept[which])
            blocks.append((at, (np.cumsum(kept) - 1)[which[at]] + width, np.ones(len(at), np.float32)))
            width += int(kept.sum())
        else:
            raise DataError(f"feature {name!r} of type {values.dtype} and shape {values.shape} is neither numbers nor texts")
    if not blocks:
        return CSR.empty(rows, 0)
    at, which, numbers = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return CSR.from_pairs(at, which, numbers, (rows, width))

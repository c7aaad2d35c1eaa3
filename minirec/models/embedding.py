"""What LightGCN and UltraGCN share: embeddings trained by Adam, stopped on held-out events; new users are sums over their history."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..data.splits import split
from ..engine.autodiff import Tensor
from ..engine.optimizers import Adam
from ..engine.scorers import Scores, VectorScorer
from ..engine.sgd import Negatives
from ..engine.sparse import CSR, Floats, Index
from ..engine.topk import Filters
from ..errors import DataError
from .base import Monitor, Part
from .checks import number, whole
from .factor import FactorModel
from .request import Profiles
from .stopping import mean_ndcg, rows_in

_LENGTH = 20  # of the lists that decide when to stop
# (embeddings of users and items, users of the samples ascending, their positives, chance) -> mean loss, gradients by the embeddings
Objective: TypeAlias = Callable[[Floats, Floats, Index, Index, np.random.Generator], tuple[float, tuple[Floats, Floats]]]


class EmbeddingModel(FactorModel):
    """score(u, i) = p_u . q_i; p_u is o + scale(|I_u|) sum_{j in I_u} s_j, plus what was learned about u alone where u is known.

    An iteration takes each pair of user and item once, in batches at random, and moves by Adam.

    With `validation_share` above 0 that share of the events is held out: the latest ones where events have times, else a random part of
    each user's. Training on the rest stops once their NDCG@20 has not risen for `patience` iterations; then the model is trained again,
    from the start and on all events, for as many iterations as were best. With 0, or where nothing can be held out, all iterations are
    taken at once.
    """

    _state: ClassVar[tuple[str, ...]] = ("user_factors_", "item_factors_", "item_sources_", "user_offset_")

    item_sources_: Scores  # s, float32 (items, d)
    user_offset_: Scores  # o, float32 (d,)

    factors: int
    learning_rate: float
    regularization: float
    negative_power: float
    batch_size: int
    iterations: int
    validation_share: float
    patience: int
    seed: int

    def _check(self) -> None:
        for name in ("factors", "batch_size", "iterations", "patience"):
            whole(name, getattr(self, name))
        whole("seed", self.seed, 0)
        number("learning_rate", self.learning_rate, above=0)
        number("regularization", self.regularization, low=0)
        number("negative_power", self.negative_power)
        number("validation_share", self.validation_share, low=0, high=0.5)

    def _check_shapes(self) -> None:
        super()._check_shapes()
        if self.item_sources_.shape != self.item_factors_.shape or self.item_sources_.dtype != np.float32:
            raise ValueError(f"item_sources_ has shape {self.item_sources_.shape} for item vectors of {self.item_factors_.shape}")
        if self.user_offset_.shape != self.item_factors_.shape[1:] or self.user_offset_.dtype != np.float32:
            raise ValueError(f"user_offset_ has shape {self.user_offset_.shape} for item vectors of {self.item_factors_.shape}")

    @abstractmethod
    def _start(self, events: CSR, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """The embeddings of users and items to begin with, float32."""

    @abstractmethod
    def _batches(self, events: CSR, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """The events of each batch of an iteration, by their places; ascending."""

    @abstractmethod
    def _objective(self, events: CSR, negatives: Negatives) -> Objective:
        """The loss to descend on these events, a binary matrix."""

    @abstractmethod
    def _store(self, users: Floats, items: Floats, events: CSR) -> None:
        """Set the vectors of the model from embeddings that were trained on these events."""

    @abstractmethod
    def _scale(self, length: int) -> float:
        """What the sum over a history of so many items is multiplied by."""

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        iterations, before = self.iterations, 0
        inner, held_out = self._hold_out(train)
        if held_out is not None:
            best, before = 0.0, 0
            for record in self._train(inner, self.iterations):
                before += 1
                ndcg = record["held_out_ndcg@20"] = self._ndcg(inner, held_out)
                if before == 1 or ndcg > best:
                    best, iterations = ndcg, before
                if monitor.step(before, 2 * self.iterations, **record):
                    return
                if before - iterations >= self.patience:
                    break
        for done, record in enumerate(self._train(train.binary, iterations), before + 1):
            if monitor.step(done, before + iterations, **record):
                break

    def _train(self, events: CSR, iterations: int) -> Iterator[dict[str, float]]:
        """Learn from these events; after each iteration the vectors are those of the model, and its record is given."""
        rng = np.random.default_rng(self.seed)
        users, items = self._start(events, rng)
        tables, owners = {"users": Tensor(users), "items": Tensor(items)}, events.row_ids().astype(np.int32)
        adam = Adam(tables, self.learning_rate)
        popularity = np.maximum(np.bincount(events.indices, minlength=events.shape[1]), 1)
        objective = self._objective(events, Negatives.powered(popularity, self.negative_power))
        for _ in range(iterations):
            total = 0.0
            for samples in self._batches(events, rng):
                loss, gradients = objective(users, items, owners[samples], events.indices[samples], rng)
                tables["users"].grad, tables["items"].grad = gradients
                adam.step()
                total += loss * len(samples)
            self._store(users, items, events)
            yield {"loss": total / events.nnz}

    def _hold_out(self, train: Dataset) -> tuple[CSR, CSR | None]:
        """The events to choose the iterations on, in the rows of train, and those held out of them, of users and items that they know."""
        if not self.validation_share:
            return train.binary, None
        try:
            sides = split(train, test=float(self.validation_share), seed=int(self.seed))
        except DataError:  # too little to split
            return train.binary, None
        rows = [rows_in(train, side) for side in sides]
        inner = CSR.from_pairs(*rows[0], None, train.matrix.shape)
        users, items = rows[1]
        popularity, seen = np.bincount(inner.indices, minlength=train.n_items), inner.row_ids() * train.n_items + inner.indices
        known = (inner.counts()[users] > 0) & (popularity[items] > 0) & ~np.isin(users.astype(np.int64) * train.n_items + items, seen)
        if not known.any():
            return train.binary, None
        return inner.binary(), CSR.from_pairs(users[known], items[known], None, inner.shape)

    def _ndcg(self, inner: CSR, held_out: CSR) -> float:
        """Mean NDCG@20 over the users with held-out events, among the items that the other events know and the user has not."""
        rows, n = np.flatnonzero(held_out.counts()).astype(np.int32), inner.shape[1]
        unknown = np.flatnonzero(np.bincount(inner.indices, minlength=n) == 0).astype(np.int32)
        scorer, filters = VectorScorer(self.user_factors_[rows], self.item_factors_), Filters(banned=(inner.rows(rows),), deny=unknown)
        return mean_ndcg(scorer, held_out.rows(rows), _LENGTH, self.backend_, filters)

    def _new_vector(self, history: Index) -> NDArray[np.float64]:
        vector = self.user_offset_.astype(np.float64)
        if len(history):
            vector += self._scale(len(history)) * self.item_sources_[history].sum(axis=0, dtype=np.float64)
        return vector

    def _fold_in(self, history: CSR) -> Scores:
        out = np.empty((history.shape[0], self.item_factors_.shape[1]), np.float32)
        for row in range(len(out)):
            out[row] = self._new_vector(history.row(row)[0])
        return out

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """ "history": each item j of it adds scale s_j . q_i; "all users": o . q_i; "user": what was learned about a known user alone."""
        history, q = profiles.history.row(0)[0], self.item_factors_[item].astype(np.float64)
        shares = self._scale(len(history)) * (self.item_sources_[history].astype(np.float64) @ q) if len(history) else np.zeros(0)
        parts = [Part("history", name, float(share)) for name, share in zip(self.items_.ids(history), shares, strict=True)]
        if self.user_offset_.any():
            parts.append(Part("all users", self.items_[item], float(self.user_offset_.astype(np.float64) @ q)))
        if profiles.rows is not None:
            row = int(profiles.rows[0])
            own = float((self.user_factors_[row] - self._new_vector(history)) @ q)
            parts.append(Part("user", self.users_[row], own))
        return parts

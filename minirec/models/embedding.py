"""What LightGCN and UltraGCN share: embeddings trained by Adam, stopped on held-out events; new users are sums over their history."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..data.splits import split
from ..engine.adam import Adam
from ..engine.batches import shuffled
from ..engine.scorers import Scores, VectorScorer
from ..engine.sgd import Negatives
from ..engine.sparse import CSR, Floats, Index
from ..engine.topk import Filters, rank
from ..errors import DataError
from .base import Monitor, Part
from .checks import number, whole
from .factor import FactorModel
from .request import Profiles

_LENGTH = 20  # of the lists that decide when to stop
# (embeddings of users and items, users of the samples ascending, their positives, chance) -> mean loss, gradients by the embeddings
Objective: TypeAlias = Callable[[Floats, Floats, Index, Index, np.random.Generator], tuple[float, tuple[Floats, Floats]]]


class Vectors(NamedTuple):
    """What is served: vectors of users and items, and of each item of a history what it adds to a user's vector."""

    users: Floats
    items: Floats
    sources: Floats


class EmbeddingModel(FactorModel):
    """score(u, i) = p_u . q_i; p_u is scale(|I_u|) sum_{j in I_u} s_j, plus what was learned about u alone where u is known.

    An iteration takes each pair of user and item once, in random order, in batches of `batch_size`, and moves by Adam.

    With `validation_share` above 0 that share of the events is held out of training: the latest ones where events have times, else
    a random part of each user's. Training stops once their NDCG@20 has not risen for `patience` iterations, and the best embeddings are
    kept; users and items with no other events have zero embeddings, and live by their neighbours. With 0, or where nothing can be held
    out, all iterations are taken.
    """

    _state: ClassVar[tuple[str, ...]] = ("user_factors_", "item_factors_", "item_sources_")

    item_sources_: Scores  # float32 (items, d)

    factors: int
    learning_rate: float
    regularization: float
    negatives: int
    negative_power: float
    batch_size: int
    iterations: int
    validation_share: float
    patience: int
    seed: int
    _init_std: ClassVar[float]  # of the embeddings before training

    def _check(self) -> None:
        for name in ("factors", "negatives", "batch_size", "iterations", "patience"):
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

    @abstractmethod
    def _objective(self, events: CSR, negatives: Negatives) -> Objective:
        """The loss to descend on these events, a binary matrix without empty rows or columns."""

    @abstractmethod
    def _vectors_of(self, users: Floats, items: Floats, events: CSR) -> Vectors:
        """What embeddings serve when the users have these events; rows of zeros have not been trained."""

    @abstractmethod
    def _scale(self, length: int) -> float:
        """What the sum over a history of so many items is multiplied by."""

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        rng = np.random.default_rng(self.seed)
        inner, held_out = self._hold_out(train)
        places = train.users.rows(inner.users.ids(np.arange(inner.n_users))), train.items.rows(inner.items.ids(np.arange(inner.n_items)))
        users, items = ((self._init_std * rng.standard_normal((n, self.factors))).astype(np.float32) for n in inner.matrix.shape)
        owners, columns = inner.matrix.row_ids().astype(np.int32), inner.matrix.indices
        adam = Adam((users, items), self.learning_rate, self.backend_)
        objective = self._objective(inner.binary, Negatives.powered(inner.item_counts, self.negative_power))
        best, best_at, kept = -1.0, 0, (users, items)
        for done in range(1, self.iterations + 1):
            total = 0.0
            for samples in shuffled(len(columns), self.batch_size, rng):
                loss, gradients = objective(users, items, owners[samples], columns[samples], rng)
                adam.step(gradients)
                total += loss * len(samples)
            self._store(users, items, places, train)
            record = {"loss": total / len(columns)}
            if held_out is not None:
                record["held_out_ndcg@20"] = ndcg = self._ndcg(users, items, inner, held_out)
                if ndcg > best:
                    best, best_at, kept = ndcg, done, (users.copy(), items.copy())
            stop = monitor.step(done, self.iterations, **record)
            if stop or (held_out is not None and done - best_at >= self.patience):
                break
        self._store(*kept, places, train)

    def _hold_out(self, train: Dataset) -> tuple[Dataset, CSR | None]:
        """The events to train on, compact, and those held out of them for its users and items; None where there are none."""
        if not self.validation_share:
            return train, None
        try:
            inner, held_out = split(train, test=float(self.validation_share), seed=int(self.seed))
        except DataError:  # too little to split
            return train, None
        user, item = (
            inside.rows(outside.ids(rows))
            for inside, outside, rows in ((inner.users, held_out.users, held_out.user), (inner.items, held_out.items, held_out.item))
        )
        known = (user >= 0) & (item >= 0)
        seen = inner.matrix.row_ids() * inner.n_items + inner.matrix.indices
        known &= ~np.isin(user.astype(np.int64) * inner.n_items + item, seen)
        return (inner, CSR.from_pairs(user[known], item[known], None, inner.matrix.shape)) if known.any() else (train, None)

    def _ndcg(self, users: Floats, items: Floats, inner: Dataset, held_out: CSR) -> float:
        """Mean NDCG@20 over the users with held-out events, what they have otherwise left out of the lists."""
        rows, n = np.flatnonzero(held_out.counts()).astype(np.int32), inner.n_items
        vectors, truth = self._vectors_of(users, items, inner.binary), held_out.rows(rows)
        scorer = VectorScorer(vectors.users[rows], vectors.items)
        ranked = rank(scorer, _LENGTH, backend=self.backend_, filters=Filters(banned=(inner.matrix.rows(rows),)))
        lengths = np.diff(ranked.indptr)
        listed, place = np.repeat(np.arange(len(rows)), lengths), np.arange(len(ranked.items)) - np.repeat(ranked.indptr[:-1], lengths)
        hit = np.isin(listed * n + ranked.items, truth.row_ids() * n + truth.indices)
        discounts = 1 / np.log2(np.arange(2, _LENGTH + 2))
        gain = np.bincount(listed[hit], weights=discounts[place[hit]], minlength=len(rows))
        return float(np.mean(gain / np.cumsum(discounts)[np.minimum(truth.counts(), _LENGTH) - 1]))

    def _store(self, users: Floats, items: Floats, places: tuple[NDArray[Any], NDArray[Any]], train: Dataset) -> None:
        """Serve these embeddings of some of the users and items, with all events of train."""
        whole_users, whole_items = (np.zeros((n, self.factors), np.float32) for n in train.matrix.shape)
        whole_users[places[0]], whole_items[places[1]] = users, items
        self.user_factors_, self.item_factors_, self.item_sources_ = self._vectors_of(whole_users, whole_items, train.binary)

    def _new_vector(self, history: Index) -> NDArray[np.float64]:
        summed: NDArray[np.float64] = self.item_sources_[history].sum(axis=0, dtype=np.float64)
        return self._scale(len(history)) * summed if len(history) else summed

    def _fold_in(self, history: CSR) -> Scores:
        out = np.empty((history.shape[0], self.item_factors_.shape[1]), np.float32)
        for row in range(len(out)):
            out[row] = self._new_vector(history.row(row)[0])
        return out

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """Each item of the history adds scale s_j . q_i; what was learned about a known user alone is a part of its own, "user"."""
        history, q = profiles.history.row(0)[0], self.item_factors_[item].astype(np.float64)
        shares = self._scale(len(history)) * (self.item_sources_[history].astype(np.float64) @ q) if len(history) else np.zeros(0)
        parts = [Part("history", name, float(share)) for name, share in zip(self.items_.ids(history), shares, strict=True)]
        if profiles.rows is not None:
            row = int(profiles.rows[0])
            own = float((self.user_factors_[row] - self._new_vector(history)) @ q)
            parts.append(Part("user", self.users_[row], own))
        return parts

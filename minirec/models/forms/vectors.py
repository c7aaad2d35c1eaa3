"""What all models with user and item vectors share: the score is a dot product of the two."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ...data.ids import Ids, Rows
from ...engine.backend import one_blas_thread
from ...engine.ranking.scorers import NormOrder, Scorer, Scores, VectorScorer, row_norms
from ...engine.sparse import CSR
from ...errors import ParameterError
from ..contract.parameters import fitted
from ..contract.recommender import Recommender
from ..contract.request import Profiles
from ..contract.state import kept


class VectorModel(Recommender):
    """A model whose score is p_u . q_i, wherever the vectors p (profiles, d) and q (items, d), float32, come from.

    Biases are further coordinates of the vectors: (p_u, 1, ...) . (q_i, b_i, ...).
    """

    _biases: ClassVar[int] = 0  # trailing coordinates that are biases or constants, and no part of what makes items similar

    @abstractmethod
    def _table(self) -> Scores:
        """q, (items, d); the same array as long as nothing was fitted or added."""

    @abstractmethod
    def _vectors(self, profiles: Profiles) -> Scores:
        """p, (profiles, d). One profile alone gets the same bits as in a batch."""

    def _scorer(self, profiles: Profiles) -> VectorScorer:
        return VectorScorer(self._vectors(profiles), self._table(), self._norm_order())

    def _norm_order(self) -> NormOrder:
        """The items by norm, kept as long as the array of vectors is the same."""
        return kept(self, "_kept_order", self._table(), lambda: NormOrder.of(self._table()))

    def user_vectors(self, users: Ids | None = None, *, history: Sequence[Ids] | None = None) -> Scores:
        """Vectors p_u of known users (None: all, in row order), or of new ones folded in by their history, float32 (n, d)."""
        self._fitted()
        if users is not None and history is not None:
            raise ParameterError("give users (known ones) or history (new ones), not both")
        if history is not None:
            return self._vectors(self._new(history, None, "raise", [], None)[1])
        self._need_users("user_vectors", True)
        return self._known_vectors(None if users is None else self._all_known(self.users_, users, "user"))

    def _known_vectors(self, rows: Rows | None) -> Scores:
        """Vectors of known users by their rows, None: of all."""
        return self._vectors(self._profiles_of(np.arange(len(self.users_), dtype=np.int32) if rows is None else rows))

    def item_vectors(self, items: Ids | None = None) -> Scores:
        """Vectors q_i of items (None: all, in row order), float32 (n, d)."""
        self._fitted()
        return self._table() if items is None else self._table()[self._all_known(self.items_, items, "item")]

    def _similarity(self, rows: Rows) -> Scorer:
        """Cosines of the item vectors, the biases left out."""
        return cosines(self, "_kept_units", self._table(), rows, self._biases)

    def _user_similarity(self, rows: Rows) -> Scorer:
        """Cosines of the user vectors, the biases left out."""
        users = kept(self, "_kept_users", self.seen_, lambda: self._known_vectors(None))
        return cosines(self, "_kept_user_units", users, rows, self._biases)


class FactorModel(VectorModel):
    """A model that keeps its vectors: `user_factors_` (users, d) and `item_factors_` (items, d)."""

    user_factors_: Scores = fitted("users", "d", per_user=True)
    item_factors_: Scores = fitted("items", "d")

    @abstractmethod
    def _fold_in(self, history: CSR) -> Scores:
        """Vectors (profiles, d) of new users from their histories, the item vectors fixed; BLAS is one-threaded here.

        One profile alone gets the same bits as in a batch.
        """

    def _table(self) -> Scores:
        return self.item_factors_

    def _vectors(self, profiles: Profiles) -> Scores:
        if profiles.rows is not None:
            return self.user_factors_[profiles.rows]
        with one_blas_thread():
            return self._fold_in(profiles.history)

    def _known_vectors(self, rows: Rows | None) -> Scores:
        return self.user_factors_ if rows is None else self.user_factors_[rows]


def cosines(model: object, name: str, vectors: Scores, rows: Rows, biases: int = 0) -> VectorScorer:
    """Cosines of vectors (n, d) with some of them, the last coordinates left out where they are biases.

    The vectors of length 1 are kept on the model under a name, as long as `vectors` is the same array.
    """

    def make() -> tuple[Scores, NormOrder]:
        some = vectors[:, : vectors.shape[1] - biases]
        norms = np.sqrt(np.einsum("nd,nd->n", some, some, dtype=np.float64))
        units: Scores = some * (1 / np.maximum(norms, 1e-30)).astype(np.float32)[:, None]
        own = np.arange(len(units), dtype=np.int32)
        return units, NormOrder(own, own, units, np.full(len(units), row_norms(units).max(initial=0), np.float32))

    units, order = kept(model, name, vectors, make)
    return VectorScorer(units[rows], units, order)

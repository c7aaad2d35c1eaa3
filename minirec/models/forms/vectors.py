"""What all models with user and item vectors share: the score is a dot product of the two."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ...data.ids import Ids, Rows
from ...engine.backend import one_blas_thread
from ...engine.ranking.scorers import NormOrder, Scores, VectorScorer
from ...engine.sparse import CSR
from ...errors import ParameterError
from ..contract.parameters import fitted
from ..contract.recommender import Recommender
from ..contract.request import Profiles


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
        table = self._table()
        kept: tuple[Scores, NormOrder] | None = vars(self).get("_kept_order")
        if kept is None or kept[0] is not table:
            kept = self._kept_order = (table, NormOrder.of(table))
        return kept[1]

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

    def _item_similarity(self, item: int) -> Scores:
        """Cosine of the item vectors, the biases left out."""
        table = self._table()
        return cosines(table[:, : table.shape[1] - self._biases], item)


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


def cosines(vectors: Scores, item: int) -> Scores:
    """Cosine of each row (n, d) with one of them, float32 (n,)."""
    wide = vectors.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1)
    cosine: Scores = ((wide * wide[item]).sum(axis=1) / np.maximum(norms * norms[item], 1e-30)).astype(np.float32)
    return cosine

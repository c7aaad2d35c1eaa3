"""Vectors of new users as an affine function of the items in their history."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...engine.graph.propagate import propagate
from ...engine.ranking.scorers import Scores
from ...engine.sparse import CSR, Floats, Index
from ..contract.explanation import Part
from ..contract.parameters import fitted
from ..contract.recommender import Recommender
from ..contract.request import Profiles
from .vectors import FactorModel

_RIDGE = 0.01  # of the map of new users, as a share of the mean of its squares


class FoldInModel(Recommender):
    """A new user's vector is o + scale(|I_u|) sum_{j in I_u} s_j. O(|I_u| d)."""

    item_sources_: Scores = fitted("items", "d")  # s
    user_offset_: Scores = fitted("d")  # o

    def _scale(self, length: int) -> float:
        """The factor of the sum over a history of this length; 1 / length gives the mean."""
        return 1 / length

    def _new_vector(self, history: Index) -> NDArray[np.float64]:
        vector = self.user_offset_.astype(np.float64)
        if len(history):
            vector += self._scale(len(history)) * self.item_sources_[history].sum(axis=0, dtype=np.float64)
        return vector

    def _fold_in(self, history: CSR) -> Scores:
        out = np.empty((history.shape[0], len(self.user_offset_)), np.float32)
        for row in range(len(out)):
            out[row] = self._new_vector(history.row(row)[0])
        return out

    def _set_sources(self, users: Floats, items: Floats, events: CSR) -> NDArray[np.float64]:
        """Fit the map to the known users, from what the convolution of `items` (items, k) over their events is to `users` (users, d).

        Returns it, (k, d): what a source is of its item's vector.
        """
        lengths = events.counts()
        scale = np.array([self._scale(length) if length else 0.0 for length in lengths.tolist()])
        means = propagate(events.with_data(np.repeat(scale, lengths).astype(np.float32)), items.astype(np.float32), backend=self.backend_)
        known = lengths > 0
        weights, offset = affine_map(means[known], users[known])
        self.item_sources_, self.user_offset_ = (items @ weights).astype(np.float32), offset.astype(np.float32)
        return weights


class FoldInFactorModel(FoldInModel, FactorModel):
    """score(u, i) = p_u . q_i; p_u is o + scale(|I_u|) sum_{j in I_u} s_j, plus what was learned about u alone where u is known."""

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """ "history": each item j of it adds scale s_j . q_i; "all users": o . q_i; "user": what was learned about a known user alone."""
        return self._parts(profiles, item, self.item_factors_[item].astype(np.float64))

    def _parts(self, profiles: Profiles, item: int, q: NDArray[np.float64]) -> list[Part]:
        """The same for any vector q of the item."""
        history = profiles.history.row(0)[0]
        shares = self._scale(len(history)) * (self.item_sources_[history].astype(np.float64) @ q) if len(history) else np.zeros(0)
        parts = [Part("history", name, float(share)) for name, share in zip(self.items_.ids(history), shares, strict=True)]
        if self.user_offset_.any():
            parts.append(Part("all users", self.items_[item], float(self.user_offset_.astype(np.float64) @ q)))
        if profiles.rows is not None:
            row = int(profiles.rows[0])
            own = float((self.user_factors_[row] - self._new_vector(history)) @ q)
            parts.append(Part("user", self.users_[row], own))
        return parts


def affine_map(x: Floats, y: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """W (k, d) and o (d,) with y near x W + o, for x (n, k) and y (n, d), by ridge regression: penalty .01 of the mean of x's squares."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x -= x_mean
    gram = x.T @ x
    gram.flat[:: len(gram) + 1] += _RIDGE * np.trace(gram) / len(gram) + 1e-30
    weights = np.linalg.solve(gram, x.T @ (y - y_mean))
    return weights, y_mean - x_mean @ weights

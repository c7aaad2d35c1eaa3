"""Implicit ALS whose vectors are drawn to a linear map of what items (and users) are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.backend import one_blas_thread, run_blocks
from ...engine.ranking.scorers import Scores
from ...engine.sparse import CSR
from ..contract.events import Merged
from ..contract.explanation import Part
from ..contract.parameters import changed, fitted, number
from ..contract.request import Profiles
from ..factorization.als import ALS, Priors
from ..forms.content import Grown, TwoSidedModel, unit_rows

_ROWS = 4096  # rows of a side that one product sums


class FeatureALS(TwoSidedModel, ALS):
    """Implicit ALS with a prior: the vector h_i of an item is drawn to a linear map V f_i of its content f_i (at unit length), and the
    map is learned with it. To the loss L of `ALS` is added

    w sum_i m_i^nu |h_i - V f_i|^2 + mu |V|^2

    over the items with content, m_i being the frequency that the regularisation is scaled by; mu is `content_regularization` times the
    mean of lambda m_i^nu, over all items. With features of users, w sum_u n_u^nu |w_u - U g_u|^2 + mu |U|^2 is added as well.

    The prior is Gaussian, as in the latent factor model of Agarwal & Chen 2009, "Regression-based latent factor models", here for
    implicit feedback and by alternating least squares; the authors fit theirs by Monte Carlo EM. An iteration of ALS is followed by the
    maps, each the exact minimum with the vectors fixed: V = (Fᵀ Omega F + mu I)^-1 Fᵀ Omega H. w = 0 is `ALS`, bit by bit.

    A new item has the vector that is left of the loss without events: w / (w + lambda) V f. So has a new user by features alone, but
    for the unobserved term, which is in force for users. Those who come by a history, or by `update`, have no features.
    Beyond `ALS`: O((items + users) width factors) an iteration, and O(items width^2 + width^3) at the start.
    """

    name = "featureals"

    content_weight: float = number(
        default=0.01,
        low=0,
        high=1e6,
        search=(1e-3, 0.3, "log"),
        doc="""
            w, in the units of `regularization`: how strongly vectors are drawn to what the content says. Above some hundred times that,
            vectors and map follow each other slowly, and 16 iterations are far from the minimum.
        """,
    )
    content_regularization: float = number(
        default=3.0,
        above=0,
        high=1e9,
        search=(0.3, 100.0, "log"),
        doc="In numbers of items: a direction of the map is penalized as the vectors of that many items are.",
    )
    block_size: int = changed(default=64)

    item_map_: NDArray[np.float64] = fitted("content", "d", dtype="float64")  # Vᵀ
    user_map_: NDArray[np.float64] = fitted("user_content", "d", dtype="float64")  # Uᵀ

    def estimate_memory(self, dataset: Dataset) -> int:
        """ALS; of each side the content as given and at unit length, what it says of the vectors, and the inverse."""
        users = sum(column.shape[1] for column in dataset.user_features.values() if column.ndim == 2)
        sides = ((dataset.n_items, self._content_width(dataset)), (dataset.n_users, users))
        return super().estimate_memory(dataset) + sum(n * (16 * width + 8 * int(self.factors)) + 32 * width**2 for n, width in sides)

    # ---- fitting --------------------------------------------------------------------------------------------------------

    def _priors(self, train: Dataset, by_user: CSR, by_item: CSR) -> Priors:
        items, users = self._read_content(train), self._read_user_content(train)
        self.item_map_, self.user_map_ = (np.zeros((content.shape[1], self.factors)) for content in (items, users))
        if not self.content_weight:
            return None, None
        of_users = self._prior(users, by_user) if self._columns("user") else None
        return of_users, self._prior(items, by_item)

    def _prior(self, content: Scores, events: CSR) -> _Learned:
        return _Learned(content, self._ridge(events), self._share, self.content_regularization, self.factors)

    @property
    def _share(self) -> float:
        """w / (w + lambda): what is left of a vector that nothing but its prior tells of."""
        return float(self.content_weight / (self.content_weight + self.regularization))

    def _penalties(self, by_item: CSR, users: Scores, items: Scores, priors: Priors) -> float:
        of_users, of_items = priors
        if not isinstance(of_items, _Learned):
            return super()._penalties(by_item, users, items, priors)
        rest = of_items.move(items)
        self.item_map_ = of_items.map
        if isinstance(of_users, _Learned):
            rest -= of_users.distance(users)  # the half step counted it, by the map of before
            rest += of_users.move(users)
            self.user_map_ = of_users.map
        return rest

    def _others(self, events: CSR) -> int:
        """Items without events are none of those that nobody was seen to take."""
        return events.shape[1] - int(np.count_nonzero(self.item_counts_ == 0))

    # ---- new items and users --------------------------------------------------------------------------------------------

    def _told(self, content: Scores, mapped: NDArray[np.float64]) -> Scores:
        """The mean of the prior of vectors, by the content alone."""
        mean: Scores = (self._share * (unit_rows(content) @ mapped)).astype(np.float32)
        return mean

    def _append(self, grown: Grown) -> dict[str, Any]:
        with one_blas_thread():
            return {"item_factors_": grown.place(self.item_factors_, self._told(grown.content, self.item_map_))}

    def _append_users(self, grown: Grown) -> dict[str, Any]:
        none = CSR.empty(len(grown.added), len(self.items_))
        with one_blas_thread():
            return {"user_factors_": grown.place(self.user_factors_, self._vectors_of(none, grown.content))}

    def _vectors_of(self, history: CSR, content: Scores) -> Scores:
        """Vectors of users by their histories and features, the item vectors fixed."""
        out = np.empty((history.shape[0], self.item_factors_.shape[1]), np.float32)
        prior = _Given(self._user_ridge(history, content), self._told(content, self.user_map_))
        self._half_step(self._confident(history), self.item_factors_, self.item_gram_, out, "cholesky", prior)
        return out

    def _user_ridge(self, history: CSR, content: Scores) -> Scores:
        pull = content.any(axis=1) * (self.content_weight / self.regularization)
        ridge: Scores = (self._ridge(history) * (1 + pull)).astype(np.float32)
        return ridge

    def _solved(self, change: Merged) -> Scores:
        content = np.zeros((len(change.users), self.user_content_.shape[1]), np.float32)
        content[change.user_rows] = self.user_content_
        found = self._vectors_of(change.seen.rows(change.touched), content[change.touched])
        self.user_content_ = content
        return found

    # ---- explanations ---------------------------------------------------------------------------------------------------

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """As in `ALS`, what each item j of the history adds, in two parts: its share in the prior of h_i is "content", the rest
        "behaviour". "user content" is what the features of the user add."""
        events = self._confident(profiles.history)
        own = self.user_content_[profiles.rows] if profiles.rows is not None else np.zeros((1, self.user_content_.shape[1]), np.float32)
        ridge = float(self._user_ridge(profiles.history, own)[0])
        vectors, confidence = self.item_factors_[events.indices].astype(np.float64), events.data.astype(np.float64)
        overlap = 0.0 if self.alpha is None else self.alpha0
        lhs = self.alpha0 * self.item_gram_.astype(np.float64) + (vectors.T * (confidence - overlap)) @ vectors
        lhs.flat[:: len(lhs) + 1] += ridge
        whole = self.item_factors_[item].astype(np.float64)
        told = self._told(self.item_content_[item : item + 1], self.item_map_)[0].astype(np.float64)
        by_content, by_behaviour = np.linalg.solve(lhs, np.stack((told, whole - told), axis=1)).T
        parts = []
        for name, content, behaviour in zip(
            self.items_.ids(events.indices), confidence * (vectors @ by_content), confidence * (vectors @ by_behaviour), strict=True
        ):
            parts += [Part("content", name, float(content)), Part("behaviour", name, float(behaviour))]
        if profiles.rows is not None and own.any():
            mean = self._told(own, self.user_map_)[0].astype(np.float64)
            parts.append(Part("user content", self.users_[int(profiles.rows[0])], float(ridge * mean @ (by_content + by_behaviour))))
        return [part for part in parts if part.value]


class _Given:
    """A prior that stays."""

    def __init__(self, ridge: Scores, mean: Scores) -> None:
        self.ridge, self.mean = ridge, mean


class _Learned:
    """The prior of one side, and its map.

    lambda_r |x|^2 + w_r |x - V f|^2, with w_r = lambda_r share / (1 - share), is (lambda_r + w_r) |x - share V f|^2 and what x does not
    change. Rows without content have w_r = 0.
    """

    def __init__(self, content: Scores, ridge: Scores, share: float, regularization: float, d: int) -> None:
        self._share, self._own = share, ridge.astype(np.float64)
        self._pull = np.where(content.any(axis=1), self._own * share / (1 - share), 0)
        self.ridge: Scores = (self._own + self._pull).astype(np.float32)
        self.mean: Scores = np.zeros((len(content), d), np.float32)
        self.map = np.zeros((content.shape[1], d))
        self._content: Scores = unit_rows(content).astype(np.float32)
        self._penalty = regularization * float(self._own.mean())
        gram = self._sum(self._content)
        gram.flat[:: len(gram) + 1] += self._penalty
        self._inverse = np.linalg.inv(gram)

    def _sum(self, vectors: Scores) -> NDArray[np.float64]:
        """Fᵀ Omega X, summed over fixed blocks in order."""

        def block(start: int, stop: int) -> NDArray[np.float64]:
            weighted = self._content[start:stop].astype(np.float64) * self._pull[start:stop, None]
            product: NDArray[np.float64] = weighted.T @ vectors[start:stop]
            return product

        total: NDArray[np.float64] = np.sum(run_blocks(block, len(vectors), _ROWS), axis=0)
        return total

    def distance(self, vectors: Scores) -> float:
        """What a half step counts: the sum of ridge_r |x_r - mean_r|^2."""
        apart = vectors - self.mean
        return float(self.ridge @ np.einsum("nd,nd->n", apart, apart, dtype=np.float64))

    def move(self, vectors: Scores) -> float:
        """Put the map to its minimum, the vectors fixed; returns the whole penalty then, of the vectors and of the map."""
        self.map = self._inverse @ self._sum(vectors)
        told = np.concatenate(run_blocks(lambda start, stop: self._content[start:stop] @ self.map, len(vectors), _ROWS))
        self.mean = (self._share * told).astype(np.float32)
        apart = vectors - told
        whole = self._own @ np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64) + self._pull @ np.einsum("nd,nd->n", apart, apart)
        return float(whole + self._penalty * (self.map * self.map).sum())

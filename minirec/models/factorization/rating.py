"""Predicting ratings: matrix factorisation with biases, without and with implicit feedback."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.dataset import Dataset
from ...engine.backend import kernel, run_blocks
from ...engine.descent.sgd import Batch, Descent, Fill, Side, ascending, block_size, epoch
from ...engine.ranking.scorers import Scores
from ...engine.sparse import CSR, Floats, Index
from ...errors import DataError
from ...metrics.ratings import rmse
from ..contract.explanation import Part
from ..contract.monitor import Monitor
from ..contract.parameters import changed, fitted
from ..contract.request import Profiles
from ..forms.descent import DescentModel

USER_RATE = 3  # SVDpp moves a user once in an iteration, where others move once in a batch: by steps so much longer


class RatingModel(DescentModel):
    """score(u, i) = mu + b_u + b_i + p_u . q_i, a rating. Vectors (p_u, b_u, 1) and (q_i, 1, mu + b_i)."""

    score_kind = "rating"
    _biases = 2

    factors: int = changed(search=(8, 256, "int"))
    learning_rate: float = changed(default=0.05, search=(0.01, 0.2, "log"))
    regularization: float = changed(default=0.1, search=(0.01, 0.3, "log"))
    iterations: int = changed(search=(10, 60, "int"), doc="Passes over the ratings.")

    mean_: float = fitted()  # mu

    def _ratings(self, train: Dataset) -> CSR:
        """Users x items; where a pair has several ratings, their mean."""
        if train.weight is None:
            raise DataError(f"{type(self).__name__} learns from ratings, and {train.name!r} has no weights: name their column, weight=...")
        counts = CSR.from_pairs(train.user, train.item, None, train.matrix.shape)
        ratings = train.matrix.with_data(train.matrix.data / counts.data)
        self.mean_ = float(ratings.data.mean(dtype=np.float64))
        return ratings

    def _vectors_of(self, vectors: Scores, bias: Scores) -> Scores:
        return np.column_stack((vectors, bias, np.ones(len(bias), np.float32)))

    def _item_vectors_of(self, items: Side) -> Scores:
        return np.column_stack((items.vectors, np.ones(len(items.bias), np.float32), items.bias + np.float32(self.mean_)))

    def _validate(self, validation: Dataset) -> dict[str, float]:
        """recall@20 as for every model, and the root mean squared error on ratings of known users and items."""
        record = super()._validate(validation)
        users, items = self.users_.rows(validation.users.ids(validation.user)), self.items_.rows(validation.items.ids(validation.item))
        known = (users >= 0) & (items >= 0)
        if validation.weight is None or not known.any():
            return record
        predicted = np.einsum("nd,nd->n", self.user_factors_[users[known]], self.item_factors_[items[known]])
        return record | {"validation_rmse": rmse(predicted, validation.weight[known])}

    def _implicit(self, history: CSR) -> Scores:
        """What the vectors of the profiles hold before the ratings are looked at, (profiles, d)."""
        return np.zeros((history.shape[0], self.item_factors_.shape[1] - 2), np.float32)

    def _fold_in(self, history: CSR) -> Scores:
        implicit = self._implicit(history)
        out = np.zeros((history.shape[0], self.item_factors_.shape[1]), np.float32)
        out[:, -1] = 1
        for row in range(history.shape[0]):
            items, ratings = history.row(row)
            if len(items):
                rows = self.item_factors_[items].astype(np.float64)
                z = np.append(implicit[row].astype(np.float64), 0)
                q, rest = rows[:, :-1], ratings - rows[:, -1] - rows[:, :-1] @ z
                gram = q.T @ q + max(self.regularization, 1e-4) * len(items) * np.eye(len(z))  # never singular
                out[row, :-1] = z + np.linalg.solve(gram, q.T @ rest)
        return out

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        user, other = self._vectors(profiles)[0].astype(np.float64), self.item_factors_[item].astype(np.float64)
        name = self.items_[item]
        return [
            Part("mean", name, self.mean_),
            Part("user bias", name, float(user[-2])),
            Part("item bias", name, float(other[-1] - self.mean_)),
            *self._taste(profiles, name, user[:-2], other[:-2]),
        ]

    def _taste(self, profiles: Profiles, name: Any, p: Any, q: Any) -> list[Part]:
        return [Part("taste", name, float(p @ q))]


class BiasedMF(RatingModel):
    """Matrix factorisation with biases, for ratings: r̂_ui = mu + b_u + b_i + p_u . q_i, mu the mean rating.

    min sum over ratings of (r_ui - r̂_ui)^2 + lambda (|p_u|^2 + |q_i|^2 + b_u^2 + b_i^2), by stochastic descent: with
    e = r_ui - r̂_ui,  p_u += eta (e q_i - lambda p_u),  q_i += eta (e p_u - lambda q_i),  b_u += eta (e - lambda b_u), ...

    Koren, Bell & Volinsky 2009, "Matrix factorization techniques for recommender systems", equations 4 and 5. Difference: updates
    of a mini-batch are summed, and eta is AdaGrad's (see `DescentModel`).

    Ratings are the weights of the events; a pair that was rated more than once counts with its mean. Scores are not cut to the
    scale of the ratings. For a new user give the ratings as `weights` beside the history (without them each counts 1): p and b
    then are the exact minimum with the items fixed, a ridge regression. Fit O(ratings x d) an iteration.
    """

    name = "biasedmf"

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        ratings = self._ratings(train)
        entries, mean = kernel("rating_entries", self.backend_), np.float32(self.mean_)

        def prepare(batch: Batch, users: Side, items: Side) -> Fill:
            own = ratings.data[batch.samples]

            def fill(start: int, stop: int, columns: Index, pulls: Floats) -> None:
                columns[start:stop, 0] = batch.items[start:stop]
                entries(start, stop, batch.users, batch.items, own, mean, users.vectors, users.bias, items.vectors, items.bias, pulls)

            return fill

        self._iterate(ratings, prepare, self._store, monitor)

    def _store(self, users: Side, items: Side) -> None:
        self.user_factors_ = self._vectors_of(users.vectors, users.bias)
        self.item_factors_ = self._item_vectors_of(items)


class SVDpp(RatingModel):
    """SVD++, biased factorisation that also uses which items were rated.

    r̂_ui = mu + b_u + b_i + q_i . (p_u + |I_u|^-1/2 sum_{j in I_u} y_j)

    min sum over ratings of (r_ui - r̂_ui)^2 + lambda (|p_u|^2 + |q_i|^2 + b_u^2 + b_i^2 + sum_{j in I_u} |y_j|^2), by descent on
    blocks of users with all their ratings; the user vector of the model is the whole bracket.

    Koren 2008, "Factorization meets the neighborhood", section 4, equations 15 and 16. Differences: one lambda for all; the penalty
    of y_j is counted once for each of its users, times the mean number of ratings of a user (in the paper times that of the user
    at hand); the gradients of a block of users are summed, with z_u = |I_u|^-1/2 sum y_j computed once for all ratings of a user, so
    that an iteration takes O(ratings x d) where one sample at a time takes O(sum of |I_u|^2 x d). AdaGrad as in `DescentModel`.

    Ratings and scores are as in `BiasedMF`. For a new user z_u comes from the items of the history as for any other, and p and b are
    the exact minimum given z_u, a ridge regression.
    """

    name = "svdpp"

    implicit_factors_: Scores = fitted("items", "factors")  # y

    def estimate_memory(self, dataset: Dataset) -> int:
        return super().estimate_memory(dataset) + 8 * dataset.n_items * self.factors

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        ratings = self._ratings(train)
        rng = np.random.default_rng(self.seed_)
        users, items, implicit = (Side.random(n, self.factors, rng) for n in (*ratings.shape, ratings.shape[1]))
        rate, penalty, mean = self.learning_rate, self.regularization, np.float32(self.mean_)
        of_users = Descent(USER_RATE * rate, penalty, self.backend_)
        of_items = Descent(rate, penalty, self.backend_)
        of_implicit = Descent(rate, penalty * ratings.nnz / ratings.shape[0], self.backend_)
        sum_rows, entries = kernel("sum_rows", self.backend_), kernel("rating_entries", self.backend_)

        def step(rows: Index) -> None:
            """One descent on all ratings of the users in `rows`; e are their errors."""
            x = ratings.rows(rows)
            shape, local, root = (len(rows), self.factors), x.row_ids().astype(np.int32), _root(x)
            vectors, e_q = np.empty(shape, np.float32), np.empty(shape, np.float32)
            bias, e = users.bias[rows], np.empty((x.nnz, 1), np.float32)
            groups = ascending(rows, x.indptr)

            def move_users(start: int, stop: int) -> None:
                sum_rows(start, stop, x.indptr, x.indices, root, implicit.vectors, vectors)
                vectors[start:stop] += users.vectors[rows[start:stop]]
                first, last = x.indptr[start], x.indptr[stop]
                entries(first, last, local, x.indices, x.data, mean, vectors, bias, items.vectors, items.bias, e)
                sum_rows(start, stop, x.indptr, x.indices, e[:, 0], items.vectors, e_q)
                of_users.move_rows(users, start, stop, groups, x.indices, e[:, 0], items.vectors)

            run_blocks(move_users, len(rows), block_size(len(rows)))
            of_items.move(items, x.indices, local, e[:, 0], vectors)
            of_implicit.move(implicit, x.indices, local, root, e_q)  # its bias is moved too, and used by nobody

        everyone = np.arange(ratings.shape[0], dtype=np.int32)  # a sample is a user, with all ratings
        for done in range(1, self.iterations + 1):
            for batch in epoch(everyone, everyone, rng, self.backend_):
                step(batch.samples)
            self.implicit_factors_ = implicit.vectors.copy()
            self.item_factors_ = self._item_vectors_of(items)
            self.user_factors_ = self._vectors_of(users.vectors + self._implicit(ratings), users.bias)
            if monitor.step(done, self.iterations):
                break

    def _implicit(self, history: CSR) -> Scores:
        out = super()._implicit(history)
        kernel("sum_rows", self.backend_)(
            0, history.shape[0], history.indptr, history.indices, _root(history), self.implicit_factors_, out
        )  # fmt: skip
        return out

    def _taste(self, profiles: Profiles, name: Any, p: Any, q: Any) -> list[Part]:
        rated = profiles.history.indices
        shares = self.implicit_factors_[rated].astype(np.float64) @ q / np.sqrt(max(len(rated), 1))
        history = [Part("history", name_, float(share)) for name_, share in zip(self.items_.ids(rated), shares, strict=True)]
        return [Part("taste", name, float(p @ q - shares.sum())), *history]


def _root(x: CSR) -> Floats:
    """|I_u|^-1/2 for each entry."""
    counts = x.counts()
    return np.repeat(np.maximum(counts, 1) ** -0.5, counts).astype(np.float32)

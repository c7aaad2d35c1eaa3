"""Turbo-CF: a polynomial filter of an item graph whose weights are raised to a power."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...data.dataset import Dataset
from ...data.ids import Rows
from ...engine.graph.filters import FilterScorer, PolynomialFilter
from ...engine.ranking.neighbors import topk_product
from ...engine.ranking.scorers import Scorer, Scores
from ...engine.sparse import CSR
from ..contract.explanation import Part, history_parts
from ..contract.monitor import Monitor
from ..contract.parameters import choice, fitted, number
from ..contract.request import Profiles
from ..forms.item_weights import LinearModel

_FILTERS = {"linear": (0.0, 1.0), "quadratic": (0.0, 2.0, -1.0), "cubic": (0.0, 0.71, 0.1, -0.01)}


class TurboCF(LinearModel):
    """Graph filter without any decomposition.

    score(u) = x_u p(P) D_I^-t,   P_ij = (sum_v d_v^-2a x_vi x_vj)^s / (d_i d_j)^(b s),   X binary, d the degrees of users and items

    with p(P) = P ("linear"), 2 P - P² ("quadratic"), or .71 P + .1 P² - .01 P³ ("cubic", close to an ideal low-pass).

    Park et al. 2024, "Turbo-CF: matrix decomposition-free graph filtering for fast recommendation"; in their terms alpha = a = 1 - b.

    P is sparse: one entry for each pair of items that a user has. Time O(sum of the squared lengths of the users' histories), memory
    16 bytes an entry; a score of all items costs the entries of the rows of the history, and all entries for each further power.
    A new user needs nothing but a history.
    """

    name = "turbocf"

    user_exponent: float = number(default=0.5, low=0, high=10, search=(0.2, 0.8, "linear"), doc="a, of the lengths of the histories.")
    item_exponent: float = number(default=0.5, low=0, high=10, search=(0.2, 0.8, "linear"), doc="b, of the degrees of the items.")
    power: float = number(
        default=1.0, above=0, high=100, search=(0.5, 1.5, "linear"), doc="s; below 1 it lifts weak connections, and with them the tail."
    )
    filter: Literal["linear", "quadratic", "cubic"] = choice(default="linear", search=list(_FILTERS), doc="The polynomial p.")
    tail_exponent: float = number(
        default=0.0, low=0, high=10, search=(0.0, 0.4, "linear"), doc="t: each score is divided by the item's degree to this power."
    )

    weights_: CSR = fitted("items", "items", sparse=True)  # P, or P D_I^-t where p(P) = P
    after_: Scores = fitted("items")  # what remains of D_I^-t

    def estimate_memory(self, dataset: Dataset) -> int:
        lengths = np.bincount(dataset.user, minlength=dataset.n_users).astype(np.float64)
        return 16 * int(min(dataset.n_items**2, (lengths**2).sum())) + 1024 * dataset.n_items + 64 * len(dataset)

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        x, n = train.binary, train.n_items
        xt, degrees = x.transpose(), train.item_counts.astype(np.float64)
        step = x.counts() ** (-2.0 * self.user_exponent)
        scale, after = degrees**self.item_exponent, degrees**-self.tail_exponent
        weights = topk_product(xt.with_data(step[xt.indices].astype(np.float32)), x, n, self.backend_, row_scale=scale, column_scale=scale)
        np.power(weights.data, np.float32(self.power), out=weights.data)
        if self.filter == "linear":
            weights.data[:] *= after.astype(np.float32)[weights.indices]
            after = np.ones(n)
        self.weights_, self.after_ = weights, after.astype(np.float32)

    def _scorer(self, profiles: Profiles) -> Scorer:
        if self.filter == "linear":
            return super()._scorer(profiles)
        n, polynomial = len(self.items_), PolynomialFilter((self.weights_,), _FILTERS[self.filter], self.backend_)
        ones, none = np.ones(n, np.float32), np.zeros((n, 0), np.float32)
        return FilterScorer(self._values(profiles.history), polynomial, ones, self.after_, none, none.T, self.backend_)

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        scorer = self._scorer(profiles)
        if not isinstance(scorer, FilterScorer):
            return super()._explain(profiles, item)
        return history_parts(self.items_, scorer.history.indices, scorer.parts(item))

    def _similarity(self, rows: Rows) -> Scorer:
        return self._scores_alone(rows)

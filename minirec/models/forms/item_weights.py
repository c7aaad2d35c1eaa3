"""What all item-weight models share: the score is the user's history times a matrix of item-to-item weights."""

from __future__ import annotations

import numpy as np

from ...data.ids import Rows
from ...engine.ranking.scorers import LinearScorer, Scorer, Scores
from ...engine.sparse import CSR
from ..contract.explanation import Part, history_parts
from ..contract.parameters import fitted
from ..contract.recommender import Recommender
from ..contract.request import Profiles
from ..contract.serving import one_each
from ..contract.state import kept


class LinearModel(Recommender):
    """A model whose score is x_u W: `weights_[i, j]` is what item i of the history adds to the score of item j.

    W is (items, items), float32, dense or CSR. A new user needs nothing but a history: fold-in is exact.
    """

    weights_: Scores | CSR = fitted("items", "items")

    def _values(self, history: CSR) -> CSR:
        """The history as the model sees it, x_u: by default 1 for each item."""
        return history.binary()

    def _scorer(self, profiles: Profiles) -> Scorer:
        return LinearScorer(self._values(profiles.history), self.weights_, self.backend_, positive=self._is_positive())

    def _is_positive(self) -> bool:
        """Whether the weights are sparse, and all above 0."""
        weights = self.weights_
        return isinstance(weights, CSR) and kept(self, "_kept_sign", weights, lambda: bool(weights.data.min(initial=1) > 0))

    def _weights_to(self, item: int, sources: CSR) -> Scores:
        """W[i, item] for each entry i of one profile's history."""
        if not isinstance(self.weights_, CSR):
            column: Scores = self.weights_[sources.indices, item]
            return column
        out = np.zeros(sources.nnz, np.float32)
        for at, source in enumerate(sources.indices.tolist()):
            targets, values = self.weights_.row(source)
            found = int(np.searchsorted(targets, item))
            if found < len(targets) and targets[found] == item:
                out[at] = values[found]
        return out

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        values = self._values(profiles.history)
        shares = values.data * self._weights_to(item, values)
        return history_parts(self.items_, values.indices, shares)

    def _similarity(self, rows: Rows) -> Scorer:
        """The rows of the weights: what having one of these items adds to the score of each other."""
        return LinearScorer(one_each(rows, len(self.items_)), self.weights_, self.backend_)

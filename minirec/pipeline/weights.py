"""The events as models see them: what a pair of user and item counts, made once for all models of a kind."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..data.cleaning import clean
from ..data.dataset import Dataset
from ..errors import MinirecError, ParameterError
from ..models.contract.recommender import Recommender

WEIGHTS = ("binary", "count", "log", "raw")


class Weigher:
    """Gives each model the events with the weights that it should see.

    Models of one kind share one data set, so that its matrix, its order and its fingerprint are computed once, not once a fit.
    """

    def __init__(self, weights: str) -> None:
        self.weights = weights
        self._made: dict[tuple[Dataset, bool], Dataset] = {}

    def __call__(self, events: Dataset, model: Recommender) -> Dataset:
        rating = model.score_kind == "rating"
        if (events, rating) not in self._made:
            self._made[events, rating] = events if rating else weighed(events, self.weights).compact()
        return self._made[events, rating]

    def drop(self, events: Dataset) -> None:
        """Forget what was made of these events: nobody needs it any more."""
        for rating in (False, True):
            self._made.pop((events, rating), None)


def weighed(events: Dataset, weights: str) -> Dataset:
    """The events as ranking models should see them; see `run`."""
    if weights == "raw" and events.weight is not None:
        return events
    if weights == "log" and events.weight is not None:
        if events.weight.min() < 0:
            raise ParameterError("weights='log' needs weights that are not negative; drop the others with min_weight=0")
        return events.with_columns(weight=np.log2(1 + events.weight))
    plain = events.with_columns(weight=None)
    return clean(plain, duplicates="last")[0] if weights == "binary" else plain


def without_weights(models: Iterable[Recommender]) -> list[str]:
    """The names of the models whose scores do not depend on the weights of the events; each is tried on a handful of them."""
    users = [user for user in range(8) for item in range(8) if (user + item) % 3]
    items = [item for user in range(8) for item in range(8) if (user + item) % 3]
    times = list(range(len(users)))
    plain = Dataset.from_arrays(users, items, times=times, item_features={"content": np.eye(8, dtype=np.float32)})
    heavy = plain.with_columns(weight=[1.0 + (3 * user + item * item) % 5 for user, item in zip(users, items, strict=True)])
    found = []
    for model in models:
        small = model.clone(**({"iterations": 2} if "iterations" in model.get_params() else {}))
        try:
            scores = [small.clone().fit(events).score(users, items) for events in (plain, heavy)]
        except MinirecError:  # with its settings it cannot be tried on so few: nothing is claimed
            continue
        if np.array_equal(scores[0], scores[1]):
            found.append(model.name)
    return found

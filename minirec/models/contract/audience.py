"""Users for an item: the other way round, for campaigns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...data.ids import Id
from .checks import whole

if TYPE_CHECKING:
    from .recommender import Recommender

BLOCK = 4096  # users scored at a time


def recommend_users(model: Recommender, item: Id, k: int = 10, *, exclude_seen: bool = True) -> list[tuple[Id, float]]:
    """The k users with the highest score for an item, best first, as (user, score); ties go to the lower user row.

    Scores of different users are compared as they are. Where `score_kind` is "relative" that is a heuristic: a model may give all
    items of an active user higher scores. exclude_seen : leave out who has the item already.

    >>> import minirec as mr
    >>> model = mr.ItemKNN().fit(mr.Dataset.from_arrays(["a", "a", "b", "b", "c"], [1, 2, 1, 3, 2]))
    >>> [user for user, _ in recommend_users(model, 3, k=2)]
    ['a', 'c']

    O(users) scores of one item; models that score by whole lists take as long as a recommendation for everybody.
    Raises UnknownIdError for an item that the model does not know, NotSupportedError where the users were not saved.
    """
    model._fitted()
    whole("k", k)
    row = model.items_.row(item, "item")
    model._need_users("recommending users", True)
    n = len(model.users_)
    scores = np.empty(n, np.float32)
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n), dtype=np.int32)
        places = np.arange(len(rows), dtype=np.int64)
        scores[rows] = model._scorer(model._profiles_of(rows)).pairs(places, np.full(len(rows), row, np.int32))
    if exclude_seen:
        scores[model.seen_.row_ids()[model.seen_.indices == row]] = -np.inf
    order = np.argsort(-scores, kind="stable")[: min(k, n)]
    order = order[np.isfinite(scores[order])]
    return list(zip(model.users_.ids(order), scores[order].tolist(), strict=True))

"""Figures of a model on held-out events while it is fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...data.dataset import Dataset
from ...engine.ranking.topk import Filters, rank
from ...engine.sparse import CSR
from ...metrics.accuracy import Hits, Lists, find_hits, recall

if TYPE_CHECKING:
    from .recommender import Recommender

_LENGTH = 20


def figures(model: Recommender, validation: Dataset) -> dict[str, float]:
    """recall@20 over the users with held-out items that they have not seen."""
    users, items = model.users_.rows(validation.users.ids(validation.user)), model.items_.rows(validation.items.ids(validation.item))
    known = (users >= 0) & (items >= 0)
    truth = CSR.from_pairs(users[known], items[known], None, model.seen_.shape)
    rows = np.flatnonzero(truth.counts()).astype(np.int32)
    if not len(rows):
        return {}
    truth, profiles = truth.rows(rows), model._profiles_of(rows)
    ranked = rank(model._scorer(profiles), _LENGTH, backend=model.backend_, filters=Filters(banned=(profiles.history,)))
    hits = Hits.of(find_hits(Lists(ranked.indptr, ranked.items).table(_LENGTH), truth))
    return {f"validation_recall@{_LENGTH}": float(recall(hits, truth.counts(), _LENGTH).mean())}

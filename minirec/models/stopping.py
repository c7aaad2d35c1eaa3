"""Held-out events of a training set, and the figure on them that tells a fit when to stop."""

from __future__ import annotations

import numpy as np

from ..data.dataset import Dataset
from ..data.ids import Rows
from ..engine.scorers import Scorer
from ..engine.sparse import CSR
from ..engine.topk import Filters, rank


def rows_in(train: Dataset, side: Dataset) -> tuple[Rows, Rows]:
    """The user and the item of each event of a side of a split of `train`, as rows of `train`."""
    return train.users.rows(side.users.ids(side.user)), train.items.rows(side.items.ids(side.item))


def mean_ndcg(scorer: Scorer, truth: CSR, length: int, backend: str, filters: Filters) -> float:
    """Mean NDCG@length over the profiles of the scorer, each of which has items in its row of `truth`."""
    owner, place = rank(scorer, length, backend=backend, filters=filters).hits(truth)
    discounts = 1 / np.log2(np.arange(2, length + 2))
    gain = np.bincount(owner, weights=discounts[place], minlength=truth.shape[0])
    return float(np.mean(gain / np.cumsum(discounts)[np.minimum(truth.counts(), length) - 1]))

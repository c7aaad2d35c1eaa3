"""What several sides share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..job import Array, Job

if TYPE_CHECKING:
    import minirec as mr


def dataset(matrix: Any) -> mr.Dataset:
    """A SciPy matrix as a minirec data set; ids are row numbers."""
    from minirec import Dataset

    coo = matrix.tocoo()
    weights = None if (coo.data == 1).all() else coo.data
    return Dataset.from_arrays(coo.row, coo.col, weights)


def on_lap(job: Job) -> Any:
    """A callback for minirec's `fit` that makes a lap of each iteration and hands over the vectors."""

    def callback(model: Any, _: Any) -> None:
        job.lap(lambda: {"users": model.user_factors_, "items": model.item_factors_})

    return callback


def with_bias(users: Array, items: Array, user_bias: Array | None, item_bias: Array) -> dict[str, Array]:
    """Vectors with biases as coordinates, so that the dot product is the score (a user's own bias does not change an order)."""
    ones = np.ones((len(users), 1), np.float32)
    left = [users, ones] if user_bias is None else [users, ones, user_bias.reshape(-1, 1)]
    right = [items, item_bias.reshape(-1, 1)] if user_bias is None else [items, item_bias.reshape(-1, 1), np.ones((len(items), 1))]
    return {"users": np.hstack(left).astype(np.float32), "items": np.hstack(right).astype(np.float32)}


def lists(found: mr.Recommendations, k: int) -> Array:
    """Recommendations as a table of item rows, -1 where a list has ended."""
    table = np.full((len(found), k), -1, np.int32)
    table[np.arange(k) < np.diff(found.indptr)[:, None]] = found.rows
    return table

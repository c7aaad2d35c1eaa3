"""The part of a two-sided graph around some of its items, found breadth-first."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..sparse import CSR, Index


class Around(NamedTuple):
    """The part of the graph that was reached: rows of the two sides in the order of discovery, and the edges between them.

    edges : CSR (len(users), len(items)) over these positions, float64; its columns need not ascend.
    """

    items: Index
    users: Index
    edges: CSR


def around(by_user: CSR, by_item: CSR, targets: Index, own: int, most: int) -> Around:
    """Breadth-first from the items `targets` (and the user `own`, unless it is -1) along whole rows, in ascending order.

    No further user is followed once there are `most` items beside the targets; the users found by then stay in the graph, with the
    edges to its items.
    """
    most += len(targets)
    items = _Found(by_item.shape[0], targets)
    users = _Found(by_user.shape[0], np.array([own][: own >= 0], np.int32))
    next_item, next_user = 0, len(users.rows)  # the items of `own` are the targets
    while next_item < len(items.rows) and len(items.rows) < most:
        for item in items.rows[next_item:]:
            users.add(by_item.row(item)[0])
            next_item += 1
        for user in users.rows[next_user:]:
            if len(items.rows) >= most:
                break
            items.add(by_user.row(user)[0])
            next_user += 1
    kept = by_user.rows(np.array(users.rows, np.int64))
    inside = items.place[kept.indices] >= 0
    indptr = np.concatenate(([0], np.cumsum(inside)))[kept.indptr].astype(np.int64)
    edges = CSR(indptr, items.place[kept.indices[inside]], kept.data[inside].astype(np.float64), (len(users.rows), len(items.rows)))
    return Around(np.array(items.rows, np.int32), np.array(users.rows, np.int32), edges)


class _Found:
    """Rows of a side in the order of discovery, and the place of each row in it (-1: not found)."""

    def __init__(self, n: int, first: Index) -> None:
        self.place = np.full(n, -1, np.int32)
        self.rows: list[int] = []
        self.add(first)

    def add(self, rows: Index) -> None:
        new = rows[self.place[rows] < 0]
        self.place[new] = np.arange(len(self.rows), len(self.rows) + len(new))
        self.rows += new.tolist()


def sums(places: NDArray[Any], values: NDArray[Any], n: int) -> NDArray[np.float64]:
    """The values added up by their places 0, ..., n - 1, in order."""
    added: NDArray[Any] = np.bincount(places, values, n)
    return added.astype(np.float64, copy=False)

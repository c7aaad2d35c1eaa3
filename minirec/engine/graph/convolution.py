"""The convolution of LightGCN: the mean of the powers of a normalized adjacency matrix, applied to embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..sparse import CSR, Floats, Index
from .propagate import normalized, propagate


class Convolution:
    """Z = (E + A E + ... + A^K E) / (K + 1) with A = [[0, S], [S^T, 0]], S the normalized matrix of users x items.

    E (users + items, d) comes in its two parts. Z is linear in E and A symmetric, so the gradient by E is the same convolution of the
    gradient by Z. Both are computed by Horner's rule, H_0 = E, H_k+1 = E + A H_k, Z = H_K / (K + 1). Where only some rows of Z are
    wanted the last product is made for them alone; where only some rows of the gradient are not zero, so is the first.
    O(K nnz d).
    """

    def __init__(self, matrix: CSR, layers: int, backend: str, dtype: Any = np.float32) -> None:
        self.by_user = normalized(matrix, dtype=dtype)
        self.by_item = self.by_user.transpose()
        self.layers, self._backend = layers, backend

    def _product(self, matrix: CSR, block: Floats) -> Floats:
        return propagate(matrix, block, backend=self._backend)

    def _steps(self, count: int, users: Floats, items: Floats, start: tuple[Floats, Floats] | None = None) -> tuple[Floats, Floats]:
        """So many steps of Horner's rule from `start`, or from E itself."""
        h_users, h_items = (users, items) if start is None else start
        for _ in range(count):
            next_users, next_items = self._product(self.by_user, h_items), self._product(self.by_item, h_users)
            next_users += users
            next_items += items
            h_users, h_items = next_users, next_items
        return h_users, h_items

    def before_last(self, users: Floats, items: Floats) -> tuple[Floats, Floats]:
        """H_(K-1): what the last product is applied to."""
        return self._steps(self.layers - 1, users, items)

    def all(self, users: Floats, items: Floats) -> tuple[Floats, Floats]:
        """Z, of all users and of all items."""
        return self.last(users, items, *self.before_last(users, items))

    def last(self, users: Floats, items: Floats, h_users: Floats, h_items: Floats) -> tuple[Floats, Floats]:
        """Z, from what `before_last` gave."""
        z_users, z_items = self._steps(1, users, items, (h_users, h_items))
        return z_users / (self.layers + 1), z_items / (self.layers + 1)

    def rows(self, users: Floats, items: Floats, user_rows: Index, item_rows: Index) -> tuple[Floats, Floats]:
        """Z, of some users and of some items."""
        h_users, h_items = self.before_last(users, items)
        z_users = users[user_rows] + self._product(self.by_user.rows(user_rows), h_items)
        z_items = items[item_rows] + self._product(self.by_item.rows(item_rows), h_users)
        return z_users / (self.layers + 1), z_items / (self.layers + 1)

    def back(self, user_rows: Index, by_users: Floats, item_rows: Index, by_items: Floats) -> tuple[Floats, Floats]:
        """The gradients by E, of all users and of all items, from the gradients by some rows of Z (distinct), the others being zero."""
        users = np.zeros((self.by_user.shape[0], by_users.shape[1]), by_users.dtype)
        items = np.zeros((self.by_user.shape[1], by_users.shape[1]), by_users.dtype)
        users[user_rows], items[item_rows] = by_users / (self.layers + 1), by_items / (self.layers + 1)
        h_users = self._product(self.by_item.rows(item_rows).transpose(), items[item_rows])
        h_items = self._product(self.by_user.rows(user_rows).transpose(), users[user_rows])
        h_users += users
        h_items += items
        return self._steps(self.layers - 1, users, items, (h_users, h_items))

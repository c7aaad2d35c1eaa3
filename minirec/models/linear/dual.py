"""The dual form of the linear autoencoders: for fewer users than items, one users x users matrix in place of items x items.

With X binary (m users, n items), C and L diagonal and Y = C^(1/2) X, Woodbury's identity gives

    P = (Xᵀ C X + L)^-1 = L^-1 - L^-1 Yᵀ M Y L^-1,    M = (I + Y L^-1 Yᵀ)^-1  (m, m),

so that P_ij = -y_iᵀ M y_j / (l_i l_j) for i != j and P_jj = (1 - q_j) / l_j with q_j = y_jᵀ M y_j / l_j, y_j the column of item j. No
matrix of n x n numbers is ever formed. All in float64: where an item has far more users than its penalty, 1 - q_j is a small difference.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...engine.backend import kernel, run_blocks
from ...engine.linalg.inverse import BLOCK, negative_inverse
from ...engine.ranking.scorers import PathScorer, Scores, pairs_by_block
from ...engine.sparse import CSR, Index
from ...options import thread_count

Vector = NDArray[np.float64]
_ROWS = 64  # items, or users, that one task works on
_TILE = 16  # profiles that are scored together


def dual_is_cheaper(users: int, items: int) -> bool:
    """Whether the dual form takes less: the inverse costs users^3 in place of items^3, but each request then costs more."""
    return 2 * users <= items


def dual_memory(users: int, items: int, events: int) -> int:
    """Bytes of M and of taking it, of the events three times, and of what each thread scores or checks."""
    inverse = 8 * users * (users + 2 * min(users, BLOCK))
    return inverse + 40 * events + thread_count() * (20 * _TILE * items + 8 * _ROWS * users) + 160 * items


class Dual(NamedTuple):
    """M, and the events that go with it."""

    inner: Vector  # M (users, users)
    by_user: CSR  # Y (users, items), float64
    by_item: CSR  # Yᵀ

    @classmethod
    def of(cls, inner: Vector, events: CSR, user_weights: Vector) -> Dual:
        """Put M together with the events that it was made of; C holds `user_weights`."""
        by_user = events.with_data(np.repeat(np.sqrt(user_weights), events.counts()))
        return cls(inner, by_user, by_user.transpose())

    def diagonal(self, penalty: Vector) -> Vector:
        """P_jj for each item. O(events x users)."""

        def block(start: int, stop: int) -> Vector:
            part = self.by_item.span(start, stop)
            return part.sums((_dense_product(part, self.inner)[part.row_ids(), part.indices]) * part.data)

        n = len(penalty)
        q = np.concatenate([np.zeros(0), *run_blocks(block, n, _ROWS)])
        return (1 - q / penalty) / penalty

    def solve(self, penalty: Vector, right: Vector) -> Vector:
        """P times the columns of `right` (items, k)."""
        scaled = right / penalty[:, None]
        inward = self.inner @ (self.by_user.to_scipy() @ scaled)
        solved: Vector = scaled - (self.by_item.to_scipy() @ inward) / penalty[:, None]
        return solved

    def weights_to(self, item: int, sources: Index, left: Vector, right: float) -> Vector:
        """W[i, item] for the items `sources`; what scores of these alone are made of."""
        rows, values = self.by_item.row(item)
        outward = self.inner[:, rows] @ values
        found = self.by_item.rows(sources)
        weights = found.sums(found.data * outward[found.indices]) * left[sources] * right
        weights[sources == item] = 0
        return weights


def dual_inverse(events: CSR, user_weights: Vector, penalty: Vector, backend: str) -> Vector:
    """M, by the sum over the items of y_j y_jᵀ / l_j and an inverse in place. O(sum_j n_j^2 + users^3)."""
    m, xt = events.shape[0], events.transpose()
    values = np.repeat(1 / penalty, xt.counts())
    scaled = xt.with_data(values)
    ones = events.with_data(np.ones(events.nnz))
    inner = np.zeros((m, m))
    product = kernel("weighted_rows_sparse", backend)

    def block(start: int, stop: int) -> None:
        product(start, stop, ones.indptr, ones.indices, ones.data, scaled.indptr, scaled.indices, scaled.data, inner[start:stop])

    run_blocks(block, m, _ROWS)
    root = np.sqrt(user_weights)
    inner *= root[:, None]
    inner *= root
    inner[np.diag_indices(m)] += 1
    try:
        negative_inverse(inner)
    except np.linalg.LinAlgError:
        inner[:] = np.nan
    np.negative(inner, out=inner)
    return inner


class DualScorer(PathScorer):
    """Scores x_u W where W_ij = (y_iᵀ M y_j) left_i right_j for i != j, and W_jj = 0. O(events + users^2) a profile.

    history : (profiles, items), its values are x. left, right, own (items,): own_j is the W_jj that the product has and W has not.
    The scores of a profile have the same bits alone and in a batch.
    """

    tile = _TILE

    def __init__(self, history: CSR, dual: Dual, left: Vector, right: Vector, own: Vector, backend: str) -> None:
        self.history, self.dual, self.backend = history, dual, backend
        self.left, self.right, self.own = left, right, own

    @property
    def shape(self) -> tuple[int, int]:
        return self.history.shape

    def block(self, start: int, stop: int) -> Scores:
        return self.exact(start, stop).astype(np.float32)

    def exact(self, start: int, stop: int) -> Vector:
        """The scores of a block before they are rounded to float32."""
        rows = self.history.span(start, stop)
        profiles, users = stop - start, len(self.dual.inner)
        values = rows.data.astype(np.float64) * self.left[rows.indices]
        add, to_users, to_items = kernel("weighted_rows_sparse", self.backend), self.dual.by_item, self.dual.by_user
        seen, inward = np.zeros((profiles, users)), np.zeros((profiles, users))
        add(0, profiles, rows.indptr, rows.indices, values, to_users.indptr, to_users.indices, to_users.data, seen)
        kernel("add_product", self.backend)(seen, self.dual.inner, inward)
        scores = np.zeros((profiles, self.shape[1]))
        pointer, everybody = users * np.arange(profiles + 1), np.tile(np.arange(users, dtype=np.int32), profiles)
        add(0, profiles, pointer, everybody, inward.reshape(-1), to_items.indptr, to_items.indices, to_items.data, scores)
        scores *= self.right
        scores[rows.row_ids(), rows.indices] -= rows.data * self.own[rows.indices]
        return scores

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)


def _dense_product(rows: CSR, matrix: Vector) -> NDArray[Any]:
    """A few sparse rows times a dense matrix, by SciPy: each row is summed in the order of its entries."""
    product: NDArray[Any] = rows.to_scipy() @ matrix
    return product

"""Twins: different items that the same users have, such as one product listed twice. Whoever has one knows the other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..engine.sparse import CSR
from ..errors import ParameterError

LEAST_USERS, OVERLAP = 3, 0.8
RANDOM_ORDERS = 2
USERS_A_PIECE = 2**22


class Twins(NamedTuple):
    """Pairs of item rows: `first` of the one catalogue, `second` of the other (or of the same, then first < second).

    shared : users that have both. overlap : shared over the users of the more popular of the two.
    """

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    shared: NDArray[np.int64]
    overlap: NDArray[np.float64]

    def items(self, side: int = 0) -> NDArray[np.int32]:
        """The rows of one side that have a twin; of one catalogue: of either side, with side=-1."""
        sides = (self.first, self.second) if side < 0 else (self[side],)
        found: NDArray[np.int32] = np.unique(np.concatenate(sides))
        return found


def find_twins(events: Dataset, other: Dataset | None = None, *, least_users: int = LEAST_USERS, overlap: float = OVERLAP) -> Twins:
    """Items that the same users have: at least `least_users` in common, and these at least `overlap` of the users of either.

    other : a second catalogue of the same users, such as another domain; None: pairs within the one. Exact. Of an item with m
    users, a twin must have one of the first m - ceil(overlap m) + 1 (prefix filtering, Chaudhuri et al. ICDE 2006), whatever the
    order of the users; only pairs that share such a user in each of three orders are counted.

    >>> import minirec as mr
    >>> events = mr.Dataset.from_arrays([1, 2, 3, 1, 2, 3, 1, 4], ["a", "a", "a", "b", "b", "b", "c", "c"])
    >>> twins = find_twins(events)
    >>> [(events.items[a], events.items[b]) for a, b in zip(twins.first, twins.second)]
    [('a', 'b')]
    """
    if not 0 < overlap <= 1:
        raise ParameterError(f"overlap is a share above 0 and at most 1, got {overlap!r}")
    one = events.matrix
    two = one if other is None else _aligned(other, events)
    left = _by_item(one)
    right = left if other is None else _by_item(two)
    first, second = _candidates(left, right, one.counts() + two.counts(), overlap, least_users)
    if other is None:
        first, second = first[first < second], second[first < second]
    users = np.diff(left.indptr), np.diff(right.indptr)
    larger = np.maximum(users[0][first], users[1][second])
    possible = np.minimum(users[0][first], users[1][second]) >= overlap * larger - 1e-9
    first, second, larger = first[possible], second[possible], larger[possible]
    shared = _shared(left, right, first, second, users[0][first] + users[1][second])
    keep = (shared >= least_users) & (shared >= overlap * larger - 1e-9)
    first, second, shared = first[keep].astype(np.int32), second[keep].astype(np.int32), shared[keep]
    order = np.lexsort((second, first))
    return Twins(first[order], second[order], shared[order], (shared / larger[keep])[order])


def _candidates(left: Any, right: Any, degree: NDArray[np.int64], overlap: float, least_users: int) -> tuple[Any, Any]:
    """Pairs that share a user among those they cannot do without, in several orders of the users: the rarest first, then by chance.

    A twin does so in every order, so none is lost; other pairs seldom do in all of them.
    """
    orders = [np.argsort(degree, kind="stable"), *(np.random.default_rng(seed).permutation(len(degree)) for seed in range(RANDOM_ORDERS))]
    common: Any = None
    for order in orders:
        prefix = _prefix(left, order, overlap, least_users)
        beside = prefix if right is left else _prefix(right, order, overlap, least_users)
        pairs = (prefix @ beside.T).astype(bool)
        common = pairs if common is None else common.multiply(pairs)
    found = common.tocoo()
    return found.row, found.col


def _shared(left: Any, right: Any, first: Any, second: Any, size: NDArray[np.int64]) -> NDArray[np.int64]:
    """The users in common of each pair; in pieces that hold at most a few million users."""
    shared = np.zeros(len(first), np.int64)
    ends = np.searchsorted(np.cumsum(size), np.arange(USERS_A_PIECE, int(size.sum()) + USERS_A_PIECE, USERS_A_PIECE), side="left") + 1
    start = 0
    for stop in np.minimum(np.unique(ends), len(first)).tolist():
        shared[start:stop] = left[first[start:stop]].multiply(right[second[start:stop]]).sum(1)
        start = stop
    return shared


def _aligned(other: Dataset, events: Dataset) -> CSR:
    """The other data set with its users in the rows of the first; users of the other alone are left out, as they share nothing."""
    rows = events.users.rows(list(other.users))
    user = rows[other.user]
    known = user >= 0
    return CSR.from_pairs(user[known], other.item[known], None, (events.n_users, other.n_items))


def _by_item(matrix: CSR) -> Any:
    """Items x users, ones, as a SciPy CSR."""
    by_item = matrix.transpose().to_scipy()
    by_item.data = np.ones(by_item.nnz, np.int32)
    return by_item


def _prefix(by_item: Any, order: NDArray[np.int64], overlap: float, least_users: int) -> Any:
    """Of each item the users that come first in an order, as many as a twin cannot do without; items of too few users have none."""
    from scipy.sparse import csr_array

    n_users = by_item.shape[1]
    counts = np.diff(by_item.indptr)
    rank = np.empty(n_users, np.int64)
    rank[order] = np.arange(n_users)
    item = np.repeat(np.arange(len(counts)), counts)
    key = np.sort(item * n_users + rank[by_item.indices])
    place = np.arange(len(item)) - np.repeat(by_item.indptr[:-1], counts)
    wanted = np.where(counts >= least_users, counts - np.ceil(overlap * counts - 1e-9).astype(np.int64) + 1, 0)
    kept = key[place < wanted[item]]
    return csr_array((np.ones(len(kept), np.int32), (kept // n_users, order[kept % n_users])), shape=by_item.shape)


def known_by_twin(first: NDArray[np.int32], second: NDArray[np.int32], had: CSR, pairs: CSR) -> NDArray[np.bool_]:
    """bool (pairs.nnz,): is the item of a pair the `first` of twins whose `second` the same user has in `had`?"""
    from scipy.sparse import csr_array

    link = csr_array((np.ones(len(first)), (second, first)), shape=(had.shape[1], pairs.shape[1]))
    reached = (had.binary().to_scipy() @ link).tocsr()
    reached.sort_indices()
    keys = np.repeat(np.arange(reached.shape[0]), np.diff(reached.indptr)) * pairs.shape[1] + reached.indices
    found: NDArray[np.bool_] = np.isin(pairs.row_ids() * pairs.shape[1] + pairs.indices, keys)
    return found

"""What a list can have to do with its user: co-occurrence with the user's own items, and whether it has more of it than chance."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..engine.sparse import CSR
from .case import Case

WITNESSES, MOST_ITEMS = 20_000, 200  # users, and items of each, that co-occurrence is counted over
RANDOM_LISTS = 9
Floats = NDArray[np.float64]


def similarity(case: Case, seed: int) -> Any:
    """Cosine of the sets of users of two items, a SciPy CSR (n, n) with an empty diagonal.

    Over at most 20,000 users of the events, drawn with the seed, and at most 200 items of each; O(users items^2).
    """
    return case.background.keep(("similarity", seed), lambda: _similarity(case, seed))


def _similarity(case: Case, seed: int) -> Any:
    from scipy.sparse import csr_array, diags_array

    matrix = case.events.matrix
    rng = np.random.default_rng([seed, 11])
    rows = np.arange(matrix.shape[0])
    if len(rows) > WITNESSES:
        rows = np.sort(rng.choice(len(rows), WITNESSES, replace=False))
    chosen = matrix.rows(rows)
    counts = chosen.counts()
    if counts.max(initial=0) > MOST_ITEMS:
        key = chosen.row_ids() + rng.random(chosen.nnz)  # within a user the items in random order
        order = np.argsort(key, kind="stable")
        place = np.arange(chosen.nnz) - np.repeat(chosen.indptr[:-1], counts)
        keep = order[place < MOST_ITEMS]
        chosen = CSR.from_pairs(chosen.row_ids()[keep], chosen.indices[keep], None, chosen.shape)
    binary = csr_array((np.ones(chosen.nnz), chosen.indices, chosen.indptr), shape=chosen.shape)
    times = np.bincount(chosen.indices, minlength=chosen.shape[1])
    scale = diags_array(1.0 / np.sqrt(np.maximum(times, 1)))
    both = csr_array(scale @ (binary.T @ binary) @ scale)
    both.setdiag(0.0)
    both.eliminate_zeros()
    return both


class Links(NamedTuple):
    """A sparse matrix (users, n) by its places `user * n + item`, ascending; `own` is how many entries each user has."""

    places: NDArray[np.int64]
    values: Floats
    own: NDArray[np.int64]
    n: int

    def at(self, users: NDArray[Any], items: NDArray[Any]) -> Floats:
        """The entries at pairs, 0 where there is none. O(pairs log entries)."""
        if not len(self.places):
            return np.zeros(len(users))
        wanted = users.astype(np.int64) * self.n + items
        place = np.minimum(self.places.searchsorted(wanted), len(self.places) - 1)
        return np.where(self.places[place] == wanted, self.values[place], 0.0)


def links(case: Case, likeness: Any) -> Links:
    """How far each item goes with each listed user's own items: sum_j cos(i, j) over the items j of the user."""
    matrix = (case.profile.binary().to_scipy().astype(np.float64) @ likeness).tocsr()
    matrix.sort_indices()
    own = np.diff(matrix.indptr)
    places = np.repeat(np.arange(len(own), dtype=np.int64) * case.n_items, own) + matrix.indices
    return Links(places, matrix.data, own, case.n_items)


def unlinked(case: Case, k: int, size: int, seed: int) -> Floats:
    """For each listed user 2 where the list goes less with the user's own items than most random lists do, 0 where more, 1 if tied.

    Its mean is the share of lists that are random: a random list is below the median of random lists half of the time, one that
    follows the user hardly ever. Worked out for `size` users drawn with the seed; NaN for the others, for users without events,
    and for users whose own items occur with no other item.
    """
    part, rows = case.sample(size, seed)
    link = links(part, similarity(case, seed))
    table = part.lists.table(k)
    there = table >= 0
    length = there.sum(1)
    user, _ = np.nonzero(there)
    shown = _list_means(link, user, table[there], length)
    above = np.zeros(part.n_users)
    rng = np.random.default_rng([seed, 13])
    for _ in range(RANDOM_LISTS):
        drawn = rng.integers(0, case.n_items, len(user))
        chance = _list_means(link, user, drawn, length)
        above += (chance > shown) + 0.5 * (chance == shown)
    q = above / RANDOM_LISTS
    value = np.where(q > 0.5, 2.0, np.where(q == 0.5, 1.0, 0.0))
    value[(length == 0) | (link.own == 0)] = np.nan
    found = np.full(case.n_users, np.nan)
    found[rows] = value
    return found


def _list_means(link: Links, user: NDArray[Any], items: NDArray[Any], length: NDArray[Any]) -> Floats:
    total = np.bincount(user, link.at(user, items), minlength=len(length))
    mean: Floats = total / np.maximum(length, 1)
    return mean

"""Beyond accuracy: coverage, concentration, popularity bias, novelty and diversity of recommended lists.

Arguments: `table` int32 (U, K), the lists as rows of the catalogue, -1 after the end of a list (`Lists.table`); `hit` float64
(U, K), 1 where the item is a test item of the user; `item_counts` int64 (n,), n_i = users of item i in train. Functions of lists
return float64 (U,), NaN for a user without a value (left out of the mean, counted in the Result); functions of the whole output
return one number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.backend import run_blocks
from ..engine.sparse import CSR
from .accuracy import Counts, Mask, Number, Table, Values, discounts, pad

USERS_A_BLOCK = 1024
USERS_A_ROUND = 8192  # lists of many users share pairs of items, and each pair is counted once a round
MARKS = 2**24  # bytes; up to this many possible pairs of items, distinct pairs are marked in a table instead of sorted


def list_mean(per_item: NDArray[Number], table: Table, k: int) -> Values:
    """Mean of an item's value over the first k of each list; NaN for an empty list.

    With n_i: ARP@k, average recommendation popularity (Yin et al., VLDB 2012). With 1 for items of the tail: APLT@k, the share of
    the list that comes from the tail (Abdollahpouri et al., RecSys 2017). With 1 for items of another group: its exposure.
    """
    first = table[:, :k]
    length = (first >= 0).sum(1)
    total = pad(per_item)[first].sum(1, dtype=np.float64)
    return np.where(length, total / np.maximum(length, 1), np.nan)


def complement(item_counts: Counts, n_users: int) -> Values:
    """1 - n_i / U: how likely a user is not to know item i. EPC is `novelty` with it."""
    return 1.0 - item_counts / max(n_users, 1)


def surprisal(item_counts: Counts) -> Values:
    """-log2(n_i / sum_j n_j) in bits. EFD is `novelty` with it. An item without train events counts as having one."""
    return -np.log2(np.maximum(item_counts, 1) / max(int(item_counts.sum()), 1))


def novelty(hit: Values, table: Table, value: Values, k: int) -> Values:
    """Novelty of the hits: sum_{r<=k} disc_r hit_r value_r / sum_{r<=min(k,|L_u|)} disc_r, disc_r = 1 / log2(r + 1).

    value : float64 (U, K), that of the item at each place of the table.

    Vargas & Castells, RecSys 2011: EPC with value 1 - n_i / U (expected popularity complement), EFD with value -log2 p(i)
    (expected free discovery), both with rank discount and relevance. 0 for an empty list.
    """
    weight = discounts(k) * (table[:, :k] >= 0)
    gained: Values = (weight * hit[:, :k] * value[:, :k]).sum(1)
    total: Values = weight.sum(1)
    return gained / np.where(total > 0, total, 1.0)


def group_shares(labels: NDArray[np.int8], n_groups: int, rows: NDArray[np.int64], items: NDArray[np.int32], n_rows: int) -> Values:
    """Share of each group among the items of each row, float64 (n_rows, n_groups); NaN for a row without items."""
    inside = items < len(labels)  # an item that the catalogue does not have is of no group
    key = rows[inside] * n_groups + labels[items[inside]]
    counts = np.bincount(key, minlength=n_rows * n_groups).reshape(n_rows, n_groups).astype(np.float64)
    total = counts.sum(1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1.0), np.nan)


def popularity_deviation(profile: Values, table: Table, labels: NDArray[np.int8], k: int) -> Values:
    """UPD@k: Jensen-Shannon divergence, base 2, between the shares of the item groups in a user's profile and in the list.

    JSD(p, q) = (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2; 0 = the list is as popular as the profile, 1 = disjoint.
    Abdollahpouri et al., UMAP 2021, with head, middle and tail by interaction mass; they average within groups of users first,
    here the mean is over users. profile: float64 (U, groups) from `group_shares`. NaN where profile or list is empty.
    """
    first = table[:, :k]
    rows, ranks = np.nonzero(first >= 0)
    shown = group_shares(labels, profile.shape[1], rows, first[rows, ranks], len(table))
    middle = (profile + shown) / 2.0

    def divergence(p: Values) -> Values:
        ratio = np.divide(p, middle, out=np.ones_like(p), where=p > 0)
        total: Values = (p * np.log2(ratio)).sum(1)
        return total

    return np.maximum((divergence(profile) + divergence(shown)) / 2.0, 0.0)


def shown(table: Table, k: int, n_items: int) -> Mask:
    """Whether each item stands in the first k of at least one list."""
    marks = np.zeros(n_items + 1, bool)
    marks[table[:, :k]] = True  # the last place catches the -1
    return marks[:-1]


def coverage(items: Mask, group: Mask) -> float:
    """Share of the items of a group (or of the whole catalogue: all true) that are among those `shown`."""
    return float((items & group).sum() / max(int(group.sum()), 1))


def times_shown(table: Table, k: int, n_items: int) -> Counts:
    """How many lists have each item of the catalogue among their first k, int64 (n,)."""
    first = table[:, :k]
    return np.bincount(first[(first >= 0) & (first < n_items)], minlength=n_items)


def entropy(table: Table, k: int, n_items: int) -> float:
    """Entropy@k = -sum_i p_i log2 p_i.

    Denominator: none; p_i is the share of item i among the first k places of all lists. In bits, from 0 (one item has all places) to
    log2 n (all items alike).
    Empty: NaN where nothing is recommended.
    Elsewhere: irspack has natural logarithms; RecBole's ShannonEntropy does, too, and divides by the number of items recommended.
    Source: Shannon 1948; Vargas and Castells, RecSys 2014.
    """
    times = times_shown(table, k, n_items)
    if not times.any():
        return float("nan")
    share = times[times > 0] / times.sum()
    return float(-(share * np.log2(share)).sum()) + 0.0


def list_sum(per_item: NDArray[Number], table: Table, k: int) -> Values:
    """ACLT@k = |items of the tail in the first k|.

    Denominator: none.
    Empty: 0 for an empty list.
    Elsewhere: Elliot's ACLT is the same; k times `aplt` where lists are full.
    Source: Abdollahpouri et al., FLAIRS 2019.
    """
    total: Values = pad(per_item)[table[:, :k]].sum(1, dtype=np.float64)
    return total


def expected_by_all(item_counts: Counts) -> Values:
    """How much each item is to be expected without knowing the user: (n + 1 - its rank by popularity) / n, 0 without events.

    Items of equal popularity share a rank, and the ranks have no gaps.
    """
    _, place = np.unique(-item_counts, return_inverse=True)
    n = len(item_counts)
    expected: Values = np.where(item_counts > 0, (n - place) / max(n, 1), 0.0)
    return expected


def serendipity(hit: Values, table: Table, expected: Values, n_items: int, k: int) -> Values:
    """Serendipity@k = sum_{r<=min(k,|L|)} hit_r max((n + 1 - r) / n - e_r, 0) / min(k, |L|).

    Denominator: min(k, |L|). e_r = (n + 1 - the popularity rank of the item at r) / n, 0 without events; equally popular items share a
    rank: a hit counts by how much higher it stands for the user than for everybody.
    Empty: 0 for an empty list.
    Elsewhere: RecTools' Serendipity is the same.
    Source: Gabryel, "Recommender systems: it's not all about the accuracy", 2016, as RecTools has it.
    """
    length = (table[:, :k] >= 0).sum(1)
    personal = (n_items + 1.0 - np.arange(1, k + 1)) / max(n_items, 1)
    gained: Values = (hit[:, :k] * np.maximum(personal - pad(expected)[table[:, :k]], 0.0)).sum(1)
    mean: Values = gained / np.maximum(length, 1)
    return mean


def gini(table: Table, k: int, n_items: int) -> float:
    """Gini index of how often each item is recommended, over all n items of the catalogue: G = sum_j (2j - n - 1) p_j / (n - 1).

    p_1 <= ... <= p_n are the items' shares of all recommendations, those never recommended included. It measures concentration:
    0 = every item equally often, 1 = one item always (some libraries report 1 - G). NaN where nothing was recommended.
    """
    times = np.sort(times_shown(table, k, n_items)).astype(np.float64)
    if not times[-1]:
        return float("nan")
    weight = 2.0 * np.arange(1, n_items + 1) - n_items - 1
    return float((weight * times).sum() / times.sum() / max(n_items - 1, 1))


def disparity(shown: Values, possible: Values) -> float:
    """Relative standard deviation, over item groups, of P(recommended | group) = shown / possible. 0 = parity.

    Zhu et al., SIGIR 2020. PopRSP: shown = recommendations of the group's items, possible = pairs of a user and an item of the
    group that could be recommended. PopREO: the same among test items only: shown = hits, possible = test items. Groups for which
    nothing was possible are left out; 0 where nothing was shown of any group.
    """
    rates = shown[possible > 0] / possible[possible > 0]
    return float(rates.std() / rates.mean()) if rates.sum() > 0 else 0.0


def intra_list_distance(table: Table, ks: tuple[int, ...], vectors: CSR | NDArray[np.floating[Any]]) -> dict[int, Values]:
    """ILD@k: mean of 1 - cos(i, j) over the pairs of different items in the first k (Smyth & McClave 2001; Ziegler et al. 2005).

    ks ascend. vectors: the train matrix, users x items, whose pattern is read as one vector of users for each item, so that
    cos(i, j) = |U_i and U_j| / sqrt(n_i n_j); or dense item vectors (n, d). The cosine with a vector of zeros is 0.
    NaN for a list of fewer than two items. At most U K^2 / 2 * users / 64 word operations for the train matrix, O(U K d) for
    dense vectors, because sum_{i != j} cos(i, j) = ||sum_i v_i / ||v_i|| ||^2 - (number of non-zero v_i).
    """
    if isinstance(vectors, CSR):
        similarity = _summed_cooccurrence(table, ks, vectors)
    else:
        similarity = _summed_cosines(table, ks, vectors)
    result = {}
    for k in ks:
        length = (table[:, :k] >= 0).sum(1)
        pairs = length * (length - 1) / 2.0
        result[k] = np.where(pairs > 0, 1.0 - similarity[k] / np.maximum(pairs, 1.0), np.nan)
    return result


def _summed_cosines(table: Table, ks: tuple[int, ...], vectors: NDArray[np.floating[Any]]) -> dict[int, Values]:
    """Sum of the cosines of all pairs within the first k, from prefix sums of unit vectors."""
    norm = np.sqrt((vectors.astype(np.float64) ** 2).sum(1, keepdims=True))
    unit = np.vstack([np.where(norm > 0, vectors / np.where(norm > 0, norm, 1.0), 0.0), np.zeros((1, vectors.shape[1]))])
    nonzero = pad(norm[:, 0] > 0)

    def block(start: int, stop: int) -> list[Values]:
        total = np.zeros((stop - start, vectors.shape[1]))
        alone = np.zeros(stop - start)  # the pairs (i, i), which the squared norm holds too
        sums = []
        for rank in range(table.shape[1]):
            rows = table[start:stop, rank]
            total += unit[rows]
            alone += nonzero[rows]
            if rank + 1 in ks:
                sums.append(((total**2).sum(1) - alone) / 2.0)
        return sums

    return _join(run_blocks(block, len(table), USERS_A_BLOCK), ks)


def _summed_cooccurrence(table: Table, ks: tuple[int, ...], train: CSR) -> dict[int, Values]:
    """The same where an item's vector is the set of its users: sets as bits, intersections by counting bits."""
    items = np.unique(table[table >= 0])
    m = len(items) + 1  # the last one stands for the -1 of short lists: no users, cosine 0
    place = np.full(train.shape[1] + 1, m - 1, np.int64)
    place[items] = np.arange(m - 1)
    bits = _user_bits(train, place[:-1], m)
    norm = np.sqrt(np.bitwise_count(bits).sum(1, dtype=np.float64))
    inverse = np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)
    earlier, later = np.triu_indices(table.shape[1], 1)
    within = [(later < k).astype(np.float64) for k in ks]

    rounds = []
    for start in range(0, len(table), USERS_A_ROUND):
        rows = place[table[start : start + USERS_A_ROUND]]
        a, b = rows[:, earlier], rows[:, later]
        pairs, position = _distinct(np.minimum(a, b) * m + np.maximum(a, b), m * m)
        cosine = _cosines(bits, inverse, pairs // m, pairs % m)[position]
        rounds.append([(cosine * inside).sum(1) for inside in within])
    return _join(rounds, ks)


def _distinct(keys: NDArray[np.int64], bound: int) -> tuple[NDArray[np.int64], NDArray[np.integer[Any]]]:
    """The distinct keys, all below `bound`, in ascending order, and the position of each key among them."""
    if bound <= MARKS:
        mark = np.zeros(bound, bool)
        mark[keys] = True
        distinct = np.flatnonzero(mark)
        slot = np.empty(bound, np.int32)
        slot[distinct] = np.arange(len(distinct))
        return distinct, slot[keys]
    distinct, position = np.unique(keys, return_inverse=True)
    return distinct, position.reshape(keys.shape)


def _cosines(bits: NDArray[np.uint64], inverse: Values, a: NDArray[np.int64], b: NDArray[np.int64]) -> Values:
    """|U_a and U_b| / sqrt(n_a n_b) for pairs of rows of `bits`, in pieces of 8 MB."""

    def block(start: int, stop: int) -> NDArray[np.int64]:
        both: NDArray[np.int64] = np.bitwise_count(bits[a[start:stop]] & bits[b[start:stop]]).sum(1, dtype=np.int64)
        return both

    counted = run_blocks(block, len(a), max(1, 2**20 // max(bits.shape[1], 1)))
    return np.concatenate([np.zeros(0, np.int64), *counted]) * inverse[a] * inverse[b]


def _user_bits(train: CSR, place: NDArray[np.int64], n_rows: int) -> NDArray[np.uint64]:
    """uint64 (n_rows, users / 64): a bit for every user who has an item; item i goes to row place[i], the last row stays empty."""
    n_users = train.shape[0]
    bits = np.zeros((n_rows, -(-n_users // 64)), np.uint64)
    step = max(64, 2**26 // n_rows // 64 * 64)
    for start in range(0, n_users, step):
        stop = min(start + step, n_users)
        first, last = train.indptr[start], train.indptr[stop]
        has = np.zeros((n_rows, -(-(stop - start) // 64) * 64), bool)
        user = np.repeat(np.arange(stop - start), np.diff(train.indptr[start : stop + 1]))
        has[place[train.indices[first:last]], user] = True
        has[-1] = False
        bits[:, start // 64 : start // 64 + has.shape[1] // 64] = np.packbits(has, axis=1).view(np.uint64)
    return bits


def _join(blocks: list[list[Values]], ks: tuple[int, ...]) -> dict[int, Values]:
    return {k: np.concatenate([block[i] for block in blocks]) if blocks else np.zeros(0) for i, k in enumerate(ks)}

"""Beyond accuracy, for anybody's lists: popularity, novelty, diversity, coverage and concentration."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.ids import Id, IdIndex
from ..errors import DataError, ParameterError
from . import beyond
from .accuracy import Mask, Table, Values
from .inputs import Given, ListsOf, read_lists, read_values
from .ranked import Judged


def coverage(lists: Given, catalogue: Any, k: int = 10) -> float:
    """Coverage@k = |items of the catalogue in the first k of at least one list| / n.

    Denominator: n, the items of the catalogue: their ids, or how many there are.
    Elsewhere: RecTools (CatalogCoverage with normalize=True) has the same; irspack's appeared_item is n times this.
    Source: Ge et al., RecSys 2010.

    >>> import minirec as mr
    >>> mr.metrics.coverage({1: ["a", "b"], 2: ["a", "c"]}, ["a", "b", "c", "d"], k=2)
    0.75
    """
    given, table = _cut(lists, k)
    shown = beyond.shown(table, k, len(given.items))
    if isinstance(catalogue, (int, np.integer)):
        return float(shown.sum() / _sized(int(catalogue), int(shown.sum())))
    index = IdIndex.from_ids(catalogue)
    return float(shown[_rows(given, index) >= 0].sum() / _sized(len(index), 0))


def user_coverage(lists: Given, users: Collection[Id]) -> float:
    """UserCoverage = |users with a list that is not empty| / |users|.

    Denominator: the users given, such as those of the test set.
    Elsewhere: Elliot's UserCoverage is the number of users with a list.
    Source: Ge et al., RecSys 2010.

    >>> import minirec as mr
    >>> mr.metrics.user_coverage({1: ["a"], 2: []}, [1, 2, 3, 4])
    0.25
    """
    given = read_lists(lists)
    index = IdIndex.from_ids(users)
    served = given.users.rows(list(index))
    return float((np.append(np.diff(given.indptr), 0)[served] > 0).sum() / _sized(len(index), 0))


def gini(lists: Given, n_items: int, k: int = 10) -> float:
    """Gini@k = sum_j (2 j - n - 1) p_j / (n - 1), over the items by ascending share.

    Denominator: n - 1, so one item that has all places gives 1. p_j is the share of an item among the first k places of all lists,
    items never recommended included; 0 where all have the same.
    Empty: NaN where nothing is recommended.
    Elsewhere: irspack, RecBole and LensKit (ListGini) divide by n: this is n / (n - 1) times theirs. Elliot divides by n - 1, too.
    Source: Gini 1912; Fleder and Hosanagar, Management Science 2009.

    >>> import minirec as mr
    >>> mr.metrics.gini({1: ["a", "b"], 2: ["a", "b"]}, n_items=4, k=2)
    0.6666666666666666
    """
    given, table = _cut(lists, k)
    return beyond.gini(table, k, _sized(n_items, len(given.items)))


def entropy(lists: Given, k: int = 10) -> float:
    given, table = _cut(lists, k)
    return beyond.entropy(table, k, len(given.items))


entropy.__doc__ = f"""{(beyond.entropy.__doc__ or "").rstrip()}

    >>> import minirec as mr
    >>> mr.metrics.entropy({{1: ["a", "b"], 2: ["a", "b"]}}, k=2)
    1.0
    """


def arp(lists: Given, popularity: Given, k: int = 10, *, per_user: bool = False) -> float | dict[Id, float]:
    """ARP@k = sum_{i in the first k} n_i / min(k, |L|).

    Denominator: the length of the list, at most k. n_i: the popularity of item i, {item: users}, 0 where it has none.
    Empty: a user without a list is left out.
    Elsewhere: RecTools (AvgRecPopularity) has the same.
    Source: Yin et al., VLDB 2012.

    >>> import minirec as mr
    >>> mr.metrics.arp({1: ["a", "b"]}, {"a": 10, "b": 4})
    7.0
    """
    given, table = _cut(lists, k)
    return _answer(given, beyond.list_mean(read_values(popularity, given.items, 0.0, "popularity"), table, k), per_user)


def aplt(lists: Given, tail: Collection[Id], k: int = 10, *, per_user: bool = False) -> float | dict[Id, float]:
    """APLT@k = |items of the tail in the first k| / min(k, |L|).

    Denominator: the length of the list, at most k. tail: the ids of the items that count as tail.
    Empty: a user without a list is left out.
    Elsewhere: Elliot's APLT and RecBole's TailPercentage are the same share, each of a tail of its own.
    Source: Abdollahpouri et al., RecSys 2017.

    >>> import minirec as mr
    >>> mr.metrics.aplt({1: ["a", "b"]}, tail=["b", "c"])
    0.5
    """
    given, table = _cut(lists, k)
    return _answer(given, beyond.list_mean(_members(given, tail), table, k), per_user)


def aclt(lists: Given, tail: Collection[Id], k: int = 10, *, per_user: bool = False) -> float | dict[Id, float]:
    given, table = _cut(lists, k)
    return _answer(given, beyond.list_sum(_members(given, tail), table, k), per_user)


aclt.__doc__ = f"""{(beyond.list_sum.__doc__ or "").rstrip()}

    >>> import minirec as mr
    >>> mr.metrics.aclt({{1: ["a", "b"], 2: ["c"]}}, tail=["b", "c"])
    1.0
    """


def epc(lists: Given, truth: Given, popularity: Given, n_users: int, k: int = 10, *, per_user: bool = False) -> float | dict[Id, float]:
    """EPC@k = sum_{r<=k} d_r hit_r (1 - n_i / U) / sum_{r<=min(k,|L|)} d_r, d_r = 1 / log2(r + 1).

    Denominator: the discounts of the places that the list has. n_i: users of item i in train, U: all of them.
    Empty: 0 for an empty list.
    Source: Vargas and Castells, RecSys 2011, section 4.

    >>> import minirec as mr
    >>> mr.metrics.epc({1: ["a", "b"]}, {1: ["a"]}, {"a": 5, "b": 1}, n_users=10, k=1)
    0.5
    """
    judged = Judged(lists, truth, k)
    value = beyond.complement(read_values(popularity, judged.items, 0.0, "popularity").astype(np.int64), n_users)
    return judged.answer(_novelty(judged, value), per_user)


def efd(lists: Given, truth: Given, popularity: Given, k: int = 10, *, per_user: bool = False) -> float | dict[Id, float]:
    """EFD@k = sum_{r<=k} d_r hit_r (-log2 p_i) / sum_{r<=min(k,|L|)} d_r, d_r = 1 / log2(r + 1).

    Denominator: the discounts of the places that the list has. p_i = max(n_i, 1) / sum_j n_j, in bits, over all of `popularity`.
    Empty: 0 for an empty list.
    Source: Vargas and Castells, RecSys 2011, section 4.

    >>> import minirec as mr
    >>> mr.metrics.efd({1: ["a", "b"]}, {1: ["a"]}, {"a": 4, "b": 4}, k=1)
    1.0
    """
    judged = Judged(lists, truth, k)
    counts = read_values(popularity, judged.items, 0.0, "popularity")
    everything = popularity.item_counts if hasattr(popularity, "item_counts") else list(getattr(popularity, "values", lambda: popularity)())
    value = -np.log2(np.maximum(counts, 1.0) / max(float(np.sum(everything)), 1.0))
    return judged.answer(_novelty(judged, value), per_user)


def serendipity(lists: Given, truth: Given, popularity: Given, k: int = 10, *, per_user: bool = False) -> float | dict[Id, float]:
    judged = Judged(lists, truth, k)
    items = popularity.items if hasattr(popularity, "item_counts") else list(popularity)
    catalogue = IdIndex.from_ids(items) if not isinstance(items, IdIndex) else items
    counts = read_values(popularity, catalogue, 0.0, "popularity").astype(np.int64)
    expected = np.append(beyond.expected_by_all(counts), 0.0)[catalogue.rows(list(judged.items))]
    return judged.answer(beyond.serendipity(judged.hits().at, judged.table, expected, len(catalogue), judged.k), per_user)


serendipity.__doc__ = f"""{(beyond.serendipity.__doc__ or "").rstrip()}

    popularity : {{item: users}} with every item of the catalogue, or the Dataset of train.

    >>> import minirec as mr
    >>> mr.metrics.serendipity({{1: ["b", "a"]}}, {{1: ["b"]}}, {{"a": 5, "b": 1, "c": 3, "d": 0}}, k=1)
    0.5
    """


def ils(lists: Given, vectors: Any, k: int = 10, *, per_user: bool = False) -> float | dict[Id, float]:
    """ILS@k = sum_{i<j in the first k} cos(v_i, v_j) / (number of pairs).

    Denominator: |L| (|L| - 1) / 2 with |L| at most k: the mean over pairs, so 1 - `ild`. vectors: {item: vector} of content.
    Empty: a list of fewer than two items is left out. The cosine with a vector of zeros is 0.
    Elsewhere: Ziegler et al. sum over the pairs.
    Source: Ziegler et al., WWW 2005.

    >>> import minirec as mr
    >>> round(mr.metrics.ils({1: ["a", "b", "c"]}, {"a": [1, 0], "b": [1, 0], "c": [0, 1]}), 4)
    0.3333
    """
    found = _distances(lists, vectors, k)
    return _answer(found[0], 1.0 - found[1], per_user)


def ild(lists: Given, vectors: Any, k: int = 10, *, per_user: bool = False) -> float | dict[Id, float]:
    """ILD@k = sum_{i<j in the first k} (1 - cos(v_i, v_j)) / (number of pairs).

    Denominator: |L| (|L| - 1) / 2 with |L| at most k. vectors: {item: vector}.
    Empty: a list of fewer than two items is left out. The cosine with a vector of zeros is 0.
    Elsewhere: RecTools' IntraListDiversity is the same mean, of any distance.
    Source: Smyth and McClave, ICCBR 2001; Vargas and Castells, RecSys 2011.

    >>> import minirec as mr
    >>> round(mr.metrics.ild({1: ["a", "b", "c"]}, {"a": [1, 0], "b": [1, 0], "c": [0, 1]}), 4)
    0.6667
    """
    return _answer(*_distances(lists, vectors, k), per_user)


def _distances(lists: Given, vectors: Any, k: int) -> tuple[ListsOf, Values]:
    given, table = _cut(lists, k)
    ids = list(given.items)
    if not hasattr(vectors, "get"):
        array = np.asarray(vectors, np.float64)
        vectors = dict(enumerate(array)) if array.ndim == 2 else {}
    missing = [item for item in ids if vectors.get(item) is None]
    if missing:
        raise DataError(f"vectors holds none of item {missing[0]!r} ({len(missing):,} such): give {{item: vector}} or an array by item row")
    dense: NDArray[np.float64] = np.array([np.asarray(vectors[item], np.float64) for item in ids] or np.zeros((0, 1)))
    if dense.ndim != 2 or not np.isfinite(dense).all():
        raise DataError("vectors must be finite and of one length")
    return given, beyond.intra_list_distance(table, (k,), dense)[k]


def _novelty(judged: Judged, value: Values) -> Values:
    return beyond.novelty(judged.hits().at, judged.table, np.append(value, 0.0)[judged.table], judged.k)


def _cut(lists: Given, k: int) -> tuple[ListsOf, Table]:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise ParameterError(f"k must be a whole number of at least 1, got {k!r}")
    given = read_lists(lists)
    if not len(given.users):
        raise DataError("lists holds no user")
    return given, given.lists.table(int(k))


def _rows(given: ListsOf, index: IdIndex) -> NDArray[np.int32]:
    return index.rows(list(given.items))


def _members(given: ListsOf, group: Collection[Id]) -> Mask:
    member: Mask = _rows(given, IdIndex.from_ids(group)) >= 0
    return member


def _sized(n: int, least: int) -> int:
    if n < max(least, 1):
        raise ParameterError(f"the catalogue has {n} items, and the lists hold {least} different ones")
    return n


def _answer(given: ListsOf, values: Values, per_user: bool) -> float | dict[Id, float]:
    """The mean over the users who have a value, or their values."""
    has = np.isfinite(values)
    if per_user:
        return {user: value for user, value in zip(given.users, values.tolist(), strict=True) if np.isfinite(value)}
    return float(values[has].mean()) if has.any() else float("nan")

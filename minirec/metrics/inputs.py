"""Lists and test items as people have them, as arrays: dictionaries, tables, arrays, sparse matrices, a Dataset, recommendations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..data.ids import Id, IdIndex, factorize
from ..data.reading.roles import GUESSES, plain
from ..data.reading.tables import column_names, column_of, take_column
from ..engine.sparse import CSR
from ..errors import DataError
from .accuracy import Lists, Values

Given: TypeAlias = Any  # any of the forms of `ListsOf.read`
_SCORES = ("score", "scores", "prediction", "predicted", "relevance", "value")
_GAINS = (*GUESSES["weight"], "gain", "relevance")
_FORMS = "{user: [item, ...]}, a table with user and item, an array or a list with one row of items a user, or a sparse matrix"


class ListsOf(NamedTuple):
    """Lists by user: those of users.ids(u) are items.ids(rows[indptr[u]:indptr[u + 1]]), best first.

    values : float64, a score (or gain) of each entry, or None where there are none.
    """

    users: IdIndex
    items: IdIndex
    indptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    values: Values | None

    @property
    def lists(self) -> Lists:
        """The lists as rows of `items`."""
        return Lists(self.indptr, self.rows)

    def over(self, users: IdIndex, items: IdIndex) -> tuple[Lists, Values | None]:
        """The lists of these users as rows of these items: n for an item that is not among them, an empty list for who has none."""
        place = self.users.rows(_ids(users))
        found = items.rows(_ids(self.items))[self.rows].astype(np.int32)
        found[found < 0] = len(items)
        counts = np.append(np.diff(self.indptr), 0)[place]
        indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        take = np.arange(indptr[-1]) + np.repeat(np.append(self.indptr[:-1], 0)[place] - indptr[:-1], counts)
        return Lists(indptr, found[take]), None if self.values is None else self.values[take]


def read_lists(given: Given, what: str = "lists") -> ListsOf:
    """Lists, best first, of any of these forms:

    - {user: [item, ...]} or {user: [(item, score), ...]}, in the order given; {user: {item: score}}, by descending score;
    - a table (pandas, polars, Arrow, or a dictionary of columns) with a user, an item, and a rank or a score: by user, and by
      ascending rank, else by descending score, else in the order of its rows; scores that are equal keep the order of the rows;
    - an array (lists, k) of item rows, -1 where a list has ended, or a list of lists: users are then 0, 1, ...;
    - anything with `to_dict()` that gives one of these, such as `Recommendations`.

    DataError where a list holds an item twice.
    """
    read = _read(given, what, ranked=True)
    n = max(len(read.items), 1)
    owner = np.repeat(np.arange(len(read.indptr) - 1), np.diff(read.indptr))
    key = np.sort(owner * n + read.rows)
    twice = np.flatnonzero(key[1:] == key[:-1])
    if len(twice):
        user, item = divmod(int(key[twice[0]]), n)
        raise DataError(f"{what}: the list of user {read.users[user]!r} holds item {read.items[item]!r} twice ({len(twice):,} such)")
    return read


def read_truth(given: Given, what: str = "truth") -> tuple[IdIndex, IdIndex, CSR]:
    """Test items as (users, items, CSR users x items of their weights), of the forms of `read_lists`, a Dataset, or a sparse matrix.

    A weight is the gain of a test item (1 where there is none); a column named as a weight, or the second of a pair, gives it. Weights
    of a pair that stands twice add up. Users without test items are left out.
    """
    read = _read(given, what, ranked=False)
    owner = np.repeat(np.arange(len(read.indptr) - 1), np.diff(read.indptr))
    values = np.ones(len(read.rows)) if read.values is None else read.values
    return read.users, read.items, CSR.from_pairs(owner, read.rows, values, (len(read.users), len(read.items)))


def read_values(given: Given, items: IdIndex, default: float, what: str) -> Values:
    """A value for each of these items: of {item: value}, an array in the order of item rows 0, 1, ..., or a Dataset: its popularity."""
    if hasattr(given, "item_counts"):
        given = dict(zip(given.items, given.item_counts.tolist(), strict=True))
    ids = _ids(items)
    if isinstance(given, Mapping):
        return np.array([float(given.get(item, default)) for item in (ids.tolist() if isinstance(ids, np.ndarray) else ids)])
    array = np.asarray(given, np.float64)
    if array.ndim != 1 or len(items.ints) != len(items):
        raise DataError(f"{what} takes {{item: value}}, a Dataset, or an array with a value for each of the items 0, 1, ...")
    inside = (items.ints >= 0) & (items.ints < len(array))
    values = np.full(len(items), default)
    values[inside] = array[items.ints[inside]]
    return values


def _ids(index: IdIndex) -> list[Id] | NDArray[np.int64]:
    return index.ints if len(index.ints) == len(index) else list(index)


def _read(given: Given, what: str, *, ranked: bool) -> ListsOf:
    if all(hasattr(given, name) for name in ("users", "items", "user", "item")):  # a Dataset
        return _flat(given.users.ids(given.user), given.items.ids(given.item), given.weight, what)
    if hasattr(given, "tocoo") and len(getattr(given, "shape", ())) == 2:
        entries = given.tocoo()
        stored = np.asarray(entries.data) != 0
        row, column, data = (np.asarray(part)[stored] for part in (entries.row, entries.col, entries.data))
        return _flat(row.astype(np.int64), column.astype(np.int64), data, what, order=-data if ranked else None)
    if not isinstance(given, (np.ndarray, Mapping)) and callable(getattr(given, "columns", None)):  # Recommendations
        given = given.columns() if ranked and len(set(given.users)) == len(given.users) else given.to_dict()
    names = None if isinstance(given, np.ndarray) and given.dtype.names is None else column_names(given)
    if names is not None and _at(names, GUESSES["user"]) is not None and _at(names, GUESSES["item"]) is not None and not _by_user(given):
        return _of_table(given, names, what, ranked=ranked)
    if not isinstance(given, Mapping) and names is None and hasattr(given, "to_dict"):
        given = given.to_dict()
    if isinstance(given, Mapping):
        return _of_entries(list(given), list(given.values()), what, ranked=ranked)
    if names is None and isinstance(given, Iterable) and not isinstance(given, (str, bytes)):
        rows = list(given)
        return _of_entries(list(range(len(rows))), rows, what, ranked=ranked)
    shown = f"a table of {', '.join(map(repr, names[:8]))}" if names is not None else type(given).__name__
    raise DataError(f"{what} takes {_FORMS}; got {shown}")


def _by_user(given: Given) -> bool:
    """Whether a dictionary holds lists by user although two users are called "user" and "item"."""
    return isinstance(given, Mapping) and any(isinstance(value, Mapping) for value in given.values())


def _at(names: list[str], candidates: Iterable[str]) -> int | None:
    simple = [plain(name) for name in names]
    return next((simple.index(name) for name in candidates if name in simple), None)


def _of_table(given: Given, names: list[str], what: str, *, ranked: bool) -> ListsOf:
    at = {"user": _at(names, GUESSES["user"]), "item": _at(names, GUESSES["item"])}
    rank = _at(names, ("rank", "position", "place")) if ranked else None
    value = _at(names, _SCORES if ranked else _GAINS)
    columns = {}
    for role, place in (*at.items(), ("rank", rank), ("value", value)):
        if place is not None:
            column, missing = column_of(take_column(given, place))
            if missing is not None and missing.any():
                raise DataError(f"{what}: {int(missing.sum()):,} entries of column {names[place]!r} are missing")
            columns[role] = column
    values = None if "value" not in columns else _numbers(columns["value"], f"{what}: {names[value or 0]}")
    order = _numbers(columns["rank"], f"{what}: rank") if "rank" in columns else -values if ranked and values is not None else None
    return _flat(columns["user"], columns["item"], values, what, order=order)


def _of_entries(users: list[Any], entries: list[Any], what: str, *, ranked: bool) -> ListsOf:
    """One entry a user: items, pairs of item and score, or {item: score}."""
    lengths = np.zeros(len(users), np.int64)
    items: list[Any] = []
    values: list[Any] = []
    paired = False
    for at, entry in enumerate(entries):
        if isinstance(entry, Mapping):
            pairs = list(entry.items())
            entry = sorted(pairs, key=lambda pair: -pair[1]) if ranked else pairs
        elif isinstance(entry, (str, bytes)) or not isinstance(entry, Iterable):
            raise DataError(f"{what} takes {_FORMS}; the entry of {users[at]!r} is {entry!r}")
        elif isinstance(entry, np.ndarray):
            entry = [item for item in entry.tolist() if item != -1]
        else:
            entry = list(entry)
        before = len(items)
        for one in entry:
            if isinstance(one, (tuple, list)) and len(one) == 2:
                paired = True
                items.append(one[0])
                values.append(one[1])
            else:
                items.append(one)
        lengths[at] = len(items) - before
    if paired and len(values) != len(items):
        raise DataError(f"{what}: some entries are (item, score) and others are not")
    owner = [user for user, length in zip(users, lengths.tolist(), strict=True) for _ in range(length)]
    numbers = _numbers(values, f"{what}: score") if paired else None
    return _flat(owner, items, numbers, what, everybody=users)


def _numbers(column: Any, what: str) -> Values:
    try:
        values = np.asarray(column, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{what}: there is a value that is no number") from None
    if np.isnan(values).any():
        raise DataError(f"{what}: {int(np.isnan(values).sum()):,} values are missing (NaN)")
    return values


def _flat(users: Any, items: Any, values: Any, what: str, *, order: Values | None = None, everybody: list[Any] | None = None) -> ListsOf:
    """Columns as lists by user, in the order given; or by ascending `order` within a user, equal ones as given."""
    if everybody is None:
        user_index, user = factorize(users, f"{what}: user id")
    else:
        user_index, _ = factorize(everybody, f"{what}: user id")
        user = user_index.rows(users)
    item_index, item = factorize(items, f"{what}: item id")
    by = np.argsort(user, kind="stable") if order is None else np.lexsort((np.arange(len(user)), order, user))
    indptr = np.concatenate(([0], np.cumsum(np.bincount(user, minlength=len(user_index))))).astype(np.int64)
    found = None if values is None else np.asarray(values, np.float64)[by]
    return ListsOf(user_index, item_index, indptr, item[by].astype(np.int32), found)

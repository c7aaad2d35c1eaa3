"""Lists of any recommender: rows of user, item and rank or score, nested JSON, arrays of identifiers; one reader for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..data.account import Account
from ..data.dataset import Dataset
from ..data.ids import Id, IdIndex
from ..data.reading.readers import file_columns, read_with_account
from ..data.reading.roles import GUESSES, Pick, plain
from ..data.reading.tables import column_names
from ..engine.backend import run_blocks
from ..errors import DataError, ParameterError
from ..models.contract.recommendations import Recommendations
from .nested import Rows, from_arrays, from_mapping, from_nested, nested_file

RANKS = ("rank", "position", "pos", "place", "slot")
SCORES = ("score", "weight", "rating", "prediction", "predictedscore", "relevance", "value")
PROPENSITIES = ("propensity", "pscore", "propensityscore")
Bools: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class ListTable:
    """Lists of U users over their own item ids: `item[indptr[u]:indptr[u + 1]]`, best first, each item once.

    users, items : the id indexes. score, propensity : float64, one a row, or None. time : int64 (U,), the time of each list, or
    None. account : what was guessed and left out. repeats : places that repeated an item of the same list. order : what decided
    the order: "rank", "score" or "rows" (the order of the rows).
    """

    users: IdIndex
    items: IdIndex
    indptr: NDArray[np.int64]
    item: NDArray[np.int32]
    score: NDArray[np.float64] | None
    propensity: NDArray[np.float64] | None
    time: NDArray[np.int64] | None
    account: Account
    repeats: int
    order: str

    def __len__(self) -> int:
        return len(self.users)


def read_lists(
    source: Any,
    *,
    user: Pick = None,
    item: Pick = None,
    rank: Pick = None,
    score: Pick = None,
    time: Pick = None,
    propensity: Pick = None,
    format: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    query: str | None = None,
) -> ListTable:
    """Read the lists of a recommender, whatever wrote them.

    source : rows of user, item and rank or score in any form that `minirec.read` takes (CSV, Parquet, JSON lines, npz, SQLite, a
        table in memory); `Recommendations`; {user: [item, ...]}, {user: [(item, score), ...]}; (users, items, scores), the arrays
        of implicit's `recommend`, also as an npz file with `users`, `ids` and `scores`; a JSON file of nested lists: {user: [...]},
        or an array of {"user": ..., "items": [...]}, the items as ids or as objects such as {"Id": ..., "Score": ...} (Gorse).
    user, item, rank, score, time, propensity : columns, as in `minirec.read`; None: guessed by name. A rank orders before a score;
        with neither the rows of a user stand best first.
    time : of the list. Where a user has several lists, the latest is kept and the others are counted in the account.
    propensity : the probability with which a row was recorded; the exposure of a row then counts 1 / propensity.

    Rows that cannot be used, repeated items and padding (-1 in arrays of implicit) are left out and counted. O(rows log rows).
    """
    picks: dict[str, Pick] = {"user": user, "item": item, "rank": rank, "score": score, "time": time, "propensity": propensity}
    reading = {"format": format, "delimiter": delimiter, "encoding": encoding, "header": header, "query": query}
    rows = _nested(source)
    if rows is None:
        rows = _flat(source, picks, {name: value for name, value in reading.items() if value is not None})
    return _assembled(rows)


def _nested(source: Any) -> Rows | None:
    """Rows of a source that holds whole lists; None where it is a table of rows."""
    if isinstance(source, Recommendations):
        counts = np.diff(source.indptr)
        index, row = IdIndex.from_ids(source.users), np.arange(len(counts), dtype=np.int32)
        row = index.rows(source.users)
        account = Account(events_in=len(source.rows), events_out=len(source.rows))
        return Rows(index, source._items, np.repeat(row, counts), source.rows, None, source.scores.astype(np.float64), None, None, account)
    if isinstance(source, tuple):
        return from_arrays(source)
    if isinstance(source, Mapping):
        return None if _has_roles([str(name) for name in source]) else from_mapping(source, "lists")
    if isinstance(source, list):
        return from_nested(source, "lists")
    if isinstance(source, (str, Path)):
        return nested_file(Path(source).expanduser())
    return None


def _has_roles(names: list[str]) -> bool:
    simple = {plain(name) for name in names}
    return bool(simple & set(GUESSES["user"])) and bool(simple & set(GUESSES["item"]))


def _flat(source: Any, picks: dict[str, Pick], reading: dict[str, Any]) -> Rows:
    """Rows of a table. `read` knows one column of numbers, so the order and the propensities are read one after the other."""
    names = _names(source, reading)
    chosen = {
        role: _guess(names, guesses) if picks[role] is None else picks[role]
        for role, guesses in (("rank", RANKS), ("score", SCORES), ("propensity", PROPENSITIES))
    }
    common = {"user": picks["user"], "item": picks["item"], "time": picks["time"], "kind": False, **reading}
    by = "rank" if chosen["rank"] not in (None, False) else "score" if chosen["score"] not in (None, False) else "rows"
    data, account = read_with_account(source, weight=False if by == "rows" else chosen[by], **common)
    for entry in account.entries:
        if entry.action == "filled" and "weight" in entry.reason:
            raise DataError(f"{entry.count:,} rows of the lists have no {by}; give one to every row, or name another column with {by}=")
    order = None if data.weight is None else data.weight.astype(np.float64)
    propensity = None
    if chosen["propensity"] not in (None, False):
        again, _ = read_with_account(source, weight=chosen["propensity"], **common)
        propensity = _checked_propensity(again, data)
    return Rows(
        data.users, data.items, data.user, data.item,
        order if by == "rank" else None, order if by == "score" else None, propensity, data.timestamp, account,
    )  # fmt: skip


def _names(source: Any, reading: dict[str, Any]) -> list[str]:
    """The names of the columns of a table, as far as they can be had without reading it; [] for a query."""
    if "query" in reading:
        return []
    if not isinstance(source, (str, Path)):
        return column_names(source) or []
    told = {name: reading[name] for name in ("format", "encoding", "delimiter", "header") if name in reading}
    return file_columns(Path(source).expanduser(), **told)


def _guess(names: list[str], guesses: tuple[str, ...]) -> str | None:
    simple = [plain(name) for name in names]
    return next((names[simple.index(guess)] for guess in guesses if guess in simple), None)


def _checked_propensity(again: Dataset, data: Dataset) -> NDArray[np.float64]:
    if again.weight is None or len(again) != len(data):
        raise DataError(f"{len(data) - len(again):,} rows of the lists have no usable propensity: give a number above 0 to every row")
    values = again.weight.astype(np.float64)
    if not ((values > 0) & (values <= 1)).all():
        bad = int(np.argmax(~((values > 0) & (values <= 1))))
        raise DataError(f"propensity {values[bad]:g} in row {bad + 1} of the lists: a propensity is above 0 and at most 1")
    return values


def _assembled(rows: Rows) -> ListTable:
    """Lists in order, without repeats and older lists."""
    if not len(rows.user):
        raise DataError("the lists are empty")
    time = rows.time
    keep = _latest(rows) if time is not None else None
    if keep is not None and not keep.all():
        rows = rows.select(keep)
        time = rows.time
    score = rows.score
    if rows.rank is not None:
        order_by, order = rows.rank, "rank"
    elif score is not None:
        order_by, order = -score, "score"
    else:
        order_by, order = None, "rows"
    user = rows.user
    place = _order(user, order_by)
    if place is not None:
        rows = rows.select(place)
        user, score, time = rows.user, rows.score, rows.time
    indptr = _pointer(user, len(rows.users))
    again = _repeats_in(indptr, rows.item)
    repeats = int(again.sum())
    if repeats:
        rows.account.add("place that repeats an item of the same list", repeats)
        rows = rows.select(~again)
        user, score, time = rows.user, rows.score, rows.time
        indptr = _pointer(user, len(rows.users))
    of_list = None if time is None else time[np.minimum(indptr[:-1], len(time) - 1)]
    return ListTable(rows.users, rows.items, indptr, rows.item, score, rows.propensity, of_list, rows.account, repeats, order)


def _latest(rows: Rows) -> Bools:
    """Rows of the latest list of each user; all where no place is taken twice, that is where every user has one list."""
    assert rows.time is not None
    everything = np.ones(len(rows.user), bool)
    if rows.rank is not None:
        keys = rows.user.astype(np.int64) * (int(rows.rank.max()) + 2) + rows.rank.astype(np.int64) - min(0, int(rows.rank.min()))
        several = len(np.unique(keys)) < len(keys)
    else:
        order = np.argsort(rows.user, kind="stable")
        several = bool(_repeats_in(_pointer(rows.user[order], len(rows.users)), rows.item[order]).any())
    if not several:
        return everything
    newest = np.full(len(rows.users), np.iinfo(np.int64).min)
    np.maximum.at(newest, rows.user, rows.time)
    keep: Bools = rows.time == newest[rows.user]
    rows.account.add("row of an earlier list of the same user", int((~keep).sum()))
    return keep


def _order(user: NDArray[np.int32], by: NDArray[np.float64] | None) -> NDArray[np.int64] | None:
    """The order of the rows by user, then best first; None where they stand so already. Equal ones keep the order of the rows."""
    rising = user[1:] >= user[:-1]
    if rising.all() and (by is None or ((user[1:] > user[:-1]) | (by[1:] >= by[:-1])).all()):
        return None
    if by is None:
        return np.argsort(user, kind="stable")
    return np.lexsort((by, user))


def _pointer(user: NDArray[np.int32], n_users: int) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(np.bincount(user, minlength=n_users)))).astype(np.int64)


def _repeats_in(indptr: NDArray[np.int64], item: NDArray[np.int32]) -> Bools:
    """Whether an earlier place of the same list has the same item. In blocks of users, so that little memory is taken."""

    def block(start: int, stop: int) -> Bools:
        low, high = int(indptr[start]), int(indptr[stop])
        mine = item[low:high]
        user = np.repeat(np.arange(stop - start), np.diff(indptr[start : stop + 1]))
        order = np.lexsort((mine, user))
        again = np.zeros(high - low, bool)
        again[order[1:]] = (mine[order[1:]] == mine[order[:-1]]) & (user[order[1:]] == user[order[:-1]])
        return again

    return np.concatenate([np.zeros(0, bool), *run_blocks(block, len(indptr) - 1, 4096)])


def known_rows(index: IdIndex, other: IdIndex) -> NDArray[np.int32]:
    """For each id of `other` its row in `index`, -1 where it is not there."""
    if index == other:
        return np.arange(len(other), dtype=np.int32)
    return index.rows(other.ints if len(other.ints) == len(other) else list(other))


def union(*indexes: IdIndex) -> IdIndex:
    """The index of the ids of all of them."""
    if all(len(index.ints) == len(index) for index in indexes):
        ints = np.unique(np.concatenate([index.ints for index in indexes]))
        return IdIndex(ints, np.zeros(0, np.uint8), np.zeros(1, np.int64))
    if all(index == indexes[0] for index in indexes[1:]):
        return indexes[0]
    ids: set[Id] = set()
    for index in indexes:
        ids.update(index)
    return IdIndex.from_ids(ids)


def checked_k(k: Any) -> int:
    """A length of lists: a whole number, at least 1."""
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise ParameterError(f"k is a whole number of at least 1, got {k!r}")
    return int(k)

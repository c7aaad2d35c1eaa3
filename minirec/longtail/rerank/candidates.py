"""What re-rankers take: for each user some candidates with scores, best first, and what is known about the items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.ids import Id, IdIndex
from ...data.reading.item_tables import rows_of
from ...engine.sparse import CSR
from ...errors import DataError, ParameterError
from ...models.contract.recommendations import Recommendations

SEPARATOR = "|"  # between the values of a column of texts that has several
_NUMBERS = 2**22  # of a chunk


class Chunk(NamedTuple):
    """Some users with their candidates side by side; shorter lists are padded.

    users : their places. rows (B, C) : item rows, 0 where there is none. there (B, C) : what is no padding. scores (B, C).
    relevance (B, C) : the scores of a list moved to 0 (its last) .. 1 (its first); 1 where all are equal; -inf for padding.
    """

    users: NDArray[np.int64]
    rows: NDArray[np.int32]
    there: NDArray[np.bool_]
    scores: NDArray[np.float64]
    relevance: NDArray[np.float64]


class Candidates(NamedTuple):
    """Lists of candidates, best first: list u is rows[indptr[u]:indptr[u+1]] with `scores` alike; rows are those of `items`."""

    users: list[Id]
    items: IdIndex
    indptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, lists: Any) -> Candidates:
        """From `Recommendations`, {user: items or (item, score) pairs}, or a table with the columns user, item and score or rank.

        Lists without scores get 1, 1 - 1/n, ... in their order. A user's items must be distinct; the order is that of the scores.
        """
        if isinstance(lists, Candidates):
            return lists
        if isinstance(lists, Recommendations):
            return cls._ordered(lists.users, lists._items, lists.indptr, lists.rows, lists.scores.astype(np.float64))
        if isinstance(lists, Mapping) and not _is_table(lists):
            return cls._of_dictionary(lists)
        return cls._of_table(lists)

    @classmethod
    def _of_dictionary(cls, lists: Mapping[Id, Any]) -> Candidates:
        users, names, scores, lengths = list(lists), [], [], []
        for user in users:
            entries = list(lists[user])
            pairs = [entry if isinstance(entry, tuple) else (entry, 1 - at / len(entries)) for at, entry in enumerate(entries)]
            names += [item for item, _ in pairs]
            scores += [float(score) for _, score in pairs]
            lengths.append(len(pairs))
        items = IdIndex.from_ids(names)
        indptr = np.append(0, np.cumsum(lengths)).astype(np.int64)
        return cls._ordered(users, items, indptr, items.rows(names).astype(np.int32), np.array(scores, np.float64))

    @classmethod
    def _of_table(cls, table: Any) -> Candidates:
        columns = {str(name): name for name in getattr(table, "columns", None) or list(table)}
        for name in ("user", "item"):
            if name not in columns:
                raise DataError(f"lists need the columns user and item, and score or rank; there are {', '.join(columns)}")
        found = {name: np.asarray(table[columns[name]]) for name in ("user", "item", "score", "rank") if name in columns}
        users, first, place = np.unique(found["user"].astype(object) if found["user"].dtype == object else found["user"],
                                        return_index=True, return_inverse=True)  # fmt: skip
        seen = np.argsort(first)  # users in the order of their first rows
        order_of = np.empty_like(seen)
        order_of[seen] = np.arange(len(seen))
        owner = order_of[place]
        if "score" in found:
            scores = found["score"].astype(np.float64)
        else:
            rank = found["rank"].astype(np.float64) if "rank" in found else np.arange(len(owner), dtype=np.float64)
            scores = -rank
        order = np.lexsort((np.arange(len(owner)), owner))
        indptr = np.append(0, np.cumsum(np.bincount(owner, minlength=len(users)))).astype(np.int64)
        names = found["item"].tolist()
        items = IdIndex.from_ids(names)
        made = cls._ordered(users[seen].tolist(), items, indptr, items.rows(names).astype(np.int32)[order], scores[order])
        return made if "score" in found else made.by_place()

    @classmethod
    def _ordered(
        cls, users: Sequence[Id], items: IdIndex, indptr: NDArray[np.int64], rows: NDArray[np.int32], scores: NDArray[np.float64]
    ) -> Candidates:
        """Best first within each list; NaN, infinite scores and repeated items are errors."""
        owner = np.repeat(np.arange(len(users)), np.diff(indptr))
        if not np.isfinite(scores).all():
            at = int(np.flatnonzero(~np.isfinite(scores))[0])
            raise DataError(f"the score of item {items[int(rows[at])]!r} in the list of user {users[owner[at]]!r} is {scores[at]}")
        pairs = np.sort(owner * max(len(items), 1) + rows)
        if (np.diff(pairs) == 0).any():
            twice = int(pairs[np.flatnonzero(np.diff(pairs) == 0)[0]])
            user, item = users[twice // len(items)], items[twice % len(items)]
            raise DataError(f"the list of user {user!r} holds item {item!r} more than once")
        order = np.lexsort((np.arange(len(rows)), -scores, owner))
        return cls(list(users), items, indptr, rows[order].astype(np.int32), scores[order])

    def by_place(self) -> Candidates:
        """The same lists with scores 1, 1 - 1/n, ... by their places."""
        lengths = np.diff(self.indptr)
        place = np.arange(len(self.rows)) - np.repeat(self.indptr[:-1], lengths)
        return self._replace(scores=1 - place / np.repeat(np.maximum(lengths, 1), lengths))

    def owners(self) -> NDArray[np.int64]:
        """The place of the user of each candidate."""
        return np.repeat(np.arange(len(self.users)), np.diff(self.indptr))

    def together(self, width: int = 1) -> int:
        """How many users are handled together where `width` numbers are held for each candidate; it depends on the lists alone."""
        return max(1, _NUMBERS // (max(int(np.diff(self.indptr).max(initial=0)), 1) * max(width, 1)))

    def chunk(self, start: int, stop: int) -> Chunk:
        """Users start..stop with their candidates side by side."""
        lengths = np.diff(self.indptr)
        longest = max(int(lengths.max(initial=0)), 1)
        users = np.arange(start, stop)
        there = np.arange(longest) < lengths[users][:, None]
        at = np.where(there, self.indptr[users][:, None] + np.arange(longest), 0)
        rows = np.where(there, self.rows[at], 0) if len(self.rows) else np.zeros(at.shape, np.int32)
        scores = np.where(there, self.scores[at], 0.0) if len(self.rows) else np.zeros(at.shape)
        return Chunk(users, rows.astype(np.int32), there, scores, _relevance(scores, there))

    def taken(self, chosen: NDArray[np.int64]) -> Recommendations:
        """Lists of the chosen candidates, (users, k): places within each list, in order, -1 where there is none."""
        there = chosen >= 0
        at = (self.indptr[:-1][:, None] + chosen)[there]
        indptr = np.append(0, np.cumsum(there.sum(axis=1))).astype(np.int64)
        return Recommendations(self.users, indptr, self.rows[at], self.scores[at].astype(np.float32), self.items)


class Facts:
    """What is known about the items of some candidates.

    events : a Dataset, for the popularity of items and what users have. items : {column: {item: value}}, a table with the column `item`,
    or a Dataset with `item_features`. What a re-ranker needs and is not there raises ParameterError.
    """

    def __init__(self, items: IdIndex, events: Dataset | None = None, table: Any = None) -> None:
        self.items, self._events = items, events
        self._table = events if table is None and events is not None and events.item_features else table

    @property
    def events(self) -> Dataset:
        """The events."""
        if self._events is None:
            raise ParameterError("this re-ranker needs events: pass events=<a Dataset>")
        return self._events

    def popularity(self) -> NDArray[np.float64]:
        """Users of each item, (items,)."""
        events = self.events.compact()
        rows = events.items.rows(self.items.ids(np.arange(len(self.items))))
        counts = events.item_counts.astype(np.float64)
        return np.where(rows >= 0, counts[np.maximum(rows, 0)], 0.0)

    def profiles(self, users: Sequence[Id], per_item: CSR) -> NDArray[np.float64]:
        """The mean of `per_item` (items, d) over what each user has, (users, d); zeros for users without events."""
        events = self.events.compact()
        known, rows = self.items.rows(events.items.ids(np.arange(events.n_items))), events.users.rows(list(users))
        dense = np.zeros((events.n_items, per_item.shape[1]))
        inside = known >= 0
        picked = per_item.rows(known[inside].astype(np.int64))
        dense[np.flatnonzero(inside)[picked.row_ids()], picked.indices] = picked.data
        matrix = events.binary
        sums = matrix.to_scipy().astype(np.float64) @ dense
        means = sums / np.maximum(matrix.counts(), 1)[:, None]
        found: NDArray[np.float64] = np.where((rows >= 0)[:, None], means[np.maximum(rows, 0)], 0.0)
        return found

    def values(self, column: str) -> list[Any]:
        """The values of a column for each item, None where it has none."""
        table = self._table
        if table is None:
            raise ParameterError(f"this re-ranker needs the item column {column!r}: pass items=<a table of items>")
        if isinstance(table, Dataset):
            table = {name: dict(zip(table.items, list(values), strict=True)) for name, values in table.item_features.items()}
        if isinstance(table, Mapping) and column in table and isinstance(table[column], Mapping):
            return [table[column].get(item) for item in self.items]
        names = [str(name) for name in getattr(table, "columns", table)]
        if column not in names or "item" not in names:
            raise ParameterError(f"items have no column {column!r} beside the column 'item'; there are {', '.join(names)}")
        rows = rows_of(self.items, np.asarray(table["item"]).tolist())
        found: list[Any] = [None] * len(self.items)
        for row, value in zip(rows.tolist(), np.asarray(table[column]).tolist(), strict=True):
            if row >= 0 and value != "":
                found[row] = value
        return found

    def groups(self, column: str) -> tuple[NDArray[np.int32], list[str]]:
        """The group of each item, -1 for none, and the names of the groups in order."""
        values = [None if value is None or value != value else str(value) for value in self.values(column)]
        names = sorted({value for value in values if value is not None})
        if not names:
            raise ParameterError(f"no item of the lists has a value in the column {column!r}")
        number = {name: at for at, name in enumerate(names)}
        return np.array([-1 if value is None else number[value] for value in values], np.int32), names

    def categories(self, column: str) -> CSR:
        """The share of each category in each item, (items, categories), rows of sum 1; several categories are split at "|" or listed."""
        split = [_several(value) for value in self.values(column)]
        names = {name: at for at, name in enumerate(sorted({name for one in split for name in one}))}
        if not names:
            raise ParameterError(f"no item of the lists has a value in the column {column!r}")
        owner = np.repeat(np.arange(len(split)), [len(one) for one in split])
        columns = np.array([names[name] for one in split for name in one], np.int64)
        shares = np.array([1 / len(one) for one in split for _ in one])
        return CSR.from_pairs(owner, columns, shares, (len(split), len(names)))

    def numbers(self, column: str) -> NDArray[np.float64]:
        """A column of numbers, NaN where an item has none."""
        try:
            return np.array([np.nan if value is None or value == "" else float(value) for value in self.values(column)])
        except (TypeError, ValueError) as error:
            raise DataError(f"the item column {column!r} is not of numbers: {error}") from None

    def vectors(self, column: str) -> NDArray[np.float32]:
        """Vectors of unit length, (items, d): a column of vectors, or the categories of a column of texts."""
        values = self.values(column)
        first = next((value for value in values if value is not None), None)
        if isinstance(first, np.ndarray) and first.ndim == 1:
            raw = np.stack([np.zeros(len(first)) if value is None else value for value in values]).astype(np.float64)
        else:
            raw = self.categories(column).to_dense().astype(np.float64)
        norms = np.linalg.norm(raw, axis=1, keepdims=True)
        unit: NDArray[np.float32] = np.divide(raw, norms, out=np.zeros_like(raw), where=norms > 0).astype(np.float32)
        return unit


def _several(value: Any) -> list[str]:
    if value is None or (isinstance(value, float) and value != value):
        return []
    parts = value.split(SEPARATOR) if isinstance(value, str) else value if isinstance(value, (list, tuple, set)) else [value]
    return sorted({str(part).strip() for part in parts if str(part).strip()})


def _relevance(scores: NDArray[np.float64], there: NDArray[np.bool_]) -> NDArray[np.float64]:
    high = np.where(there, scores, -np.inf).max(axis=1, keepdims=True)
    low = np.where(there, scores, np.inf).min(axis=1, keepdims=True)
    span = np.where(high > low, high - low, 1.0)
    return np.where(there, np.where(high > low, (scores - np.where(np.isfinite(low), low, 0)) / span, 1.0), -np.inf)


def _is_table(lists: Mapping[Any, Any]) -> bool:
    """A dictionary of columns: the names user and item, and sequences of one length."""
    return {"user", "item"} <= set(lists) and len({len(lists[name]) for name in ("user", "item")}) == 1

"""What `recommend` returns: ragged lists of external ids with scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...cards import ROWS, card
from ...data.dataset import Dataset
from ...data.frames import frame_of
from ...data.ids import Id, IdIndex, Ids

SMALL = 100_000  # items of lists that are flattened whole for a notebook


class UserList(NamedTuple):
    """One user's list: items best first, with a score each."""

    user: Id
    items: list[Id]
    scores: NDArray[np.float32]


class Recommendations:
    """Lists of items for users, best first; a list is shorter than k where too few items remained.

    users : external ids in the order asked for (0, 1, ... for histories). rows : int32, item rows of all lists one after the
    other; list u is rows[indptr[u]:indptr[u+1]], with `scores` alike. ignored : ids left out under unknown="ignore".
    """

    def __init__(
        self, users: Ids, indptr: NDArray[np.int64], rows: NDArray[np.int32], scores: NDArray[np.float32],
        items: IdIndex, ignored: Ids = (), *, users_as_text: bool = False,
    ) -> None:  # fmt: skip
        self.users, self.indptr, self.rows, self.scores = list(users), indptr, rows, scores
        self.ignored = list(ignored)
        self._items, self._users_as_text = items, users_as_text
        self._titles: Mapping[Id, Any] | None = None

    @cached_property
    def items(self) -> list[Id]:
        """External item ids of all lists, one after the other."""
        return self._items.ids(self.rows)

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, position: int) -> UserList:
        if not -len(self) <= position < len(self):
            raise IndexError(f"list {position} of {len(self)}")
        position %= len(self)
        lists = slice(self.indptr[position], self.indptr[position + 1])
        return UserList(self.users[position], self._items.ids(self.rows[lists]), self.scores[lists])

    def __iter__(self) -> Iterator[UserList]:
        for position in range(len(self)):
            yield self[position]

    def __repr__(self) -> str:
        left_out = f", {len(self.ignored)} unknown ids ignored" if self.ignored else ""
        return f"Recommendations({len(self):,} lists, {len(self.rows):,} items{left_out})"

    def with_titles(self, titles: Mapping[Id, Any] | Dataset) -> Recommendations:
        """The same lists with a title for each item: in a notebook, and as a column of tables and files.

        titles : {item: title}, or a data set whose first item text gives them (see `Dataset.item_text`).
        """
        found = Recommendations(self.users, self.indptr, self.rows, self.scores, self._items, self.ignored)
        found._titles = {item: titles.item_text(item) for item in set(self.items)} if isinstance(titles, Dataset) else titles
        return found

    def _repr_html_(self) -> str:
        """What a notebook shows: the first lists."""
        columns = {name: values[:ROWS] for name, values in self.columns().items()} if len(self.rows) < SMALL else self._first().columns()
        notes = [f"{len(self.rows):,} items in all; to_frame() has them"]
        return card(f"Recommendations: {len(self):,} lists", table=columns, notes=notes)

    def _first(self) -> Recommendations:
        """The first few lists alone."""
        few = min(len(self), ROWS)
        stop = int(self.indptr[few])
        part = Recommendations(self.users[:few], self.indptr[: few + 1], self.rows[:stop], self.scores[:stop], self._items)
        part._titles = self._titles
        return part

    def to_dict(self) -> dict[Id, list[tuple[Id, float]]]:
        """{user: [(item, score), ...]}; where a user was asked for twice, the last list stays."""
        return {user: list(zip(items, scores.tolist(), strict=True)) for user, items, scores in self}

    def columns(self) -> dict[str, list[Any]]:
        """Flat columns: user, item, score, rank (from 1); title, where there are titles (see `with_titles`)."""
        counts = np.diff(self.indptr)
        ranks = np.arange(len(self.rows)) - np.repeat(self.indptr[:-1], counts) + 1
        users = [user for user, count in zip(self.users, counts.tolist(), strict=True) for _ in range(count)]
        columns: dict[str, list[Any]] = {"user": users, "item": self.items, "score": self.scores.tolist(), "rank": ranks.tolist()}
        titles = self._titles
        return columns if titles is None else columns | {"title": [str(titles.get(item, "")) for item in self.items]}

    def to_frame(self, library: str = "pandas") -> Any:
        """The flat columns as a "pandas" or "polars" data frame or an "arrow" table; ids that came as strings are strings again, and so
        are mixed ones."""
        columns = self.columns()
        if self._items.came_as_text:
            columns["item"] = [str(item) for item in columns["item"]]
        if self._users_as_text:
            columns["user"] = [str(user) for user in columns["user"]]
        return frame_of(columns, library)

    def to_csv(self, path: str | Path, *, guard: bool = False) -> None:
        """Write the flat columns to a CSV file with a header; the file appears whole or not at all. guard : for spreadsheets, ids that
        begin as a formula does get an apostrophe in front, see `write_csv`."""
        from ...data.writers import write_csv

        write_csv(path, self.columns(), guard=guard)

    def to_parquet(self, path: str | Path) -> None:
        """Write the flat columns to a Parquet file (extra `io`); the file appears whole or not at all."""
        from ...data.writers import write_parquet

        write_parquet(path, self.columns())

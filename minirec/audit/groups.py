"""Groups of users and of items: a column of a table, a file of labels, and those that the events give by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.account import Account
from ..data.dataset import Dataset
from ..data.ids import IdIndex
from ..data.popularity import popularity_groups
from ..data.reading.item_tables import with_items
from ..engine.sparse import CSR
from ..errors import DataError, ParameterError

UNKNOWN = "(not stated)"
MAX_GROUPS = 10_000
ACTIVITY, POPULARITY = "activity", "popularity"


@dataclass(frozen=True)
class Grouping:
    """Labels of users or items: `names[labels[row]]`. `stated` is False for the group of those without a label."""

    key: str
    names: tuple[str, ...]
    labels: NDArray[np.int32]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many users or items each group has."""
        return np.bincount(self.labels, minlength=len(self.names))

    @property
    def stated(self) -> NDArray[np.bool_]:
        """Whether a group is one that was stated, not the rest without a label."""
        return np.array([name != UNKNOWN for name in self.names], bool)

    def take(self, rows: NDArray[Any]) -> Grouping:
        """The same groups for some of the rows."""
        return Grouping(self.key, self.names, self.labels[rows])

    def crossed(self, other: Grouping) -> Grouping:
        """The intersections of two groupings, without the empty ones."""
        pair = self.labels.astype(np.int64) * len(other.names) + other.labels
        present, labels = np.unique(pair, return_inverse=True)
        names = []
        for code in present.tolist():
            mine, others = self.names[code // len(other.names)], other.names[code % len(other.names)]
            names.append(UNKNOWN if UNKNOWN in (mine, others) else f"{mine} & {others}")
        merged = {name: at for at, name in enumerate(dict.fromkeys(names))}
        renumber = np.array([merged[name] for name in names], np.int32)
        return Grouping(f"{self.key}*{other.key}", tuple(merged), renumber[labels])


def from_labels(key: str, labels: Iterable[Any]) -> Grouping:
    """A grouping from one label a row; "", None and NaN are not stated. Whole numbers sort as numbers."""
    texts = [_text(label) for label in labels]
    names = sorted({text for text in texts if text != UNKNOWN}, key=lambda name: (not _is_number(name), _number(name), name))
    if len(names) > MAX_GROUPS:
        raise DataError(f"{key!r} divides into {len(names):,} groups; at most {MAX_GROUPS:,} are compared: name a coarser column")
    if UNKNOWN in texts:
        names.append(UNKNOWN)
    place = {name: at for at, name in enumerate(names)}
    return Grouping(key, tuple(names), np.fromiter((place[text] for text in texts), np.int32, len(texts)))


def _text(label: Any) -> str:
    if label is None or label != label:
        return UNKNOWN
    if isinstance(label, (float, np.floating)) and float(label).is_integer():
        label = int(label)
    return str(label).strip() or UNKNOWN


def _is_number(name: str) -> bool:
    return name.lstrip("-").replace(".", "", 1).isdecimal()


def _number(name: str) -> float:
    return float(name) if _is_number(name) else 0.0


def table_labels(index: IdIndex, table: Any, column: str | int, what: str, account: Account) -> Grouping:
    """The grouping that a column of a table gives; the table has one row an id, in any form that `read` takes for items."""
    if table is None:
        raise ParameterError(f"groups by {column!r} need a table of {what}s: pass {what}s=")
    holder = Dataset(index, index, np.zeros(0, np.int32), np.zeros(0, np.int32))
    id_column = None if what == "item" else _user_column(table)
    features = with_items(holder, table, account, item=id_column, text={str(column): column}).item_features
    return from_labels(str(column), features[str(column)])


def _user_column(table: Any) -> str | int | None:
    """The column of user ids of a table of users: by its name, else the first."""
    from ..data.reading.item_tables import read_columns
    from ..data.reading.roles import GUESSES, plain

    names, _ = read_columns(table, Account())
    simple = [plain(name) for name in names]
    return next((simple.index(guess) for guess in (*GUESSES["user"], "id") if guess in simple), 0)


def labels_of(index: IdIndex, spec: Any, table: Any, what: str, account: Account, key: str) -> Grouping:
    """A grouping by a column of `table`, a file of two columns (id, label), or a mapping {id: label}, which gets the name `key`."""
    if isinstance(spec, Mapping):
        rows = index.rows(list(spec))
        labels = np.full(len(index), None, object)
        for row, label in zip(rows.tolist(), spec.values(), strict=True):
            if row >= 0:
                labels[row] = label
        return from_labels(key, labels)
    if isinstance(spec, (str, Path)) and Path(spec).suffix and Path(spec).is_file():
        from ..data.reading.item_tables import read_columns

        names, _ = read_columns(spec, Account())
        if len(names) < 2:
            raise DataError(f"{spec}: a file of groups has an id and a label in each row, got the columns {', '.join(names)}")
        found = table_labels(index, spec, names[1], what, account)
        return Grouping(names[1], found.names, found.labels)
    if isinstance(spec, (str, int)) and not isinstance(spec, bool):
        if isinstance(spec, str) and "*" in spec:
            first, *others = [labels_of(index, part.strip(), table, what, account, key) for part in spec.split("*")]
            for other in others:
                first = first.crossed(other)
            return first
        return table_labels(index, table, spec, what, account)
    raise ParameterError(f"groups of {what}s are a column, a file, or a mapping {{id: label}}, got {type(spec).__name__}")


def activity(profile: CSR) -> Grouping:
    """Users by the number of different items in their events: the least active third, the middle, the most active third.

    Users with equal numbers stay together, so the thirds are as even as the numbers allow.
    """
    known = profile.counts()
    low, high = np.quantile(known, [1 / 3, 2 / 3], method="lower") if len(known) else (0, 0)
    labels = np.where(known <= low, 0, np.where(known <= high, 1, 2)).astype(np.int32)
    names = ("least active", "middle", "most active")
    present = np.flatnonzero(np.bincount(labels, minlength=3))
    renumber = np.cumsum(np.bincount(labels, minlength=3) > 0) - 1
    return Grouping(ACTIVITY, tuple(names[at] for at in present), renumber[labels].astype(np.int32))


def by_popularity(events: Dataset) -> Grouping:
    """Items of head, middle and tail by interaction mass; see `minirec.popularity_groups`."""
    return Grouping(POPULARITY, ("head", "middle", "tail"), popularity_groups(events).mass.astype(np.int32))

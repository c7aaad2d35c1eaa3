"""The data set: events of users with items, immutable; every operation returns a new one that shares what it can."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cards import card
from ..engine.sparse import CSR
from ..errors import DataError
from . import clock
from .features import Features, align_features
from .frames import frame_of
from .ids import Id, IdIndex, Rows, factorize


@dataclass(frozen=True, eq=False)
class Dataset:
    """Events in columns, two id indexes, optional features of users and items.

    users, items : the id indexes. `user`, `item` : int32 (n,), the rows of each event in them.
    weight : float32 (n,) or None (every event counts 1); finite. time : int64 (n,) or None, ticks of `time_unit`: "s", "ms", "us"
    or "ns" since 1970, the coarsest that is exact, or "order" for numbers of which only the order is known. All orderings use
    these ticks; `timestamp` gives them in whole seconds.
    kind : int8 (n,) or None, the event kind as an index into `kinds`, such as ("view", "cart", "buy").
    user_features, item_features : columns by name, each with one entry (a number, a text, or a vector) a row of the index.
    Events keep the order in which they came: equal times are ordered by it.
    """

    users: IdIndex
    items: IdIndex
    user: Rows
    item: Rows
    weight: NDArray[np.float32] | None = None
    time: NDArray[np.int64] | None = None
    kind: NDArray[np.int8] | None = None
    kinds: tuple[str, ...] = ()
    user_features: Features = field(default_factory=dict)
    item_features: Features = field(default_factory=dict)
    name: str = "events"
    time_unit: str = "s"

    @classmethod
    def from_arrays(
        cls,
        users: Any,
        items: Any,
        weights: Any = None,
        times: Any = None,
        kinds: Any = None,
        *,
        user_features: Features | None = None,
        item_features: Features | None = None,
        name: str = "events",
        time_unit: str | None = None,
    ) -> Dataset:
        """Build from columns of equal length: lists, NumPy arrays, pandas / polars / Arrow columns.

        Ids are whole numbers or strings, and keep their type. Weights must be finite. Times are datetimes, whole numbers, or numbers
        with a fraction, which are seconds. `time_unit` says what whole numbers count ("s", "ms", "us", "ns", "order"); None: told
        from their size, see `clock.from_whole`.
        Features are keyed by column name; each maps ids to values as a dictionary {id: value}, or is an array in the order of the ids.
        """
        user_index, user = factorize(users, "user id")
        item_index, item = factorize(items, "item id")
        if len(user) != len(item):
            raise DataError(f"columns differ in length: {len(user)} users, {len(item)} items")
        weight = None if weights is None else _weight_column(weights, len(user))
        time, unit = (None, "s") if times is None else clock.column(times, len(user), time_unit)
        kind: NDArray[np.int8] | None = None
        names: tuple[str, ...] = ()
        if kinds is not None:
            labels = [str(value) for value in kinds]
            names = tuple(sorted(set(labels)))
            if len(labels) != len(user):
                raise DataError(f"columns differ in length: {len(user)} users, {len(labels)} kinds")
            if len(names) > 127:
                raise DataError(f"{len(names)} event kinds; at most 127 are possible: is the right column named?")
            kind = np.fromiter((names.index(label) for label in labels), np.int8, len(labels))
        return cls(
            user_index, item_index, user, item, weight, time, kind, names,
            align_features(user_features or {}, user_index), align_features(item_features or {}, item_index), name, unit,
        )  # fmt: skip

    @classmethod
    def from_scipy(cls, matrix: Any, *, users: Any = None, items: Any = None, name: str = "events") -> Dataset:
        """Events out of a SciPy sparse matrix or array of users x items: one for each stored value other than 0, which is its weight.

        users, items : the ids of the rows and columns; default: their numbers. Rows and columns without values stay in the indexes.

        >>> from scipy.sparse import csr_array
        >>> import minirec as mr
        >>> mr.Dataset.from_scipy(csr_array([[1, 0], [2, 3]]))
        Dataset('events': 3 events, 2 users, 2 items, with weight)
        """
        if not hasattr(matrix, "tocoo") or len(getattr(matrix, "shape", ())) != 2:
            raise DataError(f"from_scipy takes a sparse matrix of users x items, got {type(matrix).__name__}")
        entries = matrix.tocoo()
        stored = entries.data != 0
        indexes, places = [], []
        for ids, rows, n, what in ((users, entries.row, matrix.shape[0], "user"), (items, entries.col, matrix.shape[1], "item")):
            index, place = (IdIndex.from_range(n), np.arange(n, dtype=np.int32)) if ids is None else factorize(ids, f"{what} id")
            if len(place) != n or len(index) != n:
                raise DataError(f"{what}s: {n} different ids are needed, one for each, got {len(place)} ({len(index)} different)")
            indexes.append(index)
            places.append(place[np.asarray(rows)[stored]].astype(np.int32))
        weight = _weight_column(entries.data[stored], int(stored.sum()))
        return cls(indexes[0], indexes[1], places[0], places[1], weight, name=name)

    def to_scipy(self) -> Any:
        """Users x items as a SciPy CSR array, float32, in the order of the indexes; the weights of repeated events are summed."""
        from scipy.sparse import csr_array

        matrix = self.matrix
        return csr_array((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)

    def to_frame(self, library: str = "pandas") -> Any:
        """The events as a "pandas" or "polars" data frame or an "arrow" table: user, item, and weight, time and kind where there are
        any. Ids have the type in which they came; times are datetimes where their unit is known, else whole numbers.

        >>> import minirec as mr
        >>> from importlib.util import find_spec
        >>> data = mr.read({"user": ["1", "2"], "item": ["a", "b"]})
        >>> data.to_frame("polars")["user"].to_list() if find_spec("polars") else ["1", "2"]
        ['1', '2']
        """
        columns: dict[str, Any] = {"user": self.users.spelled(self.user), "item": self.items.spelled(self.item)}
        if self.weight is not None:
            columns["weight"] = self.weight
        if self.time is not None:
            columns["time"] = self.time if self.time_unit == "order" else self.time.astype(f"datetime64[{self.time_unit}]")
        if self.kind is not None:
            columns["kind"] = [self.kinds[kind] for kind in self.kind.tolist()]
        return frame_of(columns, library)

    def __len__(self) -> int:
        return len(self.user)

    @property
    def n_users(self) -> int:
        """Number of users in the index."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Number of items in the index."""
        return len(self.items)

    @property
    def timestamp(self) -> NDArray[np.int64] | None:
        """The times in whole seconds since 1970, rounded down (numbers of unit "order" as they are). `time` has what is exact."""
        return None if self.time is None else clock.in_seconds(self.time, self.time_unit)

    def __repr__(self) -> str:
        shown = {"weight": self.weight, "timestamp": self.time, "kind": self.kind}
        columns = [name for name, column in shown.items() if column is not None]
        extra = f", with {', '.join(columns)}" if columns else ""
        return f"Dataset({self.name!r}: {len(self):,} events, {self.n_users:,} users, {self.n_items:,} items{extra})"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        facts: dict[str, Any] = {"events": len(self), "users": self.n_users, "items": self.n_items}
        if self.timestamp is not None and len(self):
            facts["times"] = f"{int(self.timestamp.min()):,} to {int(self.timestamp.max()):,}"
        if self.weight is not None and len(self):
            facts["weight"] = f"{self.weight.min():g} to {self.weight.max():g}"
        if self.kinds:
            facts["kinds"] = ", ".join(self.kinds)
        features = {"user features": self.user_features, "item features": self.item_features}
        return card(f"Dataset {self.name}", facts | {name: ", ".join(columns) for name, columns in features.items() if columns})

    @cached_property
    def matrix(self) -> CSR:
        """Users x items, float32; the weights (or ones) of repeated events of a pair are summed."""
        return CSR.from_pairs(self.user, self.item, self.weight, (self.n_users, self.n_items))

    @cached_property
    def binary(self) -> CSR:
        """Users x items, float32; 1 wherever a user has an event with an item."""
        return self.matrix.binary()

    @cached_property
    def item_counts(self) -> NDArray[np.int64]:
        """Number of distinct users of each item: its popularity."""
        return np.bincount(self.matrix.indices, minlength=self.n_items)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids and columns: equal data sets have equal fingerprints. Features and names are not part of it."""
        digest = hashlib.sha256()
        parts: list[Any] = [self.user, self.item, self.weight, self.time, self.kind]
        for index in (self.users, self.items):
            parts += [index.ints, index.text, index.offsets]
        for part in parts:
            digest.update(b"none" if part is None else f"{part.dtype.str}{part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        digest.update("\0".join(self.kinds).encode())
        if self.time is not None and self.time_unit not in ("s", "order"):
            digest.update(self.time_unit.encode())
        return digest.hexdigest()

    def select(self, events: NDArray[Any]) -> Dataset:
        """The events given by a mask or by positions; the id indexes stay as they are (see `compact`)."""
        take = {
            name: None if column is None else column[events]
            for name, column in (
                ("user", self.user),
                ("item", self.item),
                ("weight", self.weight),
                ("time", self.time),
                ("kind", self.kind),
            )
        }
        return replace(self, **take)  # type: ignore[arg-type]

    def compact(self) -> Dataset:
        """Drop users and items without events from the indexes, and their features with them."""
        keep_user = np.bincount(self.user, minlength=self.n_users) > 0
        keep_item = np.bincount(self.item, minlength=self.n_items) > 0
        if keep_user.all() and keep_item.all():
            return self
        users, new_user = self.users.subset(keep_user)
        items, new_item = self.items.subset(keep_item)
        return replace(
            self,
            users=users,
            items=items,
            user=new_user[self.user],
            item=new_item[self.item],
            user_features={name: column[keep_user] for name, column in self.user_features.items()},
            item_features={name: column[keep_item] for name, column in self.item_features.items()},
        )

    def with_columns(self, **columns: Any) -> Dataset:
        """The same events with other columns (`weight=...`, `time=...` with `time_unit=...`, `name=...`, features), checked as in
        from_arrays. `timestamp=...` is the older name of `time`."""
        if columns.get("weight") is not None:
            columns["weight"] = _weight_column(columns["weight"], len(self))
        if "timestamp" in columns:
            columns["time"] = columns.pop("timestamp")
        if columns.get("time") is not None:
            columns["time"], columns["time_unit"] = clock.column(columns["time"], len(self), columns.get("time_unit"))
        for side in ("user", "item"):
            if f"{side}_features" in columns:
                index = columns.get(f"{side}s", getattr(self, f"{side}s"))
                columns[f"{side}_features"] = align_features(columns[f"{side}_features"], index)
        return replace(self, **columns)

    def item_text(self, item: Id, column: str | None = None) -> str:
        """A readable name of an item: its first text feature (or the one named); its id where there is none, or an empty one."""
        texts = [name for name, values in self.item_features.items() if values.dtype.kind in "OUT" and values.ndim == 1]
        chosen = column or (texts[0] if texts else None)
        row = self.items.row(item, "item")
        return str(item) if chosen is None else str(self.item_features[chosen][row]) or str(item)


def _weight_column(values: Any, n: int) -> NDArray[np.float32]:
    try:
        weight = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("weights must be numbers; something in the column is not") from None
    if weight.shape != (n,):
        raise DataError(f"columns differ in length: {n} users, weights of shape {weight.shape}")
    bad = np.flatnonzero(~np.isfinite(weight))
    if len(bad):
        raise DataError(f"weight {weight[bad[0]]} at event {bad[0]} ({len(bad)} such): weights must be finite; fill or drop them first")
    with np.errstate(over="ignore"):
        single = weight.astype(np.float32)
    if not np.isfinite(single).all():
        raise DataError(f"weight {np.abs(weight).max():g} is too large for float32: rescale the column")
    return single

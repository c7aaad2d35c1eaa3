"""The data set: events of users with items, immutable; every operation returns a new one that shares what it can."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.sparse import CSR
from ..errors import DataError
from .ids import Id, IdIndex, Rows, factorize

Features = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Events in columns, two id indexes, optional features of users and items.

    users, items : the id indexes. `user`, `item` : int32 (n,), the rows of each event in them.
    weight : float32 (n,) or None (every event counts 1); finite. timestamp : int64 (n,) or None; seconds since 1970 where the
    source had dates, else the numbers of the source (any unit, only their order is used unless a method says otherwise).
    kind : int8 (n,) or None, the event kind as an index into `kinds`, such as ("view", "cart", "buy").
    user_features, item_features : columns by name, each with one entry (a number, a text, or a vector) a row of the index.
    Events keep the order in which they came: equal times are ordered by it.
    """

    users: IdIndex
    items: IdIndex
    user: Rows
    item: Rows
    weight: NDArray[np.float32] | None = None
    timestamp: NDArray[np.int64] | None = None
    kind: NDArray[np.int8] | None = None
    kinds: tuple[str, ...] = ()
    user_features: Features = field(default_factory=dict)
    item_features: Features = field(default_factory=dict)
    name: str = "events"

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
    ) -> Dataset:
        """Build from columns of equal length: lists, NumPy arrays, pandas / polars / Arrow columns.

        Ids are whole numbers or strings. Weights must be finite. Times are whole numbers, or datetimes (turned into seconds).
        Features are keyed by column name; each maps ids to values as a dictionary {id: value}, or is an array in the order of the ids.
        """
        user_index, user = factorize(users, "user id")
        item_index, item = factorize(items, "item id")
        if len(user) != len(item):
            raise DataError(f"columns differ in length: {len(user)} users, {len(item)} items")
        weight = None if weights is None else _weight_column(weights, len(user))
        timestamp = None if times is None else _time_column(times, len(user))
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
            user_index, item_index, user, item, weight, timestamp, kind, names,
            align_features(user_features or {}, user_index), align_features(item_features or {}, item_index), name,
        )  # fmt: skip

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

    def __repr__(self) -> str:
        columns = [name for name in ("weight", "timestamp", "kind") if getattr(self, name) is not None]
        extra = f", with {', '.join(columns)}" if columns else ""
        return f"Dataset({self.name!r}: {len(self):,} events, {self.n_users:,} users, {self.n_items:,} items{extra})"

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
        parts: list[Any] = [self.user, self.item, self.weight, self.timestamp, self.kind]
        for index in (self.users, self.items):
            parts += [index.ints, index.text, index.offsets]
        for part in parts:
            digest.update(b"none" if part is None else f"{part.dtype.str}{part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        digest.update("\0".join(self.kinds).encode())
        return digest.hexdigest()

    def select(self, events: NDArray[Any]) -> Dataset:
        """The events given by a mask or by positions; the id indexes stay as they are (see `compact`)."""
        take = {
            name: None if column is None else column[events]
            for name, column in (
                ("user", self.user),
                ("item", self.item),
                ("weight", self.weight),
                ("timestamp", self.timestamp),
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
        """The same events with other columns (`weight=...`, `timestamp=...`, `name=...`, features), checked as in from_arrays."""
        if columns.get("weight") is not None:
            columns["weight"] = _weight_column(columns["weight"], len(self))
        if columns.get("timestamp") is not None:
            columns["timestamp"] = _time_column(columns["timestamp"], len(self))
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


def align_features(features: Mapping[str, Any], index: IdIndex) -> dict[str, NDArray[Any]]:
    """Columns {name: {id: value}} as arrays in row order; a missing id gets "" for text and NaN for numbers. Arrays are in it already."""
    aligned: dict[str, NDArray[Any]] = {}
    for name, values in features.items():
        if isinstance(values, np.ndarray):
            entries = len(values) if values.ndim else 0
            if entries != len(index):
                raise DataError(f"feature {name!r} has {entries} entries for {len(index)} ids: an array has one for each, in their order")
            aligned[name] = values
            continue
        if not isinstance(values, Mapping):
            raise DataError(
                f"feature {name!r} is of type {type(values).__name__}: a dictionary {{id: value}} is needed, or an array of NumPy in the "
                "order of the ids"
            )
        rows = index.rows(list(values))
        known = [(row, value) for row, value in zip(rows.tolist(), values.values(), strict=True) if row >= 0]
        text = any(isinstance(value, str) for _, value in known)
        column = np.full(len(index), "" if text else np.nan, object if text else np.float64)
        for row, value in known:
            column[row] = str(value) if text else value
        aligned[name] = column
    return aligned


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


def _time_column(values: Any, n: int) -> NDArray[np.int64]:
    time = np.asarray(values)
    if time.shape != (n,):
        raise DataError(f"columns differ in length: {n} users, times of shape {time.shape}")
    if time.dtype.kind == "O":
        try:
            time = time.astype("datetime64[us]")
        except (TypeError, ValueError):
            raise DataError(f"times must be whole numbers or datetimes, got {time[0]!r}") from None
    if time.dtype.kind == "M":
        if np.isnat(time).any():
            raise DataError(f"{int(np.isnat(time).sum())} times are missing: fill or drop them first")
        return time.astype("datetime64[s]").astype(np.int64)
    if time.dtype.kind == "f":
        if not np.isfinite(time).all() or (np.abs(time) > 2**53).any():
            raise DataError("times must be finite whole numbers (or datetimes): fill or drop the missing ones first")
        return np.asarray(np.floor(time), np.int64)
    if time.dtype.kind not in "iu":
        raise DataError(f"times must be whole numbers or datetimes, got {time.dtype}")
    return np.asarray(time, np.int64)

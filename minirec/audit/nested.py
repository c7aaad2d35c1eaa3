"""Lists that come as lists: dictionaries, arrays of identifiers, nested JSON; turned into rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.account import Account
from ..data.ids import IdIndex
from ..data.reading.opening import open_binary
from ..data.reading.raw import as_whole, ids_from_objects
from ..data.reading.roles import GUESSES, plain
from ..errors import DataError

_ITEM_KEYS = ("items", "recommendations", "recs", "list", "itemids", "ids")
_RANK_KEYS = ("rank", "position", "place")
_SCORE_KEYS = ("score", "weight", "rating", "prediction", "value")


class Rows(NamedTuple):
    """Rows of lists by role, before they are put in order; users and items as rows of their indexes."""

    users: IdIndex
    items: IdIndex
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    rank: NDArray[np.float64] | None
    score: NDArray[np.float64] | None
    propensity: NDArray[np.float64] | None
    time: NDArray[np.int64] | None
    account: Account

    def select(self, which: NDArray[Any]) -> Rows:
        """Some of the rows, by mask or by position."""
        columns: Any = {
            name: None if column is None else column[which]
            for name, column in self._asdict().items()
            if name not in ("users", "items", "account")
        }
        return self._replace(**columns)


def from_mapping(lists: Mapping[Any, Any], where: str, *, text: bool = False) -> Rows:
    """Rows of {user: [item, ...]}; an item is an id, a pair (item, score), or an object with an id and perhaps a score."""
    return _rows(lists.items(), where, text)


def from_nested(entries: Sequence[Any], where: str, *, text: bool = False) -> Rows:
    """Rows of [{"user": ..., "items": [...]}, ...] or of [(user, [item, ...]), ...]."""
    pairs = []
    for number, entry in enumerate(entries, 1):
        if isinstance(entry, Mapping):
            keys = {plain(str(key)): key for key in entry}
            user = next((keys[name] for name in GUESSES["user"] if name in keys), None)
            items = next((keys[name] for name in _ITEM_KEYS if name in keys), None)
            if user is None or items is None:
                raise DataError(f"{where}, entry {number}: an object with a user and its items is needed, got the keys {', '.join(keys)}")
            pairs.append((entry[user], entry[items]))
        elif isinstance(entry, (list, tuple)) and len(entry) == 2:
            pairs.append((entry[0], entry[1]))
        else:
            raise DataError(f"{where}, entry {number}: a list of a user is needed, got {str(entry)[:60]!r}")
    return _rows(pairs, where, text)


def _rows(pairs: Iterable[tuple[Any, Any]], where: str, text: bool) -> Rows:
    users: list[Any] = []
    items: list[Any] = []
    scores: list[float] = []
    counts: list[int] = []
    for user, listed in pairs:
        if isinstance(listed, (str, bytes, Mapping)) or not hasattr(listed, "__iter__"):
            raise DataError(f"{where}: user {user!r} has {str(listed)[:60]!r} where a list of items is needed")
        before = len(items)
        for entry in listed:
            item, score = _entry(entry, where, user)
            items.append(item)
            scores.append(score)
        users.append(user)
        counts.append(len(items) - before)
    convert = as_whole if text else (lambda ids: ids)
    by_list = convert(ids_from_objects(users, f"{where}: user id"))
    listed_ids = convert(ids_from_objects(items, f"{where}: item id"))
    user_rows = np.repeat(by_list.rows, counts)
    score_column = np.array(scores, np.float64)
    account = Account(events_in=len(items))
    keep = (user_rows >= 0) & (listed_ids.rows >= 0)
    account.add("missing user or item id", int((~keep).sum()))
    account.events_out = int(keep.sum())
    order = None if np.isnan(score_column).any() or not len(items) else score_column
    rows = Rows(by_list.distinct, listed_ids.distinct, user_rows, listed_ids.rows, None, order, None, None, account)
    return rows if keep.all() else rows.select(keep)


def _entry(entry: Any, where: str, user: Any) -> tuple[Any, float]:
    """The item and the score (NaN: none) of one place of a list."""
    if isinstance(entry, Mapping):
        keys = {plain(str(key)): key for key in entry}
        item = next((keys[name] for name in ("id", *GUESSES["item"]) if name in keys), None)
        if item is None:
            raise DataError(f"{where}: a place in the list of user {user!r} has no id of an item; its keys are {', '.join(keys)}")
        rank = next((keys[name] for name in _RANK_KEYS if name in keys), None)
        if rank is not None and entry[rank] is not None:
            return entry[item], -float(entry[rank])
        score = next((keys[name] for name in _SCORE_KEYS if name in keys), None)
        return entry[item], float("nan") if score is None or entry[score] is None else float(entry[score])
    if isinstance(entry, (list, tuple)):
        if len(entry) != 2:
            raise DataError(
                f"{where}: a place in the list of user {user!r} is {str(entry)[:60]!r}; an item or a pair (item, score) is needed"
            )
        return entry[0], float(entry[1])
    return (entry.item() if isinstance(entry, np.generic) else entry), float("nan")


def from_arrays(arrays: tuple[Any, ...], where: str = "lists") -> Rows:
    """Rows of (users, items) or (users, items, scores): ids (U,), ids (U, k) and float (U, k), as implicit's `recommend` gives them.

    A negative item, and a score that stands for "nothing left" (not above the lowest float32), are padding.
    """
    if len(arrays) not in (2, 3):
        raise DataError(f"{where}: (users, items) or (users, items, scores) is needed, got {len(arrays)} arrays")
    users, items = np.asarray(arrays[0]), np.asarray(arrays[1])
    scores = np.asarray(arrays[2], np.float64) if len(arrays) == 3 else None
    if items.ndim != 2 or users.shape != (len(items),) or (scores is not None and scores.shape != items.shape):
        shapes = ", ".join(str(np.asarray(array).shape) for array in arrays)
        raise DataError(f"{where}: users of shape (U,), items and scores of shape (U, k) are needed, got {shapes}")
    keep = np.ones(items.shape, bool)
    if items.dtype.kind in "if":
        keep &= items >= 0
    if scores is not None:
        keep &= scores > float(np.finfo(np.float32).min)
    account = Account(events_in=items.size, events_out=int(keep.sum()))
    account.add("place without an item (padding)", int((~keep).sum()))
    by_list = ids_from_objects(users.tolist(), f"{where}: user id")
    index, row = _indexed(items[keep], where)
    rank = np.broadcast_to(np.arange(items.shape[1], dtype=np.float64), items.shape)[keep]
    user = np.repeat(by_list.rows, keep.sum(1))
    return Rows(by_list.distinct, index, user, row, rank, None if scores is None else scores[keep], None, None, account)


def _indexed(values: NDArray[Any], where: str) -> tuple[IdIndex, NDArray[np.int32]]:
    if values.dtype.kind in "iu":
        unique, row = np.unique(values.astype(np.int64), return_inverse=True)
        return IdIndex(unique, np.zeros(0, np.uint8), np.zeros(1, np.int64)), row.astype(np.int32)
    ids = ids_from_objects(values.tolist(), f"{where}: item id")
    return ids.distinct, ids.rows


def nested_file(path: Path) -> Rows | None:
    """Rows of a file of whole lists (.json, JSON lines with a list in them, npz of two-dimensional arrays); None for a table of rows."""
    ending = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"][-1:]
    if ending == [".json"]:
        with open_binary(path) as file:
            content = _json(file.read(), str(path))
        if isinstance(content, Mapping):
            lists = {plain(str(key)): value for key, value in content.items()} if len(content) == 1 else {}
            inner = next((lists[name] for name in ("recommendations", "lists", "data") if name in lists), None)
            content = content if inner is None else inner
        if isinstance(content, Mapping):
            return from_mapping(content, str(path), text=True)
        if isinstance(content, list) and content and isinstance(content[0], Mapping) and not _has_list(content[0]):
            return _flat_objects(content, str(path))
        if isinstance(content, list):
            return from_nested(content, str(path), text=True)
        raise DataError(f"{path}: lists are an object {{user: [...]}} or an array, got {type(content).__name__}")
    if ending in ([".jsonl"], [".ndjson"]):
        with open_binary(path) as file:
            first = file.readline()
            if not first.strip() or not _has_list(_json(first, f"{path}, line 1")):
                return None
            entries = [_json(line, f"{path}, line {number}") for number, line in enumerate([first, *file], 1) if line.strip()]
        return from_nested(entries, str(path), text=True)
    if ending == [".npz"]:
        return _npz(path)
    return None


def _npz(path: Path) -> Rows | None:
    open_binary(path).close()  # a missing file is said here
    try:
        with np.load(path, allow_pickle=False) as archive:
            wide = {plain(name): archive[name] for name in archive.files if archive[name].ndim == 2}
            flat = {plain(name): archive[name] for name in archive.files if archive[name].ndim == 1}
    except (ValueError, OSError, KeyError, EOFError) as error:
        raise DataError(f"{path}: not an npz file of plain arrays ({error})") from None
    if not wide:
        return None
    items = next((wide[name] for name in (*_ITEM_KEYS, *GUESSES["item"]) if name in wide), None)
    users = next((flat[name] for name in ("users", "userids", *GUESSES["user"]) if name in flat), None)
    scores = next((wide[name] for name in ("scores", *_SCORE_KEYS) if name in wide), None)
    if items is None or users is None:
        raise DataError(f"{path}: arrays `users` (U,) and `ids` (U, k) are needed; there are {', '.join([*wide, *flat])}")
    return from_arrays((users, items) if scores is None else (users, items, scores), str(path))


def _flat_objects(entries: list[Any], where: str) -> Rows:
    """Rows of [{"UserId": ..., "ItemId": ..., "Score": ...}, ...]: one object a place."""
    grouped: dict[Any, list[Any]] = {}
    for number, entry in enumerate(entries, 1):
        keys = {plain(str(key)): key for key in entry} if isinstance(entry, Mapping) else {}
        user = next((keys[name] for name in GUESSES["user"] if name in keys), None)
        if user is None:
            raise DataError(f"{where}, entry {number}: no user; its keys are {', '.join(keys) or 'none'}")
        grouped.setdefault(entry[user], []).append({key: value for key, value in entry.items() if key != user})
    return from_mapping(grouped, where, text=True)


def _has_list(entry: Any) -> bool:
    return isinstance(entry, list) or (isinstance(entry, Mapping) and any(isinstance(value, list) for value in entry.values()))


def _json(text: bytes, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not readable as JSON ({error})") from None

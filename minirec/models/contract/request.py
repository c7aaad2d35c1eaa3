"""What comes in with a request, checked and turned into rows: histories, filters, and lists that a fallback serves."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...data.ids import Id, IdIndex, Ids, Rows, checked_id
from ...engine.sequences import Sequences
from ...engine.sparse import CSR
from ...errors import ParameterError
from .parameters import plain

_LARGEST = 1e12  # weight of an item in a history: scores are sums of products in float32
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,18})")
Filter: TypeAlias = Ids | Mapping[Id, Ids] | None


class Profiles(NamedTuple):
    """Whom to score for: known users by their rows, or (rows is None) new ones by their history alone.

    history : CSR (profiles, items), the items of each profile with the summed weights of its events, ascending item rows.
    ordered : the item of each event in the order of events, the same item as often as it occurs; for new
        users. Of known ones a model that goes by it keeps the order itself.
    """

    rows: Rows | None
    history: CSR
    ordered: Sequences | None = None

    def __len__(self) -> int:
        return self.history.shape[0]

    def take(self, chosen: NDArray[np.int64]) -> Profiles:
        """Some of them, in the order given."""
        ordered = None if self.ordered is None else self.ordered.rows(chosen)
        return Profiles(None if self.rows is None else self.rows[chosen], self.history.rows(chosen), ordered)


def id_column(values: Any, what: str) -> Any:
    """Ids of a request, an array of whole numbers or a list; lists, arrays, series, columns, sets and iterators will do."""
    if hasattr(values, "__array__"):
        array = np.asarray(values)
        if array.ndim == 1:
            return array if array.dtype.kind in "iu" else array.tolist()
    elif hasattr(values, "__iter__") and not isinstance(values, (str, bytes)):
        return list(values)
    raise ParameterError(f"{what} must be a list of ids, got {values!r}")


def parse_histories(items: IdIndex, history: Any, weights: Any, unknown: str, ignored: list[Id]) -> Profiles:
    """Lists of item ids (and weights alike) as profiles; unknown ids raise, or are added to `ignored`."""
    outer = [history] if weights is None else [history, weights]
    if any(isinstance(part, (str, bytes, Mapping)) or not hasattr(part, "__iter__") for part in outer):
        raise ParameterError("history is a list of histories, one list of item ids for each new user: history=[[id, id], [id]]")
    given = list(history)
    if given and all(isinstance(part, (str, int, np.integer)) for part in given):
        shown = ", ".join(repr(plain(part)) for part in given[:3]) + (", ..." if len(given) > 3 else "")
        raise ParameterError(f"history is a list of histories, and this is one list of ids: for one new user write history=[[{shown}]]")
    lists = [list(id_column(h, "each history in history=[[id, id], [id]]")) for h in given]
    weight = None if weights is None else _weights(weights, lists)
    owner = np.repeat(np.arange(len(lists)), np.array([len(h) for h in lists], np.int64))
    rows = _rows(items, [item for h in lists for item in h], "item", unknown, ignored)
    known = rows >= 0
    owner, rows, shape = owner[known], rows[known].astype(np.int32, copy=False), (len(lists), len(items))
    ordered = Sequences.of_owners(owner, rows, shape)
    return Profiles(None, CSR.from_pairs(owner, rows, None if weight is None else weight[known], shape), ordered)


def _weights(weights: Any, lists: list[list[Id]]) -> NDArray[np.float64]:
    """The weights of all histories, one after the other."""
    values = [w if hasattr(w, "__len__") else [w] for w in weights]
    if [len(h) for h in lists] != [len(w) for w in values]:
        raise ParameterError("weights must have the shape of history: one number for each item of each list")
    try:
        weight = np.array([w for ws in values for w in ws], np.float64)
    except (TypeError, ValueError):
        raise ParameterError("the weights of a history must be numbers") from None
    if not (np.abs(weight) <= _LARGEST).all():
        raise ParameterError(f"the weights of a history must be finite numbers of at most {_LARGEST:g} in size")
    return weight


def parse_filter(
    items: IdIndex, given: Filter, labels: list[Id], what: str, unknown: str, ignored: list[Id]
) -> tuple[NDArray[np.int32] | None, CSR | None]:
    """A filter as ascending item rows for all profiles, or as CSR (profiles, items) where it differs between users."""
    if given is None:
        return None, None
    if not isinstance(given, Mapping):
        rows = _rows(items, given, what, unknown, ignored)
        return np.unique(rows[rows >= 0]).astype(np.int32), None
    unrestricted = np.arange(len(items), dtype=np.int32) if what == "candidate" else np.zeros(0, np.int32)
    by_label = _either_spelling(given)
    lists = [_rows(items, by_label[label], what, unknown, ignored) if label in by_label else unrestricted for label in labels]
    owner = np.repeat(np.arange(len(lists)), [len(rows) for rows in lists])
    flat = np.concatenate([*lists, np.zeros(0, np.int32)])
    return None, CSR.from_pairs(owner[flat >= 0], flat[flat >= 0], None, (len(labels), len(items)))


def refuse_strangers(given: Filter, labels: Collection[Id], known: IdIndex | None, what: str) -> None:
    """ParameterError for a key of a filter by user that is none of the users asked for nor known, under either spelling of a whole
    number: its filter would do nothing."""
    if not isinstance(given, Mapping):
        return
    asked = {str(label) for label in labels}
    for key in given:
        if str(key) not in asked and (known is None or key not in known):
            raise ParameterError(f"{what}: {key!r}, a key of the dictionary, is no user, so that its filter would do nothing")


def _either_spelling(given: Mapping[Id, Ids]) -> dict[Id, Ids]:
    """A filter by user with the whole numbers among its keys in both spellings."""
    others = {str(key) if not isinstance(key, str) else int(key) if _WHOLE.fullmatch(key) else key: items for key, items in given.items()}
    return others | dict(given)


def _rows(index: IdIndex, ids: Any, what: str, unknown: str, ignored: list[Id]) -> Rows:
    """Rows of ids, -1 for those unknown, which raise or are added to `ignored`."""
    ids = id_column(ids, f"{what}s")
    rows = index.rows(ids)
    for at in np.flatnonzero(rows < 0).tolist():
        if unknown == "raise":
            index.row(ids[at], what)
        ignored.append(checked_id(ids[at]))
    return rows

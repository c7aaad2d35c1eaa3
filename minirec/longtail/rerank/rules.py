"""The rules that a shop needs: what may be listed, what is moved up, how often a brand may come, what is pinned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError
from ...models.contract.parameters import checked
from .candidates import Candidates, Chunk, Facts
from .contract import Places, Reranker


def _ranges(name: str, value: Any) -> None:
    good = value is None or (
        isinstance(value, Mapping) and all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in value.values())
    )
    if not good:
        raise ParameterError(f"{name} must be {{column: (least, most)}}, None for no end, got {value!r}")


def _choices(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, Mapping):
        raise ParameterError(f"{name} must be a dictionary {{column: ...}} or None, got {value!r}")


def _pins(name: str, value: Any) -> None:
    good = value is None or (isinstance(value, Mapping) and all(isinstance(place, int) and place >= 1 for place in value.values()))
    if not good:
        raise ParameterError(f"{name} must be {{item: place}}, places from 1, got {value!r}")


class Rules(Reranker):
    """Declared conditions on item columns, applied in this order: what may be listed, boosts, pins, and caps from the first place on.

    An item whose column is empty does not meet a range or a value. A boost multiplies the item's relevance, the score moved to 0 .. 1
    within the list. A cap is the most items of one value of a column in a list; a pinned item keeps its place and counts. Rules that
    leave fewer than k items give a shorter list. O(k C) a user.

    >>> import minirec as mr
    >>> lists = {"ann": [("a", 3.0), ("b", 2.0), ("c", 1.0)]}
    >>> shop = {"price": {"a": 30, "b": 10, "c": 12}, "brand": {"a": "x", "b": "x", "c": "y"}}
    >>> mr.rerank.Rules(k=3, ranges={"price": (None, 20)}, caps={"brand": 1}).apply(lists, items=shop).to_dict()["ann"]
    [('b', 2.0), ('c', 1.0)]
    """

    name = "rules"

    ranges: Any = checked(
        default=None, check=_ranges, limits="{column: (least, most)}", doc="Numbers that an item must lie between, ends included."
    )
    values: Any = checked(default=None, check=_choices, limits="{column: value or list of values}", doc="What an item must have.")
    boosts: Any = checked(default=None, check=_choices, limits="{column: {value: factor}}", doc="What the relevance is multiplied by.")
    caps: Any = checked(default=None, check=_choices, limits="{column: most}", doc="The most items of one value in a list.")
    pins: Any = checked(default=None, check=_pins, limits="{item: place}", doc="Candidates with a place of their own.")

    def _ready(self, found: Candidates, facts: Facts) -> tuple[Any, int]:
        allowed, factor = self._allowed(found, facts), np.ones(len(found.items))
        for column, table in (self.boosts or {}).items():
            groups, names = facts.groups(column)
            factor *= np.append([float(table.get(name, 1.0)) for name in names], 1.0)[groups]
        caps = [(facts.groups(column)[0], int(most)) for column, most in (self.caps or {}).items()]
        pinned = {int(found.items.rows([item])[0]): place for item, place in (self.pins or {}).items()}
        return (lambda chunk: self._pick(chunk, allowed, factor, caps, pinned)), 4 + len(caps)

    def _allowed(self, found: Candidates, facts: Facts) -> NDArray[np.bool_]:
        allowed = np.ones(len(found.items), bool)
        for column, (least, most) in (self.ranges or {}).items():
            numbers = facts.numbers(column)
            allowed &= (numbers >= (-np.inf if least is None else least)) & (numbers <= (np.inf if most is None else most))
        for column, wanted in (self.values or {}).items():
            groups, names = facts.groups(column)
            listed = {str(value) for value in (wanted if isinstance(wanted, (list, tuple, set)) else [wanted])}
            allowed &= np.append([name in listed for name in names], False)[groups]
        return allowed

    def _pick(
        self, chunk: Chunk, allowed: NDArray[np.bool_], factor: NDArray[np.float64],
        caps: list[tuple[NDArray[np.int32], int]], pinned: dict[int, int],
    ) -> Places:  # fmt: skip
        users, width = np.arange(len(chunk.users)), chunk.rows.shape[1]
        left = chunk.there & allowed[chunk.rows]
        value = np.where(left, np.where(chunk.there, chunk.relevance, 0) * factor[chunk.rows], -np.inf)
        chosen = np.full((len(users), self.k), -1, np.int64)
        used = [np.zeros((len(users), int(groups.max(initial=0)) + 2), np.int64) for groups, _ in caps]
        for place in range(min(self.k, width)):
            able = left.copy()
            for (groups, most), count in zip(caps, used, strict=True):
                group = groups[chunk.rows]
                able &= (group < 0) | (count[users[:, None], group] < most)
            due = [row for row, at in pinned.items() if at == place + 1]
            waiting = np.isin(chunk.rows, [row for row, at in pinned.items() if at > place + 1])
            target = np.where(able & ~waiting, value, -np.inf)
            for row in due:
                target = np.where(able & (chunk.rows == row), np.inf, target)
            at = np.argmax(target, axis=1)
            good = np.isfinite(np.where(np.isposinf(target[users, at]), 0, target[users, at]))
            chosen[:, place] = np.where(good, at, -1)
            left[users[good], at[good]] = False
            for (groups, _), count in zip(caps, used, strict=True):
                group = groups[chunk.rows[users, at]]
                np.add.at(count, (users[good], group[good]), 1)
        return _closed(chosen)


def _closed(chosen: Places) -> Places:
    """The places without holes: what is -1 goes to the end."""
    order = np.argsort(chosen < 0, axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)

"""A table of items beside a model: columns to show with its lists, conditions that its lists must hold."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from ..errors import DataError, ParameterError
from .account import Account
from .ids import Id, IdIndex
from .reading.item_tables import read_columns, rows_of
from .where import matching


class Catalogue:
    """Columns of the items of a model, in the order of its index; read from a table with one row an item.

    source : a path (CSV or Parquet) or a table in memory. item : its column of ids; default: the one that knows most of the items.

    >>> index = IdIndex.from_ids(["a", "b"])
    >>> table = {"sku": ["b", "a"], "title": ["Ball", "Axe"], "price": [3.0, 30.0]}
    >>> catalogue = Catalogue(table, index)
    >>> catalogue.columns(["a"], ["title"])
    {'title': ['Axe']}
    >>> catalogue.where("price < 20")
    ['b']

    DataError where no column holds the items.
    """

    def __init__(self, source: Any, items: IdIndex, item: str | int | None = None) -> None:
        if isinstance(source, dict):
            names, columns = list(source), list(source.values())
        else:
            names, columns = read_columns(source, Account())
        at = self._id_column(names, columns, items, item)
        rows = np.asarray(rows_of(items, columns[at]))
        kept = np.flatnonzero(rows >= 0)
        self.items = items
        self.missing = len(items) - len(np.unique(rows[kept]))  # items without a row
        self._columns: dict[str, Any] = {}
        for number, name in enumerate(names):
            if number != at:
                values = np.full(len(items), None, object)
                values[rows[kept]] = np.array([*columns[number], None], object)[kept]
                self._columns[name] = values

    @staticmethod
    def _id_column(names: Sequence[str], columns: Sequence[Any], items: IdIndex, item: str | int | None) -> int:
        if isinstance(item, int):
            return item
        if item is not None:
            if item not in names:
                raise ParameterError(f"items: there is no column {item!r}; there are: {', '.join(names)}")
            return names.index(item)
        known = [int((np.asarray(rows_of(items, column)) >= 0).sum()) for column in columns]
        if not known or not max(known):
            raise DataError(f"no column of the table of items holds ids of the model; columns: {', '.join(names)}; ids: {items[0]!r}, ...")
        return int(np.argmax(known))

    def columns(self, items: Sequence[Id], names: Sequence[str]) -> dict[str, list[Any]]:
        """Columns of some items, by name; an item without a row has an empty text."""
        rows = self.items.rows(list(items))
        found = {}
        for name in names:
            if name not in self._columns:
                near = get_close_matches(name, self._columns, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ParameterError(f"items: there is no column {name!r}{hint} There are: {', '.join(self._columns)}")
            values = self._columns[name][rows]
            found[name] = ["" if value is None else value for value in values.tolist()]
        return found

    def where(self, condition: str) -> list[Id]:
        """The items for which a condition holds (see `minirec.data.where`); ParameterError where none does."""
        rows = np.flatnonzero(matching(condition, self._columns, len(self.items)))
        if not len(rows):
            raise ParameterError(f"where={condition!r}: no item of the model matches")
        return self.items.ids(rows)

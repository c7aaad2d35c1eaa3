"""The columns of items, in memory: what answers show, what rules ask for, and what new items are like."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..data.account import Account
from ..data.ids import Id
from ..data.reading.item_tables import read_columns
from ..data.reading.roles import GUESSES, plain
from ..errors import RequestError
from .checks import whole_of
from .content import Content
from .records import Described

RESERVED = ("item", "score", "source")  # an answer has these fields of its own
_TITLES = ("title", "name", "product_name", "item_name", "label", "description")


class Catalogue:
    """Items with columns. `columns[item]` is a dictionary; `fresh` are the items that were put in while serving."""

    def __init__(self) -> None:
        self.columns: dict[Id, dict[str, Any]] = {}
        self.fresh: set[Id] = set()
        self.version = 0
        self._json: dict[Id, bytes] = {}
        self._content: tuple[int, Content] | None = None
        self._changes = 0

    def read(self, path: str | Path, whole: bool) -> int:
        """Take in a file of items, one row each; `whole`: ids that are written as whole numbers are integers. Returns how many."""
        names, table = read_columns(path, Account())
        guesses = [at for guess in GUESSES["item"] for at, name in enumerate(names) if plain(name) in (guess, "id")]
        key = guesses[0] if guesses else 0
        columns = {
            name: ["" if value is None else str(value) for value in table[at]]
            for at, name in enumerate(names)
            if at != key and name not in RESERVED
        }
        ids = [str(value) for value in table[key]]
        for at, text in enumerate(ids):
            number = whole_of(text) if whole else None
            self._set(text if number is None else number, {name: values[at] for name, values in columns.items() if values[at] != ""})
        return len(ids)

    def take(self, items: Iterable[Described]) -> None:
        """Take in what was put into the store."""
        for item in items:
            self._set(item.id, {**self.columns.get(item.id, {}), **item.columns})
            self.fresh.add(item.id)
            self.version = max(self.version, item.version)

    def _set(self, item: Id, columns: dict[str, Any]) -> None:
        self.columns[item] = columns
        self._json.pop(item, None)
        self._changes += 1

    def title(self, item: Id) -> str:
        """A readable name: the column title or name, else the first text, else the id."""
        columns = self.columns.get(item, {})
        for name in (*_TITLES, *columns):
            if isinstance(columns.get(name), str) and columns[name]:
                return str(columns[name])
        return str(item)

    def encoded(self, item: Id) -> bytes:
        """`"item": id, "column": value, ...` in JSON, for an answer."""
        found = self._json.get(item)
        if found is None:
            found = self._json[item] = json.dumps({"item": item, **self.columns.get(item, {})}).encode()[1:-1]
        return found

    def of(self, items: Iterable[Id], wanted: Mapping[str, Any]) -> list[bool]:
        """Whether each item has, in each column named, one of the values given."""
        sets = {name: values if isinstance(values, list) else [values] for name, values in wanted.items()}
        return [
            all(_meets(columns.get(name), values) for name, values in sets.items()) for columns in (self.columns.get(i, {}) for i in items)
        ]

    def value(self, item: Id, column: str) -> Any:
        """One column of an item, as something that can be counted."""
        value = self.columns.get(item, {}).get(column)
        return tuple(value) if isinstance(value, list) else value

    def content(self) -> Content:
        """What the items are like by their texts, brought up to date."""
        if self._content is None or self._content[0] != self._changes:
            texts = {
                item: " ".join(" ".join(v) if isinstance(v, list) else v for v in columns.values() if isinstance(v, (str, list)))
                for item, columns in self.columns.items()
            }
            self._content = (self._changes, Content.of(texts))
        return self._content[1]


def _meets(value: Any, wanted: list[Any]) -> bool:
    held = value if isinstance(value, list) else [value]
    return any(v in wanted and not (isinstance(v, bool) ^ isinstance(wanted[wanted.index(v)], bool)) for v in held)


def check_rules(raw: object) -> dict[str, Any]:
    """The rules of a request: {"require": {column: values}, "exclude": {column: values}, "cap": {column: n}, "tail": share}."""
    if not isinstance(raw, Mapping):
        raise RequestError("rules must be an object")
    for name, value in raw.items():
        if name in ("require", "exclude"):
            if not isinstance(value, Mapping) or not all(isinstance(v, (str, int, float, list)) for v in value.values()):
                raise RequestError(f"rules.{name} is an object {{column: value or list of values}}")
        elif name == "cap":
            if not isinstance(value, Mapping) or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in value.values()):
                raise RequestError("rules.cap is an object {column: how many items of the same value at the most}")
        elif name == "tail":
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise RequestError("rules.tail is a share from 0 to 1 of the list")
        else:
            raise RequestError(f"unknown rule {str(name)[:40]!r}; there are require, exclude, cap and tail")
    return dict(raw)


def apply_rules(
    ranked: list[tuple[Id, float]], k: int, rules: Mapping[str, Any], catalogue: Catalogue, tail: Mapping[Id, bool]
) -> list[tuple[Id, float]]:
    """The first k of a ranking that keep to the rules, in its order.

    cap : an item is passed over where the list has that many of its value already (items without the column are free).
    tail : where fewer than ceil(share k) of the items are of the tail, the lowest others make place for the next of the tail.
    """
    caps: dict[str, int] = dict(rules.get("cap", {}))
    counts: dict[tuple[str, Any], int] = {}

    def room(item: Id) -> bool:
        return all(
            catalogue.value(item, name) is None or counts.get((name, catalogue.value(item, name)), 0) < most for name, most in caps.items()
        )

    def take(item: Id, by: int) -> None:
        for name in caps:
            key = (name, catalogue.value(item, name))
            counts[key] = counts.get(key, 0) + by

    chosen: list[tuple[int, Id, float]] = []
    for at, (item, score) in enumerate(ranked):
        if len(chosen) == k:
            break
        if room(item):
            take(item, 1)
            chosen.append((at, item, score))
    least = int(np.ceil(rules.get("tail", 0.0) * k - 1e-9))
    picked = {item for _, item, _ in chosen}
    spare = [entry for entry in chosen if not tail.get(entry[1], True)]
    missing = least - (len(chosen) - len(spare))
    for at, (item, score) in enumerate(ranked):
        if missing <= 0 or not spare:
            break
        if item in picked or not tail.get(item, True):
            continue
        take(spare[-1][1], -1)
        if not room(item):
            take(spare[-1][1], 1)
            continue
        chosen.remove(spare.pop())
        take(item, 1)
        chosen.append((at, item, score))
        missing -= 1
    return [(item, score) for _, item, score in sorted(chosen, key=lambda entry: entry[0])]

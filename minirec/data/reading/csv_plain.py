"""Delimited text and JSON lines by the standard library alone: the path for a machine without DuckDB, and for odd files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import DataError
from ..account import MAX_EXAMPLES, Account
from .raw import RawEvents, ids_from_text, numbers_from_objects, times_from_objects
from .textfile import Layout, split_lines, text_lines

Columns = dict[int, list[str | None]]


def read_csv_plain(layout: Layout, roles: dict[str, int], text: dict[str, int], account: Account) -> RawEvents:
    """The picked columns of a delimited file. Lines with another number of fields than the header are counted as malformed."""
    columns: Columns = {at: [] for at in {*roles.values(), *text.values()}}
    appends = [(at, column.append) for at, column in columns.items()]
    width = len(layout.names)
    malformed = Malformed(layout.path, account)
    for line, row in _numbered_rows(layout, malformed):
        if len(row) == width:
            for at, append in appends:
                append(row[at])
        elif row and row != [""]:
            malformed.add(line, f"{len(row)} fields instead of {width}")
    malformed.close()
    return from_text(columns, roles, text, str(layout.path))


def read_jsonl_plain(path: Path, roles: dict[str, str], text: list[str], account: Account) -> RawEvents:
    """The picked keys of JSON lines; a line that is not a JSON object is counted as malformed."""
    keys = [*roles.values(), *text]
    found: dict[str, list[str | None]] = {key: [] for key in keys}
    malformed = Malformed(path, account)
    for line, content in enumerate(text_lines(path, "utf-8"), 1):
        if not content.strip():
            continue
        try:
            record = json.loads(content)
        except (json.JSONDecodeError, RecursionError):
            record = None
        if not isinstance(record, dict):
            malformed.add(line, "not a JSON object")
            continue
        texts = [_json_text(record.get(key)) for key in found]
        if "\\ud" in content.lower() and not all(_is_unicode(text) for text in texts):
            malformed.add(line, "half of a surrogate pair")
            continue
        for column, text_ in zip(found.values(), texts, strict=True):
            column.append(text_)
    malformed.close()
    numbered = {key: at for at, key in enumerate(found)}
    columns: Columns = {numbered[key]: values for key, values in found.items()}
    return from_text(columns, {role: numbered[key] for role, key in roles.items()}, {key: numbered[key] for key in text}, str(path))


def jsonl_keys(path: Path) -> list[str]:
    """The keys of the first hundred records, in the order in which they appear."""
    keys: dict[str, None] = {}
    for line, content in enumerate(text_lines(path, "utf-8")):
        if line >= 100:
            break
        try:
            record = json.loads(content)
        except (json.JSONDecodeError, RecursionError):
            continue
        if isinstance(record, dict):
            keys.update(dict.fromkeys(record))
    if not keys:
        raise DataError(f"{path}: no JSON object in the first lines; one object a line is needed")
    return list(keys)


def line_numbers(path: Path, records: list[int]) -> dict[int, int]:
    """The line on which each of a few records stands; records are counted from 0, lines from 1, blank lines hold no record."""
    found: dict[int, int] = {}
    record = -1
    for line, content in enumerate(text_lines(path, "utf-8"), 1):
        if len(found) == len(records):
            break
        record += bool(content.strip())
        if record in records:
            found.setdefault(record, line)
    return found


def from_text(columns: Columns, roles: dict[str, int], text: dict[str, int], where: str) -> RawEvents:
    """Raw events from columns of text."""
    return RawEvents(
        ids_from_text(columns[roles["user"]], "user id"),
        ids_from_text(columns[roles["item"]], "item id"),
        numbers_from_objects(columns[roles["weight"]]) if "weight" in roles else None,
        times_from_objects(columns[roles["time"]]) if "time" in roles else None,
        ids_from_text(columns[roles["kind"]], "kind") if "kind" in roles else None,
        {name: ids_from_text(columns[at], name) for name, at in text.items()},
        where,
    )


class Malformed:
    """Counts malformed lines and keeps the first few as examples."""

    def __init__(self, path: Path, account: Account) -> None:
        self.path, self.account, self.count = path, account, 0
        self.examples: list[str] = []

    def add(self, line: int, what: str) -> None:
        self.count += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(f"{self.path.name}, line {line}: {what}")

    def close(self) -> None:
        self.account.add("malformed row", self.count, examples=self.examples)


def _numbered_rows(layout: Layout, malformed: Malformed) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line on which each ends; what the csv module cannot parse is counted."""
    lines = text_lines(layout.path, layout.encoding)
    rows = split_lines(lines, layout.delimiter, layout.quote)
    for _ in range(layout.skip):
        next(rows, None)
    line = layout.skip
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            line += 1
            malformed.add(line, str(error))
            continue
        line = getattr(rows, "line_num", line + 1)
        yield line, row


def _is_unicode(text: str | None) -> bool:
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        return False
    return True


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)

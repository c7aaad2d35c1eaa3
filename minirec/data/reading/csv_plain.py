"""Delimited text by the standard library alone: the path for a machine without DuckDB, and for odd files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from ..account import MAX_EXAMPLES, Account
from .opening import text_lines
from .raw import RawEvents, coded
from .textfile import Layout, split_lines

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
    raw = from_text(columns, roles, text, str(layout.path))
    raw.header = (layout.names[roles["user"]], layout.names[roles["item"]]) if layout.header else None
    return raw


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
        coded(columns[roles["user"]], "user id"),
        coded(columns[roles["item"]], "item id"),
        coded(columns[roles["weight"]], "weight") if "weight" in roles else None,
        coded(columns[roles["time"]], "time") if "time" in roles else None,
        coded(columns[roles["kind"]], "kind") if "kind" in roles else None,
        {name: coded(columns[at], name) for name, at in text.items()},
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


def is_unicode(text: str | None) -> bool:
    """Whether a text can be written: half of a surrogate pair cannot."""
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        return False
    return True

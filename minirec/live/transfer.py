"""Events from CSV files into a store, and out of it again: what was exported can be imported, and counts once."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from ..data.dataset import Dataset
from ..data.ids import Id
from ..errors import DataError, RequestError
from .checks import FIELDS, event_from, whole_of
from .records import Event, Receipt
from .store import EventStore

_FORMULA = ("=", "+", "-", "@", "'")  # a spreadsheet would run what begins so


def export_events(store: EventStore, out: TextIO) -> int:
    """Write all events as CSV with the header event_id,user,item,kind,time,value; returns how many.

    A text that a spreadsheet would take for a formula gets an apostrophe in front; `import_events` takes it off again. The events are
    those of one moment; the store may be in use.
    """
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    count = 0
    for event in store.events():
        count += 1
        value = "" if event.value is None else _number(event.value)
        writer.writerow((_plain(event.event_id), _plain(event.user), _plain(event.item), event.kind, _number(event.time), value))
    return count


def _number(value: float) -> str:
    return repr(int(value) if value == int(value) and abs(value) < 2**53 else value)


def _plain(value: Id) -> Id:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def has_event_ids(path: str | Path) -> bool:
    """Whether a file is CSV with a column event_id: then its rows are events with an identity of their own."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as lines:
            return "event_id" in next(csv.reader([lines.readline(100_000)]), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


def import_events(store: EventStore, path: str | Path) -> Receipt:
    """Store the rows of a CSV file with the columns event_id, user, item, kind and perhaps time and value.

    Users (items) are integers where all of the column are whole numbers, else texts. A row that cannot be used stops the import with a
    DataError that names its line; what came before it is stored, and importing the mended file again doubles nothing.
    """
    whole = {"user": True, "item": True}
    for _, row in _rows(path):
        for side in whole:
            whole[side] = whole[side] and whole_of(row.get(side) or "") is not None
    now = store.now()

    def events() -> Iterator[Event]:
        for line, row in _rows(path):
            raw: dict[str, Any] = {name: row[name] for name in FIELDS if row.get(name)}
            try:
                for name in ("event_id", "user", "item"):
                    text = raw.get(name)
                    if text is not None:
                        raw[name] = int(text) if whole.get(name) else text[1:] if text[0] == "'" and text[1:2] in _FORMULA else text
                for name in ("time", "value"):
                    if name in raw:
                        raw[name] = _from_text(raw[name])
                yield event_from(raw, now)
            except RequestError as error:
                raise DataError(f"{path}, line {line}: {error}") from None

    return store.append(events())


def _from_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _rows(path: str | Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            missing = [name for name in FIELDS[:4] if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path} has no column {missing[0]!r}; events have the columns {', '.join(FIELDS)}")
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def import_dataset(store: EventStore, data: Dataset) -> Receipt:
    """Store the events of a data set. An event's id is a hash of its content and of how many like it came before, so that the same data
    counts once, however often it is imported. Without times it is the time of the import; without kinds the kind is "event"."""
    return store.append(_of_dataset(data, store.now()))


def _of_dataset(data: Dataset, now: float) -> Iterator[Event]:
    users, items, alike = list(data.users), list(data.items), Counter[tuple[Any, ...]]()
    for at in range(len(data)):
        user, item = users[data.user[at]], items[data.item[at]]
        kind = "event" if data.kind is None else data.kinds[data.kind[at]]
        moment = None if data.timestamp is None else int(data.timestamp[at])
        value = None if data.weight is None else float(data.weight[at])
        content = (user, item, kind, moment, value)
        alike[content] += 1
        event_id = hashlib.blake2b(repr((*content, alike[content])).encode(), digest_size=16).hexdigest()
        try:
            yield event_from(
                {"event_id": event_id, "user": user, "item": item, "kind": kind, "time": now if moment is None else moment, "value": value},
                now,
            )
        except RequestError as error:
            raise DataError(f"event {at} of {data.name} (user {user!r}, item {item!r}): {error}") from None

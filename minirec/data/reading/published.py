"""Files as their publishers lay them out: Netflix, RecBole, MIND, OTTO, Amazon. Each becomes what the general readers take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ...errors import DataError
from ..account import Account
from .csv_plain import Malformed, from_text
from .opening import encoding_of, kind_of, text_lines
from .raw import RawEvents
from .records import form_of_text
from .roles import Pick
from .textfile import sniff

_BLOCK = re.compile(r"(\S+):")
_ASIN = re.compile(r"(B0|[0-9])[0-9A-Z]{9}")


@dataclass(frozen=True)
class Published:
    """What a general reader is to do: the file of events, its form, columns and settings, and tables of items and users beside it."""

    path: Path
    form: str
    picks: dict[str, Pick]
    settings: dict[str, Any] = field(default_factory=dict)
    items: Path | None = None
    item_settings: dict[str, Any] = field(default_factory=dict)
    users: Path | None = None


def recbole(path: Path) -> Published:
    """An atomic file `name.inter`, or the folder of one, with `name.item` and `name.user` beside it."""
    path = _in_folder(path, ("*.inter",))
    picks: dict[str, Pick] = {"user": "user_id", "item": "item_id"}
    names = sniff(path, encoding=None, delimiter="\t", header=True).names
    picks |= {role: name for role, name in (("weight", "rating"), ("time", "timestamp")) if name in names}
    item = {"item": "item_id", "delimiter": "\t", "header": True}
    return Published(path, "csv", picks, {"delimiter": "\t", "header": True}, _beside(path, ".item"), item, _beside(path, ".user"))


def otto(path: Path) -> Published:
    """JSON lines of sessions, each with a list of events {aid, ts, type}."""
    picks: dict[str, Pick] = {"user": "session", "item": "events.aid", "time": "events.ts", "kind": "events.type"}
    return Published(_in_folder(path, ("train.jsonl", "*.jsonl")), "jsonl", picks, {"explode": "events"})


def amazon(path: Path) -> Published:
    """Amazon reviews: JSON lines or Python dictionaries (reviewerID, asin, overall, unixReviewTime; of 2023 user_id, parent_asin,
    rating, timestamp), or the ratings alone as CSV, where the column of product numbers is recognized by their form."""
    kind_of(path)
    form = form_of_text(path, encoding_of(path, None))
    if form != "csv":
        return Published(path, form, {})
    layout = sniff(path, encoding=None, delimiter=",", header=None)
    if layout.header:
        return Published(path, "csv", {}, {"delimiter": ",", "header": True})
    if len(layout.names) != 4:
        raise DataError(f"{path}: Amazon's ratings have 4 columns, and here are {len(layout.names)}")
    numbers = [sum(_ASIN.fullmatch(row[at]) is not None for row in layout.sample) for at in (0, 1)]
    user, item = (1, 0) if numbers[0] > numbers[1] else (0, 1)
    return Published(path, "csv", {"user": user, "item": item, "weight": 2, "time": 3}, {"delimiter": ",", "header": False})


def mind(path: Path, account: Account) -> tuple[RawEvents, Path | None]:
    """Events of MIND's `behaviors.tsv` (or the folder of it): one for each item of an impression that was clicked, at its time; and the
    file of the news beside it. What was shown and not clicked is noted; the histories, which have no times, are left out."""
    path = _in_folder(path, ("behaviors.tsv",))
    columns: dict[int, list[str | None]] = {0: [], 1: [], 2: []}
    malformed, shown = Malformed(path, account), 0
    for line, content in enumerate(text_lines(path, encoding_of(path, None)), 1):
        fields = content.rstrip("\r\n").split("\t")
        if len(fields) != 5:
            if content.strip():
                malformed.add(line, f"{len(fields)} fields instead of 5")
            continue
        for impression in fields[4].split():
            item, dash, label = impression.rpartition("-")
            if not dash or label not in "01":
                malformed.add(line, f"{impression[:40]!r} is no item with -0 or -1 behind it")
            elif label == "1":
                for at, value in enumerate((fields[1], item, fields[2])):
                    columns[at].append(value)
            else:
                shown += 1
    malformed.close()
    account.note(f"{shown:,} items were shown and not clicked; they are no events")
    news = path.with_name("news.tsv")
    return from_text(columns, {"user": 0, "item": 1, "time": 2}, {}, str(path)), news if news.is_file() else None


def netflix(path: Path, account: Account) -> RawEvents:
    """Files in blocks: a line `item:`, then a line `user,rating,date` for each rating of it. A folder: all its mv_*.txt or
    combined_data_*.txt."""
    if path.is_dir():
        paths = sorted(path.glob("mv_*.txt")) or sorted(path.glob("combined_data_*.txt"))
        if not paths:
            raise DataError(f"{path}: no mv_*.txt or combined_data_*.txt in this folder")
    else:
        paths = [path]
    columns: dict[int, list[str | None]] = {0: [], 1: [], 2: [], 3: []}
    for file in paths:
        malformed = Malformed(file, account)
        for row in _blocks(file, malformed):
            for at, value in enumerate(row):
                columns[at].append(value)
        malformed.close()
    roles = {"user": 0, "item": 1, "weight": 2, "time": 3}
    used = {role: at for role, at in roles.items() if role in ("user", "item") or any(columns[at])}
    return from_text(columns, used, {}, str(path))


def _blocks(path: Path, malformed: Malformed) -> Iterator[tuple[str, str, str, str]]:
    item = None
    for line, content in enumerate(text_lines(path, encoding_of(path, None)), 1):
        text = content.strip()
        if found := _BLOCK.fullmatch(text):
            item = found[1]
        elif text:
            fields = [part.strip() for part in text.split(",")]
            if item is None:
                raise DataError(f"{path}, line {line}: a block begins with a line such as '1:', and here is {text[:40]!r}")
            if len(fields) > 3:
                malformed.add(line, f"{len(fields)} fields instead of 3")
                continue
            user, rating, day = [*fields, "", ""][:3]
            yield user, item, rating, day


def _in_folder(path: Path, patterns: tuple[str, ...]) -> Path:
    """The file itself, or the one file of a folder that fits."""
    if not path.is_dir():
        kind_of(path)
        return path
    for pattern in patterns:
        found = list(islice(sorted(path.glob(pattern)), 2))
        if len(found) == 1:
            return found[0]
        if found:
            raise DataError(f"{path}: several files {pattern} in this folder: name one of them")
    raise DataError(f"{path}: no {' or '.join(patterns)} in this folder")


def _beside(path: Path, suffix: str) -> Path | None:
    other = path.with_suffix(suffix)
    return other if other.is_file() else None

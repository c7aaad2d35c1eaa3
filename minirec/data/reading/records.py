"""Records: JSON lines, one JSON array, one Python dictionary a line; nested fields, and rows that hold a list of events."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import DataError, MemoryBudgetError, ParameterError
from ...options import memory_budget
from ..account import Account
from .csv_plain import Malformed, from_text, is_unicode
from .opening import SAMPLE, damage_is_an_error, open_binary, open_text, text_lines
from .raw import RawEvents

RECORD_FORMS = ("jsonl", "json", "python")
Record = tuple[int, Any]  # the line (or place from 1) of a record, and the record; None where it is none
_FIRST = 100
_JSON_BYTES = 12  # bytes of Python objects a byte of JSON
_DIVIDES = re.compile(r"[\s,;|]+")


def form_of_text(path: Path, encoding: str) -> str:
    """What kind of text a file holds: "jsonl" (an object a line), "json" (an array of objects, or objects over several lines),
    "python" (a dictionary a line, as Python prints it), else "csv"."""
    with damage_is_an_error(path, encoding), open_text(path, encoding) as file:
        start = file.read(SAMPLE)
    begin = start.lstrip()
    if begin[:1] == "[":
        return "json" if re.match(r"\[\s*(\{|\])", begin) else "jsonl"
    if begin[:1] != "{":
        return "csv"
    lines = [line for line in begin.splitlines() if line.strip()]
    whole = lines[:20] if len(lines) == 1 or len(start) < SAMPLE else lines[:-1][:20]
    if any(_object(_json(line)) for line in whole):
        return "jsonl"
    if any(_object(_python(line)) for line in whole):
        return "python"
    return "json" if len(lines) > 1 and re.match(r'\{\s*("|\})', begin) else "jsonl"


def records(path: Path, form: str, encoding: str) -> Iterator[Record]:
    """The records of a file with the line on which each stands (its place, where lines do not tell)."""
    if form == "json":
        yield from _whole(path, encoding)
        return
    parse = _python if form == "python" else _json
    for line, content in enumerate(text_lines(path, encoding), 1):
        if content.strip():
            record = parse(content)
            bad = "\\ud" in content.lower() and not is_unicode(json.dumps(record, ensure_ascii=False))
            yield line, None if bad else _object(record)


def _whole(path: Path, encoding: str) -> Iterator[Record]:
    """The records of one JSON document: an array of objects, or objects one after the other."""
    with damage_is_an_error(path, encoding), open_binary(path) as file:
        size = sum(len(piece) for piece in iter(lambda: file.read(2**22), b""))
    need, budget = size * _JSON_BYTES, memory_budget()
    if need > budget:
        raise MemoryBudgetError(
            f"{path}: one JSON document of {size / 1e6:,.0f} MB takes about {need / 1e9:.1f} GB to read; the budget (MINIREC_MEMORY) is "
            f"{budget / 1e9:.1f} GB. Write one object a line (jq -c '.[]'), which is read in pieces"
        )
    with damage_is_an_error(path, encoding), open_text(path, encoding) as text:
        content = text.read()
    decoder, at, place = json.JSONDecoder(parse_int=_int), 0, 0
    while at := _skipped(content, at, place):
        try:
            value, at = decoder.raw_decode(content, at - 1)
        except (ValueError, RecursionError) as error:
            line = content.count("\n", 0, getattr(error, "pos", 0)) + 1
            raise DataError(f"{path}, line {line}: not valid JSON ({error}): is the file whole?") from None
        for record in value if isinstance(value, list) else [value]:
            place += 1
            yield place, _object(record)


def _skipped(content: str, at: int, place: int) -> int:
    """The place after the blanks (and the comma between records), plus 1; 0 at the end."""
    while at < len(content) and (content[at].isspace() or (place and content[at] == ",")):
        at += 1
    return 0 if at == len(content) else at + 1


def _int(digits: str) -> int | str:
    """A whole number; one that does not fit into 64 bits stays text, as it is in a delimited file."""
    return int(digits) if len(digits) < 19 or (len(digits) < 21 and -(2**63) <= int(digits) < 2**63) else digits


def _json(content: str) -> Any:
    try:
        return json.loads(content, parse_int=_int)
    except (ValueError, RecursionError):
        return None


def _python(content: str) -> Any:
    try:
        return ast.literal_eval(content.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


# ---- fields -----------------------------------------------------------------------------------------------------------------------


def exploded(rows: Iterator[Record], fields: Sequence[str], where: str) -> Iterator[Record]:
    """One record for each entry of a list in a field, the others repeated; several fields go side by side. A text is divided at
    blanks, commas, semicolons and bars. A record without the field, or with an empty one, gives none."""
    for line, record in rows:
        if record is None:
            yield line, None
            continue
        lists = [_listed(value_at(record, field)) for field in fields]
        if len({len(entries) for entries in lists}) > 1:
            sizes = ", ".join(f"{field} {len(entries)}" for field, entries in zip(fields, lists, strict=True))
            raise DataError(f"{where}, record {line}: the lists to explode differ in length ({sizes})")
        for entries in zip(*lists, strict=True):
            yield line, {**record, **dict(zip(fields, entries, strict=True))}


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, str):
        text = value.strip()
        found = _json(text) if text[:1] == "[" else None
        if found is None and text[:1] == "[":
            found = _python(text)
        return found if isinstance(found, list) else [part for part in _DIVIDES.split(text.strip("[]")) if part]
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, (Mapping, bytes)) else [value]


def value_at(record: Mapping[str, Any], name: str) -> Any:
    """The value of a field; `user.id` is the `id` in the object `user` where no field has this very name."""
    if name in record:
        return record[name]
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def field_names(rows: Iterator[Record], where: str) -> list[str]:
    """The fields of the first hundred records, in the order in which they appear; those within an object as `user.id`."""
    names: dict[str, None] = {}
    lists: set[str] = set()
    for _ in range(_FIRST):
        _, record = next(rows, (0, ...))
        if record is ...:
            break
        if record is not None:
            _collect(record, "", names, lists)
    if not names:
        raise DataError(f"{where}: no JSON object in the first lines; one object a line is needed, or an array of objects")
    return [name for name in names if name not in lists] + [name for name in names if name in lists]


def _collect(record: Mapping[str, Any], prefix: str, names: dict[str, None], lists: set[str]) -> None:
    for key, value in record.items():
        if isinstance(value, Mapping) and value:
            _collect(value, f"{prefix}{key}.", names, lists)
        else:
            names.setdefault(f"{prefix}{key}")
            if isinstance(value, (list, tuple)):
                lists.add(f"{prefix}{key}")


def read_records(
    rows: Callable[[], Iterator[Record]], path: Path, roles: Mapping[str, str], text: Sequence[str], account: Account
) -> RawEvents:
    """The picked fields; a line that is no object, and a record whose user or item is an object or a list, count as malformed."""
    found: dict[str, list[str | None]] = {key: [] for key in (*roles.values(), *text)}
    malformed = Malformed(path, account)
    for line, record in rows():
        if record is None:
            malformed.add(line, "not a JSON object")
            continue
        values = {key: value_at(record, key) for key in found}
        whole = next((role for role in ("user", "item") if isinstance(values[roles[role]], (dict, list, tuple))), None)
        if whole is not None:
            malformed.add(line, f"the {whole} is a whole {'object' if isinstance(values[roles[whole]], dict) else 'list'}")
            continue
        for key, column in found.items():
            column.append(_text(values[key]))
    malformed.close()
    numbered = {key: at for at, key in enumerate(found)}
    columns = {numbered[key]: values for key, values in found.items()}
    return from_text(columns, {role: numbered[key] for role, key in roles.items()}, {key: numbered[key] for key in text}, str(path))


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return ", ".join(str(entry) for entry in value)
    return json.dumps(value) if isinstance(value, (int, float, dict)) else str(value)


def explode_fields(given: str | Sequence[str] | None) -> list[str]:
    """The fields to explode as a list of names."""
    fields = [given] if isinstance(given, str) else list(given or ())
    if not all(isinstance(field, str) for field in fields):
        raise ParameterError(f"explode is the name of a field that holds lists, or several such names, got {given!r}")
    return fields

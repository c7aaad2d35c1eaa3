"""Events as they come in, checked: what a client sends is text until it has been through here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..data.ids import Id
from ..errors import RequestError
from .records import Event

FIELDS = ("event_id", "user", "item", "kind", "time", "value")
MAX_ID, MAX_KIND, MAX_COLUMNS, MAX_TEXT = 256, 64, 64, 10_000
_KIND = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")
_DECIMAL = re.compile(r"-?[0-9]{1,19}")
_FIRST, _LAST = -62_135_596_800, 253_402_300_799  # the years 1 to 9999
_INT64 = range(-(2**63), 2**63)


def event_from(raw: object, now: float) -> Event:
    """An event out of a JSON object; RequestError says what is wrong with it. `now` is the time of an event that has none."""
    if not isinstance(raw, Mapping):
        raise RequestError('an event is an object such as {"event_id": "e1", "user": 42, "item": 7, "kind": "click"}')
    unknown = [str(name)[:40] for name in raw if name not in FIELDS]
    if unknown:
        raise RequestError(f"unknown field {unknown[0]!r}; an event has {', '.join(FIELDS)}")
    missing = [name for name in FIELDS[:4] if raw.get(name) is None]
    if missing:
        raise RequestError(f"the field {missing[0]!r} is missing")
    time = raw.get("time")
    return Event(
        str(id_from(raw["event_id"], "event_id")),
        id_from(raw["user"], "user"),
        id_from(raw["item"], "item"),
        kind_from(raw["kind"]),
        now if time is None else time_from(time),
        None if raw.get("value") is None else number_from(raw["value"], "value"),
    )


def id_from(value: object, what: str) -> Id:
    """An id of JSON: a whole number of 64 bits, or a text of 1 to 256 characters."""
    if isinstance(value, str):
        if not 0 < len(value) <= MAX_ID:
            raise RequestError(f"{what} has {len(value)} characters; 1 to {MAX_ID} are possible")
        if not value.isprintable() or value != value.strip():
            raise RequestError(f"{what} holds characters that do not print, or begins or ends with a space")
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if value not in _INT64:
            raise RequestError(f"{what} does not fit into 64 bits: send it as text")
        return value
    raise RequestError(f"{what} must be a whole number or a text, got {type(value).__name__}")


def whole_of(text: str) -> int | None:
    """The whole number that a text is the plain writing of, else None: "42" is, "042" and "4e1" are not."""
    if not _DECIMAL.fullmatch(text) or str(int(text)) != text or int(text) not in _INT64:
        return None
    return int(text)


def kind_from(value: object) -> str:
    """A kind of event: a short name."""
    if not isinstance(value, str) or len(value) > MAX_KIND or not _KIND.fullmatch(value):
        raise RequestError(
            f"kind must be a name such as view, click, buy, dislike or rating: letters, digits and _.:- (at most {MAX_KIND})"
        )
    return value


def number_from(value: object, what: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RequestError(f"{what} must be a number, got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not abs(number) < 3e38:  # weights are float32
        raise RequestError(f"{what} must be a finite number that single precision holds")
    return number


def time_from(value: object) -> float:
    """Seconds since 1970, of a number or of a date in ISO 8601 (without a zone: UTC)."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise RequestError("time must be seconds since 1970, or a date such as 2026-01-31T12:00:00Z") from None
        return _tidy((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    seconds = number_from(value, "time")
    if not _FIRST <= seconds <= _LAST:
        hint = ": are these milliseconds?" if _FIRST <= seconds / 1000 <= _LAST else ""
        raise RequestError(f"time {seconds:.0f} is outside the years 1 to 9999; it is in seconds since 1970{hint}")
    return _tidy(seconds)


def _tidy(seconds: float) -> float:
    """Whole seconds as an int, so that they are written as they were sent."""
    return int(seconds) if seconds == int(seconds) else seconds


def columns_from(raw: object, what: str) -> dict[str, Any]:
    """The columns of an item or a user: names with texts, numbers, true, false or null, or lists of texts."""
    if not isinstance(raw, Mapping):
        raise RequestError(f"{what} must be an object of columns")
    if len(raw) > MAX_COLUMNS:
        raise RequestError(f"{what} has {len(raw)} columns; at most {MAX_COLUMNS} are possible")
    return {column_name(name): _cell(value, f"{what}: the column {str(name)[:40]!r}") for name, value in raw.items()}


def column_name(name: object) -> str:
    """The name of a column."""
    if not isinstance(name, str) or not 0 < len(name) <= MAX_KIND or not name.isprintable():
        raise RequestError(f"the name of a column is a printable text of 1 to {MAX_KIND} characters")
    return name


def _cell(value: object, what: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        number = number_from(value, what)
        return value if isinstance(value, int) and value in _INT64 else number
    if isinstance(value, str):
        if len(value) > MAX_TEXT or not _is_text(value):
            raise RequestError(f"{what} is no text of at most {MAX_TEXT} characters")
        return value
    if (
        isinstance(value, list)
        and len(value) <= MAX_COLUMNS
        and all(isinstance(v, str) and len(v) <= MAX_ID and _is_text(v) for v in value)
    ):
        return value
    raise RequestError(f"{what} must be a text, a number, true, false, null, or a list of at most {MAX_COLUMNS} texts")


def _is_text(value: str) -> bool:
    return "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value)

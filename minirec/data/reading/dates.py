"""Dates and times as people and programs write them, by one parser: the same answer whatever is installed.

Understood: ISO 8601 (dates, times with fractions and zones, basic form, week dates), `2009/12/1`, `12/1/2009 7:45`,
`11/11/2019 9:05:58 AM`, `Tue Apr 03 18:00:09 +0000 2012`, `Tue, 03 Apr 2012 18:00:09 GMT`, `3 April 2012`, `09 13, 2009`. Without a
zone a time is UTC. Numbers are seconds since 1970, with or without a fraction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, ParameterError

_DAY, _NANO = 86_400, 10**9
_EPOCH = date(1970, 1, 1).toordinal()
_MONTHS = {name: at for at, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)}
_ZONE = r"(?P<zone>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)"
_TIME = rf"(?:[T ,]\s*(?P<h>\d\d?):(?P<m>\d\d)(?::(?P<s>\d\d)(?:[.,](?P<f>\d{{1,9}})\d*)?)?\s*(?P<ap>[AP]\.?M\.?)?\s*{_ZONE}?)?"
_YMD = re.compile(rf"(?P<y>\d{{4}})(?P<sep>[-/.])(?P<mo>\d\d?)(?P=sep)(?P<d>\d\d?){_TIME}", re.IGNORECASE)
_BASIC = re.compile(
    rf"(?P<y>\d{{4}})(?P<mo>\d\d)(?P<d>\d\d)(?:T?(?P<h>\d\d)(?P<m>\d\d)(?:(?P<s>\d\d))?(?:[.,](?P<f>\d{{1,9}})\d*)?(?P<ap>\b)?{_ZONE}?)?"
)
_WEEK = re.compile(rf"(?P<y>\d{{4}})-?W(?P<w>\d\d)(?:-?(?P<wd>[1-7]))?{_TIME}", re.IGNORECASE)
_TWO = re.compile(rf"(?P<a>\d\d?)(?P<sep>[/.\- ])(?P<b>\d\d?)(?:(?P=sep)|,? )(?P<y>\d{{4}}|\d\d){_TIME}", re.IGNORECASE)
_WORD = r"(?P<mon>[A-Za-z]{3})[a-z]*\.?"
_CLOCK = r"(?P<h>\d\d?):(?P<m>\d\d)(?::(?P<s>\d\d)(?:[.,](?P<f>\d{1,9})\d*)?)?\s*(?P<ap>[AP]\.?M\.?)?"
_NAMED = [
    re.compile(rf"(?:[A-Z][a-z]{{2}},? )?{_WORD} +(?P<d>\d\d?) {_CLOCK} (?:{_ZONE} )?(?P<y>\d{{4}})", re.IGNORECASE),  # C and Twitter
    re.compile(rf"(?:[A-Z][a-z]+,? )?(?P<d>\d\d?)[- ]{_WORD}[- ,]+(?P<y>\d{{4}}|\d\d){_TIME}", re.IGNORECASE),  # 03 Apr 2012, e-mail
    re.compile(rf"(?:[A-Z][a-z]+,? )?{_WORD} +(?P<d>\d\d?),? +(?P<y>\d{{4}}){_TIME}", re.IGNORECASE),  # April 3, 2012
]
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")
_ISO_WIDTHS = (10, 19, 20, 23, 26)


class Instants(NamedTuple):
    """Seconds since 1970 and nanoseconds, int64; `bad`: not to be understood. `bare`: all are numbers, and their size tells what they
    count."""

    seconds: NDArray[np.int64]
    nanos: NDArray[np.int64]
    bad: NDArray[np.bool_]
    bare: bool


def parse_dates(texts: Sequence[str], where: str, time_format: str | None = None) -> Instants:
    """Instants of texts without blanks around. `time_format`: a format of `datetime.strptime`, by which all are read.

    Which of day and month comes first in `12/1/2009` is decided by the whole column: one number above 12 tells it. DataError where
    nothing tells it and both orders are possible. O(n), by arrays for numbers and plain ISO 8601.
    """
    if time_format is not None:
        return _each(texts, _by_format(time_format))
    if texts and all(map(NUMBER.fullmatch, texts)):
        return _numbers(texts)
    return _plain_iso(texts) or _each(texts, _Parser(texts, where))


def _numbers(texts: Sequence[str]) -> Instants:
    bad = np.zeros(len(texts), bool)
    if all(map(_WHOLE.fullmatch, texts)):
        try:
            return Instants(np.array([int(text.split(".")[0]) for text in texts], np.int64), np.zeros(len(texts), np.int64), bad, True)
        except (OverflowError, ValueError):
            pass
    return _each(texts, _number)._replace(bare=True)


def _plain_iso(texts: Sequence[str]) -> Instants | None:
    """Instants of texts of one width that are all written as 2019-11-11 09:05:58, with or without fraction and Z; by arrays."""
    width = len(texts[0]) if texts else 0
    if width not in _ISO_WIDTHS or any(len(text) != width for text in texts) or not all(map(str.isascii, texts)):
        return None
    letters = np.array(texts, f"S{width}").view(np.uint8).reshape(len(texts), width)
    zulu = width == 20 and bool((letters[:, -1] == ord("Z")).all())
    pattern = "dddd-dd-dd dd:dd:dd.dddddd"[: width - zulu] if width != 20 else "dddd-dd-dd dd:dd:dd"
    if width == 20 and not zulu:
        return None
    for at, wanted in enumerate(pattern):
        column = letters[:, at]
        good = (column >= 48) & (column <= 57) if wanted == "d" else (column == ord(wanted)) | ((wanted == " ") & (column == ord("T")))
        if not good.all():
            return None
    try:
        stamps = np.ascontiguousarray(letters[:, : len(pattern)]).view(f"S{len(pattern)}")[:, 0].astype("datetime64[us]").astype(np.int64)
    except ValueError:
        return None  # a day that does not exist: the careful parser says which
    return Instants(stamps // 10**6, stamps % 10**6 * 1000, np.zeros(len(texts), bool), False)


def _each(texts: Sequence[str], parse: Callable[[str], tuple[int, int]]) -> Instants:
    seconds, nanos, bad = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64), np.zeros(len(texts), bool)
    for at, text in enumerate(texts):
        try:
            seconds[at], nanos[at] = parse(text)
        except (ValueError, OverflowError):
            bad[at] = True
    return Instants(seconds, nanos, bad, False)


def _number(text: str) -> tuple[int, int]:
    """Seconds and nanoseconds of a decimal number, exactly; of one with an exponent as a double has them."""
    if "e" in text.lower():
        value = float(text)
        return int(value // 1), round(value % 1 * 10**6) * 1000
    whole, _, part = text.lstrip("+-").partition(".")
    seconds, nanos = int(whole or 0), int((part + "0" * 9)[:9] or 0)
    if text.startswith("-"):
        seconds, nanos = (-seconds, 0) if not nanos else (-seconds - 1, _NANO - nanos)
    return seconds, nanos


def _by_format(time_format: str) -> Callable[[str], tuple[int, int]]:
    if "%" not in time_format:
        raise ParameterError(f"time_format is a format of strptime, such as '%d/%m/%Y %H:%M', got {time_format!r}")

    def parse(text: str) -> tuple[int, int]:
        return instant(datetime.strptime(text, time_format))

    return parse


def instant(value: datetime | date) -> tuple[int, int]:
    """Seconds and nanoseconds of a datetime (UTC where it has no zone) or a date."""
    if not isinstance(value, datetime):
        return (value.toordinal() - _EPOCH) * _DAY, 0
    at = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    seconds = (at.toordinal() - _EPOCH) * _DAY + at.hour * 3600 + at.minute * 60 + at.second
    return seconds, at.microsecond * 1000 + getattr(value, "nanosecond", 0)


class _Parser:
    """Parses one text; the order of day and month is settled from all of them before."""

    def __init__(self, texts: Sequence[str], where: str) -> None:
        pairs = [(int(hit["a"]), int(hit["b"])) for hit in map(_TWO.fullmatch, map(str.strip, texts)) if hit and hit["sep"] != "."]
        day_first = sum(a > 12 >= b for a, b in pairs)
        month_first = sum(b > 12 >= a for a, b in pairs)
        if pairs and day_first == month_first == 0 and any(a != b and max(a, b) <= 12 for a, b in pairs):
            example = next(text for text in texts if _TWO.fullmatch(text.strip()))
            raise DataError(
                f"{where}: time: is {example!r} day/month or month/day? No value of the column tells it: pass time_format=, such as "
                "'%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M', or time=False"
            )
        self._day_first = day_first > month_first

    def __call__(self, text: str) -> tuple[int, int]:
        text = text.strip()
        if NUMBER.fullmatch(text) and not (len(text) == 8 and text.isdecimal()):
            return _number(text)
        if found := _YMD.fullmatch(text) or _BASIC.fullmatch(text):
            return _instant(found, int(found["mo"]), int(found["d"]))
        if found := _WEEK.fullmatch(text):
            day = date.fromisocalendar(int(found["y"]), int(found["w"]), int(found["wd"] or 1))
            return _instant(found, day.month, day.day, day.year)
        if found := _TWO.fullmatch(text):
            a, b = int(found["a"]), int(found["b"])
            day_number, month = (a, b) if self._day_first or found["sep"] == "." else (b, a)  # with points the day comes first
            return _instant(found, month, day_number)
        for pattern in _NAMED:
            if (found := pattern.fullmatch(text)) and found["mon"].lower() in _MONTHS:
                return _instant(found, _MONTHS[found["mon"].lower()], int(found["d"]))
        raise ValueError(text)


def _instant(found: re.Match[str], month: int, day: int, year: int | None = None) -> tuple[int, int]:
    part: dict[str, Any] = found.groupdict()
    if year is None:
        year = int(part["y"])
        if len(part["y"]) == 2:
            year += 1900 if year >= 69 else 2000  # as POSIX has it
    hour, minute, second = (int(part[name] or 0) for name in ("h", "m", "s"))
    if half := (part["ap"] or "")[:1].lower():
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + 12 * (half == "p")
    if hour == 24 and minute == second == 0 and not int(part["f"] or 0):
        return _seconds(year, month, day, 0, 0, 0, part["zone"]) + _DAY, 0
    seconds = _seconds(year, month, day, hour, minute, second, part["zone"])
    return seconds, int((part["f"] or "0").ljust(9, "0"))


def _seconds(year: int, month: int, day: int, hour: int, minute: int, second: int, zone: str | None) -> int:
    days = date(year, month, day).toordinal() - _EPOCH
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError(hour)
    offset = 0
    if zone and zone[0] in "+-":
        digits = zone[1:].replace(":", "").ljust(4, "0")
        offset = (int(digits[:2]) * 3600 + int(digits[2:]) * 60) * (1 if zone[0] == "+" else -1)
        if abs(offset) > timedelta(hours=24).total_seconds():
            raise ValueError(zone)
    return days * _DAY + hour * 3600 + minute * 60 + second - offset


def calendar_numbers(values: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Seconds since 1970 of whole numbers that all read as days (20101201) or as times (20101201074500); None where they do not."""
    if not len(values):
        return None
    low, high = int(values.min()), int(values.max())
    for low_end, high_end, clock in ((19_000_101, 21_001_231, 1), (19_000_101_000_000, 21_001_231_235_959, 10**6)):
        if not low_end <= low <= high <= high_end:
            continue
        days, of_day = values // clock, values % clock
        hour, minute, second = of_day // 10_000, of_day // 100 % 100, of_day % 100
        distinct, place = np.unique(days, return_inverse=True)
        try:
            ordinal = np.array([date(day // 10_000, day // 100 % 100, day % 100).toordinal() for day in distinct.tolist()], np.int64)
        except ValueError:
            return None
        if (hour > 23).any() or (minute > 59).any() or (second > 59).any():
            return None
        seconds: NDArray[np.int64] = (ordinal[place] - _EPOCH) * _DAY + hour * 3600 + minute * 60 + second
        return seconds
    return None

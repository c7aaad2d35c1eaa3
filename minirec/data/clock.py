"""Times as whole ticks with a unit: nothing of a fraction of a second is lost, and order is exact.

Ticks are int64, counted from 1970-01-01T00:00:00 UTC in "s", "ms", "us" or "ns"; "order" is for numbers of which only the order is
known. A column of times is kept in the coarsest unit that holds all of its values exactly, so that the same instants have the same
ticks whatever the resolution of their source.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, ParameterError

Ticks = NDArray[np.int64]
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
UNITS = (*PER_SECOND, "order")
_EPOCHS = (("s", 10**8, 10**11), ("ms", 10**11, 10**14), ("us", 10**14, 10**17), ("ns", 10**17, 2**63))  # each from 1973 on
_EXACT = 2**53


def checked_unit(unit: str) -> str:
    """The unit, where it is one."""
    if unit not in UNITS:
        raise ParameterError(f"time_unit must be one of {', '.join(UNITS)}, got {unit!r}")
    return unit


def coarsest(ticks: Ticks, unit: str) -> tuple[Ticks, str]:
    """The same instants in the coarsest unit that holds them exactly. O(n)."""
    for finer, coarser in (("ns", "us"), ("us", "ms"), ("ms", "s")):
        if unit != finer or (ticks[:1000] % 1000).any() or (ticks % 1000).any():
            continue
        ticks, unit = ticks // 1000, coarser
    return ticks, unit


def in_seconds(ticks: Ticks, unit: str) -> Ticks:
    """Whole seconds, rounded down; numbers in "order" stay as they are."""
    per = PER_SECOND.get(unit, 1)
    return ticks if per == 1 else ticks // per


def from_whole(values: NDArray[Any], unit: str | None = None) -> tuple[Ticks, str]:
    """Ticks of whole numbers. Without a unit their size tells it: numbers that are all between 1973 and 5138 as seconds since 1970
    are seconds; as milliseconds, microseconds or nanoseconds likewise; others have an order alone."""
    ticks = values.astype(np.int64, copy=False)
    return coarsest(ticks, _by_size(ticks) if unit is None else checked_unit(unit))


def _by_size(ticks: Ticks) -> str:
    low, high = (int(ticks.min()), int(ticks.max())) if len(ticks) else (0, 0)
    return next((name for name, least, end in _EPOCHS if least <= low and high < end), "order")


def from_real(values: NDArray[np.float64], unit: str | None = None) -> tuple[Ticks, str]:
    """Ticks of finite numbers below 2^62. Those with a fraction count as seconds, or as what their size says (see `from_whole`);
    a double holds a present instant to a microsecond, and is rounded to that."""
    whole = np.floor(values)
    digits = 10**9 if np.abs(values).max(initial=0) * 10**9 < _EXACT else 10**6
    part = np.rint((values - whole) * digits).astype(np.int64) * (10**9 // digits)
    carry = part >= 10**9
    return from_numbers(whole.astype(np.int64) + carry, np.where(carry, 0, part), unit)


def from_numbers(whole: Ticks, billionths: Ticks, unit: str | None = None) -> tuple[Ticks, str]:
    """Ticks of numbers, whole part and billionths of one apart; the unit as in `from_whole`, and seconds where there are fractions
    of what has an order alone. What is finer than a nanosecond is cut off."""
    if not billionths.any():
        return from_whole(whole, unit)
    base = checked_unit(unit or _by_size(whole))
    base = "s" if base == "order" else base
    names = list(PER_SECOND)
    ticks, finer = from_parts(whole, billionths)
    place = names.index(base) + names.index(finer)
    if place >= len(names):
        ticks, place = ticks // 1000 ** (place - len(names) + 1), len(names) - 1
    return ticks, names[place]


def from_datetimes(values: NDArray[Any]) -> tuple[Ticks, str]:
    """Ticks of a datetime64 column without gaps."""
    step = np.datetime_data(values.dtype)
    if step[0] not in PER_SECOND or step[1] != 1:
        values = values.astype("datetime64[s]") if step[0] in ("Y", "M", "W", "D", "h", "m", "generic") else values.astype("datetime64[ns]")
    return coarsest(values.astype(np.int64), str(np.datetime_data(values.dtype)[0]))


def from_parts(seconds: Ticks, nanos: Ticks) -> tuple[Ticks, str]:
    """Ticks of whole seconds since 1970 and nanoseconds in 0 to 999,999,999."""
    unit = "s"
    for finer in ("ms", "us", "ns"):
        if (nanos % (PER_SECOND["ns"] // PER_SECOND[unit])).any():
            unit = finer
    per = PER_SECOND[unit]
    if len(seconds) and int(np.abs(seconds).max()) >= 2**63 // per - 1:
        raise DataError("these times are too far apart to be told to the nanosecond: pass whole seconds, or drop the outliers")
    return seconds * per + nanos // (PER_SECOND["ns"] // per), unit


def column(values: Any, n: int, unit: str | None = None) -> tuple[Ticks, str]:
    """Ticks and unit of a column of times as a caller gives it: whole numbers, numbers with fractions (seconds), or datetimes."""
    time = _array(values)
    if time.shape != (n,):
        raise DataError(f"columns differ in length: {n} users, times of shape {time.shape}")
    if time.dtype.kind == "O":
        missing = sum(value is None for value in time.tolist())
        if missing and all(value is None or isinstance(value, (int, float, datetime, date)) for value in time.tolist()):
            raise DataError(f"{missing} times are missing: fill or drop them first")
        try:
            time = np.array([_utc(value) for value in time.tolist()], "datetime64[ns]" if _has_nanos(time) else "datetime64[us]")
        except (TypeError, ValueError, OverflowError):
            raise DataError(f"times must be whole numbers or datetimes, got {time[0]!r}") from None
    if time.dtype.kind == "M":
        if np.isnat(time).any():
            raise DataError(f"{int(np.isnat(time).sum())} times are missing: fill or drop them first")
        return from_datetimes(time)
    if time.dtype.kind == "f":
        if not np.isfinite(time).all() or (np.abs(time) > _EXACT).any():
            raise DataError("times must be finite numbers up to 2^53 (or datetimes): fill or drop the missing ones first")
        return from_real(time.astype(np.float64), unit)
    if time.dtype.kind not in "iu":
        raise DataError(f"times must be whole numbers or datetimes, got {time.dtype}")
    if time.dtype == np.uint64 and len(time) and int(time.max()) >= 2**63:
        raise DataError(f"time {time.max()} does not fit into 64 bits")
    return from_whole(time, unit)


def _array(values: Any) -> NDArray[Any]:
    if hasattr(values, "dt") and getattr(getattr(values, "dtype", None), "tz", None) is not None:  # pandas with a time zone
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray(values)


def _has_nanos(values: NDArray[Any]) -> bool:
    return any(getattr(value, "nanosecond", 0) for value in values.tolist())


def _utc(value: Any) -> Any:
    """A datetime without its zone, in UTC; whatever is no date stays for NumPy to refuse."""
    if isinstance(value, datetime):
        at = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        return at.to_datetime64() if hasattr(at, "to_datetime64") else at
    if isinstance(value, (date, np.datetime64)):
        return value
    if isinstance(value, str):
        return np.datetime64(value)
    raise TypeError

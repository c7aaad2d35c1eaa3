"""Times: resolution, units, dates of every form, the order of day and month."""

import numpy as np
from cases import Case, csv

_T0, _DAY = 1365029107, 1259625600  # 2013-04-03 22:45:07 and 2009-12-01, UTC


def _two(first, second, ticks, unit="s", **more):
    """Two events of one user at the given times."""
    head = "user\titem\ttime"  # tabs: dates hold commas
    return Case(csv(head, f"1\t10\t{first}", f"1\t11\t{second}"), [(1, 10, ticks[0]), (1, 11, ticks[1])], unit=unit, name="e.tsv", **more)


CASES = {
    "fractions of a second": Case(
        csv("user,item,time", f"1,10,{_T0}.900", f"1,11,{_T0}.100", f"1,12,{_T0}.500"),
        [(1, 10, _T0 * 1000 + 900), (1, 11, _T0 * 1000 + 100), (1, 12, _T0 * 1000 + 500)],
        unit="ms",
    ),
    "microseconds": _two(f"{_T0}.000001", f"{_T0}.000002", (_T0 * 10**6 + 1, _T0 * 10**6 + 2), "us"),
    "nine places": _two(f"{_T0}.000000001", f"{_T0}.5", (_T0 * 10**9 + 1, _T0 * 10**9 + 5 * 10**8), "ns"),
    "whole seconds": _two(_T0, _T0 + 1, (_T0, _T0 + 1)),
    "seconds written with .0": _two(f"{_T0}.0", f"{_T0 + 1}.0", (_T0, _T0 + 1)),
    "milliseconds": _two(_T0 * 1000 + 1, _T0 * 1000 + 2, (_T0 * 1000 + 1, _T0 * 1000 + 2), "ms"),
    "milliseconds that are whole seconds": _two(_T0 * 1000, (_T0 + 1) * 1000, (_T0, _T0 + 1)),
    "milliseconds with a fraction": _two(f"{_T0}123.5", f"{_T0}124.25", (_T0 * 10**6 + 123_500, _T0 * 10**6 + 124_250), "us"),
    "microseconds as whole numbers": _two(_T0 * 10**6 + 1, _T0 * 10**6 + 2, (_T0 * 10**6 + 1, _T0 * 10**6 + 2), "us"),
    "nanoseconds as whole numbers": _two(_T0 * 10**9 + 1, _T0 * 10**9 + 2, (_T0 * 10**9 + 1, _T0 * 10**9 + 2), "ns"),
    "an order alone": _two(1, 2, (1, 2), "order"),
    "an order with a nought": _two(0, _T0, (0, _T0), "order"),
    "a unit that is named": _two(5, 7, (5, 7), "ms", settings={"time_unit": "ms"}),
    "a unit that is named, in whole seconds": _two(5000, 7000, (5, 7), settings={"time_unit": "ms"}),
    "a unit that is none": Case(csv("user,item,time", "1,2,3"), "time_unit must be one of s, ms", {"time_unit": "min"}),
    "ISO": _two("2009-12-01T07:45:00", "2009-12-02 00:00:00", (_DAY + 27_900, _DAY + 86_400)),
    "ISO with fractions": _two("2009-12-01T00:00:00.900", "2009-12-01T00:00:00.100", (_DAY * 1000 + 900, _DAY * 1000 + 100), "ms"),
    "ISO to the nanosecond": _two(
        "2009-12-01T00:00:00.000000009Z", "2009-12-01T00:00:00.1Z", (_DAY * 10**9 + 9, _DAY * 10**9 + 10**8), "ns"
    ),
    "ISO with Z": _two("2009-12-01T00:00:01Z", "2009-12-01T00:00:02Z", (_DAY + 1, _DAY + 2)),
    "ISO with zones": _two("2009-12-01T02:00:00+02:00", "2009-12-01T00:00:00-0530", (_DAY, _DAY + 19_800)),
    "ISO of many widths": _two("2009-12-01", "2009-12-01 00:01", (_DAY, _DAY + 60)),
    "UTC behind": _two("2009-12-01 00:00:01 UTC", "2009-12-01 00:00:02 UTC", (_DAY + 1, _DAY + 2)),
    "days alone": _two("2009-12-01", "2009-12-02", (_DAY, _DAY + 86_400)),
    "week dates": _two("2009-W49-2", "2009W493", (_DAY, _DAY + 86_400)),
    "basic ISO": _two("20091201T000001", "20091201T000002Z", (_DAY + 1, _DAY + 2)),
    "days as numbers": _two("20091201", "20091202", (_DAY, _DAY + 86_400), notes=("are read as dates",)),
    "moments as numbers": _two("20091201000001", "20091201000002", (_DAY + 1, _DAY + 2), notes=("are read as dates",)),
    "numbers that are no days": _two("20091201", "20091301", (20091201, 20091301), "order", quiet=("are read as dates",)),
    "days as numbers, said to be none": _two("20091201", "20091202", (20091201, 20091202), settings={"time_unit": "s"}),
    "year first with slashes": _two("2009/12/1", "2009/12/02 1:00", (_DAY, _DAY + 90_000)),
    "month first, told by a later value": _two("12/1/2009 7:45", "12/13/2009 0:00", (_DAY + 27_900, _DAY + 12 * 86_400)),
    "day first, told by a later value": _two("1/12/2009 7:45", "13/12/2009 0:00", (_DAY + 27_900, _DAY + 12 * 86_400)),
    "day and month that nothing tells": Case(
        csv("user,item,time", "1,10,12/1/2009 7:45", "1,11,11/2/2009 7:45"), "is '11/2/2009 7:45' day/month or month/day.*time_format="
    ),
    "day and month, by a format": Case(
        csv("user,item,time", "1,10,1/12/2009 7:45", "1,11,2/12/2009 0:00"),
        [(1, 10, _DAY + 27_900), (1, 11, _DAY + 86_400)],
        {"time_format": "%d/%m/%Y %H:%M"},
    ),
    "day and month that do not matter": _two("12/12/2009", "11/11/2009", (_DAY + 11 * 86_400, _DAY - 20 * 86_400)),
    "with points the day comes first": _two("1.12.2009", "2.12.2009 00:00:01", (_DAY, _DAY + 86_401)),
    "morning and afternoon": _two(
        "12/13/2009 9:05:58 AM", "12/13/2009 12:00:01 PM", (_DAY + 12 * 86_400 + 32_758, _DAY + 12 * 86_400 + 43_201)
    ),
    "midnight is 12 AM": _two("12/13/2009 12:00:00 AM", "12/13/2009 1:00 pm", (_DAY + 12 * 86_400, _DAY + 12 * 86_400 + 46_800)),
    "Twitter": _two("Tue Dec 01 00:00:09 +0000 2009", "Tue Dec 01 01:00:00 +0100 2009", (_DAY + 9, _DAY)),
    "C": _two("Tue Dec  1 00:00:09 2009", "Wed Dec  2 00:00:00 2009", (_DAY + 9, _DAY + 86_400)),
    "e-mail": _two("Tue, 01 Dec 2009 00:00:09 GMT", "Wed, 2 Dec 2009 00:00:00 +0000", (_DAY + 9, _DAY + 86_400)),
    "names of months": _two("1 December 2009", "02-Dec-2009", (_DAY, _DAY + 86_400)),
    "American, in words": _two("December 1, 2009", "Dec 2, 2009 1:00 AM", (_DAY, _DAY + 90_000)),
    "Amazon's days": _two("12 01, 2009", "12 13, 2009", (_DAY, _DAY + 12 * 86_400)),
    "years of two digits": _two("12/13/09", "12/14/09", (_DAY + 12 * 86_400, _DAY + 13 * 86_400)),
    "a format of one's own": _two("09|335", "09|336", (_DAY, _DAY + 86_400), settings={"time_format": "%y|%j"}),
    "a format that is none": Case(csv("user,item,time", "1,2,3"), "time_format is a format of strptime", {"time_format": "dd/mm"}),
    "numbers and dates": _two(f"{_T0}.7", "2009-12-01T00:00:42", (_T0 * 10 * 100 + 700, (_DAY + 42) * 1000), "ms"),
    "a day that does not exist": Case(
        csv("user,item,time", "1,10,2021-02-30", "1,11,2009-12-01"), [(1, 11, _DAY)], removed={"time is not a number or a date": 1}
    ),
    "words for a time": Case(
        csv("user,item,time", "1,10,noon", "1,11,2009-12-01"), [(1, 11, _DAY)], removed={"time is not a number or a date": 1}
    ),
    "a time beyond 64 bits": Case(
        csv("user,item,time", "1,10,99999999999999999999", f"1,11,{_T0}"), [(1, 11, _T0)], removed={"time is not a number or a date": 1}
    ),
    "negative times": Case(csv("user,item,time", "1,10,-5", f"1,11,{_T0}"), [(1, 11, _T0)], removed={"negative time": 1}),
    "before 1970": Case(csv("user,item,time", "1,10,1950-01-01", "1,11,2009-12-01"), [(1, 11, _DAY)], removed={"negative time": 1}),
    "a footer has no say in the unit": Case(csv("user,item,time", f"1,10,{_T0}", ",,3"), [(1, 10, _T0)], removed={"missing user id": 1}),
    "a missing time comes from the neighbor": Case(
        csv("user,item,time", "1,10,NA", f"1,11,{_T0}.5"),
        [(1, 10, _T0 * 1000 + 500), (1, 11, _T0 * 1000 + 500)],
        unit="ms",
        removed={"missing time, set to that of the user's nearest row": 1},
    ),
}

_ROWS = {"user": [1, 1], "item": [10, 11]}
TABLES = {
    "datetimes with fractions": Case(
        _ROWS | {"time": np.array([f"2009-12-01T00:00:00.{n}00" for n in (9, 1)], "datetime64[ms]")},
        [(1, 10, _DAY * 1000 + 900), (1, 11, _DAY * 1000 + 100)],
        unit="ms",
    ),
    "datetimes to the nanosecond": Case(
        _ROWS | {"time": np.array(["2009-12-01T00:00:00.000000009", "2009-12-01"], "datetime64[ns]")},
        [(1, 10, _DAY * 10**9 + 9), (1, 11, _DAY * 10**9)],
        unit="ns",
    ),
    "datetimes of whole seconds": Case(
        _ROWS | {"time": np.array(["2009-12-01", "2009-12-02"], "datetime64[ns]")}, [(1, 10, _DAY), (1, 11, _DAY + 86_400)]
    ),
    "float seconds": Case(
        _ROWS | {"time": np.array([_T0 + 0.9, _T0 + 0.1])}, [(1, 10, _T0 * 1000 + 900), (1, 11, _T0 * 1000 + 100)], unit="ms"
    ),
    "whole floats": Case(_ROWS | {"time": np.array([_T0 + 1.0, _T0 + 0.0])}, [(1, 10, _T0 + 1), (1, 11, _T0)]),
    "milliseconds in a table": Case(
        _ROWS | {"time": np.array([_T0 * 1000 + 1, _T0 * 1000])}, [(1, 10, _T0 * 1000 + 1), (1, 11, _T0 * 1000)], unit="ms"
    ),
    "days as numbers in a table": Case(_ROWS | {"time": np.array([20091201, 20091202])}, [(1, 10, _DAY), (1, 11, _DAY + 86_400)]),
    "dates as texts": Case(_ROWS | {"time": ["2009-12-01", "12/2/2009"]}, "day/month or month/day"),
    "ISO as texts": Case(
        _ROWS | {"time": ["2009-12-01T00:00:00.5", "2009-12-01"]}, [(1, 10, _DAY * 1000 + 500), (1, 11, _DAY * 1000)], unit="ms"
    ),
}

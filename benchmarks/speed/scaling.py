"""Time and memory against the number of events, users, items and factors, and the exponent of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..common import Folders, Row
from ..data import NoData, prepare
from .load import Load
from .runner import Side, SideError, per_lap
from .tasks.growth import FACTORS

KEY = ("operation", "axis", "events", "users", "items", "factors", "threads")
EVENTS = (100_000, 300_000, 1_000_000, 5_000_000, 50_000_000)
FEWER = (5_000, 20_000, 80_000, 320_000)
FITTED = 3  # points, the largest ones: below them what is done once weighs too much
LIMIT = 3600.0


class Point(NamedTuple):
    """One size of an operation; `axis` names what differs from point to point."""

    operation: str
    axis: str
    events: int
    users: int
    items: int
    factors: int = 64

    @property
    def data(self) -> str:
        """The data set of this size."""
        if self.operation in ("read", "whole"):
            return f"events-{self.events}"
        return f"zipf-{self.events}-{self.users}-{self.items}"


def points() -> Iterator[Point]:
    """All points: everything against events (users and items grow along), and each of the others alone with a million events."""
    for events in EVENTS:
        users, items = events // 50, events // 250
        for operation in ("als", "bpr", "cosine", "rp3beta", "read", "topk-brute", "topk-pruned"):
            yield Point(operation, "events", events, users, items)
    yield Point("whole", "events", EVENTS[-1], EVENTS[-1] // 50, EVENTS[-1] // 250)
    for users in FEWER:
        for operation in ("als", "bpr"):
            yield Point(operation, "users", 1_000_000, users, 4_000)
    for items in FEWER:
        for operation in ("als", "bpr", "cosine", "rp3beta", "topk-brute", "topk-pruned"):
            yield Point(operation, "items", 1_000_000, 20_000, items)
    for items in (1_000, 2_000, 4_000, 8_000):
        yield Point("ease", "items", 1_000_000, 20_000, items)
    for factors in FACTORS:
        for operation in ("als", "bpr", "topk-brute", "topk-pruned"):
            yield Point(operation, "factors", 1_000_000, 20_000, 4_000, factors)


def measure(point: Point, threads: int, folders: Folders, *, rounds: int) -> Row:
    """One row: median seconds and peak memory of an operation at one size, in a process of its own."""
    row: Row = {**point._asdict(), "threads": threads, "rounds": rounds}
    row["command"] = f"python -m benchmarks scaling --task {point.operation} --axis {point.axis} --threads {threads} --again"
    try:
        folder = prepare(point.data, folders.data, folders.work)
        side = Side(f"growth-{point.operation}-{point.factors}", "minirec", folder, threads, folders.envs, LIMIT)
        try:
            load = Load([side.pid])
            if point.operation == "whole":
                laps, row["peak_mb"] = side.run()
                row |= {"seconds": laps[-1], "laps": dict(zip(("read", "fit", "recommend"), np.diff([0.0, *laps]).tolist(), strict=True))}
            else:
                side.run()
                runs = [side.run() for _ in range(rounds)]
                row |= {"seconds": float(np.median([per_lap(laps) for laps, _ in runs])), "peak_mb": runs[-1][1]}
            row["load"] = load.figures()
        finally:
            side.close()
    except (SideError, NoData) as failure:
        row["error"] = str(failure)
    return row


def run(
    folders: Folders, operations: list[str] | None, axes: list[str] | None, threads: list[int], rounds: int, again: bool
) -> Iterator[Row]:
    """Measure what is asked for and not there yet; each row as it is done."""
    results = folders.rows("scaling", KEY)
    for point in points():
        for count in threads:
            if (operations and point.operation not in operations) or (axes and point.axis not in axes):
                continue
            if not results.needed({**point._asdict(), "threads": count}, again):
                continue
            row = measure(point, count, folders, rounds=rounds)
            results.put(row)
            yield row


def exponent(rows: list[Row], axis: str, value: str = "seconds") -> float | None:
    """The exponent p of value ~ axis^p, by least squares over the largest sizes, in logarithms."""
    pairs = sorted((row[axis], row[value]) for row in rows if row.get(value))[-FITTED:]
    if len(pairs) < 2:
        return None
    x, y = np.log(np.array(pairs, np.float64)).T
    return float(np.polyfit(x, y, 1)[0])

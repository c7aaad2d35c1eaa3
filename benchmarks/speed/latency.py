"""How long one user waits: known, folded in, and by SASRec; with and without compiled kernels; and eight threads that ask at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..common import Folders, Row
from ..data import NoData, prepare
from .load import Load
from .runner import SELF, Side, SideError, percentiles
from .tasks import find

KEY = ("task", "data", "side")
TASKS = ("one-known-user", "one-new-user", "one-history", "eight-threads")
LIMIT = 600.0


def measure(name: str, side_name: str, folders: Folders, rounds: int) -> Row:
    """One row, from a model file."""
    task = find(name)
    row: Row = {"task": name, "data": task.data[0], "side": side_name, "rounds": rounds}
    row["command"] = f"python -m benchmarks latency --task {name} --again"
    try:
        folder = prepare(task.data[0], folders.data, folders.work)
        if task.prepare is not None:
            task.prepare(folder)
        side = Side(name, side_name, folder, 2 if name == "eight-threads" else 1, folders.envs, LIMIT)
        try:
            side.run()
            load = Load([side.pid])
            runs = [side.run() for _ in range(rounds)]
            row |= {"peak_mb": runs[-1][1], "load": load.figures()}
        finally:
            side.close()
        if name == "eight-threads":
            one, eight = np.median([laps for laps, _ in runs], axis=0)
            row |= {"one_seconds": float(one), "eight_seconds": float(eight), "throughput": float(one / eight)}
        else:
            row |= percentiles([value for laps, _ in runs for value in np.diff(laps).tolist()])
    except (SideError, NoData) as failure:
        row["error"] = str(failure)
    return row


def run(folders: Folders, tasks: list[str] | None, rounds: int, again: bool) -> Iterator[Row]:
    """Measure what is asked for and not there yet; each row as it is done."""
    results = folders.rows("latency", KEY)
    for name in TASKS:
        for side in SELF:
            row = {"task": name, "data": find(name).data[0], "side": side}
            if (tasks and name not in tasks) or not results.needed(row, again):
                continue
            row = measure(name, side, folders, rounds)
            results.put(row)
            yield row

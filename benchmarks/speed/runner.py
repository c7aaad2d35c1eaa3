"""Runs tasks: minirec and a peer in turns, A B A B, each in a process of its own that lives through all rounds."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median

import numpy as np

from ..common import ROOT, Folders, Row
from ..data import NoData, prepare
from .load import Load
from .peers import PEERS, install, python_of
from .quality import JUDGES, Judge, agreement
from .task import Goal, Task

SELF = ("minirec", "minirec-numpy")  # sides that run in this environment
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS", "POLARS_MAX_THREADS",
    "IRSPACK_NUM_THREADS_DEFAULT", "MINIREC_THREADS",
)  # fmt: skip


class SideError(Exception):
    """A side failed; the message is what its row says."""


class Side:
    """A process that runs one side of a task as often as it is told to."""

    def __init__(self, task: str, name: str, folder: Path, threads: int, envs: Path, limit: float) -> None:
        self.name, self.limit = name, limit
        env = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        if name in PEERS:
            env |= dict(PEERS[name].env)
        if name == "minirec-numpy":
            env["MINIREC_BACKEND"] = "numpy"
        python = sys.executable if name in SELF else str(python_of(name, envs))
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.speed.worker", task, name, str(folder), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=env, text=True, cwd=ROOT,
        )  # fmt: skip
        self.pid = self._process.pid

    def run(self, keep: Path | None = None) -> tuple[list[float], float | None]:
        """One run: seconds at each lap, and the peak memory of the process so far in MB. Arrays of each lap go to `keep`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"keep": None if keep is None else str(keep)}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise SideError(self._last_words()) from None
        if not select.select([self._process.stdout], [], [], self.limit)[0]:
            self.close()
            raise SideError(f"took longer than {self.limit:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise SideError(self._last_words())
        answer = json.loads(line)
        if "error" in answer:
            raise SideError(answer["error"])
        return answer["laps"], answer["peak_mb"]

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return f"ended with code {code}" + (f": {lines[-1][:200]}" if lines else "")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()


SPEED_KEY = ("task", "data", "threads", "peer")


def measure(task: Task, data: str, threads: int, peer: str, folders: Folders, *, rounds: int, limit: float) -> Row:
    """One row: the same task on the same data by the peer and by minirec, in turns."""
    row: Row = {"task": task.name, "data": data, "threads": threads, "peer": peer, "unit": task.unit, "rounds": rounds}
    row["command"] = f"python -m benchmarks speed --task {task.name} --data {data} --threads {threads} --peer {peer} --again"
    try:
        row["version"] = _version(peer, folders.envs)
        folder = prepare(data, folders.data, folders.work)
        if task.prepare is not None:
            task.prepare(folder)
        row |= _compare(task, folder, threads, peer, folders.envs, rounds, limit)
    except (SideError, NoData) as failure:
        row["error"] = str(failure)
    return row


def _version(peer: str, envs: Path) -> str | None:
    if peer in SELF:
        import minirec

        return minirec.__version__
    installed = install(PEERS[peer], envs)
    if installed.error is not None:
        raise SideError(f"does not install: {installed.error}")
    return installed.version


def _compare(task: Task, folder: Path, threads: int, peer: str, envs: Path, rounds: int, limit: float) -> Row:
    names = (peer, "minirec")
    with contextlib.ExitStack() as stack:
        sides = []
        for name in names:
            sides.append(Side(task.name, name, folder, threads, envs, limit))
            stack.callback(sides[-1].close)
        kept = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in names]
        judged = kept if task.judge is not None else [None, None]
        if task.warm_up:  # what comes out of it is what is judged
            for side, keep in zip(sides, judged, strict=True):
                with _named(side.name):
                    side.run(keep)
            judged = [None, None]
        load = Load([side.pid for side in sides])
        laps: list[list[list[float]]] = [[], []]
        peaks: list[float | None] = [None, None]
        for _ in range(rounds):
            for at, side in enumerate(sides):
                with _named(side.name):
                    found, peaks[at] = side.run(judged[at])
                laps[at].append(found)
            judged = [None, None]
        row: Row = {"load": load.figures(), "peer_peak_mb": _rounded(peaks[0]), "minirec_peak_mb": _rounded(peaks[1])}
        return row | summary(task, laps, [_judge(task, folder, keep) for keep in kept], _agreement(kept))


@contextlib.contextmanager
def _named(side: str) -> Iterator[None]:
    try:
        yield
    except SideError as failure:
        raise SideError(f"{side}: {failure}") from None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _kept(keep: Path) -> list[Path]:
    return sorted(keep.glob("*.npz"), key=lambda path: int(path.stem))


def _judge(task: Task, folder: Path, keep: Path) -> dict[int, dict[str, float]]:
    """Figures of each lap that handed something over; without a goal the last one is enough."""
    if task.judge is None:
        return {}
    judge, files = Judge(folder), _kept(keep)
    return {int(path.stem): JUDGES[task.judge](judge, dict(np.load(path))) for path in (files if task.goal else files[-1:])}


def _agreement(kept: list[Path]) -> float | None:
    last = [files[-1] for files in map(_kept, kept) if files]
    if len(last) < 2:
        return None
    one, other = (dict(np.load(path)) for path in last)
    return agreement(one, other)


def summary(task: Task, laps: list[list[list[float]]], quality: list[dict[int, dict[str, float]]], agreed: float | None = None) -> Row:
    """The figures of a row from the laps [side][round][lap] and the quality at laps, peer first."""
    names = ("peer", "minirec")
    row: Row = {} if agreed is None else {"agreement": round(agreed, 6)}
    seconds: list[list[float] | None]
    if task.goal is None:
        seconds = [[per_lap(one) for one in side] for side in laps]
        row |= {f"{name}_quality": figures[max(figures)] for name, figures in zip(names, quality, strict=True) if figures}
    else:
        seconds = _to_goal(task.goal, laps, quality, row)
    for name, side, side_laps in zip(names, seconds, laps, strict=True):
        row[f"{name}_seconds"] = None if side is None else median(side)
        row[f"{name}_spread"] = None if side is None else [min(side), max(side)]
        if task.percentiles:
            row[f"{name}_percentiles"] = percentiles([value for one in side_laps for value in np.diff(one).tolist()])
    if row["peer_seconds"] and row["minirec_seconds"]:
        row["ratio"] = row["peer_seconds"] / row["minirec_seconds"]
    return row


def per_lap(laps: list[float]) -> float:
    """Seconds of one lap: the only one, or the median of all but the first."""
    return laps[0] if len(laps) == 1 else median(np.diff(laps).tolist())


def percentiles(values: list[float]) -> dict[str, float]:
    """The middle and the slow end of a latency."""
    return {f"p{share}": float(np.percentile(values, share)) for share in (50, 95, 99)}


def _to_goal(goal: Goal, laps: list[list[list[float]]], quality: list[dict[int, dict[str, float]]], row: Row) -> list[list[float] | None]:
    """Seconds until the goal, and the curves (seconds, value) of both sides with what else they reached."""
    judged = [sorted(figures) for figures in quality]
    values = [[figures[lap][goal.metric] for lap in at] for figures, at in zip(quality, judged, strict=True)]
    target = goal.target(values)
    row |= {"goal": goal.metric, "target": target}
    seconds: list[list[float] | None] = []
    for name, side, at, curve, figures in zip(("peer", "minirec"), laps, judged, values, quality, strict=True):
        times = [median(one[lap] for one in side) for lap in at]
        row[f"{name}_curve"] = [list(pair) for pair in zip(times, curve, strict=True)]
        arrived = goal.lap(curve, target)
        best = min(range(len(curve)), key=lambda place: curve[place] if goal.lower else -curve[place])
        row[f"{name}_quality"] = figures[at[best if arrived is None else arrived]]
        row[f"{name}_best"] = curve[best]
        seconds.append(None if arrived is None else [one[at[arrived]] for one in side])
    return seconds


def rows_to_do(tasks: Iterable[Task], peers: list[str] | None, data: list[str] | None, threads: list[int] | None) -> Iterator[Row]:
    """The rows that a selection asks for, as their keys."""
    for task in tasks:
        for name in task.data:
            for count in task.threads:
                for peer in task.sides:
                    wanted = (not peers or peer in peers) and (not data or name in data) and (not threads or count in threads)
                    if peer != "minirec" and wanted:
                        yield {"task": task.name, "data": name, "threads": count, "peer": peer}

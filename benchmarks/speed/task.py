"""What a task is: one piece of work that minirec and its peers do on the same data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .job import Job

Side = Callable[[Job], None]


class Goal(NamedTuple):
    """When a curve has arrived: at a fixed value, at a share of the best of both, or (lower is better) near the worse of the two."""

    metric: str
    value: float | None = None
    share: float = 1.0
    lower: bool = False

    def target(self, curves: list[list[float]]) -> float:
        """The value to reach, from the curves of both sides."""
        if self.value is not None:
            return self.value
        if self.lower:
            return self.share * max(min(curve) for curve in curves)
        return self.share * max(max(curve) for curve in curves)

    def lap(self, curve: list[float], target: float) -> int | None:
        """The first lap at which a curve has arrived, None if it never does."""
        return next((at for at, value in enumerate(curve) if (value <= target if self.lower else value >= target)), None)


@dataclass(frozen=True)
class Task:
    """A task.

    sides : what does the work, by name: "minirec" and each peer ("minirec-numpy": minirec without compiled kernels).
    unit : what the seconds are of. With a goal they are until it is reached; else of one lap, where there are several the
        median of all but the first, which also holds what is done once.
    judge : how the result is judged (see quality.JUDGES), None where there is nothing to judge.
    percentiles : whether percentiles of the laps are reported (latency).
    warm_up : whether a run that does not count precedes the others; without, the first round is judged, for sides that take long.
    prepare : adds to the data folder what all sides are given, such as factors; runs in the parent process.
    """

    name: str
    title: str
    data: tuple[str, ...]
    sides: Mapping[str, Side]
    unit: str
    judge: str | None = "ranking"
    goal: Goal | None = None
    threads: tuple[int, ...] = (1, 2)
    percentiles: bool = False
    warm_up: bool = True
    prepare: Callable[[Path], None] | None = None

"""How busy the machine was with other things while something was measured."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def _ticks() -> tuple[int, int]:
    """(busy, all) clock ticks of all CPUs since boot."""
    fields = [int(value) for value in Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def _own(pids: list[int]) -> int:
    """Clock ticks that processes have used, those of their finished children with them."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(int(value) for value in fields[11:15])
    return total


class Load:
    """Measures from when it is made: the share of all CPU time that went to processes other than the given ones and this one."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = [*pids, os.getpid()]
        self._start = self._now()

    def _now(self) -> tuple[int, int, int] | None:
        try:
            return (*_ticks(), _own(self._pids))
        except (OSError, ValueError):
            return None

    def figures(self) -> dict[str, Any]:
        """{"foreign": share or None, "loadavg": of the last minute or None}."""
        now, foreign = self._now(), None
        if self._start is not None and now is not None and now[1] > self._start[1]:
            busy, every, own = (b - a for a, b in zip(self._start, now, strict=True))
            foreign = round(max(busy - own, 0) / every, 3)
        return {"foreign": foreign, "loadavg": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import platform

    name = platform.processor() or platform.machine()
    memory = None
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (OSError, ValueError, AttributeError):
        pass  # the name that platform gives must do
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": name, "cores": cores, "memory_gib": memory, "system": platform.system(), "python": platform.python_version()}

"""What all parts of the suite share: folders, files of results whose rows have names, and a process of its own for a row.

Imports nothing of minirec, so that a peer's environment can import it.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
Row = dict[str, Any]


class Folders(NamedTuple):
    """Where things are: data sets as files (or None), the prepared ones, the peers' environments, the results; `only`: the id of the one
    row that is wanted."""

    data: Path | None
    work: Path
    envs: Path
    results: Path
    only: str | None = None

    def rows(self, name: str, key: tuple[str, ...]) -> Results:
        """The rows of one file of results."""
        return Results(self.results / f"{name}.json", key, self.only)


class Results:
    """The rows of one file of results; written after each row, so that a run can be taken up again."""

    def __init__(self, path: Path, key: tuple[str, ...], only: str | None = None) -> None:
        self.path, self.key, self.only = path, key, only
        self.rows = self._read()

    def _read(self) -> list[Row]:
        rows: list[Row] = json.loads(self.path.read_text("utf-8")) if self.path.exists() else []
        return rows

    def _same(self, one: Row, other: Row) -> bool:
        return all(one.get(name) == other.get(name) for name in self.key)

    def find(self, row: Row) -> Row | None:
        """The row with the same key, if there is one."""
        return next((old for old in self.rows if self._same(old, row)), None)

    def needed(self, row: Row, again: bool, *, stale: bool = False) -> bool:
        """Whether a row is to be measured: it is the only one wanted, or it is not there, failed, is `stale` or wanted `again`."""
        if self.only is not None:
            return row_id(self.path.stem, row, self.key) == self.only
        old = self.find(row)
        return again or stale or old is None or "error" in old

    def put(self, row: Row) -> None:
        """Add a row, in the place of the one with the same key; rows that another run has written meanwhile stay."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(self.path.with_suffix(".lock")):
            name = row_id(self.path.stem, row, self.key)
            named = {"id": name, "command": f"python -m benchmarks row {name}", **row}
            self.rows = [old for old in self._read() if not self._same(old, row)] + [named]
            self.rows.sort(key=lambda old: [str(old.get(name)) for name in self.key])
            scratch = self.path.with_suffix(".partial")
            scratch.write_text(json.dumps(self.rows, indent=1) + "\n", "utf-8")
            scratch.replace(self.path)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock file; one that a dead process left behind is taken over after a minute."""
    while True:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > 60:
                    path.unlink()
            time.sleep(0.05)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def row_id(file: str, row: Row, key: tuple[str, ...]) -> str:
    """The name of a row: its file and the values of its key; what is no plain word stands as a digest."""
    parts = [file]
    for name in key:
        value = row.get(name)
        text = "none" if value is None else str(value)
        if (not isinstance(value, (str, int)) and value is not None) or not text.replace("-", "").replace("_", "").isalnum():
            text = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]
        if text != file:
            parts.append(text)
    return "/".join(parts)


def apart(function: Callable[..., Row], *arguments: Any) -> Row:
    """The row of `function(*arguments)`, run in a process of its own, so that the peak memory is this row's."""
    with multiprocessing.get_context("spawn").Pool(1) as process:
        return process.apply(function, arguments)


def peak() -> int | None:
    """The peak memory of this process in whole MB, None where the system does not tell."""
    megabytes = peak_megabytes()
    return None if megabytes is None else round(megabytes)


def peak_megabytes() -> float | None:
    """The most memory that this process ever held, None where the system does not tell (getrusage would count the parent's too)."""
    try:
        with open("/proc/self/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None

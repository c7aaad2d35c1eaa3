"""Group commit: what many callers want written goes into one transaction, and each learns of it once that is on the disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, NamedTuple, TypeVar

from ..errors import StoreError

T = TypeVar("T")
C = TypeVar("C")
MAX_WAITING = 200_000  # rows: what comes on top is refused, so that memory stays bounded


class _Job(NamedTuple):
    work: Callable[[Any], Any]
    rows: int
    done: Future[Any]


class GroupWriter(Generic[C]):
    """One thread with one connection. `submit` gives a future that is set after the commit, never before.

    transaction(jobs) : runs the jobs, each called with a cursor, in one transaction, and returns their results once it is committed.
    Groups form by themselves: what arrives while a commit waits for the disk is the next group.
    """

    def __init__(self, transaction: Callable[[list[Callable[[C], Any]]], list[Any]], close: Callable[[], None], max_rows: int) -> None:
        self._transaction, self._close, self._max_rows = transaction, close, max_rows
        self._jobs: deque[_Job] = deque()
        self._rows = 0
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="minirec-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[C], T], rows: int = 1) -> Future[T]:
        """Queue a piece of work of `rows` rows; StoreError "busy" where too many wait already."""
        done: Future[T] = Future()
        with self._wake:
            if self._stopping:
                raise StoreError("the event store is closed", "closed")
            if self._rows and self._rows + rows > MAX_WAITING:
                raise StoreError(f"{self._rows:,} rows wait to be written: nothing of this request was stored; send it again later", "busy")
            self._jobs.append(_Job(work, rows, done))
            self._rows += rows
            self._wake.notify()
        return done

    def stop(self) -> None:
        """Write what is queued, then end."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()

    @property
    def waiting(self) -> int:
        """Rows that are queued."""
        return self._rows

    def _run(self) -> None:
        while group := self._group():
            self._write(group)
        self._close()

    def _group(self) -> list[_Job]:
        with self._wake:
            while not self._jobs and not self._stopping:
                self._wake.wait()
            group: list[_Job] = []
            rows = 0
            while self._jobs and (not group or rows + self._jobs[0].rows <= self._max_rows):
                job = self._jobs.popleft()
                group.append(job)
                rows += job.rows
            self._rows -= rows
            return group

    def _write(self, group: list[_Job]) -> None:
        try:
            results = self._transaction([job.work for job in group])
        except BaseException as error:
            if len(group) == 1:
                group[0].done.set_exception(error)
                return
            for job in group:  # one bad job must not take the others with it
                self._write([job])
            return
        for job, result in zip(group, results, strict=True):
            job.done.set_result(result)

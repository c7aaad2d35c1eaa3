"""Who hears how a run goes on, and the clock that times its steps."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from time import perf_counter
from typing import Protocol, TextIO

from ..models.contract.monitor import Progress


class Watch(Protocol):
    """Hears how a run goes on."""

    def say(self, text: str) -> None:
        """A remark, of one or more lines."""

    def step(self, label: str) -> AbstractContextManager[Progress | None]:
        """Around a step; what it yields, if anything, is called as progress(done, total, record) where the step has parts."""


class Silent:
    """Nobody listens."""

    def say(self, text: str) -> None:
        """Nothing happens."""

    def step(self, label: str) -> AbstractContextManager[Progress | None]:
        return nullcontext()


class Console:
    """Says on stderr how the work goes: a bar where that is a terminal and tqdm is installed, else a line a step."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def _to(self) -> TextIO:
        return sys.stderr if self._stream is None else self._stream

    def say(self, text: str) -> None:
        """A remark."""
        self._to().write(f"{text}\n")
        self._to().flush()

    @contextmanager
    def step(self, label: str) -> Iterator[Progress | None]:
        """Around a step that may have parts."""
        if self._to().isatty() and find_spec("tqdm") is not None:
            with _bar(label, self._to()) as progress:
                yield progress
        else:
            self.say(label)
            yield None


def default_watch() -> Watch:
    """A console where somebody looks: in a terminal or a notebook; else silence."""
    return Console() if sys.stderr.isatty() or "ipykernel" in sys.modules else Silent()


@contextmanager
def _bar(label: str, stream: TextIO) -> Iterator[Progress]:
    from tqdm import tqdm

    with tqdm(desc=label, bar_format="{desc:<52} {bar:20} {n_fmt}/{total_fmt} {elapsed}", total=1, leave=True, file=stream) as bar:
        told = False

        def progress(done: int, total: int, record: dict[str, float]) -> None:
            nonlocal told
            told = True
            bar.total = total
            bar.update(done - bar.n)

        yield progress
        if not told:
            bar.update(1)


class Clock:
    """Times the steps, and tells them to the watch. `seconds` : {step: seconds}; a step that comes twice adds up."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, label: str | None = None) -> Iterator[Progress | None]:
        """Around a step. `label` : what the watch hears, if not the name."""
        start = perf_counter()
        with self.watch.step(label or name) as progress:
            yield progress
        self.seconds[name] = round(self.seconds.get(name, 0.0) + perf_counter() - start, 3)

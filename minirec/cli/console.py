"""What a command says while it works, on stderr; its results go to stdout."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from ..models.contract.monitor import Progress


def err(text: str) -> None:
    """A line of our own on stderr."""
    sys.stderr.write(f"minirec: {text}\n")


def out(text: str) -> None:
    """A result."""
    sys.stdout.write(f"{text}\n")


def note(arguments: argparse.Namespace, text: str) -> None:
    """What was done, unless --quiet."""
    if not arguments.quiet:
        out(text)


def show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None, line: str | None = None
) -> None:
    err(f"warning: {message}")


class Console:
    """Says on stderr how the work goes: a bar where stderr is a terminal and tqdm is installed, else a line a step."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bars = not quiet and sys.stderr.isatty() and _has_tqdm()

    def say(self, text: str) -> None:
        """A remark."""
        if not self._quiet:
            sys.stderr.write(f"{text}\n")

    @contextmanager
    def step(self, label: str) -> Iterator[Progress | None]:
        """Around a step that may have parts."""
        if self._quiet:
            yield None
        elif self._bars:
            with _bar(label) as progress:
                yield progress
        else:
            self.say(label)
            yield None


def _has_tqdm() -> bool:
    return find_spec("tqdm") is not None


@contextmanager
def _bar(label: str) -> Iterator[Progress]:
    from tqdm import tqdm

    with tqdm(desc=label, bar_format="{desc:<40} {bar:24} {n_fmt}/{total_fmt} {elapsed}", total=1, leave=True) as bar:
        told = False

        def progress(done: int, total: int, record: dict[str, float]) -> None:
            nonlocal told
            told = True
            bar.total = total
            bar.update(done - bar.n)

        yield progress
        if not told:
            bar.update(1)

"""What a command says while it works, on stderr; its results go to stdout."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from ..pipeline.watch import Watch


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


def watch(arguments: argparse.Namespace) -> Watch:
    """Who hears how the work goes: nobody with --quiet."""
    from ..pipeline.watch import Console, Silent

    return Silent() if arguments.quiet else Console()

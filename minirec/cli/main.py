"""The command `minirec`. Everything heavy is imported by the command that needs it, so that --help answers at once."""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Sequence

from ..errors import DataError, MinirecError, ModelFileError, NotSupportedError, ParameterError, UnknownIdError
from .console import err, show_warning
from .inputs import CLEANING, READER
from .parser import build_parser

BAD_INPUT = (ParameterError, DataError, UnknownIdError, ModelFileError, NotSupportedError)
OPTIONS = (*READER, *CLEANING, "split", "models", "model", "k", "test", "seed", "weights", "target", "include_seen", "prefer", "price",
           "budget", "text", "encoder", "memory", "threads", "backend", "out", "metric", "validation", "sampler", "where")  # fmt: skip
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit code: 0, 2 for usage and bad input, 1 for failures and failed checks, 130 for Ctrl-C."""
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as stop:  # --help, --version, or a usage error that argparse has explained
        return int(stop.code or 0)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            return _with_settings(arguments)
    except KeyboardInterrupt:
        err("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as head, has had enough
        sys.stderr.close()
        return OK
    except Exception as error:
        if arguments.debug:
            raise
        err(f"error: {_explain(error)}")
        return USAGE if isinstance(error, BAD_INPUT) else FAILED


def _with_settings(arguments: argparse.Namespace) -> int:
    from ..options import options

    with options(threads=arguments.threads, backend=arguments.backend, memory=arguments.memory):
        return int(arguments.handler(arguments) or OK)


def in_options(text: str) -> str:
    """A message with Python's arguments written as options: user='x' as --user x; an option already named in brackets stays once."""
    names = "|".join(sorted({*OPTIONS, *(name.replace("_", "-") for name in OPTIONS)} - {"name"}, key=len, reverse=True))

    def option(match: re.Match[str]) -> str:
        value = match[2].strip("'\"")
        return f"--{match[1].replace('_', '-')}" + ("" if value == "..." else f" {value}")

    text = re.sub(rf"(?<![\w.-])({names})=('[^']*'|\"[^\"]*\"|\.\.\.|[\w.-]*\w)", option, text)
    text = re.sub(r"(--[\w-]+), (?=\1\b)", "", text)
    return re.sub(r"(--[\w-]+)(?: [\w.|-]+)? \((\1[^()]*)\)", r"\2", text)


def _explain(error: Exception) -> str:
    if isinstance(error, MinirecError):
        return in_options(str(error))
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error} (--debug shows where)"


if __name__ == "__main__":
    sys.exit(main())

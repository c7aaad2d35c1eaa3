"""The command `minirec`. Everything heavy is imported by the command that needs it, so that --help answers at once."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence

from ..errors import DataError, MinirecError, ModelFileError, NotSupportedError, ParameterError, UnknownIdError
from .console import err, show_warning
from .parser import build_parser

BAD_INPUT = (ParameterError, DataError, UnknownIdError, ModelFileError, NotSupportedError)
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


def _explain(error: Exception) -> str:
    if isinstance(error, MinirecError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error} (--debug shows where)"


if __name__ == "__main__":
    sys.exit(main())

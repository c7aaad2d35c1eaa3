"""The command line of `minirec`: a group of commands stands in a file of its own and joins here."""

from __future__ import annotations

import argparse

from .._version import __version__
from .audit import add_audit
from .commands import Commands, Help, Parser
from .data import add_data
from .events import add_events
from .lists import add_lists
from .models import add_models
from .report import add_report
from .rerank import add_rerank
from .run import add_run
from .serve import add_serve
from .settings import global_settings
from .simulate import add_simulate

GROUPS = (  # in the order of `minirec --help`
    *(add_run, add_report, add_models, add_lists, add_rerank, add_audit),
    *(add_data, add_serve, add_events, add_simulate),
)


def build_parser() -> argparse.ArgumentParser:
    """The parser; the namespace it gives holds the name of the command as `command` and what runs it as `handler`."""
    parser = Parser(prog="minirec", description="A recommender engine for the long tail.", formatter_class=Help)
    parser.add_argument("--version", action="version", version=f"minirec {__version__}")
    global_settings(parser, default=None)
    commands = Commands(parser)
    for add in GROUPS:
        add(commands)
    return parser

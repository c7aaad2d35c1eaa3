"""How a command joins the parser: its name, its help, its handler."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

from .settings import global_settings

Handler: TypeAlias = Callable[[argparse.Namespace], int | None]  # the exit code; None: 0


class Parser(argparse.ArgumentParser):
    """Usage errors end with code 2, in one line, and name the command to ask for --help."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"minirec: error: {message}\nTry: {self.prog} --help\n")


class Help(argparse.RawDescriptionHelpFormatter):
    """Wide columns, and the examples at the end as they were written."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=110)


class Commands:
    """The commands of a parser, or of a group such as `minirec data`."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._actions: Any = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
        self._shared = Parser(add_help=False)
        global_settings(self._shared, default=argparse.SUPPRESS)

    def add(self, name: str, text: str, handler: Handler, *, examples: str) -> argparse.ArgumentParser:
        """A new command; the caller adds its own arguments. `examples`: command lines, one a line, shown at the end of its help."""
        made = self._make(name, text, examples)
        made.set_defaults(command=name, handler=handler)
        return made

    def group(self, name: str, text: str, *, examples: str) -> Commands:
        """A command that has commands of its own."""
        return Commands(self._make(name, text, examples))

    def _make(self, name: str, text: str, examples: str) -> argparse.ArgumentParser:
        lines = "\n".join(f"  {line}" for line in examples.strip().splitlines())
        made: argparse.ArgumentParser = self._actions.add_parser(
            name, help=text, description=text, epilog=f"examples:\n{lines}", parents=[self._shared], formatter_class=Help
        )
        return made

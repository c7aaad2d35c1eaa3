"""`minirec report`: the page of a run again, or what changed between two runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import DataError, ParameterError
from .commands import Commands
from .console import note
from .inputs import json_file


def add_report(commands: Commands) -> None:
    """The command and its arguments."""
    report = commands.add(
        "report",
        "write the page of a run again, or compare two runs",
        _report,
        examples="""
minirec report minirec-out
minirec report minirec-out --lang zh --out bericht.html
minirec report last-month this-month --out changes.html
""",
    )
    report.add_argument("folders", nargs="+", metavar="FOLDER", help="the folder of a run; two: what changed from the first to the second")
    report.add_argument("--lang", choices=("en", "zh"), default="en", help="of the page (default: %(default)s)")
    report.add_argument("--out", metavar="FILE", help="default: report.html in the (last) folder; changes.html for two")


def _page(folder: str) -> dict[str, Any]:
    path = Path(folder)
    record = json_file(str(path / "run.json" if path.is_dir() else path))
    page = record.get("page")
    if not isinstance(page, dict) or page.get("version") != 1:
        raise DataError(f"{folder} holds no page that this minirec can read: run it again")
    return page


def _report(arguments: argparse.Namespace) -> None:
    from ..files import atomic_path
    from ..report.compare import render_comparison
    from ..report.page import render

    if len(arguments.folders) > 2:
        raise ParameterError("give one folder, or two to compare")
    pages: list[Any] = [_page(folder) for folder in arguments.folders]
    folder = Path(arguments.folders[-1])
    folder = folder if folder.is_dir() else folder.parent
    out = Path(arguments.out) if arguments.out else folder / ("report.html" if len(pages) == 1 else "changes.html")
    text = render(pages[0], arguments.lang) if len(pages) == 1 else render_comparison(pages[0], pages[1], arguments.lang)
    with atomic_path(out) as draft:
        draft.write_text(text, encoding="utf-8")
    note(arguments, f"written to {out}")

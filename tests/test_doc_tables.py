"""Tables of the documentation that are made from the code say what the code says; `python tests/test_doc_tables.py` makes them anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minirec.cli.parser import build_parser
from minirec.models.contract.abilities import abilities_table

DOCS = Path(__file__).parent.parent / "docs"


def made(page: str) -> str:
    """The part of a page between its marks."""
    text = (DOCS / page).read_text(encoding="utf-8")
    start = text.index("-->", text.index("<!-- made")) + 3
    return text[start : text.index("<!-- end -->")].strip()


def command_table() -> str:
    lines = ["| command | what it does |", "|---|---|"]

    def add(parser: Any, name: str) -> None:
        for action in parser._actions:
            if isinstance(getattr(action, "choices", None), dict):
                for choice in action._choices_actions:
                    sub = action.choices[choice.dest]
                    full = f"{name} {choice.dest}"
                    if any(isinstance(getattr(inner, "choices", None), dict) for inner in sub._actions):
                        add(sub, full)
                    else:
                        lines.append(f"| `{full}` | {choice.help} |")

    add(build_parser(), "minirec")
    return "\n".join(lines)


TABLES = {"incremental.md": abilities_table, "cli.md": command_table}


def write() -> None:
    """Put the tables into the pages."""
    for page, table in TABLES.items():
        text = (DOCS / page).read_text(encoding="utf-8")
        (DOCS / page).write_text(text.replace(made(page), table()), encoding="utf-8")


def test_what_models_can_do() -> None:
    assert made("incremental.md") == abilities_table()


def test_commands() -> None:
    assert made("cli.md") == command_table()


if __name__ == "__main__":
    write()

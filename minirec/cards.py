"""What objects look like in a notebook: a title, a few facts, a table; always short, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

ROWS = 20  # of a table; what is beyond is counted
TEXT = 80  # characters of a cell

_STYLE = (
    "<style>.minirec{font:13px/1.45 system-ui,sans-serif}.minirec table{border-collapse:collapse;margin:4px 0}"
    ".minirec th,.minirec td{padding:2px 10px 2px 0;text-align:left;border-bottom:1px solid #8884;font-weight:400}"
    ".minirec thead th{opacity:.7}.minirec td.n{text-align:right;font-variant-numeric:tabular-nums}</style>"
)


def card(
    title: str,
    facts: Mapping[str, Any] | None = None,
    table: Mapping[str, Sequence[Any]] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """HTML of an object: below 20 kB whatever its size.

    facts : shown as name and value. table : columns of equal length, of which the first `ROWS` rows are shown. notes : lines below.

    >>> "<b>Dataset</b>" in card("Dataset", {"events": 3})
    True
    """
    parts = [f'<div class="minirec">{_STYLE}<b>{_text(title)}</b>']
    if facts:
        rows = "".join(f'<tr><th scope="row">{_text(name)}</th><td>{_text(value)}</td></tr>' for name, value in list(facts.items())[:ROWS])
        parts.append(f"<table><tbody>{rows}</tbody></table>")
    if table:
        names = list(table)[:10]
        head = "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
        count = len(table[names[0]])
        rows = "".join(f"<tr>{''.join(_cell(table[name][at]) for name in names)}</tr>" for at in range(min(count, ROWS)))
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
        if count > ROWS:
            parts.append(f"<p>{count - ROWS:,} more</p>")
    parts += [f"<p>{_text(note, 400)}</p>" for note in notes[:5]]
    return "".join(parts) + "</div>"


def _cell(value: Any) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"<td{' class=n' if number else ''}>{_text(value)}</td>"


def _text(value: Any, most: int = TEXT) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if value == value else ""
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return escape(text if len(text) <= most else text[: most - 1] + "…")

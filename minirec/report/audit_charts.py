"""Small drawings of an audit, as SVG by hand: a figure with its interval and its threshold, a share."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from .audit_words import Say

WIDTH, HEIGHT, PAD = 220, 30, 8


def interval_chart(finding: Mapping[str, Any]) -> str:
    """The figure as a dot on its interval, the threshold as an upright line, the side that was wanted shaded; "" without a figure."""
    value, threshold = finding["value"], float(finding["threshold"])
    if value is None:
        return ""
    low = value if finding["low"] is None else finding["low"]
    high = value if finding["high"] is None else finding["high"]
    first, last = min(low, threshold), max(high, threshold)
    span = (last - first) or max(abs(last), 1.0)
    first, last = first - 0.12 * span, last + 0.12 * span

    def x(at: float) -> float:
        return float(round(PAD + (WIDTH - 2 * PAD) * (at - first) / (last - first), 1))

    wanted = (PAD, x(threshold)) if finding["direction"] == "at most" else (x(threshold), WIDTH - PAD)
    middle = HEIGHT / 2
    kind = {"pass": "pass", "fail": "fail", "cannot tell": "cannot"}[finding["verdict"]]
    return (
        f'<svg class="chart {kind}" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{value:.4g}; {low:.4g} \u2013 {high:.4g}; {escape(finding["direction"])} {threshold:.4g}">'
        f'<rect class="wanted" x="{wanted[0]}" y="4" width="{round(max(wanted[1] - wanted[0], 0), 1)}" height="{HEIGHT - 8}"/>'
        f'<line class="threshold" x1="{x(threshold)}" x2="{x(threshold)}" y1="2" y2="{HEIGHT - 2}"/>'
        f'<line class="whisker" x1="{x(low)}" x2="{x(high)}" y1="{middle}" y2="{middle}"/>'
        f'<circle class="dot" cx="{x(value)}" cy="{middle}" r="4.5"/></svg>'
    )


def legend(say: Say) -> str:
    """How to read the drawings."""
    text = say("In the drawings: the dot is the figure, the bar its interval, the upright line the threshold, the shade the side that was "
               "wanted.")  # fmt: skip
    return f'<p class="note">{escape(text)}</p>'


def share_bar(share: float) -> str:
    """A share from 0 to 1 as a bar."""
    width = round(WIDTH * min(max(share, 0.0), 1.0), 1)
    return (
        f'<svg class="bar" viewBox="0 0 {WIDTH} 12" width="{WIDTH}" height="12" aria-hidden="true">'
        f'<rect class="rest" width="{WIDTH}" height="12"/><rect class="part" width="{width}" height="12"/></svg>'
    )

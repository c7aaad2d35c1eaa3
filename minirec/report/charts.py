"""The charts of the page, drawn as SVG by hand: colors and fonts are the page's own, so one drawing serves light and dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from .contents import GROUP_NAMES, ModelRow
from .words import Words

WIDTH, HEIGHT = 560, 330
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 16, 44
CHARACTER = 6.3  # width of a letter at 12 px, about


def short(value: float) -> str:
    """A metric in few characters."""
    digits = 3 if value >= 0.0095 else 4 if value >= 0.00095 else 5
    return f"{value:.{digits}f}" if value else "0"


def frontier(rows: Sequence[ModelRow], accuracy: str, tail: str, words: Words, k: int) -> str:
    """A dot a model: NDCG of tail items against NDCG; rings mark the picks, hollow dots the references."""
    shown = [row for row in rows if accuracy in row["figures"] and row["name"] != "Random"] or list(rows)
    points = [(_value(row, tail), _value(row, accuracy)) for row in shown]
    x_axis, y_axis = _Axis(0, max(x for x, _ in points), LEFT, WIDTH - RIGHT), _Axis(0, max(y for _, y in points), HEIGHT - BOTTOM, TOP)
    parts = [_grid(x_axis, y_axis, words("n_tail.ndcg", k=k), words("n_ndcg", k=k))]
    places = [(x_axis(x), y_axis(y)) for x, y in points]
    boxes = [(x - 9, y - 9, x + 9, y + 9) for x, y in places]
    for row, (x, y) in zip(shown, places, strict=True):
        figure = row["figures"][accuracy]
        color = "var(--accent)" if row["roles"] else "var(--muted)"
        if figure["low"] is not None and figure["high"] is not None:
            low, high = y_axis(figure["low"]), y_axis(figure["high"])
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{color}"/>')
        if row["roles"]:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8.5" fill="none" stroke="{color}" stroke-width="1.6"/>')
        fill = "var(--paper)" if row["reference"] else color
        hint = f"{row['name']}: {words('n_ndcg', k=k)} {figure['value']:.4f}, {words('n_tail.ndcg', k=k)} {_value(row, tail):.5f}"
        dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{fill}" stroke="{color}" stroke-width="1.5">'
        parts.append(f"{dot}<title>{escape(hint)}</title></circle>")
    for row, place in zip(shown, places, strict=True):
        label = row["name"] + "".join(f" ({words(_role(role))})" for role in row["roles"] if not row["name"].endswith(f"({role})"))
        x, y, anchor = _free_place(label, place, boxes)
        weight = ' font-weight="600"' if row["roles"] else ""
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="12"{weight}>{escape(label)}</text>')
    return _svg(WIDTH, HEIGHT, words("frontier"), parts)


def _role(role: str) -> str:
    return "tail_pick" if role == "tail" else role


def _value(row: ModelRow, key: str) -> float:
    return row["figures"][key]["value"] if key in row["figures"] else 0.0


def _free_place(label: str, place: tuple[float, float], boxes: list[tuple[float, float, float, float]]) -> tuple[float, float, str]:
    """Where a label meets no other label and no dot, near its own; the place is taken then."""
    x, y = place
    width = CHARACTER * len(label)
    best: tuple[float, float, float, str, tuple[float, float, float, float]] | None = None
    for reach in (13, 22, 34, 48, 64):
        for dx, dy, anchor in (
            (reach, 4, "start"), (-reach, 4, "end"), (0, -reach, "middle"), (0, reach + 8, "middle"),
            (reach, -reach, "start"), (reach, reach + 4, "start"), (-reach, -reach, "end"), (-reach, reach + 4, "end"),
        ):  # fmt: skip
            left = x + dx - {"start": 0.0, "end": width, "middle": width / 2}[anchor]
            box = (left, y + dy - 10, left + width, y + dy + 3)
            outside = max(LEFT - box[0], 0) + max(box[2] - WIDTH, 0) + max(2 - box[1], 0) + max(box[3] - HEIGHT + BOTTOM, 0)
            cost = 100 * outside + sum(_overlap(box, other) for other in boxes) + 0.3 * reach
            if best is None or cost < best[0]:
                best = (cost, x + dx, y + dy, anchor, box)
    assert best is not None
    boxes.append(best[4])
    return best[1], best[2], best[3]


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0.0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)


def group_bars(rows: Sequence[ModelRow], metric: str, words: Words) -> str:
    """One panel a group (by interaction mass), a bar a model with its interval; each panel has a scale of its own."""
    present = [group for group in GROUP_NAMES if any(f"mass_{group}.{metric}" in row["figures"] for row in rows)]
    if not present:
        return ""
    names = 14 + 7.2 * max(len(row["name"]) for row in rows)
    width, step = (WIDTH - names) / len(present), 20
    parts = []
    for number, row in enumerate(rows):
        weight = ' font-weight="600"' if row["roles"] else ""
        parts.append(
            f'<text x="{names - 8:.0f}" y="{44 + step * number}" text-anchor="end" font-size="12"{weight}>{escape(row["name"])}</text>'
        )
    for panel, group in enumerate(present):
        start = names + panel * width
        label = words("tail_group" if group == "tail" else group)
        parts.append(f'<text x="{start:.0f}" y="18" font-size="12" font-weight="600">{escape(label)}</text>')
        found = [row["figures"].get(f"mass_{group}.{metric}", {"value": 0.0, "low": None, "high": None}) for row in rows]
        most = max([figure["high"] or figure["value"] for figure in found]) or 1.0
        scale = (width - 58) / most
        for number, figure in enumerate(found):
            y, long = 34 + step * number, figure["value"] * scale
            end = start + long
            parts.append(f'<rect x="{start:.1f}" y="{y}" width="{long:.1f}" height="13" fill="var(--{group})"/>')
            if figure["low"] is not None and figure["high"] is not None:
                end = start + figure["high"] * scale
                middle = y + 6.5
                parts.append(
                    f'<line x1="{start + figure["low"] * scale:.1f}" x2="{end:.1f}" y1="{middle}" y2="{middle}" stroke="var(--ink)"/>'
                )
            parts.append(f'<text x="{end + 4:.1f}" y="{y + 11}" font-size="11">{short(figure["value"])}</text>')
    return _svg(WIDTH, 42 + step * len(rows), words("bars_caption", k=metric.partition("@")[2]), parts)


def long_tail(curve: Sequence[Sequence[int]], groups: Mapping[str, Mapping[str, Mapping[str, Any]]], words: Words) -> str:
    """Users of each item by its rank, both axes logarithmic, with head, middle and tail by mass shaded."""
    n, most = curve[-1][0], max(curve[0][1], 2)

    def at_x(rank: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(max(rank, 0.8) / 0.8) / math.log(max(n, 2) * 1.1 / 0.8)

    def at_y(users: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP - 46) * math.log(max(users, 0.7) / 0.7) / math.log(most / 0.7)

    base, start, labels, parts = HEIGHT - BOTTOM, 0, [], []
    for group in GROUP_NAMES:
        row = groups["mass"].get(group)
        if row is None:
            continue
        stop = start + int(row["items"])
        inside = [(rank, users) for rank, users in curve if start < rank <= stop]
        before = [users for rank, users in curve if rank <= start + 1][-1]
        after = [users for rank, users in curve if rank <= stop][-1]
        line = [(start + 0.8, before), *inside, (stop + 0.5, after)]
        path = " ".join(f"L{at_x(rank):.1f} {at_y(users):.1f}" for rank, users in line)
        left, right = at_x(start + 0.8), at_x(stop + 0.5)
        parts.append(f'<path d="M{left:.1f} {base} {path} L{right:.1f} {base} Z" fill="var(--{group})" fill-opacity=".28"/>')
        parts.append(f'<path d="M{path[1:]}" fill="none" stroke="var(--{group})" stroke-width="2"/>')
        text = [words("tail_group" if group == "tail" else group), f"{int(row['items']):,}", f"{100 * row['interaction_share']:.0f} %"]
        labels.append(((left + right) / 2, text))
        start = stop
    place = float(LEFT)
    for middle, text in labels:  # side by side, in the order of the groups, never one over the other
        half = CHARACTER * max(map(len, text)) / 2 + 4
        x = min(max(middle, place + half), WIDTH - RIGHT - half)
        place = x + half
        for line_number, entry in enumerate(text):
            parts.append(f'<text x="{x:.1f}" y="{TOP + 2 + 14 * line_number}" text-anchor="middle" font-size="12">{escape(entry)}</text>')
    for power in range(9):
        if 10**power <= n:
            parts.append(
                f'<text x="{at_x(10**power):.1f}" y="{base + 16}" text-anchor="middle" font-size="11" class="quiet">{10**power:,}</text>'
            )
        if 10**power <= most:
            parts.append(
                f'<text x="{LEFT - 6}" y="{at_y(10**power) + 4:.1f}" text-anchor="end" font-size="11" class="quiet">{10**power:,}</text>'
            )
    parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}" stroke="var(--rule)"/>')
    parts.append(_titles(words("x_rank"), words("y_users")))
    return _svg(WIDTH, HEIGHT, words("curve_caption"), parts)


class _Axis:
    """Values from `low` on to places, with room above the largest."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = low, 1.1 * high or 1.0
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        return self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        rough = (self.high - self.low) / 5
        size = 10 ** math.floor(math.log10(rough))
        step = min((size * m for m in (1, 2, 5, 10)), key=lambda s: abs(s - rough))
        return [step * number for number in range(int(self.high / step) + 1)]


def _grid(x_axis: _Axis, y_axis: _Axis, x_title: str, y_title: str) -> str:
    parts = []
    for value in x_axis.ticks():
        x = x_axis(value)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="var(--rule)"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle" font-size="11" class="quiet">{value:g}</text>')
    for value in y_axis.ticks():
        y = y_axis(value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--rule)"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" font-size="11" class="quiet">{value:g}</text>')
    return "".join(parts) + _titles(x_title, y_title)


def _titles(x_title: str, y_title: str) -> str:
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return (
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle" font-size="12" class="quiet">'
        f"{escape(x_title)}</text>"
        f'<text transform="translate(12 {middle}) rotate(-90)" text-anchor="middle" font-size="12" class="quiet">{escape(y_title)}</text>'
    )


def _svg(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'

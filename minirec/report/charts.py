"""The charts of the report, as SVG to stand inside the page: its colours and its font are the page's own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtraError
from .contents import GROUP_NAMES, Figure, ModelRow

# Colours that stand for a variable of the page's style sheet, so that one drawing serves a light and a dark page.
_PAINT = {
    "ink": "#010101", "muted": "#020202", "rule": "#030303", "head": "#040404", "middle": "#050505", "tail": "#060606",
    "accent": "#070707", "paper": "#080808",
}  # fmt: skip
_STYLE = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",  # comes with Matplotlib, so the layout is the same everywhere; the page then puts its own font in
    "font.size": 9.5,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": _PAINT["ink"],
    "axes.labelcolor": _PAINT["muted"],
    "axes.edgecolor": _PAINT["rule"],
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": _PAINT["rule"],
    "grid.linewidth": 0.6,
    "xtick.color": _PAINT["rule"],
    "ytick.color": _PAINT["rule"],
    "xtick.labelcolor": _PAINT["muted"],
    "ytick.labelcolor": _PAINT["muted"],
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "text.color": _PAINT["ink"],
    "figure.facecolor": "none",
    "lines.solid_capstyle": "round",
}
WIDTH = 5.2  # inches: about 500 pixels, half of a wide page, and still readable where it is shrunk to a telephone's
CURVE_POINTS = 400


def long_tail(popularity: NDArray[np.int64], groups: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Users of each item by its rank, both axes logarithmic, with head, middle and tail by mass, and head by count marked."""
    n = len(popularity)
    ranks = np.unique(np.geomspace(1, n, min(n, CURVE_POINTS)).round().astype(np.int64))
    with _style():
        figure, (axes,) = _figure(3.1)
        axes.set_xscale("log")
        axes.set_yscale("log")
        top = float(popularity[0]) * (float(popularity[0]) / 0.7) ** 0.3  # room for the names above the curve
        start = 0
        for group in GROUP_NAMES:
            row = groups["mass"].get(group)
            if row is None:
                continue
            stop = start + int(row["items"])
            inside = np.unique(np.concatenate(([start + 1, stop], ranks[(ranks > start) & (ranks <= stop)])))
            left, right = max(start + 0.5, 0.8), stop + 0.5
            steps = np.concatenate(([left], inside, [right]))
            heights = popularity[np.concatenate(([start], inside - 1, [stop - 1]))]
            axes.fill_between(steps, 0.7, heights, color=_PAINT[group], alpha=0.28, linewidth=0)
            axes.plot(steps, heights, color=_PAINT[group], linewidth=2)
            text = f"{group}\n{int(row['items']):,} items\n{whole_percent(row['interaction_share'])}"
            narrow = np.log10(right / left) < 0.2 * np.log10(n + 1)  # then the text stands at the outer edge of the drawing
            side = "center" if not narrow or group == "middle" else "left" if group == "head" else "right"
            seen = right if group == "tail" else max(min(right, n**0.8), 1.5 * left)  # what the name of a narrow tail leaves free
            at = {"center": np.sqrt(left * seen), "left": 0.8, "right": n * 1.1 + 1}[side]
            axes.text(at, top * 0.9, text, ha=side, va="top", fontsize=9, linespacing=1.35)
            start = stop
        head = int(groups["count"]["head"]["items"])
        axes.axvline(head + 0.5, ymax=0.8, color=_PAINT["muted"], linewidth=1, linestyle=(0, (3, 3)))
        axes.set_xlim(0.8, n * 1.1 + 1)
        axes.set_ylim(0.7, top)
        axes.set_xlabel("items, most popular first")
        axes.set_ylabel("users of the item")
        _plain_log(axes.xaxis, axes.yaxis)
        return _svg(figure, "tail", "Number of users of each item against its rank; head, middle and tail are shaded")


def group_bars(models: Sequence[ModelRow], metric: str, best: str) -> str:
    """One panel a group (by interaction mass), a bar a model with its interval; each panel has a scale of its own."""
    present = [group for group in GROUP_NAMES if any(f"mass_{group}.{metric}" in row.figures for row in models)]
    with _style():
        figure, panels = _figure(0.55 + 0.3 * len(models), len(present), sharey=True)
        for axes, group in zip(panels, present, strict=True):
            places = np.arange(len(models))[::-1]
            figures = [row.figures.get(f"mass_{group}.{metric}", Figure(0.0)) for row in models]
            values = np.array([figure.value for figure in figures])
            largest = max([figure.high or figure.value for figure in figures]) or 1.0
            axes.barh(places, values, height=0.62, color=_PAINT[group], alpha=0.9)
            for place, found in zip(places, figures, strict=True):
                end = found.value
                if found.low is not None and found.high is not None:
                    axes.plot([found.low, found.high], [place, place], color=_PAINT["ink"], linewidth=1.1)
                    end = found.high
                axes.text(end + 0.03 * largest, place, _short(found.value), va="center", fontsize=8.5)
            axes.set_xlim(0, 1.5 * largest)
            axes.set_ylim(-0.6, len(models) - 0.4)
            axes.set_title(group)
            axes.set_xticks([])
            axes.tick_params(length=0)
            axes.spines["bottom"].set_visible(False)
        panels[0].set_yticks(places, [row.label for row in models], color=_PAINT["ink"])
        for text, row in zip(panels[0].get_yticklabels(), models, strict=True):
            text.set_fontweight("bold" if row.name == best else "normal")
        return _svg(figure, "bars", f"{metric} of each model for test items of the head, the middle and the tail")


def accuracy_against_coverage(models: Sequence[ModelRow], accuracy: str, coverage: str, labels: tuple[str, str], best: str) -> str:
    """A point a model: share of the catalogue that is recommended at all, and accuracy with its interval."""
    rows = [row for row in models if accuracy in row.figures and coverage in row.figures]
    with _style():
        figure, (axes,) = _figure(0.55 + 0.3 * max(len(models), 8))
        points = [(row.figures[coverage].value, row.figures[accuracy]) for row in rows]
        axes.grid(visible=True)
        for row, (x, y) in zip(rows, points, strict=True):
            colour = _PAINT["accent"] if row.name == best else _PAINT["muted"]
            if y.low is not None and y.high is not None:
                axes.plot([x, x], [y.low, y.high], color=colour, linewidth=1.2)
            axes.plot(
                [x], [y.value], "o", markersize=8 if row.name == best else 6.5, color=_PAINT["paper"] if row.reference else colour,
                markeredgecolor=colour, markeredgewidth=1.5, clip_on=False,
            )  # fmt: skip
        axes.set_xlim(0, min(1.15 * max(x for x, _ in points) + 0.01, 1.04))
        axes.set_ylim(0, 1.12 * max(y.high or y.value for _, y in points) or 1.0)
        axes.set_ylabel(labels[0])
        axes.set_xlabel(labels[1])
        axes.xaxis.set_major_formatter(lambda x, _: f"{100 * x:.3g} %")
        axes.tick_params(length=0)
        figure.draw_without_rendering()  # settles the layout, so that the places of the points are known
        _label_points(axes, points, rows, best)
        return _svg(figure, "scatter", f"{labels[0]} of each model against {labels[1]}")


def _label_points(axes: Any, points: list[tuple[float, Figure]], rows: Sequence[ModelRow], best: str) -> None:
    """Name the points, each name at the first place around its point where it meets no other name, no point and no edge."""

    def place(data: list[tuple[float, float]]) -> Any:
        return axes.transData.transform(data) * 72 / axes.figure.dpi  # typographic points

    places = place([(x, y.value) for x, y in points])
    bars = zip(
        place([(x, y.value if y.low is None else y.low) for x, y in points]),
        place([(x, y.value if y.high is None else y.high) for x, y in points]),
        strict=True,
    )
    frame = axes.get_window_extent().extents * 72 / axes.figure.dpi
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in places] + [(x - 1, low, x + 1, high) for (x, low), (_, high) in bars]
    for row, (x, y) in zip(rows, places, strict=True):
        width, height = 5.8 * len(row.label) + 2, 11
        tries = [
            (dx, dy, align)
            for reach in (8, 16, 26, 38)
            for dx, dy, align in (
                (reach, 0, "left"), (-reach, 0, "right"), (0, reach + 2, "center"), (0, -reach - 2, "center"),
                (reach, reach, "left"), (reach, -reach, "left"), (-reach, reach, "right"), (-reach, -reach, "right"),
            )
        ]  # fmt: skip

        def cost(offset: tuple[int, int, str], x: float = x, y: float = y, width: float = width, height: float = height) -> float:
            left = x + offset[0] - {"left": 0.0, "right": width, "center": width / 2}[offset[2]]
            box = (left, y + offset[1] - height / 2, left + width, y + offset[1] + height / 2)
            outside = max(frame[0] - box[0], 0) + max(box[2] - frame[2], 0) + max(frame[1] - box[1], 0) + max(box[3] - frame[3], 0)
            total: float = 50 * outside + sum(_overlap(box, other) for other in taken)
            return total

        dx, dy, align = min(tries, key=cost)
        left = x + dx - {"left": 0.0, "right": width, "center": width / 2}[align]
        taken.append((left, y + dy - height / 2, left + width, y + dy + height / 2))
        axes.annotate(
            row.label, (x, y), (x + dx, y + dy), xycoords="figure points", textcoords="figure points", ha=align, va="center",
            fontsize=9, fontweight="bold" if row.name == best else "normal",
            arrowprops={"arrowstyle": "-", "color": _PAINT["muted"], "linewidth": 0.5} if abs(dx) + abs(dy) > 20 else None,
        )  # fmt: skip


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0.0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)


def _style() -> AbstractContextManager[None]:
    try:
        import matplotlib as mpl
    except ImportError:
        raise MissingExtraError("matplotlib", "report", "report.html") from None
    context: AbstractContextManager[None] = mpl.rc_context(_STYLE)
    return context


def _figure(height: float, columns: int = 1, *, sharey: bool = False) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure as Drawing
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Drawing(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03))
    return figure, list(figure.subplots(1, columns, squeeze=False, sharey=sharey)[0])


def _svg(figure: Any, name: str, description: str) -> str:
    """The drawing as an <svg> element: ids that no other chart has, colours of the page, nothing that names an address."""
    from matplotlib import rc_context

    buffer = BytesIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s(xmlns(:xlink)?|version|width|height)="[^"]*"', "", text[: text.index(">")]) + text[text.index(">") :]
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text).replace("url(#", f"url(#{name}-")
    for variable, colour in _PAINT.items():
        text = text.replace(colour, f"var(--{variable})")
    return text.replace("<svg", f'<svg role="img" aria-label="{description}"', 1).strip()


def _plain_log(*axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for one in axis:
        one.set_major_locator(LogLocator(numticks=9))
        one.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else ""))
        one.set_minor_formatter(NullFormatter())


def whole_percent(share: float) -> str:
    """A share as a whole percentage."""
    return f"{100 * share:.0f} %"


def _short(value: float) -> str:
    digits = 3 if value >= 0.0095 else 4 if value >= 0.00095 else 5
    return f"{value:.{digits}f}" if value else "0"

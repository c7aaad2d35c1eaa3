"""The pictures of RESULTS.md, as small SVG files that are the same for the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .common import Row

OWN, OTHER = "#0b6e4f", "#8d99ae"
STYLE = {
    "svg.hashsalt": "minirec",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


def _save(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _axes(n: int, height: float = 2.8) -> tuple[Any, list[Any]]:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    columns = min(n, 3)
    rows = -(-n // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(3.3 * columns, height * rows), squeeze=False)
    axes = list(grid.ravel())
    for empty in axes[n:]:
        empty.axis("off")
    return figure, axes[:n]


def ratios(rows: list[Row], path: Path) -> None:
    """A bar for each task and data set: the fastest peer's seconds over minirec's."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        figure, (axes,) = _axes(1)
        figure.set_size_inches(8, 0.6 + 0.22 * len(rows))
        values = [row["ratio"] for row in rows]
        axes.barh(range(len(rows)), values, color=[OWN if value > 1 else OTHER for value in values])
        axes.set_yticks(range(len(rows)), [f"{row['task']}, {row['data']} ({row['peer']})" for row in rows])
        axes.invert_yaxis()
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set_xscale("log")
        axes.set_xlabel("seconds of the fastest peer / seconds of minirec, 2 threads")
        _save(figure, path)


def curves(rows: list[Row], metric: str, path: Path) -> None:
    """Quality against seconds, a panel for each data set; minirec as it ran beside the first peer."""
    import matplotlib as mpl

    names = list(dict.fromkeys(row["data"] for row in rows))
    with mpl.rc_context(STYLE):
        figure, panels = _axes(len(names))
        for axes, data in zip(panels, names, strict=True):
            found = [row for row in rows if row["data"] == data]
            for row in found:
                axes.plot(*zip(*row["peer_curve"], strict=True), marker="o", markersize=2, linewidth=1, label=row["peer"])
            axes.plot(*zip(*found[0]["minirec_curve"], strict=True), marker="o", markersize=2, linewidth=1.5, color=OWN, label="minirec")
            axes.set_title(data)
            axes.set_xscale("log")
            axes.set_xlabel("seconds")
            axes.set_ylabel(metric)
            axes.legend(frameon=False)
        _save(figure, path)


def frontier(rows: list[Row], reference: str, title: str, path: Path) -> None:
    """NDCG@20 on test against that on the tail: each setting a dot, the best ones of a family joined, the chosen ones ringed."""
    import matplotlib as mpl

    choice = next(row for row in rows if row["kind"] == "choice")
    with mpl.rc_context(STYLE):
        figure, (axes,) = _axes(1)
        figure.set_size_inches(6.5, 4.2)
        for at, (family, found) in enumerate(choice["test"].items()):
            points = sorted(
                (row["test"]["tail.ndcg@20"], row["test"]["ndcg@20"]) for row in rows if row.get("family") == family and "test" in row
            )
            best = [point for point in points if not any(other[0] >= point[0] and other[1] > point[1] for other in points)]
            colour = "black" if family == reference else f"C{at}"
            axes.plot(*zip(*points, strict=True), marker="o", markersize=2, linestyle="none", color=colour, alpha=0.5)
            axes.plot(*zip(*best, strict=True), linewidth=1, color=colour, label=family)
            axes.plot(
                found["tail.ndcg@20"], found["ndcg@20"], marker="o", markersize=7, color=colour, markerfacecolor="none", linestyle="none"
            )
        axes.set_title(title)
        axes.set_xlabel("NDCG@20 on the tail")
        axes.set_ylabel("NDCG@20")
        axes.legend(frameon=False, fontsize=7)
        _save(figure, path)


def scaling(groups: Mapping[tuple[str, str, int], list[Row]], path: Path) -> None:
    """Seconds against size in logarithms, a panel for each of events, users, items and factors."""
    import matplotlib as mpl

    names = list(dict.fromkeys(axis for _, axis, _ in groups))
    with mpl.rc_context(STYLE):
        figure, panels = _axes(len(names))
        for axes, name in zip(panels, names, strict=True):
            for (operation, axis, threads), rows in groups.items():
                pairs = sorted((row[axis], row["seconds"]) for row in rows if row.get("seconds"))
                if axis == name and pairs:
                    axes.plot(*zip(*pairs, strict=True), marker="o", markersize=2, linewidth=1, label=f"{operation}, {threads} threads")
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlabel(name)
            axes.set_ylabel("seconds")
            axes.legend(frameon=False, fontsize=6)
        _save(figure, path)

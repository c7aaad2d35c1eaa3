"""The page: contents in, one self-contained HTML text out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from ..errors import MissingExtraError
from .charts import accuracy_against_coverage, group_bars, long_tail, whole_percent
from .content import ContentGain
from .contents import GROUP_NAMES, Candidate, Column, Contents, Example, Figure, ModelRow, Recommended

DASH, MINUS = "\u2013", "\u2212"
SHOWN_PARTS = 3


def render(contents: Contents) -> str:
    """The report as HTML: no script, no outside resource; light or dark as the reader's system asks.

    Needs Matplotlib and Jinja2: MissingExtraError where one is missing.
    """
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    except ImportError:
        raise MissingExtraError("jinja2", "report", "report.html") from None
    low, high = min(contents.k), max(contents.k)
    best = next(row for row in contents.models if row.name == contents.best)
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(
        files(__package__).joinpath("page.html.jinja").read_text(encoding="utf-8")
    )
    has_groups = any(f"mass_{group}.recall@{high}" in row.figures for row in contents.models for group in GROUP_NAMES)
    off_chart = [row for row in contents.models if row.name == "random" and len(contents.models) > 1]
    labels = (f"NDCG@{low}", f"share of the catalogue in the top {high} of anybody")
    page: str = template.render(
        c=contents,
        k_low=low,
        k_high=high,
        best=best.label,
        lead=_lead(contents, best),
        tiles=_tiles(contents),
        periods=any(chunk.period for chunk in contents.chunks),
        curve=Markup(long_tail(contents.popularity, contents.groups)),
        curve_caption=_curve_caption(contents.groups),
        bars=Markup(group_bars(contents.models, f"recall@{high}", contents.best)) if has_groups else "",
        bars_caption=f"Recall@{high} for test items of the head, the middle and the tail by interaction mass: the share of a user's test "
        "items of that group that stand in the user's list. Each panel has its own scale; the thin lines are 95 % intervals.",
        scatter=Markup(
            accuracy_against_coverage(
                [row for row in contents.models if row not in off_chart], f"ndcg@{low}", f"coverage@{high}", labels, contents.best
            )
        ),
        scatter_caption=_scatter_caption(off_chart, low, high),
        rows=[_model_row(row, contents) for row in contents.models],
        candidates=[_candidate(row) for row in contents.candidates],
        differences=[_difference(row, contents) for row in contents.differences],
        content=_content(contents.content) if contents.content is not None else None,
        examples_lead=_examples_lead(contents, best),
        examples=[_example(example) for example in contents.examples],
        glossary=_glossary(contents),
    )
    return re.sub(r"(?<=\d) %", "\u00a0%", page)  # a number and its sign stay on one line


def number(value: float) -> str:
    """A metric as text: four decimals, five where the fifth matters."""
    return f"{value:.4f}" if value == 0 or abs(value) >= 1e-3 else f"{value:.5f}"


def _interval(figure: Figure, percent: bool = False) -> str:
    if figure.low is None or figure.high is None:
        return ""
    write = _percent if percent else number
    return f"{write(figure.low)} {DASH} {write(figure.high)}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %" if value == 0 or value >= 0.001 else f"{100 * value:.2g} %"


def _lead(contents: Contents, best: ModelRow) -> str:
    low, high = min(contents.k), max(contents.k)
    judged = sum(not row.reference for row in contents.models)
    text = f"{best.label} is chosen" + (f" out of {judged} models" if judged > 1 else "")
    accuracy, tail = best.figures.get(f"ndcg@{low}"), best.figures.get(f"tail.recall@{high}")
    if accuracy is not None:
        text += f": NDCG@{low} {number(accuracy.value)} on the test events"
    popular = next((row.figures.get(f"tail.recall@{high}") for row in contents.models if row.name == "popularity"), None)
    if tail is not None:
        text += f", and recall@{high} {number(tail.value)} for items of the long tail"
        if popular is not None and popular is not tail:
            text += f" (the most popular items: {number(popular.value)})"
    return text + "."


def _tiles(contents: Contents) -> list[tuple[str, str]]:
    whole = contents.chunks[0]
    tail = contents.groups["mass"].get("tail")
    tiles = [(f"{whole.events:,}", "events"), (f"{whole.users:,}", "users"), (f"{whole.items:,}", "items")]
    if tail is not None:
        tiles.append(
            (
                whole_percent(tail["item_share"]),
                f"of the items share the last {whole_percent(tail['interaction_share'])} of the interactions",
            )
        )
    return tiles


def _curve_caption(groups: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    head = groups["count"]["head"]
    return (
        "The long tail of the train events. Shaded: head, middle and tail by interaction mass, the first 20 %, the next 60 % and the last "
        f"20 % of the interactions. Dashed: the head by item count, the 20 % most popular items ({int(head['items']):,} of them, with "
        f"{whole_percent(head['interaction_share'])} of the interactions); everything to its right is the tail by item count."
    )


def _scatter_caption(off_chart: list[ModelRow], low: int, high: int) -> str:
    text = (
        "Accuracy against coverage: up is more accurate, right is more of the catalogue shown to somebody. Hollow: a reference that does "
        "not look at the user."
    )
    for row in off_chart:  # far to the right and at the bottom, it would crowd the others together
        figures = row.figures
        if f"coverage@{high}" in figures and f"ndcg@{low}" in figures:
            text += (
                f" Off the chart: {row.label}, at {_percent(figures[f'coverage@{high}'].value)} and {number(figures[f'ndcg@{low}'].value)}."
            )
    return text


def _model_row(row: ModelRow, contents: Contents) -> dict[str, Any]:
    return {
        "label": row.label,
        "best": row.name == contents.best,
        "reference": row.reference,
        "seconds": f"{row.seconds:.1f}",
        "cells": [_cell(row, column, contents.models) for column in contents.columns],
    }


def _cell(row: ModelRow, column: Column, models: list[ModelRow]) -> dict[str, Any]:
    figure = row.figures.get(column.key)
    if figure is None:
        return {"label": column.label, "value": DASH, "interval": "", "top": False}
    rivals = [other.figures[column.key].value for other in models if column.key in other.figures and not other.reference]
    top = not row.reference and figure.value == (min(rivals) if column.lower_is_better else max(rivals))
    value = _percent(figure.value) if column.percent else number(figure.value)
    return {"label": column.label, "value": value, "interval": _interval(figure, column.percent), "top": top and figure.value > 0}


def _candidate(row: Candidate) -> dict[str, Any]:
    cells: dict[str, Any] = {"label": row.label, "best": row.verdict.endswith("chosen"), "verdict": row.verdict}
    for name, figure in (("accuracy", row.accuracy), ("tail", row.tail)):
        cells[name] = DASH if figure is None else number(figure.value)
        cells[f"{name}_interval"] = "" if figure is None else _interval(figure)
    return cells


def _difference(row: dict[str, Any], contents: Contents) -> dict[str, str]:
    label = {model.name: model.label for model in contents.models}
    return {
        "other": label[row["b"]],
        "metric": row["metric"].replace("ndcg", "NDCG"),
        "value": _signed(row["difference"]),
        "interval": f"{_signed(row['low'])} {DASH} {_signed(row['high'])}",
        "p": _p(row["p_holm"]),
    }


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", MINUS)


def _content(panel: ContentGain) -> dict[str, Any]:
    """The panel on content, as texts."""
    made = panel.encoded
    cost = f"in {panel.seconds:.1f} s and by {made.megabytes:,.0f} MB of memory"
    if made.read:
        cost += f"; those of {made.read:,} of {made.read + made.made:,} texts were there, in the cache of an earlier run"
    if not made.made:
        cost = "in an earlier run, and read from its cache: what that took is not known here"
    lead = (
        f"The texts of the items ({', '.join(panel.columns)}) were made into vectors of {made.dimension} numbers by {made.encoder}, "
        f"{cost}. {_chosen(panel)}"
    )
    return {
        "lead": lead,
        "with": panel.with_content,
        "without": panel.without_content,
        "k": panel.k,
        "rows": [
            {
                "group": row.group,
                "with": _with_interval(row.with_content),
                "without": _with_interval(row.without_content),
                "gain": f"{100 * row.difference.value / row.without_content.value:+.0f} %".replace("-", MINUS)
                if row.without_content.value
                else DASH,
                "difference": _signed(row.difference.value),
                "interval": f"{_signed(row.difference.low or 0)} {DASH} {_signed(row.difference.high or 0)}",
                "p": _p(row.p),
            }
            for row in panel.rows
        ],
        "new": [
            {"label": row.label, **{name: _with_interval(getattr(row, name)) for name in ("recall", "ndcg", "among_all")}}
            for row in panel.new
        ],
        "new_lead": f"{panel.new_items:,} items were taken out with all their events; the models were fitted on the rest and told of the "
        f"items by their content alone. In random order among themselves they would have a recall@{panel.k} of {number(panel.chance)}; a "
        "model that knows no content cannot recommend them at all.",
    }


def _chosen(panel: ContentGain) -> str:
    if panel.with_content is None:
        return "No model that knows these vectors could be fitted."
    others = f"of the others {panel.without_content}" if panel.without_content else "and no other is there to compare it with"
    return f"Of the models that know these vectors validation chooses {panel.with_content}, {others}."


def _with_interval(figure: Figure) -> tuple[str, str]:
    return number(figure.value), _interval(figure)


def _examples_lead(contents: Contents, best: ModelRow) -> str:
    text = (
        f"Lists of {best.label}, fitted on the train events, for test users with few, a middling number of, and many known items "
        "(at a quarter, a half and three quarters of their order). Dots: the item's group by interaction mass."
    )
    if any(item.hit for example in contents.examples for item in example.items):
        text += " “In test” marks an item that the user did take later, which the model could not know."
    if contents.why_no_parts:
        return f"{text} {contents.why_no_parts}"
    return text + " Below an item stands what its score is made of, in percent of all parts."


def _example(example: Example) -> dict[str, Any]:
    shown = len(example.history)
    return {
        "user": example.user,
        "history_title": f"The last {shown} of {example.known:,} items known" if shown < example.known else f"All {shown} items known",
        "history": example.history,
        "listed": [
            {"text": item.text, "group": item.group, "hit": item.hit, "because": _because(item)} for item in example.items
        ],
    }  # fmt: skip


def _because(item: Recommended) -> str:
    parts = [f"{part.text} ({MINUS if part.percent < 0 else ''}{abs(part.percent):.0f} %)" for part in item.parts[:SHOWN_PARTS]]
    more = len(item.parts) - SHOWN_PARTS
    return "; ".join(parts) + (f"; {more:,} more" if more > 0 else "")


def _glossary(contents: Contents) -> list[tuple[str, str]]:
    groups = contents.groups
    by_mass = ", ".join(f"{name} {int(row['items']):,} items" for name in GROUP_NAMES if (row := groups["mass"].get(name)) is not None)
    by_count = ", ".join(f"{name} {int(row['items']):,} items" for name in GROUP_NAMES if (row := groups["count"].get(name)) is not None)
    return [
        ("Head, middle, tail by interaction mass (mass_head, mass_middle, mass_tail)",
         "Items in descending popularity, an interaction being a distinct pair of user and item of the train events: the head begins "
         f"within the first 20 % of the interactions, the tail within the last 20 %, the middle is the rest. Here: {by_mass}."),
        ("Head and tail by item count (head, tail)", f"The 20 % most popular items are the head, all others the tail. Here: {by_count}."),
        *[(column.label, column.hint) for column in contents.columns],
    ]  # fmt: skip

"""What changed between two runs: data, settings, picks and figures."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from ..errors import MissingExtraError
from .contents import ModelRow, Page
from .page import ends, lift, number, percent, signed, whole
from .words import Words


def render_comparison(first: Page, second: Page, lang: str = "en") -> str:
    """Two runs side by side as HTML. Needs Jinja2: MissingExtraError where it is missing."""
    words = Words(lang)
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    except ImportError:
        raise MissingExtraError("jinja2", "report", "this page") from None
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"n": number, "p": percent, "signed": signed, "ends": ends, "int_": whole, "lift": lift}
    folder = files(__package__)
    template = environment.from_string(folder.joinpath("compare.html.jinja").read_text(encoding="utf-8"))
    text: str = template.render(
        first=first,
        second=second,
        w=words,
        k=second["k"][-1],
        style=Markup(folder.joinpath("page.css").read_text(encoding="utf-8")),
        same_data=first["fingerprint"] == second["fingerprint"],
        settings=_changed({row[0]: row[1] for row in first["settings"]}, {row[0]: row[1] for row in second["settings"]}),
        rows=_rows(first, second),
        picks=[(kind, first["picks"].get(kind, ""), pick) for kind, pick in second["picks"].items()],
    )
    return text


def _changed(first: dict[str, str], second: dict[str, str]) -> list[tuple[str, str, str]]:
    names = dict.fromkeys([*first, *second])
    return [(name, first.get(name, ""), second.get(name, "")) for name in names if first.get(name) != second.get(name)]


def _rows(first: Page, second: Page) -> list[dict[str, Any]]:
    """A model a row: its figures in both runs and the drift between them, where both have it."""
    k = second["k"][-1]
    keys = [f"ndcg@{k}", f"tail.ndcg@{k}", f"coverage@{k}"]
    old = {row["key"]: row for row in first["models"]}
    new = {row["key"]: row for row in second["models"]}

    def value(row: ModelRow | None, key: str) -> float | None:
        return None if row is None or key not in row["figures"] else row["figures"][key]["value"]

    found = []
    for key in dict.fromkeys([*new, *old]):
        cells = []
        for metric in keys:
            before, after = value(old.get(key), metric), value(new.get(key), metric)
            drift = after / before - 1 if before and after is not None else None
            cells.append({"key": metric, "before": before, "after": after, "drift": drift})
        shown = new[key] if key in new else old[key]
        found.append({"name": shown["name"], "roles": shown["roles"], "cells": cells})
    return found

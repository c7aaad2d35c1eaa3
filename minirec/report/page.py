"""The page: what a run has to say in, one self-contained HTML text out."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

from ..errors import MissingExtraError
from .charts import frontier, group_bars, long_tail
from .contents import Check, Figure, Page, Verdict
from .words import Words

DASH, MINUS = "\u2013", "\u2212"
SHOWN_PARTS = 3
SHOWN_SETTINGS = 8


def render(page: Page, lang: str = "en") -> str:
    """The report as HTML: one small script of its own that sorts tables, no outside resource; light or dark as the system asks.

    lang : "en" or "zh". Needs Jinja2: MissingExtraError where it is missing.
    """
    words = Words(lang)
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    except ImportError:
        raise MissingExtraError("jinja2", "report", "report.html") from None
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"n": number, "p": percent, "int_": whole, "signed": signed, "lift": lift, "ends": ends, "pvalue": p_value}
    folder = files(__package__)
    template = environment.from_string(folder.joinpath("page.html.jinja").read_text(encoding="utf-8"))
    k = page["k"][-1]
    best = next(row["name"] for row in page["models"] if row["key"] == page["best"])
    text: str = template.render(
        page=page,
        w=words,
        k=k,
        best=best,
        style=Markup(folder.joinpath("page.css").read_text(encoding="utf-8")),
        script=Markup(folder.joinpath("page.js").read_text(encoding="utf-8")),
        sentences=_sentences(page["verdict"], best, k, words),
        tiles=_tiles(page["verdict"], k, words),
        checks=[(check["status"], _check(check, words)) for check in page["checks"]],
        frontier=Markup(frontier(page["models"], f"ndcg@{k}", f"tail.ndcg@{k}", words, k)),
        bars=Markup(group_bars(page["models"], f"recall@{k}", words)),
        curve=Markup(long_tail(page["curve"], page["groups"], words)),
        content_lead=_content_lead(page["content"], words) if page["content"] else "",
        first_settings=[row for at, row in enumerate(page["candidates"]) if at < SHOWN_SETTINGS or row["roles"]],
        other_settings=[row for at, row in enumerate(page["candidates"]) if at >= SHOWN_SETTINGS and not row["roles"]],
        shown_parts=SHOWN_PARTS,
    )
    return re.sub(r"(?<=\d) %", "\u00a0%", text)  # a number and its sign stay on one line


def number(value: float) -> str:
    """A metric as text: four decimals, five where the fifth matters."""
    return f"{value:.4f}" if value == 0 or abs(value) >= 1e-3 else f"{value:.5f}"


def percent(value: float) -> str:
    """A share as a percentage."""
    return f"{100 * value:.1f} %" if value == 0 or abs(value) >= 0.001 else f"{100 * value:.2g} %"


def whole(value: float) -> str:
    """A count."""
    return f"{value:,.0f}"


def signed(value: float) -> str:
    """A difference."""
    return f"{value:+.4f}".replace("-", MINUS)


def lift(value: float) -> str:
    """A relative difference."""
    if abs(value) < 5e-4:
        return "0 %"
    return f"{100 * value:+.0f} %".replace("-", MINUS) if abs(value) >= 0.095 else f"{100 * value:+.1f} %".replace("-", MINUS)


def p_value(value: float) -> str:
    """A p value."""
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def ends(figure: Figure, how: str = "n") -> str:
    """An interval; nothing where there is none."""
    if figure["low"] is None or figure["high"] is None:
        return ""
    write = {"n": number, "p": percent, "signed": signed, "lift": lift}[how]
    return f"{write(figure['low'])} {DASH} {write(figure['high'])}"


def _sentences(verdict: Verdict, best: str, k: int, words: Words) -> list[str]:
    """The verdict: what was found, what the tail gets, what it costs, and whether to ship it."""
    gain = verdict["lift"]
    found = [
        words(
            verdict["kind"],
            model=best,
            k=k,
            ndcg=number(verdict["ndcg"]),
            base=number(verdict["bestsellers"] or 0.0),
            lift="" if gain is None else lift(gain["value"]),
            interval="" if gain is None else ends(gain, "lift"),
        )
    ]
    if verdict["kind"] != "bestsellers":
        base = verdict["tail_bestsellers"], verdict["coverage_bestsellers"]
        tail_base, coverage_base = (DASH if value is None else write(value) for value, write in zip(base, (number, percent), strict=True))
        tail, coverage = number(verdict["tail"]), percent(verdict["coverage"])
        found.append(words("tail", k=k, tail=tail, tail_base=tail_base, coverage=coverage, coverage_base=coverage_base))
        cost = verdict["cost"] or 0.0
        found.append(words("no_cost") if cost >= 0 else words("cost", cost=lift(cost)))
    return found


def _tiles(verdict: Verdict, k: int, words: Words) -> list[tuple[str, str, str]]:
    """Value, what it is, and what to compare it with."""
    gain = verdict["lift"]

    def base(value: float | None, text: str) -> str:
        return "" if value is None else words("bestsellers_have", value=text)

    first = (
        (number(verdict["ndcg"]), words("tile_ndcg", k=k), "")
        if gain is None
        else (lift(gain["value"]), words("tile_lift", k=k), ends(gain, "lift"))
    )
    return [
        first,
        (number(verdict["tail"]), words("tile_tail", k=k), base(verdict["tail_bestsellers"], number(verdict["tail_bestsellers"] or 0.0))),
        (
            percent(verdict["coverage"]),
            words("tile_coverage"),
            base(verdict["coverage_bestsellers"], percent(verdict["coverage_bestsellers"] or 0.0)),
        ),
        (lift(min(verdict["cost"] or 0.0, 0.0)), words("tile_cost"), ""),
    ]


def _content_lead(panel: dict[str, Any], words: Words) -> str:
    """What made the vectors, what that cost, and which models are compared."""
    made, read = panel["encoder"]["made"], panel["encoder"]["read"]
    kind = "content_cost_none" if not made else "content_cost_part" if read else "content_cost"
    spent = {"seconds": f"{panel['seconds']:.1f}", "megabytes": whole(panel["encoder"]["megabytes"])}
    cost = words(kind, **spent, read=whole(read), all=whole(read + made))
    best, other = panel["with_content"], panel["without_content"]
    chosen = words(
        "content_both" if best and other else "content_alone" if best else "content_none", with_content=best, without_content=other
    )
    columns, encoder = ", ".join(panel["columns"]), panel["encoder"]
    return words("content_lead", columns=columns, dimension=encoder["dimension"], encoder=encoder["encoder"], cost=cost, chosen=chosen)


def _check(check: Check, words: Words) -> str:
    values: dict[str, Any] = {}
    for name, value in check["values"].items():
        if name in ("difference", "low", "high"):
            values[name] = signed(value)
        elif name == "share":
            values[name] = percent(value)
        elif name in ("before", "after"):
            values[name] = number(value)
        elif name == "differs":
            values["alike"] = words("unlike" if value else "alike")
        elif name == "gigabytes":
            values[name] = f"{value:.1f}"
        else:
            values[name] = value if isinstance(value, str) else whole(value)
    return words(check["key"], **values)

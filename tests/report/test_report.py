"""The report as a page: self-contained, whole, readable by a machine, in both languages."""

from __future__ import annotations

import json
import re
import string
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minirec as mr
from minirec.errors import ParameterError
from minirec.pipeline.summary import period
from minirec.report import render
from minirec.report.charts import frontier, long_tail
from minirec.report.page import ends, lift, number, p_value, percent, signed
from minirec.report.words import LANGUAGES, Words
from minirec.testing.sets import shop, with_content

pytest.importorskip("jinja2")

VOID = {"meta", "link", "br", "img", "input", "hr", "use", "path", "line", "rect"}


class Parsed(HTMLParser):
    """Checks nesting; collects addresses, ids and tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert not self.open, f"unclosed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action", "data", "srcset")]
        if "id" in found:
            self.ids.append(found["id"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    data = mr.synthetic(n_users=60, n_items=40, n_events=900, seed=3)
    folder = tmp_path_factory.mktemp("report")
    mr.run(data, out=folder, models=("popularity", "random", "itemknn", "als"), params={"als": {"factors": 4, "iterations": 2}})
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    assert (folder / "report.html").read_text(encoding="utf-8") == render(found["page"])
    return found


@pytest.fixture(scope="module", params=LANGUAGES)
def page(request: pytest.FixtureRequest, record: dict[str, Any]) -> str:
    return render(record["page"], request.param)


def test_the_page_needs_nothing_from_outside(page: str) -> None:
    parsed = Parsed(page)
    assert {address[:1] for address in parsed.addresses} == {"#"}
    assert not {tag for tag, _ in parsed.tags} & {"link", "iframe", "object", "img"}
    assert not re.findall(r"https?://|@import|url\(", page)


def test_ids_are_unique_and_every_anchor_has_one(page: str) -> None:
    parsed = Parsed(page)
    assert len(set(parsed.ids)) == len(parsed.ids)
    assert {address[1:] for address in parsed.addresses} <= set(parsed.ids)


def test_headers_have_a_scope_and_charts_a_label(page: str) -> None:
    tags = Parsed(page).tags
    assert all("scope" in attributes for tag, attributes in tags if tag == "th")
    charts = [attributes for tag, attributes in tags if tag == "svg"]
    assert len(charts) == 3
    assert all(attributes.get("role") == "img" and attributes.get("aria-label") for attributes in charts)
    headings = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))


def test_no_number_is_missing(page: str) -> None:
    text = unescape(re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL))
    assert not re.findall(r"\b(nan|inf|None|NaN|undefined)\b", text)


def test_the_first_screen_answers(record: dict[str, Any]) -> None:
    page = unescape(render(record["page"]))
    first = page[: page.index("<nav")]
    assert "bestsellers" in first
    assert "May I ship it?" in first
    assert "95" in first
    assert first.count('<li class="pass"') + first.count('<li class="warn"') + first.count('<li class="fail"') == len(
        record["page"]["checks"]
    )
    assert first.count("<div><b>") == 4


def test_text_from_the_data_is_escaped(record: dict[str, Any]) -> None:
    hostile = json.loads(json.dumps(record["page"]))
    hostile["title"] = "<script>alert(1)</script>"
    hostile["examples"][0]["after"][0]["text"] = "<img src=x>"
    hostile["models"][0]["name"] = 'a"><b>'
    page = render(hostile)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert 'a"><b>' not in page


def test_the_same_contents_give_the_same_page(record: dict[str, Any]) -> None:
    assert render(record["page"]) == render(json.loads(json.dumps(record["page"])))


def test_languages_have_the_same_words_and_fields() -> None:
    texts = [json.loads(files("minirec.report").joinpath(f"words.{language}.json").read_text(encoding="utf-8")) for language in LANGUAGES]
    assert set(texts[0]) == set(texts[1])
    for key in texts[0]:
        fields = [{name for _, name, _, _ in string.Formatter().parse(text[key]) if name} for text in texts]
        assert fields[0] == fields[1], key
    with pytest.raises(ParameterError, match="lang must be one of en, zh"):
        Words("de")


@pytest.mark.parametrize("theme", [0, 1])
def test_contrast_of_text_is_enough(theme: int) -> None:
    """WCAG 2.1, 1.4.3: at least 4.5 for each color of text on each ground."""
    style = files("minirec.report").joinpath("page.css").read_text(encoding="utf-8")
    colors = dict(re.findall(r"--(\w+): (#\w{6})", re.findall(r":root \{(.*?)\}", style, re.DOTALL)[theme]))

    def luminance(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    for text in ("ink", "muted", "accent", "good", "warn", "bad"):
        for ground in ("paper", "card", "soft"):
            dark, light = sorted((luminance(colors[text]), luminance(colors[ground])))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_labels_of_near_dots_do_not_collide(record: dict[str, Any]) -> None:
    rows = [
        {
            **record["page"]["models"][-1],
            "name": f"Model{n}",
            "roles": [],
            "figures": {
                "ndcg@20": {"value": 0.3 + 1e-4 * n, "low": None, "high": None},
                "tail.ndcg@20": {"value": 0.1, "low": None, "high": None},
            },
        }
        for n in range(6)
    ]
    drawing = frontier(rows, "ndcg@20", "tail.ndcg@20", Words("en"), 20)  # type: ignore[arg-type]
    places = [
        (float(x), float(y), anchor)
        for x, y, anchor in re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)" font-size="12">', drawing)
    ]
    assert len(places) == 6
    boxes = [(x - {"start": 0, "middle": 20, "end": 40}[anchor], y) for x, y, anchor in places]
    for at, (x, y) in enumerate(boxes):
        assert all(abs(x - other_x) > 35 or abs(y - other_y) > 10 for other_x, other_y in boxes[:at])


def test_names_of_narrow_groups_stand_side_by_side() -> None:
    groups = {
        "mass": {name: {"items": items, "interaction_share": 0.3} for name, items in (("head", 1), ("middle", 12447), ("tail", 12390))}
    }
    curve = [[1, 900], [2, 800], [12448, 2], [24838, 1]]
    drawing = long_tail(curve, groups, Words("en"))
    xs = [float(x) for x in re.findall(r'<text x="([\d.]+)" y="32" text-anchor="middle"', drawing)]
    assert len(xs) == 3
    assert all(right - left > 38 for left, right in pairwise(xs))


def test_an_explanation_that_a_model_lacks_is_said(tmp_path: Path) -> None:
    mr.run(mr.synthetic(n_users=60, n_items=40, n_events=900, seed=3), out=tmp_path, models=("random",))
    page = json.loads((tmp_path / "run.json").read_text())["page"]
    assert "There is no explanation" in page["why_no_parts"]
    assert "There is no explanation" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("times", "expected"),
    [(None, ""), ([1_600_000_000, 1_600_086_400], "2020-09-13 to 2020-09-14"), ([1, 20_000], "1 to 20,000")],
)
def test_period(times: list[int] | None, expected: str) -> None:
    assert period(mr.Dataset.from_arrays([1, 2], [1, 2], times=times)) == expected


def test_parts_of_a_score_name_the_items_that_they_are_of(tmp_path: Path) -> None:
    data = shop()
    titled = data.with_columns(item_features={"title": {item: f"title of {item}" for item in data.items}})
    mr.run(titled, out=tmp_path, models=["itemknn"], split="random")
    after = [item for example in json.loads((tmp_path / "run.json").read_text())["page"]["examples"] for item in example["after"]]
    assert after
    assert all(item["text"].startswith("title of") and all(part["text"].startswith("title of") for part in item["parts"]) for item in after)


def test_columns_of_vectors_are_no_text_of_items() -> None:
    from minirec.pipeline.summary import _facts

    assert not [fact for fact in _facts(with_content(shop()), None) if fact[0] == "Item text"]


def test_numbers_as_texts() -> None:
    assert [number(0.08921), number(0.00052), number(0.0)] == ["0.0892", "0.00052", "0.0000"]
    assert [percent(0.123), percent(0.0004), lift(0.372), lift(-0.012), signed(-0.01)] == [
        "12.3 %",
        "0.04 %",
        "+37 %",
        "\u22121.2 %",
        "\u22120.0100",
    ]
    assert [p_value(0.03), p_value(1e-9)] == ["0.0300", "< 0.0001"]
    assert ends({"value": 1.0, "low": None, "high": None}) == ""
    assert ends({"value": 1.0, "low": -0.1, "high": 0.2}, "lift") == "\u221210 % \u2013 +20 %"

"""The report as a page: self-contained, whole, readable by a machine."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import minirec as mr
from minirec.report import Contents, Example, Figure, ModelRow, Part, Recommended, gather, render
from minirec.report.gather import _facts, _parts, period
from minirec.testing.sets import shop, with_content

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

VOID = {"meta", "link", "br", "img", "input", "hr", "use", "path"}


class Page(HTMLParser):
    """Checks nesting; collects addresses, ids and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        self.close()
        assert not self.open, f"unclosed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
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
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    shop = mr.synthetic(n_users=60, n_items=40, n_events=900, seed=3)
    folder = tmp_path_factory.mktemp("report")
    mr.run(shop, out=folder, models=("popularity", "random", "itemknn", "als"), params={"als": {"factors": 4, "iterations": 2}})
    return (folder / "report.html").read_text()


def test_the_page_needs_nothing_from_outside(page: str) -> None:
    parsed = Page(page)
    assert all(address.startswith("#") for address in parsed.addresses)
    assert not re.search(r"https?:|@import|url\((?!#)", page)
    assert not parsed.tags & {"script", "link", "iframe", "img", "object", "embed"}


def test_ids_are_unique_and_every_reference_has_one(page: str) -> None:
    parsed = Page(page)
    assert len(set(parsed.ids)) == len(parsed.ids)
    assert {address[1:] for address in parsed.addresses} <= set(parsed.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(parsed.ids)


def test_no_number_is_missing(page: str) -> None:
    text = re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))
    assert not re.search(r"\b(nan|inf|undefined)\b", text, re.IGNORECASE)
    assert not re.search(r"(?<!=)\bNone\b", text)  # half_life=None is a parameter


@pytest.mark.parametrize(
    "words",
    ["Popularity", "Random", "ItemKNN", "ALS", "chosen", "reference", "by interaction mass", "by item count", "Fingerprint", "Versions",
     "seed", "factors=4", "minirec run --repeat", "Train, validation and test", "long tail"],
)  # fmt: skip
def test_the_page_says(words: str, page: str) -> None:
    assert words in page


def test_three_charts_with_a_description_each(page: str) -> None:
    assert len(re.findall(r'<svg role="img" aria-label="[^"]{20,}"', page)) == 3
    assert page.count("<figcaption>") == 3


def contents(**changes: object) -> Contents:
    figures = {"ndcg@10": Figure(0.2, 0.1, 0.3), "coverage@20": Figure(0.5)}
    given: dict[str, object] = {
        "title": "made up", "best": "als", "rule": "the rule", "facts": [("Source", "made up")],
        "account": {"events_in": 3, "events_out": 3, "entries": [], "notes": []}, "split": "", "chunks": [],
        "popularity": np.array([3, 1]), "columns": [], "models": [ModelRow("als", "ALS", "", figures, 1.0)], "k": (10, 20),
        "groups": {"mass": {"head": {"items": 2, "item_share": 1.0, "interactions": 4, "interaction_share": 1.0}},
                   "count": {"head": {"items": 1, "item_share": 0.5, "interactions": 3, "interaction_share": 0.75}}},
        "candidates": [], "differences": [], "protocol": "", "examples": [], "why_no_parts": "", "settings": [], "versions": [],
        "seconds": [], "repeat": "minirec run",
    }  # fmt: skip
    from minirec.report import Chunk

    given["chunks"] = [Chunk("All", 3, 2, 2, "")]
    return Contents(**(given | changes))  # type: ignore[arg-type]


def test_text_from_the_data_is_escaped() -> None:
    evil = "<script>alert('x')</script>"
    example = Example(evil, 1, [(evil, "head")], [Recommended(evil, "tail", True, [Part(evil, 100.0)])])
    page = render(contents(title=evil, examples=[example]))
    Page(page)
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") >= 5


def test_a_catalogue_of_two_items_and_one_model_is_a_whole_page() -> None:
    page = render(contents())
    Page(page)
    assert "What it recommends" not in page
    assert "Left out" not in page


def test_the_same_contents_give_the_same_page() -> None:
    assert render(contents()) == render(contents())


def test_an_explanation_that_a_model_lacks_is_said(tmp_path: Path) -> None:
    shop = mr.synthetic(n_users=60, n_items=40, n_events=900, seed=3)
    mr.run(shop, out=tmp_path, models=("random",))
    assert "There is no explanation" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("times", "expected"),
    [(None, ""), ([1_672_531_200, 1_675_209_600], "2023-01-01 to 2023-02-01"), ([1, 20_000], "1 to 20,000")],
)
def test_period(times: list[int] | None, expected: str) -> None:
    assert period(mr.Dataset.from_arrays([1, 2], ["a", "b"], times=times)) == expected


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (mr.ContentKNN(), {"content"}),
        (mr.FeatureALS(iterations=2), {"content", "behaviour"}),
        (mr.L3AE(), {"content", "behaviour"}),
        (mr.Hybrid(iterations=2), {"content", "identity"}),
        (mr.SASRec(iterations=1), {"left out"}),
        (mr.ItemKNN(), set()),
    ],
)
def test_parts_of_a_score_name_the_items_that_they_are_of(model: mr.Recommender, said: set[str]) -> None:
    data = with_content(shop())
    data = data.with_columns(item_features={"name": {item: f"thing {item}" for item in data.items}, **data.item_features})
    user = data.users[0]
    known = {f"thing {item}" for item in data.items.ids(data.item[data.user == 0])}
    model = model.clone().fit(data)
    texts = [part.text for part in _parts(model, user, model.recommend(user, k=1)[0].items[0], data)]
    named = [text.split(", ") for text in texts if text.startswith("thing")]
    assert {name for name, *_ in named} <= known
    assert {side for _, *sides in named for side in sides} == said
    assert len(named) >= len(known) / 2


def test_columns_of_vectors_are_no_text_of_items() -> None:
    data = with_content(shop())
    assert "Item text" not in dict(_facts(data, None))
    assert dict(_facts(data.with_columns(item_features={"name": {}, **data.item_features}), None))["Item text"] == "name"


def test_gather_is_public() -> None:
    assert callable(gather)

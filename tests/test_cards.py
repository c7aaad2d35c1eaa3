"""What a notebook shows of each object: short whatever its size, escaped; and tables of a result for other documents."""

from __future__ import annotations

from typing import Any

import pytest

import minirec as mr
from minirec.cards import card
from minirec.models.contract.explanation import Explanation, Part


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    data = mr.synthetic(n_users=120, n_items=90, n_events=3000, seed=4)
    train, test = mr.split(data, "random")
    models = {"popularity": mr.Popularity().fit(train), "itemknn": mr.ItemKNN().fit(train)}
    result = mr.evaluate(models, train, test)
    user = train.users[0]
    recommended = models["itemknn"].recommend(k=20)
    return {
        "data": data,
        "unfitted": mr.ALS(),
        "fitted": models["itemknn"],
        "result": result,
        "comparison": result.compare("itemknn"),
        "lists": recommended,
        "titled": recommended.with_titles(data),
        "explanation": models["itemknn"].explain(user, recommended[0].items[0]),
        "long": Explanation(1, 1.0, [Part("history", f"<b>{n}</b>", 0.1) for n in range(5000)]),
        "tuning": mr.tune(mr.ItemKNN(), train, budget=3, metric="ndcg@10"),
    }


NAMES = ("data", "unfitted", "fitted", "result", "comparison", "lists", "titled", "explanation", "long", "tuning")


@pytest.mark.parametrize("name", NAMES)
def test_short_and_escaped(name: str, objects: dict[str, Any]) -> None:
    html = objects[name]._repr_html_()
    assert 100 < len(html.encode()) < 20_000
    assert html.count("<table>") == html.count("</table>")
    assert "<b>1</b>" not in html
    assert len(repr(objects[name])) < 500
    assert "\n" not in repr(objects[name])


def test_a_run(tmp_path: Any) -> None:
    done = mr.run(mr.synthetic(n_users=60, n_items=40, n_events=900, seed=3), out=tmp_path, models=("popularity", "itemknn"))
    assert len(done._repr_html_().encode()) < 20_000
    assert len(repr(done)) < 500
    assert done.best in done._repr_html_()


def test_titles_go_with_the_lists(objects: dict[str, Any]) -> None:
    columns = objects["titled"].columns()
    assert columns["title"][0] == objects["data"].item_text(columns["item"][0])
    assert "title" not in objects["lists"].columns()
    assert columns["title"][0] in objects["titled"]._repr_html_()
    some = objects["lists"].with_titles({columns["item"][0]: "first"})
    assert some.columns()["title"][0] == "first"


def test_tables_for_documents(objects: dict[str, Any]) -> None:
    result = objects["result"]
    value = f"{result.to_dict()['itemknn']['ndcg@20']:.4f}"
    for text in (result.to_html(), result.to_markdown(), result.to_latex()):
        assert value in text
        assert "itemknn" in text
    lines = result.to_markdown().splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 2 + len(result.models)
    assert result.to_latex().startswith(r"\begin{tabular}{lr")
    assert r"$\pm$" in result.to_latex()


def test_a_card_is_bounded() -> None:
    html = card(
        "x" * 500, {f"fact {n}": "y" * 500 for n in range(100)}, {f"column {n}": list(range(5000)) for n in range(40)}, ["z" * 900] * 50
    )
    assert len(html.encode()) < 20_000
    assert "4,980 more" in html
    assert card("<script>", {"a": "<i>"}).count("&lt;") == 2

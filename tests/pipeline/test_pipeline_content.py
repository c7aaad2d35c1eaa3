"""A run with the content of items: vectors of their texts, models that read them, items that nobody has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minirec as mr
from minirec import pipeline
from minirec.cli.main import main
from minirec.errors import DataError, ModelFitError, ParameterError
from minirec.evaluation.measure import Measured
from minirec.features import TextExtractor, joined
from minirec.features.base import digest_of
from minirec.pipeline.candidates import CONTENT_MODELS
from minirec.pipeline.content import make_encoder, text_columns
from minirec.pipeline.content_gain import content_gain
from minirec.pipeline.records import ContentRun, Encoded

MODELS = ("popularity", "itemknn", "contentknn", "coldmap")
SETTINGS = {"coldmap": {"base_params": {"factors": 4, "iterations": 2}}}


def shop() -> mr.Dataset:
    """Everybody buys of one category; the names of its items say which."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(60), 14)
    items = 20 * (users % 3) + rng.integers(0, 20, len(users))
    words = ("red wool scarf", "green tea leaves", "blue steel pan")
    data = mr.Dataset.from_arrays(users, items)
    texts = [f"{words[int(item) // 20]} {item}" for item in data.items]
    return data.with_columns(item_features={"title": np.array(texts, object), "price": np.arange(data.n_items)}, name="shop")


def renamed(data: mr.Dataset) -> mr.Dataset:
    """The same with another title of the first item."""
    titles = data.item_features["title"].copy()
    titles[0] = "yellow paper hat"
    return data.with_columns(item_features={"title": titles})


class Bytes(TextExtractor):
    """Counts of characters."""

    dimension = 128
    fingerprint = digest_of("bytes")

    def encode(self, things: list[str]) -> np.ndarray:
        return np.array([np.bincount(np.frombuffer(text.encode("ascii"), np.uint8), minlength=128) for text in things], np.float32)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> pipeline.Run:
    pytest.importorskip("jinja2")
    out = tmp_path_factory.mktemp("run")
    return mr.run(shop(), out=out, models=MODELS, params=SETTINGS, text=["title"], encoder="tfidf", k=(3, 5))


def test_models_of_content_take_part(done: pipeline.Run) -> None:
    assert set(done.result.models) == set(MODELS)
    assert {"encode", "evaluate new items"} <= set(done.record["seconds"])
    assert done.record["arguments"]["text"] == ["title"]


def test_the_report_says_what_content_adds(done: pipeline.Run) -> None:
    page = (done.out / "report.html").read_text(encoding="utf-8")
    for text in ("What the content of the items adds", "New items", "TfidfLSA", "tail, by item count", "ContentKNN", "ColdMap"):
        assert text in page


def test_a_group_of_which_a_single_user_has_an_item_is_not_compared() -> None:
    values = {name: np.array([0.1, 0.3, 0.2]) for name in ("ndcg@3", "mass_head.ndcg@3", "mass_middle.ndcg@3", "tail.ndcg@3")}
    values["mass_tail.ndcg@3"] = np.array([np.nan, 0.5, np.nan])
    measured = {
        model: Measured({name: factor * each for name, each in values.items()}, {}) for model, factor in (("itemknn", 2), ("als", 1))
    }
    result = mr.Result([1, 2, 3], measured, {}, {}, {"k": [3], "seed": 0}, {})
    panel = content_gain(ContentRun(("title",), Encoded("TfidfLSA", 8, 0.0, 60, 0), 0.1, "itemknn", "als", None, {}), result)
    assert [row["group"] for row in panel["rows"]] == ["", "mass_head", "mass_middle", "tail"]


def test_nothing_is_written_where_the_page_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.html").write_text("of an earlier run")

    def fail(*_: object) -> None:
        raise ParameterError("no page")

    monkeypatch.setattr("minirec.pipeline.files.summary", fail)
    with pytest.raises(ParameterError, match="no page"):
        mr.run(shop(), out=tmp_path, models=("popularity",), k=3)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_numbers_of_new_items_are_in_metrics(done: pipeline.Run) -> None:
    content = json.loads((done.out / "metrics.json").read_text())["content"]
    assert content["encoder"] == "TfidfLSA"
    assert content["with_content"] in ("contentknn", "coldmap")
    assert content["without_content"] == "itemknn"
    found = content["new_items"]
    assert set(found) == {"contentknn", "coldmap"}
    chance = 5 / 12  # a fifth of 60 items is new
    assert found["contentknn"]["recall@5"] > 1.5 * chance


def test_without_text_there_is_no_panel(tmp_path: Path) -> None:
    found = mr.run(shop(), out=tmp_path, models=("popularity", "itemknn"), k=3)
    assert "encode" not in found.record["seconds"]
    assert "content" not in json.loads((tmp_path / "metrics.json").read_text())


@pytest.mark.slow_without_jit
def test_models_join_where_text_is_named_and_they_are_not(tmp_path: Path) -> None:
    found = mr.run(shop(), out=tmp_path, models=("itemknn",), text="title", encoder="tfidf", k=3)
    assert {"itemknn", "contentknn"} <= set(found.result.models) <= {"itemknn", *CONTENT_MODELS}


def test_new_items_are_judged_where_all_models_know_content(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    mr.run(shop(), out=tmp_path, models=("popularity", "contentknn"), text="title", encoder="tfidf", k=3)
    content = json.loads((tmp_path / "metrics.json").read_text())["content"]
    assert (content["with_content"], content["without_content"]) == ("contentknn", None)
    assert content["new_items"]["contentknn"]["recall@3"] > 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "validation chooses ContentKNN, and no other is there to compare it with." in page
    assert "New items" in page


def test_models_of_content_that_cannot_be_fitted_are_said_to_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jinja2")

    def diverge(*_: object) -> None:
        raise ModelFitError("diverged")

    monkeypatch.setattr(mr.ContentKNN, "_fit", diverge)
    found = mr.run(shop(), out=tmp_path, models=("itemknn", "contentknn"), text="title", encoder="tfidf", k=3)
    assert set(found.left_out) == {"contentknn"}
    assert "No model that knows these vectors could be fitted." in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_new_items_that_nobody_took_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise DataError("no user of train has a new item in test")

    monkeypatch.setattr("minirec.pipeline.content.evaluate_new_items", nobody)
    mr.run(shop(), out=tmp_path, models=("itemknn", "contentknn"), text="title", encoder="tfidf", k=3)
    content = json.loads((tmp_path / "metrics.json").read_text())["content"]
    assert content["new_items"] == {}
    assert content["left_out"] == {"contentknn": "could not be judged: no user of train has a new item in test"}


def test_vectors_that_were_in_the_cache_are_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jinja2")
    monkeypatch.setenv("MINIREC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("minirec.pipeline.content.make_encoder", lambda name: Bytes())
    pages = []
    for data in (shop(), shop(), renamed(shop())):
        mr.run(data, out=tmp_path / "out", models=("itemknn", "contentknn"), text="title", k=3)
        pages.append((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
        assert not (tmp_path / "out" / "extractor.npz").exists()
    assert "MB of memory." in pages[0]
    assert "in an earlier run, and read from its cache: what that took is not known here." in pages[1]
    assert "MB of memory; those of 59 of 60 texts were there, in the cache of an earlier run." in pages[2]


def test_the_extractor_is_kept_where_the_model_reads_its_vectors(tmp_path: Path) -> None:
    found = mr.run(shop(), out=tmp_path, models=("popularity", "contentknn"), text=("title", "price"), encoder="tfidf", k=3)
    assert tmp_path / "extractor.npz" in found.files
    vectors = mr.TfidfLSA.load(tmp_path / "extractor.npz").transform(joined({"title": ["new red wool scarf"], "price": [3]}, ", "))
    model = mr.load_model(tmp_path / "model.npz").add_items(["scarf"], vectors)
    assert all("scarf" in shop().item_text(item) for item, _ in model.nearest_by_content("scarf", k=5))
    mr.run(shop(), out=tmp_path, models=("itemknn",), k=3)
    assert not (tmp_path / "extractor.npz").exists()


@pytest.mark.slow_without_jit
def test_models_that_join_take_their_params(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    params = SETTINGS | {"contentknn": {"neighbors": 5}}
    found = mr.run(shop(), out=tmp_path, models="itemknn", params=params, text="title", encoder="tfidf", k=3)
    assert found.record["arguments"]["params"] == params
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "neighbors=5" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'contentknn', which is not among the models: popularity, random"),
        ({"models": "itemknn"}, "'contentknn', which is not among the models: itemknn"),
        ({"models": ("itemknn", "coldmap"), "text": "title"}, "'contentknn', which is not among the models: itemknn, coldmap"),
        ({"models": "itemknn", "text": "title", "params": {"contentknn": {"neighbours": 5}}}, "no parameter neighbours"),
    ],
)
def test_params_of_models_that_do_not_join_are_refused_before_the_work(arguments: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=words):
        mr.run(shop(), out=tmp_path, **{"params": {"contentknn": {"neighbors": 5}}} | arguments)


def test_bad_text_and_encoder(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"no item feature .name.*title"):
        mr.run(shop(), out=tmp_path, text=["name"])
    with pytest.raises(ParameterError, match="encoder must be one of"):
        mr.run(shop(), out=tmp_path, text=["title"], encoder="bert")


def test_default_columns() -> None:
    journey = shop().with_columns(name="completejourney")
    assert text_columns(journey, None, built_in=True) == ("department", "category", "type", "brand", "package_size")
    assert text_columns(journey, None, built_in=False) == ()
    assert text_columns(journey, [], built_in=True) == ()


@pytest.mark.slow_without_jit
def test_a_file_that_is_called_like_a_built_in_set_is_a_file(tmp_path: Path) -> None:
    rows = [f"{user},{item}" for user, item in zip(shop().user, shop().item, strict=True)]
    path = tmp_path / "completejourney.csv"
    path.write_text("\n".join(["user,item", *rows]))
    found = mr.run(str(path), out=tmp_path / "out", k=3, budget="1s")
    assert "encode" not in found.record["seconds"]


def test_texts_may_be_called_text_and_other_vectors_may_be_there(tmp_path: Path) -> None:
    data = shop()
    vectors = np.random.default_rng(0).standard_normal((data.n_items, 4))
    data = data.with_columns(item_features={"text": data.item_features["title"], "picture": vectors})
    found = mr.run(data, out=tmp_path, models=("itemknn", "contentknn"), text="text", encoder="tfidf", k=3)
    assert set(found.result.models) == {"itemknn", "contentknn"}
    assert json.loads((tmp_path / "metrics.json").read_text())["content"]["new_items"]["contentknn"]


def test_an_encoder_is_always_found() -> None:
    assert make_encoder("auto").fitted in (True, False)
    assert type(make_encoder("tfidf")).__name__ == "TfidfLSA"


def test_the_command_takes_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = shop()
    rows = [f"{u},{i},{data.item_text(i)}" for u, i in zip(data.users.ids(data.user), data.items.ids(data.item), strict=True)]
    (tmp_path / "events.csv").write_text("\n".join(["user,item,title", *rows]))
    arguments = ["run", str(tmp_path / "events.csv"), "--item-text", "title", "--text", "title", "--encoder", "tfidf"]
    assert main([*arguments, "--models", "itemknn,contentknn", "--out", str(tmp_path / "out"), "--quiet"]) == 0
    assert "content" in json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (
        main(["run", str(tmp_path / "events.csv"), "--text", "none", "--models", "itemknn", "--out", str(tmp_path / "o2"), "--quiet"]) == 0
    )
    assert "content" not in json.loads((tmp_path / "o2" / "metrics.json").read_text())

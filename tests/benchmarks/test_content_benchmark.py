"""The benchmark of content on a tiny shop: resumed, chosen on validation alone, compared, and reported."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import minirec as mr
from benchmarks import data as sets
from benchmarks import report
from benchmarks.__main__ import main
from benchmarks.blend import of_row
from benchmarks.common import Folders
from benchmarks.content import many_texts, vectors, warm_tail
from benchmarks.content import new_items as content
from benchmarks.content.vectors import Encoders

SETTINGS = {"ContentKNN": ({"neighbors": 5}, {"neighbors": 20}), "L3AE": ({},)}
NOWHERE = Path("nowhere")


def events(folder: Path) -> mr.Dataset:
    return mr.synthetic(n_users=80, n_items=60, n_events=2500, seed=1)


def items(folder: Path) -> dict[Any, sets.Described]:
    data = events(folder)
    return {
        item: sets.Described(str(name), (str(name).split()[-1],)) for item, name in zip(data.items, data.item_features["name"], strict=True)
    }


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    monkeypatch.setattr(content, "MODELS", SETTINGS)
    monkeypatch.setattr(content, "SHOPS", {"tiny": content.Shop("A tiny shop", events, items)})
    shop = warm_tail.Shop("A tiny shop", lambda folder: (events(folder), "time"), items, None)
    monkeypatch.setattr(warm_tail, "SHOPS", {"tiny": shop})
    monkeypatch.setattr(warm_tail, "WITH", {"L3AE": {"regularization": (5.0, 50.0)}})
    monkeypatch.setattr(warm_tail, "LANGUAGE", "TfidfLSA")
    monkeypatch.setattr(warm_tail, "WITHOUT", ("EASE",))
    for module in (content, warm_tail):
        monkeypatch.setattr(module, "apart", lambda function, *arguments: function(*arguments))
    return Folders(tmp_path, tmp_path, tmp_path, tmp_path / "results")


def encoders(folders: Folders) -> Encoders:
    return Encoders(NOWHERE, NOWHERE, folders.work / "vectors")


def test_new_items_are_run_once_chosen_on_validation_and_compared(folders: Folders) -> None:
    rows = list(content.run(folders, encoders(folders), ["new-items"], None, None, again=False))
    kinds = [row["kind"] for row in rows]
    assert kinds == ["vectors"] * 3 + ["point"] * 2 + ["test"] * 2  # of L3AE there is one setting, and nothing to choose
    assert [("error" in row) for row in rows[:3]] == [True, True, False]  # there is no folder of a model
    again = list(content.run(folders, encoders(folders), ["new-items"], None, None, again=False))
    assert [row["features"] for row in again] == ["LanguageModel", "StaticEmbedding"]  # asked for once more
    test = rows[5]
    best = max(rows[3:5], key=lambda row: row["validation"]["ndcg@20"])
    assert test["chosen"] == {"TfidfLSA": best["settings"]}
    assert set(test["test"]) == {"random", "category", "TfidfLSA"}
    for gap in test["differences"]:
        expected = test["test"][gap["a"]][gap["metric"]] - test["test"][gap["b"]][gap["metric"]]
        assert gap["difference"] == pytest.approx(expected, abs=2e-5)


def test_the_test_items_take_no_part_in_the_choice(folders: Folders) -> None:
    outer, inner = (content.new_items("tiny", folders.work, validation=inside) for inside in (False, True))
    assert not set(outer.held.items) & (set(inner.train.items) | set(inner.held.items))
    assert set(outer.train.items) == set(inner.train.items) | set(inner.held.items)
    names = {described.text for described in items(folders.work).values()}
    assert {described.text for described in outer.catalogue.values()} == names


def test_the_warm_tail_is_chosen_by_the_rule(folders: Folders) -> None:
    rows = list(content.run(folders, encoders(folders), ["warm-tail"], None, None, again=False))
    assert [row["kind"] for row in rows][-1] == "choice"
    assert list(content.run(folders, encoders(folders), ["warm-tail"], None, None, again=False)) == []
    choice = rows[-1]
    assert choice["chosen"] == warm_tail.choose(warm_tail.flat(rows[:-1]))
    assert choice["test"]["terms"] == choice["test"]["content"]  # here both have the same vectors
    gap = choice["differences"][0]
    figures = [choice["test"][role][gap["metric"]] for role in (gap["a"], gap["b"])]
    assert gap["ratio"] == pytest.approx(figures[0] / figures[1], rel=1e-3)
    assert gap["ratio_interval"][0] <= gap["ratio"] <= gap["ratio_interval"][1]


def test_what_the_frontier_has_measured_is_not_fitted_for_it_again() -> None:
    found = {"ndcg@20": 0.5, "tail.ndcg@20": 0.1, "recall@20": 0.7}
    there = [{"family": "DAN", "settings": {"alpha": alpha}, "validation": found} for alpha in (0.1, 0.2)]
    plain = warm_tail.Candidate("DAN", None, {"alpha": 0.2})
    row = warm_tail._seen("ml-1m", plain, there)
    assert warm_tail.flat([row]) == [
        {"model": "DAN", "features": None, "settings": {"alpha": 0.2}, "validation": {"ndcg@20": 0.5, "tail.ndcg@20": 0.1}}
    ]
    assert warm_tail._seen("ml-1m", plain._replace(settings={"alpha": 0.3}), there) is None
    assert warm_tail._seen("ml-1m", plain._replace(features="LanguageModel"), there) is None


def point(features: str | None, accuracy: float, tail: float) -> dict[str, Any]:
    return {"model": "M", "features": features, "settings": {"x": tail}, "validation": {"ndcg@20": accuracy, "tail.ndcg@20": tail}}


def test_content_must_keep_the_accuracy_of_the_reference() -> None:
    plain = [point(None, 0.5, 0.1), point(None, 0.4, 0.9)]
    chosen = warm_tail.choose([*plain, point("text", 0.5, 0.2), point("text", 0.49, 0.8), point("text", 0.6, 0.15)])
    assert [chosen[role]["settings"]["x"] for role in ("without", "same-rule", "content")] == [0.1, 0.1, 0.2]
    assert warm_tail.choose([*plain, point("text", 0.3, 0.8), point("text", 0.4, 0.1)])["content"]["settings"]["x"] == 0.1
    assert warm_tail.choose(plain) == {}


def test_a_blend_is_the_weighted_sum_of_standardised_scores() -> None:
    data = events(NOWHERE)
    found = vectors.with_vectors(data, np.random.default_rng(0).standard_normal((data.n_items, 8)).astype(np.float32))
    settings = {"base": ["EASE", {"regularization": 20.0}], "content": ["ContentKNN", {"neighbors": 10}]}
    model: Any = of_row("Blend", settings | {"weight": 0.3, "tail_exponent": 0.2}).fit(found)
    profiles = model._profiles_of(np.arange(5, dtype=np.int32))
    parts = [member._scorer(profiles).block(0, 5).astype(np.float64) for member in (model.base_, model.other_)]
    mixed = sum(weight * part / part.std(axis=1, keepdims=True) for weight, part in zip((0.7, 0.3), parts, strict=True))
    expected = mixed / data.item_counts**0.2
    for _ in range(2):  # the second time from what is kept
        np.testing.assert_allclose(model._scorer(profiles).block(0, 5), expected, rtol=1e-4, atol=1e-5)


def test_the_report_has_both_parts(folders: Folders) -> None:
    pytest.importorskip("matplotlib")
    list(content.run(folders, encoders(folders), ["new-items", "warm-tail"], None, None, again=False))
    report.write(folders.results, folders.work)
    text = (folders.work / "CONTENT.md").read_text()
    assert "## New items: A tiny shop" in text
    assert "## Warm tail: A tiny shop" in text
    assert "| TfidfLSA less category |" in text
    assert len(json.loads((folders.results / "content.json").read_text())) > 5


def test_many_texts_go_on_where_a_killed_process_stopped(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    from minirec.features.safetensors import write_safetensors

    words = [f"w{at}" for at in range(300)]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="w0"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    write_safetensors(tmp_path / "model.safetensors", {"embeddings": np.random.default_rng(0).standard_normal((300, 4), np.float32)})
    (tmp_path / "amazon-beauty").mkdir()
    shop = {str(at): {"title": " ".join(words[at : at + 5]), "categories": []} for at in range(295)}
    (tmp_path / "amazon-beauty" / "items.json").write_text(json.dumps(shop))
    found = many_texts.texts(tmp_path, 3000)
    assert len(set(found)) == 3000
    assert {word for text in found for word in text.split()} <= set(words)
    row = many_texts.run("StaticEmbedding", tmp_path, Encoders(NOWHERE, tmp_path, tmp_path / "vectors"), 3000)
    assert row["left_by_the_killed"] >= 2048
    assert row["left_by_the_killed"] + row["encoded"] == 3000
    assert row["again_encoded"] == 0
    assert row["difference"] < 1e-6
    (_, text, [(_, lines)]) = next(report.content_tables.sections([row]))
    assert text.startswith("3,000 different texts")
    assert len(lines) == 6


def test_settings_are_parameters_of_their_models() -> None:
    for model, grid in content.MODELS.items():
        for settings in grid:
            getattr(mr, model)(**settings)._check()
    for name in ("ml-1m", "beauty"):
        there = warm_tail.on_the_frontier(name, ROOT / "benchmarks" / "results")
        for candidate in [*warm_tail.without(name, there), *warm_tail.with_content(name)]:
            warm_tail._unfitted(candidate)._check()


def test_what_items_are_is_read_from_their_files(tmp_path: Path) -> None:
    for name in ("amazon-beauty", "ml-1m", "online-retail"):
        (tmp_path / name).mkdir()
    beauty = {"1": {"title": "Soap", "categories": [["Beauty", "Skin Care", "Body"]]}}
    (tmp_path / "amazon-beauty" / "items.json").write_text(json.dumps(beauty))
    (tmp_path / "ml-1m" / "movies.dat").write_text("1::Toy (1995)::Comedy|War\n2::B\x85 (1996)::Drama\n", "latin-1")
    extra = "1::Toy::1995::G::d::g::d::w::a::A plot.::http\n2::B::1996::G::d::g::d::w::a::N/A::http\n"
    (tmp_path / "ml-1m" / "movies_extrainfos.dat").write_text(extra, "latin-1")
    (tmp_path / "online-retail" / "items.csv").write_text("item,description,stock_code\n7,SET OF 3 MUGS,1\n")
    assert sets.beauty_items(tmp_path) == {1: sets.Described("Soap. Skin Care, Body", ("Skin Care, Body",))}
    assert sets.movielens_items(tmp_path) == {
        1: sets.Described("Toy (1995). Comedy, War. A plot.", ("Comedy", "War")),
        2: sets.Described("B\x85 (1996). Drama", ("Drama",)),
    }
    assert sets.online_retail_items(tmp_path) == {7: sets.Described("SET OF 3 MUGS", ("MUGS",))}


def test_without_data_it_asks_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIREC_DATA", raising=False)
    assert main(["content", "--results", str(tmp_path), "--work", str(tmp_path), "--envs", str(tmp_path)]) == 1


def test_adjusted_scores_are_logits_less_the_logarithm_of_popularity() -> None:
    data = events(NOWHERE)
    settings = {"factors": 4, "iterations": 2, "max_length": 5}
    plain, model = mr.SASRec(**settings).fit(data), of_row("Adjusted", {"base": ["SASRec", settings]}).fit(data)
    users = np.arange(5, dtype=np.int32)
    logits = plain._scorer(plain._profiles_of(users)).block(0, 5)
    for exponent in (0.0, 0.7):
        model.tail_exponent = exponent
        scorer = model._scorer(model._profiles_of(users))
        expected = logits - exponent * np.log(data.item_counts)
        np.testing.assert_allclose(scorer.block(0, 5), expected, atol=1e-5)
        np.testing.assert_allclose(scorer.pairs(users[1:3].astype(np.int64), users[:2]), expected[[1, 2], [0, 1]], atol=1e-5)

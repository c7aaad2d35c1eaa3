"""The main job end to end on a tiny shop: files, choice, what is left out, repetition, interruption."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minirec as mr
from minirec import pipeline
from minirec.data.writers import write_csv
from minirec.errors import DataError, MemoryBudgetError, ModelFitError, ParameterError
from minirec.evaluation import item_shift
from minirec.pipeline.weights import Weigher, weighed, without_weights

MODELS = ("popularity", "random", "itemknn", "als")
SMALL = {"als": {"factors": 4, "iterations": 2}}


def shop(n_events: int = 900) -> mr.Dataset:
    return mr.synthetic(n_users=60, n_items=40, n_events=n_events, seed=3)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> pipeline.Run:
    pytest.importorskip("jinja2")
    return mr.run(shop(), out=tmp_path_factory.mktemp("run"), models=MODELS, params=SMALL)


@pytest.fixture
def events_csv(tmp_path: Path) -> Path:
    data = shop()
    path = tmp_path / "events.csv"
    assert data.timestamp is not None
    write_csv(path, {"user": data.users.ids(data.user), "item": data.items.ids(data.item), "time": data.timestamp})
    return path


def strict(path: Path) -> Any:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{path.name} holds {constant}, which is not JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_every_file_is_there_and_nothing_else(done: pipeline.Run) -> None:
    names = {path.name for path in done.out.iterdir()}
    assert {path.name for path in done.files} == names
    assert names - {"recommendations.parquet", "recommendations.csv"} == {"report.html", "metrics.json", "model.npz", "run.json"}


def test_metrics_are_strict_json_with_every_model(done: pipeline.Run) -> None:
    metrics = strict(done.out / "metrics.json")
    assert set(metrics["test"]) == set(MODELS)
    assert metrics["best"] == done.best
    assert set(metrics["validation"]) == set(MODELS)
    assert metrics["picks"] == done.picks
    assert set(metrics["picks"]) == {"accurate", "balanced", "tail"}
    assert metrics["test"]["als"]["ndcg@10"] == pytest.approx(done.result.to_dict()["als"]["ndcg@10"])
    low, high = metrics["intervals"]["als"]["ndcg@10"]
    assert low <= metrics["test"]["als"]["ndcg@10"] <= high


def test_validation_and_test_are_compared(done: pipeline.Run) -> None:
    told = strict(done.out / "run.json")["shift"]
    assert told == {**done.shift._asdict(), "differs": done.shift.differs}
    assert f"{done.shift}." in html.unescape((done.out / "report.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("split", ["time", "leave-last"])
def test_validation_is_ordered_in_time_where_test_is(split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = []

    def compare(validation: mr.Dataset, test: mr.Dataset, **settings: Any) -> Any:
        parts.extend([validation, test])
        return item_shift(validation, test, **settings)

    monkeypatch.setattr("minirec.pipeline.job.item_shift", compare)
    mr.run(shop(), out=tmp_path, models=["popularity"], split=split)
    for user in set(parts[0].users) & set(parts[1].users):
        validation, test = (part.timestamp[part.user == part.users.row(user, "user")] for part in parts)
        assert validation.max() <= test.min()
    assert split != "time" or parts[0].timestamp.max() < parts[1].timestamp.min()


def test_the_saved_model_is_the_best_one_fitted_on_all_events(done: pipeline.Run) -> None:
    model = mr.load_model(done.out / "model.npz")
    assert model.name == done.best
    assert set(model.users_) == set(shop().users)
    before, now = done.model.recommend(k=5), model.recommend(k=5)
    assert before.to_dict() == now.to_dict()


def test_recommendations_of_the_largest_k_for_every_user(done: pipeline.Run) -> None:
    path = next(path for path in done.files if path.stem == "recommendations")
    lists = mr.read(path, user="user", item="item", weight="score")
    data = shop()
    expected = {user: min(20, data.n_items - int(count)) for user, count in zip(data.users, data.matrix.counts(), strict=True)}
    assert dict(zip(lists.users, np.bincount(lists.user).tolist(), strict=True)) == expected


def test_run_json_says_what_was_asked_and_what_was_found(done: pipeline.Run) -> None:
    record = strict(done.out / "run.json")
    assert record["arguments"]["models"] == list(MODELS)
    assert record["arguments"]["params"] == SMALL
    assert record["arguments"]["source"] == {"in memory": "Dataset"}
    assert record["data"]["fingerprint"] == shop().fingerprint
    assert record["versions"]["minirec"] == mr.__version__
    assert {"read", "fit als on train", "evaluate"} <= set(record["seconds"])


def test_printed_form_names_the_choice_and_the_files(done: pipeline.Run) -> None:
    assert f"Chosen on validation: {done.best}" in str(done)
    assert "metrics.json" in str(done)


def test_a_repetition_gives_the_same_metrics_and_the_same_model_bytes(events_csv: Path, tmp_path: Path) -> None:
    first = mr.run(str(events_csv), out=tmp_path / "a", models=("als", "itemknn"), params=SMALL, seed=5)
    again = mr.run(out=tmp_path / "b", **strict(first.out / "run.json")["arguments"])
    for name in ("metrics.json", "model.npz"):
        assert (first.out / name).read_bytes() == (again.out / name).read_bytes(), name
    assert again.model.get_params().get("seed", 5) == 5


def test_a_model_over_the_budget_is_left_out_and_said_with_figures(tmp_path: Path) -> None:
    big = mr.synthetic(n_users=900, n_items=2_500, n_events=3_000, seed=1)
    knn = {"neighbors": 5}
    budget = 2 * mr.ItemKNN(**knn).estimate_memory(big)
    assert budget < mr.EASE().estimate_memory(big) / 3
    done = mr.run(big, out=tmp_path, models=("popularity", "itemknn", "ease"), params={"itemknn": knn}, memory=budget)
    assert set(done.left_out) == {"ease"}
    assert "GB" in done.left_out["ease"]
    assert "ease" in str(done)
    assert strict(tmp_path / "metrics.json")["left_out"] == done.left_out
    page = tmp_path / "report.html"
    if page.exists():
        assert done.left_out["ease"] in html.unescape(page.read_text())


def test_no_model_within_the_budget_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MemoryBudgetError, match="no model could be fitted: itemknn needs about"):
        mr.run(shop(), out=tmp_path, models=("itemknn",), memory=100)
    assert not list(tmp_path.iterdir())


def test_a_model_that_diverges_is_left_out_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(self: mr.ALS, *_: Any) -> None:
        raise ModelFitError("ALS diverged")

    monkeypatch.setattr(mr.ALS, "_fit", diverge)
    done = mr.run(shop(), out=tmp_path, models=("itemknn", "als"))
    assert done.best == "itemknn"
    assert done.left_out == {"als": "failed: ALS diverged"}


def test_interruption_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mr.ItemKNN, "_fit", interrupt)
    with pytest.raises(KeyboardInterrupt):
        mr.run(shop(), out=tmp_path, models=("itemknn",))
    assert not list(tmp_path.iterdir())


def test_interruption_while_writing_keeps_the_files_of_the_run_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mr.run(shop(), out=tmp_path, models=("itemknn",))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupt)
    with pytest.raises(KeyboardInterrupt):
        mr.run(shop(), out=tmp_path, models=("itemknn",))
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(after) == set(before)
    assert after["model.npz"] == before["model.npz"]


def test_without_the_extras_all_else_is_written_and_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from minirec.errors import MissingExtraError

    def missing(package: str, extra: str) -> Callable[..., None]:
        def fail(*_: Any, **__: Any) -> None:
            raise MissingExtraError(package, extra, "this file")

        return fail

    (tmp_path / "report.html").write_text("of an earlier run")
    monkeypatch.setattr("minirec.pipeline.files.render", missing("jinja2", "report"))
    monkeypatch.setattr(mr.Recommendations, "to_parquet", missing("duckdb", "io"))
    heard: list[str] = []
    done = mr.run(shop(), out=tmp_path, models=("itemknn",), watch=Listener(heard))
    assert {path.name for path in tmp_path.iterdir()} == {"recommendations.csv", "metrics.json", "model.npz", "run.json"}
    assert {path.name for path in done.files} == {path.name for path in tmp_path.iterdir()}
    assert sum("minirec[report]" in text for text in heard) == 1


class Listener:
    def __init__(self, heard: list[str]) -> None:
        self.heard = heard

    def say(self, text: str) -> None:
        self.heard.append(text)

    def step(self, label: str) -> AbstractContextManager[None]:
        self.heard.append(label)
        return nullcontext()


def test_the_watch_hears_every_step_and_the_account(tmp_path: Path) -> None:
    heard: list[str] = []
    mr.run(shop(), out=tmp_path, models=("itemknn",), min_item_users=2, watch=Listener(heard))
    steps = [text for text in heard if "\n" not in text]
    steps = [text for text in steps if not text.startswith("Note")]
    assert steps[:4] == ["read", "clean", "split", "model 1 of 1: fit itemknn for the choice"]
    assert any("events in" in text for text in heard)


@pytest.mark.parametrize("split", ["time", "random", "leave-last"])
def test_every_split_gives_a_report(split: str, tmp_path: Path) -> None:
    done = mr.run(shop(), out=tmp_path, models=("popularity", "itemknn"), split=split, k=5)
    assert done.result.settings["k"] == [5]
    assert all(math.isfinite(value) for value in (done.result.to_dict()["itemknn"][name] for name in ("ndcg@5", "coverage@5")))


def test_one_reference_alone_is_chosen_for_want_of_another(tmp_path: Path) -> None:
    assert mr.run(shop(), out=tmp_path, models="popularity").best == "popularity"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"models": ()}, "at least one model"),
        ({"models": ("nope",)}, "unknown model 'nope'"),
        ({"models": ("als",), "params": {"bpr": {}}}, "not among the models"),
        ({"models": ("als",), "params": {"als": {"speed": 1}}}, "no parameter speed"),
        ({"models": ("als",), "params": {"als": {"factors": 0}}}, "factors"),
        ({"split": "users"}, "split must be one of"),
        ({"weights": "heavy"}, "weights must be one of"),
        ({"k": (0,)}, "k takes whole numbers"),
        ({"k": ()}, "k takes whole numbers"),
        ({"test": 1.5}, "test"),
        ({"source": "synthetic", "user": "customer"}, "takes no settings of the reader"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: dict[str, Any], words: str, tmp_path: Path) -> None:
    given = {"source": shop(), "models": ("popularity", "itemknn")} | arguments
    with pytest.raises(ParameterError, match=words):
        mr.run(out=tmp_path, **given)


def test_a_folder_that_cannot_be_made_is_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterError, match="cannot write to the folder"):
        mr.run(shop(), out=tmp_path / "file" / "out", models=("itemknn",))


def test_too_little_data_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        mr.run(mr.Dataset.from_arrays([1, 1], ["a", "b"], times=[1, 1]), out=tmp_path, models=("itemknn",))


class TestWeights:
    data = mr.Dataset.from_arrays([1, 1, 2], ["a", "a", "b"], weights=[3.0, 1.0, 7.0])

    @pytest.mark.parametrize(
        ("weights", "expected"), [("binary", [1.0, 1.0]), ("count", [2.0, 1.0]), ("log", [3.0, 3.0]), ("raw", [4.0, 7.0])]
    )
    def test_what_a_pair_counts(self, weights: str, expected: list[float]) -> None:
        assert weighed(self.data, weights).matrix.data.tolist() == expected

    @pytest.mark.parametrize("weights", ["log", "raw"])
    def test_without_weights_events_are_counted(self, weights: str) -> None:
        data = mr.Dataset.from_arrays([1, 1, 2], ["a", "a", "b"])
        assert weighed(data, weights).matrix.data.tolist() == [2.0, 1.0]

    def test_logarithms_of_negative_weights_are_refused(self) -> None:
        data = mr.Dataset.from_arrays([1, 2], ["a", "b"], weights=[-3.0, 1.0])
        with pytest.raises(ParameterError, match="min_weight=0"):
            weighed(data, "log")

    def test_rating_models_see_the_ratings(self) -> None:
        assert Weigher("binary")(self.data, mr.BiasedMF()) is self.data

    def test_models_of_one_kind_share_one_data_set(self) -> None:
        weigher = Weigher("binary")
        first = weigher(self.data, mr.ItemKNN())
        assert weigher(self.data, mr.EASE()) is first
        weigher.drop(self.data)
        assert weigher(self.data, mr.EASE()) is not first

    def test_models_that_do_not_use_weights_are_named(self) -> None:
        models = [mr.Popularity(), mr.ItemKNN(), mr.ItemKNN(use_weights=True), mr.ALS(factors=4, iterations=2, alpha=1.0)]
        assert without_weights(models) == ["popularity", "itemknn"]

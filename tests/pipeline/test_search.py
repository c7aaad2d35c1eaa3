"""Candidates from the data, ladders around settings, halving within a budget, splits that can be judged, folders that are whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minirec as mr
from minirec.errors import DataError, ParameterError
from minirec.pipeline.candidates import ALWAYS, Climb, Shape, cannot_run, labelled, ladder, make
from minirec.pipeline.files import FolderInUse
from minirec.pipeline.parts import judged, make_parts


def shop(**settings: Any) -> mr.Dataset:
    return mr.synthetic(**{"n_users": 60, "n_items": 40, "n_events": 900, "seed": 3, **settings})


def test_ladders_hold_the_default_and_stay_inside() -> None:
    assert ladder((1.0, 500.0, "log"), 20.0) == [2.22222, 6.66667, 20.0, 60.0, 180.0]
    assert ladder((0.0, 0.5, "linear"), 0.3) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert ladder((10, 200, "int"), 30) == [15, 30, 60, 120]
    assert ladder(["a", "b"], "b") == ["a", "b"]
    assert ladder((1, 5, "int"), None) == [None]


def test_a_climb_tries_each_neighbor_once_and_keeps_what_the_user_gave() -> None:
    model = mr.DAN()
    climb = Climb(model, {"dropout": 0.3})
    assert "dropout" not in climb.ladders
    tried = []
    while (other := climb.step(model)) is not None:
        tried.append(other)
    assert len({repr(other) for other in tried}) == len(tried) == 2 * len(climb.ladders)
    assert labelled(tried[0], model) == "dan regularization=60.0"
    assert all(other.get_params()["dropout"] == 0.3 for other in tried)


def test_what_cannot_run_is_said_before_the_work() -> None:
    data = shop()
    shape = Shape.of(data)
    assert cannot_run(mr.EASE(), data, shape, 100.0, named=False) is None
    with mr.options(memory=1000):
        assert "GB" in (cannot_run(mr.EASE(), data, shape, 100.0, named=False) or "")
    assert "there are none" in (cannot_run(mr.ContentKNN(), data, shape, 100.0, named=True) or "")
    no_times = data.with_columns(timestamp=None)
    assert "no times" in (cannot_run(mr.SASRec(), no_times, Shape.of(no_times), 1e9, named=False) or "")
    large = shape._replace(users=10**6, items=10**6)
    assert "would take about" in (cannot_run(mr.EASE(), data, large, 100.0, named=False) or "")
    assert cannot_run(mr.EASE(), data, large, 100.0, named=True) is None


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Any:
    models = [*ALWAYS, "rp3beta", "ease"]
    return mr.run(shop(n_users=150, n_events=2500), out=tmp_path_factory.mktemp("run"), models=models, budget="4s")


@pytest.mark.slow_without_jit
def test_a_budget_searches_and_run_json_repeats_it(searched: Any, tmp_path: Path) -> None:
    tried = searched.record["arguments"]["trials"]["tried"]
    assert len(tried) > 5
    assert len({label for label, _, _ in tried}) == len(tried)
    assert set(ALWAYS) <= set(searched.result.models)
    assert set(searched.picks.values()) <= set(searched.result.models)
    metrics = json.loads((searched.out / "metrics.json").read_text())
    assert set(metrics["validation"]) == {label for label, _, _ in tried}
    assert metrics["best"] == metrics["picks"]["balanced"]
    given = {name: value for name, value in searched.record["arguments"].items() if name != "source"}
    again = mr.run(shop(n_users=150, n_events=2500), out=tmp_path, **given)
    for name in ("metrics.json", "model.npz"):
        assert (tmp_path / name).read_bytes() == (searched.out / name).read_bytes(), name
    assert again.picks == searched.picks


def test_a_split_that_judges_little_is_replaced_and_said_or_kept_and_said() -> None:
    users = [f"u{at}" for at in range(400) for _ in range(3)]
    items = [(at * 7 + turn) % 60 for at in range(400) for turn in range(3)]
    sessions = mr.Dataset.from_arrays(users, items, times=list(range(1200)))  # every user is there for a moment
    parts = make_parts(sessions, None, 0.2, 0)
    assert parts.how == "leave-last"
    assert "leave-last" in parts.notes[0]
    assert parts.judged.judged_users > 100
    with pytest.raises(DataError, match="leaves too little to evaluate"):
        make_parts(sessions, "time", 0.2, 0)


def test_what_can_be_judged_is_counted() -> None:
    train = mr.Dataset.from_arrays(["a", "a", "b"], [1, 2, 1])
    test = mr.Dataset.from_arrays(["a", "a", "b", "c"], [1, 3, 2, 1])
    found = judged(train, test)
    assert (found.users, found.pairs, found.repeats, found.judged_users, found.judged_pairs) == (3, 4, 1, 1, 1)
    assert judged(train, test, include_seen=True).judged_pairs == 2


def test_few_users_bring_more_folds_one_before_the_other() -> None:
    parts = make_parts(shop(), "time", 0.2, 0)
    assert len(parts.folds) > 1
    for later, earlier in zip(parts.folds, parts.folds[1:], strict=False):
        assert earlier.validation.timestamp is not None
        assert later.validation.timestamp is not None
        assert earlier.validation.timestamp.max() <= later.validation.timestamp.min()


def test_target_counts_chosen_kinds_alone(tmp_path: Path) -> None:
    data = shop(n_events=2000)
    kinds = np.where(np.random.default_rng(0).random(len(data)) < 0.5, "buy", "view")
    kinded = mr.Dataset.from_arrays(data.users.ids(data.user), data.items.ids(data.item), times=data.timestamp, kinds=kinds)
    parts = make_parts(kinded, "time", 0.2, 0, target=["buy"])
    assert parts.test.kind is not None
    assert {parts.test.kinds[number] for number in parts.test.kind} == {"buy"}
    assert len(set(parts.train.kind.tolist())) == 2  # type: ignore[union-attr]
    with pytest.raises(ParameterError, match="there is no such kind of event; there are: buy, view"):
        mr.run(kinded, out=tmp_path, models=["popularity"], target="purchase")


def test_repeat_purchases_are_judged_where_asked_for(tmp_path: Path) -> None:
    done = mr.run(shop(), out=tmp_path, models=("popularity", "itemknn"), include_seen=True)
    assert done.result.settings["exclude_seen"] is False
    path = next(path for path in done.files if path.stem == "recommendations")
    lists = mr.read(path, user="user", item="item", weight="score")
    known = set(zip(shop().users.ids(shop().user), shop().items.ids(shop().item), strict=True))
    listed = set(zip(lists.users.ids(lists.user), lists.items.ids(lists.item), strict=True))
    assert known & listed


def test_bestsellers_that_win_are_said_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(400), 6)
    items = np.minimum((rng.pareto(0.7, len(users)) * 3).astype(int), 79)  # nothing but popularity
    done = mr.run(mr.Dataset.from_arrays(users, items), out=tmp_path, models=("popularity", "als"), params={"als": {"factors": 32}})
    assert done.best == "popularity"
    assert "bestsellers are the pick" in done.warnings[0]
    assert str(done).startswith(done.warnings[0])
    page = json.loads((tmp_path / "run.json").read_text())["page"]
    assert page["verdict"]["kind"] == "bestsellers"
    assert page["warnings"][0] == done.warnings[0]


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with FolderInUse(tmp_path), pytest.raises(ParameterError, match="another run is writing"):
        mr.run(shop(), out=tmp_path, models=["popularity"])
    mr.run(shop(), out=tmp_path, models=["popularity"])


def test_a_run_that_is_killed_while_writing_leaves_no_manifest(tmp_path: Path) -> None:
    mr.run(shop(), out=tmp_path, models=["popularity"])
    code = (
        "import os, minirec as mr\n"
        "from minirec.pipeline import files\n"
        "real = os.replace\n"
        "def dying(source, target):\n"
        "    real(source, target)\n"
        "    if str(target).endswith('model.npz') and str(source).count('.part'):\n"
        f"        os._exit(9) if str(target).startswith({str(tmp_path)!r}) and '.part' not in str(target) else None\n"
        "files.os.replace = dying\n"
        f"mr.run(mr.synthetic(n_users=60, n_items=40, n_events=900, seed=4), out={str(tmp_path)!r}, models=['itemknn'])\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, env=os.environ)
    assert ended.returncode == 9
    assert not (tmp_path / "run.json").exists()


def test_names_in_any_case(tmp_path: Path) -> None:
    done = mr.run(shop(), out=tmp_path, models=["Popularity", "ItemKNN"], params={"ITEMKNN": {"neighbors": 5}})
    assert set(done.result.models) == {"popularity", "itemknn"}
    assert done.model.get_params()["neighbors"] == 5
    assert make("RP3Beta", {}, 0).name == "rp3beta"

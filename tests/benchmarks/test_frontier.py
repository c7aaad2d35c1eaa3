"""The frontier of the tail on a tiny shop: resumed, chosen on validation alone, compared with EASE, and drawn."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import minirec as mr
from benchmarks import frontier, report
from benchmarks.__main__ import main
from benchmarks.common import Folders

FAMILIES = {
    "EASE": frontier.Family("EASE", {}, {"regularization": (5.0, 50.0)}),
    "RP3beta": frontier.Family("RP3beta", {"neighbors": 20}, {"beta": (0.0, 0.4, 0.8)}, {"beta": (0.4,)}),
}


def read(folder: Path) -> tuple[mr.Dataset, str]:
    return mr.synthetic(n_users=80, n_items=60, n_events=2500, seed=1), "time"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    monkeypatch.setattr(frontier, "FAMILIES", FAMILIES)
    monkeypatch.setattr(frontier, "SHOPS", {"tiny": frontier.Shop("A tiny shop", read)})
    monkeypatch.setattr(frontier, "apart", lambda function, *arguments: function(*arguments))
    return Folders(tmp_path, tmp_path, tmp_path, tmp_path / "results")


def test_all_settings_are_run_once_and_the_chosen_ones_compared(folders: Folders) -> None:
    rows = list(frontier.run(folders, None, ["EASE"], again=False))
    assert [row["kind"] for row in rows] == ["point", "point", "choice"]
    assert rows[-1]["differences"] == []
    rows = list(frontier.run(folders, None, None, again=False))
    assert [row["kind"] for row in rows] == ["point"] * 3 + ["choice"]
    assert list(frontier.run(folders, None, None, again=False)) == []
    points = [row for row in json.loads((folders.results / "frontier.json").read_text()) if row["kind"] == "point"]
    assert len(points) == 5
    choice = rows[-1]
    assert choice["chosen"] == {family: row["settings"] for family, row in frontier.choose(points).items()}
    for family, figures in choice["test"].items():  # the second fit gives what the first one gave
        (point,) = (row for row in points if row["family"] == family and row["settings"] == choice["chosen"][family])
        assert point["test"] == figures
    for row in choice["differences"]:
        metric = row["metric"]
        expected = choice["test"][row["family"]][metric] - choice["test"]["EASE"][metric]
        assert row["difference"] == pytest.approx(expected, abs=2e-5)
        assert row["low"] <= row["difference"] <= row["high"]
    assert choice["shift"].startswith("Item shares of validation and test")


def test_the_report_has_a_table_and_a_picture(folders: Folders) -> None:
    pytest.importorskip("matplotlib")
    list(frontier.run(folders, None, None, again=False))
    report.write(folders.results, folders.work)
    text = (folders.work / "FRONTIER.md").read_text()
    assert "## A tiny shop" in text
    assert text.count("| EASE |") == 1
    assert text.count("| RP3beta |") == 1
    assert (folders.work / "images" / "frontier-tiny.svg").read_text().count("<svg") == 1


def point(family: str, accuracy: float, tail: float, **more: Any) -> dict[str, Any]:
    validation = {"ndcg@20": accuracy, "tail.ndcg@20": tail}
    return {"family": family, "settings": {"x": accuracy}, "validation": validation, **more}


def test_the_tail_is_taken_where_no_accuracy_is_lost() -> None:
    ease = [point("EASE", 0.3, 0.9), point("EASE", 0.4, 0.1)]
    free = [point("DAN", 0.5, 0.2), point("DAN", 0.4, 0.3), point("DAN", 0.39, 0.9), {"family": "DAN", "settings": {}, "error": "no"}]
    lost = [point("ALS", 0.2, 0.8), point("ALS", 0.3, 0.1)]
    chosen = frontier.choose([*ease, *free, *lost])
    assert {family: row["validation"]["ndcg@20"] for family, row in chosen.items()} == {"EASE": 0.4, "DAN": 0.4, "ALS": 0.3}
    assert frontier.choose(free) == {}


def test_parts_are_distinct_pairs_and_validation_is_before_test(folders: Folders) -> None:
    found = frontier.parts("tiny", folders.work)
    for part in found:
        assert len(part) == part.matrix.nnz
        assert part.weight is None
    assert found.inner.timestamp.max() < found.validation.timestamp.min()
    assert found.validation.timestamp.max() < found.test.timestamp.min()


@pytest.mark.parametrize("ordered", [True, False])
def test_the_latest_events_of_a_published_split_are_its_validation(tmp_path: Path, ordered: bool) -> None:
    folder = tmp_path / "gowalla"
    folder.mkdir()
    (folder / "train.txt").write_text("".join(f"{u} {' '.join(map(str, range(20)))}\n" for u in range(3)))
    (folder / "test.txt").write_text("0 20\n1 20 21\n")
    if ordered:
        (folder / "ordered.txt").write_text("".join(f"{u} {' '.join(map(str, reversed(range(20))))}\n" for u in range(3)))
    found = frontier.parts("gowalla", tmp_path)
    assert (len(found.inner), len(found.validation), len(found.train), len(found.test)) == (54, 6, 60, 3)
    if ordered:
        assert set(found.validation.items.ids(found.validation.item)) == {0, 1}


def test_a_share_of_the_reference_may_be_lost() -> None:
    points = [point("ChebyCF", 0.5, 0.1), point("GFCF", 0.496, 0.3), point("GFCF", 0.4, 0.9)]
    chosen = frontier.choose(points, "ChebyCF", 0.99)
    assert {family: row["validation"]["ndcg@20"] for family, row in chosen.items()} == {"ChebyCF": 0.5, "GFCF": 0.496}


def test_settings_of_all_families_are_parameters_of_their_models() -> None:
    for shop in frontier.SHOPS.values():
        for family, description in frontier.FAMILIES.items():
            for settings in shop.settings(family):
                getattr(mr, description.model)(**settings)._check()


def test_a_data_set_may_have_a_grid_of_its_own_beside_that_of_the_family() -> None:
    shop = frontier.Shop("a shop", Path, large=True, more={"EASE": {"regularization": (1.0, 2.0)}})
    assert [row["regularization"] for row in shop.settings("EASE")] == [100.0, 500.0, 2000.0, 1.0, 2.0]
    assert shop.settings("ALS") == frontier.FAMILIES["ALS"].settings(large=True)


def test_what_a_setting_cannot_do_stands_in_its_row(folders: Folders) -> None:
    with mr.options(memory=1):
        row = frontier._point("tiny", "EASE", {"regularization": 1.0}, folders.work)
    assert "MINIREC_MEMORY" in row["error"]


def test_without_data_it_asks_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIREC_DATA", raising=False)
    assert main(["frontier", "--results", str(tmp_path), "--work", str(tmp_path), "--envs", str(tmp_path)]) == 1

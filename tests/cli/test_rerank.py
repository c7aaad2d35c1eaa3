"""`minirec rerank` on files."""

import csv

import numpy as np
import pytest

from minirec.cli.main import main


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    with open(tmp_path / "recs.csv", "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["user", "item", "score"])
        for user in range(20):
            for at, item in enumerate(rng.choice(30, 15, replace=False)):
                writer.writerow([user, item, round(3 - 0.1 * at, 3)])
    with open(tmp_path / "items.csv", "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["item", "brand", "genre"])
        writer.writerows([item, "small" if item % 6 == 0 else f"b{item % 3}", "x|y" if item % 2 else "z"] for item in range(30))
    return tmp_path


def lists(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_floor_for_each_provider(files, capsys):
    command = ["rerank", str(files / "recs.csv"), "--items", str(files / "items.csv"), "--method", "exposure", "--provider", "brand"]
    assert main([*command, "--floor", "0.2", "-k", "5", "--out", str(files / "fair.csv")]) == 0
    rows = lists(files / "fair.csv")
    assert len(rows) == 100
    brand = {row["item"]: row["brand"] for row in lists(files / "items.csv")}
    shares = [sum(brand[row["item"]] == one for row in rows) / 100 for one in ("small", "b0", "b1", "b2")]
    assert min(shares) >= 0.2
    assert "held True" in capsys.readouterr().err


def test_a_method_without_strength_keeps_the_lists(files):
    command = ["rerank", str(files / "recs.csv"), "--items", str(files / "items.csv"), "--by", "genre", "--method", "MMR"]
    assert main([*command, "--weight", "0", "--k", "15", "--out", str(files / "same.csv")]) == 0
    before = {(row["user"], row["item"]) for row in lists(files / "recs.csv")}
    assert {(row["user"], row["item"]) for row in lists(files / "same.csv")} == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "nothing"], "there are mmr"),
        (["--method", "mmr", "--floor", "0.1"], "takes no --floor"),
        (["--method", "calibration", "--by", "genre"], "needs events"),
        (["--method", "mmr", "--by", "color"], "no column 'color'"),
    ],
)
def test_what_cannot_be_done_is_told_with_exit_code_2(files, capsys, options, message):
    command = ["rerank", str(files / "recs.csv"), "--items", str(files / "items.csv"), "--out", str(files / "x.csv")]
    assert main([*command, *options]) == 2
    assert message in capsys.readouterr().err
    assert not (files / "x.csv").exists()

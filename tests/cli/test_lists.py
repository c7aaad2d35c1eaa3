"""Commands that ask a saved model, and those around it: lists in every format, filters, similar items, parts, pages."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from pathlib import Path

import pytest

import minirec as mr
from minirec.cli.main import in_options, main
from minirec.models.contract.audience import recommend_users


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lists")
    data = mr.synthetic(n_users=50, n_items=30, n_events=700, seed=2)
    mr.ItemKNN().fit(data).save(path / "model.npz")
    rows = [f"{item},Title {item},{at},{'yes' if at % 2 else 'no'}" for at, item in enumerate(data.items)]
    (path / "items.csv").write_text("\n".join(["sku,title,price,in_stock", *rows]) + "\n")
    return path


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def test_lists_with_item_columns_and_a_condition(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--items", str(folder / "items.csv"), "--show", "title,price", "--where", "price < 20 and in_stock"]
    assert main(["recommend", str(folder / "model.npz"), "-k", "5", *settings]) == 0
    rows = told(capsys)
    assert rows
    assert all(row["title"] == f"Title {row['item']}" and float(row["price"]) < 20 and float(row["price"]) % 2 == 1 for row in rows)
    assert all(len(row["score"].partition(".")[2]) <= 6 for row in rows)


@pytest.mark.parametrize("suffix", ["csv", "json", "sqlite"])
def test_every_format_holds_the_same(suffix: str, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / f"lists.{suffix}"
    settings = ["--items", str(folder / "items.csv"), "--show", "title", "--quiet", "-k", "3"]
    assert main(["recommend", str(folder / "model.npz"), *settings, "--out", str(out)]) == 0
    if suffix == "csv":
        rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    elif suffix == "json":
        rows = json.loads(out.read_text(encoding="utf-8"))
    else:
        connection = sqlite3.connect(out)
        cursor = connection.execute("SELECT * FROM recommendations")
        rows = [dict(zip([column[0] for column in cursor.description], row, strict=True)) for row in cursor]
        connection.close()
    model = mr.load_model(folder / "model.npz")
    expected = model.recommend(k=3).columns()
    assert [str(row["item"]) for row in rows] == [str(item) for item in expected["item"]]
    assert [float(row["score"]) for row in rows] == pytest.approx(expected["score"], abs=1e-6)
    assert rows[0]["title"] == f"Title {rows[0]['item']}"


def test_users_for_an_item(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = mr.load_model(folder / "model.npz")
    item = model.items_[3]
    assert main(["recommend", str(folder / "model.npz"), "--item", str(item), "-k", "4"]) == 0
    rows = told(capsys)
    seen = {model.users_[user] for user in model.seen_.row_ids()[model.seen_.indices == 3]}
    assert not seen & {int(row["user"]) for row in rows}
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    everybody = recommend_users(model, item, k=len(model.users_), exclude_seen=False)
    assert len(everybody) == len(model.users_)
    assert dict(everybody)[model.users_[0]] == pytest.approx(float(model.score([model.users_[0]], [item])[0]))


def test_similar_items(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = mr.load_model(folder / "model.npz")
    first, second = model.items_[0], model.items_[1]
    assert main(["similar", str(folder / "model.npz"), str(first), str(second), "-k", "3"]) == 0
    rows = told(capsys)
    assert [int(row["item"]) for row in rows[:3]] == [item for item, _ in model.similar_items(first, 3)]
    assert [int(row["like"]) for row in rows] == [first] * 3 + [second] * 3


def test_explain(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = mr.load_model(folder / "model.npz")
    user = model.users_[0]
    item = model.recommend(user, k=1)[0].items[0]
    settings = ["--items", str(folder / "items.csv"), "--show", "title"]
    assert main(["explain", str(folder / "model.npz"), "--user", str(user), "--item", str(item), *settings]) == 0
    printed = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    assert sum(float(row["part"]) for row in rows) == pytest.approx(model.explain(user, item).score, abs=1e-4)
    assert all(row["title"] == f"Title {row['item']}" for row in rows)
    assert "score" in printed.err


def test_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    assert len(capsys.readouterr().out.splitlines()) >= len(mr.MODELS)
    assert main(["models", "RP3Beta"]) == 0
    assert "beta" in capsys.readouterr().out


def test_split_writes_files_that_fit_and_evaluate_read(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = mr.synthetic(n_users=50, n_items=30, n_events=700, seed=2)
    from minirec.data.writers import write_csv

    source, parts = tmp_path / "events.csv", tmp_path / "parts"
    write_csv(source, {"user": data.users.ids(data.user), "item": data.items.ids(data.item), "time": data.timestamp})
    assert main(["split", str(source), "--how", "leave-last", "--out", str(parts), "--quiet"]) == 0
    train, test = mr.read(parts / "train.csv"), mr.read(parts / "test.csv")
    assert len(train) + len(test) == len(data)
    assert main(["fit", str(parts / "train.csv"), "--model", "ItemKNN", "--out", str(tmp_path / "m.npz"), "--quiet"]) == 0
    command = ["evaluate", str(tmp_path / "m.npz"), "--train", str(parts / "train.csv"), "--test", str(parts / "test.csv"), "--quiet"]
    assert main(command) == 0


def test_report_draws_the_page_again_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("jinja2")
    data = mr.synthetic(n_users=60, n_items=40, n_events=900, seed=3)
    for name, models in (("a", ("popularity", "itemknn")), ("b", ("popularity", "rp3beta"))):
        mr.run(data, out=tmp_path / name, models=models)
    before = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert main(["report", str(tmp_path / "a")]) == 0
    assert (tmp_path / "a" / "report.html").read_text(encoding="utf-8") == before
    assert main(["report", str(tmp_path / "a"), "--lang", "zh", "--out", str(tmp_path / "zh.html")]) == 0
    assert 'lang="zh"' in (tmp_path / "zh.html").read_text(encoding="utf-8")
    assert main(["report", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    page = (tmp_path / "b" / "changes.html").read_text(encoding="utf-8")
    assert "Both runs are of the same events." in page
    assert "RP3beta" in page
    assert main(["report", str(tmp_path)]) == 2


BAD = [
    ("recommend {model} --show title", "--items FILE"),
    ("recommend {model} --items {items} --show titel", "did you mean 'title'"),
    ("recommend {model} --items {items} --where 'pric<3'", "did you mean 'price'"),
    ("recommend {model} --items {items} --where 'price<-3'", "no item of the model matches"),
    ("recommend {model} --out lists.txt", "must end in one of .csv"),
    ("explain {model} --item 1", "--user"),
    ("fit {folder}/missing.csv --model itemkn", "did you mean 'itemknn'"),
    ("fit {folder}/missing.csv --model als --param factor=3", "factor"),
    ("run {folder}/missing.csv --models itemkn", "did you mean 'itemknn'"),
    ("tune {folder}/missing.csv --model als --metric ndgc@20", "ndgc"),
    ("models nope", "unknown model 'nope'"),
]


@pytest.mark.parametrize(("command", "words"), BAD)
def test_typos_are_told_before_anything_is_read(command: str, words: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shlex

    line = command.format(model=folder / "model.npz", items=folder / "items.csv", folder=folder)
    assert main(shlex.split(line)) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("error:") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name the column: user='x'", "name the column: --user x"),
        ("split='leave-last' (--split leave-last) judges more", "--split leave-last judges more"),
        ("(budget=..., --budget 30m, raises it)", "(--budget 30m, raises it)"),
        ("min_weight=0 drops them", "--min-weight 0 drops them"),
        ("model.name=value", "model.name=value"),
    ],
)
def test_messages_speak_of_options(text: str, expected: str) -> None:
    assert in_options(text) == expected

"""The command line: what each command does, and with which exit code it ends."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import minirec as mr
from minirec.cli import inputs, main
from minirec.cli.parser import build_parser
from minirec.data.writers import write_csv
from minirec.errors import MissingExtraError


@pytest.fixture
def events(tmp_path: Path) -> Path:
    data = mr.synthetic(n_users=60, n_items=40, n_events=900, seed=3)
    path = tmp_path / "events.csv"
    assert data.timestamp is not None
    assert data.weight is not None
    columns = {"customer": data.users.ids(data.user), "sku": data.items.ids(data.item), "ts": data.timestamp, "qty": data.weight}
    write_csv(path, columns)
    return path


@pytest.fixture
def model(events: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.npz"
    assert main(["fit", str(events), "--model", "itemknn", "--out", str(path), "--quiet"]) == 0
    return path


def test_run_writes_a_folder(events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    command = ["run", str(events), "--user", "customer", "--item", "sku", "--time", "ts", "--weight", "qty", "--out", str(out)]
    assert main([*command, "--models", "popularity,als", "--param", "als.factors=4", "--param", "als.iterations=2", "--seed", "4"]) == 0
    printed = capsys.readouterr()
    assert "Chosen on validation: als" in printed.out
    assert "fit als on train" in printed.err
    assert "900 events in, 900 events out" in printed.err
    record = json.loads((out / "run.json").read_text())
    assert record["arguments"]["params"] == {"als": {"factors": 4, "iterations": 2}}
    assert record["arguments"]["seed"] == 4
    assert mr.load_model(out / "model.npz").get_params()["seed"] == 4


@pytest.mark.slow_without_jit
def test_repeat_gives_the_same_again(events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["run", str(events), "--models", "itemknn", "--out", str(first), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["run", "--repeat", str(first / "run.json"), "--out", str(second)]) == 0
    assert "fingerprints differ" not in capsys.readouterr().err
    for name in ("metrics.json", "model.npz"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    lines = events.read_text().splitlines()
    events.write_text("\n".join(lines[:-50]) + "\n")
    assert main(["run", "--repeat", str(first / "run.json"), "--out", str(second)]) == 0
    assert "fingerprints differ" in capsys.readouterr().err


def test_fit_takes_typed_parameters(events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "als.npz"
    parameters = ["--param", "factors=4", "--param", "regularization=0.5", "--param", "iterations=2"]
    assert main(["fit", str(events), "--model", "als", *parameters, "--seed", "9", "--out", str(path)]) == 0
    fitted = mr.load_model(path).get_params()
    assert (fitted["factors"], fitted["regularization"], fitted["iterations"], fitted["seed"]) == (4, 0.5, 2, 9)
    assert "written to" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1", 1),
        ("a=0.5", 0.5),
        ("a=true", True),
        ("a=True", True),
        ("a=null", None),
        ("a=None", None),
        ("a=bm25", "bm25"),
        ("a=x=y", "x=y"),
    ],
)
def test_parameters_are_json_or_text(text: str, expected: Any) -> None:
    assert inputs.param(text) == ("a", expected)


class TestRecommend:
    def test_to_the_standard_output(self, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
        users = mr.load_model(model).users_
        assert main(["recommend", str(model), "-k", "3"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "user,item,score,rank"
        assert len(lines) == 1 + 3 * len(users)

    def test_for_users_of_a_file_with_filters(self, model: Path, tmp_path: Path) -> None:
        fitted = mr.load_model(model)
        user = fitted.users_[0]
        best = fitted.recommend(user, k=5)[0].items
        for name, ids in (("users", [user]), ("candidates", best), ("deny", best[:1])):
            (tmp_path / f"{name}.txt").write_text("\n".join(map(str, ids)) + "\n\n")
        out = tmp_path / "recs.csv"
        files = [part for name in ("users", "candidates", "deny") for part in (f"--{name}", str(tmp_path / f"{name}.txt"))]
        assert main(["recommend", str(model), *files, "-k", "20", "--out", str(out)]) == 0
        items = [int(line.split(",")[1]) for line in out.read_text().splitlines()[1:]]
        assert items == best[1:]

    def test_for_somebody_new(self, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
        fitted = mr.load_model(model)
        history = fitted.items_.ids([0, 1, 2])
        assert main(["recommend", str(model), "--history", *map(str, history), "-k", "4"]) == 0
        items = [int(line.split(",")[1]) for line in capsys.readouterr().out.splitlines()[1:]]
        assert items == fitted.recommend(history=[history], k=4)[0].items

    def test_unknown_ids_are_refused_or_counted(self, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "users.txt").write_text("no-such-user\n")
        command = ["recommend", str(model), "--users", str(tmp_path / "users.txt")]
        assert main(command) == 2
        assert "no-such-user" in capsys.readouterr().err
        assert main([*command, "--unknown", "ignore"]) == 0
        assert "1 unknown ids ignored" in capsys.readouterr().err

    def test_parquet(self, model: Path, tmp_path: Path) -> None:
        pytest.importorskip("duckdb")
        assert main(["recommend", str(model), "--out", str(tmp_path / "recs.parquet"), "--quiet"]) == 0
        assert (tmp_path / "recs.parquet").read_bytes()[:4] == b"PAR1"


def test_ids_that_read_as_numbers_stay_text_where_the_model_has_them_as_text() -> None:
    from minirec.data.ids import IdIndex

    assert inputs.ids(["007", "7", "x", "8"], IdIndex.from_ids(["007", 7, "x", "8"])) == ["007", 7, "x", "8"]


def test_evaluate(model: Path, events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = events.read_text().splitlines()
    (tmp_path / "train.csv").write_text("\n".join(lines[:700]) + "\n")
    (tmp_path / "test.csv").write_text("\n".join([lines[0], *lines[700:]]) + "\n")
    fitted = tmp_path / "m.npz"
    assert main(["fit", str(tmp_path / "train.csv"), "--model", "itemknn", "--out", str(fitted), "--quiet"]) == 0
    parts = ["--train", str(tmp_path / "train.csv"), "--test", str(tmp_path / "test.csv"), "--k", "5", "--out", str(tmp_path / "m.json")]
    assert main(["evaluate", str(fitted), *parts]) == 0
    assert "Full ranking" in capsys.readouterr().out
    assert 0 <= json.loads((tmp_path / "m.json").read_text())["m"]["ndcg@5"] <= 1
    assert main(["evaluate", str(fitted), str(fitted), *parts]) == 2
    theirs = tmp_path / "theirs.csv"
    assert main(["recommend", str(fitted), "-k", "6", "--out", str(theirs), "--quiet"]) == 0
    assert main(["evaluate", str(fitted), "--lists", str(theirs), *parts]) == 0
    found = json.loads((tmp_path / "m.json").read_text())
    assert found["theirs"]["ndcg@5"] == found["m"]["ndcg@5"]
    assert main(["evaluate", "--lists", str(theirs), *parts]) == 0
    assert main(["evaluate", *parts]) == 2


def test_tune(events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "best.npz"
    assert main(["tune", str(events), "--model", "itemknn", "--budget", "2", "--metric", "ndcg@5", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert "best of 2 trials" in printed.out
    assert printed.err.count("ndcg@5") == 2
    assert mr.load_model(out).name == "itemknn"


def test_data_commands(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    assert "synthetic" in capsys.readouterr().out
    assert main(["data", "describe", str(events), "--min-item-users", "2"]) == 0
    assert "density" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", ["", "run", "fit", "recommend", "evaluate", "tune", "data", "data list", "data describe", "data download"]
)
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--help"]) == 0
    assert "usage: minirec" in capsys.readouterr().out


BAD = [
    ("", 2, "COMMAND"),
    ("nonsense", 2, "invalid choice"),
    ("run --k ten", 2, "whole numbers such as 10,20"),
    ("run --kind-weights view=much", 2, "such as view=1,buy=5"),
    ("run {folder}/missing.csv", 2, "missing.csv"),
    ("run {events} --user nobody --item sku", 2, "no column 'nobody'"),
    ("run {events} --models nope", 2, "unknown model 'nope'"),
    ("run {events} --param factors=3", 2, "model.name=value"),
    ("run {events} --models als --param als.factors=none", 2, "factors"),
    ("run {events} --repeat {events}", 2, "cannot read"),
    ("run --repeat {folder}/list.json", 2, "JSON object"),
    ("run --repeat {folder}/empty.json", 2, "no arguments"),
    ("run --repeat {folder}/memory.json", 2, "in memory"),
    ("run {events} --repeat {folder}/good.json", 2, "do not name another"),
    ("run {events} --memory much", 2, "memory"),
    ("run {events} --threads 0", 2, "threads"),
    ("run {events} --models itemknn --memory 10", 1, "the budget "),
    ("fit {events} --model itemknn --param novalue", 2, "name=value"),
    ("fit {events} --model itemknn --out {events}/m.npz", 1, ""),
    ("recommend {events}", 2, "not a readable minirec model"),
    ("recommend {folder}/missing.npz", 2, "no model file"),
    ("recommend {model} --users {folder}/missing.txt", 2, "there is no such file"),
    ("recommend {model} --users {folder}/blank.txt", 2, "no ids"),
    ("recommend {model} --users {folder}/blank.txt --history 1", 2, "not both"),
    ("recommend {model} -k 0", 2, "k"),
    ("evaluate {model} --train {events}", 2, "--test"),
    ("tune {events} --model itemknn --budget soon", 2, "budget"),
    ("data describe {folder}/blank.txt", 2, ""),
    ("data download nothing", 2, "unknown download"),
]


@pytest.mark.parametrize(("command", "code", "words"), BAD)
def test_exit_codes(
    command: str, code: int, words: str, events: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "blank.txt").write_text("\n")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "memory.json").write_text('{"arguments": {"source": {"in memory": "DataFrame"}}}')
    (tmp_path / "good.json").write_text('{"arguments": {"source": "x.csv"}}')
    line = command.format(events=events, model=model, folder=tmp_path).split()
    if line[:1] == ["run"]:
        line += ["--out", str(tmp_path / "out")]
    capsys.readouterr()
    assert main(line) == code
    printed = capsys.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err
    assert printed.err.count("error:") == 1


def failing(error: BaseException) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MissingExtraError("duckdb", "io", "this"), 1, "minirec[io]"),
        (RuntimeError("a mistake of ours"), 1, "RuntimeError: a mistake of ours (--debug shows where)"),
        (OSError(28, "No space left on device", "model.npz"), 1, "model.npz: No space left on device"),
    ],
)
def test_other_failures(
    error: BaseException, code: int, words: str, events: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mr.ItemKNN, "_fit", failing(error))
    assert main(["fit", str(events), "--model", "itemknn"]) == code
    assert words in capsys.readouterr().err


def test_debug_shows_the_traceback(events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mr.ItemKNN, "_fit", failing(RuntimeError("a mistake of ours")))
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        main(["fit", str(events), "--model", "itemknn", "--debug"])


def test_ctrl_c_leaves_no_file(events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mr.ItemKNN, "_fit", failing(KeyboardInterrupt()))
    out = tmp_path / "out"
    assert main(["run", str(events), "--models", "itemknn", "--out", str(out)]) == 130
    assert not list(out.iterdir())
    assert main(["fit", str(events), "--model", "itemknn", "--out", str(out / "m.npz")]) == 130
    assert not list(out.iterdir())


def test_settings_hold_for_the_command_only(events: Path, tmp_path: Path) -> None:
    before = mr.options_in_force()["backend"]
    out = tmp_path / "m.npz"
    assert main(["--backend", "numpy", "fit", str(events), "--model", "itemknn", "--threads", "1", "--out", str(out)]) == 0
    assert mr.load_model(out).provenance_["backend"] == "numpy"
    assert mr.options_in_force()["backend"] == before


def test_warnings_are_one_line(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import warnings

    from minirec.errors import DataWarning

    def warn(*_: Any) -> dict[str, str]:
        warnings.warn("something deserves a look", DataWarning, stacklevel=1)
        return {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minirec.data.datasets", warn)
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            assert main(["data", "list"]) == 0
    assert capsys.readouterr().err == "minirec: warning: something deserves a look\n"


def test_bars_where_stderr_is_a_terminal(events: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    out = events.with_name("m.npz")
    assert main(["fit", str(events), "--model", "als", "--param", "iterations=3", "--param", "factors=4", "--out", str(out)]) == 0
    err = capsys.readouterr().err
    assert "3/3" in err
    assert main(["fit", str(events), "--model", "itemknn", "--out", str(out)]) == 0
    assert "1/1" in capsys.readouterr().err


def test_the_command_is_quick_to_import() -> None:
    code = "import sys, minirec.cli; print(sorted({'scipy', 'numba', 'matplotlib', 'jinja2', 'duckdb', 'pandas'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "line", ["from minirec.cli import main", "from minirec.cli.main import main", "import minirec.cli.main; main = minirec.cli.main"]
)
def test_both_places_serve_as_an_entry_point(line: str) -> None:
    ran = subprocess.run([sys.executable, "-c", f"{line}\nmain(['--version'])"], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == f"minirec {mr.__version__}"


def test_k_is_short_and_long(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists = []
    for option in ("-k", "--k"):
        assert main(["recommend", str(model), option, "2"]) == 0
        lists.append(capsys.readouterr().out)
    assert lists[0] == lists[1]


def test_every_help_has_examples_that_parse() -> None:
    parser = build_parser()

    def check(one: Any) -> int:
        groups = [action for action in one._actions if hasattr(action, "choices") and isinstance(action.choices, dict)]
        lines = [line.strip() for line in (one.epilog or "").splitlines() if line.strip().startswith("minirec ")]
        for line in lines:
            assert parser.parse_args(shlex.split(line.partition(" > ")[0])[1:]).command
        if one is not parser:
            assert lines, one.prog
        return 1 + sum(check(sub) for group in groups for sub in group.choices.values())

    assert check(parser) > 9


def test_as_a_module() -> None:
    ran = subprocess.run([sys.executable, "-m", "minirec.cli", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == f"minirec {mr.__version__}"

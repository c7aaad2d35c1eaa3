"""The benchmark suite on tiny data: clocks, goals, judging, resuming, failures and the report; no peer is installed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array, load_npz, random_array

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks import report
from benchmarks.__main__ import brief, main
from benchmarks.common import Folders, Results
from benchmarks.data import NoData, prepare
from benchmarks.speed import runner, scaling
from benchmarks.speed.job import Job, weights
from benchmarks.speed.peers import PEERS, install, python_of
from benchmarks.speed.quality import Judge, agreement
from benchmarks.speed.runner import Side, SideError, per_lap, summary
from benchmarks.speed.task import Goal, Task
from benchmarks.speed.tasks import TASKS, find

TINY = "zipf-1500-60-40"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    """Folders under tmp_path, with an environment of the peer "numpy" that is this one, and plain NumPy kernels in all sides."""
    monkeypatch.setenv("MINIREC_BACKEND", "numpy")
    envs = tmp_path / "envs"
    python = python_of("numpy", envs)
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (envs / "numpy.json").write_text(json.dumps({"peer": "numpy", "version": "9", "error": None, "seconds": 0.0, "megabytes": 0.0}))
    return Folders(None, tmp_path / "work", envs, tmp_path / "results")


def test_the_clock_stands_still_while_arrays_are_handed_over(tmp_path: Path) -> None:
    def slow() -> dict[str, np.ndarray]:
        time.sleep(0.05)
        return {"x": np.ones(2)}

    def side(job: Job) -> None:
        job.start()
        job.lap(slow)
        job.lap()

    job = Job(tmp_path, 1)
    first, second = job.run(side, tmp_path)
    assert 0 <= first <= second < 0.05
    assert np.load(tmp_path / "0.npz")["x"].tolist() == [1, 1]
    assert len(job.run(side, None)) == 2


@pytest.mark.parametrize(
    ("goal", "curves", "target", "laps"),
    [
        (Goal("ndcg@10", value=0.3), [[0.1, 0.3, 0.2], [0.1]], 0.3, [1, None]),
        (Goal("ndcg@10", share=0.5), [[0.1, 0.2], [0.1, 0.4]], 0.2, [1, 1]),
        (Goal("rmse", share=1.0, lower=True), [[3.0, 2.0], [3.0, 1.0]], 2.0, [1, 1]),
    ],
)
def test_goals(goal: Goal, curves: list[list[float]], target: float, laps: list[int | None]) -> None:
    assert goal.target(curves) == target
    assert [goal.lap(curve, target) for curve in curves] == laps


def test_seconds_of_a_lap_leave_out_what_is_done_once() -> None:
    assert per_lap([4.0]) == 4
    assert per_lap([9.0, 10.0, 11.0, 14.0]) == 1


def test_a_row_holds_the_medians_of_both_sides_and_their_ratio() -> None:
    task = Task("t", "T", ("d",), {}, "run")
    row = summary(task, [[[2.0], [4.0], [3.0]], [[1.0], [1.0], [2.0]]], [{0: {"ndcg@10": 0.3}}, {0: {"ndcg@10": 0.4}}], 0.5)
    assert (row["peer_seconds"], row["minirec_seconds"], row["ratio"]) == (3, 1, 3)
    assert row["peer_spread"] == [2, 4]
    assert row["minirec_quality"] == {"ndcg@10": 0.4}
    assert row["agreement"] == 0.5
    assert not report.worse(row)


def test_time_to_a_goal_and_a_side_that_never_arrives() -> None:
    task = Task("t", "T", ("d",), {}, "run", goal=Goal("ndcg@10", share=0.99))
    quality = [{lap: {"ndcg@10": value} for lap, value in enumerate(curve)} for curve in ([0.1, 0.2, 0.3], [0.3, 0.4, 0.4])]
    row = summary(task, [[[1.0, 2.0, 3.0]] * 2, [[1.0, 3.0, 9.0], [1.0, 5.0, 9.0]]], quality)
    assert row["peer_seconds"] is None
    assert row["minirec_seconds"] == 4
    assert "ratio" not in row
    assert row["peer_curve"] == [[1.0, 0.1], [2.0, 0.2], [3.0, 0.3]]
    assert row["peer_best"] == 0.3


def test_results_are_taken_up_again_and_rows_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.json"
    results = Results(path, ("task", "peer"))
    results.put({"task": "a", "peer": "p", "ratio": 1})
    results.put({"task": "a", "peer": "q", "ratio": 2})
    results.put({"task": "a", "peer": "p", "ratio": 3})
    again = Results(path, ("task", "peer"))
    assert [row["ratio"] for row in again.rows] == [3, 2]
    found = {"id": "x/a/q", "command": "python -m benchmarks row x/a/q", "task": "a", "peer": "q", "ratio": 2}
    assert again.find({"task": "a", "peer": "q"}) == found
    assert again.find({"task": "b", "peer": "q"}) is None
    assert [file.name for file in path.parent.iterdir()] == ["x.json"]


def test_runs_that_write_one_file_keep_each_other_s_rows(tmp_path: Path) -> None:
    one, other = (Results(tmp_path / "x.json", ("task",)) for _ in range(2))
    one.put({"task": "a", "ratio": 1})
    other.put({"task": "b", "ratio": 2})
    one.put({"task": "c", "ratio": 3})
    assert [row["task"] for row in Results(tmp_path / "x.json", ("task",)).rows] == ["a", "b", "c"]


def test_one_row_is_wanted_by_its_id(tmp_path: Path) -> None:
    results = Results(tmp_path / "x.json", ("task", "settings"))
    results.put({"task": "a", "settings": {"k": 1}, "ratio": 1})
    name = results.rows[0]["id"]
    chosen = Results(results.path, results.key, only=name)
    assert chosen.needed({"task": "a", "settings": {"k": 1}}, again=False)
    assert not chosen.needed({"task": "a", "settings": {"k": 2}}, again=True)
    assert main(["row", "published/no/such/row", "--results", str(tmp_path)]) == 1


def test_every_row_kept_in_the_tree_has_an_id_of_its_own_and_a_command() -> None:
    seen = []
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.json")):
        content = json.loads(path.read_text("utf-8"))
        for row in content if isinstance(content, list) else []:
            assert row["id"].startswith(path.stem), row
            assert row["command"].startswith("python -m benchmarks "), row
            seen.append(row["id"])
    assert seen
    assert len(set(seen)) == len(seen)


def test_a_selection_names_single_rows() -> None:
    rows = list(runner.rows_to_do([TASKS["ials-cg-64"]], ["irspack"], ["ml-1m"], [2]))
    assert rows == [{"task": "ials-cg-64", "data": "ml-1m", "threads": 2, "peer": "irspack"}]
    assert all(row["peer"] != "minirec" for row in runner.rows_to_do(TASKS.values(), None, None, None))


def test_every_side_is_a_known_peer_or_minirec_itself() -> None:
    assert {side for task in TASKS.values() for side in task.sides} <= {*PEERS, *runner.SELF}
    assert find("growth-als-64").sides.keys() == {"minirec"}


def test_synthetic_events_are_distinct_and_the_same_each_time(tmp_path: Path) -> None:
    one, two = (prepare(TINY, None, tmp_path / name) for name in "ab")
    train, held = load_npz(one / "train.npz"), load_npz(one / "held.npz")
    meta = json.loads((one / "meta.json").read_text())
    assert train.nnz + held.nnz + meta["held_left_out"] == 1500
    assert train.max() == 1
    assert train.multiply(held).nnz == 0
    assert (np.diff(train.indptr) > 0).all()
    assert (load_npz(two / "train.npz") != train).nnz == 0
    before = (one / "train.npz").stat().st_mtime_ns
    assert prepare(TINY, None, tmp_path / "a") == one
    assert (one / "train.npz").stat().st_mtime_ns == before


def test_data_from_files_are_asked_for_by_name(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="data-folder"):
        prepare("ml-1m", None, tmp_path)
    with pytest.raises(NoData, match=r"train.txt"):
        prepare("gowalla", tmp_path, tmp_path)
    with pytest.raises(NoData, match="unknown data set"):
        prepare("nothing", tmp_path, tmp_path)


def test_gowalla_keeps_its_split_and_counts_what_train_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "gowalla").mkdir()
    (tmp_path / "gowalla" / "train.txt").write_text("0 1 2\n1 2 3\n")
    (tmp_path / "gowalla" / "test.txt").write_text("0 3\n1 1 9\n")
    folder = prepare("gowalla", tmp_path, tmp_path / "work")
    assert load_npz(folder / "held.npz").toarray().tolist() == [[0, 0, 1], [1, 0, 0]]
    assert json.loads((folder / "meta.json").read_text())["held_left_out"] == 1


def test_held_out_users_are_shown_most_of_their_items(tmp_path: Path) -> None:
    """And their lists are judged by Recall@20 and NDCG@100, means over the seeds, with half of the interval over users."""
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(1, 1701), 6)
    item = np.concatenate([rng.permutation(np.arange(1, 121))[:6] for _ in range(1700)])
    (tmp_path / "ml-1m").mkdir()
    np.savez(tmp_path / "ml-1m" / "interactions.npz", user=user, item=item, rating=np.full(len(user), 5))
    folder = prepare("ml-1m-strong", tmp_path, tmp_path / "work")
    train, shown, held = (load_npz(folder / f"{name}.npz") for name in ("train", "shown", "held"))
    assert (train.shape[0], shown.shape, held.shape) == (200, (750, train.shape[1]), (750, train.shape[1]))
    assert (np.diff((shown + held).tocsr().indptr) == 6).all()
    assert (shown.multiply(held).nnz, held.nnz) == (0, 2 * 750)

    lists = np.stack([np.array([rng.permutation(held.shape[1])[:100] for _ in range(750)]) for _ in range(2)])
    lists[0, 0, 25:27], lists[0, 0, 0] = held[[0]].indices, shown[[0]].indices[0]
    hits = np.array([[np.isin(one, held[[row]].indices) for row, one in enumerate(seed)] for seed in lists])
    gains = (hits / np.log2(np.arange(100) + 2)).sum(axis=2) / (1 + 1 / np.log2(3))
    recalls = hits[:, :, :20].sum(axis=2) / 2
    figures = Judge(folder).strong({"lists": lists.astype(np.int32)})
    for name, values in (("recall_capped@20", recalls), ("ndcg@100", gains)):
        assert figures[name] == pytest.approx(values.mean())
        assert figures[f"± of {name}"] == pytest.approx(1.96 * values.mean(axis=0).std(ddof=1) / np.sqrt(750))
    peer = {"ndcg@100": 0.4, "± of ndcg@100": 0.01}
    assert [report.worse({"peer_quality": peer, "minirec_quality": {"ndcg@100": value}}) for value in (0.388, 0.392)] == [True, False]


def test_vectors_weights_and_lists_that_rank_alike_are_judged_alike(tmp_path: Path) -> None:
    folder = prepare(TINY, None, tmp_path)
    train = load_npz(folder / "train.npz").toarray()
    rng = np.random.default_rng(0)
    w = rng.random((train.shape[1],) * 2).astype(np.float32)
    scores = train @ w
    scores[train > 0] = -np.inf
    judge = Judge(folder)
    found = [{"weights": w}, dict(weights(csr_array(w))()), {"users": train @ w, "items": np.eye(len(w), dtype=np.float32)}]
    found.append({"lists": np.argsort(-scores, axis=1)[:, :10]})
    figures = [judge.ranking(one) for one in found]
    for other in figures[1:]:
        assert other == pytest.approx(figures[0])
    assert judge.ranking(found[3] | {"scored": np.array(0.25)})["scored"] == 0.25


def test_the_objective_of_slim_is_that_of_dense_algebra(tmp_path: Path) -> None:
    folder = prepare(TINY, None, tmp_path)
    x = (load_npz(folder / "train.npz").toarray() > 0).astype(np.float64)
    w = random_array((x.shape[1],) * 2, density=0.2, rng=np.random.default_rng(1), dtype=np.float64).tocsr()
    found = dict(weights(w)()) | {"penalties": np.array([0.5, 2.0])}
    dense = w.toarray().astype(np.float32).astype(np.float64)
    expected = ((x - x @ dense) ** 2).sum() / 2 + (dense**2).sum() + 0.5 * dense.sum()
    assert Judge(folder).slim(found)["objective"] == pytest.approx(expected / len(w.toarray()))


def test_agreement_does_not_mind_ties() -> None:
    one = {"indptr": np.array([0, 2, 3]), "indices": np.array([0, 1, 2]), "data": np.array([0.5, 0.5, 1.0], np.float32)}
    other = one | {"indices": np.array([3, 0, 2]), "data": np.array([0.5, 0.5, 0.9], np.float32)}
    assert agreement(one, other) == pytest.approx(2 / 3)
    lists = np.array([[1, 2], [3, 4]])
    assert agreement({"lists": lists}, {"lists": np.array([[1, 2], [4, 3]])}) == 0.5
    assert agreement({"predictions": lists}, {"predictions": lists}) is None
    assert agreement({"vectors": lists}, {"vectors": np.array([[2, 4], [4, -3]])}) == pytest.approx(0, abs=1e-12)


def test_a_row_from_two_processes_in_turns(folders: Folders) -> None:
    row = runner.measure(TASKS["top10"], TINY, 1, "numpy", folders, rounds=2, limit=120)
    assert "error" not in row, row
    assert row["ratio"] == pytest.approx(row["peer_seconds"] / row["minirec_seconds"])
    assert row["agreement"] == 1
    assert row["minirec_quality"]["equals_brute_force"] == 1
    assert row["peer_quality"]["ndcg@10"] == row["minirec_quality"]["ndcg@10"]
    assert row["version"] == "9"
    assert str(folders.work.parent) not in json.dumps(row)


def test_what_goes_wrong_stands_in_the_row(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*command: object, **_: object) -> None:
        raise subprocess.CalledProcessError(1, "pip", stderr="a line\nERROR: no such release in /some/where\n")

    monkeypatch.setattr(subprocess, "run", fails)
    row = runner.measure(TASKS["top10"], TINY, 1, "irspack", folders, rounds=1, limit=60)
    assert row["error"] == "does not install: ERROR: no such release in"
    monkeypatch.undo()
    assert install(PEERS["irspack"], folders.envs).error is not None  # recorded, not tried again
    monkeypatch.setenv("MINIREC_BACKEND", "numpy")
    empty = replace(TASKS["top10"], prepare=None)
    row = runner.measure(empty, TINY, 1, "numpy", folders, rounds=1, limit=60)
    assert row["error"].startswith("numpy: FileNotFoundError")


def test_a_process_that_ends_or_hangs(folders: Folders) -> None:
    side = Side("no-such-task", "minirec", folders.work, 1, folders.envs, 60)
    with pytest.raises(SideError, match="no-such-task"):
        side.run()
    side.close()
    side = Side("top10", "minirec", folders.work, 1, folders.envs, 0.0)
    with pytest.raises(SideError, match="longer than"):
        side.run()


def test_speed_skips_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def measure(task: Task, data: str, threads: int, peer: str, *_: object, **__: object) -> dict[str, object]:
        calls.append(peer)
        return {"task": task.name, "data": data, "threads": threads, "peer": peer} | (
            {"error": "x"} if peer == "cornac" else {"ratio": 2.0}
        )

    monkeypatch.setattr(runner, "measure", measure)
    command = ["speed", "--task", "bpr-quality", "--threads", "2", "--results", str(tmp_path / "results")]
    assert main(command) == 1
    assert main(command) == 1
    assert calls == ["rusket", "cornac", "cornac"]  # a row with an error is tried again
    assert main([*command, "--again", "--peer", "rusket"]) == 0
    assert calls[3:] == ["rusket"]


def test_exponents() -> None:
    rows = [{"events": n, "seconds": 3e-6 * n**1.1, "peak_mb": None} for n in (10, 10**4, 10**5, 10**6)]
    assert scaling.exponent(rows, "events") == pytest.approx(1.1)
    assert scaling.exponent(rows, "events", "peak_mb") is None


def test_the_report_of_rows(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    results = tmp_path / "results"
    row = {"task": "bpr-quality", "data": "ml-1m", "threads": 2, "version": "1", "command": "c", "load": {"foreign": 0.1}}
    row |= {
        "peer_peak_mb": 1.0,
        "minirec_peak_mb": 2.0,
        "minirec_curve": [[1.0, 0.3]],
        "minirec_seconds": 1.0,
        "minirec_spread": [1.0, 1.0],
    }
    good = {"peer": "rusket", "peer_seconds": 2.5, "peer_spread": [2.0, 3.0], "ratio": 2.5, "peer_curve": [[2.5, 0.2]]}
    slow = {"peer": "cornac", "peer_seconds": None, "peer_best": 0.1, "peer_curve": [[9.0, 0.1]]}
    for one in (row | good, row | slow, {"task": "bpr-quality", "data": "ml-1m", "threads": 1, "peer": "rusket", "error": "does|not"}):
        Results(results / "bpr-quality.json", runner.SPEED_KEY).put(one)
    for events in (10, 100):
        point = scaling.Point("als", "events", events, 2, 2)._asdict() | {
            "threads": 2,
            "seconds": events / 10,
            "peak_mb": 5.0,
            "command": "c",
        }
        Results(results / "scaling.json", scaling.KEY).put(point)
    report.write(results, tmp_path)
    text = (tmp_path / "RESULTS.md").read_text()
    assert "Above 1 in 1 of 1 rows, 2 or more in 1." in text
    assert "never (best 0.1)" in text
    assert "does/not" in text
    for picture in ("ratios", "bpr-quality", "scaling"):
        assert f"images/{picture}.svg" in text
        assert (tmp_path / "images" / f"{picture}.svg").stat().st_size > 1000
    assert "ratio 2.5" in brief(row | good)

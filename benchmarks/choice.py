"""How good the default run chooses: what it picked, against the best of its own candidates on test.

`python -m benchmarks.choice --data-folder DIR [SET ...]` runs `minirec run` with its defaults on each set, then fits every setting that was
tried once more on train and measures it on test. Regret = 1 - NDCG@20 of the pick / the highest NDCG@20 of any setting that was tried. The
test figures of settings that were not picked are for this table alone: the rule never sees them. Figures go to results/choice.json, the
table to CHOICE.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import minirec as mr
from minirec.pipeline.candidates import make
from minirec.pipeline.parts import make_parts
from minirec.pipeline.weights import Weigher

HERE = Path(__file__).parent
K = 20
KEYS = (f"ndcg@{K}", f"tail.ndcg@{K}", f"coverage@{K}")


def _npz(path: Path, name: str) -> mr.Dataset:
    with np.load(path) as file:
        columns = {key: file[key] for key in file.files}
    times = next((columns[key] for key in ("order", "timestamp") if key in columns), None)
    return mr.Dataset.from_arrays(columns["user"], columns["item"], times=times, name=name)


SETS: dict[str, tuple[Any, str | None]] = {  # name: (how it is read, the split that is asked for)
    "ml-100k": (lambda folder: mr.read(folder / "ml-100k" / "u.data", format="movielens", name="ml-100k"), None),
    "ml-1m time": (lambda folder: _npz(folder / "ml-1m" / "interactions.npz", "ml-1m"), "time"),
    "ml-1m leave-last": (lambda folder: _npz(folder / "ml-1m" / "interactions.npz", "ml-1m"), "leave-last"),
    "movietweetings": (lambda folder: mr.read(folder / "movietweetings-100k" / "ratings.dat", delimiter="::", name="movietweetings"), None),
    "online-retail": (lambda folder: _npz(folder / "online-retail" / "interactions.npz", "online-retail"), None),
    "lastfm": (
        lambda folder: mr.read(
            folder / "lastfm-hetrec" / "user_artists.dat", user="//userID", item="artistID", weight="weight", time=False, name="lastfm"
        ),
        None,
    ),
    "retailrocket": (lambda folder: _retailrocket(folder / "retailrocket"), None),
    "completejourney": (lambda folder: None, None),
}


def _retailrocket(folder: Path) -> mr.Dataset:
    """The views, carts and purchases of the train side as kinds of event, with their times."""
    users, items, times, kinds = [], [], [], []
    for kind in ("view", "cart", "buy"):
        with np.load(folder / f"train_mat_{kind}.npz") as file:
            users.append(file["user"])
            items.append(file["item"])
            times.append(file["value"].astype(np.int64))
        kinds += [kind] * len(users[-1])
    columns = (np.concatenate(users), np.concatenate(items))
    return mr.Dataset.from_arrays(*columns, times=np.concatenate(times), kinds=kinds, name="retailrocket")


def measure(name: str, folder: Path, budget: str) -> dict[str, Any]:
    """One row: the run, and the test figures of all that it tried."""
    read, split = SETS[name]
    data = read(folder)
    with tempfile.TemporaryDirectory() as out:
        start, spent = time.perf_counter(), time.process_time()
        done = mr.run(data, out=out, split=split, budget=budget, text=())
        seconds, cpu = time.perf_counter() - start, time.process_time() - spent
    whole = mr.load() if data is None else data
    how = json.loads(json.dumps(done.record["arguments"])).get("split")
    parts = make_parts(whole, how, 0.2, 0)
    weigher, figures = Weigher("binary"), {}
    for label, model, params in done.record["arguments"]["trials"]["tried"]:
        candidate = make(model, params, 0)
        fitted = candidate.fit(weigher(parts.train, candidate))
        result = mr.evaluate({label: fitted}, parts.train, parts.test, k=K, metrics=["ndcg", "coverage"])
        figures[label] = {key: result.to_dict()[label][key] for key in KEYS}
    numbers = done.result.to_dict()
    best = max(figures, key=lambda label: figures[label][f"ndcg@{K}"])
    gap = None if done.best == "popularity" else done.result.compare(done.best, "popularity", metric=f"ndcg@{K}")[0]
    return {
        "set": name, "split": parts.how, "users": len(done.result.users), "tried": len(figures), "picks": done.picks, "best": done.best,
        "test": {kind: {key: numbers[pick].get(key) for key in KEYS} for kind, pick in done.picks.items()},
        "itemknn": numbers["itemknn"][f"ndcg@{K}"], "popularity": numbers["popularity"][f"ndcg@{K}"],
        "possible": {"label": best, **figures[best]},
        "regret": {kind: 1 - numbers[pick][f"ndcg@{K}"] / figures[best][f"ndcg@{K}"] for kind, pick in done.picks.items()},
        "below_bestsellers": None if gap is None else bool(gap.high < 0), "said": list(done.warnings),
        "seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1), "budget": budget,
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a page of Markdown."""
    lines = [
        "# What the default run chooses", "",
        "Written by `python -m benchmarks.choice`. NDCG@20 on test. Regret: 1 less the pick's NDCG over the highest of any setting that",
        "was tried, on test. The rule sees validation events alone.", "",
        "| set | split | users | tried | bestsellers | ItemKNN | accurate | balanced | tail | best possible "
        "| regret: accurate | balanced | seconds | CPU s |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        picks = " | ".join(f"{row['picks'][kind]} {row['test'][kind]['ndcg@20']:.4f}" for kind in ("accurate", "balanced", "tail"))
        possible, regret = row["possible"], row["regret"]
        lines.append(
            f"| {row['set']} | {row['split']} | {row['users']:,} | {row['tried']} | {row['popularity']:.4f} | {row['itemknn']:.4f} "
            f"| {picks} | {possible['label']} {possible['ndcg@20']:.4f} | {regret['accurate']:.1%} | {regret['balanced']:.1%} "
            f"| {row['seconds']:,.0f} | {row['cpu_seconds']:,.0f} |"
        )
    if rows:
        mean = {kind: float(np.mean([row["regret"][kind] for row in rows])) for kind in ("accurate", "balanced")}
        unsaid = [row["set"] for row in rows if row["below_bestsellers"] and not row["said"]]
        lines += ["", f"Mean regret: accurate {mean['accurate']:.2%}, balanced {mean['balanced']:.2%}. "
                  f"Significantly below bestsellers and not said: {', '.join(unsaid) or 'none'}."]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure the sets that are named (default: all), one after the other, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", help=f"of {', '.join(SETS)}")
    parser.add_argument("--data-folder", type=Path, required=True)
    parser.add_argument("--budget", default="3m")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "choice.json")
    arguments = parser.parse_args()
    for name in arguments.sets or SETS:
        row = measure(name, arguments.data_folder, arguments.budget)
        kept = json.loads(arguments.results.read_text()) if arguments.results.exists() else {}
        kept[name] = row
        arguments.results.write_text(json.dumps(kept, indent=1) + "\n")
        arguments.results.with_name("CHOICE.md" if arguments.results.parent != HERE / "results" else "../CHOICE.md").write_text(
            table([kept[known] for known in SETS if known in kept])
        )


if __name__ == "__main__":
    main()

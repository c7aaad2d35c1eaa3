"""Published numbers, run again: each row is a method with the settings that its source gives, on the source's protocol.

`python -m benchmarks published --data-folder DIR` runs the rows that are not there yet, each in a process of its own, and writes
results/published.json; `python -m benchmarks report` makes PUBLISHED.md of it. Nothing is tuned on the test events: settings are those of
the source, or were chosen on events held out of train, which the row then says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common import Folders, Row, apart, peak
from ..data import beauty, gowalla, movielens_order, strong_movielens, with_titles
from .claims import CLAIMS, Claim

if TYPE_CHECKING:
    import minirec as mr

KEY = ("protocol", "method", "settings")


def ncf_movielens(folder: Path) -> tuple[mr.Dataset, dict[int, int], dict[int, list[int]]]:
    """Train, test item and negatives of the NCF papers; ids: user = original id - 1, item = rank of first appearance in the file."""
    import minirec as mr

    with np.load(folder / "ml-1m" / "interactions.npz") as arrays:
        user, original = arrays["user"] - 1, arrays["item"]
    _, first, inverse = np.unique(original, return_index=True, return_inverse=True)
    item = np.argsort(np.argsort(first))[inverse]
    positives: dict[int, int] = {}
    with open(folder / "ml-1m" / "ncf_ml-1m.test.rating", encoding="ascii") as lines:
        for line in lines:
            who, what = map(int, line.split()[:2])
            positives[who] = what
    negatives: dict[int, list[int]] = {}
    with open(folder / "ml-1m" / "ncf_ml-1m.test.negative", encoding="ascii") as lines:
        for line in lines:
            pair, *others = line.split("\t")
            negatives[int(pair[1:].split(",")[0])] = [int(other) for other in others]
    held_out = item == np.array([positives[u] for u in range(user.max() + 1)])[user]
    return mr.Dataset.from_arrays(user[~held_out], item[~held_out], name="ncf-ml-1m"), positives, negatives


def _run_strong(claim: Claim, data: Path) -> Row:
    import minirec as mr

    train, fold_in, target = strong_movielens(data)
    names = ("recall_capped@20", "recall_capped@50", "ndcg@100")
    lengths = {"k": (20, 50, 100), "metrics": ("recall_capped", "ndcg")}
    return _fits(
        claim, train, names, lambda model: mr.evaluate({"model": model}, train, target, fold_in=fold_in, **lengths).to_dict()["model"]
    )


def _run_ncf(claim: Claim, data: Path) -> Row:
    import minirec as mr

    train, positives, negatives = ncf_movielens(data)
    names = ("sampled_hitrate@10", "sampled_ndcg@10")
    return _fits(claim, train, names, lambda model: mr.evaluate_sampled({"model": model}, positives, negatives).to_dict()["model"])


def _run_gowalla(claim: Claim, data: Path) -> Row:
    import minirec as mr

    train, test = gowalla(data)
    names = ("recall@20", "ndcg@20", "tail.ndcg@20")
    return _fits(claim, train, names, lambda model: mr.evaluate({"model": model}, train, test, k=(20,)).to_dict()["model"])


def _run_last(claim: Claim, data: Path) -> Row:
    import minirec as mr

    train, test = {"last-beauty": beauty, "last-ml-1m": movielens_order}[claim.protocol](data)
    if "item_features" in (claim.settings["base"][1] if claim.method == "Adjusted" else claim.settings):
        train = mr.add_content(with_titles(train, data), mr.LanguageModel(), "title", name="title vectors")
    names = ("recall@10", "ndcg@10", "tail.ndcg@10")
    return _fits(claim, train, names, lambda model: mr.evaluate({"model": model}, train, test, k=(10,)).to_dict()["model"])


def _fits(claim: Claim, train: mr.Dataset, names: tuple[str, ...], judge: Callable[[mr.Recommender], Mapping[str, float]]) -> Row:
    """Fit and judge with each seed; figures are means over the seeds."""
    import minirec as mr

    fit, work, ranking, found = [], [], [], []
    for seed in range(claim.seeds):
        model = _made(claim, {"seed": seed} if claim.seeds > 1 else {})
        start, busy = perf_counter(), process_time()
        model.fit(train)
        fitted = perf_counter()
        work.append(process_time() - busy)
        found.append(judge(model))
        fit.append(fitted - start)
        ranking.append(perf_counter() - fitted)
    return {
        "ours": {name: round(float(np.mean([one[name] for one in found])), 4) for name in names},
        "seeds": {name: [round(one[name], 4) for one in found] for name in names} if claim.seeds > 1 else {},
        "seconds": round(float(np.mean(fit)), 2),
        "cpu_seconds": round(float(np.mean(work)), 2),  # of all threads: it tells a busy machine from a slow model
        "ranking_seconds": round(float(np.mean(ranking)), 2),
        "threads": mr.options_in_force()["threads"],
        "events": len(train),
    }


def _made(claim: Claim, seed: dict[str, int]) -> mr.Recommender:
    import minirec as mr

    from ..blend import of_row

    if claim.method == "Adjusted":
        name, settings = claim.settings["base"]
        return of_row("Adjusted", claim.settings | {"base": [name, settings | seed]})
    return getattr(mr, claim.method)(**claim.settings, **seed)


PROTOCOLS: dict[str, tuple[str, Callable[[Claim, Path], Row]]] = {
    "ncf-ml-1m": (
        "MovieLens-1M, last event of each user against 99 drawn negatives (files of He et al. 2017). A sampled protocol: compare it with "
        "itself alone. For 156 users the test item is among their own negatives and dropped there. Means of the seeds, where there are "
        "several.",
        _run_ncf,
    ),
    "strong-ml-1m": (
        "MovieLens-1M under strong generalisation, after Liang et al. 2018, section 4.2: ratings of 4 and more as events, users with at "
        "least 5 of them; 750 of these, drawn with seed 98765, for the test, 750 for validation, the other 4,534 for train. A test user is "
        "served by the history of 80 % of the items, drawn at random, and the others are to be foreseen, among all items of train but "
        "those. Recall@20 / Recall@50 / NDCG@100, as defined there: hits among the first K over min(K, test items) (`recall_capped` of "
        "minirec), and DCG over that of the best order of min(K, test items). Validation users are of no other use than to choose "
        "settings. Means of the seeds, where there are several.",
        _run_strong,
    ),
    "lightgcn-gowalla": (
        "Gowalla, the fixed random 80/20 split of the LightGCN papers; all items ranked, those of train left out; means over all users. "
        "Recall@20 / NDCG@20, and ours on the tail (NDCG@20 of the items outside the 20 % most popular).",
        _run_gowalla,
    ),
    "last-beauty": (
        "Amazon Beauty in the sequences of S3-Rec: the last event of each user, all items ranked but those that the user has. Recall@10 / "
        "NDCG@10 / NDCG@10 on the tail. Settings were chosen with all second-last events held out of training; models that stop early "
        "do so on those of a tenth of the users.",
        _run_last,
    ),
    "last-ml-1m": (
        "MovieLens-1M in the order of the file of the SASRec papers; the rest as for Beauty.",
        _run_last,
    ),
}


def _measure(claim: Claim, data: Path) -> Row:
    """One row; it is run in a process of its own."""
    found = PROTOCOLS[claim.protocol][1](claim, data)
    difference = {name: round(found["ours"][name] - value, 4) for name, value in claim.published.items()}
    return claim._asdict() | found | {"difference": difference, "seed_count": claim.seeds, "peak_mb": peak()}


def run(folders: Folders, only: list[str] | None, again: bool) -> Iterator[Row]:
    """The rows that are asked for and not there yet, each as it is done."""
    results = folders.rows("published", KEY)
    for claim in CLAIMS:
        if only and claim.method not in only:
            continue
        if not results.needed(claim._asdict(), again):
            continue
        if folders.data is None:
            yield {"task": claim.method, "error": "name the folder with ml-1m and gowalla: --data-folder or MINIREC_DATA"}
            continue
        row = apart(_measure, claim, folders.data)
        results.put(row)
        yield row | {"task": claim.method, "seconds": row["seconds"]}


def table_rows(rows: list[Row]) -> Iterator[tuple[str, str, list[list[Any]]]]:
    """(protocol, what it is, lines of its table): as the head in report.py says."""
    for name, (text, _) in PROTOCOLS.items():
        lines = []
        for row in rows:
            if row["protocol"] == name:
                settings = ", ".join(f"{key}={value}" for key, value in row["settings"].items()) or "defaults"
                published = " / ".join(f"{row['published'][metric]:.4f}" for metric in row["ours"] if metric in row["published"])
                ours = " / ".join(f"{value:.4f}{_span(row['seeds'].get(metric, []))}" for metric, value in row["ours"].items())
                change = " / ".join(f"{value:+.4f}" for value in row["difference"].values())
                spent = row["seconds"], row.get("cpu_seconds"), row.get("ranking_seconds"), row["peak_mb"]
                lines.append([row["method"], settings, published, ours, change, *spent, row["source"], f"`{row['id']}`"])
        if lines:
            yield name, text, lines


def _span(values: list[float]) -> str:
    """The least and the greatest of several seeds."""
    return f" ({min(values):.4f} to {max(values):.4f})" if len(values) > 1 else ""

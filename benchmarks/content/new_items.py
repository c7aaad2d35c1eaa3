"""What the content of items adds: for items that nobody has yet (new-items), and for the tail of the others (warm-tail, warm_tail.py);
and how very many texts become vectors (many-texts, many_texts.py).

`python -m benchmarks content --data-folder DIR` runs what is not there yet, each fit in a process of its own, and writes
results/content.json after each; `python -m benchmarks report` makes CONTENT.md of it.

New items: a fifth of the items, drawn at random, is held out with all its events. Models are fitted on the rest, are told of the held-out
items by their vectors alone (`add_items`), and rank them for the users who took some of them, among the new items and among all. Settings
are chosen for NDCG@20 among the new items of a second such draw from train, for each model and each kind of vectors; the test items
take no part. `TfidfLSA` learns its words from the items of train. Item ids are drawn anew at random first, because those of the files
follow first appearance, and equal scores are put in the order of the ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import data as sets
from ..common import Folders, Results, Row, apart, peak
from ..frontier import movielens, online_retail
from . import many_texts, warm_tail
from .vectors import CATEGORY, COLUMN, RANDOM, TEXT, Catalogue, Encoders, cost, vectors, with_vectors

if TYPE_CHECKING:
    import minirec as mr

PARTS = ("new-items", "warm-tail", "many-texts")
KEY = ("part", "kind", "data", "model", "features", "settings")
METRICS = ("recall@20", "ndcg@20", "among_all.recall@20", "among_all.ndcg@20")
CHOSEN_FOR = "ndcg@20"
HELD_OUT = 0.2
SEED = sets.SEED

_ALS = {"base": "als", "base_params": {"regularization": 0.01}}

MODELS: dict[str, tuple[dict[str, Any], ...]] = {
    "ContentKNN": ({"neighbors": 5}, {"neighbors": 20}, {"neighbors": 100}),
    "ColdMap": (_ALS, {**_ALS, "map": "nearest"}, {"base": "rp3beta", "map": "nearest"}),
    "L3AE": ({"content_regularization": 1.0}, {"content_regularization": 10.0}, {"content_regularization": 100.0}),
    "FeatureALS": ({}, {"regularization": 0.001}, {"content_weight": 0.3}),
    "AlphaRec": ({"hidden": 128, "iterations": 15, "validation_share": 0.0},),
}


class Shop(NamedTuple):
    """A data set: what it is called, its events, and what its items are."""

    title: str
    events: Callable[[Path], mr.Dataset]
    items: Callable[[Path], Catalogue]
    note: str = ""


def _movielens(folder: Path) -> mr.Dataset:
    return movielens(folder, liked=False)


def _online_retail(folder: Path) -> mr.Dataset:
    return online_retail(folder)[0]


SHOPS = {
    "beauty": Shop(
        "Amazon Beauty: title and category",
        sets.beauty_events,
        sets.beauty_items,
        "The language model is ahead of TF-IDF in the models that go by the likeness of the items' vectors (ContentKNN, L3AE, and ColdMap "
        "by its nearest map), and behind it in those that learn a map of the vectors (FeatureALS, AlphaRec), among the new items. We "
        "suppose, and have not tested, that such a map gives the words that count, like brands, their weight by itself.",
    ),
    "ml-1m": Shop("MovieLens-1M: title, genres and plot", _movielens, sets.movielens_items, "Categories are the genres."),
    "online-retail": Shop(
        "Online Retail: description",
        _online_retail,
        sets.online_retail_items,
        "There are no categories: the last word of the description stands for one. An item is a distinct description, so that some new "
        "items are old ones under another name.",
    ),
}


# ---- new items ----------------------------------------------------------------------------------------------------------


class Sides(NamedTuple):
    """Train and new items with their events, and what the items are."""

    train: mr.Dataset
    held: mr.Dataset
    catalogue: Catalogue


def new_items(name: str, folder: Path, *, validation: bool) -> Sides:
    """Train and the items held out of it; of train alone for validation."""
    import minirec as mr

    shop = SHOPS[name]
    found = mr.clean(shop.events(folder).with_columns(weight=None), duplicates="last")[0]
    drawn = np.random.default_rng(SEED).permutation(found.n_items)
    known = shop.items(folder)
    catalogue = {int(drawn[row]): known[item] for row, item in enumerate(found.items)}
    events = mr.Dataset.from_arrays(found.users.ids(found.user), drawn[found.item], times=found.timestamp, name=found.name)
    train, held = mr.split(events, "cold-items", test=HELD_OUT, seed=SEED)
    if validation:
        train, held = mr.split(train, "cold-items", test=HELD_OUT, seed=SEED)
    return Sides(train, held, catalogue)


def _measured(model: str, features: str, settings: dict[str, Any], sides: Sides, encoders: Encoders) -> tuple[mr.Result, float]:
    """The result on the new items, and the seconds of the fit."""
    import minirec as mr

    old, new = vectors(features, encoders, sides.catalogue, list(sides.train.items), list(sides.held.items))
    start = perf_counter()
    fitted = getattr(mr, model)(**settings).fit(with_vectors(sides.train, old))
    seconds = perf_counter() - start
    fitted.add_items(list(sides.held.items), {COLUMN: new})
    return mr.evaluate_new_items({features: fitted}, sides.train, sides.held, k=20, seed=SEED), seconds


def _rounded(figures: dict[str, float]) -> Row:
    return {metric: round(figures[metric], 5) for metric in METRICS}


def _point(name: str, model: str, features: str, settings: dict[str, Any], folder: Path, encoders: Encoders) -> Row:
    """A setting on validation."""
    from minirec.errors import MemoryBudgetError, ModelFitError

    row = {"part": "new-items", "kind": "point", "data": name, "model": model, "features": features, "settings": settings}
    try:
        found, seconds = _measured(model, features, settings, new_items(name, folder, validation=True), encoders)
    except (MemoryBudgetError, ModelFitError) as failure:
        return row | {"error": str(failure)}
    return row | {"validation": _rounded(found.to_dict()[features]), "seconds": round(seconds, 2), "peak_mb": peak()}


def _most_alike(sides: Sides) -> int:
    """How many items of train share a category with one, at most: a rule that goes by categories must see them all."""
    from scipy.sparse import csr_matrix

    (kinds,) = vectors(CATEGORY, Encoders(None, None, Path()), sides.catalogue, list(sides.train.items))
    matrix = csr_matrix(kinds)
    return int(np.diff((matrix @ matrix.T).indptr).max())


def _test(name: str, model: str, chosen: dict[str, dict[str, Any]], folder: Path, encoders: Encoders) -> Row:
    """A model with all kinds of vectors on test, each with its chosen settings; and beside it, on the same users, the two rules."""
    sides = new_items(name, folder, validation=False)
    rules: dict[str, dict[str, Any]] = {RANDOM: {}, CATEGORY: {"neighbors": _most_alike(sides), "centred": False}}
    results, seconds = [], {}
    for features, settings in {**rules, **chosen}.items():
        one, taken = _measured("ContentKNN" if features in rules else model, features, settings, sides, encoders)
        results.append(one)
        seconds[features] = round(taken, 2)
    together = replace(results[0], measured={features: values for one in results for features, values in one.measured.items()})
    pairs = [("LanguageModel", "TfidfLSA"), ("LanguageModel", "StaticEmbedding"), ("LanguageModel", CATEGORY), ("TfidfLSA", CATEGORY)]
    differences = [
        short(asdict(gap)) for one, other in pairs if {one, other} <= {*chosen, *rules} for gap in together.compare(one, other, METRICS)
    ]
    intervals = together.intervals(METRICS)
    return {
        "part": "new-items",
        "kind": "test",
        "data": name,
        "model": model,
        "chosen": chosen,
        "test": {features: _rounded(figures) for features, figures in together.to_dict().items()},
        "intervals": {
            features: {metric: [round(end, 5) for end in ends] for metric, ends in found.items()} for features, found in intervals.items()
        },
        "differences": differences,
        "seconds": seconds,
        "counts": together.counts,
    }


def short(row: Row) -> Row:
    """A row with its numbers to four digits."""
    return {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in row.items()}


def choose(points: list[Row]) -> dict[str, dict[str, Any]]:
    """The settings of one model for each kind of vectors that validation chooses."""
    best: dict[str, Row] = {}
    for row in points:
        if "error" not in row:
            old = best.get(row["features"])
            if old is None or row["validation"][CHOSEN_FOR] > old["validation"][CHOSEN_FOR]:
                best[row["features"]] = row
    return {features: best[features]["settings"] for features in TEXT if features in best}


def run(
    folders: Folders, encoders: Encoders, parts: list[str] | None, shops: list[str] | None, models: list[str] | None, again: bool
) -> Iterator[Row]:
    """What is asked for and not there yet, each row as it is done. `models` are those of the new items."""
    results = folders.rows("content", KEY)
    for part, names in (("new-items", SHOPS), ("warm-tail", warm_tail.SHOPS), ("many-texts", (many_texts.DATA,))):
        for name in names:
            if (parts and part not in parts) or (shops and name not in shops):
                continue
            if folders.data is None:
                yield {"task": f"{part} {name}", "error": "name the folder of the data sets: --data-folder or MINIREC_DATA"}
            elif part == "new-items":
                yield from _run_new_items(name, results, folders, encoders, models, again)
            elif part == "warm-tail":
                yield from warm_tail.run(name, results, folders, encoders, again)
            elif results.needed(many_texts.key("LanguageModel"), again):
                results.put(row := many_texts.run("LanguageModel", folders.data, encoders))
                yield {"task": part, **row}


def _run_new_items(
    name: str, results: Results, folders: Folders, encoders: Encoders, models: list[str] | None, again: bool
) -> Iterator[Row]:
    """Of one data set: what the vectors cost, the settings on validation, then each model on test."""
    there = []
    for features in TEXT:
        row = {"part": "new-items", "kind": "vectors", "data": name, "features": features}
        old = results.find(row)
        if results.needed(row, again):
            results.put(old := row | apart(cost, features, encoders, SHOPS[name].items, folders.data))
            yield {"task": f"vectors {features}", **old}
        if "error" not in old:
            there.append(features)
    for model, grid in MODELS.items():
        if models and model not in models:
            continue
        if len(grid) == 1:  # there is nothing to choose
            chosen = dict.fromkeys(there, grid[0])
        else:
            for features, settings in product(there, grid):
                point = {"part": "new-items", "kind": "point", "data": name, "model": model, "features": features, "settings": settings}
                if results.needed(point, again):
                    results.put(row := apart(_point, name, model, features, settings, folders.data, encoders))
                    yield {"task": f"{model} {features} {settings}", "minirec_quality": row.get("validation"), **row}
            points = [row for row in results.rows if row["part"] == "new-items" and row["kind"] == "point" and row["data"] == name]
            chosen = choose([row for row in points if row["model"] == model and row["features"] in there])
        test: Row = {"part": "new-items", "kind": "test", "data": name, "model": model}
        old = results.find(test)
        if chosen and results.needed(test, again, stale=old is not None and old["chosen"] != chosen):
            results.put(row := apart(_test, name, model, chosen, folders.data, encoders))
            yield {"task": f"{model} on test", **row}

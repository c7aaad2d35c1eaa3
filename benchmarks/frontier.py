"""The frontier of the tail: accuracy (NDCG@20) against NDCG@20 on the tail, for each family of models and each setting of a small grid.

`python -m benchmarks frontier --data-folder DIR` runs what is not there yet, each setting in a process of its own, and writes
results/frontier.json after each; `python -m benchmarks report` makes FRONTIER.md and one picture for each data set of it.

Choosing is a matter of validation alone. Each setting is fitted twice: on train without the validation events, and measured on those; on
all of train, and measured on test, which makes the picture. A reference family, EASE but for Gowalla, is tuned for NDCG@20 on validation.
From every other family the setting is taken that has the highest NDCG@20 on the tail of those that keep the reference's NDCG@20 on
validation (Gowalla and Complete Journey: 99 % of it); where none does, the one with the highest NDCG@20. The settings taken are compared
with the reference on test, paired over users, with Holm's correction over all families.

Validation is split off train in the way that test was split off the events: by time where test is the latest events, from each user's last
event on where test is that, at random where test is. Gowalla's split is a published one; its validation is the latest tenth of each user in
the order of `gowalla/ordered.txt` (data/gowalla/train.txt of geon0325/LightGCNpp), where the folder has it, else a random tenth. Whether
validation and test are about the same items is tested and told (`mr.item_shift`).
The tail is all items but the 20 % most popular ones of train. Pairs that train has already are no test items: new products only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .common import Folders, Row, apart, peak
from .data import gowalla

if TYPE_CHECKING:
    import minirec as mr

KEY = ("kind", "data", "family", "settings")
METRICS = ("ndcg@20", "tail.ndcg@20", "recall@20", "coverage@20")
HELD_OUT = 0.2
LATEST = 0.1  # of Gowalla's train, for validation
SEED = 0


class Family(NamedTuple):
    """A model and the settings of it that are tried; the more, the wider its frontier.

    grid : {parameter: values}, all combinations. large : the same in its place, one grid or more, where the catalogue has tens of
    thousands of items.
    """

    model: str
    fixed: Mapping[str, Any]
    grid: Mapping[str, tuple[Any, ...]]
    large: tuple[Mapping[str, tuple[Any, ...]], ...] = ()

    def settings(self, *, large: bool) -> list[dict[str, Any]]:
        """All combinations."""
        grids = self.large if large and self.large else (self.grid,)
        return [{**self.fixed, **dict(zip(grid, values, strict=True))} for grid in grids for values in product(*grid.values())]


_EXPONENTS = {"user_exponent": (0.35, 0.5), "tail_exponent": (0.0, 0.1, 0.2, 0.3)}
_FEW_EXPONENTS = ({"user_exponent": (0.35, 0.5), "tail_exponent": (0.0, 0.1)},)

FAMILIES = {
    "EASE": Family(
        "EASE", {}, {"regularization": (100.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0)}, ({"regularization": (100.0, 500.0, 2000.0)},)
    ),
    "DAN": Family(
        "DAN",
        {"dropout": 0.3},
        {"regularization": (20.0, 100.0, 300.0), "beta": (0.0, 0.2), "alpha": (0.2, 0.3, 0.4, 0.5, 0.6)},
        (
            {"regularization": (100.0,), "beta": (0.2,), "alpha": (0.2, 0.4)},
            {"dropout": (0.0,), "regularization": (500.0,), "beta": (0.0,), "alpha": (0.05, 0.1, 0.15, 0.2, 0.3)},  # EASE, but for alpha
        ),
    ),
    "RP3beta": Family(
        "RP3beta",
        {"neighbors": 500, "normalize": True, "neighbors_of": "both"},
        {"alpha": (0.6, 1.0), "beta": (0.0, 0.2, 0.4, 0.6, 0.8)},
        ({"alpha": (0.6,), "beta": (0.2, 0.4)},),
    ),
    "GFCF": Family("GFCF", {}, _EXPONENTS, _FEW_EXPONENTS),
    "ChebyCF": Family("ChebyCF", {}, _EXPONENTS, _FEW_EXPONENTS),
    "ItemKNN": Family("ItemKNN", {}, {"similarity": ("cosine", "tfidf"), "neighbors": (20, 100)}),
    "ALS": Family("ALS", {"seed": SEED}, {"factors": (64, 128), "regularization": (0.003, 0.01), "alpha0": (0.1, 0.3)}),
    "PageRank": Family("PersonalizedPageRank", {"tol": 1e-3}, {"damping": (0.5,), "tail_exponent": (0.0, 0.3, 0.6, 0.8)}),
    "GraphBlend": Family(
        "GraphBlend",
        {},
        {
            "weight": (0.2, 0.5),
            "user_exponent": (0.1, 0.35),
            "tail_exponent": (0.0, 0.1, 0.2, 0.3, 0.31, 0.32, 0.33, 0.35, 0.4, 0.5),
        },
        ({"weight": (0.2, 0.5), "tail_exponent": (0.0, 0.05, 0.1, 0.15, 0.3)},),
    ),
    "AbsorbingCost": Family("AbsorbingCost", {}, {"steps": (3, 7)}, ({"steps": (3,)},)),
}

# Histories of 270 products: an autoencoder of more neighbours, in whose fit an event of a long history counts less. The surroundings of
# what was best of 31 settings on validation (regularization 60 and 100, neighbors 60 and 120, length_exponent .4 to .6, weight .4 to .8).
_LONG_HISTORIES = {
    "weight": (0.6,),
    "regularization": (100.0,),
    "neighbors": (120,),
    "length_exponent": (0.5,),
    "tail_exponent": (0.2, 0.3, 0.35, 0.4),
}


def movielens(folder: Path, *, liked: bool) -> mr.Dataset:
    """MovieLens-1M in the order of the SASRec papers (as times), or its ratings of at least 4."""
    import minirec as mr

    with np.load(folder / "ml-1m" / "interactions.npz") as arrays:
        keep = arrays["rating"] >= 4 if liked else arrays["order_sasrec"] >= 0
        times = None if liked else arrays["order_sasrec"][keep]
        return mr.Dataset.from_arrays(arrays["user"][keep], arrays["item"][keep], times=times, name="ml-1m")


def _movielens_last(folder: Path) -> tuple[mr.Dataset, str]:
    return movielens(folder, liked=False), "leave-last"


def _movielens_random(folder: Path) -> tuple[mr.Dataset, str]:
    return movielens(folder, liked=True), "random"


def online_retail(folder: Path) -> tuple[mr.Dataset, str]:
    import minirec as mr

    path = folder / "online-retail" / "purchases.parquet"
    return mr.read(path, user="customer_id", item="item", time="invoice_date"), "time"


def complete_journey(folder: Path) -> tuple[mr.Dataset, str]:
    import minirec as mr

    return mr.clean(mr.load("completejourney"), duplicates="keep", min_item_users=5)[0], "time"


class Parts(NamedTuple):
    """The events of a data set, each pair once."""

    inner: mr.Dataset
    validation: mr.Dataset
    train: mr.Dataset
    test: mr.Dataset


def _gowalla(folder: Path) -> Parts:
    import minirec as mr

    train, test = gowalla(folder)
    ordered = folder / "gowalla" / "ordered.txt"
    if not ordered.exists():
        return Parts(*mr.split(train, "random", test=LATEST, seed=SEED), train, test)
    events = mr.read(ordered, format="adjacency")
    counts = np.bincount(events.user)  # the events of a user stand together, in the order of the file
    last = np.where(counts >= 5, np.maximum(1, np.rint(LATEST * counts)), 0)
    late = np.arange(len(events)) >= (np.cumsum(counts) - last)[events.user]
    return Parts(*(events.select(np.flatnonzero(chosen)).compact() for chosen in (~late, late)), train, test)


class Shop(NamedTuple):
    """A data set.

    title : what it is called in the report.  read : its events and how they are split, or all parts of a split that is given.
    large : whether only the small grids are run on it.  families : those that are (empty: all).  reference : the family to compare with.
    kept : the share of the reference's NDCG@20 on validation that a setting must have.  more : grids of families beside theirs.
    """

    title: str
    read: Callable[[Path], tuple[mr.Dataset, str] | Parts]
    large: bool = False
    families: tuple[str, ...] = ()
    reference: str = "EASE"
    kept: float = 1.0
    more: Mapping[str, Mapping[str, tuple[Any, ...]]] = {}

    def settings(self, family: str) -> list[dict[str, Any]]:
        """Those of a family that are tried here."""
        model, more = FAMILIES[family], self.more.get(family)
        return model.settings(large=self.large) + (model._replace(grid=more).settings(large=False) if more else [])


SHOPS = {
    "ml-1m-last": Shop("MovieLens-1M, the last film of each user", _movielens_last),
    "ml-1m-liked": Shop("MovieLens-1M, ratings of at least 4, a random fifth of each user", _movielens_random),
    "online-retail": Shop("Online Retail, the last fifth of the purchases", online_retail),
    "completejourney": Shop(
        "Complete Journey, products of at least 5 households, the last fifth of the purchases",
        complete_journey,
        large=True,
        kept=0.99,
        more={"GraphBlend": _LONG_HISTORIES},
    ),
    "gowalla": Shop(
        "Gowalla, the split of the LightGCN papers", _gowalla, True, ("ChebyCF", "RP3beta", "GraphBlend"), "ChebyCF", 0.99
    ),
}  # fmt: skip


def parts(name: str, folder: Path) -> Parts:
    """Train and test, and of train what the choice is made with."""
    found = SHOPS[name].read(folder)
    if isinstance(found, Parts):
        return found
    return divided(*found)


def divided(data: mr.Dataset, how: str) -> Parts:
    """Train and test, and train divided in the same way."""
    import minirec as mr

    train, test = mr.split(data.with_columns(weight=None), how, test=HELD_OUT, seed=SEED)
    inner, validation = mr.split(train, how, test=HELD_OUT, seed=SEED)
    return Parts(*(mr.clean(part, duplicates="last")[0] for part in (inner, validation, train, test)))


def _point(name: str, family: str, settings: dict[str, Any], folder: Path) -> Row:
    """A setting on validation and on test."""
    from minirec.errors import MemoryBudgetError, ModelFitError

    found = parts(name, folder)
    row: Row = {"kind": "point", "data": name, "family": family, "settings": settings}
    try:
        for side, train, test in (("validation", found.inner, found.validation), ("test", found.train, found.test)):
            start = perf_counter()
            figures = _result(family, settings, train, test).to_dict()[family]
            row[side] = {metric: round(figures[metric], 5) for metric in METRICS}
            row[f"{side}_seconds"] = round(perf_counter() - start, 2)
    except (MemoryBudgetError, ModelFitError) as failure:
        return row | {"error": str(failure)}
    return row | {"peak_mb": peak()}


def _result(family: str, settings: dict[str, Any], train: mr.Dataset, test: mr.Dataset) -> mr.Result:
    import minirec as mr

    model = getattr(mr, FAMILIES[family].model)(**settings).fit(train)
    return mr.evaluate({family: model}, train, test, k=20, metrics=[metric.removesuffix("@20") for metric in METRICS], seed=SEED)


def choose(points: list[Row], reference: str = "EASE", kept: float = 1.0) -> dict[str, Row]:
    """The point of each family that validation chooses; see the head of this file. Empty without a point of the reference."""
    by_family: dict[str, list[Row]] = {}
    for row in points:
        if "error" not in row:
            by_family.setdefault(row["family"], []).append(row)
    if reference not in by_family:
        return {}
    bar = kept * max(row["validation"]["ndcg@20"] for row in by_family[reference])
    chosen = {}
    for family, rows in by_family.items():
        good = [row for row in rows if row["validation"]["ndcg@20"] >= bar] if family != reference else []
        metric = "tail.ndcg@20" if good else "ndcg@20"
        chosen[family] = max(good or rows, key=lambda row: row["validation"][metric])
    return chosen


def _choice(name: str, chosen: dict[str, dict[str, Any]], folder: Path) -> Row:
    """The chosen settings on test once more, one after the other, and each against the reference."""
    from dataclasses import asdict, replace

    import minirec as mr

    found = parts(name, folder)
    shift = mr.item_shift(found.validation, found.test, seed=SEED)
    results = [_result(family, settings, found.train, found.test) for family, settings in chosen.items()]
    together = replace(results[0], measured={family: values for result in results for family, values in result.measured.items()})
    differences = []
    for gap in together.compare(SHOPS[name].reference, metric=METRICS[:2]) if len(chosen) > 1 else ():  # turned round: other less reference
        turned = replace(gap, difference=-gap.difference, low=-gap.high, high=-gap.low, effect=-gap.effect)
        differences.append({key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in asdict(turned).items()})
    return {
        "kind": "choice",
        "data": name,
        "chosen": chosen,
        "test": {family: {metric: round(figures[metric], 5) for metric in METRICS} for family, figures in together.to_dict().items()},
        "users": len(together.users),
        "differences": [{"family": row.pop("b"), **row} for row in differences if row.pop("a")],
        "shift": str(shift),
    }


def run(folders: Folders, shops: list[str] | None, families: list[str] | None, again: bool) -> Iterator[Row]:
    """The points that are asked for and not there yet, each as it is done; then, for each data set, what all its points choose."""
    results = folders.rows("frontier", KEY)
    for name, shop in SHOPS.items():
        if shops and name not in shops:
            continue
        if folders.data is None:
            yield {"task": name, "error": "name the folder with ml-1m and online-retail: --data-folder or MINIREC_DATA"}
            continue
        for family in FAMILIES:
            wanted_here = (not families or family in families) and (not shop.families or family in shop.families)
            for settings in shop.settings(family) if wanted_here else []:
                point = {"kind": "point", "data": name, "family": family, "settings": settings}
                if results.needed(point, again):
                    results.put(row := apart(_point, name, family, settings, folders.data))
                    yield {"task": f"{family} {settings}", "minirec_quality": row.get("test"), **row}
        chosen = choose([row for row in results.rows if row["kind"] == "point" and row["data"] == name], shop.reference, shop.kept)
        wanted = {family: row["settings"] for family, row in chosen.items()}
        choice: Row = {"kind": "choice", "data": name}
        old = results.find(choice)
        if wanted and results.needed(choice, again, stale=old is not None and old["chosen"] != wanted):
            results.put(row := apart(_choice, name, wanted, folders.data))
            yield {"task": "choice", **row}


def table_rows(rows: list[Row]) -> Iterator[tuple[str, str, str, list[list[Any]]]]:
    """(data set, its title, what is said of validation and test, lines of the table of what was chosen)."""
    for name, shop in SHOPS.items():
        choice = next((row for row in rows if row["kind"] == "choice" and row["data"] == name), None)
        if choice is None:
            continue
        gaps = {(row["family"], row["metric"]): row for row in choice["differences"]}
        base, lines = choice["test"][shop.reference], []
        for family, figures in sorted(choice["test"].items(), key=lambda entry: -entry[1]["tail.ndcg@20"]):
            settings = ", ".join(f"{key}={value}" for key, value in choice["chosen"][family].items()) or "defaults"
            line: list[Any] = [FAMILIES[family].model if family in FAMILIES else family, settings]
            for metric in METRICS[:2]:
                line.append(f"{figures[metric]:.4f}")
                gap = gaps.get((family, metric))
                line.append(
                    None if gap is None else f"{gap['difference']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f}), p {gap['p_holm']:.2g}"
                )
            share = figures["tail.ndcg@20"] / base["tail.ndcg@20"] if base["tail.ndcg@20"] else None
            lines.append([*line, None if share is None else f"{share:.2f}", f"{figures['coverage@20']:.2f}"])
        yield name, shop.title, f"{choice['users']:,} users. {choice['shift']}.", lines

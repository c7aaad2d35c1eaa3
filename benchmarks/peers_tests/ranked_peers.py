"""RecTools, LensKit, ranx, ir-measures, irspack, recommenders: metrics of lists."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

import minirec as mr

from .world import Row, World

M = mr.metrics


def _ours(world: World, name: str, **more: object) -> dict[int, float]:
    return getattr(M, name)(world.lists, world.truth, world.k, per_user=True, **more)


def _shortened(world: World, values: dict[int, float], k: int) -> dict[int, float]:
    """Values over k places as values over the places that the list has."""
    return {u: value * k / min(k, len(world.lists[u])) for u, value in values.items()}


def rectools(world: World) -> Iterator[Row]:
    import pandas as pd
    import rectools.metrics as rt
    from rectools import Columns

    k = world.k
    reco = pd.DataFrame(
        [(u, i, r) for u, items in world.lists.items() for r, i in enumerate(items, 1)], columns=[Columns.User, Columns.Item, Columns.Rank]
    )
    truth = pd.DataFrame([(u, i) for u, items in world.truth.items() for i in items], columns=[Columns.User, Columns.Item])
    before = pd.DataFrame(world.train, columns=[Columns.User, Columns.Item])
    catalog = list(range(world.n_items))

    def per_user(metric: object, *arguments: object) -> dict[int, float]:
        return {int(u): float(v) for u, v in metric.calc_per_user(reco, truth, *arguments).items()}  # type: ignore[attr-defined]

    yield Row("RecTools", "Precision", "precision", per_user(rt.Precision(k)), _ours(world, "precision"))
    yield Row("RecTools", "Recall", "recall", per_user(rt.Recall(k)), _ours(world, "recall"))
    yield Row("RecTools", "F1Beta(beta=1)", "f1", per_user(rt.F1Beta(k)), _ours(world, "f1"))
    yield Row("RecTools", "F1Beta(beta=2)", "fbeta", per_user(rt.F1Beta(k, beta=2)), _ours(world, "fbeta", beta=2))
    yield Row("RecTools", "HitRate", "hitrate", per_user(rt.HitRate(k)), _ours(world, "hitrate"))
    yield Row("RecTools", "MRR", "mrr", per_user(rt.MRR(k)), _ours(world, "mrr"))
    yield Row("RecTools", "MAP", "map_trec", per_user(rt.MAP(k)), _ours(world, "map_trec"))
    yield Row("RecTools", "NDCG(divide_by_achievable=True)", "ndcg", per_user(rt.NDCG(k, divide_by_achievable=True)), _ours(world, "ndcg"))
    dcg, whole = _ours(world, "dcg"), float((1 / np.log2(np.arange(2, k + 2))).sum())
    yield Row(
        "RecTools", "NDCG", "ndcg", per_user(rt.NDCG(k)), _ours(world, "ndcg"),
        "divides by the sum of k discounts, also where a user has fewer than k test items", {u: v / whole for u, v in dcg.items()},
    )  # fmt: skip
    yield Row("RecTools", "MCC", "mcc", per_user(rt.MCC(k), catalog), _ours(world, "mcc", n_items=world.n_items))
    found = {int(u): float(v) for u, v in rt.Serendipity(k).calc_per_user(reco, truth, before, catalog).items()}
    yield Row("RecTools", "Serendipity", "serendipity", found, M.serendipity(world.lists, world.truth, world.popularity, k, per_user=True))
    popularity = {int(u): float(v) for u, v in rt.AvgRecPopularity(k).calc_per_user(reco, before).items()}
    yield Row("RecTools", "AvgRecPopularity", "arp", popularity, M.arp(world.lists, world.popularity, k, per_user=True))
    yield Row("RecTools", "CatalogCoverage(normalize=True)", "coverage", float(rt.CatalogCoverage(k, normalize=True).calc(reco, catalog)),
              M.coverage(world.lists, world.n_items, k))  # fmt: skip


def lenskit(world: World) -> Iterator[Row]:
    import lenskit.metrics as lk
    from lenskit.data import ItemList

    k = world.k
    lists = {u: ItemList(item_ids=np.array(items), ordered=True) for u, items in world.lists.items()}
    tests = {u: ItemList(item_ids=np.array(list(t)), rating=np.array(list(t.values()), float)) for u, t in world.truth.items()}

    def per_user(metric: object) -> dict[int, float]:
        return {u: float(metric.measure_list(lists[u], tests[u])) for u in lists}  # type: ignore[attr-defined]

    ours = _ours(world, "precision")
    yield Row("LensKit", "Precision", "precision", per_user(lk.Precision(k)), ours,
              "divides by the length of a list that is shorter than k", _shortened(world, ours, k))  # fmt: skip
    yield Row("LensKit", "Recall", "recall_capped", per_user(lk.Recall(k)), _ours(world, "recall_capped"))
    yield Row("LensKit", "RecipRank", "mrr", per_user(lk.RecipRank(k)), _ours(world, "mrr"))
    yield Row("LensKit", "Hit", "hitrate", per_user(lk.Hit(k)), _ours(world, "hitrate"))
    clipped = "1 / log2(max(r, 2)) in place of 1 / log2(r + 1): both first places count 1"
    for theirs, name, metric, gains in (
        ("NDCG", "ndcg", lk.NDCG(k), False),
        ("NDCG(gain='rating')", "ndcg_graded", lk.NDCG(k, gain="rating"), True),
        ("DCG", "dcg", lk.DCG(k), False),
    ):
        by = _clipped(world, gains=gains, normalized=theirs != "DCG")
        yield Row("LensKit", theirs, name, per_user(metric), _ours(world, name), clipped, by)
    yield Row("LensKit", "RBP(patience=.8)", "rbp", per_user(lk.RBP(k, patience=0.8)), _ours(world, "rbp"))
    gini = lk.ListGini(k, items=world.n_items)
    theirs = float(gini.global_aggregate([gini.compute_list_data(lists[u], tests[u]) for u in lists]))
    mine = M.gini(world.lists, world.n_items, k)
    yield Row("LensKit", "ListGini", "gini", theirs, mine, "divides by n in place of n - 1", mine * (world.n_items - 1) / world.n_items)


def _clipped(world: World, *, gains: bool, normalized: bool) -> dict[int, float]:
    """DCG with ranks clipped at 2, as LensKit has it by default."""

    def dcg(values: list[float]) -> float:
        return sum(value / float(np.log2(max(r, 2))) for r, value in enumerate(values[: world.k], 1))

    found = {}
    for u, items in world.lists.items():
        worth = {i: float(g) if gains else 1.0 for i, g in world.truth[u].items()}
        best = dcg(sorted(worth.values(), reverse=True)) if normalized else 1.0
        found[u] = dcg([worth.get(i, 0.0) for i in items]) / best
    return found


def ranx(world: World) -> Iterator[Row]:
    from ranx import Qrels, Run, evaluate

    k = world.k
    qrels = Qrels({str(u): {str(i): 1 for i in t} for u, t in world.truth.items()})
    graded = Qrels({str(u): {str(i): g for i, g in t.items()} for u, t in world.truth.items()})
    run = Run({str(u): {str(i): float(-r) for r, i in enumerate(items)} for u, items in world.lists.items()})

    def per_user(metric: str, truth: object = qrels) -> dict[int, float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = evaluate(truth, run, metric, return_mean=False)
        return {int(u): float(v) for u, v in zip(sorted(map(str, world.truth)), values, strict=True)}

    for theirs, name in (
        (f"recall@{k}", "recall"), (f"hit_rate@{k}", "hitrate"), (f"mrr@{k}", "mrr"), (f"map@{k}", "map_trec"), (f"ndcg@{k}", "ndcg"),
        (f"dcg@{k}", "dcg"),
    ):  # fmt: skip
        yield Row("ranx", theirs, name, per_user(theirs), _ours(world, name))
    yield Row("ranx", f"precision@{k}", "precision", per_user(f"precision@{k}"), _ours(world, "precision"))
    yield Row("ranx", f"f1@{k}", "f1", per_user(f"f1@{k}"), _ours(world, "f1"))
    yield Row("ranx", f"ndcg@{k} (graded)", "ndcg_graded", per_user(f"ndcg@{k}", graded), _ours(world, "ndcg_graded"))
    yield Row(
        "ranx", f"ndcg_burges@{k}", "ndcg_graded", per_user(f"ndcg_burges@{k}", graded), _ours(world, "ndcg_graded", gain="exponential")
    )
    longest = max(len(items) for items in world.lists.values())
    yield Row("ranx", "rbp.80", "rbp", per_user("rbp.80"), M.rbp(world.lists, world.truth, longest, persistence=0.8, per_user=True))


def ir_measures(world: World) -> Iterator[Row]:
    import ir_measures as ir
    import pandas as pd

    k = world.k
    rows = [(str(u), str(i), g) for u, t in world.truth.items() for i, g in t.items()]
    qrels = pd.DataFrame(rows, columns=["query_id", "doc_id", "relevance"])
    run = pd.DataFrame(
        [(str(u), str(i), float(-r)) for u, items in world.lists.items() for r, i in enumerate(items)],
        columns=["query_id", "doc_id", "score"],
    )
    wanted = {
        ir.P @ k: "precision", ir.R @ k: "recall", ir.RR @ k: "mrr", ir.AP @ k: "map_trec",
        ir.Success @ k: "hitrate", ir.nDCG @ k: "ndcg_graded",
    }  # fmt: skip
    for measure, name in wanted.items():
        found = {int(value.query_id): float(value.value) for value in ir.iter_calc([measure], qrels, run)}
        yield Row("ir-measures", str(measure), name, found, _ours(world, name))


def irspack(world: World) -> Iterator[Row]:
    from irspack.evaluation._core_evaluator import evaluate_list_vs_list

    k, users = world.k, list(world.lists)
    cut = [world.lists[u][:k] for u in users]
    found = evaluate_list_vs_list(cut, [list(world.truth[u]) for u in users], world.n_items, 1).as_dict()
    n = world.n_items
    mine = M.gini(world.lists, n, k)
    yield Row("irspack", "gini_index", "gini", found["gini_index"], mine, "divides by n in place of n - 1", mine * (n - 1) / n)
    bits = M.entropy(world.lists, k)
    yield Row("irspack", "entropy", "entropy", found["entropy"], bits, "natural logarithms in place of bits", bits * float(np.log(2)))
    yield Row("irspack", "hit", "hitrate", found["hit"], _mean(_ours(world, "hitrate")))
    yield Row("irspack", "recall", "recall", found["recall"], _mean(_ours(world, "recall")))
    yield Row("irspack", "map", "map_trec", found["map"], _mean(_ours(world, "map_trec")))
    cut_at = {u: min(k, len(world.lists[u])) for u in users}
    ndcg = _mean({u: M.ndcg({u: world.lists[u]}, {u: world.truth[u]}, length) for u, length in cut_at.items()})
    yield Row("irspack", "ndcg", "ndcg", found["ndcg"], _mean(_ours(world, "ndcg")), "the ideal list is no longer than the list", ndcg)
    precision = _ours(world, "precision")
    yield Row("irspack", "precision", "precision", found["precision"], _mean(precision),
              "divides by the length of a list that is shorter than k", _mean(_shortened(world, precision, k)))  # fmt: skip
    yield Row("irspack", "appeared_item", "coverage", found["appeared_item"] / n, M.coverage(world.lists, n, k))


def _mean(values: dict[int, float]) -> float:
    return sum(values.values()) / len(values)


def recommenders(world: World) -> Iterator[Row]:
    import pandas as pd
    import recommenders.evaluation.python_evaluation as ev

    k = world.k
    truth = pd.DataFrame([(u, i, 1.0) for u, t in world.truth.items() for i in t], columns=["userID", "itemID", "rating"])
    pred = pd.DataFrame(
        [(u, i, float(-r)) for u, items in world.lists.items() for r, i in enumerate(items)], columns=["userID", "itemID", "prediction"]
    )
    for function, name in (
        ("precision_at_k", "precision"),
        ("recall_at_k", "recall"),
        ("map", "map_trec"),
        ("map_at_k", "map"),
        ("ndcg_at_k", "ndcg"),
    ):
        theirs = float(getattr(ev, function)(truth, pred, k=k))
        yield Row("recommenders", function, name, theirs, _mean(_ours(world, name)))

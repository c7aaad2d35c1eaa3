# mypy: disable-error-code="import-not-found,import-untyped"
"""Metrics of given lists for all users of MovieLens-1M, at 10 and at 20.

The ground truth is taken in before the clock starts, where a peer allows it; the lists after. minirec works out every metric for head,
middle and tail as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..job import Job
from ..task import Task
from .topk import vectors

KS = (10, 20)
RANX = ("ndcg", "map", "mrr", "precision", "recall", "f1", "hit_rate")


def _minirec(job: Job, metrics: list[str] | None) -> None:
    from minirec.data.popularity import popularity_groups
    from minirec.engine.sparse import CSR
    from minirec.evaluation.measure import Setting, measure
    from minirec.metrics.accuracy import Lists

    from .common import dataset

    train = dataset(job.train)
    n, table = job.train.shape[0], np.array(job.array("lists"))
    setting = Setting(CSR.from_scipy(job.held[:n]), train.binary, popularity_groups(train), n, np.array(job.array("items")))
    lengths = (table >= 0).sum(axis=1)
    job.start()
    found = measure(Lists(np.concatenate([[0], lengths.cumsum()]), table[table >= 0]), setting, KS, metrics).per_user["ndcg@10"]
    job.lap(lambda: {"ndcg@10": np.nanmean(found)})


def minirec_ranking(job: Job) -> None:
    _minirec(job, ["ndcg", "map", "mrr", "precision", "recall", "f1", "hitrate"])


def minirec_all(job: Job) -> None:
    _minirec(job, None)


def _frames(job: Job) -> tuple[Any, Any]:
    """The lists and the held-out events as pandas frames; users without held-out events are left out."""
    import pandas as pd

    table, held = np.array(job.array("lists")), job.held.tocoo()
    with_truth = np.diff(job.held.indptr) > 0
    user, rank = np.nonzero((table >= 0) & with_truth[: len(table), None])
    lists = pd.DataFrame({"user": user, "item": table[user, rank], "rank": rank + 1, "score": 1.0 / (rank + 1)})
    return lists, pd.DataFrame({"user": held.row, "item": held.col})


def ranx(job: Job) -> None:
    from ranx import Qrels, Run, evaluate

    lists, truth = _frames(job)
    lists, truth = (frame.astype({"user": str, "item": str}).astype({"user": object, "item": object}) for frame in (lists, truth))
    truth["relevance"] = 1
    qrels = Qrels.from_df(truth, q_id_col="user", doc_id_col="item", score_col="relevance")
    job.start()
    run = Run.from_df(lists, q_id_col="user", doc_id_col="item", score_col="score")
    found = evaluate(qrels, run, [f"{name}@{k}" for name in RANX for k in KS])
    job.lap(lambda: {"ndcg@10": found["ndcg@10"]})


def _rectools(job: Job, wide: bool) -> None:
    import pandas as pd
    from rectools import Columns
    from rectools import metrics as m

    lists, truth = _frames(job)
    lists = lists.rename(columns={"user": Columns.User, "item": Columns.Item, "rank": Columns.Rank})
    truth = truth.rename(columns={"user": Columns.User, "item": Columns.Item})
    coo = job.train.tocoo()
    before = pd.DataFrame({Columns.User: coo.row, Columns.Item: coo.col})
    kinds = [m.NDCG, m.MAP, m.MRR, m.Precision, m.Recall, m.F1Beta, m.HitRate]
    kinds += [m.MeanInvUserFreq, m.Serendipity, m.AvgRecPopularity, m.CatalogCoverage] if wide else []
    wanted = {f"{kind.__name__}@{k}": kind(k=k) for kind in kinds for k in KS}
    wanted |= {f"NDCG@{k}": m.NDCG(k=k, divide_by_achievable=True) for k in KS}  # the same definition as the others'
    catalogue = np.arange(job.train.shape[1])
    job.start()
    found = m.calc_metrics(wanted, reco=lists, interactions=truth, prev_interactions=before, catalog=catalogue)
    job.lap(lambda: {"ndcg@10": found["NDCG@10"]})


def rectools_ranking(job: Job) -> None:
    _rectools(job, False)


def rectools_all(job: Job) -> None:
    _rectools(job, True)


TASKS = [
    Task(
        "evaluate-ranking",
        "Seven ranking metrics of lists for all users",
        ("ml-1m",),
        {"minirec": minirec_ranking, "ranx": ranx, "rectools": rectools_ranking, "minirec-numpy": minirec_ranking},
        "run",
        judge="given",
        prepare=vectors,
    ),
    Task(
        "evaluate-all",
        "All metrics of lists for all users: ranking, novelty, popularity, coverage (and each group, minirec)",
        ("ml-1m",),
        {"minirec": minirec_all, "rectools": rectools_all},
        "run",
        judge="given",
        prepare=vectors,
    ),
]

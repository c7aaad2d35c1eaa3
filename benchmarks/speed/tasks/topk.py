# mypy: disable-error-code="import-not-found,import-untyped"
"""The ten best items of many users, seen items left out, from the same given vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..job import Array, Job
from ..task import Task
from .common import dataset, lists

FACTORS, K = 64, 10
MOST_USERS = 20_000


def vectors(folder: Path) -> None:
    """Fit vectors for everybody to rank by, and keep the model."""
    if (folder / "lists.npy").exists():
        return
    from scipy.sparse import load_npz

    from minirec import ALS

    train = load_npz(folder / "train.npz")
    train.data[:] = 1.0
    model = ALS(factors=FACTORS, iterations=4, seed=0).fit(dataset(train))
    model.save(folder / "model.npz")
    np.save(folder / "users.npy", model.user_factors_)
    np.save(folder / "items.npy", model.item_factors_)
    users = list(range(min(train.shape[0], MOST_USERS)))
    np.save(folder / "lists.npy", lists(model.recommend(users, k=2 * K), 2 * K))


def _given(job: Job) -> tuple[Array, Array, int]:
    users, items = np.array(job.array("users")), np.array(job.array("items"))
    return users, items, min(len(users), MOST_USERS)


def _hand_over(job: Job, table: Array) -> None:
    job.lap(lambda: {"lists": np.asarray(table)[:, :K].astype(np.int32)})


def minirec(job: Job) -> None:
    from minirec import load_model

    model, users = load_model(job.file("model.npz")), np.arange(_given(job)[2])
    job.start()
    found = model.recommend(users.tolist(), k=K)
    job.lap(lambda: {"lists": lists(found, K)} | _pruning(model, users))


def _pruning(model: Any, users: Array) -> dict[str, Any]:
    """The share of pairs that a score was worked out for, and the share of lists that equal those of brute force, ids and scores."""
    from minirec.engine.backend import resolve
    from minirec.engine.ranking.topk import Filters, VectorScorer, rank

    scorer, seen = VectorScorer(model.user_factors_[users], model.item_factors_), Filters(banned=(model.seen_.rows(users),))
    pruned, brute = (rank(scorer, K, backend=resolve(), filters=seen, prune=prune) for prune in (True, False))
    same = (pruned.items == brute.items) & (pruned.scores == brute.scores)
    return {"scored": pruned.scored / (len(users) * len(model.item_factors_)), "equals_brute_force": same.mean()}


def irspack(job: Job) -> None:
    from irspack import IALSRecommender
    from irspack.utils.id_mapping import retrieve_recommend_from_score

    users, items, n = _given(job)
    model = IALSRecommender(job.train, n_components=FACTORS, n_threads=job.threads)
    model.start_learning()
    model.trainer.core_trainer.user, model.trainer.core_trainer.item = users, items
    found: list[list[tuple[int, float]]] = []
    block = 512
    job.start()
    for start in range(0, n, block):
        scores = model.get_score_remove_seen_block(start, min(start + block, n))
        found += retrieve_recommend_from_score(scores, [], K, job.threads)
    job.lap(lambda: {"lists": np.array([[item for item, _ in row] for row in found], np.int32)})


def implicit(job: Job) -> None:
    from implicit.cpu.als import AlternatingLeastSquares

    users, items, n = _given(job)
    model = AlternatingLeastSquares(factors=FACTORS, num_threads=job.threads)
    model.user_factors, model.item_factors = users, items
    seen = job.train[:n]
    job.start()
    ids, _ = model.recommend(np.arange(n), seen, N=K)
    _hand_over(job, ids)


def faiss(job: Job) -> None:
    """It cannot leave items out by user: as many more are asked for as the user has seen, in groups of users with about equally many."""
    import faiss as library

    users, items, n = _given(job)
    library.omp_set_num_threads(job.threads)
    index = library.IndexFlatIP(FACTORS)
    index.add(items)
    coo = job.train[:n].tocoo()
    keys = coo.row.astype(np.int64) * len(items) + coo.col
    seen = np.bincount(coo.row, minlength=n)
    table = np.full((n, K), -1, np.int32)
    order = np.argsort(seen, kind="stable")
    job.start()
    for group in np.array_split(order, max(n // 512, 1)):
        _, found = index.search(users[group], min(int(seen[group].max()) + K, len(items)))
        wanted = group[:, None] * len(items) + found
        fresh = keys[np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)] != wanted
        first = np.argsort(~fresh, axis=1, kind="stable")[:, :K]
        table[group] = np.where(np.take_along_axis(fresh, first, 1), np.take_along_axis(found, first, 1), -1)
    _hand_over(job, table)


def plain_numpy(job: Job) -> None:
    users, items, n = _given(job)
    train = job.train
    table = np.zeros((n, K), np.int32)
    block = max(64, 2**23 // len(items))
    job.start()
    for start in range(0, n, block):
        stop = min(start + block, n)
        scores = users[start:stop] @ items.T
        first, last = train.indptr[start], train.indptr[stop]
        scores[np.repeat(np.arange(stop - start), np.diff(train.indptr[start : stop + 1])), train.indices[first:last]] = -np.inf
        best = np.argpartition(scores, -K, axis=1)[:, -K:]
        rows = np.arange(stop - start)[:, None]
        best = best[rows, np.argsort(-scores[rows, best], axis=1)]
        table[start:stop] = np.where(np.isfinite(scores[rows, best]), best, -1)
    _hand_over(job, table)


TASKS = [
    Task(
        "top10",
        f"Top {K}, seen items left out, {FACTORS} factors, for at most {MOST_USERS:,} users",
        ("ml-1m", "gowalla", "syn5m"),
        {
            "minirec": minirec, "irspack": irspack, "implicit": implicit, "faiss-cpu": faiss, "numpy": plain_numpy,
            "minirec-numpy": minirec,
        },
        "run",
        prepare=vectors,
    )
]  # fmt: skip

"""How good the results of a side are: one evaluator, minirec's, for all of them. Runs in the parent process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import SEED

MOST_USERS = 10_000  # judged at most, drawn with a seed: the same ones for every side
Found = dict[str, Any]
Figures = dict[str, float]


class Judge:
    """A data set and what its held-out events say about lists, predictions, neighbours and weights."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def train(self) -> Any:
        """The training matrix with its values, a minirec CSR."""
        return self._matrix("train")

    @cached_property
    def held(self) -> Any:
        """The held-out matrix."""
        return self._matrix("held")

    def _matrix(self, name: str) -> Any:
        from scipy.sparse import load_npz

        from minirec.engine.sparse import CSR

        return CSR.from_scipy(load_npz(self.folder / f"{name}.npz"))

    @cached_property
    def users(self) -> NDArray[np.int64]:
        """The users that are judged: those with held-out events, or a sample of them."""
        users = np.flatnonzero(self.held.counts())
        if len(users) <= MOST_USERS:
            return users
        return np.sort(np.random.default_rng(SEED).choice(users, MOST_USERS, replace=False))

    @cached_property
    def _groups(self) -> Any:
        from minirec.data.dataset import Dataset
        from minirec.data.popularity import popularity_groups

        return popularity_groups(Dataset.from_arrays(self.train.row_ids(), self.train.indices))

    def ranking(self, found: Found) -> Figures:
        """NDCG@10, over all items and over the tail (all but the 20 % most popular items), of vectors, weights or lists.

        Single numbers that the side hands over beside them are passed on.
        """
        from minirec.evaluation.measure import Setting, measure
        from minirec.metrics.accuracy import Lists

        users = self.users
        if "lists" in found:
            users = users[users < len(found["lists"])]
            table = found["lists"][users]
            lists = Lists(np.concatenate([[0], (table >= 0).sum(axis=1).cumsum()]), table[table >= 0].astype(np.int32))
        else:
            lists = self._rank(found, users)
        setting = Setting(self.held.rows(users), self.train.rows(users), self._groups, self.train.shape[0], self.train)
        measured = measure(lists, setting, (10,), ["ndcg"]).per_user
        figures = {name: float(np.nanmean(measured[name])) for name in ("ndcg@10", "tail.ndcg@10")}
        return figures | {name: float(value) for name, value in found.items() if value.ndim == 0}

    def _rank(self, found: Found, users: NDArray[np.int64]) -> Any:
        from minirec.engine.backend import resolve
        from minirec.engine.ranking.topk import Filters, LinearScorer, VectorScorer, rank
        from minirec.engine.sparse import CSR
        from minirec.metrics.accuracy import Lists

        seen = self.train.rows(users)
        scorer: Any
        if "users" in found:
            scorer = VectorScorer(found["users"][users], found["items"])
        else:
            weights: Any = found.get("weights")
            if weights is None:
                n = self.train.shape[1]
                weights = CSR(found["indptr"].astype(np.int64), found["indices"].astype(np.int32), found["data"], (n, n))
            scorer = LinearScorer(seen.with_data(np.ones(seen.nnz, np.float32)), weights, resolve())
        ranked = rank(scorer, 10, backend=resolve(), filters=Filters(banned=(seen,)))
        return Lists(ranked.indptr, ranked.items)

    def strong(self, found: Found) -> Figures:
        """Of users that are not in train, served by the histories `shown`: Recall@20 and NDCG@100 as defined by Liang et al. 2018.

        lists (seeds, users, 100) : values are means over the seeds, then over the users; beside them half of their 95 % interval.
        """
        from minirec.evaluation.measure import Setting, measure
        from minirec.metrics.accuracy import Lists

        setting = Setting(self.held, self._matrix("shown"), self._groups, self.train.shape[0], self.train)
        names, values = ("recall_capped@20", "ndcg@100"), []
        for table in found["lists"]:
            lists = Lists(np.arange(len(table) + 1) * table.shape[1], table.ravel())
            measured = measure(lists, setting, (20, table.shape[1]), ["recall_capped", "ndcg"]).per_user
            values.append([measured[name] for name in names])
        figures: Figures = {}
        for name, users in zip(names, np.mean(values, axis=0), strict=True):
            figures |= {name: float(users.mean()), f"± of {name}": float(1.96 * users.std(ddof=1) / np.sqrt(len(users)))}
        return figures

    def rmse(self, found: Found) -> Figures:
        """Root mean squared error of predictions for the held-out events, in the order of the held-out matrix."""
        return {"rmse": float(np.sqrt(np.mean((found["predictions"].astype(np.float64) - self.held.data) ** 2)))}

    def slim(self, found: Found) -> Figures:
        """The elastic net's objective, 1/2 |X - XW|^2 + l2/2 |W|^2 + l1 |W|, a user and item on average, and NDCG@10."""
        from scipy.sparse import csr_array

        n = self.train.shape[1]
        w = csr_array((found["data"].astype(np.float64), found["indices"], found["indptr"]), (n, n))
        x = self.train.with_data(np.ones(self.train.nnz, np.float64)).to_scipy()
        fitted = x @ w
        square = x.sum() - 2 * x.multiply(fitted).sum() + (fitted.data**2).sum()
        l1, l2 = found["penalties"].tolist()
        objective = square / 2 + l2 / 2 * (w * w).sum() + l1 * abs(w).sum()
        return {"objective": float(objective / n), "diagonal": float(abs(w.diagonal()).sum())} | self.ranking(found)

    def vectors(self, found: Found) -> Figures:
        """How many vectors there are that are not zero; what they are worth is their agreement with the peer's."""
        return {"vectors": float((found["vectors"] != 0).any(axis=1).sum())}

    def given(self, found: Found) -> Figures:
        """Figures that the sides worked out themselves."""
        return {name: float(value) for name, value in found.items()}


JUDGES: dict[str, Callable[[Judge, Found], Figures]] = {
    name: getattr(Judge, name) for name in ("ranking", "strong", "rmse", "slim", "vectors", "given")
}


def agreement(one: Found, other: Found) -> float | None:
    """How far two results are the same: the share of equal lists, or of equal neighbour values (rank by rank, within 1e-4).

    Of vectors of the same things it is the smallest cosine.
    """
    if "vectors" in one:
        a, b = (found["vectors"].astype(np.float64) for found in (one, other))
        return float(((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())
    if "lists" in one and one["lists"].ndim == 2:
        return float((one["lists"] == other["lists"]).all(axis=1).mean())
    if "indptr" in one and "penalties" not in one:
        rows = len(one["indptr"]) - 1
        width = int(max(np.diff(one["indptr"]).max(), np.diff(other["indptr"]).max()))
        tables = []
        for found in (one, other):
            table = np.zeros((rows, width), np.float64)
            table[np.arange(width) < np.diff(found["indptr"])[:, None]] = found["data"]
            tables.append(-np.sort(-table, axis=1))
        close = np.isclose(tables[0], tables[1], rtol=1e-4, atol=1e-7)
        used = (tables[0] != 0) | (tables[1] != 0)
        return float(close[used].mean())
    return None

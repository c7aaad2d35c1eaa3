"""What minirec's time and memory grow with: one operation each, on synthetic events."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ..job import Job
from ..task import Task
from .common import dataset

FACTORS = (16, 32, 64, 128, 256)
MOST_USERS = 2000  # that are ranked for


def als(job: Job, d: int) -> None:
    from minirec import ALS

    train = dataset(job.train)
    model = ALS(factors=d, iterations=3, seed=0)
    job.start()
    model.fit(train, callback=lambda *_: job.lap())


def bpr(job: Job, d: int) -> None:
    from minirec import BPR

    train = dataset(job.train)
    model = BPR(factors=d, iterations=3, seed=0)
    job.start()
    model.fit(train, callback=lambda *_: job.lap())


def cosine(job: Job, d: int) -> None:
    from minirec import ItemKNN

    train = dataset(job.train)
    job.start()
    ItemKNN(similarity="cosine", neighbors=100).fit(train)
    job.lap()


def rp3beta(job: Job, d: int) -> None:
    from minirec import RP3beta

    train = dataset(job.train)
    job.start()
    RP3beta(neighbors=100).fit(train)
    job.lap()


def ease(job: Job, d: int) -> None:
    from minirec import EASE

    train = dataset(job.train)
    job.start()
    EASE().fit(train)
    job.lap()


def topk(job: Job, d: int, prune: bool) -> None:
    """Vectors with long-tailed norms, as training gives them; popular items are the long ones."""
    from minirec.engine.backend import resolve
    from minirec.engine.ranking.topk import VectorScorer, rank

    rng = np.random.default_rng(0)
    users, items = job.train.shape
    norms = np.sqrt(np.bincount(job.train.indices, minlength=items) + 1.0)
    left = rng.standard_normal((min(users, MOST_USERS), d)).astype(np.float32)
    right = (rng.standard_normal((items, d)) * (norms / norms.max())[:, None]).astype(np.float32)
    scorer = VectorScorer(left, right)
    job.start()
    rank(scorer, 10, backend=resolve(), prune=prune)
    job.lap()


def reading(job: Job, d: int) -> None:
    from minirec import read

    job.start()
    read(job.file("events.parquet"), user="user", item="item", weight="quantity", time="time")
    job.lap()


def whole(job: Job, d: int) -> None:
    """Read, 10 iterations of ALS, the ten best items for everybody, written as Parquet: one lap each."""
    import tempfile
    from pathlib import Path

    from minirec import ALS, read

    job.start()
    train = read(job.file("events.parquet"), user="user", item="item", weight=False, time=False)
    job.lap()
    model = ALS(factors=d, iterations=10, seed=0).fit(train)
    job.lap()
    with tempfile.TemporaryDirectory() as folder:
        model.recommend(k=10).to_parquet(Path(folder) / "recommendations.parquet")
        job.lap()


OPERATIONS: dict[str, Callable[..., None]] = {
    "als": als, "bpr": bpr, "cosine": cosine, "rp3beta": rp3beta, "ease": ease, "topk-brute": partial(topk, prune=False),
    "topk-pruned": partial(topk, prune=True), "read": reading, "whole": whole,
}  # fmt: skip

GROWTH = [
    Task(f"growth-{name}-{d}", name, (), {"minirec": partial(side, d=d)}, "run", judge=None)
    for name, side in OPERATIONS.items()
    for d in FACTORS
]

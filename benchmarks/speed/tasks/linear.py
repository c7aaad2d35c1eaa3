# mypy: disable-error-code="import-not-found,import-untyped"
"""EASE, and SLIM until the objective of the elastic net is that of the worse of both, within a tenth of a per cent."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..job import Arrays, Job, weights
from ..task import Goal, Task
from .common import dataset

RIDGE = 500.0
L1, L2 = 5.0, 100.0  # of 1/2 |x_j - X w_j|^2 + l2/2 |w_j|^2 + l1 |w_j|, w_j >= 0
SWEEPS = (2, 4, 6, 8, 10, 15)


def minirec_ease(job: Job) -> None:
    from minirec import EASE

    train = dataset(job.train)
    model = EASE(regularization=RIDGE)
    job.start()
    model.fit(train)
    job.lap(lambda: weights(model.weights_)())


def irspack_ease(job: Job) -> None:
    from irspack import DenseSLIMRecommender

    model = DenseSLIMRecommender(job.train, reg=RIDGE)
    job.start()
    model.learn()
    job.lap(lambda: weights(np.asarray(model.W))())


def rusket_ease(job: Job) -> None:
    from rusket import EASE

    model = EASE(regularization=RIDGE)
    train = job.train
    job.start()
    model.fit(train)
    job.lap(lambda: weights(np.asarray(model.item_weights))())


def lenskit_ease(job: Job) -> None:
    from lenskit.data import from_interactions_df
    from lenskit.knn import EASEScorer
    from lenskit.training import TrainingOptions
    from pandas import DataFrame

    coo = job.train.tocoo()
    data = from_interactions_df(DataFrame({"user_id": coo.row, "item_id": coo.col}))
    model = EASEScorer(regularization=RIDGE)
    job.start()
    model.train(data, TrainingOptions())
    job.lap(lambda: weights(np.asarray(model.weights))())


def _slim(weights_: Any) -> Arrays:
    return dict(weights(weights_)()) | {"penalties": np.array([L1, L2])}


def minirec_slim(job: Job) -> None:
    from minirec import SLIM

    train = dataset(job.train)
    for tol in (1e-1, 1e-2, 1e-3, 1e-4):  # its stopping rule, in place of a number of sweeps
        model = SLIM(l1_regularization=L1, l2_regularization=L2, tol=tol)
        job.start()
        model.fit(train)
        sparse: Any = model.weights_
        job.lap(partial(_slim, sparse.to_scipy()))


def fastslim_slim(job: Job) -> None:
    """The same loss and penalties (checked: other scalings of them end at a higher objective)."""
    import fastslim

    for sweeps in SWEEPS:
        job.start()
        found = fastslim.fit(job.train, lambd=L1, beta=L2, max_iter=sweeps, tol=1e-12, n_threads=job.threads)
        job.lap(partial(_slim, found))


def irspack_slim(job: Job) -> None:
    """Its penalties are shares of alpha times the number of users."""
    from irspack import SLIMRecommender

    alpha, ratio = (L1 + L2) / job.train.shape[0], L1 / (L1 + L2)
    for sweeps in SWEEPS:
        model = SLIMRecommender(job.train, alpha=alpha, l1_ratio=ratio, n_iter=sweeps, tol=0.0, n_threads=job.threads)
        job.start()
        model.learn()
        job.lap(partial(_slim, model.W))


TASKS = [
    Task(
        "ease",
        "EASE",
        ("ml-1m",),
        {"minirec": minirec_ease, "irspack": irspack_ease, "rusket": rusket_ease, "lenskit": lenskit_ease},
        "fit",
    ),
    Task(
        "slim",
        "SLIM, to an equal objective",
        ("ml-1m",),
        {"minirec": minirec_slim, "fastslim": fastslim_slim, "irspack": irspack_slim},
        "run",
        judge="slim",
        goal=Goal("objective", share=1.001, lower=True),
    ),
]

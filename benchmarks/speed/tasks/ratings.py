# mypy: disable-error-code="import-not-found,import-untyped"
"""Biased SVD and SVD++: seconds until the held-out error is that of the worse of both, within half a per cent."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..job import Arrays, Job
from ..task import Goal, Task
from .common import dataset

FACTORS = 64
RATE, REGULARIZATION = 0.005, 0.02  # Surprise's defaults
CORNAC_RATE = 0.01  # with the same penalty; rates .01 to .04 and penalties .02 to .1 reach their best later, on a tenth of train held out
# chosen in the same way, from rates .05 to .2 and penalties .05 to .1
SETTINGS = {"ml-100k": {"learning_rate": 0.1, "regularization": 0.1}, "ml-1m": {"learning_rate": 0.07, "regularization": 0.06}}
EPOCHS, PLUS_EPOCHS = 20, 8
EQUAL = Goal("rmse", share=1.005, lower=True)


def _predict(job: Job, mean: float, user_bias: Any, item_bias: Any, users: Any, items: Any) -> Callable[[], Arrays]:
    held = job.held.tocoo()

    def predictions() -> Arrays:
        u, i = held.row, held.col
        interplay = np.concatenate(
            [(users[a] * items[b]).sum(axis=1) for a, b in zip(*(np.array_split(x, 16) for x in (u, i)), strict=True)]
        )
        return {"predictions": np.clip(mean + user_bias[u] + item_bias[i] + interplay, 1, 5)}

    return predictions


def _minirec(job: Job, model: Any) -> None:
    train, held = dataset(job.ratings), job.held.tocoo()

    def predictions() -> Arrays:
        return {"predictions": np.clip(model.score(held.row, held.col), 1, 5)}

    job.start()
    model.fit(train, callback=lambda *_: job.lap(predictions))


def minirec_svd(job: Job) -> None:
    from minirec import BiasedMF

    _minirec(job, BiasedMF(factors=FACTORS, iterations=EPOCHS, seed=0, **SETTINGS[job.folder.name]))


def minirec_svdpp(job: Job) -> None:
    from minirec import SVDpp

    _minirec(job, SVDpp(factors=FACTORS, iterations=PLUS_EPOCHS, seed=0))


def cornac_svd(job: Job) -> None:
    """A second fit of a model goes on where the first ended."""
    from cornac.data import Dataset
    from cornac.models import MF

    coo = job.ratings.tocoo()
    train = Dataset.from_uir(zip(coo.row.tolist(), coo.col.tolist(), coo.data.tolist(), strict=True))
    users, items = (np.array(list(index)) for index in (train.uid_map, train.iid_map))
    model = MF(k=FACTORS, max_iter=1, learning_rate=CORNAC_RATE, lambda_reg=REGULARIZATION, num_threads=job.threads)

    def predictions() -> Arrays:
        p, q = np.zeros((len(users), FACTORS)), np.zeros((len(items), FACTORS))
        bu, bi = np.zeros(len(users)), np.zeros(len(items))
        p[users], q[items], bu[users], bi[items] = model.u_factors, model.i_factors, model.u_biases, model.i_biases
        return _predict(job, train.global_mean, bu, bi, p, q)()

    job.start()
    for _ in range(2 * EPOCHS):
        model.fit(train)
        job.lap(predictions)


def _surprise_train(job: Job) -> Any:
    from surprise import Dataset, Reader

    coo = job.ratings.tocoo()
    data = Dataset(Reader(rating_scale=(1, 5)))
    return data.construct_trainset(list(zip(coo.row.tolist(), coo.col.tolist(), coo.data.tolist(), [None] * coo.nnz, strict=True)))


def surprise_svd(job: Job) -> None:
    """One fit from scratch for each number of epochs; one thread, as it has no more."""
    from surprise import SVD

    train = _surprise_train(job)
    for epochs in (4, 8, 12, 16, 20):
        model = SVD(n_factors=FACTORS, n_epochs=epochs, random_state=0)
        job.start()
        model.fit(train)
        job.lap(partial(_surprise_predictions, job, train, model, model.pu))


def surprise_svdpp(job: Job) -> None:
    from surprise import SVDpp

    train = _surprise_train(job)
    for epochs in (4, 8):
        model = SVDpp(n_factors=FACTORS, n_epochs=epochs, cache_ratings=True, random_state=0)
        job.start()
        model.fit(train)

        def arrays(model: Any = model) -> Arrays:
            implicit = np.zeros_like(model.pu)
            for user, rated in train.ur.items():
                implicit[user] = model.yj[[item for item, _ in rated]].sum(axis=0) / np.sqrt(len(rated))
            return _surprise_predictions(job, train, model, model.pu + implicit)

        job.lap(arrays)


def _surprise_predictions(job: Job, train: Any, model: Any, users: Any) -> Arrays:
    inner_user = np.array([train.to_inner_uid(u) for u in range(job.ratings.shape[0])])
    inner_item = np.array([train.to_inner_iid(i) for i in range(job.ratings.shape[1])])
    return _predict(job, train.global_mean, model.bu[inner_user], model.bi[inner_item], users[inner_user], model.qi[inner_item])()


TASKS = [
    Task(
        "svd-quality",
        f"Biased SVD, {FACTORS} factors, to equal RMSE",
        ("ml-100k", "ml-1m"),
        {"minirec": minirec_svd, "cornac": cornac_svd, "scikit-surprise": surprise_svd},
        "run",
        judge="rmse",
        goal=EQUAL,
    ),
    Task(
        "svdpp-quality",
        f"SVD++, {FACTORS} factors, to equal RMSE",
        ("ml-100k",),
        {"minirec": minirec_svdpp, "scikit-surprise": surprise_svdpp},
        "run",
        judge="rmse",
        goal=EQUAL,
    ),
]

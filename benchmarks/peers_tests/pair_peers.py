"""Surprise, scikit-learn, recommenders: metrics of predictions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

import minirec as mr

from .world import Row, World

M = mr.metrics


def surprise(world: World) -> Iterator[Row]:
    from surprise import accuracy
    from surprise.prediction_algorithms.predictions import Prediction

    rows = [
        Prediction(u, at, a, p, {}) for at, (u, a, p) in enumerate(zip(world.raters.tolist(), world.ratings, world.predicted, strict=True))
    ]
    yield Row("Surprise", "rmse", "rmse", accuracy.rmse(rows, verbose=False), M.rmse(world.predicted, world.ratings))
    yield Row("Surprise", "mae", "mae", accuracy.mae(rows, verbose=False), M.mae(world.predicted, world.ratings))
    yield Row("Surprise", "mse", "mse", accuracy.mse(rows, verbose=False), M.mse(world.predicted, world.ratings))
    good: dict[int, int] = defaultdict(int)
    bad: dict[int, int] = defaultdict(int)
    for u in set(world.raters.tolist()):
        mine = np.flatnonzero(world.raters == u)
        for i in mine:
            for j in mine:
                if world.ratings[i] > world.ratings[j]:
                    better = world.predicted[i] > world.predicted[j]
                    (good if better else bad)[u] += 1  # only users with such a pair have an entry
    by = np.mean(list(good.values())) / (np.mean(list(good.values())) + np.mean(list(bad.values())))
    yield Row(
        "Surprise", "fcp", "fcp", accuracy.fcp(rows, verbose=False), M.fcp(world.raters, world.predicted, world.ratings),
        "means over the users with such a pair, in place of sums", float(by),
    )  # fmt: skip


def sklearn(world: World) -> Iterator[Row]:
    import sklearn.metrics as sk

    p, a, y = world.predicted, world.ratings, world.labels
    chance = (p - 0.5) / 5
    yield Row("scikit-learn", "r2_score", "r2", sk.r2_score(a, p), M.r2(p, a))
    yield Row("scikit-learn", "log_loss", "log_loss", sk.log_loss(y, chance), M.log_loss(chance, y))
    yield Row("scikit-learn", "roc_auc_score", "auc", sk.roc_auc_score(y, p), M.auc(p, y))
    yield Row("scikit-learn", "mean_absolute_error", "mae", sk.mean_absolute_error(a, p), M.mae(p, a))


def recommenders(world: World) -> Iterator[Row]:
    import pandas as pd
    import recommenders.evaluation.python_evaluation as ev

    n = len(world.ratings)
    truth = pd.DataFrame({"userID": world.raters, "itemID": range(n), "rating": world.ratings})
    pred = pd.DataFrame({"userID": world.raters, "itemID": range(n), "prediction": world.predicted})
    for name, function in (("rmse", "rmse"), ("mae", "mae"), ("rsquared", "r2")):
        yield Row("recommenders", name, function, getattr(ev, name)(truth, pred), getattr(M, function)(world.predicted, world.ratings))
    binary = truth.assign(rating=world.labels)
    yield Row("recommenders", "auc", "auc", ev.auc(binary, pred), M.auc(world.predicted, world.labels))
    chance = pred.assign(prediction=(world.predicted - 0.5) / 5)
    yield Row("recommenders", "logloss", "log_loss", ev.logloss(binary, chance), M.log_loss((world.predicted - 0.5) / 5, world.labels))

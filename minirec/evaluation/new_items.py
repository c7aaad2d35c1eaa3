"""New items: how well do models recommend what nobody in train has?"""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from ..data.convert import Events, as_dataset
from ..data.ids import Id
from ..engine.sparse import CSR
from ..errors import DataError
from ..metrics.accuracy import ACCURACY, Hits, Lists, Values, find_hits, relevant_in
from ..models.contract.recommender import Recommender
from .candidates import Models, checked_models
from .measure import Measured
from .protocol import checked_lengths
from .result import Result, Seconds

METRICS = ("recall", "ndcg")
_ALL = "among_all."  # before the name of a metric: the new items stand in one ranking with all others


def evaluate_new_items(models: Models, train: Events, test: Events, *, k: int | Iterable[int] = (10, 20), seed: int = 0) -> Result:
    """Rank items that train does not have, for users that it has: recall@k and ndcg@k among the new items alone, and
    among_all.recall@k and among_all.ndcg@k among these and all items of train that the user has not seen.

    The new items are those of `test` that train does not have; what a user has of them there is the ground truth, all other events
    of `test` are left out and counted, as are users that train or a model does not know. Split with `split(data, "cold-items")`, fit on
    the first part, and tell the models of the new items (`add_items`): DataError for a model that does not know all of them.

    models : a fitted model, or {name: fitted model}. k : lengths of the lists. seed : of bootstrap and randomisation.
    """
    named, ks = checked_models(models), checked_lengths(k)
    train, test = as_dataset(train, "train").compact(), as_dataset(test, "test").compact()
    news = [item for item in test.items if item not in train.items]
    if not news:
        raise DataError("test has no item that train does not have: split with how='cold-items', or use evaluate")
    for name, model in named.items():
        stranger = next((item for item in news if item not in model.items_), None)
        if stranger is not None:
            raise DataError(f"{name} does not know the new item {stranger!r}: call add_items with it and its features first")
    new_row = np.full(test.n_items, -1, np.int32)
    new_row[test.items.rows(news)] = np.arange(len(news))
    known = np.array([user in train.users and all(user in model.users_ for model in named.values()) for user in test.users])
    pairs = test.matrix
    user, item = pairs.row_ids(), new_row[pairs.indices]
    counts = {
        "unknown_users": int((~known).sum()),
        "pairs_of_unknown_users": int((~known[user]).sum()),
        "pairs_of_known_items": int((known[user] & (item < 0)).sum()),
    }
    kept = known[user] & (item >= 0)
    truth = CSR.from_pairs(user[kept], item[kept], None, (test.n_users, len(news)))
    judged = np.flatnonzero(truth.counts())
    if not len(judged):
        raise DataError("no user of train has a new item in test: are the ids of the same type?")
    users, truth = test.users.ids(judged), truth.rows(judged.astype(np.int32))
    counts |= {"users": len(users), "items": train.n_items, "new_items": len(news), "truth_pairs": truth.nnz}
    measured: dict[str, Measured] = {}
    seconds: dict[str, Seconds] = {}
    for name, model in named.items():
        start = perf_counter()
        lists = {"": _lists(model, users, news, ks[-1], True), _ALL: _lists(model, users, news, ks[-1], False)}
        scored = perf_counter()
        measured[name] = Measured({key: value for prefix, found in lists.items() for key, value in _accuracy(found, truth, ks, prefix)}, {})
        seconds[name] = Seconds(scored - start, perf_counter() - scored)
    settings = {
        "protocol": f"Full ranking of {len(news):,} new items, alone and (among_all) with the {train.n_items:,} items of train that the "
        f"user has not seen, for {len(users):,} users.",
        "k": list(ks),
        "seed": seed,
        "train_fingerprint": train.fingerprint,
        "test_fingerprint": test.fingerprint,
    }
    return Result(users, measured, {}, counts, settings, seconds)


def _lists(model: Recommender, users: list[Id], news: list[Id], k: int, alone: bool) -> Lists:
    """The model's lists as rows of the new items; others of a list become rows that no ground truth has."""
    recommended = model.recommend(users, k=k, candidates=news if alone else None)
    place: NDArray[np.int32] = np.full(len(model.items_), -1, np.int32)
    place[model.items_.rows(news)] = np.arange(len(news))
    return Lists(recommended.indptr, place[recommended.rows])


def _accuracy(lists: Lists, truth: CSR, ks: tuple[int, ...], prefix: str) -> Iterable[tuple[str, Values]]:
    hits, relevant = Hits.of(find_hits(lists.table(ks[-1]), truth)), relevant_in(truth)
    for metric in METRICS:
        for k in ks:
            yield f"{prefix}{metric}@{k}", ACCURACY[metric](hits, relevant, k)

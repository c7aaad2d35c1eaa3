"""The evaluation protocol: full ranking of the train catalogue for every user of the test set."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.convert import Events, as_dataset
from ..data.dataset import Dataset
from ..data.ids import Rows
from ..data.popularity import popularity_groups
from ..engine.sparse import CSR
from ..errors import DataError, DataWarning, ParameterError
from ..metrics import ratings
from ..metrics.inputs import ListsOf
from ..models.contract.checks import whole
from ..models.contract.recommender import Recommender
from .candidates import Measurable, Task, checked, lists_of, note_leaks, translate
from .measure import Measured, Setting, expand, measure
from .result import Result, Seconds

RATINGS = ("rmse", "mae", "accuracy")
FEW = 10  # users: fewer say next to nothing


def evaluate(
    models: Measurable,
    train: Events,
    test: Events,
    *,
    k: int | Iterable[int] = (10, 20),
    metrics: Iterable[str] | None = None,
    exclude_seen: bool = True,
    fold_in: Events | None = None,
    item_vectors: NDArray[np.floating[Any]] | None = None,
    threshold: float | None = None,
    seed: int = 0,
) -> Result:
    """Rank all items for every test user, and measure the lists: over all items, and for head, middle and tail.

    Every item of the train catalogue that the user has not seen takes part in the ranking; nothing is sampled. The ground truth
    of a user is the set of distinct test items, whatever their weights. It leaves out items that train does not know and, with
    exclude_seen, items that the user had already in train: no list can hold them. Users that train (or one of the models) does
    not know, and users without a remaining test item, are left out of all means. All of this is counted in the result.

    Parameters
    ----------
    models : a fitted model, or a dictionary {name: fitted model or lists}. Lists are of any form of `metrics.inputs.read_lists`: a
        table with columns user, item, and rank or score; {user: items}; `Recommendations`. All are measured on the same users and test
        items: a user whom lists leave out has an empty one, and an item that train does not have is a miss; both are noted.
    train : what the models were fitted on; popularity, groups and catalogue come from it. Like test and fold_in, in any form of events.
    test : the held-out events.
    k : length of the lists, one or several.
    metrics : names such as "ndcg" (over all items and each group) or "tail.ndcg"; None: all there are. Of these, intra-list
        distance ("ild") is left out by default, with a note, where it would take minutes.
    exclude_seen : whether models leave out what the user has already.
    fold_in : events of users that the models were not fitted on: they are recommended to by this history, and `test` holds the
        rest of their events (the "users" split; strong generalisation).
    item_vectors : float (items of train, d), what items are like, for intra-list distance; default: which train users they have.
    threshold : rating from which an event counts as liked, for accuracy; default: the mean weight of train.
    seed : of bootstrap and randomisation.

    Lists are scored as they are. Where they have scores, `ties@k` is the share of places whose score another candidate has, too, and
    beside each metric of accuracy stands its expectation over the order of tied items, such as `ndcg@10.ties`: of a model of constant
    scores it is that of chance. Candidates of a model are all items that it could list; of lists, their own entries.

    A model that was fitted on test pairs, and fewer than 10 users, get a DataWarning and a note.

    Models whose `score_kind` is "rating" also get rmse, mae and accuracy over the events of `test`, where it has weights.
    Memory: lists of all users, and about 130 float64 values a user and model for all metrics at two values of k.
    """
    named = checked(models)
    ks = checked_lengths(k)
    names = None if metrics is None else [metrics] if isinstance(metrics, str) else list(metrics)
    ranking = None if names is None else [name for name in names if name not in RATINGS]
    expand(ranking)  # a wrong name is refused before the work
    train, test = as_dataset(train, "train").compact(), as_dataset(test, "test")
    fold_in = None if fold_in is None else as_dataset(fold_in, "fold_in")
    if not len(train) or not len(test):
        raise DataError("evaluate needs events in both train and test")
    fitted = {name: model for name, model in named.items() if isinstance(model, Recommender)}
    task = _task(fitted.values(), train, test, fold_in, exclude_seen)
    vectors = train.matrix if item_vectors is None else np.asarray(item_vectors)
    if not isinstance(vectors, CSR) and (vectors.ndim != 2 or len(vectors) != train.n_items or not np.isfinite(vectors).all()):
        raise ParameterError(f"item_vectors must be finite, of shape ({train.n_items}, d), a row an item of train; got {vectors.shape}")
    groups = popularity_groups(train)
    setting = Setting(task.truth, task.profile, groups, train.n_users, vectors, exclude_seen)
    threshold = threshold if threshold is not None or train.weight is None else float(train.weight.mean(dtype=np.float64))

    rated = _known_ratings(fitted, train, test) if fold_in is None and (names is None or set(names) & set(RATINGS)) else None
    notes = [note for name, model in fitted.items() for note in note_leaks(name, model, task, train)]
    if len(task.users) < FEW:
        who = "user is" if len(task.users) == 1 else "users are"
        notes.append(f"Only {len(task.users)} {who} measured: the figures say next to nothing.")
        warnings.warn(notes[-1], DataWarning, stacklevel=2)
    measured: dict[str, Measured] = {}
    seconds: dict[str, Seconds] = {}
    for name, model in named.items():
        start = scored = perf_counter()
        found = Measured({}, {})
        if ranking is None or ranking:  # not where only rating metrics are asked for
            lists, ties, more = lists_of(name, model, task, train, ks[-1], exclude_seen)
            notes += more
            scored = perf_counter()
            found = measure(lists, setting, ks, ranking, ties)
        if rated is not None and len(rated.item) and not isinstance(model, ListsOf) and model.score_kind == "rating":
            found.overall.update(_rating_metrics(model, rated, names, threshold))
        measured[name], seconds[name] = found, Seconds(scored - start, perf_counter() - scored)

    counts = task.counts
    if names is None and setting.ild_is_costly:
        notes.append("Intra-list distance was left out, as it would take long here: ask for it with metrics=['ild'].")
    if any("accuracy" in found.overall for found in measured.values()):
        counts |= {"ratings": len(rated.item), "ratings_unknown": len(test) - len(rated.item)} if rated is not None else {}
        notes.append(f"Accuracy: prediction and rating on the same side of {threshold:g}.")
    who = "users by their fold-in history" if fold_in is not None else "users"
    seen = "items that the user has already are left out of the lists" if exclude_seen else "lists may hold items that the user has already"
    settings = {
        "protocol": f"Full ranking of {train.n_items:,} items for {len(task.users):,} {who}; {seen}.",
        "k": list(ks),
        "exclude_seen": exclude_seen,
        "fold_in": fold_in is not None,
        "threshold": threshold,
        "seed": seed,
        "train_fingerprint": train.fingerprint,
        "test_fingerprint": test.fingerprint,
    }
    return Result(task.users, measured, groups.describe(), counts, settings, seconds, tuple(notes))


def checked_lengths(k: int | Iterable[int]) -> tuple[int, ...]:
    """The distinct list lengths, ascending."""
    values = list(k) if isinstance(k, Iterable) else [k]
    for value in values:
        whole("k", value)
    if not values:
        raise ParameterError("k must hold at least one length")
    return tuple(sorted({int(value) for value in values}))


def _task(models: Iterable[Recommender], train: Dataset, test: Dataset, fold_in: Dataset | None, exclude_seen: bool) -> Task:
    base = train if fold_in is None else fold_in
    counts = {"test_events": len(test), "test_pairs": test.matrix.nnz}
    user_row = translate(test.users, base.users)  # rows of test -> rows of base
    item_row = translate(test.items, train.items)
    if fold_in is None:
        profiles = train.matrix
        for model in models:
            user_row[translate(test.users, model.users_) < 0] = -1
    else:
        profiles = _in_catalogue(fold_in.matrix, translate(fold_in.items, train.items), train.n_items)
        counts["history_pairs_of_unknown_items"] = fold_in.matrix.nnz - profiles.nnz
    has_events = test.matrix.counts() > 0
    counts["unknown_users"] = int((has_events & (user_row < 0)).sum())
    counts["pairs_of_unknown_users"] = int(test.matrix.counts()[user_row < 0].sum())
    if fold_in is not None:
        empty = np.append(profiles.counts() == 0, False)[user_row]
        counts["users_without_history"] = int((has_events & empty).sum())
        user_row[empty] = -1

    user, item = user_row[test.matrix.row_ids()], item_row[test.matrix.indices]
    counts["pairs_of_unknown_items"] = int(((user >= 0) & (item < 0)).sum())
    known = (user >= 0) & (item >= 0)
    truth = CSR.from_pairs(user[known], item[known], None, (base.n_users, train.n_items))
    if exclude_seen:
        whole_truth, truth = truth, _without(truth, profiles)
        counts["pairs_seen"] = whole_truth.nnz - truth.nnz
    evaluated = np.flatnonzero(truth.counts())
    counts["users_without_test_items"] = int((has_events & (user_row >= 0)).sum()) - len(evaluated)
    if not len(evaluated):
        reasons = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        raise DataError(f"no user is left to evaluate ({reasons}): are train and test from the same split, with ids of the same type?")
    counts |= {"users": len(evaluated), "items": train.n_items, "truth_pairs": truth.nnz}
    return Task(base.users.ids(evaluated), truth.rows(evaluated), profiles.rows(evaluated), fold_in is not None, counts)


def _in_catalogue(matrix: CSR, item_row: Rows, n_items: int) -> CSR:
    """The matrix with its columns renumbered; entries of columns with -1 fall away."""
    item = item_row[matrix.indices]
    known = item >= 0
    return CSR.from_pairs(matrix.row_ids()[known], item[known], matrix.data[known], (matrix.shape[0], n_items))


def _without(matrix: CSR, other: CSR) -> CSR:
    """The entries of a matrix where the other one (of the same shape) has none."""
    n = matrix.shape[1]
    keep = ~np.isin(matrix.row_ids() * n + matrix.indices, other.row_ids() * n + other.indices)
    return CSR.from_pairs(matrix.row_ids()[keep], matrix.indices[keep], matrix.data[keep], matrix.shape)


class Rated(NamedTuple):
    """Rated events of the test set by external ids."""

    user: list[Any]
    item: list[Any]
    rating: NDArray[np.float64]


def _known_ratings(models: dict[str, Recommender], train: Dataset, test: Dataset) -> Rated | None:
    """Test events whose user and item are known to all rating models, or None without weights or rating models."""
    judges = [model for model in models.values() if model.score_kind == "rating"]
    if test.weight is None or not judges:
        return None
    known = np.ones(len(test), bool)
    for users, items in [(train.users, train.items), *((model.users_, model.items_) for model in judges)]:
        known &= (translate(test.users, users)[test.user] >= 0) & (translate(test.items, items)[test.item] >= 0)
    return Rated(test.users.ids(test.user[known]), test.items.ids(test.item[known]), test.weight[known].astype(np.float64))


def _rating_metrics(model: Recommender, rated: Rated, names: list[str] | None, threshold: float | None) -> dict[str, float]:
    predicted = model.score(rated.user, rated.item).astype(np.float64)
    found = {"rmse": ratings.rmse(predicted, rated.rating), "mae": ratings.mae(predicted, rated.rating)}
    if threshold is not None:
        found["accuracy"] = ratings.accuracy_at(predicted, rated.rating, threshold)
    return {name: value for name, value in found.items() if names is None or name in names}

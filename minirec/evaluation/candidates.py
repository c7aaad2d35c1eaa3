"""What is measured: fitted models, and lists from anywhere, side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..data.ids import Id, IdIndex, Rows
from ..engine.sparse import CSR
from ..errors import DataError, DataWarning, ParameterError
from ..metrics.accuracy import Lists, Values
from ..metrics.inputs import Given, ListsOf, read_lists
from ..metrics.ties import Ties
from ..models.contract.recommendations import Recommendations
from ..models.contract.recommender import Recommender

Models: TypeAlias = Recommender | Mapping[str, Recommender]
Measurable: TypeAlias = Recommender | Recommendations | Mapping[str, Given]
ROUND = 2**22  # entries of longer lists, asked for where ties go on, at a time


class Task(NamedTuple):
    """Who is evaluated on what: users by external id, their test items and what they had before, as rows of the train catalogue."""

    users: list[Id]
    truth: CSR
    profile: CSR
    by_history: bool
    counts: dict[str, int]


class Found(NamedTuple):
    """Lists as rows of the train catalogue, what their scores say of ties (None: there are no scores), and what to note."""

    lists: Lists
    ties: Ties | None
    notes: tuple[str, ...] = ()


def checked_models(models: Models) -> dict[str, Recommender]:
    """The models by name, each of them fitted."""
    named = checked(models)
    for name, model in named.items():
        if not isinstance(model, Recommender):
            raise ParameterError(f"{name!r} holds lists, and this function takes fitted models")
    return {name: model for name, model in named.items() if isinstance(model, Recommender)}


def checked(models: Measurable) -> dict[str, Recommender | ListsOf]:
    """Models, each of them fitted, and lists, read, by name."""
    if isinstance(models, Recommender):
        named: dict[str, Given] = {models.name: models}
    elif isinstance(models, Mapping) and all(isinstance(name, str) and not _is_items(value) for name, value in models.items()):
        named = dict(models)
    else:
        named = {"lists": models}
    if not named:
        raise ParameterError("evaluate needs at least one model or set of lists")
    found: dict[str, Recommender | ListsOf] = {}
    for name, model in named.items():
        if isinstance(model, Recommender):
            model._fitted()
            found[name] = model
        elif isinstance(model, ListsOf):
            found[name] = model
        elif isinstance(model, type) or not (isinstance(model, Iterable) or hasattr(model, "to_dict") or hasattr(model, "columns")):
            raise ParameterError(f"{name!r} is a {type(model).__name__}, not a fitted minirec model and no lists")
        else:
            found[name] = read_lists(model, name)
    return found


def _is_items(value: Given) -> bool:
    """Whether the value of a dictionary is one user's list, not the lists of a system."""
    return isinstance(value, (list, tuple)) and all(isinstance(one, (str, int, np.integer, tuple)) for one in value)


def lists_of(name: str, model: Recommender | ListsOf, task: Task, train: Dataset, k: int, exclude_seen: bool) -> Found:
    """The lists of a model, or those that were given, for the users of the task."""
    if isinstance(model, ListsOf):
        return _given(name, model, task, train, k)
    items, profile = train.items, task.profile

    def ask(some: NDArray[np.int64] | None, length: int) -> Recommendations:
        """Lists of all users, or of some."""
        if not task.by_history:
            users = task.users if some is None else [task.users[at] for at in some.tolist()]
            return model.recommend(users, k=length, exclude_seen=exclude_seen)
        part = profile if some is None else profile.rows(some)
        ids, weights = items.ids(part.indices), part.data.tolist()
        spans = list(zip(part.indptr[:-1].tolist(), part.indptr[1:].tolist(), strict=True))
        return model.recommend(
            history=[ids[a:b] for a, b in spans], weights=[weights[a:b] for a, b in spans], k=length, exclude_seen=exclude_seen
        )

    def rows(found: Recommendations) -> Rows:
        got = translate(model.items_, items)[found.rows]
        if (got < 0).any():
            stranger = model.items_[int(found.rows[np.argmax(got < 0)])]
            raise DataError(f"{name} recommends item {stranger!r}, which train does not have: evaluate with the data it was fitted on")
        return got

    longer = ask(None, k + 1)  # one more place, which tells where ties go on
    lists = Lists(longer.indptr, rows(longer))
    scores = _table_of(longer.scores, longer.indptr, k + 1)
    goes_on = np.flatnonzero(scores[:, k] == scores[:, k - 1])
    beyond, further = _beyond(goes_on, scores[:, k], k, ask, rows, len(items))
    return Found(_cut(lists, k), _ties(scores[:, :k], task.truth, beyond, further))


def _beyond(
    users: NDArray[np.int64],
    boundary: Values,
    k: int,
    ask: Callable[[NDArray[np.int64], int], Recommendations],
    rows: Callable[[Recommendations], Rows],
    n_items: int,
) -> tuple[NDArray[np.int64], tuple[NDArray[np.int64], NDArray[np.int32]]]:
    """How many candidates beyond place k have its score, and which: asked for in lists that get longer until the ties end."""
    beyond = np.zeros(len(boundary), np.int64)
    owners, items = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    length = 4 * (k + 1)
    while len(users):
        length = min(length, n_items)
        again = []
        for start in range(0, len(users), max(1, ROUND // length)):
            some = users[start : start + max(1, ROUND // length)]
            found = ask(some, length)
            counts = np.diff(found.indptr)
            owner = np.repeat(np.arange(len(some)), counts)
            place = np.arange(len(found.rows)) - np.repeat(found.indptr[:-1], counts)
            same = (place >= k) & (found.scores == boundary[some][owner])
            tied = np.bincount(owner[same], minlength=len(some))
            ended = (k + tied < counts) | (counts < length) | (length == n_items)
            beyond[some[ended]] = tied[ended]
            keep = same & ended[owner]
            owners.append(some[owner[keep]])
            items.append(rows(found)[keep])
            again.append(some[~ended])
        users, length = np.concatenate(again), 8 * length
    return beyond, (np.concatenate(owners), np.concatenate(items))


def _given(name: str, given: ListsOf, task: Task, train: Dataset, k: int) -> Found:
    users = IdIndex.from_ids(task.users)
    lists, scores = given.over(users, train.items)
    order = users.rows(task.users)  # users of the index ascend; those of the task are in the order of train
    lists, scores = _reordered(lists, scores, order)
    counts = np.diff(lists.indptr)
    if not counts.any():
        raise DataError(
            f"{name} has no list for any of the {len(task.users):,} users, such as {task.users[0]!r}: are the ids of the same type?"
        )
    strangers, places = int((lists.items == len(train.items)).sum()), len(lists.items)
    if strangers == places:
        raise DataError(f"{name}: no item of the lists, such as {given.items[0]!r}, is one of train: are the ids of the same type?")
    owner = np.repeat(np.arange(len(counts)), counts)
    seen = int(
        np.isin(owner * (len(train.items) + 1) + lists.items, task.profile.row_ids() * (len(train.items) + 1) + task.profile.indices).sum()
    )
    notes = [
        f"{name}: {text}"
        for number, text in (
            (int((counts == 0).sum()), f"{int((counts == 0).sum()):,} users have no list: counted as an empty one."),
            (strangers, f"{strangers:,} of {places:,} places hold an item that train does not have: counted as misses."),
            (seen, f"{seen:,} of {places:,} places hold what the user has already."),
        )
        if number
    ]
    first = _cut(lists, k)
    if scores is None:
        return Found(first, None, tuple(notes))
    place = np.arange(places) - np.repeat(lists.indptr[:-1], counts)
    table = _table_of(scores, lists.indptr, k)
    if _disordered(scores, lists.indptr):
        notes.append(f"{name}: the scores do not descend along the lists, so nothing is said about ties.")
        return Found(first, None, tuple(notes))
    same = (place >= k) & (scores == table[owner, k - 1])
    beyond = np.bincount(owner[same], minlength=len(counts))
    known = same & (lists.items < len(train.items))
    return Found(first, _ties(table, task.truth, beyond, (owner[known], lists.items[known])), tuple(notes))


def _reordered(lists: Lists, scores: Values | None, order: Rows) -> tuple[Lists, Values | None]:
    counts = np.diff(lists.indptr)[order]
    indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    take = np.arange(indptr[-1]) + np.repeat(lists.indptr[:-1][order] - indptr[:-1], counts)
    return Lists(indptr, lists.items[take]), None if scores is None else scores[take]


def _disordered(scores: Values, indptr: NDArray[np.int64]) -> bool:
    rises = np.diff(scores) > 0
    inner = np.ones(len(scores), bool)
    starts = indptr[:-1]
    inner[starts[starts < len(scores)]] = False
    return bool((rises & inner[1:]).any())


def _cut(lists: Lists, k: int) -> Lists:
    counts = np.minimum(np.diff(lists.indptr), k)
    indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    take = np.arange(indptr[-1]) + np.repeat(lists.indptr[:-1] - indptr[:-1], counts)
    return Lists(indptr, lists.items[take])


def _table_of(scores: NDArray[np.floating], indptr: NDArray[np.int64], k: int) -> Values:
    inside = np.arange(k) < np.diff(indptr)[:, None]
    table = np.full(inside.shape, np.nan)
    table[inside] = scores[(indptr[:-1, None] + np.arange(k))[inside]]
    return table


def _ties(scores: Values, truth: CSR, beyond: NDArray[np.int64], further: tuple[NDArray[np.int64], NDArray[np.int32]]) -> Ties:
    n = truth.shape[1]
    owner, item = further
    relevant = np.isin(owner * n + item, truth.row_ids() * n + truth.indices)
    return Ties(scores, beyond, CSR.from_pairs(owner[relevant], item[relevant], None, truth.shape))


def note_leaks(name: str, model: Recommender, task: Task, train: Dataset) -> list[str]:
    """What a reader must know of a model that has events of the test set: a DataWarning, and the note."""
    if model.provenance_.get("data", {}).get("fingerprint") == train.fingerprint or not model.seen_.shape[0]:
        return []
    seen, truth = model.seen_, task.truth
    user = model.users_.rows(task.users)[truth.row_ids()].astype(np.int64)
    item = translate(train.items, model.items_)[truth.indices].astype(np.int64)
    before = task.profile.row_ids() * truth.shape[1] + task.profile.indices
    fresh = ~np.isin(truth.row_ids() * truth.shape[1] + truth.indices, before)
    inside = fresh & (user >= 0) & (item >= 0)
    key = user * seen.shape[1] + item
    leaked = int((inside & np.isin(key, seen.row_ids() * seen.shape[1] + seen.indices)).sum())
    if not leaked:
        return []
    text = (
        f"{name} was fitted on {leaked:,} of the {truth.nnz:,} test pairs ({leaked / truth.nnz:.0%}): it does not list what a "
        "user has already, or has learned the answer, so its figures mean nothing. Fit it on train alone."
    )
    warnings.warn(text, DataWarning, stacklevel=3)
    return [text]


def translate(source: IdIndex, target: IdIndex) -> Rows:
    """For each row of one index the row of the same id in the other, -1 where it does not know it; a fresh array."""
    if source == target:
        return np.arange(len(source), dtype=np.int32)
    return target.rows(source.ints if len(source.ints) == len(source) else list(source))

"""Places that another model fills: lists of those that a model knows nothing of, and lists that end before k."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...data.ids import Id, IdIndex, Rows
from ...engine.ranking.topk import Filters, Ranked, rank
from ...engine.sequences import Sequences
from ...engine.sparse import CSR
from ...errors import ParameterError
from .request import Filter, Profiles, parse_filter

if TYPE_CHECKING:
    from .serving import Serving


class Asked(NamedTuple):
    """A request, as far as a fallback must know it.

    labels : all who are asked for: ids of users (by_users), or 0, 1, ... for histories. warm : the places among them, ascending, of those
    whom the model knows something of; profiles : these, by its own rows.
    """

    labels: list[Id]
    by_users: bool
    warm: NDArray[np.int64]
    profiles: Profiles
    k: int
    exclude_seen: bool
    candidates: Filter
    deny: Filter


def filled(asked: Asked, lists: Ranked, items: IdIndex, fallback: Serving) -> tuple[Ranked, IdIndex]:
    """The lists of all who are asked for, those with fewer than k items continued by the fallback's; and the index that their rows are of.

    lists : of the warm ones, by rows of `items`. What a user has, or has been listed already, is not listed again. A fallback that knows
    the user goes by that user's events in its own training, else by the items of the history that it knows. O(short lists) Python steps.
    """
    counts = np.zeros(len(asked.labels), np.int64)
    counts[asked.warm] = np.diff(lists.indptr)
    short = np.flatnonzero(counts < asked.k)
    owners, rows, scores = [asked.warm[_row_ids(lists.indptr)]], [lists.items.astype(np.int64)], [lists.scores]
    index = items
    if len(short):
        there = _rows_in(items, fallback.items_)
        history, ordered, listed = _translated(asked, lists, short, there, len(fallback.items_))
        users = np.full(len(short), -1, np.int32)
        if asked.by_users and fallback.seen_.shape[0]:
            users = fallback.users_.rows([asked.labels[at] for at in short.tolist()])
        able = (users >= 0) | (history.counts() > 0) | fallback._serves_empty
        lost = np.flatnonzero(~able & (counts[short] == 0) & ~np.isin(short, asked.warm))
        if len(lost):
            who = f"user {asked.labels[short[lost[0]]]!r}" if asked.by_users else f"history {short[lost[0]]}"
            raise ParameterError(
                f"the fallback knows nothing of {who} either: take one that needs no history, such as a fitted Popularity or Random"
            )
        back = _rows_in(fallback.items_, items)
        if (back < 0).any():
            index = IdIndex.from_ids([*items, *fallback.items_.ids(np.flatnonzero(back < 0))])
            rows, back = [_rows_in(items, index)[rows[0]].astype(np.int64)], _rows_in(fallback.items_, index)
        for group in (np.flatnonzero(able & (users >= 0)), np.flatnonzero(able & (users < 0))):
            if not len(group):
                continue
            if users[group[0]] >= 0:
                profiles = fallback._profiles_of(users[group])
            else:
                profiles = Profiles(None, history.rows(group), None if ordered is None else ordered.rows(group))
            seen = (history.rows(group), profiles.history) if asked.exclude_seen else ()
            labels = [asked.labels[at] for at in short[group].tolist()]
            only, allowed = parse_filter(fallback.items_, asked.candidates, labels, "candidate", "ignore", [])
            deny, denied = parse_filter(fallback.items_, asked.deny, labels, "denied item", "ignore", [])
            banned = (*seen, listed.rows(group), *(() if denied is None else (denied,)))
            found = rank(fallback._scorer(profiles), asked.k, backend=fallback.backend_, filters=Filters(banned, allowed, only, deny))
            owner = _row_ids(found.indptr)
            fits = np.arange(len(owner)) - found.indptr[owner] < asked.k - counts[short[group]][owner]
            owners.append(short[group][owner[fits]])
            rows.append(back[found.items[fits]].astype(np.int64))
            scores.append(found.scores[fits])
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    indptr = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=len(counts)))))
    return Ranked(indptr, np.concatenate(rows)[order].astype(np.int32), np.concatenate(scores)[order]), index


def _translated(asked: Asked, lists: Ranked, short: NDArray[np.int64], there: Rows, n: int) -> tuple[CSR, Sequences | None, CSR]:
    """The histories of those with short lists in the rows of the fallback, in both forms, and what is on their lists already."""
    place = np.full(len(asked.labels), -1, np.int64)
    place[asked.warm] = np.arange(len(asked.warm))
    warm = np.flatnonzero(place[short] >= 0)
    profiles = asked.profiles.take(place[short[warm]])

    def csr(owner: NDArray[np.int64], items: NDArray[np.int32], data: NDArray[np.floating] | None) -> CSR:
        rows = there[items]
        known = rows >= 0
        return CSR.from_pairs(warm[owner[known]], rows[known], None if data is None else data[known], (len(short), n))

    ordered = None
    if profiles.ordered is not None:
        rows = there[profiles.ordered.items]
        ordered = Sequences.of_owners(warm[profiles.ordered.owners()[rows >= 0]], rows[rows >= 0], (len(short), n))
    own = CSR(lists.indptr, lists.items, lists.scores, (len(asked.warm), len(there))).rows(place[short[warm]])
    history = csr(profiles.history.row_ids(), profiles.history.indices, profiles.history.data)
    return history, ordered, csr(own.row_ids(), own.indices, None)


def _row_ids(indptr: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))


def _rows_in(source: IdIndex, target: IdIndex) -> Rows:
    """For each row of one index the row of the same id in the other, -1 where it does not know it."""
    if source == target:
        return np.arange(len(source), dtype=np.int32)
    return target.rows(source.ints if len(source.ints) == len(source) else list(source))

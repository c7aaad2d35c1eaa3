"""Is the data fit for an audit? Duplicates, twins, leaks between lists and test events, a catalogue gone stale."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..engine.sparse import CSR
from ..metrics.accuracy import find_hits
from .case import Case
from .twins import find_twins, known_by_twin


class Quality(NamedTuple):
    """Checks, one entry each: {"id", "count", "of", "share"}; `pairs` of twins as examples (ids); `not_checked` with the reason."""

    checks: list[dict[str, Any]]
    examples: list[dict[str, Any]]
    not_checked: list[dict[str, str]]


def data_quality(case: Case, k: int) -> Quality:
    """Count what makes figures worth less than they look."""
    events, checks, missing = case.events, [], []

    def count(name: str, found: int, of: int) -> None:
        checks.append({"id": name, "count": int(found), "of": int(of), "share": found / of if of else 0.0})

    count("duplicate_events", len(events) - _distinct_events(case), len(events))
    count("events_of_the_busiest_user", int(np.bincount(events.user).max(initial=0)), len(events))
    twins = find_twins(events)
    count("twin_items", len(twins.items(-1)), case.n_items)
    count("listed_users_without_events", case.counts["users_without_events"], case.n_users)
    count("event_users_without_list", case.counts["event_users_without_list"], events.n_users)
    count("catalogue_without_events", case.counts["items_without_events"], case.n_items)
    table = case.lists.table(k)
    count("identical_lists", _identical(table), case.n_users)
    if case.truth is not None:
        truth = case.truth
        pairs = truth.nnz + case.counts.get("test_pairs_left_out", 0)
        count("test_pairs_known_before", case.counts["test_pairs_known_before"], pairs)
        both = np.concatenate((twins.first, twins.second)), np.concatenate((twins.second, twins.first))
        count("test_pairs_whose_twin_was_known", int(known_by_twin(*both, case.profile, truth).sum()), truth.nnz)
        count("lists_that_hold_every_test_item_first", _too_good(table, truth), case.counts["users_with_test_items"])
        if events.time is not None and case.test_time is not None:
            count("test_events_before_the_last_event", int((case.test_time < events.time.max()).sum()), len(case.test_time))
        if case.time is not None and case.test_time is not None:
            count("lists_made_after_the_first_test_event", int((case.time > case.test_time.min()).sum()), case.n_users)
    else:
        missing.append({"what": "leaks", "why": "no test events were given"})
    if events.time is not None and len(events):
        first, last = int(events.time.min()), int(events.time.max())
        recent = np.bincount(events.item[events.time > last - (last - first) // 5], minlength=case.n_items) > 0
        there = table[table >= 0]
        count("catalogue_without_recent_events", int((~recent).sum()), case.n_items)
        count("places_without_recent_events", int((~recent[there]).sum()), len(there))
    else:
        missing.append({"what": "stale catalogue", "why": "the events have no times"})
    order = np.lexsort((twins.second, twins.first, -twins.shared))[:5]
    examples = [
        {"first": case.items[int(twins.first[at])], "second": case.items[int(twins.second[at])], "users": int(twins.shared[at]),
         "overlap": float(twins.overlap[at])}
        for at in order
    ]  # fmt: skip
    return Quality(checks, examples, missing)


def _distinct_events(case: Case) -> int:
    """Events that differ in user, item or time."""
    events = case.events
    key = events.user.astype(np.int64) * case.n_items + events.item
    order = np.argsort(key, kind="stable")
    same = key[order[1:]] == key[order[:-1]]
    if events.time is None or not same.any():
        return len(key) - int(same.sum())
    several = np.concatenate(([False], same)) | np.concatenate((same, [False]))  # only pairs that come again can repeat a time
    rows = order[several]
    rows = rows[np.lexsort((events.time[rows], key[rows]))]
    again = (key[rows[1:]] == key[rows[:-1]]) & (events.time[rows[1:]] == events.time[rows[:-1]])
    return len(key) - int(again.sum())


def _identical(table: Any) -> int:
    """Users whose list is the one that most users have."""
    rows = np.ascontiguousarray(table)
    # a 64-bit sum of products with odd numbers: equal lists have equal sums, different ones hardly ever
    odd = np.random.default_rng(5).integers(1, 2**62, rows.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    sums = (rows.astype(np.uint64) * odd).sum(1, dtype=np.uint64)
    return int(np.unique(sums, return_counts=True)[1].max(initial=0))


def _too_good(table: Any, truth: CSR) -> int:
    """Users with at least three test items all of which stand at the top of the list, in the first places."""
    relevant = truth.counts()
    hit = find_hits(table, truth)
    upto = np.cumsum(hit, 1)
    place = np.clip(relevant, 1, table.shape[1]) - 1
    return int(((relevant >= 3) & (relevant <= table.shape[1]) & (upto[np.arange(len(table)), place] == relevant)).sum())

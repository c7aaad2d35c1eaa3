"""Figures that are a mean over users, for all and by group, with draws of the users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.popularity import GROUPS, popularity_groups
from ..engine.backend import one_blas_thread, run_blocks
from ..metrics import accuracy, beyond
from ..metrics.accuracy import Hits, find_hits
from .case import Case
from .draws import BLOCK, USERS, weights
from .groups import Grouping
from .plan import Plan

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]
_ACCURACY = {
    "ndcg": accuracy.ndcg, "recall": accuracy.recall, "precision": accuracy.precision, "hitrate": accuracy.hitrate,
    "map": accuracy.average_precision, "mrr": accuracy.reciprocal_rank,
}  # fmt: skip
EVERYONE = ""


class GroupFigure(NamedTuple):
    """A figure of G groups (one, `all`, where there is no grouping).

    value : float64 (G,), NaN where nothing can be said. n : how many users (or items) each is of. users, items : float64
    (draws, G), the values of each draw of users, of items; None where such draws make no sense.
    """

    names: tuple[str, ...]
    n: NDArray[np.int64]
    value: Floats
    users: Floats | None
    items: Floats | None


class ItemFacts(NamedTuple):
    """What the measures of users look up by item: float64 (n,) each. `recent_share`: the events' own share of new items."""

    popularity: Floats
    tail: Floats
    surprisal: Floats
    stale: Floats
    new: Floats
    recent_share: float
    mass: NDArray[np.int8]


def item_facts(case: Case) -> ItemFacts:
    """Facts of the items, from the events. The last fifth of the time is that of the last 20 % of the span of the events."""
    return case.background.keep("item facts", lambda: _item_facts(case))


def _item_facts(case: Case) -> ItemFacts:
    groups = popularity_groups(case.events)
    n = case.n_items
    stale, new, share = np.zeros(n), np.zeros(n), float("nan")
    time = case.events.timestamp
    if time is not None and len(time):
        first, last = int(time.min()), int(time.max())
        border = last - (last - first) // 5
        recent = time > border
        seen_before = np.bincount(case.events.item[~recent], minlength=n) > 0
        seen_since = np.bincount(case.events.item[recent], minlength=n) > 0
        stale, new = (~seen_since).astype(np.float64), (seen_since & ~seen_before).astype(np.float64)
        share = float(new[case.events.item[recent]].mean()) if recent.any() else float("nan")
    return ItemFacts(
        groups.popularity.astype(np.float64), groups.mask("tail", "count").astype(np.float64), beyond.surprisal(groups.popularity), stale,
        new, share, groups.mass,
    )  # fmt: skip


def columns(case: Case, names: Sequence[str], k: int, start: int, stop: int, facts: ItemFacts, unlinked: Floats | None) -> dict[str, Pair]:
    """For each measure the numerator and the denominator of users start..stop; a user without a value has 0 in both."""
    part = case.lists._replace(indptr=case.lists.indptr[start : stop + 1])
    table = np.asfortranarray(part.table(k))
    length = (table >= 0).sum(1).astype(np.float64)
    profile = case.profile.span(start, stop)
    found: dict[str, Pair] = {}
    wanted = set(names)
    if case.truth is not None and wanted & set(_ACCURACY):
        truth = case.truth.span(start, stop)
        hits, relevant = Hits.of(np.asfortranarray(find_hits(table, truth))), truth.counts()
        has = (relevant > 0).astype(np.float64)
        for name in wanted & set(_ACCURACY):
            found[name] = (_ACCURACY[name](hits, relevant, k) * has, has)

    def mean_of(values: Floats) -> Pair:
        return _of(beyond.list_mean(values, table, k))

    if "popularity_lift" in wanted:
        listed, had = beyond.list_mean(facts.popularity, table, k), profile.sums(facts.popularity[profile.indices])
        known = profile.counts()
        both = (known > 0) & (length > 0)
        mean_had = np.where(both, had / np.maximum(known, 1), 0.0)
        found["popularity_lift"] = (np.where(both, np.nan_to_num(listed) - mean_had, 0.0), mean_had)
    for name, values in (("tail_share", facts.tail), ("novelty", facts.surprisal), ("stale_share", facts.stale)):
        if name in wanted:
            found[name] = mean_of(values)
    if "new_ratio" in wanted:
        share, has = mean_of(facts.new)
        found["new_ratio"] = (share, has * (facts.recent_share if facts.recent_share > 0 else 0.0))
    if "upd" in wanted:
        before = beyond.group_shares(facts.mass, len(GROUPS), profile.row_ids(), profile.indices, profile.shape[0])
        found["upd"] = _of(beyond.popularity_deviation(before, table, facts.mass, k))
    if "seen_share" in wanted:
        found["seen_share"] = _of(np.where(length > 0, find_hits(table, profile).sum(1) / np.maximum(length, 1), np.nan))
    if "fill" in wanted:
        found["fill"] = (length / k, np.ones(stop - start))
    if "unlinked" in wanted and unlinked is not None:
        found["unlinked"] = _of(unlinked[start:stop])
    return found


def _of(values: Floats) -> Pair:
    has = np.isfinite(values)
    return np.where(has, values, 0.0), has.astype(np.float64)


def user_figures(
    case: Case, wanted: Mapping[str, Sequence[Grouping | None]], plan: Plan, k: int, facts: ItemFacts, unlinked: Floats | None = None
) -> dict[tuple[str, str], GroupFigure]:
    """Figures by (measure, key of the grouping; "" for everyone), with draws of the users. O(U (k + draws groupings measures)).

    A figure is sum_u w_u num_u / sum_u w_u den_u over the users of a group, w_u = 1, or the Poisson weights of a draw.
    """
    names = list(wanted)
    groupings: dict[str, Grouping | None] = {}
    for groups in wanted.values():
        groupings |= {EVERYONE if group is None else group.key: group for group in groups}
    of_grouping = {
        key: [name for name in names if any((EVERYONE if g is None else g.key) == key for g in wanted[name])] for key in groupings
    }

    def block(start: int, stop: int) -> dict[str, Floats]:
        pairs = columns(case, names, k, start, stop, facts, unlinked)
        drawn = np.concatenate((np.ones((stop - start, 1)), weights(plan.seed, USERS, start, stop, 0, plan.draws)), 1)
        sums: dict[str, Floats] = {}
        for key, group in groupings.items():
            present = [name for name in of_grouping[key] if name in pairs]
            if not present:
                continue
            # num, den and the count of users with a value, of each measure
            stacked = np.column_stack([column for name in present for column in (*pairs[name], pairs[name][1] > 0)]).astype(np.float64)
            size = 1 if group is None else len(group.names)
            total = np.zeros((size, 1 + plan.draws, stacked.shape[1]))
            labels = np.zeros(stop - start, np.int32) if group is None else group.labels[start:stop]
            for label in np.unique(labels).tolist():
                mine = labels == label if size > 1 else slice(None)
                total[label] = drawn[mine].T @ stacked[mine]
            sums[key] = total
        return sums

    with one_blas_thread():
        blocks = run_blocks(block, case.n_users, BLOCK)
    found: dict[tuple[str, str], GroupFigure] = {}
    for key, group in groupings.items():
        parts = [sums[key] for sums in blocks if key in sums]
        if not parts:
            continue
        total = parts[0].copy()
        for part in parts[1:]:
            total += part
        # the blocks have the same measures, as these depend on what the case has alone
        present = [name for name in of_grouping[key] if name in columns(case, [name], k, 0, 0, facts, unlinked)]
        for at, name in enumerate(present):
            num, den, count = (total[:, :, 3 * at + part] for part in range(3))
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = np.where(den > 0, num / den, np.nan)
            labels = ("all",) if group is None else group.names
            found[name, key] = GroupFigure(labels, count[:, 0].round().astype(np.int64), ratio[:, 0], ratio[:, 1:].T, None)
    return found


def per_user(case: Case, name: str, k: int, facts: ItemFacts) -> Floats:
    """The value of each user in a measure that is a plain mean, NaN for a user without one."""

    def block(start: int, stop: int) -> Floats:
        num, den = columns(case, [name], k, start, stop, facts, None)[name]
        return np.where(den > 0, num / np.where(den > 0, den, 1.0), np.nan)

    return np.concatenate(run_blocks(block, case.n_users, BLOCK))

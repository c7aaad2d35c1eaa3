"""Figures of exposure: what the places of the lists are worth to items and groups of items, with draws of users and of items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..engine.backend import run_blocks
from ..engine.sparse import CSR
from ..metrics.accuracy import discounts, find_hits
from .case import Case
from .concentration import CONCENTRATION
from .draws import BLOCK, CHUNK, ITEMS, PROVIDERS, USERS, weights
from .groups import Grouping
from .plan import Plan
from .users import EVERYONE, GroupFigure

Floats = NDArray[np.float64]
USERS_A_PIECE = 16 * BLOCK


def place_weights(k: int, model: str, patience: float) -> Floats:
    """What the places 1 to k are worth: log 1 / log2(1 + r) (as in DCG), geometric and cascade patience^(r - 1), uniform 1."""
    rank = np.arange(1, k + 1)
    if model == "log":
        return discounts(k)
    if model == "uniform":
        return np.ones(k)
    worth: Floats = np.power(patience, rank - 1.0, dtype=np.float64)
    return worth


class Exposure:
    """The exposure of every item in every list, and what groups of items deserve.

    shown : CSR (U, n), the worth of the place at which a list has an item (over its propensity). hits : the same where the item is
    a test item of the user, or None. merit : CSR (U, n), the test items, or None: then the events are the merit.
    Under the cascade model a user goes on to the next place with the chance `patience`, and after a hit with half of it.
    """

    def __init__(self, case: Case, plan: Plan, k: int) -> None:
        self.case, self.plan = case, plan
        worth = place_weights(k, plan.exposure, plan.patience)
        pointer = case.lists.indptr

        def block(start: int, stop: int) -> None:
            low, high = int(pointer[start]), int(pointer[stop])
            lengths = np.diff(pointer[start : stop + 1])
            rank = np.arange(high - low) - np.repeat(pointer[start:stop] - low, lengths)
            first = rank < k
            value = worth[rank[first]]
            here = slice(int(indptr[start]), int(indptr[stop]))
            if case.truth is not None:
                table = case.lists._replace(indptr=pointer[start : stop + 1]).table(k)
                marks = find_hits(table, case.truth.span(start, stop))
                hit[here] = marks[table >= 0]
                if plan.exposure == "cascade":
                    value = value * 0.5 ** (np.cumsum(marks, 1) - marks)[table >= 0]
            if case.weight is not None:
                value = value * case.weight[low:high][first]
            indices[here], data[here] = case.lists.items[low:high][first], value

        shape = (case.n_users, case.n_items)
        indptr = np.concatenate(([0], np.cumsum(np.minimum(np.diff(pointer), k)))).astype(np.int64)
        indices, data = np.empty(int(indptr[-1]), np.int32), np.empty(int(indptr[-1]))
        hit = np.zeros(len(indices) if case.truth is not None else 0, bool)
        run_blocks(block, case.n_users, BLOCK)
        self.shown = CSR(indptr, indices, data, shape)
        self.hits: CSR | None = None
        if case.truth is not None:
            before = np.concatenate(([0], np.cumsum(hit))).astype(np.int64)
            self.hits = CSR(before[indptr], indices[hit], data[hit], shape)
        self.total = column_sums(self.shown)
        self.merit = case.event_counts.astype(np.float64) if case.truth is None else column_sums(case.truth)

    def user_draws(self, matrix: CSR, first: int, last: int) -> Floats:
        """float64 (n, last - first): the column sums of a matrix under draws first..last of the users. O(nnz draws)."""
        total = np.zeros((matrix.shape[1], last - first))
        for start in range(0, matrix.shape[0], USERS_A_PIECE):
            stop = min(start + USERS_A_PIECE, matrix.shape[0])
            drawn = weights(self.plan.seed, USERS, start, stop, first, last)
            total += matrix.span(start, stop).to_scipy().T @ drawn
        return total

    def item_weights(self, first: int, last: int, over: str) -> Floats:
        """float64 (n, last - first): draws of the items, or of the providers, each with all its items."""
        n, provider = self.case.n_items, self.case.provider
        if over == "providers" and provider is not None:
            group = self.case.item_groups[provider]
            return weights(self.plan.seed, PROVIDERS, 0, len(group.names), first, last)[group.labels]
        return weights(self.plan.seed, ITEMS, 0, n, first, last)


def column_sums(matrix: CSR) -> Floats:
    """The sum of each column, in float64."""
    total: Floats = np.bincount(matrix.indices, matrix.data, minlength=matrix.shape[1]).astype(np.float64, copy=False)
    return total


def exposure_figures(
    exposure: Exposure, concentration: Sequence[str], shares: Mapping[str, Sequence[Grouping]], over: str = "items"
) -> dict[tuple[str, str], GroupFigure]:
    """Figures by (measure, key of the grouping; "" for the whole catalogue), with draws of the users and of the items.

    Concentration: of the exposures of all items. Shares: exposure of a group over what it deserves, each as a share of all; see
    `_deserved`. O(nnz draws) for the draws of users, O(items log items draws) for the rest; memory O(items CHUNK).
    """
    case, plan = exposure.case, exposure.plan
    groupings = {group.key: group for groups in shares.values() for group in groups}
    ones = np.ones((case.n_items, 1))

    def figures(shown: Floats, merit: Floats, hits: Floats | None, times: Floats) -> dict[tuple[str, str], Floats]:
        found = {(name, EVERYONE): CONCENTRATION[name](shown, times)[:, None] for name in concentration}
        sums: dict[str, dict[str, Floats]] = {}
        for key, group in groupings.items():
            parts = {"shown": times * shown, "items": np.broadcast_to(times, (case.n_items, times.shape[1])), "merit": times * merit}
            if hits is not None:
                parts["hits"] = times * hits
            sums[key] = {name: _by_group(values, group) for name, values in parts.items()}
        for name, groups in shares.items():
            for group in groups:
                if name != "impact" or hits is not None:
                    found[name, group.key] = _deserved(name, sums[group.key]).T
        return found

    def chunk(first: int, last: int) -> tuple[dict[tuple[str, str], Floats], dict[tuple[str, str], Floats]]:
        shown = exposure.user_draws(exposure.shown, first, last)
        hits = None if exposure.hits is None else exposure.user_draws(exposure.hits, first, last)
        merit = exposure.merit[:, None]
        if case.truth is not None and shares:
            merit = exposure.user_draws(case.truth, first, last)
        by_users = figures(shown, merit, hits, ones)
        times = exposure.item_weights(first, last, over)
        by_items = figures(exposure.total[:, None], exposure.merit[:, None], total_hits, times)
        return by_users, by_items

    total_hits = None if exposure.hits is None else column_sums(exposure.hits)[:, None]
    whole = figures(exposure.total[:, None], exposure.merit[:, None], total_hits, ones)
    drawn = run_blocks(chunk, plan.draws, CHUNK)
    found: dict[tuple[str, str], GroupFigure] = {}
    for (name, key), value in whole.items():
        users, items = (np.concatenate([part[side][name, key] for part in drawn]) for side in range(2))
        names: tuple[str, ...] = ("all",) if key == EVERYONE else groupings[key].names
        sizes = np.array([case.n_items]) if key == EVERYONE else groupings[key].sizes
        found[name, key] = GroupFigure(names, sizes, value[0], users, items)
    return found


def _by_group(values: Floats, group: Grouping) -> Floats:
    """float64 (G, B): the sums of the rows of each group."""
    from scipy.sparse import csr_array

    n = len(group.labels)
    order = np.argsort(group.labels, kind="stable")
    pointer = np.concatenate(([0], np.cumsum(group.sizes)))
    member = csr_array((np.ones(n), order, pointer), shape=(len(group.names), n))
    summed: Floats = member @ np.ascontiguousarray(values)
    return summed


def _deserved(name: str, sums: dict[str, Floats]) -> Floats:
    """float64 (G, B). share: exposure_g / exposure. parity, treatment, impact: (gained_g / gained) / (base_g / base).

    parity: exposure over the number of items. treatment: exposure over merit (test items, else events). impact: exposure of hits
    over merit. NaN for a group without a base.
    """
    gained = sums["hits" if name == "impact" else "shown"]
    with np.errstate(invalid="ignore", divide="ignore"):
        share: Floats = gained / gained.sum(0)
        if name == "share":
            return share
        base = sums["items" if name == "parity" else "merit"]
        return np.where(base > 0, share / (base / base.sum(0)), np.nan)

"""Exposure: what the places of lists are worth to items, and to groups of items.

`table` : int (U, k), lists as item rows, -1 after the end of a list. `group` : int (n,), the group of each item, 0 to G - 1, -1 for none.
Per-user values are float64 (U,), values of groups float64 (G,).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.sparse import CSR
from ..errors import ParameterError
from .accuracy import Hits, Mask, Values, discounts

Table = NDArray[np.integer[Any]]
Group = NDArray[np.integer[Any]]
MODELS = ("log", "geometric", "cascade")


def place_worth(table: Table, model: str = "log", *, patience: float = 0.8, hit: Mask | None = None) -> Values:
    """What each place is worth, float64 (U, k), 0 after the end of a list.

    log: 1 / log2(1 + r) (Singh and Joachims, KDD 2018). geometric: p^(r - 1) (Moffat and Zobel 2008). cascade: p^(r - 1) (1 - s)^(hits
    before r), s = 1/2 the chance that a user who has found something stops (Craswell et al., WSDM 2008); it needs `hit`, bool (U, k).
    """
    k = table.shape[1]
    if model not in MODELS:
        raise ParameterError(f"model must be one of {', '.join(MODELS)}, got {model!r}")
    if model == "log":
        worth = np.broadcast_to(discounts(k), table.shape)
    else:
        worth = np.broadcast_to(patience ** np.arange(k), table.shape)
    if model == "cascade":
        if hit is None:
            raise ParameterError("the cascade needs to know where the hits are: pass hit=")
        upto = Hits.of(hit)
        worth = worth * 0.5 ** (upto.upto - upto.at)
    return np.where(table >= 0, worth, 0.0)


def item_exposure(table: Table, n_items: int, worth: Values) -> Values:
    """The exposure of each item over all lists, float64 (n,)."""
    inside = (table >= 0) & (table < n_items)
    return np.bincount(table[inside], weights=worth[inside], minlength=n_items).astype(np.float64)


def by_group(per_item: NDArray[Any], group: Group) -> Values:
    """Sums over the items of each group, float64 (G,)."""
    known = group >= 0
    return np.bincount(group[known], weights=per_item[known], minlength=int(group.max(initial=-1)) + 1).astype(np.float64)


def parity(exposure: Values, group: Group) -> Values:
    """Exposure an item of each group over that an item of all groups: 1 everywhere = demographic parity (Singh and Joachims 2018, 4.1)."""
    return _rates(by_group(exposure, group), by_group(np.ones(len(group)), group))


def treatment(exposure: Values, merit: Values, group: Group) -> Values:
    """Exposure of each group over its merit, relative to that of all: 1 everywhere = no disparate treatment (2018, 4.2).

    merit : float64 (n,), such as an item's test events.
    """
    return _rates(by_group(exposure, group), by_group(merit, group))


def impact(clicks: Values, merit: Values, group: Group) -> Values:
    """The same of expected clicks, exposure times relevance: 1 everywhere = no disparate impact (2018, 4.3)."""
    return _rates(by_group(clicks, group), by_group(merit, group))


def _rates(shown: Values, deserved: Values) -> Values:
    """Share of each group of what is shown, over its share of what is deserved; NaN where it deserves nothing."""
    share = shown / shown.sum() if shown.sum() > 0 else np.full(len(shown), np.nan)
    wanted = deserved / deserved.sum() if deserved.sum() > 0 else np.full(len(deserved), np.nan)
    rates: Values = np.divide(share, wanted, out=np.full(len(shown), np.nan), where=wanted > 0)
    return rates


def expected_exposure(hit: Mask, table: Table, relevant: NDArray[np.int64], n_items: int, *, patience: float = 0.8) -> dict[str, Values]:
    """EE-L, EE-D and EE-R of each user, {"loss", "disparity", "relevance"} (Diaz et al., CIKM 2020, section 4).

    e_i = p^(r - 1) at rank r <= k, else 0. The target shares the worth of the first |T| places among the test items, and that of the rest
    among the rest. loss = sum_i (e_i - target_i)^2 = disparity - 2 relevance + sum_i target_i^2, with disparity = sum_i e_i^2 and
    relevance = sum_i e_i target_i. NaN without test items.
    """
    worth = patience ** np.arange(table.shape[1])
    k = min(table.shape[1], n_items)
    upto = np.concatenate(([0.0], np.cumsum(worth[:k])))
    listed = np.where(table >= 0, worth, 0.0)
    m = relevant.astype(np.float64)
    first = upto[np.minimum(relevant, k)]
    good = np.divide(first, m, out=np.zeros_like(m), where=m > 0)
    others = n_items - m
    rest = np.divide(upto[k] - first, others, out=np.zeros_like(m), where=others > 0)
    disparity = (listed**2).sum(1)
    found = (listed * hit).sum(1)
    relevance = found * good + (listed.sum(1) - found) * rest
    target = m * good**2 + others * rest**2
    values = {"loss": disparity - 2.0 * relevance + target, "disparity": disparity, "relevance": relevance}
    return {name: np.where(relevant > 0, value, np.nan) for name, value in values.items()}


def awrf(table: Table, group: Group, worth: Values, target: Values) -> Values:
    """AWRF of each list: 1 - JSD (base 2) between the shares of exposure of the groups and the target (Sapiezynski et al. 2019; TREC Fair).

    target : float64 (G,), the shares that groups deserve. NaN where a list has no item of a group.
    """
    g = len(target)
    inside = (table >= 0) & (table < len(group))
    label = np.where(inside, group[np.where(inside, table, 0)], -1)
    user, place = np.nonzero(label >= 0)
    sums = (
        np.bincount(user * g + label[user, place], weights=worth[user, place], minlength=len(table) * g)
        .reshape(len(table), g)
        .astype(np.float64)
    )
    total = sums.sum(1, keepdims=True)
    shown = np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)
    wanted = np.broadcast_to(target / target.sum(), shown.shape)
    middle = (shown + wanted) / 2.0

    def divergence(p: Values) -> Values:
        ratio = np.divide(p, middle, out=np.ones_like(middle), where=p > 0)
        total: Values = (p * np.log2(ratio)).sum(1)
        return total

    return np.where(total[:, 0] > 0, 1.0 - (divergence(shown) + divergence(wanted)) / 2.0, np.nan)


def bias_disparity(table: Table, profile: CSR, user_group: Group, item_group: Group) -> dict[str, Values]:
    """BS, BR and BD of user groups for item groups, float64 (user groups, item groups) (Tsintzou et al. 2018).

    BS = share of the item group among the train events of the user group, over its share of the items; BR = the same of the lists;
    BD = (BR - BS) / BS. NaN where a user group has no events, or an item group none of them.
    """
    users, items = int(user_group.max(initial=-1)) + 1, int(item_group.max(initial=-1)) + 1
    size = np.bincount(item_group[item_group >= 0], minlength=items) / max((item_group >= 0).sum(), 1)

    def bias(user: NDArray[Any], item: NDArray[Any]) -> Values:
        inside = item < len(item_group)
        a, b = user_group[user[inside]], item_group[item[inside]]
        known = (a >= 0) & (b >= 0)
        times = np.bincount(a[known] * items + b[known], minlength=users * items).reshape(users, items).astype(np.float64)
        total = times.sum(1, keepdims=True)
        share = np.divide(times, total, out=np.full_like(times, np.nan), where=total > 0)
        ratio: Values = np.divide(share, size, out=np.full_like(times, np.nan), where=size > 0)
        return ratio

    user, place = np.nonzero(table >= 0)
    source, shown = bias(profile.row_ids(), profile.indices), bias(user, table[user, place])
    change = np.divide(shown - source, source, out=np.full_like(source, np.nan), where=source > 0)
    return {"BS": source, "BR": shown, "BD": change}

"""All metrics of one set of lists, by name: `[group.]metric@k`, such as ndcg@20, tail.ndcg@20, mass_tail.recall@10.

Groups: `head` and `tail` by item count (the 20 % most popular items, and the rest); `mass_head`, `mass_middle`, `mass_tail` by
interaction mass (20 / 60 / 20 % of the interactions). See `minirec.data.popularity`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.popularity import GROUPS, Groups
from ..engine.sparse import CSR
from ..errors import ParameterError
from . import beyond
from .metrics import ACCURACY, Lists, Mask, Table, Values, find_hits, pad, relevant_in

PREFIXES: dict[str, tuple[str, str]] = {  # prefix -> (group, definition)
    "head": ("head", "count"),
    "tail": ("tail", "count"),
    "mass_head": ("head", "mass"),
    "mass_middle": ("middle", "mass"),
    "mass_tail": ("tail", "mass"),
}
NOVELTY = ("epc", "efd")
GROUPED = (*ACCURACY, *NOVELTY, "coverage")  # over all items and for each group
WHOLE = ("arp", "aplt", "upd", "ild", "gini")  # over all items only
PARITY = ("popreo", "poprsp")  # between the groups of one definition: popreo by item count, mass.popreo by interaction mass
LOWER_IS_BETTER = frozenset({"arp", "upd", "gini", *PARITY, "rmse", "mae"})
OVERALL = frozenset({"coverage", "gini", *PARITY, "rmse", "mae", "accuracy"})  # one number for the whole output, no value a user
# Beyond this many pairs of an evaluated user and a train user, intra-list distance over train vectors takes minutes and gigabytes
# and is left out unless it is asked for by name.
ILD_PAIRS = 10**9


@dataclass(frozen=True)
class Setting:
    """What lists of U users are judged against; columns and item arrays are over the n items of the train catalogue.

    truth : CSR (U, n), the test items. profile : CSR (U, n), the items that each user had before. n_train_users : U of train.
    vectors : item vectors for intra-list distance, dense (n, d), or the train matrix as CSR (see `beyond.intra_list_distance`).
    exclude_seen : whether the lists could hold items of the profile.
    """

    truth: CSR
    profile: CSR
    groups: Groups
    n_train_users: int
    vectors: CSR | NDArray[np.floating[Any]]
    exclude_seen: bool = True

    @property
    def ild_is_costly(self) -> bool:
        """Whether intra-list distance is left out of the default metrics."""
        return isinstance(self.vectors, CSR) and self.truth.shape[0] * self.n_train_users > ILD_PAIRS


class Measured(NamedTuple):
    """Metrics by name: per_user, float64 (U,), NaN where a user has no value; overall, one number for the whole output."""

    per_user: dict[str, Values]
    overall: dict[str, float]


def expand(metrics: Iterable[str] | None) -> list[tuple[str, str]]:
    """(prefix, metric) pairs, in a fixed order; a metric without a prefix brings its groups along, None brings everything."""
    known = [("", name) for name in (*GROUPED, *WHOLE, *PARITY)] + [("mass", name) for name in PARITY]
    known += [(prefix, name) for prefix in PREFIXES for name in (*GROUPED, "exposure")]
    if metrics is None:
        return known
    if isinstance(metrics, str):
        metrics = (metrics,)
    wanted = set()
    for text in metrics:
        prefix, _, name = text.rpartition(".")
        matches = {pair for pair in known if pair[1] == name and prefix in ("", pair[0])}
        if not matches:
            hint = "; give the length of the lists as k" if "@" in text else ""
            names = ", ".join(dict.fromkeys(name for _, name in known))
            raise ParameterError(f"unknown metric {text!r}{hint}. There are {names}; a group goes before: {', '.join(PREFIXES)}")
        wanted |= matches
    return [pair for pair in known if pair in wanted]


def measure(lists: Lists, setting: Setting, ks: tuple[int, ...], metrics: Iterable[str] | None = None) -> Measured:
    """Metrics of the lists for each k (ascending). Cost: O(U k) each, but for intra-list distance (see there)."""
    wanted = expand(metrics)
    if metrics is None and setting.ild_is_costly:
        wanted.remove(("", "ild"))
    table = lists.table(ks[-1])
    hit = find_hits(table, setting.truth)
    # column-major, so that sums over the few ranks of many users run over whole columns
    table, hit = np.asfortranarray(table), np.asfortranarray(hit)
    measured = Measured({}, {})
    for prefix in dict.fromkeys(prefix for prefix, _ in wanted):
        names = [name for p, name in wanted if p == prefix]
        if prefix in PREFIXES:
            mask = setting.groups.mask(*PREFIXES[prefix])
            _group(measured, prefix + ".", names, table, hit & pad(mask)[table], mask, setting, ks)
        elif prefix == "mass":
            _parity(measured, "mass.", names, table, hit, setting, ks)
        else:
            _group(measured, "", [name for name in names if name in GROUPED], table, hit, None, setting, ks)
            _whole(measured, [name for name in names if name in WHOLE], table, setting, ks)
            _parity(measured, "", [name for name in names if name in PARITY], table, hit, setting, ks)
    return measured


def _group(
    measured: Measured, prefix: str, names: list[str], table: Table, hit: Mask, mask: Mask | None, setting: Setting, ks: tuple[int, ...]
) -> None:
    """Metrics whose ground truth is all items (mask None) or the items of one group."""
    relevant = relevant_in(setting.truth, mask)
    undefined = relevant == 0
    hits = hit.astype(np.float64)
    counts = setting.groups.popularity
    for name in names:
        for k in ks:
            key = f"{prefix}{name}@{k}"
            if name == "coverage":
                measured.overall[key] = beyond.coverage(table, k, np.ones(len(counts), bool) if mask is None else mask)
                continue
            if name == "exposure" and mask is not None:
                measured.per_user[key] = beyond.list_mean(mask.astype(np.float64), table, k)
                continue
            if name in ACCURACY:
                values = ACCURACY[name](hits, relevant, k)
            else:
                per_item = beyond.complement(counts, setting.n_train_users) if name == "epc" else beyond.surprisal(counts)
                values = beyond.novelty(hits, table, per_item, k)
            values[undefined] = np.nan
            measured.per_user[key] = values


def _whole(measured: Measured, names: list[str], table: Table, setting: Setting, ks: tuple[int, ...]) -> None:
    """Metrics of the lists over all items; a user whose list is empty has no value."""
    groups = setting.groups
    profile = setting.profile
    for name in names:
        if name == "ild":
            by_k = beyond.intra_list_distance(table, ks, setting.vectors)
            measured.per_user.update({f"ild@{k}": values for k, values in by_k.items()})
            continue
        before = (
            beyond.group_shares(groups.mass, len(GROUPS), profile.row_ids(), profile.indices, profile.shape[0]) if name == "upd" else None
        )
        for k in ks:
            key = f"{name}@{k}"
            if before is not None:
                measured.per_user[key] = beyond.popularity_deviation(before, table, groups.mass, k)
            elif name == "gini":
                measured.overall[key] = beyond.gini(table, k, len(groups.popularity))
            else:
                per_item = groups.popularity if name == "arp" else groups.mask("tail", "count")
                measured.per_user[key] = beyond.list_mean(per_item.astype(np.float64), table, k)


def _parity(measured: Measured, prefix: str, names: list[str], table: Table, hit: Mask, setting: Setting, ks: tuple[int, ...]) -> None:
    """Disparity between the groups of a definition: of recommendations (PopRSP) and of hits among test items (PopREO)."""
    labels = setting.groups.of("mass" if prefix else "count")

    def totals(items: NDArray[np.int32]) -> Values:
        return np.bincount(labels[items], minlength=len(GROUPS)).astype(np.float64)

    for name in names:
        if name == "popreo":
            possible = totals(setting.truth.indices)
        else:
            possible = len(table) * totals(np.arange(len(labels), dtype=np.int32))
            possible -= totals(setting.profile.indices) if setting.exclude_seen else 0.0
        for k in ks:
            first = table[:, :k]
            shown = first[hit[:, :k]] if name == "popreo" else first[first >= 0]
            measured.overall[f"{prefix}{name}@{k}"] = beyond.disparity(totals(shown), possible)

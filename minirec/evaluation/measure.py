"""All metrics of one set of lists, by name: `[group.]metric@k`, such as ndcg@20, tail.ndcg@20, mass_tail.recall@10.

Groups: `head` and `tail` by item count (the 20 % most popular items, and the rest); `mass_head`, `mass_middle`, `mass_tail` by
interaction mass (20 / 60 / 20 % of the interactions). See `minirec.data.popularity`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..data.popularity import GROUPS, Groups
from ..engine.backend import run_blocks
from ..engine.sparse import CSR
from ..errors import ParameterError
from ..metrics import beyond
from ..metrics.accuracy import ACCURACY, Counts, Hits, Lists, Mask, Table, Values, find_hits, pad, relevant_in
from ..metrics.ties import Expected, Ties, share_of_ties

Outcomes: TypeAlias = tuple[Counts, list[Counts]]  # by item: how often it could be shown, and how often it was at each k
PREFIXES: dict[str, tuple[str, str]] = {  # prefix -> (group, definition)
    "head": ("head", "count"),
    "tail": ("tail", "count"),
    "mass_head": ("head", "mass"),
    "mass_middle": ("middle", "mass"),
    "mass_tail": ("tail", "mass"),
}
NOVELTY = ("epc", "efd")
GROUPED = (*ACCURACY, *NOVELTY, "coverage")  # over all items and for each group
WHOLE = ("arp", "aplt", "upd", "ild", "gini", "filled", "full")  # over all items only
PARITY = ("popreo", "poprsp")  # between the groups of one definition: popreo by item count, mass.popreo by interaction mass
LOWER_IS_BETTER = frozenset({"arp", "upd", "gini", "ties", *PARITY, "rmse", "mae"})
OVERALL = frozenset({"coverage", "gini", *PARITY, "rmse", "mae", "accuracy"})  # one number for the whole output, no value a user
# Beyond this many pairs of an evaluated user and a train user, intra-list distance over train vectors takes minutes and gigabytes
# and is left out unless it is asked for by name.
ILD_PAIRS = 10**9
BLOCK = 2048  # users at least; and a quarter of the items, as each block looks at every item a few times


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

    def part(self, start: int, stop: int) -> Setting:
        """The setting of users start..stop alone."""
        return replace(self, truth=self.truth.span(start, stop), profile=self.profile.span(start, stop))

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


def measure(
    lists: Lists, setting: Setting, ks: tuple[int, ...], metrics: Iterable[str] | None = None, ties: Ties | None = None
) -> Measured:
    """Metrics of the lists for each k (ascending). Cost: O(U k) each, but for intra-list distance (see there).

    ties : what the scores of the lists say of their order; then `ties@k`, and beside each metric of accuracy its expectation over the
    order of tied items, such as `ndcg@10.ties`. Where no place is tied, it is the same array.

    Values of users are worked out in blocks of users, which the threads share and whose tables stay in the cache.
    """
    wanted = expand(metrics)
    if metrics is None and setting.ild_is_costly:
        wanted.remove(("", "ild"))
    table = lists.table(ks[-1])

    def block(start: int, stop: int) -> tuple[Mask, dict[str, Values]]:
        part = setting.part(start, stop)
        # column-major, so that sums over the few ranks of many users run over whole columns
        shown = np.asfortranarray(table[start:stop])
        hit = np.asfortranarray(find_hits(shown, part.truth))
        found = _per_user(wanted, shown, hit, part, ks)
        if ties is not None:
            found |= _expectations(wanted, found, shown, hit, part, ks, ties.part(start, stop), metrics is None)
        return hit, found

    blocks = run_blocks(block, len(table), max(BLOCK, len(setting.groups.popularity) // 4)) or [block(0, 0)]
    hit = np.concatenate([hit for hit, _ in blocks])
    per_user = {name: np.concatenate([values[name] for _, values in blocks]) for name in blocks[0][1]}
    if ("", "ild") in wanted:
        by_k = beyond.intra_list_distance(table, ks, setting.vectors)
        per_user |= {f"ild@{k}": values for k, values in by_k.items()}
    return Measured(per_user, _overall(wanted, table, hit, setting, ks))


def _per_user(wanted: list[tuple[str, str]], table: Table, hit: Mask, setting: Setting, ks: tuple[int, ...]) -> dict[str, Values]:
    """The metrics that have a value for each user, but for intra-list distance."""
    groups = setting.groups
    found: dict[str, Values] = {}
    novelty = {}
    if any(name == "epc" for _, name in wanted):
        novelty["epc"] = pad(beyond.complement(groups.popularity, setting.n_train_users))[table]
    if any(name == "efd" for _, name in wanted):
        novelty["efd"] = pad(beyond.surprisal(groups.popularity))[table]
    if ("", "upd") in wanted:
        profile = setting.profile
        before = beyond.group_shares(groups.mass, len(GROUPS), profile.row_ids(), profile.indices, profile.shape[0])
    for prefix, names in _by_prefix(wanted).items():
        mask = groups.mask(*PREFIXES[prefix]) if prefix in PREFIXES else None
        relevant = relevant_in(setting.truth, mask)
        hits = Hits.of(hit if mask is None else hit & pad(mask)[table])
        for name in names:
            if name in OVERALL or name == "ild":
                continue
            for k in ks:
                if name in ACCURACY:
                    values = ACCURACY[name](hits, relevant, k)
                elif name in NOVELTY:
                    values = beyond.novelty(hits.at, table, novelty[name], k)
                elif name == "filled":
                    values = np.count_nonzero(table[:, :k] >= 0, axis=1) / k
                elif name == "full":
                    values = (np.count_nonzero(table[:, :k] >= 0, axis=1) == min(k, table.shape[1])).astype(np.float64)
                elif name == "upd":
                    values = beyond.popularity_deviation(before, table, groups.mass, k)
                else:
                    of_item = {"arp": groups.popularity, "aplt": groups.mask("tail", "count")}.get(name, mask)
                    values = beyond.list_mean(np.asarray(of_item, np.float64), table, k)
                if name in GROUPED:
                    values[relevant == 0] = np.nan
                found[f"{prefix}.{name}@{k}".removeprefix(".")] = values
    return found


def _expectations(
    wanted: list[tuple[str, str]],
    found: dict[str, Values],
    shown: Table,
    hit: Mask,
    setting: Setting,
    ks: tuple[int, ...],
    ties: Ties,
    shares: bool,
) -> dict[str, Values]:
    """The metrics of accuracy over the order of tied items, and the share of tied places."""
    tied, inside = ties.tied(), ~np.isnan(ties.scores)
    rows = np.flatnonzero(tied.any(1))
    some, hits = ties.rows(rows), hit[rows]
    expected = {f"ties@{k}": share_of_ties(tied, inside, k) for k in ks} if shares else {}
    for prefix, names in _by_prefix(wanted).items():
        names = [name for name in names if name in ACCURACY]
        if not names:
            continue
        mask = setting.groups.mask(*PREFIXES[prefix]) if prefix in PREFIXES else None
        if len(rows):
            in_group = hits if mask is None else hits & pad(mask)[shown[rows]]
            by_order = Expected.of(in_group, some, mask)
            relevant = relevant_in(setting.truth, mask)[rows]
        for name in names:
            for k in ks:
                key = f"{prefix}.{name}@{k}".removeprefix(".")
                values = found[key].copy() if len(rows) else found[key]
                if len(rows):
                    values[rows] = np.where(relevant == 0, np.nan, by_order.value(name, relevant, k))
                expected[f"{key}.ties"] = values
    return expected


def _overall(wanted: list[tuple[str, str]], table: Table, hit: Mask, setting: Setting, ks: tuple[int, ...]) -> dict[str, float]:
    """The metrics that are one number for the whole output."""
    groups = setting.groups
    found: dict[str, float] = {}
    n = len(groups.popularity)
    everything = np.ones(n, bool)
    shown = [beyond.shown(table, k, n) for k in ks] if any(name == "coverage" for _, name in wanted) else []
    outcomes: dict[str, Outcomes] = {}
    for prefix, names in _by_prefix(wanted).items():
        for name in names:
            if name == "coverage":
                group = groups.mask(*PREFIXES[prefix]) if prefix else everything
                values = [beyond.coverage(items, group) for items in shown]
            elif name == "gini":
                values = [beyond.gini(table, k, n) for k in ks]
            elif name in PARITY:
                if name not in outcomes:
                    outcomes[name] = _outcomes(name, table, hit, setting, ks)
                values = _parity(outcomes[name], groups.of("mass" if prefix else "count"))
            else:
                continue
            found |= {f"{prefix}.{name}@{k}".removeprefix("."): value for k, value in zip(ks, values, strict=True)}
    return found


def _by_prefix(wanted: list[tuple[str, str]]) -> dict[str, list[str]]:
    return {prefix: [name for p, name in wanted if p == prefix] for prefix in dict.fromkeys(prefix for prefix, _ in wanted)}


def _outcomes(name: str, table: Table, hit: Mask, setting: Setting, ks: tuple[int, ...]) -> Outcomes:
    """What disparity compares: of recommendations (PopRSP), or of hits among test items (PopREO)."""
    n = len(setting.groups.popularity)

    def times(items: NDArray[np.int32]) -> Counts:
        return np.bincount(items[items < n], minlength=n)

    if name == "popreo":
        return times(setting.truth.indices), [times(table[:, :k][hit[:, :k]]) for k in ks]
    possible = np.full(n, len(table), np.int64)
    if setting.exclude_seen:
        possible -= times(setting.profile.indices)
    return possible, [times(table[:, :k][table[:, :k] >= 0]) for k in ks]


def _parity(outcomes: Outcomes, labels: NDArray[np.int8]) -> list[float]:
    """Disparity between groups of items at each k."""
    possible, *shown = (np.bincount(labels, times, len(GROUPS)).astype(np.float64) for times in (outcomes[0], *outcomes[1]))
    return [beyond.disparity(one, possible) for one in shown]

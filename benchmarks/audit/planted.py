"""Bias that was planted: how often an audit finds it, and how often it finds what is not there.

python -m benchmarks.audit.planted --seeds 200

A world has users with a taste among topics, items with a topic, a popularity and a brand that means nothing. The clean system ranks by
taste, popularity and noise. Each kind of bias changes its lists in one way; one criterion is about it, whose threshold was
set beforehand. Found: the verdict on the changed lists is fail. False alarm: it is fail on the clean lists. Three more
criteria are met exactly by clean worlds, which is where the most false alarms are to be expected.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import minirec as mr
from minirec.audit import Criterion, Finding, Plan, read_lists
from minirec.audit.case import build_case
from minirec.audit.measuring import figures, findings
from minirec.audit.verdicts import corrected

USERS, ITEMS, TOPICS, K, BRANDS = 1_500, 400, 8, 10, 4
Lists = NDArray[np.int64]


class World:
    """One draw of users, items and events; `rank` gives the clean lists."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 77])
        self.rng = rng
        self.topic = rng.integers(0, TOPICS, ITEMS)
        self.popularity = rng.permutation(1.0 / np.arange(10, ITEMS + 10) ** 0.8)
        self.taste = rng.dirichlet(np.full(TOPICS, 0.3), USERS)
        self.brand, self.half = rng.integers(0, BRANDS, ITEMS), rng.integers(0, 2, USERS)
        self.release = np.where(rng.random(ITEMS) < 0.15, 0.82, 0.0)  # new items come in the last fifth of the time
        chance = self.taste[:, self.topic] * self.popularity
        self.chance = chance / chance.sum(1, keepdims=True)
        time = rng.random((USERS, 24))
        cumulated = np.cumsum(self.chance, 1)
        item = np.minimum((rng.random((USERS, 24, 1)) > cumulated[:, None]).sum(2), ITEMS - 1)
        there = self.release[item] <= time
        user = np.broadcast_to(np.arange(USERS)[:, None], item.shape)
        users, items, times = user[there], item[there], time[there]
        self.events = mr.Dataset.from_arrays(users, items, times=(times * 1_000_000).astype(np.int64))
        self.seen = np.zeros((USERS, ITEMS), bool)
        self.seen[users, items] = True

    def scores(self, known: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Log of what users like, with noise; items that are not `known` cannot be recommended."""
        noise = self.rng.gumbel(size=(USERS, ITEMS))
        score = np.log(self.chance + 1e-9) + 0.5 * noise
        score[self.seen] = -np.inf
        if known is not None:
            score[:, ~known] = -np.inf
        return score


def top(scores: NDArray[np.float64], k: int = K) -> Lists:
    """The k best of each row."""
    best = np.argpartition(-scores, k, axis=1)[:, :k]
    return np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)


def clean(world: World) -> Lists:
    """Lists without any planted bias."""
    return top(world.scores())


def pushed_down(world: World) -> Lists:
    """Items of brand 0 stand 8 places lower than they should."""
    order = np.argsort(-world.scores(), axis=1)[:, :60]
    place = np.arange(order.shape[1]) + 8.5 * (world.brand[order] == 0)
    return np.take_along_axis(order, np.argsort(place, axis=1), 1)[:, :K]


def boosted(world: World) -> Lists:
    """Items of brand 0 have 1 added to the logarithm of their chance."""
    return top(world.scores() + 1.0 * (world.brand == 0))


def more_popular(world: World) -> Lists:
    """Popularity counts twice."""
    return top(world.scores() + np.log(world.popularity))


def stale(world: World) -> Lists:
    """The model does not know the items of the last fifth of the time."""
    return top(world.scores(world.release == 0))


def partly_random(world: World) -> Lists:
    """One list in twenty is drawn at random."""
    lists = top(world.scores())
    rows = world.rng.random(USERS) < 0.05
    lists[rows] = np.argsort(world.rng.random((int(rows.sum()), ITEMS)), axis=1)[:, :K]
    return lists


Bias = Callable[[World], Lists]
BRAND = Criterion("brand", "treatment", "at least", 0.7, "planted", "ratio", "item group", "", "both")
KINDS: dict[str, tuple[Bias, Criterion, str]] = {
    "group pushed down": (pushed_down, BRAND, "8 places lower"),
    "provider boosted": (boosted, replace(BRAND, id="provider"), "1 added to the logarithm of its chance"),
    "popularity times n": (more_popular, Criterion("lift", "popularity_lift", "at most", 0.3, "planted"), "popularity squared"),
    "stale model": (stale, Criterion("new", "new_ratio", "at least", 0.2, "planted"), "nothing of the last fifth of the time"),
    "5 % random lists": (partly_random, Criterion("random", "unlinked", "at most", 0.02, "planted"), "5 % of the lists"),
}
# thresholds that clean worlds meet exactly: brands and halves of the users are drawn without regard to anything
TIGHT = (
    replace(BRAND, id="brands alike", threshold=1.0),
    Criterion("halves alike in popularity", "popularity_lift", "at most", 0.0, "exact", "difference", "user group"),
    Criterion("halves alike in tail", "tail_share", "at least", 1.0, "exact", "ratio", "user group"),
)


def verdicts(world: World, lists: Lists, criteria: Sequence[Criterion], seed: int) -> list[Finding]:
    """The finding of each criterion judged alone, at the level 0.95."""
    plan = Plan(criteria=tuple(criteria), k=K, seed=seed, sample=USERS, correction="none")
    groups = {"item_groups": [dict(enumerate(world.brand.tolist()))], "user_groups": [dict(enumerate(world.half.tolist()))]}
    case = build_case(read_lists((np.arange(USERS), lists)), world.events, **groups)
    return corrected(findings(case, plan, figures(case, plan, K, overview=False)), plan)


def run(seeds: int) -> dict[str, dict[str, Any]]:
    """Shares of verdicts by kind of bias, and of false alarms, over worlds 0 to seeds - 1."""
    rows: dict[str, dict[str, Any]] = {}
    fails: dict[str, list[bool]] = {}
    values: dict[str, list[float]] = {}

    def count(name: str, finding: Finding) -> None:
        fails.setdefault(name, []).append(finding.verdict == "fail")
        values.setdefault(name, []).append(float("nan") if finding.value is None else finding.value)

    for seed in range(seeds):
        world = World(seed)
        for kind, (bias, criterion, _) in KINDS.items():
            count(f"planted {kind}", verdicts(world, bias(world), [criterion], seed)[0])
        unharmed = verdicts(world, clean(world), [*(criterion for _, criterion, _ in KINDS.values()), *TIGHT], seed)
        for name, finding in zip([*(f"clean {kind}" for kind in KINDS), *(criterion.id for criterion in TIGHT)], unharmed, strict=True):
            count(name, finding)
    for kind, (_, criterion, size) in KINDS.items():
        rows[kind] = {
            "effect": size, "criterion": f"{criterion.metric} {criterion.direction} {criterion.threshold:g}", "seeds": seeds,
            "found": float(np.mean(fails[f"planted {kind}"])), "false alarms": float(np.mean(fails[f"clean {kind}"])),
            "mean planted": float(np.nanmean(values[f"planted {kind}"])), "mean clean": float(np.nanmean(values[f"clean {kind}"])),
        }  # fmt: skip
    for criterion in TIGHT:
        wanted = f"{criterion.compare} of {criterion.metric} {criterion.direction} {criterion.threshold:g}"
        alarms, mean = float(np.mean(fails[criterion.id])), float(np.nanmean(values[criterion.id]))
        rows[criterion.id] = {"criterion": wanted, "seeds": seeds, "false alarms": alarms, "mean clean": mean}
    return rows


def main() -> None:
    """Run, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    text = json.dumps(run(arguments.seeds), indent=1)
    print(text)  # noqa: T201
    if arguments.out is not None:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

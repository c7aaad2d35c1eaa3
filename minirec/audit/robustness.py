"""Do the findings hang on a choice? The same criteria at other lengths, with another worth of places, and on halves of the users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .case import Case
from .measuring import figures, findings
from .plan import Plan
from .verdicts import Finding

_DRAWS = 50


class Variant(NamedTuple):
    """A criterion under another choice. side : on which side of the threshold its figure lies ("pass" or "fail"); base_side: in the
    plan's own setting on the same users. What is compared are sides, not verdicts, as fewer users give wider intervals."""

    criterion: str
    variant: str
    base: float
    value: float
    base_side: str
    side: str

    @property
    def moved(self) -> bool:
        """Whether the figure changed sides."""
        return self.side != self.base_side


def robustness(case: Case, plan: Plan, done: Sequence[Finding]) -> list[Variant]:
    """Each measured criterion (counted facts aside) under half and twice the length, uniform and geometric worth, two halves of users.

    On at most `plan.sample` users. The lists' own length bounds k; the two halves are compared with each other.
    """
    part, _ = case.sample(plan.sample, plan.seed)
    kept = tuple(f.criterion for f in done if f.value is not None and f.criterion.measure.kind != "fact")
    if not kept or part.n_users < 4:
        return []
    lean = replace(plan, criteria=kept, draws=_DRAWS, tests=())
    metric = {"metric": [c for c in kept if c.measure.kind == "user"], "exposure": [c for c in kept if c.measure.kind != "user"]}
    base = _values(part, lean)
    variants: list[Variant] = []
    for k in sorted({max(1, plan.k // 2), min(2 * plan.k, case.longest)} - {plan.k}):
        variants += _beside(base, _values(part, replace(lean, k=k)), f"k={k}")
    if metric["exposure"]:
        only = replace(lean, criteria=tuple(metric["exposure"]))
        for model in ("uniform", "geometric"):
            if model != plan.exposure:
                variants += _beside(base, _values(part, replace(only, exposure=model)), f"exposure={model}")
    halves = np.array_split(np.random.default_rng([plan.seed, 19]).permutation(part.n_users), 2)
    first, second = (_values(part.take(np.sort(half)), lean) for half in halves)
    return variants + _beside(first, second, "halves of the users")


def _values(case: Case, plan: Plan) -> dict[str, Finding]:
    found = figures(case, plan, plan.k, overview=False)
    return {finding.criterion.id: finding for finding in findings(case, plan, found) if finding.value is not None}


def _beside(base: dict[str, Finding], other: dict[str, Finding], name: str) -> list[Variant]:
    rows = []
    for key, finding in other.items():
        if key in base:
            mine, theirs = base[key].value, finding.value
            if mine is not None and theirs is not None:
                rows.append(Variant(key, name, mine, theirs, base[key].side, finding.side))
    return rows

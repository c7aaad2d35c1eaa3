"""The rule that chooses: three picks from the figures on the validation events.

Accurate: the highest NDCG. Balanced: the most tail among the candidates that are not significantly below the most accurate one, and
whose mean is not further below than half the price (with few users almost everything is "not significant"). Tail: the most tail among
all whose mean is within the price. So the tail pick has at least as much tail as the balanced one. All at the largest k.

How much tail a candidate has is the square root of its NDCG among items of the tail times its coverage: lists that hit the tail
for few users with few items, or show much of it and never hit, both have little.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from ..errors import ParameterError
from ..evaluation import Result

PREFERENCES = ("accuracy", "balanced", "tail")
PRICE = 0.02  # of the NDCG


class Verdict(Enum):
    """What the rule says about a candidate; `sentence` says it in words."""

    BEST = "best"
    AS_GOOD = "as good"
    WITHIN_PRICE = "within the price"
    BELOW = "below"
    REFERENCE = "reference"

    @property
    def sentence(self) -> str:
        """In words."""
        return {
            Verdict.BEST: "has the highest NDCG",
            Verdict.AS_GOOD: "is not significantly below the best",
            Verdict.WITHIN_PRICE: "is significantly below the best, by no more than the price",
            Verdict.BELOW: "is below the best by more than the price",
            Verdict.REFERENCE: "does not look at the user: there to compare with",
        }[self]


@dataclass(frozen=True)
class Gap:
    """How far a candidate is above (+) or below (-) another in NDCG, with the 95 % bootstrap interval over users; NaN for one user."""

    difference: float
    low: float
    high: float

    @property
    def below(self) -> bool:
        """Significantly below."""
        return self.high < 0

    @property
    def above(self) -> bool:
        """Significantly above."""
        return self.low > 0


@dataclass(frozen=True)
class Choice:
    """The three picks by label, the verdict on each candidate, and the gap of each to the most accurate one.

    default : the pick that was asked for. bestsellers : the gap of the default pick to Popularity; None where that is not there.
    """

    accurate: str
    balanced: str
    tail: str
    default: str
    verdicts: dict[str, Verdict]
    gaps: dict[str, Gap]
    bestsellers: Gap | None

    @property
    def picks(self) -> dict[str, str]:
        """{"accurate": label, "balanced": label, "tail": label}."""
        return {"accurate": self.accurate, "balanced": self.balanced, "tail": self.tail}


def choose(
    validation: Result, references: Collection[str] = (), *, prefer: str = "balanced", price: float = PRICE, popular: str | None = None
) -> Choice:
    """The picks among the models of a result that are no references.

    references : names that are never picked, unless there is nothing else, or one of them (`popular`, the bestsellers) is
        significantly above every other: then it is all three picks, and the run says so first.
    prefer : which pick is the default. price : the share of the best NDCG that the tail may cost.
    """
    if prefer not in PREFERENCES:
        raise ParameterError(f"prefer must be one of {', '.join(PREFERENCES)}, got {prefer!r}")
    if isinstance(price, bool) or not isinstance(price, (int, float)) or not 0 <= price < 1:
        raise ParameterError(f"price is a share of at least 0 and below 1, got {price!r}")
    k = max(validation.settings["k"])
    accuracy = f"ndcg@{k}"
    numbers = validation.to_dict()
    real = [name for name in numbers if name not in references] or list(numbers)
    top = max(real, key=lambda name: numbers[name][accuracy])
    if popular in numbers and popular not in real and gap(validation, top, popular, accuracy).below:
        top = popular
        real = [popular]
    gaps = {name: gap(validation, name, top, accuracy) for name in numbers}
    least = numbers[top][accuracy] * (1 - price)
    verdicts = {}
    for name in numbers:
        if name == top:
            verdicts[name] = Verdict.BEST
        elif name not in real:
            verdicts[name] = Verdict.REFERENCE if name in references else Verdict.BELOW
        elif numbers[name][accuracy] < least:
            verdicts[name] = Verdict.BELOW
        else:
            verdicts[name] = Verdict.WITHIN_PRICE if gaps[name].below else Verdict.AS_GOOD

    def tail(name: str) -> tuple[float, float, float]:
        return (tail_amount(numbers[name], k), numbers[name].get(f"coverage@{k}", 0.0), numbers[name][accuracy])

    half = numbers[top][accuracy] * (1 - price / 2)
    near = [name for name in real if verdicts[name] in (Verdict.BEST, Verdict.AS_GOOD) and numbers[name][accuracy] >= half]
    within = [name for name in real if verdicts[name] is not Verdict.BELOW]
    picks = {"accuracy": top, "balanced": max(near, key=tail), "tail": max(within, key=tail)}
    chosen = picks[prefer]
    bestsellers = gap(validation, chosen, popular, accuracy) if popular in numbers and chosen != popular else None
    return Choice(picks["accuracy"], picks["balanced"], picks["tail"], chosen, verdicts, gaps, bestsellers)


def tail_amount(figures: dict[str, float], k: int) -> float:
    """sqrt(tail NDCG@k x coverage@k); 0 where no user has a test item of the tail."""
    ndcg, coverage = figures.get(f"tail.ndcg@{k}", math.nan), figures.get(f"coverage@{k}", math.nan)
    product = ndcg * coverage
    return math.sqrt(product) if math.isfinite(product) else 0.0


def gap(result: Result, a: str, b: str | None, metric: str) -> Gap:
    """Model a less model b in one metric."""
    if a == b or b is None:
        return Gap(0.0, 0.0, 0.0)
    if len(result.users) < 2:
        numbers = result.to_dict()
        return Gap(numbers[a][metric] - numbers[b][metric], math.nan, math.nan)
    found = result.compare(a, b, metric=metric)[0]
    return Gap(found.difference, found.low, found.high)

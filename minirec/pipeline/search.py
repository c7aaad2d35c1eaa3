"""The search: every family of models at its start, then more settings of those that do well, by successive halving on validation.

A round gives each family that is still in a number of further settings; after it the better half goes on with twice as many. Steps go
from the family's most accurate setting, and in turn from the one with the most tail within the price. What a trial would take is
known from the family's last one; none begins that would not leave time for the fits on train.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import DataError, MemoryBudgetError, MinirecError, ModelFitError
from ..evaluation import Result, evaluate
from ..models.contract.recommender import Recommender
from ..models.contract.registry import MODELS
from .candidates import ALWAYS, BLEND, REFERENCES, Climb, Shape, cannot_run, labelled, make, reads_content
from .choice import tail_amount
from .parts import Fold
from .watch import Clock
from .weights import Weigher

METRICS = ("ndcg", "recall", "coverage", "aplt")  # of a candidate, each with its groups
FINALISTS = 3  # families whose fits on train are waited for


@dataclass
class Searched:
    """What the search found. `settings` : {label: unfitted model}; `validation` : the figures of each on validation; `left_out` :
    {model: reason}; `seconds` : what each took, fit and lists.
    """

    validation: Result
    settings: dict[str, Recommender]
    left_out: dict[str, str]
    seconds: dict[str, float]


@dataclass
class Search:
    """One search. `budget` : seconds from `started` to the end of the fits on train; 0: every model once, however long it takes.

    text_named : the user named texts, so that models of content take part however long they take."""

    folds: Sequence[Fold]
    ks: tuple[int, ...]
    seed: int
    weigher: Weigher
    clock: Clock
    exclude_seen: bool
    budget: float
    price: float
    text_named: bool
    left_out: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Recommender] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=perf_counter)
    _found: dict[str, Result] = field(default_factory=dict)

    def left(self) -> float:
        """Seconds of the budget that are left; without end where there is none."""
        return self.budget - (perf_counter() - self.started) if self.budget else np.inf

    def run(self, models: Sequence[Recommender], params: Mapping[str, Mapping[str, Any]], *, named: bool) -> Searched:
        """Try the models and, within the budget, settings around them."""
        fitting = self.folds[0].inner
        shape = Shape.of(fitting)
        climbs: dict[str, Climb] = {}
        for number, model in enumerate(models, 1):
            share = np.inf if model.name in ALWAYS else self.left() / 2
            asked = named or (reads_content(model) and self.text_named)
            why = cannot_run(model, self.weigher(fitting, model), shape, share, named=asked)
            if why is None and model.name not in ALWAYS and not named and self.left() < self._reserve():
                why = "came after the time was up (budget=..., --budget 30m, raises it)"
            if why is not None:
                self.left_out[model.name] = why
                continue
            if self.trial(model.name, model, f"model {number} of {len(models)}") and model.name not in REFERENCES:
                climbs[model.name] = Climb(model, params.get(model.name, {}))
        if self.budget:
            self._halve(climbs)
        return self.found()

    def repeat(self, models: Mapping[str, Recommender]) -> Searched:
        """Try these settings again, by label, and no others."""
        for number, (label, model) in enumerate(models.items(), 1):
            self.trial(label, model, f"setting {number} of {len(models)}")
        return self.found()

    def found(self) -> Searched:
        """What is known so far."""
        if not self._found:
            raise MemoryBudgetError("no model could be fitted: " + "; ".join(f"{name} {why}" for name, why in self.left_out.items()))
        first = next(iter(self._found.values()))
        measured = {label: result.measured[label] for label, result in self._found.items()}
        seconds = {label: result.seconds[label] for label, result in self._found.items()}
        return Searched(replace(first, measured=measured, seconds=seconds), self.settings, self.left_out, self.seconds)

    def trial(self, label: str, model: Recommender, where: str) -> bool:
        """Fit and measure one setting; whether that worked."""
        start, parts = perf_counter(), []
        try:
            with self.clock.step(f"fit {label} for the choice", f"{where}: fit {label} for the choice{self._time_left()}") as progress:
                for fold in self.folds:
                    fitted = model.clone().fit(self.weigher(fold.inner, model), progress=progress)
                    parts.append(
                        evaluate(
                            {label: fitted}, fold.inner, fold.validation, k=self.ks, metrics=METRICS,
                            exclude_seen=self.exclude_seen, seed=self.seed,
                        )
                    )  # fmt: skip
                    del fitted  # before the next one is made: two models would double the memory
        except (ModelFitError, MemoryBudgetError) as error:
            self.left_out[label] = f"failed: {error}"
            return False
        except DataError as error:
            if label in ALWAYS or not self._found:
                raise
            self.left_out[label] = f"could not be judged: {error}"
            return False
        self._found[label] = _joined(parts)
        self.settings[label], self.seconds[label] = model, perf_counter() - start
        return True

    def _time_left(self) -> str:
        left = self.left()
        return "" if not np.isfinite(left) else f" ({max(left, 0.0):,.0f} s left)"

    def _reserve(self) -> float:
        """Seconds that the fits on train will take: itemknn, and the families that may be picked, by the latest trial of each."""
        latest = {model.name: self.seconds[label] for label, model in self.settings.items()}
        first = sorted((name for name in latest if name not in REFERENCES), key=self._best, reverse=True)[:FINALISTS]
        return 1.4 * (sum(latest[name] for name in first) + latest.get("itemknn", 0.0)) / len(self.folds)

    def _halve(self, climbs: dict[str, Climb]) -> None:
        rivals, steps = list(climbs), 1
        while rivals:
            rivals.sort(key=self._best, reverse=True)
            kept = rivals[: max(1, -(-len(rivals) // 2))]
            widest = max(rivals, key=self._tail)
            rivals = kept if widest in kept else [*kept, widest]
            went_on = [sum(self._step(name, climbs[name], turn) for turn in range(steps)) for name in rivals]
            if not any(went_on):
                return
            rivals = [name for name, number in zip(rivals, went_on, strict=True) if number]
            if steps == 1 and self._blend(climbs):
                rivals.append(BLEND)
            steps *= 2

    def _blend(self, climbs: dict[str, Climb]) -> bool:
        """Try the two best families of different kinds added up, each at its best setting: they err in different ways."""
        best = {name: self._best(name) for name in climbs}
        first = max(best, key=lambda name: best[name])
        others = [name for name in best if _kind(self.settings[name]) != _kind(self.settings[first])]
        if BLEND not in MODELS or BLEND in self.settings or not others:
            return False
        members = []
        for name in (first, max(others, key=lambda name: best[name])):
            own = [label for label, model in self.settings.items() if model.name == name]
            members.append(max(own, key=lambda label: self._figures(label)[0]))
        if self.left() < 1.3 * sum(self.seconds[label] for label in members) + self._reserve():
            self.left_out[BLEND] = "came after the time was up (budget=..., --budget 30m, raises it)"
            return False
        base, other = (self.settings[label] for label in members)
        params = {"base": base.name, "base_params": base.get_params(), "other": other.name, "other_params": other.get_params()}
        model = make(BLEND, params, self.seed)
        why = cannot_run(model, self.weigher(self.folds[0].inner, model), Shape.of(self.folds[0].inner), np.inf, named=True)
        if why is not None:
            self.left_out[BLEND] = why
            return False
        if not self.trial(BLEND, model, f"{base.name} and {other.name} together"):
            return False
        climbs[BLEND] = Climb(model, params)
        return True

    def _step(self, name: str, climb: Climb, turn: int) -> bool:
        """One more setting of a family; whether there was one and time for it."""
        own = [label for label, model in self.settings.items() if model.name == name]
        if self.left() < 1.2 * self.seconds[own[-1]] + self._reserve():
            return False
        figures = {label: self._figures(label) for label in own}
        top = max(own, key=lambda label: figures[label][0])
        bound = self._top() * (1 - self.price)
        widest = max(own, key=lambda label: (figures[label][0] >= bound, figures[label][1]))
        for base in (widest, top) if turn % 2 else (top, widest):
            other = climb.step(self.settings[base])
            if other is None:
                continue
            try:
                other._check()
            except MinirecError:  # a step outside of what the parameter may be
                return True
            self.trial(labelled(other, self.settings[name]), other, f"search {name}, setting {len(own) + 1}")
            return True
        return False

    def _figures(self, label: str) -> tuple[float, float]:
        """NDCG and the amount of tail."""
        numbers, k = self._found[label].to_dict()[label], self.ks[-1]
        return numbers[f"ndcg@{k}"], tail_amount(numbers, k)

    def _top(self) -> float:
        return max(self._figures(label)[0] for label in self._found if label not in REFERENCES)

    def _best(self, name: str) -> float:
        return max(self._figures(label)[0] for label, model in self.settings.items() if model.name == name)

    def _tail(self, name: str) -> float:
        """The most tail of a family within the price; below 0 where none of its settings is."""
        bound = self._top() * (1 - self.price)
        figures = [self._figures(label) for label, model in self.settings.items() if model.name == name]
        return max(tail if ndcg >= bound else ndcg - bound - 1 for ndcg, tail in figures)


def _kind(model: Recommender) -> str:
    """The family of models by its folder: linear, walks, neighbors, ..."""
    return type(model).__module__.split(".")[-2]


def _joined(parts: Sequence[Result]) -> Result:
    """The results of one model on several folds as one: the users of all, means of what is one number for a whole output."""
    first = parts[0]
    if len(parts) == 1:
        return first
    measured = {}
    for label, found in first.measured.items():
        others = [part.measured[label] for part in parts]
        per_user = {name: np.concatenate([other.per_user[name] for other in others]) for name in found.per_user}
        overall = {name: float(np.mean([other.overall[name] for other in others])) for name in found.overall}
        measured[label] = found._replace(per_user=per_user, overall=overall)
    users = [user for part in parts for user in part.users]
    counts = {name: sum(part.counts.get(name, 0) for part in parts) for name in first.counts} | {"folds": len(parts)}
    return replace(first, users=users, measured=measured, counts=counts)

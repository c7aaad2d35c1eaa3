"""The steps of a run: models made, fitted and chosen, each step timed and told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import product
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from ..data.cleaning import clean
from ..data.dataset import Dataset
from ..errors import MemoryBudgetError, ModelFitError, ParameterError
from ..evaluation import Result
from ..models.contract.monitor import Progress
from ..models.contract.recommender import Recommender
from ..models.contract.registry import model_class
from ..options import memory_budget

GRID: Mapping[str, Mapping[str, tuple[Any, ...]]] = {  # the settings without which a model's figures would say nothing about it
    "rp3beta": {"beta": (0.3, 0.6)},  # how much of the popularity is taken back depends on how long the users' histories are
}


class Watch(Protocol):
    """Hears how a run goes on."""

    def say(self, text: str) -> None:
        """A remark, of one or more lines."""

    def step(self, label: str) -> AbstractContextManager[Progress | None]:
        """Around a step; what it yields, if anything, is called as progress(done, total, record) where the step has parts."""


class Silent:
    def say(self, text: str) -> None:
        """Nobody listens."""

    def step(self, label: str) -> AbstractContextManager[Progress | None]:
        return nullcontext()


class Clock:
    """Times the steps, and tells them to the watch."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, label: str) -> Iterator[Progress | None]:
        start = perf_counter()
        with self.watch.step(label) as progress:
            yield progress
        self.seconds[label] = round(perf_counter() - start, 3)


def make(name: str, params: Mapping[str, Any], seed: int) -> Recommender:
    model = model_class(name)()
    given = {"seed": seed} if "seed" in model.get_params() else {}
    model = model.clone(**(given | dict(params)))
    model._check()  # a bad value is refused before the work
    return model


def weighed(train: Dataset, model: Recommender, weights: str) -> Dataset:
    """The events as a model should see them."""
    if model.score_kind == "rating" or (weights == "raw" and train.weight is not None):
        return train
    if weights == "log" and train.weight is not None:
        if train.weight.min() < 0:
            raise ParameterError("weights='log' needs weights that are not negative; drop the others with min_weight=0")
        return train.with_columns(weight=np.log2(1 + train.weight))
    plain = train.with_columns(weight=None)
    return clean(plain, duplicates="last")[0] if weights == "binary" else plain


def variants_of(models: Iterable[Recommender], params: Mapping[str, Mapping[str, Any]]) -> dict[str, Recommender]:
    """The models by name; one of `GRID` once for each combination of what `params` leaves open."""
    variants = {}
    for model in models:
        grid = {name: values for name, values in GRID.get(model.name, {}).items() if name not in params.get(model.name, {})}
        for values in product(*grid.values()):
            setting = dict(zip(grid, values, strict=True))
            variants[" ".join([model.name, *(f"{name}={value!r}" for name, value in setting.items())])] = model.clone(**setting)
    return variants


def settle(models: Iterable[Recommender], variants: Mapping[str, Recommender], validation: Result, chosen: str) -> dict[str, Recommender]:
    """One model a name: of its variants the chosen one, else the one of the highest NDCG; without those that could not be fitted."""
    numbers, accuracy = validation.to_dict(), f"ndcg@{validation.settings['k'][0]}"
    settled = {}
    for model in models:
        own = [label for label, variant in variants.items() if variant.name == model.name]
        fitted = [label for label in own if label in numbers]
        if fitted:
            settled[model.name] = variants[chosen if chosen in own else max(fitted, key=lambda label: numbers[label][accuracy])]
        elif not own:
            settled[model.name] = model
    return settled


def fit_all(
    models: Mapping[str, Recommender], train: Dataset, weights: str, left_out: dict[str, str], clock: Clock, purpose: str
) -> dict[str, Recommender]:
    """Fitted clones by name; what does not fit the budget, or fails, goes to `left_out` with the reason."""
    fitted: dict[str, Recommender] = {}
    for name, model in models.items():
        events = weighed(train, model, weights)
        need, budget = model.estimate_memory(events), memory_budget()
        if need > budget:
            left_out[name] = (
                f"needs about {need / 1e9:.2f} GB for {events.n_users:,} users and {events.n_items:,} items, "
                f"while the budget for a model is {budget / 1e9:.2f} GB (memory, or --memory, raises it)"
            )
            continue
        try:
            with clock.step(f"fit {name} {purpose}") as progress:
                fitted[name] = model.clone().fit(events, progress=progress)
        except (ModelFitError, MemoryBudgetError) as error:
            left_out[name] = f"failed: {error}"
    return fitted


def choose(validation: Result) -> tuple[str, dict[str, str]]:
    """The name of the chosen model, and for each model of the result what the rule of `run` says about it."""
    ks = validation.settings["k"]
    accuracy, tail = f"ndcg@{ks[0]}", f"tail.recall@{ks[-1]}"
    numbers = validation.to_dict()
    top = max(numbers, key=lambda name: numbers[name][accuracy])
    verdicts = dict.fromkeys(numbers, "as good")
    verdicts[top] = "best"
    if len(numbers) > 1 and len(validation.users) > 1:
        for gap in validation.compare(top, metric=accuracy):
            if gap.low > 0:
                verdicts[gap.b] = "significantly below"
    near = [name for name in numbers if not verdicts[name].startswith("significantly")]
    chosen = max(near, key=lambda name: (np.nan_to_num(numbers[name].get(tail, 0.0)), numbers[name][accuracy]))
    verdicts[chosen] += ", best in the tail: chosen" if len(near) > 1 else ": chosen"
    return chosen, verdicts

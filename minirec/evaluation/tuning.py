"""Search for hyper-parameters on a validation part of the training data, within a budget."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np

from ..cards import card
from ..data.convert import Events, as_dataset
from ..data.dataset import Dataset
from ..data.folds import folds as make_folds
from ..data.frames import frame_of
from ..data.splits import split
from ..errors import (
    DataError,
    DataWarning,
    MemoryBudgetError,
    MissingExtraError,
    ModelFitError,
    ParameterError,
)
from ..models.contract.recommender import Recommender
from .measure import LOWER_IS_BETTER, expand
from .protocol import evaluate
from .shift import ItemShift, item_shift

Range: TypeAlias = tuple[float, float, str] | Sequence[Any]
Space: TypeAlias = Mapping[str, Range]
SCALES = ("log", "linear", "int")
SAMPLERS = ("random", "optuna")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Trial:
    """One setting that was tried: the parameters that were searched, the metric on validation (None: failed), seconds, the error."""

    params: dict[str, Any]
    value: float | None
    seconds: float
    error: str = ""


@dataclass(frozen=True, repr=False)
class Tuning:
    """Outcome of a search: `model` is fitted on all of the training data with `params`, the best ones.

    shift : how far validation and the `test` events that were given are apart; None where there were none.
    """

    model: Recommender
    params: dict[str, Any]
    value: float
    metric: str
    trials: tuple[Trial, ...]
    validation: str
    shift: ItemShift | None = None

    def to_frame(self, library: str = "pandas") -> Any:
        """One row a trial, in the order in which they ran."""
        columns: dict[str, list[Any]] = {name: [trial.params[name] for trial in self.trials] for name in self.params}
        columns[self.metric] = [math.nan if trial.value is None else trial.value for trial in self.trials]
        columns["seconds"] = [trial.seconds for trial in self.trials]
        columns["error"] = [trial.error for trial in self.trials]
        return frame_of(columns, library)

    def __repr__(self) -> str:
        return f"Tuning({self.model!r}: {self.metric} {self.value:.4f}, best of {len(self.trials)} trials)"

    def _repr_html_(self) -> str:
        """What a notebook shows: the trials, the best first."""
        sign = 1.0 if _minimised(self.metric) else -1.0
        trials = sorted(self.trials, key=lambda trial: math.inf if trial.value is None else sign * trial.value)
        table: dict[str, list[Any]] = {self.metric: [trial.value for trial in trials]}
        table |= {name: [trial.params[name] for trial in trials] for name in self.params}
        return card(f"Tuning: {self.model!r}", table=table | {"seconds": [trial.seconds for trial in trials]})

    def __str__(self) -> str:
        failed = sum(trial.value is None for trial in self.trials)
        best = ", ".join(f"{name}={_short(value)}" for name, value in self.params.items())
        lines = [
            f"{type(self.model).__name__}: best of {len(self.trials)} trials{f' ({failed} failed)' if failed else ''}, "
            f"{self.metric} {self.value:.4f} on validation ({self.validation}): {best}"
        ]
        if self.shift is not None:
            lines.append(f"  {self.shift}")
        for trial in self.trials:
            shown = ", ".join(f"{name}={_short(value)}" for name, value in trial.params.items())
            lines.append(
                f"  {'failed' if trial.value is None else f'{trial.value:.4f}'}  {trial.seconds:7.2f} s  {shown}  {trial.error}".rstrip()
            )
        return "\n".join(lines)


def tune(
    model: Recommender | type[Recommender],
    train: Events,
    *,
    space: Space | None = None,
    metric: str = "ndcg@20",
    budget: str | int = "5m",
    validation: float = 0.1,
    folds: int | None = None,
    split_by: str | None = None,
    test: Events | None = None,
    sampler: str = "random",
    seed: int = 0,
    callback: Callable[[Trial], object] | None = None,
) -> Tuning:
    """Search hyper-parameters on validation only, then fit the best on all of `train`. No model is measured on a test set.

    The first trial is the model as given. The others draw from the space: uniformly, log-uniformly, or one of a list. The same
    seed tries the same settings in the same order; a budget in time decides only how many of them.

    Parameters
    ----------
    model : a class, or an instance whose other parameters are kept.
    space : {parameter: (low, high, "log" | "linear" | "int") or a list of choices}; default: the `search_space` of the class.
    metric : of `evaluate`, with its k, such as "ndcg@20" or "tail.recall@20"; "rmse" and "mae" are minimised, as are arp, upd,
        gini, popreo and poprsp.
    budget : number of trials, or time such as "90s", "5m", "1h". No trial starts if one as long as the longest so far, and the
        last fit, would not end in time; the first trial always runs.
    validation, split_by : share of `train` held out, and how (see `minirec.split`); default: by time where there is time, else
        at random per user.
    folds : in place of one validation part, this many: `minirec.folds` by time or at random, as `split_by` says; the value of a trial is
        the mean over them, and each trial takes as many fits.
    test : events like those that the model is for, such as the test events. What it learns and what is chosen does not depend on them;
        only their items are compared with those of validation, by `item_shift`: a DataWarning says if they differ by more than chance.
    sampler : "random", or "optuna" for its TPE sampler (extra `tune`).
    callback : called with each Trial as it ends.

    A setting that fails (diverged, too large for the memory budget, refused) is a failed trial with its error, not an end.
    """
    train = as_dataset(train, "train")
    test = None if test is None else as_dataset(test, "test")
    base = model() if isinstance(model, type) else model
    ranges = _checked_space(base, space)
    trials_left, seconds_left = _budget(budget)
    name, ks = _metric(metric)
    if sampler not in SAMPLERS:
        raise ParameterError(f"sampler must be one of {', '.join(SAMPLERS)}, got {sampler!r}")
    how = split_by or ("time" if train.timestamp is not None else "random")
    if how not in ("time", "random", "leave-last"):
        raise ParameterError(f"split_by must be time, random or leave-last, got {how!r}")
    if folds is not None and how == "leave-last":
        raise ParameterError("folds go with split_by='time' or 'random': there is one last item")
    if folds is None:
        learned, held_out = split(train, how, test=validation, seed=seed)
        parts = [(learned, held_out)]
    else:
        parts = make_folds(train, folds, how, seed=seed)
    shift = None if test is None else item_shift(parts[-1][1], test, seed=seed)
    if shift is not None and shift.differs:
        warnings.warn(f"{shift}. Validation: {how} split (split_by={how!r})", DataWarning, stacklevel=2)
    suggest, tell = _optuna(ranges, metric, seed) if sampler == "optuna" else _random(ranges, seed)
    given = base.get_params()

    start = perf_counter()
    trials: list[Trial] = []
    while len(trials) < trials_left:
        longest = max((trial.seconds for trial in trials[1:] or trials), default=0.0)  # the first may have compiled kernels
        if trials and perf_counter() - start + 2.0 * longest > seconds_left:
            break
        params = suggest() if trials else {parameter: given[parameter] for parameter in ranges}
        trial = _try(base, params, parts, name, ks, metric, seed)
        if trials:
            tell(trial)
        trials.append(trial)
        if callback is not None:
            callback(trial)
    sign = -1.0 if _minimised(metric) else 1.0
    good = [trial for trial in trials if trial.value is not None]
    if not good:
        raise ModelFitError(f"all {len(trials)} trials failed; the first: {trials[0].error}")
    best = max(good, key=lambda trial: sign * (trial.value or 0.0))
    fitted = base.clone(**best.params).fit(train)
    held = sum(len(part) for _, part in parts)
    described = f"{how} split, {held / len(train):.0%} of the training events" + (f" in {folds} folds" if folds else "")
    return Tuning(fitted, best.params, best.value or 0.0, metric, tuple(trials), described, shift)


def check_search(metric: str, budget: str | int) -> None:
    """ParameterError for a metric or a budget that `tune` would refuse; before anything is read."""
    _metric(metric)
    _budget(budget)


def _try(
    base: Recommender,
    params: dict[str, Any],
    parts: Sequence[tuple[Dataset, Dataset]],
    name: str,
    ks: tuple[int, ...],
    metric: str,
    seed: int,
) -> Trial:
    """The mean over the validation parts; a part without a value fails the trial."""
    start = perf_counter()
    values = []
    for train, held_out in parts:
        try:
            candidate = base.clone(**params).fit(train)
            found = evaluate({"candidate": candidate}, train, held_out, k=ks, metrics=[name], seed=seed).to_dict()["candidate"]
        except (ModelFitError, MemoryBudgetError, ParameterError, DataError) as error:
            return Trial(params, None, perf_counter() - start, f"{type(error).__name__}: {error}")
        value = found.get(metric)
        if value is None or not math.isfinite(value):
            return Trial(params, None, perf_counter() - start, f"{metric} has no value for this model on this validation set")
        values.append(value)
    return Trial(params, math.fsum(values) / len(values), perf_counter() - start)


def _checked_space(base: Recommender, space: Space | None) -> Space:
    ranges = base.search_space if space is None else space
    if not ranges:
        raise ParameterError(f"{type(base).__name__} has no default search space: pass space={{'parameter': (low, high, 'log')}}")
    base.clone(**dict.fromkeys(ranges))  # refuses unknown names
    for name, values in ranges.items():
        if isinstance(values, tuple) and len(values) == 3 and values[2] in SCALES:
            low, high, scale = values
            if not low <= high or (scale == "log" and low <= 0):
                raise ParameterError(f"space of {name}: needs low <= high{', above 0 for log' if scale == 'log' else ''}, got {values!r}")
        elif isinstance(values, str) or not len(values):
            raise ParameterError(f"space of {name}: give (low, high, 'log' | 'linear' | 'int') or a list of choices, got {values!r}")
    return ranges


def _budget(budget: str | int) -> tuple[float, float]:
    """Most trials and most seconds."""
    if isinstance(budget, int) and not isinstance(budget, bool) and budget >= 1:
        return budget, math.inf
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh])\s*", budget) if isinstance(budget, str) else None
    if match is None:
        raise ParameterError(f"budget must be a number of trials or a time such as '90s', '5m', '1h', got {budget!r}")
    return math.inf, float(match[1]) * _UNITS[match[2]]


def _metric(metric: str) -> tuple[str, tuple[int, ...]]:
    """The metric's name without its k, and k."""
    name, at, k = metric.partition("@")
    if at and (not k.isdecimal() or int(k) < 1):
        raise ParameterError(f"metric must be such as 'ndcg@20' or 'tail.recall@20', got {metric!r}")
    if not at and name not in ("rmse", "mae", "accuracy"):
        raise ParameterError(f"metric {metric!r} needs the length of the lists, such as {metric}@20")
    if at:
        expand([name])  # refuses unknown names
    return name, (int(k) if at else 10,)


def _minimised(metric: str) -> bool:
    return metric.partition("@")[0].rpartition(".")[2] in LOWER_IS_BETTER


def _random(ranges: Space, seed: int) -> tuple[Callable[[], dict[str, Any]], Callable[[Trial], object]]:
    rng = np.random.default_rng(seed)

    def draw(values: Range) -> Any:
        if not (isinstance(values, tuple) and len(values) == 3 and values[2] in SCALES):
            return values[int(rng.integers(len(values)))]
        low, high, scale = values
        if scale == "log":
            return float(math.exp(rng.uniform(math.log(low), math.log(high))))
        return int(rng.integers(int(low), int(high) + 1)) if scale == "int" else float(rng.uniform(low, high))

    return lambda: {name: draw(values) for name, values in ranges.items()}, lambda trial: None


def _optuna(ranges: Space, metric: str, seed: int) -> tuple[Callable[[], dict[str, Any]], Callable[[Trial], object]]:
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("optuna", "tune", "sampler='optuna'") from None
    # a name, not the value, is what Optuna sees of a choice: it takes only plain values, and a choice may be anything
    distributions: dict[str, Any] = {}
    for name, values in ranges.items():
        if isinstance(values, tuple) and len(values) == 3 and values[2] in SCALES:
            low, high, scale = values
            if scale == "int":
                distributions[name] = optuna.distributions.IntDistribution(int(low), int(high))
            else:
                distributions[name] = optuna.distributions.FloatDistribution(low, high, log=scale == "log")
        else:
            distributions[name] = optuna.distributions.CategoricalDistribution(list(range(len(values))))
    logging = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(
            direction="minimize" if _minimised(metric) else "maximize", sampler=optuna.samplers.TPESampler(seed=seed)
        )
    finally:
        optuna.logging.set_verbosity(logging)
    asked: list[Any] = []

    def suggest() -> dict[str, Any]:
        asked.append(study.ask(distributions))
        chosen = asked[-1].params
        return {
            name: ranges[name][chosen[name]]
            if isinstance(distributions[name], optuna.distributions.CategoricalDistribution)
            else chosen[name]
            for name in ranges
        }

    def tell(trial: Trial) -> None:
        if trial.value is None:
            study.tell(asked[-1], state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(asked[-1], trial.value)

    return suggest, tell


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""Which models a run tries by default, what they may cost, and the settings that lie around a setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..data.dataset import Dataset
from ..models.contract.recommender import Recommender
from ..models.contract.registry import model_class
from ..models.forms.content import ContentModel
from ..options import memory_budget

REFERENCES = ("popularity", "random")  # models that do not look at the user
ALWAYS = (*REFERENCES, "itemknn")  # part of every default run, whatever the budget
DEFAULT_MODELS = (*ALWAYS, "rp3beta", "ease", "dan", "als", "graphblend", "sasrec")  # in the order in which they are tried
BLEND = "blend"  # of the best two, once they are known
IN_PLACE = {"ease": "sansa"}  # tried where the first does not fit
CONTENT_MODELS = ("contentknn", "l3ae")  # join where items have vectors
START: Mapping[str, Mapping[str, Any]] = {"rp3beta": {"beta": 0.3}}  # where the search begins, if not at the defaults
SEARCHED: Mapping[str, tuple[str, ...]] = {  # the parameters that decide most; of other models all of their search space
    "itemknn": ("neighbors", "shrinkage"),
    "rp3beta": ("beta", "alpha", "neighbors"),
    "ease": ("regularization",),
    "dan": ("regularization", "alpha", "beta", "dropout"),
    "als": ("regularization", "alpha0"),
    "sansa": ("regularization", "length_exponent", "neighbors"),
    "graphblend": ("length_exponent", "neighbors", "tail_exponent", "weight"),
    "l3ae": ("regularization", "content_weight"),
    "blend": ("weight", "tail_exponent"),
    "popularity": (),
}
WEIGHTED: Mapping[str, Mapping[str, Any]] = {  # what makes these models use weights: by default they do not
    "als": {"alpha": 1.0},
    "itemknn": {"use_weights": True},
    "userknn": {"use_weights": True},
}
FLOPS = 1.5e10  # a second, on two modest cores: estimates of time before the first fit
SHORT = 5  # the median length of histories that a sequence model needs


class Shape(NamedTuple):
    """The size of the events that a model is fitted on."""

    users: int
    items: int
    events: int
    median: float  # distinct items a user
    times: bool
    squares: float  # sum over users of (items)^2, the pairs that co-occur

    @classmethod
    def of(cls, events: Dataset) -> Shape:
        """That of a data set."""
        counts = events.matrix.counts().astype(np.float64)
        times = events.timestamp is not None
        return cls(events.n_users, events.n_items, len(events), float(np.median(counts)), times, float((counts**2).sum()))


def make(name: str, params: Mapping[str, Any], seed: int) -> Recommender:
    """The model with its parameters, checked; `seed` goes to it where it has one."""
    model = model_class(name)()
    given = {"seed": seed} if "seed" in model.get_params() else {}
    model = model.clone(**(given | dict(params)))
    model._check()  # a bad value is refused before the work
    return model


def reads_content(model: Recommender) -> bool:
    """Whether a model, with its settings, reads the vectors of items."""
    return isinstance(model, ContentModel) and model._reads_content


def cannot_run(model: Recommender, events: Dataset, shape: Shape, seconds_left: float, *, named: bool) -> str | None:
    """Why a model is left out before any work, or None. `named` : the user asked for it; then its time and data do not count."""
    if reads_content(model) and not any(column.ndim == 2 for column in events.item_features.values()):
        return "reads vectors of the items, and there are none (text=..., --text A,B, makes some)"
    need, budget = model.estimate_memory(events), memory_budget()
    if need > budget:
        return (
            f"needs about {need / 1e9:.2f} GB for {events.n_users:,} users and {events.n_items:,} items, while the budget for a "
            f"model is {budget / 1e9:.2f} GB (memory=..., --memory 8GB, raises it)"
        )
    if named:
        return None
    if model._ordered and not shape.times:
        return "goes by the order of events, and they have no times"
    if model._ordered and shape.median < SHORT:
        return f"needs histories: half of the users have fewer than {SHORT} items"
    width = model._content_width(events) if isinstance(model, ContentModel) and reads_content(model) else 0
    expected = seconds_expected(model.name, shape, width)
    if expected > seconds_left:
        return f"would take about {expected:,.0f} s of the {seconds_left:,.0f} s that are left (budget=..., --budget 30m, raises them)"
    return None


def seconds_expected(name: str, shape: Shape, width: int = 0) -> float:
    """A rough estimate of a fit and its ranking, in seconds; 0 where both are known to be short. `width` : of the vectors of items."""
    few = float(min(shape.users, shape.items))
    if name in ("ease", "dan", "edlae", "rdlae"):
        return float(2 * few**3 + 2 * few * shape.squares**0.5 * few) / FLOPS
    if name in CONTENT_MODELS:
        return 2.0 * shape.items**2 * width / FLOPS
    if name in ("sansa", "graphblend"):
        return shape.squares / 1e8
    if name == "sasrec":
        tokens = min(shape.events, 50 * shape.users)
        return 40 * tokens * 64 * (6.0 * shape.items + 5000) / FLOPS
    return 0.0


class Climb:
    """The settings around those that were tried: a ladder of values a parameter, one step at a time.

    `given` : parameters that are the user's and stay.
    """

    def __init__(self, model: Recommender, given: Mapping[str, Any]) -> None:
        space, values = model.search_space, model.get_params()
        names = [name for name in SEARCHED.get(model.name, tuple(space)) if name in space and name not in given]
        self.ladders = {name: ladder(space[name], values[name]) for name in names}
        self._tried: set[tuple[Any, ...]] = {self._place(model)}

    def _place(self, model: Recommender) -> tuple[Any, ...]:
        values = model.get_params()
        return tuple(values[name] for name in self.ladders)

    def step(self, model: Recommender) -> Recommender | None:
        """A setting one step from this one that was not tried yet: up and down the first parameter, then the next; None: all were."""
        here = model.get_params()
        for reach in (1, -1):
            for name, values in self.ladders.items():
                at = values.index(here[name]) + reach if here[name] in values else -1
                if 0 <= at < len(values):
                    other = model.clone(**{name: values[at]})
                    if self._place(other) not in self._tried:
                        self._tried.add(self._place(other))
                        return other
        return None


def ladder(values: Any, default: Any) -> list[Any]:
    """The values of a parameter to try, ascending, the default among them.

    A range (low, high, "log") gives default x 3^j; "linear" steps of a fifth of the range; "int" default x 2^j; choices give themselves.
    """
    if not (isinstance(values, tuple) and len(values) == 3 and values[2] in ("log", "linear", "int")):
        return list(values) if default in values else [default, *values]
    if isinstance(default, bool) or not isinstance(default, (int, float)):
        return [default]
    low, high, scale = values
    found: list[Any]
    if scale == "linear":
        step = (high - low) / 5
        found = [round(default + step * j, 6) for j in range(-5, 6)]
    elif scale == "log":
        found = [float(f"{default * 3.0**j:.6g}") for j in range(-6, 7)]
    else:
        found = [round(default * 2.0**j) for j in range(-6, 7)]
    return sorted({value for value in found if low <= value <= high} | {default})


def labelled(model: Recommender, start: Recommender) -> str:
    """ "rp3beta beta=0.45": the model with what differs from where its search began."""
    first = start.get_params()
    changed = [f"{name}={value!r}" for name, value in model.get_params().items() if first[name] != value]
    return " ".join([model.name, *changed])

"""The arguments of a run, checked before anything is read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ParameterError
from ..models.contract.registry import model_class
from ..models.forms.content import ContentModel
from .candidates import DEFAULT_MODELS, IN_PLACE, START, WEIGHTED, make
from .choice import PREFERENCES, PRICE
from .content import ENCODERS
from .parts import SPLITS
from .weights import WEIGHTS

BUDGET = "3m"  # of a run that was given no models
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Arguments:
    """What `run` was asked for. `names` : the models; `named` : whether the user named them; `seconds` : of the search, 0: none."""

    source: Any
    out: Path
    names: list[str]
    named: bool
    params: dict[str, dict[str, Any]]
    k: tuple[int, ...]
    split: str | None
    test: float
    seed: int
    weights: str
    target: tuple[str, ...]
    include_seen: bool
    prefer: str
    price: float
    seconds: float
    text: list[str] | None
    encoder: str
    limits: dict[str, Any]
    reader: dict[str, Any]
    trials: dict[str, Any] | None
    given: dict[str, Any] = field(repr=False)

    def start(self, name: str) -> dict[str, Any]:
        """The parameters that a model begins with: the user's, and for a default run where its search begins.

        Where pairs count differently, models that can use that do.
        """
        weighted = WEIGHTED.get(name, {}) if self.weights != "binary" else {}
        return {**({} if self.named else START.get(name, {})), **weighted, **self.params.get(name, {})}

    def cleaning(self) -> dict[str, Any]:
        """What `clean` gets."""
        return self.limits

    def plain(self) -> dict[str, Any]:
        """The arguments as JSON holds them; what was not given is left out, and a table in memory is only named."""
        given = {name: value for name, value in self.given.items() if value is not None and value != ()}
        source = given.get("source")
        if source is not None and not isinstance(source, str):
            given["source"] = str(source) if isinstance(source, Path) else {"in memory": type(source).__name__}
        given.pop("trials", None)
        plain: dict[str, Any] = json.loads(json.dumps(given, default=str))
        return plain


def checked(given: dict[str, Any], out: str | Path, reader: dict[str, Any], limits: dict[str, Any]) -> Arguments:
    """The arguments; ParameterError for all that can be told before the work. The folder is made."""
    models = given["models"]
    named = models is not None
    names = list(DEFAULT_MODELS) if models is None else list(dict.fromkeys([models] if isinstance(models, str) else models))
    if not names:
        raise ParameterError("run needs at least one model")
    names = list(dict.fromkeys(model_class(name).name for name in names))
    params = {model_class(name).name: dict(values) for name, values in (given["params"] or {}).items()}
    known = names if named else [*names, *IN_PLACE.values()]
    for name in params:
        if name not in known and not issubclass(model_class(name), ContentModel):  # of models of content the data will tell
            raise ParameterError(f"params are given for {name!r}, which is not among the models: {', '.join(names)}")
    for option, choices in (("split", SPLITS), ("weights", WEIGHTS), ("encoder", ENCODERS), ("prefer", PREFERENCES)):
        if given[option] not in (None, *choices):
            raise ParameterError(f"{option} must be one of {', '.join(choices)}, got {given[option]!r}")
    k = given["k"]
    lengths = [k] if isinstance(k, int) else list(k)
    if not lengths or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in lengths):
        raise ParameterError(f"k takes whole numbers of at least 1, got {lengths}")
    price = PRICE if given["price"] is None else given["price"]
    if isinstance(price, bool) or not isinstance(price, (int, float)) or not 0 <= price < 1:
        raise ParameterError(f"price is a share of at least 0 and below 1, got {price!r}")
    if not isinstance(given["test"], (int, float)) or not 0 < given["test"] < 1:
        raise ParameterError(f"test is a share above 0 and below 1, got {given['test']!r}")
    target = given["target"]
    arguments = Arguments(
        source=given["source"], out=_folder(out), names=names, named=named, params=params, k=tuple(sorted(set(lengths))),
        split=given["split"], test=given["test"], seed=given["seed"], weights=given["weights"],
        target=() if target is None else (target,) if isinstance(target, str) else tuple(target),
        include_seen=bool(given["include_seen"]), prefer=given["prefer"], price=float(price),
        seconds=_seconds(given["budget"], named), text=None if given["text"] is None else list(given["text"]), encoder=given["encoder"],
        limits=limits, reader=reader, trials=given["trials"],
        given=given | {"k": lengths, "models": names if named else None} | limits | reader,
    )  # fmt: skip
    for name in {*names, *params}:
        make(name, arguments.start(name), arguments.seed)  # an unknown name or a bad value is refused here
    return arguments


def _seconds(budget: str | float | None, named: bool) -> float:
    """Seconds of the search; 0: no search."""
    if budget is None:
        budget = 0 if named else BUDGET
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", str(budget))
    if match is None or isinstance(budget, bool):
        raise ParameterError(f"budget must be a time such as '90s', '3m', '1h', or 0 for no search, got {budget!r}")
    return float(match[1]) * _UNITS[match[2] or "s"]


def _folder(out: str | Path) -> Path:
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParameterError(f"cannot write to the folder {folder}: {error.strerror or error}") from None
    if not os.access(folder, os.W_OK):
        raise ParameterError(f"cannot write to the folder {folder}: permission denied")
    return folder


def as_list(values: Iterable[str] | str | None) -> list[str] | None:
    """Names as a list; one name alone is one."""
    return None if values is None else [values] if isinstance(values, str) else list(values)


def as_params(params: Mapping[str, Mapping[str, Any]] | None) -> dict[str, dict[str, Any]] | None:
    """{model: {parameter: value}} as plain dictionaries."""
    return None if params is None else {name: dict(values) for name, values in params.items()}

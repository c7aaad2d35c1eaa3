"""Checks of hyper-parameters, used by the models' `_check`: each names the parameter, what it must be, and what it was."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from ...errors import ParameterError


def whole(name: str, value: Any, low: int = 1, high: int | None = None) -> None:
    """A whole number of at least `low` and at most `high`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < low or (high is not None and int(value) > high):
        most = "" if high is None else f" and at most {high}"
        raise ParameterError(f"{name} must be a whole number of at least {low}{most}, got {value!r}")


def number(
    name: str, value: Any, low: float = -math.inf, high: float = math.inf, *, above: float = -math.inf, below: float = math.inf
) -> None:
    """A finite number in [low, high], above `above` and below `below`."""
    good = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value) and low <= float(value) <= high
    if not good or not above < float(value) < below:
        limits = [f"above {above:g}"] if above > -math.inf else [f"at least {low:g}"] if low > -math.inf else []
        limits += [f"below {below:g}"] if below < math.inf else [f"at most {high:g}"] if high < math.inf else []
        raise ParameterError(f"{name} must be a finite number{' ' if limits else ''}{' and '.join(limits)}, got {value!r}")


def choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """One of the listed values."""
    if value not in choices:
        raise ParameterError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")

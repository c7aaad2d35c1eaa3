"""Models that are made of other models of the registry, each given by its name and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ParameterError
from ..contract.recommender import Recommender
from ..contract.registry import MODELS, model_class

Settings = Mapping[str, Any] | None


def check_name(parameter: str, name: Any) -> None:
    """The name of a registered model."""
    if not isinstance(name, str) or name not in MODELS:
        raise ParameterError(f"{parameter} must name a model, got {name!r}; there are {', '.join(MODELS)}")


def check_settings(parameter: str, settings: Any) -> None:
    """None, or a dictionary {name: value}; the model that it is for checks what is in it."""
    if settings is not None and not (isinstance(settings, Mapping) and all(isinstance(name, str) for name in settings)):
        raise ParameterError(f"{parameter} must be None or a dictionary {{name: value}}, got {settings!r}")


def part(name: str, settings: Settings, seed: int | None) -> Recommender:
    """The unfitted model of this name, its parameters checked. The seed goes to it where it has one and the settings do not set it.

    Raises ParameterError for a parameter that it does not have or cannot use.
    """
    model = model_class(name)()
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in (settings or {}).items()}  # JSON has no tuples
    model = model.clone(**({"seed": seed} if "seed" in model.get_params() else {}) | given)
    model._check()
    return model

"""The models, and the registry of all of them: a model that is not in it does not exist."""

from __future__ import annotations

from ..errors import ParameterError
from .base import Explanation, Part, Recommender
from .ease import EASE
from .neighbours import ItemKNN, UserKNN
from .persistence import load_model
from .popularity import Popularity, Random
from .recommendations import Recommendations
from .slim import SLIM
from .walks import P3alpha, RP3beta

MODELS: dict[str, type[Recommender]] = {cls.name: cls for cls in (Popularity, Random, ItemKNN, UserKNN, P3alpha, RP3beta, EASE, SLIM)}


def model_class(name: str) -> type[Recommender]:
    """The class registered under a name such as "als"."""
    if name not in MODELS:
        raise ParameterError(f"unknown model {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]


__all__ = [
    "EASE",
    "MODELS",
    "SLIM",
    "Explanation",
    "ItemKNN",
    "P3alpha",
    "Part",
    "Popularity",
    "RP3beta",
    "Random",
    "Recommendations",
    "Recommender",
    "UserKNN",
    "load_model",
    "model_class",
]

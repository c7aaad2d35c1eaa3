"""The models, and the registry of all of them: a model that is not in it does not exist."""

from __future__ import annotations

from ..errors import ParameterError
from .base import Explanation, Part, Recommender
from .popularity import Popularity, Random
from .recommendations import Recommendations

MODELS: dict[str, type[Recommender]] = {cls.name: cls for cls in (Popularity, Random)}


def model_class(name: str) -> type[Recommender]:
    """The class registered under a name such as "als"."""
    if name not in MODELS:
        raise ParameterError(f"unknown model {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]


__all__ = ["MODELS", "Explanation", "Part", "Popularity", "Random", "Recommendations", "Recommender", "model_class"]

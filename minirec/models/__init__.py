"""The models. Each is imported on first use; `contract/registry.py` knows where it stands."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .contract.registry import MODELS, PLACES, model_class, register

_MODULE_OF = {place.partition(":")[2]: f"minirec.{place.partition(':')[0]}" for place in PLACES.values()} | {
    "Explanation": "minirec.models.contract.explanation",
    "Part": "minirec.models.contract.explanation",
    "Recommendations": "minirec.models.contract.recommendations",
    "Recommender": "minirec.models.contract.recommender",
    "load_model": "minirec.models.contract.files",
}

__all__ = ["MODELS", "model_class", "register", *_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'minirec.models' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

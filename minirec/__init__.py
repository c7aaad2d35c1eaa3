"""minirec: a recommender engine for the long tail, on NumPy and SciPy, with Numba as an option.

Public names are imported on first use, so that `import minirec` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

from .options import options, options_in_force

_WHERE = {
    "data": ("Dataset", "Groups", "clean", "datasets", "describe", "download", "load", "popularity_groups", "read", "split", "synthetic"),
    "models": (
        "ALS", "BPR", "EASE", "MODELS", "SLIM", "WARP", "BiasedMF", "ItemKNN", "LogisticMF", "P3alpha", "Popularity", "RP3beta", "Random",
        "Recommendations", "Recommender", "SVDpp", "UserKNN", "load_model", "model_class",
    ),
    "evaluation": ("Result", "evaluate", "evaluate_sampled", "tune"),
    "pipeline": ("run",),
    "models.warmup": ("warmup",),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = ["__version__", "options", "options_in_force", *_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'minirec' has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:  # the same names for type checkers; tests/test_import.py holds the two lists together
    from .data import Dataset, Groups, clean, datasets, describe, download, load, popularity_groups, read, split, synthetic
    from .evaluation import Result, evaluate, evaluate_sampled, tune
    from .models import (
        ALS,
        BPR,
        EASE,
        MODELS,
        SLIM,
        WARP,
        BiasedMF,
        ItemKNN,
        LogisticMF,
        P3alpha,
        Popularity,
        Random,
        Recommendations,
        Recommender,
        RP3beta,
        SVDpp,
        UserKNN,
        load_model,
        model_class,
    )
    from .models.warmup import warmup
    from .pipeline import run

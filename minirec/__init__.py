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
    "features": (
        "AudioFeatures", "Fuse", "ImageFeatures", "LanguageModel", "Precomputed", "StaticEmbedding", "TfidfLSA", "add_content",
        "cached", "whiten",
    ),
    "models": (
        "ALS", "BPR", "BSPM", "DAN", "DIN", "EASE", "EDLAE", "FMLP", "GFCF", "GMF", "L3AE", "MLP", "MODELS", "RDLAE", "SANSA", "SLIM",
        "WARP", "AbsorbingCost", "AbsorbingTime", "AlphaRec", "BiasedMF", "Caser", "ChebyCF", "ColdMap", "ContentKNN",
        "FactorizationMachine", "FeatureALS", "GRU4Rec", "GraphBlend", "HittingTime", "Hybrid", "ItemKNN", "LightGCN", "LogisticMF",
        "MultDAE", "MultVAE", "NeuMF", "NextItNet", "P3alpha", "PersonalizedPageRank", "Popularity", "RP3beta", "Random",
        "Recommendations", "Recommender", "SASRec", "SVDpp", "SoftmaxMF", "TurboCF", "UltraGCN", "UserKNN", "load_model", "model_class",
    ),
    "evaluation": ("Result", "evaluate", "evaluate_new_items", "evaluate_sampled", "item_shift", "tune"),
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
    from .data import Dataset as Dataset
    from .data import Groups as Groups
    from .data import clean as clean
    from .data import datasets as datasets
    from .data import describe as describe
    from .data import download as download
    from .data import load as load
    from .data import popularity_groups as popularity_groups
    from .data import read as read
    from .data import split as split
    from .data import synthetic as synthetic
    from .evaluation import Result as Result
    from .evaluation import evaluate as evaluate
    from .evaluation import evaluate_new_items as evaluate_new_items
    from .evaluation import evaluate_sampled as evaluate_sampled
    from .evaluation import item_shift as item_shift
    from .evaluation import tune as tune
    from .features import AudioFeatures as AudioFeatures
    from .features import Fuse as Fuse
    from .features import ImageFeatures as ImageFeatures
    from .features import LanguageModel as LanguageModel
    from .features import Precomputed as Precomputed
    from .features import StaticEmbedding as StaticEmbedding
    from .features import TfidfLSA as TfidfLSA
    from .features import add_content as add_content
    from .features import cached as cached
    from .features import whiten as whiten
    from .models import ALS as ALS
    from .models import BPR as BPR
    from .models import BSPM as BSPM
    from .models import DAN as DAN
    from .models import DIN as DIN
    from .models import EASE as EASE
    from .models import EDLAE as EDLAE
    from .models import FMLP as FMLP
    from .models import GFCF as GFCF
    from .models import GMF as GMF
    from .models import L3AE as L3AE
    from .models import MLP as MLP
    from .models import MODELS as MODELS
    from .models import RDLAE as RDLAE
    from .models import SANSA as SANSA
    from .models import SLIM as SLIM
    from .models import WARP as WARP
    from .models import AbsorbingCost as AbsorbingCost
    from .models import AbsorbingTime as AbsorbingTime
    from .models import AlphaRec as AlphaRec
    from .models import BiasedMF as BiasedMF
    from .models import Caser as Caser
    from .models import ChebyCF as ChebyCF
    from .models import ColdMap as ColdMap
    from .models import ContentKNN as ContentKNN
    from .models import FactorizationMachine as FactorizationMachine
    from .models import FeatureALS as FeatureALS
    from .models import GraphBlend as GraphBlend
    from .models import GRU4Rec as GRU4Rec
    from .models import HittingTime as HittingTime
    from .models import Hybrid as Hybrid
    from .models import ItemKNN as ItemKNN
    from .models import LightGCN as LightGCN
    from .models import LogisticMF as LogisticMF
    from .models import MultDAE as MultDAE
    from .models import MultVAE as MultVAE
    from .models import NeuMF as NeuMF
    from .models import NextItNet as NextItNet
    from .models import P3alpha as P3alpha
    from .models import PersonalizedPageRank as PersonalizedPageRank
    from .models import Popularity as Popularity
    from .models import Random as Random
    from .models import Recommendations as Recommendations
    from .models import Recommender as Recommender
    from .models import RP3beta as RP3beta
    from .models import SASRec as SASRec
    from .models import SoftmaxMF as SoftmaxMF
    from .models import SVDpp as SVDpp
    from .models import TurboCF as TurboCF
    from .models import UltraGCN as UltraGCN
    from .models import UserKNN as UserKNN
    from .models import load_model as load_model
    from .models import model_class as model_class
    from .models.warmup import warmup as warmup
    from .pipeline import run as run

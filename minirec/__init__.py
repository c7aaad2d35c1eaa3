"""minirec: a recommender engine for the long tail, on NumPy and SciPy, with Numba as an option.

Public names are imported on first use, so that `import minirec` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .options import options, options_in_force

_WHERE = {
    "data": (
        "Dataset", "Groups", "clean", "datasets", "describe", "download", "folds", "load", "popularity_groups", "read", "split",
        "synthetic",
    ),
    "features": (
        "AudioFeatures", "Fuse", "ImageFeatures", "LanguageModel", "Precomputed", "StaticEmbedding", "TfidfLSA", "add_content",
        "cached", "whiten",
    ),
    "models": (
        "ALS", "BPR", "BSPM", "DAN", "DIN", "EASE", "EDLAE", "FMLP", "GFCF", "GMF", "L3AE", "MLP", "MODELS", "RDLAE", "SANSA", "SLIM",
        "WARP", "AbsorbingCost", "AbsorbingTime", "Adjusted", "AlphaRec", "BiasedMF", "Blend", "Caser", "ChebyCF", "ColdMap", "ContentKNN",
        "FactorizationMachine", "FeatureALS", "GRU4Rec", "GraphBlend", "HittingTime", "Hybrid", "ItemKNN", "LightGCN", "LogisticMF",
        "MultDAE", "MultVAE", "NeuMF", "NextItNet", "P3alpha", "PersonalizedPageRank", "Popularity", "RP3beta", "Random",
        "Recommendations", "Recommender", "SASRec", "SVDpp", "SoftmaxMF", "TurboCF", "UltraGCN", "UserKNN", "load_model", "model_class",
        "register",
    ),
    "evaluation": ("Result", "evaluate", "evaluate_new_items", "evaluate_sampled", "item_shift", "tune"),
    "audit": ("audit",),
    "longtail": ("rerank",),
    "simulation": ("simulate",),
    "pipeline": ("run",),
    "models.contract.warmup": ("warmup",),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}
_ROOMS = ("metrics",)  # rooms that are public as they are: minirec.metrics.ndcg

__all__ = ["__version__", "options", "options_in_force", *_MODULE_OF, *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'minirec' has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:  # the same names for type checkers; tests/test_import.py holds the two lists together
    from . import metrics as metrics
    from .audit import audit as audit
    from .data import Dataset as Dataset
    from .data import Groups as Groups
    from .data import clean as clean
    from .data import datasets as datasets
    from .data import describe as describe
    from .data import download as download
    from .data import folds as folds
    from .data import load as load
    from .data import popularity_groups as popularity_groups
    from .data import read as read
    from .data import split as split
    from .data.sources import synthetic as synthetic
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
    from .longtail import rerank as rerank
    from .longtail.blend import Adjusted as Adjusted
    from .longtail.blend import Blend as Blend
    from .longtail.graph_blend import GraphBlend as GraphBlend
    from .models.baselines.popularity import Popularity as Popularity
    from .models.baselines.popularity import Random as Random
    from .models.content.alpharec import AlphaRec as AlphaRec
    from .models.content.cold_map import ColdMap as ColdMap
    from .models.content.content_knn import ContentKNN as ContentKNN
    from .models.content.feature_als import FeatureALS as FeatureALS
    from .models.content.hybrid import Hybrid as Hybrid
    from .models.content.l3ae import L3AE as L3AE
    from .models.contract.files import load_model as load_model
    from .models.contract.recommendations import Recommendations as Recommendations
    from .models.contract.recommender import Recommender as Recommender
    from .models.contract.registry import MODELS as MODELS
    from .models.contract.registry import model_class as model_class
    from .models.contract.registry import register as register
    from .models.contract.warmup import warmup as warmup
    from .models.factorization.als import ALS as ALS
    from .models.factorization.bpr import BPR as BPR
    from .models.factorization.bpr import WARP as WARP
    from .models.factorization.fm import FactorizationMachine as FactorizationMachine
    from .models.factorization.logistic import LogisticMF as LogisticMF
    from .models.factorization.rating import BiasedMF as BiasedMF
    from .models.factorization.rating import SVDpp as SVDpp
    from .models.factorization.softmax_mf import SoftmaxMF as SoftmaxMF
    from .models.graphs.graph_filters import BSPM as BSPM
    from .models.graphs.graph_filters import GFCF as GFCF
    from .models.graphs.graph_filters import ChebyCF as ChebyCF
    from .models.graphs.lightgcn import LightGCN as LightGCN
    from .models.graphs.turbocf import TurboCF as TurboCF
    from .models.graphs.ultragcn import UltraGCN as UltraGCN
    from .models.linear.ease import DAN as DAN
    from .models.linear.ease import EASE as EASE
    from .models.linear.ease import EDLAE as EDLAE
    from .models.linear.ease import RDLAE as RDLAE
    from .models.linear.sansa import SANSA as SANSA
    from .models.linear.slim import SLIM as SLIM
    from .models.neighbors.knn import ItemKNN as ItemKNN
    from .models.neighbors.knn import UserKNN as UserKNN
    from .models.neural.multvae import MultDAE as MultDAE
    from .models.neural.multvae import MultVAE as MultVAE
    from .models.neural.neumf import GMF as GMF
    from .models.neural.neumf import MLP as MLP
    from .models.neural.neumf import NeuMF as NeuMF
    from .models.sequences.caser import Caser as Caser
    from .models.sequences.din import DIN as DIN
    from .models.sequences.fmlp import FMLP as FMLP
    from .models.sequences.gru4rec import GRU4Rec as GRU4Rec
    from .models.sequences.nextitnet import NextItNet as NextItNet
    from .models.sequences.sasrec import SASRec as SASRec
    from .models.walks.absorbing import AbsorbingCost as AbsorbingCost
    from .models.walks.absorbing import AbsorbingTime as AbsorbingTime
    from .models.walks.absorbing import HittingTime as HittingTime
    from .models.walks.pagerank import PersonalizedPageRank as PersonalizedPageRank
    from .models.walks.rp3beta import P3alpha as P3alpha
    from .models.walks.rp3beta import RP3beta as RP3beta
    from .pipeline import run as run
    from .simulation import simulate as simulate

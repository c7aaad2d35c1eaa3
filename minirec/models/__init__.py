"""The models, and the registry of all of them: a model that is not in it does not exist."""

from __future__ import annotations

from ..errors import ParameterError
from .alpharec import AlphaRec
from .als import ALS
from .base import Explanation, Part, Recommender
from .bpr import BPR, WARP
from .caser import Caser
from .cold_map import ColdMap
from .content_knn import ContentKNN
from .din import DIN
from .ease import DAN, EASE, EDLAE, RDLAE
from .feature_als import FeatureALS
from .fm import FactorizationMachine
from .fmlp import FMLP
from .graph_blend import GraphBlend
from .graph_filters import BSPM, GFCF, ChebyCF
from .gru4rec import GRU4Rec
from .hitting import AbsorbingCost, AbsorbingTime, HittingTime
from .hybrid import Hybrid
from .l3ae import L3AE
from .lightgcn import LightGCN
from .logistic import LogisticMF
from .multvae import MultDAE, MultVAE
from .neighbours import ItemKNN, UserKNN
from .neumf import GMF, MLP, NeuMF
from .nextitnet import NextItNet
from .pagerank import PersonalizedPageRank
from .persistence import load_model
from .popularity import Popularity, Random
from .rating import BiasedMF, SVDpp
from .recommendations import Recommendations
from .sansa import SANSA
from .sasrec import SASRec
from .slim import SLIM
from .softmax_mf import SoftmaxMF
from .turbocf import TurboCF
from .ultragcn import UltraGCN
from .walks import P3alpha, RP3beta

MODELS: dict[str, type[Recommender]] = {
    cls.name: cls
    for cls in (
        *(Popularity, Random, ItemKNN, UserKNN, P3alpha, RP3beta, SLIM, ALS, BPR, WARP, LogisticMF, LightGCN, UltraGCN),
        *(HittingTime, AbsorbingTime, AbsorbingCost, PersonalizedPageRank),
        *(EASE, EDLAE, RDLAE, DAN, SANSA),
        *(GFCF, TurboCF, ChebyCF, BSPM, GraphBlend),
        *(SASRec, GRU4Rec, NextItNet, Caser, FMLP, DIN),
        *(GMF, MLP, NeuMF, SoftmaxMF, FactorizationMachine),
        *(MultVAE, MultDAE),
        *(BiasedMF, SVDpp),
        *(ContentKNN, L3AE, FeatureALS, ColdMap, AlphaRec, Hybrid),
    )
}


def model_class(name: str) -> type[Recommender]:
    """The class registered under a name such as "als"."""
    if name not in MODELS:
        raise ParameterError(f"unknown model {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]


__all__ = [
    "ALS",
    "BPR",
    "BSPM",
    "DAN",
    "DIN",
    "EASE",
    "EDLAE",
    "FMLP",
    "GFCF",
    "GMF",
    "L3AE",
    "MLP",
    "MODELS",
    "RDLAE",
    "SANSA",
    "SLIM",
    "WARP",
    "AbsorbingCost",
    "AbsorbingTime",
    "AlphaRec",
    "BiasedMF",
    "Caser",
    "ChebyCF",
    "ColdMap",
    "ContentKNN",
    "Explanation",
    "FactorizationMachine",
    "FeatureALS",
    "GRU4Rec",
    "GraphBlend",
    "HittingTime",
    "Hybrid",
    "ItemKNN",
    "LightGCN",
    "LogisticMF",
    "MultDAE",
    "MultVAE",
    "NeuMF",
    "NextItNet",
    "P3alpha",
    "Part",
    "PersonalizedPageRank",
    "Popularity",
    "RP3beta",
    "Random",
    "Recommendations",
    "Recommender",
    "SASRec",
    "SVDpp",
    "SoftmaxMF",
    "TurboCF",
    "UltraGCN",
    "UserKNN",
    "load_model",
    "model_class",
]

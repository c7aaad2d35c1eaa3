"""Re-rankers: lists with candidates in, lists out, with what they cost."""

from .calibration import Calibration, PopularityCompensation, PropensityWeights, XQuAD
from .contract import Reranked, Reranker
from .diversity import DPP, MMR
from .exposure import EqualExposure, Exposure
from .fair_star import FAStar
from .over_time import Amortized, FairCo
from .positions import FairExposure
from .rules import Rules
from .two_sided import PMMF, CPFair, FairRec

METHODS: dict[str, type[Reranker]] = {
    cls.name: cls
    for cls in (
        *(MMR, DPP, XQuAD, Calibration, PopularityCompensation, PropensityWeights, FAStar, FairExposure),
        *(FairRec, PMMF, CPFair, Amortized, FairCo, Rules, EqualExposure, Exposure),
    )
}

__all__ = [
    "DPP", "METHODS", "MMR", "PMMF", "Amortized", "CPFair", "Calibration", "EqualExposure", "Exposure", "FAStar", "FairCo", "FairExposure",
    "FairRec", "PopularityCompensation", "PropensityWeights", "Reranked", "Reranker", "Rules", "XQuAD",
]  # fmt: skip

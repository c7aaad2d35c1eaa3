"""Protocol, metrics, intervals and significance, search of hyper-parameters."""

from .protocol import evaluate
from .result import Comparison, Difference, Result
from .sampled import evaluate_sampled
from .tuning import Tuning, tune

__all__ = ["Comparison", "Difference", "Result", "Tuning", "evaluate", "evaluate_sampled", "tune"]

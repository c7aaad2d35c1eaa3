"""Protocol, metrics, intervals and significance, search of hyper-parameters."""

from .new_items import evaluate_new_items
from .protocol import evaluate
from .result import Comparison, Difference, Result
from .sampled import evaluate_sampled
from .shift import ItemShift, item_shift
from .tuning import Tuning, tune

__all__ = [
    "Comparison",
    "Difference",
    "ItemShift",
    "Result",
    "Tuning",
    "evaluate",
    "evaluate_new_items",
    "evaluate_sampled",
    "item_shift",
    "tune",
]

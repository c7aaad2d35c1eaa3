"""Audit of any recommender: a plan, figures with intervals, verdicts, tests, and a record to sign.

The module is the function, too: `minirec.audit(lists, events)` is `minirec.audit.audit(lists, events)`.
"""

import sys
from functools import wraps
from types import ModuleType
from typing import Any

from .defaults import default_plan
from .endpoint import Endpoint
from .hashing import absent_inputs, verify
from .lists import ListTable, read_lists
from .measures import MEASURES, Measure
from .plan import Criterion, Plan, parse_plan, read_plan, to_toml
from .run import Audit, audit
from .twins import Twins, find_twins, known_by_twin
from .verdicts import CANNOT, FAIL, PASS, Finding

__all__ = [
    "CANNOT",
    "FAIL",
    "MEASURES",
    "PASS",
    "Audit",
    "Criterion",
    "Endpoint",
    "Finding",
    "ListTable",
    "Measure",
    "Plan",
    "Twins",
    "absent_inputs",
    "audit",
    "default_plan",
    "find_twins",
    "known_by_twin",
    "parse_plan",
    "read_lists",
    "read_plan",
    "to_toml",
    "verify",
]


class _CallableModule(ModuleType):
    """A room and its main function have one name; importing the room must not hide the function."""

    @wraps(audit)
    def __call__(self, *args: Any, **settings: Any) -> Audit:
        return audit(*args, **settings)


sys.modules[__name__].__class__ = _CallableModule

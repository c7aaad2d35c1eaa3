"""Where Hypothesis is not installed (the core and pytest alone), its tests are skipped and the rest of each file runs."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest


class _Anything:
    """Stands for every strategy: any attribute and any call is again one."""

    def __getattr__(self, name: str) -> _Anything:
        return self

    def __call__(self, *_args: Any, **_named: Any) -> _Anything:
        return self

    def __or__(self, other: Any) -> _Anything:
        return self


def install() -> None:
    """Put a module named hypothesis in place whose `given` skips the test it decorates."""
    anything = _Anything()
    module: Any = types.ModuleType("hypothesis")
    module.given = lambda *_args, **_named: pytest.mark.skip(reason="needs Hypothesis (the extra test)")
    module.settings = module.example = lambda *_args, **_named: lambda test: test
    module.assume = module.HealthCheck = anything
    module.strategies = anything
    sys.modules["hypothesis"] = module

"""The one decorator of all compiled kernels, and where their compiled form is kept."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np

from ..._version import __version__
from ...options import cache_folder as user_cache

F = TypeVar("F", bound=Callable[..., Any])

# The flags that let a reduction use SIMD; never "nnan" or "ninf": NaN guards must keep working.
FASTMATH = {"reassoc", "contract", "arcp", "nsz", "afn"}


@lru_cache(maxsize=1)
def cache_folder() -> Path | None:
    """Folder of the compiled kernels, or None where it cannot be written.

    Its name has a digest of all kernel sources: Numba itself does not see a change in a function of another file.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    folder = user_cache() / "kernels" / f"{__version__}-{digest.hexdigest()[:12]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None


def jit(function: F) -> F:
    """Compile on first call: releases the GIL, NumPy's division rules, cached on disk where that is possible."""
    return _compile(function, FASTMATH)


def jit_strict(function: F) -> F:
    """The same with every operation rounded as written, for kernels that compare what they compute and choose by it."""
    return _compile(function, set())


def jit_ordered(function: F) -> F:
    """The same with sums in the order written, where a product may be fused with the sum that it goes into: for sums of many rows at
    once that must not depend on which row of a group it is."""
    return _compile(function, {"contract"})


def _compile(function: F, fastmath: set[str]) -> F:
    if numba.config.DISABLE_JIT:  # a test tool: the kernels run as plain Python, and wrap as silently as compiled code does
        plain: F = np.errstate(over="ignore")(function)
        return plain
    # A function that is not inlined is compiled twice: for itself, and once more inside the cached object of each caller. The two
    # copies need not round alike (a sum may be vectorized in one of them), and which one runs depends on what was loaded first.
    # `forceinline` leaves no such copy: the first run gives the bytes of the second.
    folder = cache_folder()
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = "" if folder is None else str(folder)
    try:
        compiled: F = numba.njit(nogil=True, error_model="numpy", fastmath=fastmath, forceinline=True, cache=folder is not None)(function)
    finally:
        numba.config.CACHE_DIR = before
    return compiled

"""The one decorator of all compiled kernels, and where their compiled form is kept."""

from __future__ import annotations

import hashlib
import pickle
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core.caching import IndexDataCacheFile

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
            pass
        for left in folder.glob("*.tmp.*"):  # of processes that were killed while they wrote
            if time.time() - left.stat().st_mtime > 600:
                left.unlink(missing_ok=True)
    except OSError:
        return None
    return folder


class _CheckedFile(IndexDataCacheFile):  # type: ignore[misc]
    """The files of a kernel in the cache, each with a digest in front: what was cut short or damaged is never run."""

    def _load_data(self, name: str) -> Any:
        content = Path(self._data_path(name)).read_bytes()
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            raise ValueError(f"{name} is damaged")
        return pickle.loads(content[32:])

    def _save_data(self, name: str, data: Any) -> None:
        content = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(hashlib.sha256(content).digest() + content)


def _forgiving(compiled: Any) -> None:
    """A cache is no need: a kernel that cannot be read from it is made anew, one that cannot be written is used all the same."""
    cache = compiled._cache
    load, save = cache.load_overload, cache.save_overload
    cache._cache_file.__class__ = _CheckedFile

    def load_or_none(signature: Any, context: Any) -> Any:
        try:
            return load(signature, context)
        except Exception as error:  # whatever a damaged pickle raises
            warnings.warn(
                f"a compiled kernel in {cache.cache_path} cannot be read ({error}); it is made anew", RuntimeWarning, stacklevel=2
            )
            with suppress(OSError):
                cache.flush()
            return None

    def save_or_not(signature: Any, result: Any) -> None:
        try:
            save(signature, result)
        except OSError as error:
            warnings.warn(f"a compiled kernel is not kept in {cache.cache_path} ({error})", RuntimeWarning, stacklevel=2)

    cache.load_overload, cache.save_overload = load_or_none, save_or_not


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
        if folder is not None:
            _forgiving(compiled)
    finally:
        numba.config.CACHE_DIR = before
    return compiled

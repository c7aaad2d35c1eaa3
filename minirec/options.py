"""Settings in one place: threads, backend, folders and the memory budget.

Each setting comes from the innermost `with minirec.options(...)` block, else from its environment variable, else from a
default. Nothing outside the block is changed, and the settings of one thread are not seen by another.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .errors import ParameterError

BACKENDS = ("auto", "numpy", "numba")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_overrides: ContextVar[Mapping[str, Any]] = ContextVar("minirec_options", default=MappingProxyType({}))


@contextmanager
def options(
    *,
    threads: int | None = None,
    backend: str | None = None,
    data: str | Path | None = None,
    cache: str | Path | None = None,
    memory: int | str | None = None,
) -> Iterator[None]:
    """Change settings inside a `with` block.

    Parameters
    ----------
    threads : number of worker threads, at least 1 (`MINIREC_THREADS`; default: the CPUs this process may use).
    backend : "auto", "numpy" or "numba" (`MINIREC_BACKEND`; default auto: Numba where it is installed).
    data : folder of data sets (`MINIREC_DATA`).
    cache : folder of downloads and of compiled kernels (`MINIREC_CACHE`; default: the user's cache folder).
    memory : budget in bytes, or text such as "4GB" (`MINIREC_MEMORY`; default: 80 % of what is free now).

    >>> import minirec
    >>> with minirec.options(threads=1, backend="numpy"):
    ...     minirec.options_in_force()["backend"]
    'numpy'
    """
    given = {"threads": threads, "backend": backend, "data": data, "cache": cache, "memory": memory}
    merged = {**_overrides.get()} | {name: value for name, value in given.items() if value is not None}
    token = _overrides.set(merged)
    try:
        for name, value in given.items():
            if value is not None:
                _READERS[name]()  # a bad value is refused here, not in the middle of a fit
        yield
    finally:
        _overrides.reset(token)


def options_in_force() -> dict[str, Any]:
    """The settings that hold here and now, as a dictionary."""
    return {name: read() for name, read in _READERS.items()}


def _setting(name: str) -> Any:
    value = _overrides.get().get(name)
    return os.environ.get(f"MINIREC_{name.upper()}") or None if value is None else value


def thread_count() -> int:
    """Number of worker threads, at least 1."""
    value = _setting("threads")
    if value is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        count = int(value)
    except (TypeError, ValueError):
        count = 0
    if count < 1 or isinstance(value, (bool, float)):
        raise ParameterError(f"threads (MINIREC_THREADS) must be a whole number of at least 1, got {value!r}")
    return count


def wanted_backend() -> str:
    """The backend that is asked for: auto, numpy or numba."""
    value = _setting("backend") or "auto"
    if value not in BACKENDS:
        raise ParameterError(f"backend (MINIREC_BACKEND) must be one of {', '.join(BACKENDS)}, got {value!r}")
    return str(value)


def data_folder() -> Path | None:
    """Folder of data sets, or None where none is named."""
    value = _setting("data")
    return None if value is None else Path(value).expanduser()


def cache_folder() -> Path:
    """Folder of downloads, vectors and compiled kernels; it need not exist or be writable.

    Kernels are kept in the format of Numba, which holds pickles: nobody else may be able to write to this folder. Where the user has no
    home (a container without HOME and without an entry for the user), it is a private folder that goes with the process.
    """
    value = _setting("cache")
    if value is not None:
        return Path(value).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or os.path.join("~", ".cache")
    try:
        return Path(base).expanduser() / "minirec"
    except RuntimeError:
        return Path(_homeless().name)


@lru_cache(maxsize=1)
def _homeless() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="minirec-")


def memory_budget() -> int:
    """Memory budget in bytes."""
    value = _setting("memory")
    if value is None:
        return int(_free_memory() * 0.8)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]i?)?b?\s*", str(value).lower())
    if match is None or float(match[1]) <= 0:
        raise ParameterError(f"memory (MINIREC_MEMORY) must be a number of bytes such as 2000000000 or '2GB', got {value!r}")
    return int(float(match[1]) * _UNITS[match[2] or ""])


_READERS: dict[str, Callable[[], Any]] = {
    "threads": thread_count,
    "backend": wanted_backend,
    "data": data_folder,
    "cache": cache_folder,
    "memory": memory_budget,
}


def _free_memory() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 4 * 2**30  # a modest guess where the system does not tell

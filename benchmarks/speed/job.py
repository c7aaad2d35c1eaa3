"""What a side of a task sees: the data, the number of threads, and a clock. It runs in the peer's environment: NumPy and SciPy only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = Mapping[str, Any]  # what a side hands over to be judged: factors, weights, lists or predictions


class Job:
    """One run of one side. A side does its untimed part, calls `start`, does the work, and calls `lap` after each piece of it.

    A lap may hand over arrays, as a function that is called only if they are kept: the clock stands still meanwhile. `start`
    called again sets the clock back to zero, for peers that can only fit from scratch.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        self.folder, self.threads = folder, threads
        self.keep: Path | None = None
        self.laps: list[float] = []
        self._begin = 0.0

    def array(self, name: str) -> Array:
        """A named array of the data set."""
        array: Array = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        return array

    def file(self, name: str) -> str:
        """The path of a file of the data set."""
        return str(self.folder / name)

    @cached_property
    def ratings(self) -> Any:
        """The training matrix, users x items, CSR float32 with int32 indices, values as they are."""
        from scipy.sparse import load_npz

        return load_npz(self.folder / "train.npz")

    @cached_property
    def train(self) -> Any:
        """The training matrix with 1 for every event."""
        ones = self.ratings.copy()
        ones.data[:] = 1.0
        return ones

    @cached_property
    def held(self) -> Any:
        """The held-out matrix, of the same shape."""
        from scipy.sparse import load_npz

        return load_npz(self.folder / "held.npz")

    def start(self) -> None:
        """The clock runs from here, from zero."""
        self._begin = time.perf_counter()

    def lap(self, arrays: Callable[[], Arrays] | None = None) -> None:
        """A piece of the work is done."""
        now = time.perf_counter()
        self.laps.append(now - self._begin)
        if arrays is not None and self.keep is not None:
            np.savez(self.keep / f"{len(self.laps) - 1}.npz", **arrays())
        self._begin += time.perf_counter() - now

    def run(self, side: Callable[[Job], None], keep: Path | None) -> list[float]:
        """Run a side once; seconds at each lap."""
        self.keep, self.laps = keep, []
        side(self)
        return self.laps


def factors(users: Array, items: Array) -> Callable[[], Arrays]:
    """Hand over vectors whose dot product is the score."""
    return lambda: {"users": np.asarray(users, np.float32), "items": np.asarray(items, np.float32)}


def weights(matrix: Any) -> Callable[[], Arrays]:
    """Hand over item-to-item weights W, dense or sparse: the score is the history times W."""

    def arrays() -> Arrays:
        if isinstance(matrix, np.ndarray):
            return {"weights": matrix.astype(np.float32, copy=False)}
        csr = matrix.tocsr()
        csr.sort_indices()
        return {"indptr": csr.indptr, "indices": csr.indices, "data": csr.data.astype(np.float32)}

    return arrays

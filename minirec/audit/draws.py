"""Poisson bootstrap: weights of users and items, seeded by block, so that the same seed gives the same bytes on any number of threads.

A draw gives each user (or item, or provider) a weight from the Poisson distribution with mean 1, which tends to what drawing with
replacement gives as their number grows (Oza and Russell 2001; Chamandy et al. 2012, "Estimating uncertainty for massive data
streams"). Weights of different users are independent, so blocks of users can be worked on one after the other.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

BLOCK = 4096  # users or items that one generator draws for
CHUNK = 50  # draws that one generator draws
USERS, ITEMS, PROVIDERS = 1, 2, 3  # streams
Floats: TypeAlias = NDArray[np.float64]


def _table() -> NDArray[np.uint8]:
    """The Poisson(1) quantile of each 16-bit number: inversion, exact to 1/65536 (the mean is then exact to 1e-4)."""
    mass = np.exp(-1.0) / np.cumprod(np.concatenate(([1.0], np.arange(1.0, 12.0))))
    return np.searchsorted(np.cumsum(mass), (np.arange(65536) + 0.5) / 65536).astype(np.uint8)


_POISSON = _table()


def weights(seed: int, stream: int, start: int, stop: int, first: int, last: int) -> Floats:
    """float64 (stop - start, last - first), Poisson(1) weights of rows start..stop in draws first..last.

    `start` is a multiple of BLOCK and `first` one of CHUNK: one generator draws for a block of rows and a chunk of draws, so that
    both can be worked on in pieces. O(rows draws).
    """
    found = np.empty((stop - start, last - first))
    for block in range(start // BLOCK, -(-stop // BLOCK)):
        low, high = block * BLOCK, min(stop, (block + 1) * BLOCK)
        for chunk in range(first // CHUNK, -(-last // CHUNK)):
            begin, end = chunk * CHUNK, min(last, (chunk + 1) * CHUNK)
            rng = np.random.default_rng([seed, stream, block, chunk])
            drawn = _POISSON[rng.integers(0, 65536, (high - low, end - begin), dtype=np.uint16)]
            found[low - start : high - start, begin - first : end - first] = drawn
    return found

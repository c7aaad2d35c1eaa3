"""Powers of two, sigmoid and tanh in loops that LLVM vectorises: without SVML, NumPy's functions are a call a number."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit, jit_strict

LOG2_E = 1.4426950408889634
# interpolation of 2^x at the Chebyshev nodes of [-1/2, 1/2], ascending; 3e-9 from it, so float32's rounding is what remains: 1e-7
_C1, _C2, _C3 = np.float32(0.693147206703), np.float32(0.240226509223), np.float32(0.0555032722667)
_C4, _C5, _C6 = np.float32(0.0096180566786), np.float32(0.00134004281775), np.float32(0.000154614446774)
_ONE, _ABOVE, _OFFSET, _LOWEST, _HIGHEST = np.float32(1), np.float32(128.5), np.float32(128), np.float32(-126), np.float32(126)


@jit_strict
def _power(x: Any) -> Any:
    """2^x of a float32 at most 127, 0 below -126. x less the nearest integer is exact: no freedom of fastmath harms it."""
    y = _LOWEST if x < _LOWEST else x
    whole = np.int32(y + _ABOVE)  # positive when it is cut off: np.floor is a call a number
    part = y - (np.float32(whole) - _OFFSET)
    series = _ONE + part * (_C1 + part * (_C2 + part * (_C3 + part * (_C4 + part * (_C5 + part * _C6)))))
    power = np.int32((whole - np.int32(1)) << np.int32(23)).view(np.float32)
    return np.float32(0) if x < _LOWEST else series * power


@jit
def powers_of_two(row: Any, n: int, shift: Any) -> Any:
    """row[:n] becomes 2^(row - shift), in place; the sum of it is returned."""
    total = row.dtype.type(0)
    if row.itemsize == 4:
        for j in range(n):
            value = _power(np.float32(row[j] - shift))
            row[j] = value
            total += value
    else:
        for j in range(n):
            row[j] = np.exp2(row[j] - shift)
            total += row[j]
    return total


@jit
def sigmoids(row: Any, steepness: Any) -> None:
    """row becomes 1 / (1 + e^(-steepness row)), in place; at steepness 2 that is (1 + tanh) / 2."""
    one, factor = row.dtype.type(1), -row.dtype.type(LOG2_E) * steepness
    if row.itemsize == 4:
        for f in range(len(row)):
            x = np.float32(row[f] * factor)
            row[f] = one / (one + _power(_HIGHEST if x > _HIGHEST else x))
    else:
        for f in range(len(row)):
            row[f] = one / (one + np.exp2(row[f] * factor))

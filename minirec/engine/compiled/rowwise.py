"""What layers do row by row or number by number, compiled: one pass while a row is in the first-level cache. See reference/rowwise.py.

No loop both sums and writes: LLVM would look whether the arrays overlap, and the order of the sum would go by where they lie.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit
from .exponential import LOG2_E, powers_of_two
from .sgd import _mix


@jit
def layer_norm_rows(start: int, stop: int, x: Any, gain: Any, bias: Any, epsilon: float, unit: Any, scale: Any, out: Any) -> None:
    """See reference/rowwise.py."""
    width = x.shape[1]
    one = x.dtype.type(1)
    part = one / x.dtype.type(width)
    for r in range(start, stop):
        own, centred, result = x[r], unit[r], out[r]
        mean, square = x.dtype.type(0), x.dtype.type(0)
        for f in range(width):
            mean += own[f]
        mean *= part
        for f in range(width):
            value = own[f] - mean
            square += value * value
        factor = one / np.sqrt(square * part + x.dtype.type(epsilon))
        scale[r] = factor
        for f in range(width):
            value = (own[f] - mean) * factor
            centred[f] = value
            result[f] = value * gain[f] + bias[f]


@jit
def layer_norm_gradients(start: int, stop: int, gradient: Any, gain: Any, unit: Any, scale: Any, by_x: Any) -> Any:
    """See reference/rowwise.py."""
    width = gradient.shape[1]
    part = gradient.dtype.type(1) / gradient.dtype.type(width)
    by_gain, by_bias = np.zeros(width, gradient.dtype), np.zeros(width, gradient.dtype)
    for r in range(start, stop):
        g, own, result, factor = gradient[r], unit[r], by_x[r], scale[r]
        mean, along = gradient.dtype.type(0), gradient.dtype.type(0)
        for f in range(width):
            inner = g[f] * gain[f]
            mean += inner
            along += inner * own[f]
        mean *= part
        along *= part
        for f in range(width):
            result[f] = (g[f] * gain[f] - mean - own[f] * along) * factor
        for f in range(width):
            by_gain[f] += g[f] * own[f]
            by_bias[f] += g[f]
    return by_gain, by_bias


@jit
def softmax_rows(start: int, stop: int, x: Any, logs: Any) -> None:
    """See reference/rowwise.py."""
    zero, one, per = x.dtype.type(0), x.dtype.type(1), x.dtype.type(LOG2_E)
    for r in range(start, stop):
        row = x[r]
        top = row[0]
        for j in range(len(row)):
            top = max(top, row[j])
        if top == -np.inf:
            top = zero
        for j in range(len(row)):
            row[j] = (row[j] - top) * per
        total = powers_of_two(row, len(row), zero)
        logs[r] = -np.inf if total == 0 else np.log(total) + top
        share = one if total == 0 else one / total
        for j in range(len(row)):
            row[j] *= share


@jit
def drop_numbers(start: int, stop: int, x: Any, key: Any, dropped: int, out: Any) -> None:
    """See reference/rowwise.py."""
    zero, scale = x.dtype.type(0), x.dtype.type(65536 / (65536 - dropped))
    base, least, lane = key[0], np.uint64(dropped), np.uint64(0xFFFF)
    whole = start + (stop - start) // 4 * 4
    for i in range(start, whole, 4):
        bits = _mix(base ^ np.uint64(i // 4))
        out[i] = x[i] * (scale if bits & lane >= least else zero)
        out[i + 1] = x[i + 1] * (scale if (bits >> np.uint64(16)) & lane >= least else zero)
        out[i + 2] = x[i + 2] * (scale if (bits >> np.uint64(32)) & lane >= least else zero)
        out[i + 3] = x[i + 3] * (scale if bits >> np.uint64(48) >= least else zero)
    bits = _mix(base ^ np.uint64(whole // 4))
    for i in range(whole, stop):
        out[i] = x[i] * (scale if (bits >> np.uint64(16 * (i - whole))) & lane >= least else zero)

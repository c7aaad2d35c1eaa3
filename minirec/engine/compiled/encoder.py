"""Parts of a text encoder's forward pass, compiled. See reference/encoder.py.

A few rows at a time on a narrow panel of weights, read from end to end, with the sums in registers (microkernel.py). Each sum has one
order, whatever row of a group it is and however many rows there are: a text has the same bytes alone and in any batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..nn.dense import COLUMNS
from ._jit import jit, jit_ordered
from .microkernel import ROWS, SPAN, add_products

DEPTH = 1536  # terms of a block of a panel
_DOWN, _SIGN, _REST = np.float32(2.0**112), np.int32(0x8000), np.int32(0x7FFF)
_UP, _LEFT = np.int32(13), np.int32(16)
# Phi(x) - 1/2 = x P(x^2) / Q(x^2) on [-5.5, 5.5], fitted to 7e-9 in float64 (reweighted least squares); beyond it Phi is 0 or 1 to 2e-8
_HALF, _ONE, _FAR, _ZERO = np.float32(0.5), np.float32(1), np.float32(5.5), np.float32(0)
_P0, _P1, _P2 = np.float32(0.398942235), np.float32(0.0338526939), np.float32(0.00467726367)
_P3, _P4, _P5 = np.float32(0.00016882616), np.float32(6.35212104e-06), np.float32(2.27493684e-08)
_Q1, _Q2, _Q3 = np.float32(0.251522038), np.float32(0.028645899), np.float32(0.00188444763)
_Q4, _Q5 = np.float32(7.36476562e-05), np.float32(1.19750426e-06)


@jit_ordered
def dense_rows(start: int, stop: int, panels: Any, scale: Any, bias: Any, curved: bool, x: Any, out: Any) -> None:
    """See reference/encoder.py."""
    depth, width, final = x.shape[1], out.shape[1], stop - 1
    values, starts = x.reshape(-1), np.empty(ROWS, np.int64)
    sums, widened = np.empty(ROWS * SPAN, np.float32), np.empty(DEPTH * COLUMNS, np.float32)
    for p in range(panels.shape[0]):
        panel = panels[p].reshape(-1)
        for first in range(0, depth, DEPTH):
            terms = min(DEPTH, depth - first)
            block = panel[first * COLUMNS : (first + terms) * COLUMNS]
            if panel.itemsize == 4:
                weights = block.view(np.float32)
            else:
                weights = widened
                _widen(block, weights)
            for left in range(0, min(COLUMNS, width - p * COLUMNS), SPAN):
                place = p * COLUMNS + left
                columns = min(SPAN, width - place)
                for r in range(start, stop, ROWS):
                    for row in range(ROWS):  # rows that are not there: the last one once more
                        starts[row] = min(r + row, final) * depth + first
                    sums[:] = 0
                    if first:
                        for row in range(min(ROWS, stop - r)):
                            sums[row * SPAN : row * SPAN + columns] = out[r + row][place : place + columns]
                    add_products(values, starts, terms, weights[left:], COLUMNS, sums)
                    for row in range(min(ROWS, stop - r)):
                        own, result = sums[row * SPAN :], out[r + row]
                        if first + terms < depth:
                            for column in range(columns):
                                result[place + column] = own[column]
                        elif curved:
                            for column in range(columns):
                                result[place + column] = _gelu(own[column] * scale[place + column] + bias[place + column])
                        else:
                            for column in range(columns):
                                result[place + column] = own[column] * scale[place + column] + bias[place + column]


@jit
def normalise_rows(start: int, stop: int, x: Any, beside: Any, gain: Any, bias: Any, epsilon: float) -> None:
    """See reference/encoder.py."""
    width = x.shape[1]
    part = x.dtype.type(1) / x.dtype.type(width)
    for r in range(start, stop):
        own, other = x[r], beside[r]
        mean = x.dtype.type(0)
        for f in range(width):
            own[f] += other[f]
            mean += own[f]
        mean *= part
        square = x.dtype.type(0)
        for f in range(width):
            own[f] -= mean
            square += own[f] * own[f]
        factor = x.dtype.type(1) / np.sqrt(square * part + x.dtype.type(epsilon))
        for f in range(width):
            own[f] = own[f] * factor * gain[f] + bias[f]


@jit
def _widen(source: Any, block: Any) -> None:
    """Packed weights as float32. The bits of a float16, moved to their places in a float32, are 2^-112 of it."""
    if source.itemsize == 2:
        for x in range(len(source)):
            bits = np.int32(source[x])
            block[x] = np.int32(((bits & _SIGN) << _LEFT) | ((bits & _REST) << _UP)).view(np.float32) * _DOWN
    else:
        for x in range(len(source)):
            block[x] = np.float32(source[x])


@jit_ordered
def _gelu(x: Any) -> Any:
    y = _FAR if x > _FAR else x
    y = -_FAR if y < -_FAR else y
    u = y * y
    above = _P0 + u * (_P1 + u * (_P2 + u * (_P3 + u * (_P4 + u * _P5))))
    below = _ONE + u * (_Q1 + u * (_Q2 + u * (_Q3 + u * (_Q4 + u * _Q5))))
    value = x * (_HALF + y * above / below)
    return _ZERO if x < -_FAR else value

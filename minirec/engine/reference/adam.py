"""Adam, in NumPy."""

from __future__ import annotations

import numpy as np

from ..sparse import Floats, Index


def adam_step(
    start: int, stop: int, gradient: Floats, mean: Floats, square: Floats, parameter: Floats,
    rate: Floats, keep_mean: Floats, keep_square: Floats, root: Floats, tiny: Floats,
) -> None:  # fmt: skip
    """Move parameter[start:stop] (all arrays of one dimension and one dtype) one step against its gradient.

    mean = keep_mean mean + (1 - keep_mean) gradient, square = keep_square square + (1 - keep_square) gradient^2,
    parameter -= rate mean / (sqrt(square) / root + tiny); rate and root hold the corrections of the step's number.
    """
    at = slice(start, stop)
    mean[at] += (1 - keep_mean) * (gradient[at] - mean[at])
    square[at] += (1 - keep_square) * (gradient[at] * gradient[at] - square[at])
    parameter[at] -= rate * mean[at] / (np.sqrt(square[at]) / root + tiny)


def adam_rows(
    start: int, stop: int, rows: Index, gradient: Floats, mean: Floats, square: Floats, parameter: Floats,
    rate: Floats, keep_mean: Floats, keep_square: Floats, root: Floats, tiny: Floats,
) -> None:  # fmt: skip
    """Rows rows[start:stop] of a table, distinct, one step as in `adam_step`.

    gradient (r, d) : of each of the rows (r,); mean, square, parameter (n, d).
    """
    at, g = rows[start:stop], gradient[start:stop]
    m, v = mean[at], square[at]
    m += (1 - keep_mean) * (g - m)
    v += (1 - keep_square) * (g * g - v)
    parameter[at] -= rate * m / (np.sqrt(v) / root + tiny)
    mean[at], square[at] = m, v

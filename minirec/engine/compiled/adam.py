"""Adam, compiled: one pass over the four arrays, bound by memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit


@jit
def adam_step(
    start: int, stop: int, gradient: Any, mean: Any, square: Any, parameter: Any,
    rate: Any, keep_mean: Any, keep_square: Any, root: Any, tiny: Any,
) -> None:  # fmt: skip
    """See reference/adam.py."""
    g, m, v, p = gradient[start:stop], mean[start:stop], square[start:stop], parameter[start:stop]
    one = np.float32(1)
    for c in range(g.shape[0]):
        m[c] += (one - keep_mean) * (g[c] - m[c])
        v[c] += (one - keep_square) * (g[c] * g[c] - v[c])
        p[c] -= rate * m[c] / (np.sqrt(v[c]) / root + tiny)


@jit
def adam_rows(
    start: int, stop: int, rows: Any, gradient: Any, mean: Any, square: Any, parameter: Any,
    rate: Any, keep_mean: Any, keep_square: Any, root: Any, tiny: Any,
) -> None:  # fmt: skip
    """See reference/adam.py."""
    one = np.float32(1)
    for r in range(start, stop):
        row = rows[r]
        for c in range(gradient.shape[1]):
            g = gradient[r, c]
            m = mean[row, c] + (one - keep_mean) * (g - mean[row, c])
            v = square[row, c] + (one - keep_square) * (g * g - square[row, c])
            mean[row, c], square[row, c] = m, v
            parameter[row, c] -= rate * m / (np.sqrt(v) / root + tiny)

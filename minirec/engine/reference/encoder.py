"""Parts of a text encoder's forward pass, in NumPy: dense layers on packed weights, and layer normalization of a sum.

Weights of a dense layer, (m, k) in the model, are packed in panels of `COLUMNS` outputs, (panels, k, COLUMNS), the last one filled up
with zeros; their type is float32, uint16 (the bits of a float16) or int8. scale and bias, float32 (m,), are of each output.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..nn.dense import COLUMNS
from ..sparse import Floats


def dense_rows(start: int, stop: int, panels: NDArray[Any], scale: Floats, bias: Floats, curved: bool, x: Floats, out: Floats) -> None:
    """Rows start..stop of out (rows, m) = f(scale (x w) + bias), x (rows, k), f GELU where curved, else nothing. O(rows k m)."""
    for p, panel in enumerate(panels):
        part = slice(p * COLUMNS, min((p + 1) * COLUMNS, out.shape[1]))
        value = x[start:stop] @ widened(panel)[:, : part.stop - part.start]
        value *= scale[part]
        value += bias[part]
        out[start:stop, part] = gelu(value) if curved else value


def normalise_rows(start: int, stop: int, x: Floats, beside: Floats, gain: Floats, bias: Floats, epsilon: float) -> None:
    """Rows start..stop of x (rows, d) become gain (y - mean) / sqrt(variance + epsilon) + bias, y = x + beside; Ba et al. 2016."""
    y = x[start:stop] + beside[start:stop]
    y -= y.mean(axis=1, keepdims=True)
    y /= np.sqrt((y * y).mean(axis=1, keepdims=True) + x.dtype.type(epsilon))
    x[start:stop] = y * gain + bias


def gelu(x: Floats) -> Floats:
    """x Phi(x), Phi the distribution of the standard normal: Hendrycks & Gimpel 2016, the form with erf that BERT has."""
    from scipy.special import erf

    value: Floats = x * (0.5 * (1 + erf(x * x.dtype.type(np.sqrt(0.5)))))
    return value


def widened(weights: NDArray[Any]) -> Floats:
    """Packed weights as float32."""
    values = weights.view(np.float16) if weights.dtype == np.uint16 else weights
    return values.astype(np.float32, copy=False)

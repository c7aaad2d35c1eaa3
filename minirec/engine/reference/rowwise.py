"""What layers do row by row or number by number, in NumPy: normalization, softmax, dropout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..random import mix
from ..sparse import Floats


def layer_norm_rows(
    start: int, stop: int, x: Floats, gain: Floats, bias: Floats, epsilon: float, unit: Floats, scale: Floats, out: Floats
) -> None:
    """Rows of x (n, d): scale (n,) = 1 / sqrt(variance + epsilon), unit (n, d) = (x - mean) scale, out (n, d) = gain unit + bias.

    Ba et al. 2016, "Layer normalization", equation 4; means over d.
    """
    at = slice(start, stop)
    centred = x[at] - x[at].mean(axis=1, keepdims=True)
    scale[at] = 1 / np.sqrt((centred * centred).mean(axis=1) + x.dtype.type(epsilon))
    unit[at] = centred * scale[at, None]
    out[at] = unit[at] * gain + bias


def layer_norm_gradients(
    start: int, stop: int, gradient: Floats, gain: Floats, unit: Floats, scale: Floats, by_x: Floats
) -> tuple[Floats, Floats]:  # fmt: skip
    """From the gradient by `out` of `layer_norm_rows` that by x, written to by_x (n, d), and of these rows those by gain and bias, (d,)."""
    at = slice(start, stop)
    g, own = gradient[at], unit[at]
    inner = g * gain
    along = (inner * own).mean(axis=1, keepdims=True)
    by_x[at] = (inner - inner.mean(axis=1, keepdims=True) - own * along) * scale[at, None]
    return (g * own).sum(axis=0), g.sum(axis=0)


def softmax_rows(start: int, stop: int, x: Floats, logs: Floats) -> None:
    """Rows of x (n, m) become e^x / sum e^x, and logs (n,) ln sum e^x. A row that is -inf throughout becomes 0, its log -inf."""
    rows = x[start:stop]
    top = rows.max(axis=1, keepdims=True)
    top = np.where(np.isneginf(top), 0, top)
    rows -= top
    np.exp(rows, out=rows)
    total = rows.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        logs[start:stop] = (np.log(total) + top)[:, 0]
    rows /= np.where(total == 0, 1, total)


def drop_numbers(start: int, stop: int, x: Floats, key: NDArray[np.uint64], dropped: int, out: Floats) -> None:
    """Numbers start..stop of x (n,), start a multiple of 4: out is 0, or x 65536 / (65536 - dropped), where it is kept.

    Number i is kept where the 16 bits i % 4, from the lowest up, of mix(key ^ (i // 4)) are at least `dropped`, from 1 to 65535.
    """
    words = mix(key ^ np.arange(start // 4, -(-stop // 4), dtype=np.uint64)).astype("<u8", copy=False)
    kept = words.view("<u2")[: stop - start] >= dropped
    out[start:stop] = x[start:stop] * (kept * x.dtype.type(65536 / (65536 - dropped)))

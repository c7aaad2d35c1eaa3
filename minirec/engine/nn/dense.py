"""Dense layers as kernels take them: the numbers of several in one array, or weights in panels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ..sparse import Floats

COLUMNS = 32  # outputs of a panel: two registers of AVX-512


def dense_layers(numbers: Floats, widths: Sequence[int]) -> tuple[list[tuple[Floats, Floats]], Floats]:
    """Views of the weights (inputs, outputs) and biases (outputs,) of layers between these widths, and of the numbers behind them."""
    found, at = [], 0
    for inputs, outputs in pairwise(widths):
        split = at + inputs * outputs
        found.append((numbers[at:split].reshape(inputs, outputs), numbers[split : split + outputs]))
        at = split + outputs
    return found, numbers[at:]

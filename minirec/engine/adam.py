"""Adam over whole matrices: for models whose loss has a gradient by nearly every row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .backend import kernel, run_blocks
from .sparse import Floats

KEEP_MEAN, KEEP_SQUARE, TINY = 0.9, 0.999, 1e-8
_BLOCK = 2**18  # numbers that a thread moves at once; no result depends on it


class Adam:
    """Kingma & Ba 2015, "Adam: a method for stochastic optimization", algorithm 1, with its beta1 = .9, beta2 = .999, epsilon = 1e-8.

    The parameters (contiguous arrays, one dtype) are moved in place. O(numbers) a step; memory twice the parameters.
    """

    def __init__(self, parameters: Sequence[Floats], learning_rate: float, backend: str) -> None:
        self._parameters = [parameter.reshape(-1) for parameter in parameters]
        self._means = [np.zeros_like(parameter) for parameter in self._parameters]
        self._squares = [np.zeros_like(parameter) for parameter in self._parameters]
        self._rate, self._steps, self._kernel = learning_rate, 0, kernel("adam_step", backend)

    def step(self, gradients: Sequence[Floats]) -> None:
        """One step against the gradients, an array for each parameter."""
        self._steps += 1
        rate, root = self._rate / (1 - KEEP_MEAN**self._steps), (1 - KEEP_SQUARE**self._steps) ** 0.5
        for parameter, mean, square, gradient in zip(self._parameters, self._means, self._squares, gradients, strict=True):
            numbers = [parameter.dtype.type(number) for number in (rate, KEEP_MEAN, KEEP_SQUARE, root, TINY)]
            arrays = (gradient.reshape(-1), mean, square, parameter)

            def move(start: int, stop: int, arrays: tuple[Floats, ...] = arrays, numbers: Sequence[np.floating[Any]] = numbers) -> None:
                self._kernel(start, stop, *arrays, *numbers)

            run_blocks(move, len(parameter), _BLOCK)

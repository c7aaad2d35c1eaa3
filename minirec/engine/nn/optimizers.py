"""Optimizers over the tensors of a model, clipping, and schedules of the learning rate.

Where the gradient of a table is of some rows (`RowGradient`), only these are moved and only their sums of past gradients change:
a row that a batch does not touch costs nothing. SGD without momentum and AdaGrad come to the same as with the dense gradient; for
momentum and Adam it is another method (a row's averages do not fade while it is untouched), that of most frameworks for tables.

Every step is the same for any number of threads: each number belongs to one block.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFitError, ParameterError, ShapeError
from ..backend import kernel, resolve, run_blocks
from ..sparse import Floats
from .autodiff import Gradient, Tensor
from .row_gradient import RowGradient

Schedule = Callable[[int], float]
_BLOCK = 2**18  # numbers that a thread moves at once; no result depends on it


def constant(rate: float) -> Schedule:
    """The same rate at every step."""
    return lambda step: rate


def warm_up(rate: float, steps: int) -> Schedule:
    """rate step / steps up to `steps`, then `rate`; steps are counted from 1."""
    return lambda step: rate * min(1.0, step / max(steps, 1))


def cosine(rate: float, steps: int, warm: int = 0, least: float = 0.0) -> Schedule:
    """Linear up to `rate` over `warm` steps, then least + (rate - least) (1 + cos(pi x)) / 2 down to `least` at `steps`.

    Loshchilov & Hutter 2017, equation 5, with one period; x is the share of the way from `warm` to `steps`.
    """

    def schedule(step: int) -> float:
        if step <= warm:
            return rate * step / warm
        share = min(1.0, (step - warm) / max(steps - warm, 1))
        return least + (rate - least) * (1 + math.cos(math.pi * share)) / 2

    return schedule


class Optimizer(ABC):
    """What the methods share: the gradients, their norm, the number of the step, and the state for a checkpoint.

    parameters : tensors, by name or in a sequence, contiguous. rate : a number, or a schedule from the step (from 1) to one.
    clip : gradients together longer than this are scaled down to it (Pascanu et al. 2013, algorithm 1). decay : weight decay, apart
    from the gradient: w -= rate decay w (Loshchilov & Hutter 2019), for the rows that move.
    """

    _sums: tuple[str, ...] = ()  # names of the arrays kept for each parameter

    def __init__(
        self,
        parameters: Mapping[str, Tensor] | Sequence[Tensor],
        rate: float | Schedule,
        *,
        clip: float | None = None,
        decay: float = 0.0,
    ) -> None:
        named = parameters if isinstance(parameters, Mapping) else {str(number): tensor for number, tensor in enumerate(parameters)}
        for name, tensor in named.items():
            if not tensor.data.flags.c_contiguous:
                raise ParameterError(f"parameter {name!r} is not contiguous: optimizers move parameters in place")
        self._parameters, self._clip, self._decay, self._steps = dict(named), clip, decay, 0
        self._schedule: Schedule = rate if callable(rate) else constant(rate)
        self._state = {f"{name}.{kept}": np.zeros_like(tensor.data) for name, tensor in named.items() for kept in self._sums}

    @property
    def steps(self) -> int:
        """Steps made so far."""
        return self._steps

    def step(self) -> float:
        """Move every parameter that has a gradient, and take the gradients (`grad` is None then); returns their norm, before clipping.

        Raises ModelFitError, before anything is moved, where the norm is not finite.
        """
        number = self._steps + 1
        found = [(name, tensor, tensor.grad) for name, tensor in self._parameters.items() if tensor.grad is not None]
        with np.errstate(over="ignore", invalid="ignore"):
            squares = [_square(gradient) for _, _, gradient in found]
        norm, rate = math.sqrt(sum(squares)), self._schedule(number)
        if not math.isfinite(norm):
            bad = next((name for (name, _, _), square in zip(found, squares, strict=True) if not math.isfinite(square)), "all")
            raise ModelFitError(
                f"step {number}: the gradient of parameter {bad!r} has norm {norm}; lower the learning rate (now {rate:g}), "
                "set clip, or look for values that are not finite in the input"
            )
        scale = self._clip / norm if self._clip is not None and norm > self._clip else 1.0
        self._steps = number
        for name, tensor, gradient in found:
            tensor.grad = None
            if scale != 1:
                gradient = gradient._replace(values=gradient.values * scale) if isinstance(gradient, RowGradient) else gradient * scale
            if self._decay:
                rows: tuple[Any, ...] = (gradient.rows,) if isinstance(gradient, RowGradient) else ()
                at = (*rows, ..., slice(tensor.fixed, None)) if tensor.fixed else (*rows, ...)
                tensor.data[at] *= tensor.dtype.type(1 - rate * self._decay)
            self._move(tensor.data, gradient, rate, *(self._state[f"{name}.{kept}"] for kept in self._sums))
        return norm

    def state(self) -> dict[str, NDArray[Any]]:
        """Copies of all that the next step depends on beside the parameters, by name."""
        return {"steps": np.array(self._steps)} | {name: array.copy() for name, array in self._state.items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up where `state` was asked for. ShapeError where it is of other parameters or another method."""
        wanted = {"steps": ()} | {name: array.shape for name, array in self._state.items()}
        given = {name: array.shape for name, array in state.items()}
        if wanted != given:
            differ = sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name))
            raise ShapeError(f"restore: {type(self).__name__} and the state differ in {', '.join(differ)}")
        self._steps = int(state["steps"])
        for name, array in self._state.items():
            array[...] = state[name]

    @abstractmethod
    def _move(self, data: Floats, gradient: Gradient, rate: float, *sums: Floats) -> None:
        """Move one parameter, or its rows, and the sums kept for it."""


class SGD(Optimizer):
    """w -= rate v with v = momentum v + g (Sutskever et al. 2013, with the rate outside v); v = g without momentum."""

    def __init__(
        self, parameters: Mapping[str, Tensor] | Sequence[Tensor], rate: float | Schedule, momentum: float = 0.0, **common: Any
    ) -> None:
        self._momentum = momentum
        self._sums = ("velocity",) if momentum else ()
        super().__init__(parameters, rate, **common)

    def _move(self, data: Floats, gradient: Gradient, rate: float, *sums: Floats) -> None:
        for at, g in _blocks(gradient):
            if sums:
                g = sums[0][at] = self._momentum * sums[0][at] + g
            data[at] -= rate * g


class AdaGrad(Optimizer):
    """w -= rate g / (sqrt(s) + 1e-10) with s += g^2, Duchi et al. 2011, with the diagonal matrix of section 1.1."""

    _sums = ("squares",)

    def _move(self, data: Floats, gradient: Gradient, rate: float, *sums: Floats) -> None:
        for at, g in _blocks(gradient):
            total = sums[0][at] = sums[0][at] + g * g
            data[at] -= rate * g / (np.sqrt(total) + data.dtype.type(1e-10))


class Adam(Optimizer):
    """Kingma & Ba 2015, algorithm 1, with its epsilon of 1e-8; with decay it is AdamW, Loshchilov & Hutter 2019, algorithm 2.

    betas : how much of the averages of g and of g^2 is kept at a step. Their corrections go by the number of the step, for rows too.
    """

    _sums = ("mean", "square")

    def __init__(
        self,
        parameters: Mapping[str, Tensor] | Sequence[Tensor],
        rate: float | Schedule,
        betas: tuple[float, float] = (0.9, 0.999),
        **common: Any,
    ) -> None:
        super().__init__(parameters, rate, **common)
        self._betas, backend = betas, resolve()
        self._dense, self._lazy = kernel("adam_step", backend), kernel("adam_rows", backend)

    def _move(self, data: Floats, gradient: Gradient, rate: float, *sums: Floats) -> None:
        first, second = self._betas
        corrected, root = rate / (1 - first**self._steps), math.sqrt(1 - second**self._steps)
        numbers = [data.dtype.type(number) for number in (corrected, first, second, root, 1e-8)]
        if isinstance(gradient, RowGradient):
            arrays = [np.ascontiguousarray(gradient.values), *sums, data]
            if data.ndim != 2:
                arrays = [array.reshape(len(array), math.prod(data.shape[1:])) for array in arrays]
            size = max(_BLOCK // max(arrays[0].shape[1], 1), 1)
            run_blocks(lambda s, e: self._lazy(s, e, gradient.rows, *arrays, *numbers), len(gradient.rows), size)
        else:
            flat = [np.ascontiguousarray(array).reshape(-1) for array in (gradient, *sums, data)]
            run_blocks(lambda s, e: self._dense(s, e, *flat, *numbers), data.size, _BLOCK)


def _blocks(gradient: Gradient) -> Any:
    """Where a gradient is, and it: its rows, or all."""
    return [(gradient.rows, gradient.values)] if isinstance(gradient, RowGradient) else [(..., gradient)]


def _square(gradient: Gradient) -> float:
    """The squared length, block by block; infinite or NaN where the gradient is, or where it overflows."""
    values = np.ravel(gradient.values if isinstance(gradient, RowGradient) else gradient)
    return sum(run_blocks(lambda s, e: float(values[s:e] @ values[s:e]), values.size, _BLOCK))

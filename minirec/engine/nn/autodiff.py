"""Reverse-mode differentiation of NumPy programs: a `Tensor` remembers the operations that made it.

Each operation adds a node with its parents and a function from the gradient of its result to theirs; `backward` goes through the
nodes from the newest to the oldest, which is an order of the graph as parents are older, and frees them on its way. See Griewank &
Walther 2008, "Evaluating derivatives", chapter 3. The gradients of a table by a few of its rows stay a few rows (`RowGradient`).

Operations may run on many threads at once, each with graphs of its own; `backward` of graphs that share a parameter is for one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ...errors import GraphError, ShapeError
from ..sparse import Floats
from ..tiles import gram, product
from .row_gradient import RowGradient

Axis: TypeAlias = int | tuple[int, ...] | None


Gradient: TypeAlias = Floats | RowGradient
Backward: TypeAlias = Callable[[Any], tuple[Gradient | None, ...]]
Operand: TypeAlias = "Tensor | ArrayLike"

_recording: ContextVar[bool] = ContextVar("minirec_recording", default=True)
_numbers = count()


@contextmanager
def no_grad() -> Iterator[None]:
    """Within the block, and on this thread, operations are not recorded."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


def recording(*parents: Tensor) -> bool:
    """Whether an operation on these is recorded: a fused one may save itself the work for gradients that nobody will ask for."""
    return _recording.get() and any(parent.requires_grad for parent in parents)


class Tensor:
    """An array and, where it is asked for, its gradient.

    data : float arrays are taken as they are, without a copy, and their precision holds for all that is computed from them; anything
    else becomes float32. grad : after `backward`, for tensors made with requires_grad, the sum over all calls so far, an array or a
    RowGradient. It may share memory with other gradients: do not write to it; set it to None to begin anew.
    fixed : number of leading coordinates of the last axis that are constant: their gradient is 0, and no optimizer moves them.

    >>> import numpy as np
    >>> x = Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4., 6.])
    """

    __array_ufunc__ = None  # array * tensor is a matter of the tensor
    __slots__ = ("__weakref__", "_backward", "_name", "_number", "_own", "_parents", "data", "fixed", "grad", "requires_grad")

    def __init__(self, data: ArrayLike, requires_grad: bool = False) -> None:
        array = np.asarray(data)
        keep = array.dtype.kind == "f" and isinstance(data, (np.ndarray, np.floating))
        self.data, self.requires_grad = array if keep else array.astype(np.float32), requires_grad
        self.grad: Gradient | None = None
        self.fixed = 0
        self._own, self._name, self._number = False, "", next(_numbers)
        self._parents: tuple[Tensor, ...] = ()
        self._backward: Backward | None = None

    @classmethod
    def from_op(cls, name: str, data: Floats, parents: Sequence[Tensor], backward: Backward) -> Tensor:
        """The result of an operation: how fused operations plug in.

        backward : from the gradient of the result (an array like `data`, not to be written to) to one for each parent, in their
        shapes: an array that the operation will not use again (the given one or views of it, or what was computed with `data`), a
        RowGradient, or None for a parent that needs none. It is called once.
        """
        out = cls(data, recording(*parents))
        if out.requires_grad:
            out._name, out._parents, out._backward = name, tuple(parents), backward
        return out

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the data."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the data."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return f"Tensor({self.data!r}{f', from {self._name}' if self._name else ', requires_grad=True' if self.requires_grad else ''})"

    def item(self) -> float:
        """The one number that this holds."""
        return float(self.data.item())

    def detach(self) -> Tensor:
        """The same data, without its history."""
        return Tensor(self.data)

    def backward(self, gradient: ArrayLike | None = None) -> None:
        """Add to `grad` of every tensor with requires_grad that this was computed from, the gradient of sum(this * gradient).

        gradient : of the shape of this; not needed for a single number. The graph is freed: of each graph once. O(the forward).
        Raises GraphError where nothing requires a gradient or a part of the graph is freed, ShapeError where the shape is another.
        """
        if not self.requires_grad:
            raise GraphError("backward: nothing that this was computed from requires a gradient, or it was computed under no_grad")
        if gradient is None and self.data.size != 1:
            raise ShapeError(f"backward: a tensor of shape {self.shape} is no single number: give the gradient by it")
        first = np.ones_like(self.data) if gradient is None else np.asarray(gradient, self.dtype)
        if first.shape != self.shape:
            raise ShapeError(f"backward: gradient of shape {first.shape} for a tensor of shape {self.shape}")
        sums: dict[Tensor, tuple[Gradient, bool]] = {self: (first, False)}  # and whether the sum is ours to write to
        for node in self._graph():
            if node not in sums:
                continue
            total, own = sums.pop(node)
            if node._backward is None:
                if node.fixed:
                    total, own = _without(total, own, node.fixed), True
                node.grad, node._own = (total, own) if node.grad is None else (_added(node.grad, node._own, total), True)
                continue
            parts = node._backward(total.dense() if isinstance(total, RowGradient) else total)
            for parent, part in zip(node._parents, parts, strict=True):
                if part is None or not parent.requires_grad:
                    continue
                part = _fitting(part, parent, node._name)
                sums[parent] = (_added(*sums[parent], part), True) if parent in sums else (part, False)
            node._backward, node._parents = _freed, ()

    def _graph(self) -> list[Tensor]:
        """All nodes that gradients flow through, from the newest to the oldest."""
        found, open_ = {self}, [self]
        while open_:
            node = open_.pop()
            if node._backward is _freed:
                raise GraphError(f"backward: the graph was freed by an earlier backward (at {node._name}): compute the value again")
            fresh = [parent for parent in node._parents if parent.requires_grad and parent not in found]
            found.update(fresh)
            open_ += fresh
        return sorted(found, key=lambda node: -node._number)

    def __add__(self, other: Operand) -> Tensor:
        return _binary("add", self, other, np.add, lambda g, a, b, out: g, lambda g, a, b, out: g)

    def __sub__(self, other: Operand) -> Tensor:
        return _binary("subtract", self, other, np.subtract, lambda g, a, b, out: g, lambda g, a, b, out: -g)

    def __mul__(self, other: Operand) -> Tensor:
        return _binary("multiply", self, other, np.multiply, lambda g, a, b, out: g * b, lambda g, a, b, out: g * a)

    def __truediv__(self, other: Operand) -> Tensor:
        return _binary("divide", self, other, np.divide, lambda g, a, b, out: g / b, lambda g, a, b, out: -g * out / b)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Operand) -> Tensor:
        return as_tensor(other, self) - self

    def __rtruediv__(self, other: Operand) -> Tensor:
        return as_tensor(other, self) / self

    def __neg__(self) -> Tensor:
        return Tensor.from_op("negative", -self.data, (self,), lambda g: (-g,))

    def __pow__(self, power: float) -> Tensor:
        x = self.data
        return Tensor.from_op("power", x**power, (self,), lambda g: (g * (power * x ** (power - 1)),))

    def __matmul__(self, other: Operand) -> Tensor:
        return matmul(self, as_tensor(other, self))

    def __rmatmul__(self, other: Operand) -> Tensor:
        return matmul(as_tensor(other, self), self)

    def __getitem__(self, key: Any) -> Tensor:
        """As in NumPy: a view for slices and numbers, a copy for integer arrays and masks. One integer array gathers rows: RowGradient."""
        shape, dtype = self.shape, self.dtype
        try:
            out = self.data[key]
        except IndexError as error:
            raise ShapeError(f"getitem: {error} (shape {shape})") from None

        def backward(g: Floats) -> tuple[Gradient]:
            if isinstance(key, np.ndarray) and key.dtype.kind in "iu":
                rows = np.where(key < 0, key + shape[0], key).reshape(-1)
                return (RowGradient.of(rows, g.reshape(len(rows), *shape[1:]), shape[0]),)
            gradient = np.zeros(shape, dtype)
            if all(isinstance(part, (int, np.integer, slice, type(None), type(Ellipsis))) for part in _parts(key)):
                gradient[key] = g  # no number twice
            else:
                np.add.at(gradient, key, g)
            return (gradient,)

        return Tensor.from_op("getitem", out, (self,), backward)

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Sum over axes, all of them without any named."""
        shape, out = self.shape, _reduced("sum", np.sum, self.data, axis, keepdims)
        return Tensor.from_op("sum", out, (self,), lambda g: (np.broadcast_to(_kept(g, shape, axis), shape),))

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Mean over axes."""
        total = self.sum(axis, keepdims)
        return total * (total.data.size / max(self.data.size, 1))

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Maximum over axes; numbers that share it share its gradient equally."""
        shape, x, out = self.shape, self.data, _reduced("max", np.max, self.data, axis, keepdims)

        def backward(g: Floats) -> tuple[Floats]:
            top = (x == _kept(out, shape, axis)).astype(x.dtype)
            return (top * (_kept(g, shape, axis) / top.sum(axis=axis, keepdims=True)),)

        return Tensor.from_op("max", out, (self,), backward)

    def reshape(self, *shape: int) -> Tensor:
        """The same numbers in another shape, a view where NumPy gives one."""
        old = self.shape
        try:
            out = self.data.reshape(shape)
        except ValueError:
            raise ShapeError(f"reshape: shape {old} does not fit {shape}") from None
        return Tensor.from_op("reshape", out, (self,), lambda g: (g.reshape(old),))

    def transpose(self, *axes: int) -> Tensor:
        """Axes in another order, reversed without any named; a view."""
        order = axes or tuple(reversed(range(self.ndim)))
        try:
            out = self.data.transpose(order)
        except ValueError:
            raise ShapeError(f"transpose: axes {axes} do not fit shape {self.shape}") from None
        back = np.argsort(np.array(order) % max(self.ndim, 1))
        return Tensor.from_op("transpose", out, (self,), lambda g: (g.transpose(back),))

    @property
    def T(self) -> Tensor:  # noqa: N802
        """Axes reversed."""
        return self.transpose()

    def exp(self) -> Tensor:
        """e^x."""
        out = np.exp(self.data)
        return Tensor.from_op("exp", out, (self,), lambda g: (g * out,))

    def log(self) -> Tensor:
        """ln x."""
        x = self.data
        return Tensor.from_op("log", np.log(x), (self,), lambda g: (g / x,))

    def sqrt(self) -> Tensor:
        """The square root."""
        out = np.sqrt(self.data)
        return Tensor.from_op("sqrt", out, (self,), lambda g: (g / (2 * out),))

    def abs(self) -> Tensor:
        """|x|; derivative 0 at 0."""
        x = self.data
        return Tensor.from_op("abs", np.abs(x), (self,), lambda g: (g * np.sign(x),))


def as_tensor(value: Operand, like: Tensor) -> Tensor:
    """A tensor as it is, anything else as a constant in the precision of `like`: a float64 array does not widen what it meets."""
    return value if isinstance(value, Tensor) else Tensor(np.asarray(value, like.dtype))


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """a b for a (..., n, k) and b (..., k, m), stacks of matrices broadcast; (..., n, m)."""
    x, y = a.data, b.data
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-2] or not _broadcast(x.shape[:-2], y.shape[:-2]):
        raise ShapeError(f"matmul: shapes {x.shape} and {y.shape} do not fit")

    def backward(g: Floats) -> tuple[Floats | None, Floats | None]:
        left = unbroadcast(product(g, y.swapaxes(-1, -2)), x.shape) if a.requires_grad else None
        if not b.requires_grad:
            return left, None
        if y.ndim == 2:
            rows = math.prod(x.shape[:-1])  # not -1, which a width of 0 leaves open
            return left, gram(x.reshape(rows, x.shape[-1]), g.reshape(rows, g.shape[-1]))
        return left, unbroadcast(product(x.swapaxes(-1, -2), g), y.shape)

    return Tensor.from_op("matmul", product(x, y), (a, b), backward)


def unbroadcast(gradient: Floats, shape: tuple[int, ...]) -> Floats:
    """Sum a gradient over the axes that broadcasting added to `shape` or made longer."""
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    longer = tuple(extra + axis for axis, n in enumerate(shape) if n == 1 and gradient.shape[extra + axis] != 1)
    total: Floats = gradient.sum(axis=(*range(extra), *longer), keepdims=True)
    return total.reshape(shape)


def _binary(name: str, a: Tensor, other: Operand, forward: Callable[..., Any], *derivatives: Callable[..., Floats]) -> Tensor:
    b = as_tensor(other, a)
    x, y = a.data, b.data
    if not _broadcast(x.shape, y.shape):
        raise ShapeError(f"{name}: shapes {x.shape} and {y.shape} do not fit")
    out = forward(x, y)

    def backward(g: Floats) -> tuple[Floats | None, ...]:
        sides = zip((a, b), derivatives, strict=True)
        return tuple(unbroadcast(by(g, x, y, out), side.shape) if side.requires_grad else None for side, by in sides)

    return Tensor.from_op(name, out, (a, b), backward)


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(m == n or m == 1 or n == 1 for m, n in zip(reversed(a), reversed(b), strict=False))


def _parts(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def _reduced(name: str, function: Callable[..., Any], x: Floats, axis: Axis, keepdims: bool) -> Any:
    try:
        return function(x, axis=axis, keepdims=keepdims)
    except ValueError as error:
        raise ShapeError(f"{name}: {error} (shape {x.shape})") from None


def _kept(reduced: Floats, shape: tuple[int, ...], axis: Axis) -> Floats:
    """A reduced array with its lost axes as axes of length 1."""
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    lost = {one % len(shape) for one in axes}
    return reduced.reshape([1 if at in lost else n for at, n in enumerate(shape)])


def _fitting(part: Gradient, parent: Tensor, name: str) -> Gradient:
    """A gradient in the shape and precision of what it belongs to."""
    shape = (part.n, *part.values.shape[1:]) if isinstance(part, RowGradient) else part.shape
    if shape != parent.shape:
        raise ShapeError(f"{name}: backward gave a gradient of shape {shape} for a parent of shape {parent.shape}")
    if isinstance(part, RowGradient):
        return part._replace(values=part.values.astype(parent.dtype, copy=False))
    return np.asarray(part, parent.dtype)


def _added(total: Gradient, own: bool, part: Gradient) -> Gradient:
    """total + part; in the memory of `total` where that is ours. The result is always ours."""
    if isinstance(total, RowGradient):
        if isinstance(part, RowGradient):
            return total.plus(part)
        total, part, own = part, total, False
    if isinstance(part, RowGradient):
        total = total if own else total.copy()
        total[part.rows] += part.values
        return total
    if not own:
        return np.asarray(total + part)
    total += part
    return total


def _without(gradient: Gradient, own: bool, fixed: int) -> Gradient:
    """The gradient with zeros for the leading coordinates of the last axis; in its own memory where that is ours."""
    values = gradient.values if isinstance(gradient, RowGradient) else gradient
    values = values if own else values.copy()
    values[..., :fixed] = 0
    return gradient._replace(values=values) if isinstance(gradient, RowGradient) else values


def _freed(gradient: Any) -> tuple[Gradient | None, ...]:
    """What stands in for the backward of a node whose graph is freed; never called."""
    raise GraphError("backward: the graph was freed")

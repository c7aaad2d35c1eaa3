"""Networks of pairs: users, each with some items, most of them more than once in a batch.

What depends on a user or an item alone is computed once (`Distinct`). What depends on both is computed, forward and backward, by tiles of
pairs that stay in the cache with all their layers. Tiles depend on the shapes alone, and what they add up to is summed in their order:
the same bytes for any number of threads. A batch of no more than a tile goes through all operations in one call (`pair_loss`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..backend import kernel, resolve, run_blocks
from ..descent.batches import group_sums
from ..sparse import Floats, Index, Pointer
from .autodiff import Gradient, Tensor
from .row_gradient import RowGradient

TILE = 640  # pairs that go through the layers at once
_NUMBERS = 2**18  # numbers of the vectors that `dots` multiplies at once
_PRODUCTS = 2**23  # multiplications of a product at once


class Distinct(NamedTuple):
    """The rows of a table that pairs ask for, each once: rows int32 (r,), ascending; pair e asks for asked[e] = rows[at[e]].

    order[indptr[k]:indptr[k + 1]] are the pairs that ask for rows[k], ascending.
    """

    asked: Index
    rows: Index
    indptr: Pointer
    order: Index
    at: Index

    @classmethod
    def of(cls, asked: Index, n: int) -> Distinct:
        """Of rows int32 (pairs,) out of 0..n-1. O(pairs + n)."""
        return cls(asked, *kernel("group_entries", resolve())(asked, n))


def rows_of(table: Tensor, rows: Index) -> Tensor:
    """Distinct rows (r,), ascending, of a table (n, d): (r, d); its gradient is a RowGradient of just these."""
    n = len(table)
    return Tensor.from_op("rows", table.data[rows], (table,), lambda g: (RowGradient(rows, g, n),))


class Dots(NamedTuple):
    """sum_c h_c p_uc q_ic: tables p (users, d) and q (items, d), weights h (d, 1)."""

    users: Tensor
    items: Tensor
    weights: Tensor

    @classmethod
    def none(cls, users: int, items: int, dtype: DTypeLike) -> Dots:
        """No dot product at all."""
        return cls(*(Tensor(np.zeros(shape, dtype)) for shape in ((users, 0), (items, 0), (0, 1))))


class Tower(NamedTuple):
    """x_L h with x_1 = relu((p_u, q_i) W_1 + c_1), x_l = relu(x_(l-1) W_l + c_l): tables p (users, w_1) and q (items, w_1).

    numbers : W_1 (2 w_1, w_1), c_1, W_2 (w_1, w_2), c_2, ..., W_L, c_L and h (w_L,), one after the other. widths : w_1 .. w_L.
    """

    users: Tensor
    items: Tensor
    numbers: Tensor
    widths: NDArray[np.int64]

    @classmethod
    def none(cls, users: int, items: int, dtype: DTypeLike) -> Tower:
        """No tower at all."""
        p, q, numbers = (Tensor(np.zeros(shape, dtype)) for shape in ((users, 0), (items, 0), (0,)))
        return cls(p, q, numbers, np.zeros(0, np.int64))


def dots(part: Dots, users: Distinct, items: Distinct) -> Tensor:
    """Of each pair: (pairs,). Gradients by the tables are RowGradients. Forward and backward O(pairs d)."""
    a, b, h, backend = part.users.data, part.items.data, part.weights.data[:, 0], resolve()
    pairs, multiply = len(users.at), kernel("pair_dots", backend)
    out = np.empty(pairs, a.dtype)

    def backward(g: Floats) -> tuple[Gradient, ...]:
        by_p = group_sums(users.indptr, g[users.order], items.asked[users.order], b, backend)
        by_q = group_sums(items.indptr, g[items.order], users.asked[items.order], a, backend)
        by_h = np.einsum("rc,rc->c", a[users.rows], by_p)[:, None]
        return RowGradient(users.rows, by_p * h, len(a)), RowGradient(items.rows, by_q * h, len(b)), by_h

    run_blocks(lambda s, e: multiply(s, e, users.asked, items.asked, a, b, h, out), pairs, max(_NUMBERS // len(h), 1))
    return Tensor.from_op("dots", out, part, backward)


def tower(part: Tower, users: Distinct, items: Distinct) -> Tensor:
    """Of each pair: (pairs,). Gradients by the tables are RowGradients.

    The halves of W_1 are applied once for each distinct user and item: O(r w_1^2) for r of both, and O(pairs) times the sizes of the other
    layers, forward and backward.
    """
    numbers, widths, backend, pairs = part.numbers.data, part.widths, resolve(), len(users.at)
    width, dtype = int(widths[0]), numbers.dtype
    forth, back, begin, end = (kernel(name, backend) for name in ("tower_rows", "tower_gradients", "first_rows", "first_gradients"))
    first, rest, logits = np.empty((pairs, width), dtype), np.empty(pairs * int(widths[1:].sum()), dtype), np.empty(pairs, dtype)
    upper, lower = numbers[: 2 * width * width].reshape(2, width, width)
    block = max(_PRODUCTS // (width * width), 1)

    def lowest(side: Distinct, table: Floats, weight: Floats) -> Floats:
        out = np.empty((len(side.rows), width), dtype)
        run_blocks(lambda s, e: begin(s, e, side.rows, table, weight, out), len(out), block)
        return out

    def by_table(side: Distinct, table: Floats, weight: Floats, by_weight: Floats) -> RowGradient:
        by_rows = np.empty((len(side.rows), width), dtype)

        def rows(start: int, stop: int) -> Floats:
            more = np.empty_like(weight)
            end(start, stop, side.rows, table, weight, side.indptr, side.order, first, by_rows, more)
            return more

        by_weight[:] = _total(run_blocks(rows, len(by_rows), block))
        return RowGradient(side.rows, by_rows, len(table))

    def backward(g: Floats) -> tuple[Gradient, ...]:
        def tile(start: int, stop: int) -> Floats:
            more = np.zeros_like(numbers)  # W_1 is not among what it sets
            back(start, stop, g, numbers, widths, first, rest, more)
            return more

        by_numbers = _total(run_blocks(tile, pairs, TILE))
        by_upper, by_lower = by_numbers[: 2 * width * width].reshape(2, width, width)
        by_users = by_table(users, part.users.data, upper, by_upper)
        return by_users, by_table(items, part.items.data, lower, by_lower), by_numbers

    a, b = lowest(users, part.users.data, upper), lowest(items, part.items.data, lower)
    run_blocks(lambda s, e: forth(s, e, users.at, items.at, a, b, numbers, widths, first, rest, logits), pairs, TILE)
    return Tensor.from_op("tower", logits, part[:3], backward)


def pair_loss(users: Index, items: Index, each: int, product: Dots, deep: Tower, bias: Tensor) -> tuple[Tensor, Index, Index]:
    """Binary cross-entropy of a small batch in one call: the mean over all pairs, those that do not count among them as 0.

    users, items int32 (pairs,), in groups of `each` whose first is wanted; of the others, which are not, those with the item of the first
    do not count. The logit is the sum of `dots`, `tower` and bias (1,). Also the distinct rows of users and of items.
    """
    weights, inner = product.weights.data[:, 0], [tensor.data for tensor in (*product[:2], *deep[:3])]
    loss, u, i, by_p, by_q, by_h, *others = kernel("pair_loss", resolve())(
        users, items, each, *inner[:2], weights, *inner[2:], deep.widths, bias.data
    )
    gradients, rows = (by_p, by_q, by_h[:, None], *others), (u, i, None, u, i, None, None)
    lengths = [len(array) for array in (*inner[:2], weights, *inner[2:], bias.data)]

    def backward(g: Floats) -> tuple[Gradient, ...]:
        scaled = gradients if g == 1 else tuple(g * one for one in gradients)
        return tuple(one if at is None else RowGradient(at, one, n) for one, at, n in zip(scaled, rows, lengths, strict=True))

    return Tensor.from_op("pair_loss", np.array(loss, bias.dtype), (*product, *deep[:3], bias), backward), u, i


def _total(parts: Sequence[Floats]) -> Floats:
    """The sum of arrays, in their order, in the memory of the first."""
    total, *others = parts
    for part in others:
        total += part
    return total

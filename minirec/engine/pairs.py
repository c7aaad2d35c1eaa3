"""Networks of pairs: n users, each with m items, many of them more than once in a batch.

What depends on a user or an item alone is computed once (`Distinct`); what depends on both goes, forth and back, by tiles of samples
that stay in the cache with all their layers. Tiles depend on the shapes alone, and what they add up to is summed in their order: the same
bytes for any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .autodiff import RowGradient, Tensor
from .backend import kernel, resolve, run_blocks
from .batches import group_sums
from .sparse import Floats, Index, Pointer

_TILE = 640  # samples that go through the layers at once


class Distinct(NamedTuple):
    """The distinct rows of a table that entries ask for: rows int32 (r,), ascending; entry e asks for rows[at[e]].

    order[indptr[k]:indptr[k + 1]] are the entries that ask for rows[k], ascending; at has the shape of what was asked.
    """

    rows: Index
    at: NDArray[np.int64]
    indptr: Pointer
    order: Index

    @classmethod
    def of(cls, asked: Index, n: int) -> Distinct:
        """Of rows (any shape) out of 0..n-1. O(entries + n)."""
        rows, indptr, order = kernel("group_entries", resolve())(np.ascontiguousarray(asked, np.int32).reshape(-1), n)
        at = np.empty(len(order), np.int64)
        at[order] = np.repeat(np.arange(len(rows)), np.diff(indptr))
        return cls(rows, at.reshape(asked.shape), indptr, order)

    def of_table(self, table: Tensor) -> Tensor:
        """The rows (r, d) of a table (n, d); its gradient is a RowGradient."""
        n = len(table)
        return Tensor.from_op("rows", table.data[self.rows], (table,), lambda g: (RowGradient(self.rows, g, n),))


def dots(p: Tensor, users: Distinct, q: Tensor, items: Distinct) -> Tensor:
    """p[users.at] . q[items.at]: (n, m) of p (r, d) at users (n,) and q (s, d) at items (n, m). O(n m d)."""
    (n, m), a, b = items.at.shape, p.data, q.data
    out = np.empty((n, m), a.dtype)

    def forward(start: int, stop: int) -> None:
        np.matmul(b[items.at[start:stop]], a[users.at[start:stop], :, None], out=out[start:stop, :, None])

    def backward(g: Floats) -> tuple[Floats, Floats]:
        of_users = g[users.order].ravel(), items.at[users.order].ravel()
        of_items = g.reshape(-1)[items.order], users.at[items.order // m]
        return group_sums(users.indptr * m, *of_users, b, resolve()), group_sums(items.indptr, *of_items, a, resolve())

    run_blocks(forward, n, _events(m))
    return Tensor.from_op("dots", out, (p, q), backward)


def tower(a: Tensor, users: Distinct, b: Tensor, items: Distinct, layers: Sequence[Tensor], top: Tensor) -> Tensor:
    """x_L h with x_1 = relu(a_u + b_i), x_l = relu(x_(l-1) W_l + c_l): (n, m).

    a (r, w) at users (n,), b (s, w) at items (n, m), layers W_2, c_2, ..., W_L, c_L, top h (w_L, 1). O(n m) times the sizes of all W_l.
    """
    (n, m), h = items.at.shape, top.data[:, 0]
    weights, biases = [weight.data for weight in layers[::2]], [bias.data for bias in layers[1::2]]
    widths = [a.shape[1], *(weight.shape[1] for weight in weights)]
    kept = [np.empty((n * m, width), a.dtype) for width in widths]  # x_l
    logits, by_event = np.empty((n, m), a.dtype), np.empty((n, widths[0]), a.dtype)
    zeros, ones = np.zeros(max(widths), a.dtype), np.ones(n * m, a.dtype)

    def forward(start: int, stop: int) -> None:
        x, *others = (whole[start * m : stop * m] for whole in kept)
        np.take(b.data, items.at[start:stop].reshape(-1), axis=0, out=x, mode="clip")
        pairs = x.reshape(stop - start, m, -1)
        pairs += a.data[users.at[start:stop], None]
        np.maximum(x, zeros[: widths[0]], out=x)  # by the number 0 it takes NumPy three times as long
        for weight, bias, following in zip(weights, biases, others, strict=True):
            x = np.matmul(x, weight, out=following)
            x += bias
            np.maximum(x, zeros[: len(bias)], out=x)
        np.matmul(x, h, out=logits[start:stop].reshape(-1))

    def backward(g: Floats) -> tuple[Floats, ...]:
        g = np.ascontiguousarray(g)

        def tile(start: int, stop: int) -> list[Floats]:
            """Gradients by h, and by c_l and W_l from the last layer to the first; that by x_1 takes its place in `kept`."""
            *below, x = (whole[start * m : stop * m] for whole in kept)
            pulls = g[start:stop].reshape(-1)
            found, by_x = [pulls @ x], pulls[:, None] * h
            for weight, under in zip(reversed(weights), reversed(below), strict=True):
                by_x *= x > 0
                found += [ones[: len(x)] @ by_x, under.T @ by_x]
                by_x, x = by_x @ weight.T, under
            np.multiply(by_x, x > 0, out=x)
            np.matmul(ones[:m], x.reshape(stop - start, m, -1), out=by_event[start:stop])
            return found

        (by_h, *by_layers), *parts = run_blocks(tile, n, _events(m))
        for more_h, *more in parts:
            by_h += more_h
            for total, part in zip(by_layers, more, strict=True):
                total += part
        by_a = group_sums(users.indptr, ones, users.order, by_event, resolve())
        by_b = group_sums(items.indptr, ones, items.order, kept[0], resolve())
        return by_a, by_b, *reversed(by_layers), by_h[:, None]

    run_blocks(forward, n, _events(m))
    return Tensor.from_op("tower", logits, (a, b, *layers, top), backward)


def _events(m: int) -> int:
    """Users of a tile."""
    return max(_TILE // m, 1)

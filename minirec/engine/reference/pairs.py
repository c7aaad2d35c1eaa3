"""Pairs of a user and an item: weighted dot products, and the forward and backward passes of a tower of dense layers, in NumPy.

Pairs e in start..stop are of rows users[e] and items[e] of their tables. A tower has layers of widths (L,), w_1 .. w_L, and numbers
(size,): W_1 (2 w_1, w_1), whose upper half is for users and whose lower half for items, c_1, W_2 (w_1, w_2), c_2, ..., W_L, c_L and
h (w_L,), one after the other, each row by row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..descent.losses import sigmoid
from ..nn.dense import dense_layers
from ..sparse import Floats, Index, Pointer
from .sgd import group_entries, sum_rows

Widths = NDArray[np.int64]


def pair_dots(start: int, stop: int, users: Index, items: Index, p: Floats, q: Floats, weights: Floats, out: Floats) -> None:
    """out[e] becomes the sum over c of weights_c p_uc q_ic, for p (users, d) and q (items, d)."""
    np.einsum("ec,ec,c->e", p[users[start:stop]], q[items[start:stop]], weights, out=out[start:stop], optimize=False)


def first_rows(start: int, stop: int, rows: Index, table: Floats, weight: Floats, out: Floats) -> None:
    """out[k], start <= k < stop, becomes table[rows[k]] W, for a table (n, w_1) and W (w_1, w_1)."""
    np.matmul(table[rows[start:stop]], weight, out=out[start:stop])


def first_gradients(
    start: int, stop: int, rows: Index, table: Floats, weight: Floats, indptr: Pointer, order: Index, pulls: Floats,
    by_rows: Floats, by_weight: Floats,
) -> None:  # fmt: skip
    """Gradients by rows[start:stop] of the table and, from these, by W; row k has the pairs order[indptr[k]:indptr[k + 1]].

    pulls (pairs, w_1) : the gradients by what a pair got of them. by_rows[start:stop] and by_weight are overwritten.
    """
    sums = np.empty((stop - start, weight.shape[1]), weight.dtype)
    sum_rows(0, stop - start, indptr[start : stop + 1], order, np.ones(len(order), weight.dtype), pulls, sums)
    np.matmul(sums, weight.T, out=by_rows[start:stop])
    np.matmul(table[rows[start:stop]].T, sums, out=by_weight)


def tower_rows(
    start: int, stop: int, users: Index, items: Index, a: Floats, b: Floats, numbers: Floats, widths: Widths,
    first: Floats, rest: Floats, logits: Floats,
) -> None:  # fmt: skip
    """x_1 = relu(a_u + b_i + c_1), x_l = relu(x_(l-1) W_l + c_l) and the logits (pairs,), x_L h; a (r, w_1), b (s, w_1).

    first (pairs, w_1) is where x_1 goes; rest (pairs (w_2 + ... + w_L),) the others: those of start..stop together, x_2 before x_3.
    """
    x, *others = _layers(start, stop, widths, first, rest)
    zeros, (((_, bias), *layers), h) = np.zeros(max(widths), a.dtype), dense_layers(numbers, [2 * widths[0], *widths])
    np.take(b, items[start:stop], axis=0, out=x, mode="clip")
    x += a[users[start:stop]]
    x += bias
    np.maximum(x, zeros[: widths[0]], out=x)  # by the number 0 it takes NumPy three times as long
    for (weight, bias), following in zip(layers, others, strict=True):
        x = np.matmul(x, weight, out=following)
        x += bias
        np.maximum(x, zeros[: len(bias)], out=x)
    np.matmul(x, h, out=logits[start:stop])


def tower_gradients(
    start: int, stop: int, pulls: Floats, numbers: Floats, widths: Widths, first: Floats, rest: Floats, by_numbers: Floats
) -> None:
    """From the gradients by the logits, pulls (pairs,), those by x_1, which take its place in `first`, and by the numbers but W_1."""
    *below, x = _layers(start, stop, widths, first, rest)
    (_, *layers), h = dense_layers(numbers, [2 * widths[0], *widths])
    ((_, by_bias), *by_layers), by_h = dense_layers(by_numbers, [2 * widths[0], *widths])
    pull, ones = pulls[start:stop], np.ones(len(x), x.dtype)
    np.matmul(pull, x, out=by_h)
    by_x = pull[:, None] * h
    for (weight, _), (by_weight, by_constant), under in zip(reversed(layers), reversed(by_layers), reversed(below), strict=True):
        by_x *= x > 0
        np.matmul(under.T, by_x, out=by_weight)
        np.matmul(ones, by_x, out=by_constant)
        by_x, x = by_x @ weight.T, under
    np.multiply(by_x, x > 0, out=x)
    np.matmul(ones, x, out=by_bias)


def pair_loss(
    users: Index, items: Index, each: int, p: Floats, q: Floats, weights: Floats, a: Floats, b: Floats, numbers: Floats, widths: Widths,
    bias: Floats,
) -> tuple[Any, ...]:  # fmt: skip
    """Binary cross-entropy of a few pairs with all of its gradients: what the operations of engine/nn/pairs.py come to, at once.

    Pairs come in groups of `each`, the first of them wanted and the others not; those with the item of the first do not count. The logit
    is a dot product of p and q plus a tower over a and b plus bias (1,); weights, or numbers and widths, are empty without the one.
    Returns the mean loss over all pairs, the distinct rows of users and of items, and the gradients by these rows of p and q, by weights,
    by the rows of a and b, by numbers, and by bias.
    """
    logits, width = np.repeat(bias, len(users)), widths[0] if len(widths) else 0
    (u, u_starts, u_order, u_at), (i, i_starts, i_order, i_at) = group_entries(users, len(a)), group_entries(items, len(b))
    upper, lower = (numbers[part * width**2 : (part + 1) * width**2].reshape(width, width) for part in range(2))
    first, rest = np.empty((len(users), width), a.dtype), np.empty(len(users) * widths[1:].sum(), a.dtype)
    by_numbers = np.empty_like(numbers)
    if width:
        tower_rows(0, len(users), u_at, i_at, a[u] @ upper, b[i] @ lower, numbers, widths, first, rest, logits)
        logits += bias
    logits += (p[users] * q[items]) @ weights
    wanted = np.arange(len(users)) % each == 0
    counts = wanted | (items != np.repeat(items[::each], each))
    loss = (counts * (np.logaddexp(0, logits) - wanted * logits)).sum(dtype=np.float64) / len(users)
    pulls = (counts * (sigmoid(logits) - wanted) / len(users)).astype(logits.dtype)
    by_p, by_q = np.empty((len(u), len(weights)), p.dtype), np.empty((len(i), len(weights)), p.dtype)
    sum_rows(0, len(u), u_starts, items[u_order], pulls[u_order], q, by_p)
    sum_rows(0, len(i), i_starts, users[i_order], pulls[i_order], p, by_q)
    by_weights = np.einsum("rc,rc->c", p[u], by_p)
    by_a, by_b = np.empty((len(u), width), a.dtype), np.empty((len(i), width), a.dtype)
    if width:
        tower_gradients(0, len(users), pulls, numbers, widths, first, rest, by_numbers)
        by_upper, by_lower = by_numbers[: 2 * width**2].reshape(2, width, width)
        first_gradients(0, len(u), u, a, upper, u_starts, u_order, first, by_a, by_upper)
        first_gradients(0, len(i), i, b, lower, i_starts, i_order, first, by_b, by_lower)
    return loss, u, i, by_p * weights, by_q * weights, by_weights, by_a, by_b, by_numbers, np.array([pulls.sum()], bias.dtype)


def _layers(start: int, stop: int, widths: Widths, first: Floats, rest: Floats) -> list[Floats]:
    """Views of x_1 .. x_L of pairs start..stop."""
    found, at = [first[start:stop]], start * int(widths[1:].sum())
    for width in widths[1:].tolist():
        found.append(rest[at : at + (stop - start) * width].reshape(stop - start, width))
        at += (stop - start) * width
    return found

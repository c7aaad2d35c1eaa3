"""Pairs of a user and an item, compiled: BLAS for the products of a tower, and what stands between them in one pass each.

Compiled code calls the BLAS that SciPy brings, without the interpreter's lock. See reference/pairs.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit
from .sgd import group_entries, sum_rows


@jit
def pair_dots(start: int, stop: int, users: Any, items: Any, p: Any, q: Any, weights: Any, out: Any) -> None:
    """See reference/pairs.py."""
    for e in range(start, stop):
        left, right, total = p[users[e]], q[items[e]], weights.dtype.type(0)
        for c in range(len(weights)):
            total += weights[c] * left[c] * right[c]
        out[e] = total


@jit
def first_rows(start: int, stop: int, rows: Any, table: Any, weight: Any, out: Any) -> None:
    """See reference/pairs.py."""
    np.dot(table[rows[start:stop]], weight, out[start:stop])


@jit
def first_gradients(
    start: int, stop: int, rows: Any, table: Any, weight: Any, indptr: Any, order: Any, pulls: Any, by_rows: Any, by_weight: Any
) -> None:
    """See reference/pairs.py."""
    sums = np.empty((stop - start, weight.shape[1]), weight.dtype)
    sum_rows(0, stop - start, indptr[start : stop + 1], order, np.ones(len(order), weight.dtype), pulls, sums)
    np.dot(sums, weight.T, by_rows[start:stop])
    np.dot(table[rows[start:stop]].T, sums, by_weight)


@jit
def tower_rows(
    start: int, stop: int, users: Any, items: Any, a: Any, b: Any, numbers: Any, widths: Any, first: Any, rest: Any, logits: Any
) -> None:
    """See reference/pairs.py."""
    count, x, width, zero = stop - start, first[start:stop], widths[0], numbers.dtype.type(0)
    at, begin = 2 * width * width, start * (widths.sum() - width)
    bias = numbers[at : at + width]
    for e in range(start, stop):
        left, right, row = a[users[e]], b[items[e]], first[e]
        for c in range(width):
            value = left[c] + right[c] + bias[c]
            row[c] = zero if value < zero else value  # so that NaN stays
    at += width
    for layer in range(1, len(widths)):
        inputs, outputs = widths[layer - 1], widths[layer]
        split = at + inputs * outputs
        y, bias = rest[begin : begin + count * outputs].reshape(count, outputs), numbers[split : split + outputs]
        np.dot(x, numbers[at:split].reshape(inputs, outputs), y)
        for r in range(count):
            for c in range(outputs):
                value = y[r, c] + bias[c]
                y[r, c] = zero if value < zero else value
        x, at, begin = y, split + outputs, begin + count * outputs
    np.dot(x, numbers[at:], logits[start:stop])


@jit
def tower_gradients(start: int, stop: int, pulls: Any, numbers: Any, widths: Any, first: Any, rest: Any, by_numbers: Any) -> None:
    """See reference/pairs.py."""
    count, last, zero = stop - start, len(widths) - 1, numbers.dtype.type(0)
    pull, ones, width, behind = pulls[start:stop], np.ones(count, numbers.dtype), widths[last], widths.sum() - widths[0]
    at, begin = len(numbers) - width, start * behind + count * (behind - width)
    x = rest[begin : begin + count * width].reshape(count, width) if last else first[start:stop]
    np.dot(pull, x, by_numbers[at:])
    by_x = np.empty((count, width), numbers.dtype)
    for r in range(count):
        for c in range(width):
            by_x[r, c] = pull[r] * numbers[at + c] if x[r, c] > zero else zero
    for layer in range(last, 0, -1):
        inputs, outputs = widths[layer - 1], widths[layer]
        at, begin = at - (inputs + 1) * outputs, begin - count * inputs
        split = at + inputs * outputs
        under = rest[begin : begin + count * inputs].reshape(count, inputs) if layer > 1 else first[start:stop]
        np.dot(under.T, by_x, by_numbers[at:split].reshape(inputs, outputs))
        np.dot(ones, by_x, by_numbers[split : split + outputs])
        by_under = np.empty((count, inputs), numbers.dtype)
        np.dot(by_x, numbers[at:split].reshape(inputs, outputs).T, by_under)
        for r in range(count):
            for c in range(inputs):
                by_under[r, c] = by_under[r, c] if under[r, c] > zero else zero
        by_x = by_under
    np.dot(ones, by_x, by_numbers[at - widths[0] : at])
    first[start:stop] = by_x


@jit
def pair_loss(users: Any, items: Any, each: int, p: Any, q: Any, weights: Any, a: Any, b: Any, numbers: Any, widths: Any, bias: Any) -> Any:
    """See reference/pairs.py."""
    pairs, d, width, zero, one = len(users), len(weights), widths[0] if len(widths) else 0, bias.dtype.type(0), bias.dtype.type(1)
    u, u_starts, u_order, u_at = group_entries(users, len(a))
    i, i_starts, i_order, i_at = group_entries(items, len(b))
    upper, lower = numbers[: width * width].reshape(width, width), numbers[width * width : 2 * width * width].reshape(width, width)
    first, rest = np.empty((pairs, width), bias.dtype), np.empty(pairs * (widths.sum() - width), bias.dtype)
    logits, dots, by_numbers = np.zeros(pairs, bias.dtype), np.empty(pairs, bias.dtype), np.empty_like(numbers)
    if width:
        of_users, of_items = np.empty((len(u), width), bias.dtype), np.empty((len(i), width), bias.dtype)
        first_rows(0, len(u), u, a, upper, of_users)
        first_rows(0, len(i), i, b, lower, of_items)
        tower_rows(0, pairs, u_at, i_at, of_users, of_items, numbers, widths, first, rest, logits)
    pair_dots(0, pairs, users, items, p, q, weights, dots)
    loss, by_bias, pulls, share = np.float64(0), np.zeros(1, bias.dtype), dots, one / bias.dtype.type(pairs)
    for e in range(pairs):
        x, target = logits[e] + dots[e] + bias[0], one if e % each == 0 else zero
        if target == zero and items[e] == items[e - e % each]:
            pulls[e] = zero
            continue
        small = np.exp(-abs(x))
        loss += max(x, zero) + np.log1p(small) - target * x
        pulls[e] = ((one if x >= zero else small) / (one + small) - target) * share
        by_bias[0] += pulls[e]
    by_p, by_q, by_weights = np.empty((len(u), d), bias.dtype), np.empty((len(i), d), bias.dtype), np.zeros(d, bias.dtype)
    sum_rows(0, len(u), u_starts, items[u_order], pulls[u_order], q, by_p)
    sum_rows(0, len(i), i_starts, users[i_order], pulls[i_order], p, by_q)
    for k in range(len(u)):
        for c in range(d):
            by_weights[c] += p[u[k], c] * by_p[k, c]
            by_p[k, c] *= weights[c]
    for k in range(len(i)):
        for c in range(d):
            by_q[k, c] *= weights[c]
    by_a, by_b = np.empty((len(u), width), bias.dtype), np.empty((len(i), width), bias.dtype)
    if width:
        tower_gradients(0, pairs, pulls, numbers, widths, first, rest, by_numbers)
        by_upper = by_numbers[: width * width].reshape(width, width)
        by_lower = by_numbers[width * width : 2 * width * width].reshape(width, width)
        first_gradients(0, len(u), u, a, upper, u_starts, u_order, first, by_a, by_upper)
        first_gradients(0, len(i), i, b, lower, i_starts, i_order, first, by_b, by_lower)
    return loss / pairs, u, i, by_p, by_q, by_weights, by_a, by_b, by_numbers, by_bias

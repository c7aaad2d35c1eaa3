"""Losses of a batch against negatives that its samples share: what LightGCN and UltraGCN descend.

Sample s of a block has a user vector u_s and the vector i_s of an item that the user has, both (b, d). Negatives n (N, d) are shared:
weights (b, N) says how often each counts for each sample, 0 where the user has it. The products are of dense blocks then, at the
speed of BLAS, where negatives of its own for every sample would be gathered one by one; the expected gradient is the same.

`observed` and `unobserved` take all items as they are instead, in a matrix. Each function returns the loss, summed over the samples, and
its gradients, in the precision of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..backend import run_blocks
from ..graph.propagate import propagate
from ..sparse import CSR, Floats
from .losses import pairwise_logistic

TILE = 2048  # items whose scores are in memory at once, in each thread


class Contrast(NamedTuple):
    """A loss and its gradients by the vectors of users (b, d), items (b, d) and negatives."""

    loss: float
    users: Floats
    items: Floats
    negatives: Floats


def unit(vectors: Floats) -> tuple[Floats, Floats]:
    """The vectors (n, d) scaled to length 1, and their lengths (n, 1)."""
    norms = np.maximum(np.sqrt(np.einsum("nd,nd->n", vectors, vectors)), 1e-12)[:, None].astype(vectors.dtype)
    return vectors / norms, norms


def through_unit(gradient: Floats, directions: Floats, norms: Floats) -> Floats:
    """The gradient by the vectors, from the one by their directions: (g - (g . x) x) / |v|."""
    along = np.einsum("nd,nd->n", gradient, directions)[:, None]
    back: Floats = (gradient - along * directions) / norms
    return back


def pairwise(users: Floats, items: Floats, negatives: Floats) -> Contrast:
    """BPR, Rendle et al. 2009: -ln sigma(u . (i - n)), with one negative for each sample (b, d)."""
    difference = items - negatives
    loss, pull = pairwise_logistic(np.einsum("sd,sd->s", users, difference))
    pull = pull[:, None]
    along: Floats = pull * users
    return Contrast(_total(loss), -pull * difference, -along, along)


def softmax(users: Floats, items: Floats, negatives: Floats, weights: Floats, temperature: float) -> Contrast:
    """Sampled softmax, Wu et al. 2024, "On the effectiveness of sampled softmax loss for item recommendation", equation 5:

    -ln (e^(u.i / t) / (e^(u.i / t) + sum_n w_n e^(u.n / t))), t being the temperature.
    """
    own, others = np.einsum("sd,sd->s", users, items) / temperature, users @ negatives.T / temperature
    others[weights == 0] = -np.inf  # so that the largest is one that counts
    top = np.maximum(own, others.max(axis=1))
    others = np.exp(others - top[:, None]) * weights
    taken = np.exp(own - top)
    total = taken + others.sum(axis=1)
    pull = ((1 - taken / total) / temperature)[:, None]
    push = others / (total * temperature)[:, None]
    return Contrast(_total(np.log(total) - own + top), push @ negatives - pull * items, -pull * users, push.T @ users)


def cosine_contrastive(users: Floats, items: Floats, negatives: Floats, weights: Floats, margin: float, negative_weight: float) -> Contrast:
    """CCL, Mao et al. 2021, "SimpleX", equation 1: 1 - u.i + negative_weight mean_n max(0, u.n - margin), for vectors of length 1."""
    beyond = users @ negatives.T - margin
    share = weights * (negative_weight / np.maximum(weights.sum(axis=1, dtype=users.dtype), 1))[:, None]
    push = np.where(beyond > 0, share, 0).astype(users.dtype)
    loss = 1 - np.einsum("sd,sd->s", users, items) + np.einsum("sn,sn->s", push, beyond)
    return Contrast(_total(loss), push @ negatives - items, -users, push.T @ users)


def alignment(users: Floats, items: Floats) -> Contrast:
    """DirectAU, Wang et al. 2022, equation 3: |u - i|^2."""
    difference = users - items
    loss = np.einsum("sd,sd->s", difference, difference)
    return Contrast(_total(loss), 2 * difference, -2 * difference, users[:0])


def uniformity(start: int, stop: int, vectors: Floats) -> tuple[float, Floats]:
    """Of ln mean_{a != b} e^(-2 |x_a - x_b|^2), DirectAU, equation 4, for x (n, d) of length 1: the part of rows a in start..stop.

    The sum of the exponentials over these a and all b, and the gradient of the whole sum by these x_a. With S, the sum over all a, the
    loss is ln(S / (n (n - 1))), and its gradient the one of the sum divided by S.
    """
    kernel = np.exp(4 * (vectors[start:stop] @ vectors.T) - 4)
    kernel[np.arange(stop - start), np.arange(start, stop)] = 0
    return _total(kernel), 8 * (kernel @ vectors)


def observed(users: Floats, items: Floats, entries: CSR, backend: str) -> Contrast:
    """Binary cross-entropy of pairs that were observed: -sum of w ln sigma(u . i) over the entries w of a matrix users x items.

    `items` of the result is the gradient by all items, (items, d); `negatives` is empty.
    """
    loss, pull = pairwise_logistic(np.einsum("nd,nd->n", users[entries.row_ids()], items[entries.indices]))
    pulled = entries.with_data(-entries.data * pull)
    by_users, by_items = propagate(pulled, items, backend=backend), propagate(pulled.transpose(), users, backend=backend)
    return Contrast(_total(entries.data * loss), by_users, by_items, users[:0])


def unobserved(users: Floats, items: Floats, user_weights: Floats, item_weights: Floats, observed: CSR) -> Contrast:
    """Binary cross-entropy of all pairs without an entry in `observed`, users x items: -sum a_u b_i ln sigma(-u . i).

    `items` of the result is the gradient by all items; `negatives` is empty. The scores are made, and used up, a tile at a time.
    """
    by_items, owners = np.empty_like(items), observed.row_ids()

    def tile(start: int, stop: int) -> tuple[float, Floats]:
        here, b = items[start:stop], item_weights[start:stop]
        # ln(1 + e^s) = s + ln(1 + e^-s); below -80 it is 0 in single precision, and e^-s would be too large for it
        loss = np.maximum(users @ here.T, -80)
        odds = np.exp(-loss)
        odds += 1
        loss += np.log(odds)
        push = np.divide(user_weights[:, None], odds, out=odds)
        push *= b
        inside = (observed.indices >= start) & (observed.indices < stop)
        rows, columns = owners[inside], observed.indices[inside] - start
        push[rows, columns] = loss[rows, columns] = 0
        by_items[start:stop] = push.T @ users
        return float(user_weights.astype(np.float64) @ (loss @ b)), push @ here

    losses, by_users = zip(*run_blocks(tile, len(items), TILE), strict=True)
    return Contrast(sum(losses), sum(by_users[1:], start=by_users[0]), by_items, users[:0])


def in_blocks(loss: Callable[[int, int], Contrast], n: int, size: int) -> Contrast:
    """A loss with shared negatives over n samples, `size` at a time on each thread; sums go by the order of the blocks."""
    parts = run_blocks(loss, n, size)
    negatives = parts[0].negatives
    for part in parts[1:]:
        negatives = negatives + part.negatives
    users, items = np.concatenate([part.users for part in parts]), np.concatenate([part.items for part in parts])
    return Contrast(sum(part.loss for part in parts), users, items, negatives)


def _total(losses: Floats) -> float:
    return float(losses.sum(dtype=np.float64))

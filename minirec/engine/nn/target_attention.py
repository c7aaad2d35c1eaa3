"""Attention over a history by a candidate, its weights made by a small network: forward and backward over packed sequences.

The activation unit of Zhou et al. 2018, "Deep interest network for click-through rate prediction", section 4.3: how much candidate k
takes of event s is

    a_ks = w . prelu(h_s + g_k + P (v_s * q_k)) + b,        out_k = sum_s a_ks v_s

with h_s and g_k the parts of the first layer that the event and the candidate have alone. No softmax: the sum tells how much there is in a
history. P (v_s * q_k) is (P diag(v_s)) q_k: the event is folded into the weights, so that the layer is one matrix product of the
candidates with those of a whole sequence, and no product of vectors is ever laid out by pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError
from ..backend import run_blocks
from ..sequences import blocks_of, check_packed
from ..sparse import Floats, Pointer

T = TypeVar("T")
_PAIRS = 2**14  # pairs of a place and an event in a block of sequences, and in a part of the sums over all of them
_PLACES = 16  # of a sequence that go through the unit at once; each computes the pairs with half as many places that it does not see


class Unit(NamedTuple):
    """The activation unit: P (d, w), slope of its prelu (w,), w (w,), b (1,)."""

    product: Floats
    slope: Floats
    weight: Floats
    bias: Floats


class Attended(NamedTuple):
    """The arguments of `target_attention`, which its backward pass needs."""

    values: Floats
    targets: Floats
    indptr: Pointer
    own: Floats
    asked: Floats
    unit: Unit


def target_attention(values: Floats, targets: Floats, indptr: Pointer, own: Floats, asked: Floats, unit: Unit) -> tuple[Floats, Attended]:
    """Each place of packed sequences asks with c candidates of its own, and sees itself and what is before it.

    values v (tokens, d), targets q (tokens, c, d), own h (tokens, w), asked g (tokens, c, w), all of one floating type, indptr
    (sequences + 1,). Returns (tokens, c, d) and what `target_attention_backward` takes. O(c d w sum n^2) time over the lengths n; memory
    O(tokens c d), and c w n for 16 places of a sequence. Same bytes for any threads.
    """
    check_packed("target attention", indptr, values=values, own=own)
    (n, d), w, c = values.shape, own.shape[1], targets.shape[1]
    shapes = [targets.shape, asked.shape, *(part.shape for part in unit)]
    if shapes != [(n, c, d), (n, c, w), (d, w), (w,), (w,), (1,)]:
        raise ParameterError(f"target attention: {shapes} do not fit values {values.shape} and own {own.shape}")
    saved = Attended(values, targets, indptr, own, asked, unit)
    out = np.empty_like(targets)

    def sequences(a: int, b: int) -> None:
        for first, last in pairwise(indptr[a : b + 1].tolist()):
            folded = fold(values[first:last], unit)
            for at, before, seen in _parts(first, last, c):
                x = unit_inputs(targets[at].reshape(-1, d), folded[: before.stop - first], own[before], asked[at].reshape(-1, w))
                out[at] = (unit_weights(x, unit) * seen @ values[before]).reshape(-1, c, d)

    _over(indptr, sequences)
    return out, saved


def target_attention_backward(gradient: Floats, saved: Attended) -> tuple[Floats, ...]:
    """The gradients by values, targets, own, asked, and the parts of the unit, from that by the result. The unit is computed again."""
    values, targets, indptr, own, asked, unit = saved
    if gradient.shape != targets.shape:
        raise ParameterError(f"target attention: the gradient must be {targets.shape} as the result is, got {gradient.shape}")
    (_, c, d), w = targets.shape, own.shape[1]
    by_values, by_own = np.zeros_like(values), np.zeros_like(own)
    by_targets, by_asked = np.empty_like(targets), np.empty_like(asked)

    def sequences(a: int, b: int) -> Unit:
        by = Unit(*(np.zeros_like(part) for part in unit))
        for first, last in pairwise(indptr[a : b + 1].tolist()):
            folded = fold(values[first:last], unit)
            by_folded = np.zeros_like(folded)
            for at, before, seen in _parts(first, last, c):
                n, q, g = before.stop - first, targets[at].reshape(-1, d), gradient[at].reshape(-1, d)
                x = unit_inputs(q, folded[:n], own[before], asked[at].reshape(-1, w))
                by_values[before] += (unit_weights(x, unit) * seen).T @ g
                by_weights = (g @ values[before].T) * seen
                flat = by_weights.reshape(-1)
                above, below = flat @ np.maximum(x, 0).reshape(-1, w), flat @ np.minimum(x, 0).reshape(-1, w)
                by.weight[:] += above + unit.slope * below
                by.slope[:] += unit.weight * below
                by.bias[:] += flat.sum()
                by_x = np.where(x > 0, unit.weight, unit.slope * unit.weight)
                by_x *= by_weights[:, :, None]
                by_own[before] += by_x.sum(axis=0)
                by_asked[at] = by_x.sum(axis=1).reshape(-1, c, w)
                wide = by_x.reshape(-1, n * w)
                by_targets[at] = (wide @ folded[:n].reshape(-1, d)).reshape(-1, c, d)
                by_folded[:n] += (wide.T @ q).reshape(-1, w, d)
            by_values[first:last] += (by_folded * unit.product.T).sum(axis=1)
            by.product[:] += (by_folded * values[first:last, None]).sum(axis=0).T
        return by

    total = Unit(*(np.zeros_like(part) for part in unit))
    for by in _over(indptr, sequences):
        for whole, part in zip(total, by, strict=True):
            whole += part
    return by_values, by_targets, by_own, by_asked, *total


def fold(values: Floats, unit: Unit) -> Floats:
    """(P diag(v_s))^T of each event: (n, w, d)."""
    folded: Floats = values[:, None] * unit.product.T
    return folded


def unit_inputs(targets: Floats, folded: Floats, own: Floats, asked: Floats) -> Floats:
    """What the prelu takes, for candidates (k, d) and asked (k, w) with events folded (n, w, d) and own (n, w): (k, n, w)."""
    n, w, d = folded.shape
    x = (targets @ folded.reshape(-1, d).T).reshape(-1, n, w)
    x += own
    x += asked[:, None]
    return x


def unit_weights(x: Floats, unit: Unit) -> Floats:
    """a from what the prelu takes, (k, n, w) to (k, n). prelu(x) = slope x + (1 - slope) relu(x): two products, and one look at x."""
    flat = x.reshape(-1, x.shape[2])
    a = flat @ (unit.slope * unit.weight)
    a += np.maximum(flat, 0) @ ((1 - unit.slope) * unit.weight)
    a += unit.bias
    return a.reshape(x.shape[:2])


def _parts(first: int, last: int, c: int) -> Iterator[tuple[slice, slice, NDArray[np.bool_]]]:
    """A sequence by a few places at a time: their tokens (m), the n tokens up to the last of them, and which of these each candidate of
    theirs sees, (m c, n)."""
    for start in range(first, last, _PLACES):
        stop = min(start + _PLACES, last)
        yield slice(start, stop), slice(first, stop), np.tri(stop - start, stop - first, start - first, bool).repeat(c, axis=0)


def _over(indptr: Pointer, work: Callable[[int, int], T]) -> list[T]:
    """`work` on blocks of sequences with about as many pairs each."""
    lengths = np.diff(indptr)
    cuts = blocks_of(lengths * (lengths + 16), _PAIRS).tolist()
    return run_blocks(lambda b, _: work(cuts[b], cuts[b + 1]), len(cuts) - 1, 1)

"""Coordinate descent for sparse linear models, compiled. See reference/slim.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit


@jit
def slim_columns(
    start: int, stop: int, g_indptr: Any, g_indices: Any, g_data: Any, diagonal: Any, l1: float, l2: float, tol: float, max_sweeps: int
) -> Any:
    """A full sweep lets items enter; then only those that entered are swept, on their own small Gram matrix, until they settle.

    A row of the Gram matrix is gathered when its item enters. Bound by these gathers: O(entered x row) a target.
    """
    widest = np.diff(g_indptr).max()
    place = np.full(len(diagonal), -1, np.int32)  # of an item among the candidates of the target at hand
    candidates, slot = np.empty(widest, np.int32), np.empty(widest, np.int32)
    residual, weights = np.empty(widest, np.float32), np.empty(widest, np.float32)
    entered, rows = np.empty(64, np.int32), np.empty((64, widest), np.float32)
    counts, sweeps = np.zeros(stop - start, np.int64), np.zeros(stop - start, np.int64)
    items, values, length = np.empty(1024, np.int32), np.empty(1024, np.float32), 0
    for target in range(start, stop):
        c = 0
        for at in range(g_indptr[target], g_indptr[target + 1]):
            if g_indices[at] != target and g_data[at] > l1:
                candidates[c], residual[c] = g_indices[at], g_data[at]
                c += 1
        # strongest first: the weaker ones, swept later, then seldom enter in vain
        order = np.argsort(-residual[:c] / np.sqrt(diagonal[candidates[:c]] + l2))
        candidates[:c], residual[:c] = candidates[:c][order], residual[:c][order]
        weights[:c], slot[:c] = 0, -1
        for p in range(c):
            place[candidates[p]] = p
        m, swept, moved = 0, 0, np.inf
        while swept < max_sweeps and moved > tol:
            swept, moved = swept + 1, 0.0
            for p in range(c):
                own = diagonal[candidates[p]]
                new = np.float32(max(0.0, (residual[p] + own * weights[p] - l1) / (own + l2)))
                step = new - weights[p]
                if step != 0:
                    if slot[p] < 0:
                        if m == len(entered):
                            entered, rows = np.append(entered, entered), np.concatenate((rows, rows))
                        slot[p], entered[m] = m, p
                        _gather(g_indptr, g_indices, g_data, candidates[p], place, rows[m, :c])
                        m += 1
                    _subtract(residual[:c], step, rows[slot[p]])
                    weights[p], moved = new, max(moved, abs(step))
            if moved > tol:
                swept += _settle(entered[:m], rows, residual, weights, l1, l2, tol, max_sweeps - swept, c)
        for p in range(c):
            place[candidates[p]] = -1
        kept = np.flatnonzero(weights[:c])
        while length + len(kept) > len(items):
            items, values = np.append(items, items), np.append(values, values)
        items[length : length + len(kept)], values[length : length + len(kept)] = candidates[kept], weights[kept]
        length += len(kept)
        counts[target - start] = len(kept)
        sweeps[target - start] = swept if moved <= tol else -1
    return counts, items[:length].copy(), values[:length].copy(), sweeps


@jit
def _gather(g_indptr: Any, g_indices: Any, g_data: Any, item: int, place: Any, row: Any) -> None:
    """The row of an item in the Gram matrix of the candidates."""
    row[:] = 0
    for at in range(g_indptr[item], g_indptr[item + 1]):
        p = place[g_indices[at]]
        if p >= 0:
            row[p] = g_data[at]


@jit
def _settle(entered: Any, rows: Any, residual: Any, weights: Any, l1: float, l2: float, tol: float, max_sweeps: int, c: int) -> int:
    """Sweep the entered items alone until no weight moves by more than `tol`; bring the residual of all candidates up to date."""
    m = len(entered)
    gram = np.empty((m, m), np.float32)
    for a in range(m):
        for b in range(m):
            gram[a, b] = rows[a, entered[b]]
    local, before = residual[entered], weights[entered]
    after = before.copy()
    swept, moved = 0, np.inf
    while swept < max_sweeps and moved > tol:
        swept, moved = swept + 1, 0.0
        for a in range(m):
            own = gram[a, a]
            new = np.float32(max(0.0, (local[a] + own * after[a] - l1) / (own + l2)))
            step = new - after[a]
            if step != 0:
                _subtract(local, step, gram[a])
                after[a], moved = new, max(moved, abs(step))
    for a in range(m):
        step = after[a] - before[a]
        if step != 0:
            _subtract(residual[:c], step, rows[a])
            weights[entered[a]] = after[a]
    return swept


@jit
def _subtract(target: Any, step: Any, row: Any) -> None:
    """target -= step * row, without a temporary."""
    for c in range(len(target)):
        target[c] -= step * row[c]

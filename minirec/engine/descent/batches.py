"""Mini-batches whose samples have gradients of their own: which samples, which negatives, and the sums of their gradients by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend import kernel, run_blocks
from ..sparse import CSR, Floats, Index, Pointer
from .sgd import DRAWS, Held, Negatives, block_size


def shuffled(n: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Samples 0..n-1 in random order, cut into parts of `size` (the last may be smaller); ascending within a part."""
    order = rng.permutation(n)
    for start in range(0, n, size):
        yield np.sort(order[start : start + size])


def negatives_of_each(users: Index, positives: Index, key: np.uint64, held: Held, negatives: Negatives, backend: str) -> Index:
    """One negative for each sample, (B,): an item that the user has not; the positive where the user seems to have everything."""
    out, draw = np.empty(len(users), np.int32), kernel("draw_negatives", backend)

    def block(start: int, stop: int) -> None:
        draw(start, stop, key, DRAWS, users, positives, *held, *negatives, out)

    run_blocks(block, len(users), block_size(len(users)))
    return out


def shared_negatives(count: int, negatives: Negatives, rng: np.random.Generator) -> tuple[Index, NDArray[np.float32]]:
    """`count` draws for a whole batch: the distinct items, ascending, and how often each was drawn."""
    drawn = np.searchsorted(negatives.cumulative, rng.random(count), side="right")
    items, times = np.unique(drawn, return_counts=True)
    return items.astype(np.int32), times.astype(np.float32)


def weights_of(users: Index, items: Index, times: Floats, held: CSR) -> Floats:
    """(samples, items): `times`, but 0 where the user of the sample has the item. items ascend."""
    weights = np.tile(times, (len(users), 1))
    theirs = held.rows(users)
    at = np.searchsorted(items, theirs.indices)
    at[at == len(items)] = 0
    has = items[at] == theirs.indices
    weights[theirs.row_ids()[has], at[has]] = 0
    return weights


def row_sums(rows: Index, vectors: Floats, n: int, backend: str) -> tuple[Index, Floats]:
    """The distinct rows (of n), ascending, and for each the sum of its entries' vectors (entries, d), in their order."""
    distinct, indptr, order, _ = kernel("group_entries", backend)(rows, n)
    return distinct, group_sums(indptr, np.ones(len(rows), vectors.dtype), order, vectors, backend)


def group_sums(indptr: Pointer, values: Floats, columns: NDArray[np.integer[Any]], vectors: Floats, backend: str) -> Floats:
    """(groups, d): the sum of values[e] vectors[columns[e]] over the entries e in indptr[r]..indptr[r + 1], in their order."""
    out, add = np.empty((len(indptr) - 1, vectors.shape[1]), vectors.dtype), kernel("sum_rows", backend)

    def block(start: int, stop: int) -> None:
        low, high = np.searchsorted(indptr[:-1], (start, stop)).tolist()
        add(low, high, indptr, columns, values, vectors, out)

    run_blocks(block, len(columns), block_size(len(columns)))
    return out

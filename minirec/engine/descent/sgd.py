"""Stochastic training in mini-batches: which samples make a batch, where negatives come from, and the update of both sides.

The result depends on the seed and the data, not on threads or backend: see reference/sgd.py for what a batch does. A batch has two
parts with a barrier between them: blocks of its users (pulls, then their rows), then blocks of its items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..backend import kernel, run_blocks
from ..sparse import CSR, Floats, Index, Pointer

Fill = Callable[[int, int, Index, Floats], None]
FEWEST, BATCHES = 16, 64  # batches of an epoch: few where BATCH samples or less are in each, to spend the time on samples
MIN_BATCH, BATCH, MAX_BATCH = 2**4, 2**12, 2**15  # samples; the outer ones go before the number of batches
BLOCKS = 8  # of users and of items in a batch, unless they would be smaller than MIN_BLOCK
MIN_BLOCK = 1024  # smaller ones cost more to hand over than they save
DRAWS = 64  # of a negative, after which a user is taken to have everything


@dataclass
class Side:
    """The parameters of one side, users or items, and AdaGrad's sums of squared gradients; all float32.

    vectors (n, d), bias (n,), squares (n,) of the vectors, bias_squares (n,).
    """

    vectors: NDArray[np.float32]
    bias: NDArray[np.float32]
    squares: NDArray[np.float32]
    bias_squares: NDArray[np.float32]

    @classmethod
    def random(cls, n: int, factors: int, rng: np.random.Generator) -> Side:
        """Normal vectors of expected length .1, no biases."""
        vectors = rng.standard_normal((n, factors), np.float32) * np.float32(0.1 / np.sqrt(factors))
        return cls(vectors, np.zeros(n, np.float32), np.zeros(n, np.float32), np.zeros(n, np.float32))


class Held(NamedTuple):
    """What each user has: rows of a CSR, and a filter that knows at once most pairs that are not among them.

    filter : a Bloom filter with one hash function (Bloom 1970) and one byte a pair, those of a user side by side, so that samples in
    the order of users find it in the cache. Item i of a user with n items has bit floor(h(i) 8 n / 2^32) of the user's 8 n, h being
    Fibonacci hashing to 32 bits (Knuth 1998, section 6.4). A bit that is not set proves that the pair is not there.
    """

    indptr: Pointer
    indices: Index
    filter: NDArray[np.uint8]

    @classmethod
    def of(cls, x: CSR) -> Held:
        """O(pairs), and 32 bytes a pair while it is made."""
        counts = x.counts()
        taken = np.zeros(8 * x.nnz, bool)
        taken[filter_bits(x.indices, np.repeat(x.indptr[:-1], counts), np.repeat(counts, counts))] = True
        return cls(x.indptr, x.indices, np.packbits(taken, bitorder="little"))


def filter_bits(items: Index, first: Pointer, counts: Pointer) -> NDArray[np.int64]:
    """The bit of each item in the filter of `Held`, for a user whose row begins at `first` and has this many items."""
    hashed = (items.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    return 8 * first + ((hashed * (8 * counts).astype(np.uint64)) >> np.uint64(32)).astype(np.int64)


class Negatives(NamedTuple):
    """A distribution over items: its distribution function, and a guide table (Chen & Asau 1974) that makes a draw O(1)."""

    cumulative: NDArray[np.float64]
    guide: Index

    @classmethod
    def powered(cls, counts: NDArray[Any], power: float) -> Negatives:
        """Probability of each item proportional to counts^power: 0 is uniform, 1 popularity."""
        logs = power * np.log(counts)
        cumulative = np.cumsum(np.exp(logs - logs.max()))
        cumulative /= cumulative[-1]
        guide = np.searchsorted(cumulative, np.arange(len(counts)) / len(counts), side="right")
        return cls(cumulative, guide.astype(np.int32))


class Batch(NamedTuple):
    """Samples of a batch, ascending: their numbers, user and item of each, and the key of the batch's random numbers."""

    samples: Index
    users: Index
    items: Index
    key: np.uint64


def epoch(users: Index, items: Index, rng: np.random.Generator, backend: str) -> Iterator[Batch]:
    """Split the samples, given by the user and the item of each, at random into batches."""
    n = len(users)
    size = np.clip(np.clip(BATCH, n / BATCHES, n / FEWEST), MIN_BATCH, MAX_BATCH)
    count = max(1, round(n / size))
    batch = rng.integers(0, count, n, dtype=np.uint16)
    keys = rng.integers(0, 2**64, count, dtype=np.uint64)
    offsets, samples, owners, positives = kernel("deal_samples", backend)(batch, count, users, items)
    for start, stop, key in zip(offsets[:-1], offsets[1:], keys, strict=True):
        if start < stop:
            yield Batch(samples[start:stop], owners[start:stop], positives[start:stop], key)


def block_size(n: int) -> int:
    """Rows (or entries) of a block, of n in a batch. No result depends on it: each row is moved by one block."""
    return max(-(-n // BLOCKS), MIN_BLOCK)


class Groups(NamedTuple):
    """Entries grouped by row: entries order[offsets[r]:offsets[r + 1]] belong to rows[r]; the rows are distinct and ascend."""

    rows: Index
    offsets: Pointer
    order: Index


class Descent:
    """Mini-batch descent, with the learning rate and the regularisation of one entry."""

    def __init__(self, learning_rate: float, regularization: float, backend: str) -> None:
        self._rate, self._regularization = np.float32(learning_rate), regularization
        self._descend, self._group = kernel("descend_rows", backend), kernel("group_entries", backend)

    def batch(self, users: Side, items: Side, owners: Index, width: int, fill: Fill) -> None:
        """One batch: sample s belongs to user owners[s], ascending; `fill(start, stop, columns, pulls)` writes its `width` entries.

        The regularisation of a sample's user is that of one entry, not of `width`.
        """
        fresh = np.ones(len(owners), bool)
        np.not_equal(owners[1:], owners[:-1], out=fresh[1:])
        first = np.flatnonzero(fresh)
        bounds = np.append(first, len(owners))
        columns, pulls = np.empty((len(owners), width), np.int32), np.empty((len(owners), width), np.float32)
        before = np.empty((len(first), users.vectors.shape[1]), np.float32)
        groups = ascending(owners[first], bounds * width)

        def move_users(start: int, stop: int) -> None:
            fill(bounds[start], bounds[stop], columns, pulls)
            self.move_rows(users, start, stop, groups, columns.ravel(), pulls.ravel(), items.vectors, before, 1 / width)

        run_blocks(move_users, len(first), block_size(len(first)))
        user_of = np.broadcast_to((np.cumsum(fresh, dtype=np.int32) - 1)[:, None], columns.shape)
        self.move(items, columns.ravel(), user_of.ravel(), pulls.ravel(), before)

    def move(self, side: Side, rows: Index, columns: Index, pulls: Floats, other: Floats) -> None:
        """Move a side by entries in any order: entry e pulls row rows[e] along other[columns[e]] by pulls[e]."""
        groups = Groups(*self._group(rows, len(side.vectors))[:3])

        def move(start: int, stop: int) -> None:
            low, high = np.searchsorted(groups.offsets[:-1], (start, stop)).tolist()
            self.move_rows(side, low, high, groups, columns, pulls, other)

        run_blocks(move, len(rows), block_size(len(rows)))  # blocks of entries: a popular item has many

    def move_rows(
        self, side: Side, start: int, stop: int, groups: Groups, columns: Index, pulls: Floats, other: Floats,
        before: Floats | None = None, share: float = 1.0,
    ) -> None:  # fmt: skip
        """Move groups start..stop; `before` receives their vectors as they were; `share` scales the regularisation."""
        self._descend(
            start, stop, *groups, columns, pulls, other, side.vectors, side.bias, side.squares, side.bias_squares,
            self._rate, np.float32(self._regularization * share), other[:0] if before is None else before,
        )  # fmt: skip


def ascending(rows: Index, offsets: Pointer) -> Groups:
    """The groups of entries that come in the order of their rows."""
    return Groups(rows, offsets, np.arange(offsets[-1], dtype=np.int32))

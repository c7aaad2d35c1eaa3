"""Batches of sequences without padding: one array over all tokens, and where each sequence begins in it.

Sequence s of a batch is tokens indptr[s] .. indptr[s + 1], int64; a sequence may be empty. No work is done for padding because there
is none: matrix products see all tokens as rows, and what depends on the order within a sequence takes indptr.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError
from .sparse import CSR, Floats, Index, Pointer


class Sequences(NamedTuple):
    """Sequences of items in the order of events, each as often as it occurs: sequence s is items[indptr[s]:indptr[s + 1]].

    indptr int64 (sequences + 1,), items int32 (events,), each below `n_items`.
    """

    indptr: Pointer
    items: Index
    n_items: int

    @classmethod
    def of_owners(cls, owners: NDArray[Any], items: NDArray[Any], shape: tuple[int, int]) -> Sequences:
        """From the items of events in order, whose sequences are `owners`, ascending; shape (sequences, items)."""
        return cls(offsets(np.bincount(owners, minlength=shape[0])), items.astype(np.int32, copy=False), shape[1])

    @classmethod
    def of_rows(cls, matrix: CSR) -> Sequences:
        """The items of each row, in the order of their rows."""
        return cls(matrix.indptr, matrix.indices, matrix.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """(sequences, items)."""
        return len(self.indptr) - 1, self.n_items

    def counts(self) -> NDArray[np.int64]:
        """Events of each sequence."""
        return np.diff(self.indptr)

    def owners(self) -> NDArray[np.int64]:
        """The sequence of each event."""
        return np.repeat(np.arange(len(self.indptr) - 1), self.counts())

    def row(self, s: int) -> Index:
        """One sequence, as a view."""
        return self.items[self.indptr[s] : self.indptr[s + 1]]

    def rows(self, selection: NDArray[Any]) -> Sequences:
        """Some sequences, in the order given; one may be asked for twice."""
        indptr, kept = cut_last(self.indptr, selection)
        return Sequences(indptr, self.items[kept], self.n_items)

    def span(self, start: int, stop: int) -> Sequences:
        """Sequences start..stop, as views but for the offsets."""
        first, last = int(self.indptr[start]), int(self.indptr[stop])
        return Sequences(self.indptr[start : stop + 1] - first, self.items[first:last], self.n_items)

    def latest(self, length: int) -> Sequences:
        """The last events of each sequence, at most `length`."""
        indptr, kept = cut_last(self.indptr, np.arange(len(self.indptr) - 1), length)
        return Sequences(indptr, self.items[kept], self.n_items)


class NextItems(NamedTuple):
    """Sequences with what follows each event: indptr (sequences + 1,), inputs and targets int32 (tokens,)."""

    indptr: Pointer
    inputs: Index
    targets: Index


def check_packed(name: str, indptr: Pointer, **arrays: Floats) -> None:
    """Refuse arrays that are not (tokens, columns) of one floating type, or an indptr that does not cut all of their rows."""
    shapes = ", ".join(f"{label} {value.shape} {value.dtype}" for label, value in {**arrays, "indptr": indptr}.items())
    kinds, rows = {value.dtype for value in arrays.values()}, {value.shape[0] if value.ndim == 2 else -1 for value in arrays.values()}
    if len(kinds) != 1 or next(iter(kinds)).kind != "f":
        raise ParameterError(f"{name}: all arrays must have one floating type, got {shapes}")
    if len(rows) != 1 or -1 in rows:
        raise ParameterError(f"{name}: all arrays must be (tokens, columns) with as many tokens, got {shapes}")
    if indptr.ndim != 1 or not len(indptr) or indptr[0] != 0 or indptr[-1] != rows.pop() or (np.diff(indptr) < 0).any():
        raise ParameterError(f"{name}: indptr must ascend from 0 to the number of tokens, got {shapes}")


def blocks_of(costs: NDArray[Any], size: float) -> NDArray[np.int64]:
    """Offsets that cut rows into blocks of about `size` cost each, every one with a row at least: (blocks + 1,), by the costs alone."""
    ends = np.cumsum(costs)
    cuts = np.unique(np.searchsorted(ends, np.arange(size, ends[-1], size)) + 1) if len(ends) else np.zeros(0, np.int64)
    return np.concatenate(([0], cuts[cuts < len(costs)], [len(costs)])).astype(np.int64)


def offsets(lengths: NDArray[Any]) -> Pointer:
    """indptr of sequences with these lengths."""
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)


def cut_last(
    indptr: Pointer, sequences: NDArray[Any], length: int | None = None, skip: NDArray[np.int64] | int = 0
) -> tuple[Pointer, NDArray[np.int64]]:
    """The last `length` events (None: all) of some sequences: indptr of the batch, and the row of each of its tokens. O(tokens).

    skip : number of events to leave out at the end of each (sequences,), at most its length.

    >>> cut_last(np.array([0, 3, 4]), np.array([1, 0]), 2)
    (array([0, 1, 3]), array([3, 1, 2]))
    """
    stop = indptr[sequences + 1] - skip
    lengths = stop - indptr[sequences]
    if length is not None:
        lengths = np.minimum(lengths, length)
    packed = offsets(lengths)
    return packed, np.arange(packed[-1]) + np.repeat(stop - packed[1:], lengths)


def positions(indptr: Pointer, *, from_end: bool = False) -> NDArray[np.int64]:
    """The place of each token in its sequence, 0, 1, ... from the first one, or from the last one backwards. (tokens,)"""
    lengths = np.diff(indptr)
    at = np.arange(indptr[-1])
    return np.repeat(indptr[1:] - 1, lengths) - at if from_end else at - np.repeat(indptr[:-1], lengths)


def next_items(indptr: Pointer, items: Index, sequences: NDArray[Any], length: int, skip: NDArray[np.int64] | int = 0) -> NextItems:
    """What a next-item model learns from: of each sequence the last `length` events that another one follows, and those that follow.

    indptr, items : events of each sequence in the order of time. skip : see `cut_last`. A sequence with less than two events comes out
    empty. O(tokens).

    >>> next_items(np.array([0, 4, 5]), np.array([7, 8, 9, 6], np.int32), np.array([0, 1]), 2)
    NextItems(indptr=array([0, 2, 2]), inputs=array([8, 9], dtype=int32), targets=array([9, 6], dtype=int32))
    """
    packed, rows = cut_last(indptr, sequences, length + 1, skip)
    followed = positions(packed, from_end=True) > 0
    inputs = items[rows[followed]]
    return NextItems(offsets(np.maximum(np.diff(packed) - 1, 0)), inputs, items[rows[followed] + 1])


def shifted(indptr: Pointer, by: int) -> NDArray[np.int64]:
    """The token `by` places earlier (later where negative) in the sequence of each token, -1 where there is none. (tokens,)"""
    left = positions(indptr, from_end=by < 0)
    return np.where(left >= abs(by), np.arange(indptr[-1]) - by, -1)

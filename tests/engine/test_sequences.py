"""Packing of sequences, against loops over the sequences."""

import itertools

import numpy as np
import pytest

from minirec.engine.sequences import Sequences, blocks_of, check_packed, cut_last, next_items, offsets, positions, shifted
from minirec.engine.sparse import CSR
from minirec.errors import ParameterError

INDPTR = offsets(np.array([3, 0, 1, 6, 2]))
ITEMS = np.arange(100, 112, dtype=np.int32)
SEQUENCES = np.array([3, 1, 0, 2, 4, 3])


@pytest.mark.parametrize("length", [None, 1, 2, 4, 50])
def test_the_last_events(length):
    packed, rows = cut_last(INDPTR, SEQUENCES, length)
    expected = [ITEMS[INDPTR[s] : INDPTR[s + 1]].tolist()[-(length or 100) :] for s in SEQUENCES]
    assert [ITEMS[rows[a:b]].tolist() for a, b in itertools.pairwise(packed)] == expected


def test_without_the_very_last():
    packed, rows = cut_last(INDPTR, np.array([3, 1, 0]), 2, np.array([3, 0, 2]))
    assert [ITEMS[rows[a:b]].tolist() for a, b in itertools.pairwise(packed)] == [[105, 106], [], [100]]
    batch = next_items(INDPTR, ITEMS, np.array([3, 0]), 2, np.array([1, 0]))
    assert (batch.inputs.tolist(), batch.targets.tolist()) == ([106, 107, 100, 101], [107, 108, 101, 102])


@pytest.mark.parametrize("length", [1, 3, 50])
def test_next_items(length):
    batch = next_items(INDPTR, ITEMS, SEQUENCES, length)
    assert batch.inputs.dtype == batch.targets.dtype == np.int32
    for s, first, stop in zip(SEQUENCES, batch.indptr[:-1], batch.indptr[1:], strict=True):
        events = ITEMS[INDPTR[s] : INDPTR[s + 1]].tolist()
        assert batch.inputs[first:stop].tolist() == events[:-1][-length:]
        assert batch.targets[first:stop].tolist() == events[1:][-length:]


def test_places_within_a_sequence():
    assert positions(INDPTR).tolist() == [0, 1, 2, 0, 0, 1, 2, 3, 4, 5, 0, 1]
    assert positions(INDPTR, from_end=True).tolist() == [2, 1, 0, 0, 5, 4, 3, 2, 1, 0, 1, 0]
    assert shifted(INDPTR, 0).tolist() == list(range(12))
    assert shifted(INDPTR, 2).tolist() == [-1, -1, 0, -1, -1, -1, 4, 5, 6, 7, -1, -1]
    assert shifted(INDPTR, -1).tolist() == [1, 2, -1, -1, 5, 6, 7, 8, 9, -1, 11, -1]


def test_no_sequences():
    packed, rows = cut_last(INDPTR, np.zeros(0, np.int64), 5)
    assert (packed.tolist(), rows.tolist(), positions(packed).tolist()) == ([0], [], [])


def test_blocks_have_a_row_and_about_one_cost():
    assert blocks_of(np.array([5, 5, 5, 50, 1, 1]), 10).tolist() == [0, 2, 4, 6]
    assert blocks_of(np.zeros(0, np.int64), 10).tolist() == [0, 0]
    costs = np.random.default_rng(0).integers(0, 30, 200)
    cuts = blocks_of(costs, 100)
    assert (np.diff(cuts) > 0).all()
    assert (cuts[0], cuts[-1]) == (0, 200)
    assert max(costs[a:b].sum() for a, b in itertools.pairwise(cuts)) < 130


def test_what_is_not_packed_is_refused():
    x = np.zeros((3, 2))
    for indptr in ([0, 2], [1, 3], [0, 2, 1, 3], [[0, 3]], []):
        with pytest.raises(ParameterError, match="this: indptr must ascend from 0 to the number of tokens, got x"):
            check_packed("this", np.array(indptr, np.int64), x=x)
    with pytest.raises(ParameterError, match=r"this: all arrays must be \(tokens, columns\) with as many tokens, got x \(3,\)"):
        check_packed("this", np.array([0, 3]), x=x[:, 0])
    with pytest.raises(ParameterError, match=r"one floating type, got x .* int64"):
        check_packed("this", np.array([0, 3]), x=x.astype(np.int64))


def test_sequences_keep_order_and_repeats():
    found = Sequences.of_owners(np.array([0, 0, 0, 2]), np.array([3, 1, 3, 0]), (3, 5))
    assert found.shape == (3, 5)
    assert [found.row(s).tolist() for s in range(3)] == [[3, 1, 3], [], [0]]
    assert found.counts().tolist() == [3, 0, 1]
    assert found.owners().tolist() == [0, 0, 0, 2]
    assert [found.rows(np.array([2, 0])).row(s).tolist() for s in range(2)] == [[0], [3, 1, 3]]
    assert [found.latest(2).row(s).tolist() for s in range(3)] == [[1, 3], [], [0]]
    assert [found.span(1, 3).row(s).tolist() for s in range(2)] == [[], [0]]
    matrix = CSR.from_pairs(np.array([1, 1]), np.array([4, 2]), None, (2, 5))
    assert [Sequences.of_rows(matrix).row(s).tolist() for s in range(2)] == [[], [2, 4]]


def test_an_empty_matrix():
    empty = CSR.empty(3, 4)
    assert empty.shape == (3, 4)
    assert empty.nnz == 0
    assert empty.counts().tolist() == [0, 0, 0]

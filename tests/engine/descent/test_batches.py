"""Mini-batches: every sample once, negatives that nobody has, weights, and sums by row."""

import numpy as np
import pytest

from minirec.engine.descent.batches import negatives_of_each, row_sums, shared_negatives, shuffled, weights_of
from minirec.engine.descent.sgd import Held, Negatives
from minirec.engine.sparse import CSR

BACKENDS = ["numpy", "numba"]


def test_every_sample_comes_once():
    parts = list(shuffled(23, 5, np.random.default_rng(0)))
    assert [len(part) for part in parts] == [5, 5, 5, 5, 3]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(23))
    assert all((np.diff(part) > 0).all() for part in parts)
    assert not np.array_equal(np.concatenate(parts), np.arange(23))


@pytest.mark.parametrize("backend", BACKENDS)
def test_negatives_of_each_sample(backend):
    if backend == "numba":
        pytest.importorskip("numba")
    rng = np.random.default_rng(1)
    held = rng.random((5, 9)) < 0.5
    held[4] = True
    matrix = CSR.from_pairs(*np.nonzero(held), None, held.shape)
    users, positives = np.sort(rng.integers(0, 5, 4000)).astype(np.int32), np.zeros(4000, np.int32)
    counts = np.arange(1, 10)
    drawn = negatives_of_each(users, positives, np.uint64(7), Held.of(matrix), Negatives.powered(counts, 1.0), backend)
    assert (drawn[users == 4] == 0).all()
    assert not held[users, drawn][users < 4].any()
    free = np.flatnonzero(~held[0])
    shares = np.bincount(drawn[users == 0], minlength=9) / (users == 0).sum()
    assert shares[free] == pytest.approx(counts[free] / counts[free].sum(), abs=0.06)


def test_shared_negatives_and_their_weights():
    items, times = shared_negatives(1000, Negatives.powered(np.array([1, 4, 5]), 1.0), np.random.default_rng(2))
    assert items.tolist() == [0, 1, 2]
    assert times / 1000 == pytest.approx([0.1, 0.4, 0.5], abs=0.05)
    held = CSR.from_pairs(np.array([0, 0, 1, 2, 2]), np.array([1, 6, 0, 3, 5]), None, (3, 7))
    found = weights_of(np.array([0, 0, 1, 2], np.int32), np.array([1, 3, 5], np.int32), np.array([2.0, 1.0, 4.0]), held)
    assert found.tolist() == [[0, 1, 4], [0, 1, 4], [2, 1, 4], [2, 0, 0]]


@pytest.mark.parametrize("backend", BACKENDS)
def test_sums_by_row(backend):
    if backend == "numba":
        pytest.importorskip("numba")
    rng = np.random.default_rng(3)
    rows, vectors = rng.integers(0, 40, 1500).astype(np.int32) * 2, rng.standard_normal((1500, 3), np.float32)
    distinct, sums = row_sums(rows, vectors, 90, backend)
    assert np.array_equal(distinct, np.unique(rows))
    expected = np.zeros((90, 3))
    np.add.at(expected, rows, vectors)
    assert sums == pytest.approx(expected[distinct], abs=1e-4)

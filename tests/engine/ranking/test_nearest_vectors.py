"""The nearest of vectors against sorting all products."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.engine.ranking import neighbors as neighbours
from minirec.engine.ranking.neighbors import near_vectors, nearest_vectors
from minirec.options import options


def vectors(rng, n, d):
    """Few different values, so that products tie, and some rows of zeros."""
    return (rng.integers(-2, 3, (n, d)) * (rng.random((n, 1)) < 0.8)).astype(np.float32)


def loops(queries, items, k, own, least):
    out = np.zeros((len(queries), len(items)), np.float32)
    for r, query in enumerate(queries):
        products = [(float(query.astype(float) @ item.astype(float)), -c) for c, item in enumerate(items) if c != own[r]]
        for value, column in sorted(products, reverse=True)[:k]:
            if value > 0 and value >= least[r]:
                out[r, -column] = value
    return out


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.sampled_from([1, 3, 2**22]))
def test_against_sorting(seed, k, tile):
    rng = np.random.default_rng(seed)
    queries, items = vectors(rng, 6, 3), vectors(rng, 8, 3)
    own = rng.integers(-1, 8, 6).astype(np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_TILE", tile)
        patch.setattr(neighbours, "_PAIRS", 5)
        found = nearest_vectors(queries, items, k, own)
        least = rng.integers(-1, 4, 6).astype(np.float32)
        near = near_vectors(queries, items, least, own)
    assert np.array_equal(found.to_dense(), loops(queries, items, k, own, np.zeros(6)))
    assert np.array_equal(near.to_dense(), loops(queries, items, 99, own, least))
    for matrix in (found, near):
        assert all((np.diff(matrix.row(r)[0]) > 0).all() for r in range(6))
        assert (matrix.indices.dtype, matrix.data.dtype) == (np.int32, np.float32)


def test_threads_do_not_change_a_bit():
    rng = np.random.default_rng(0)
    queries = rng.standard_normal((700, 20), np.float32)
    found = []
    for threads in (1, 2):
        with options(threads=threads):
            found.append(nearest_vectors(queries, queries, 10, np.arange(700, dtype=np.int32)))
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


def test_nothing_to_find():
    none = np.zeros((0, 4), np.float32)
    some = np.ones((3, 4), np.float32)
    assert nearest_vectors(none, some, 2).shape == (0, 3)
    assert nearest_vectors(some, none, 2).nnz == near_vectors(some, none, np.zeros(3, np.float32)).nnz == 0
    assert nearest_vectors(-some, some, 2).nnz == 0

"""The sparse product with the best of each row, against dense arrays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.engine.backend import resolve
from minirec.engine.ranking.neighbors import topk_product, topk_rows
from minirec.engine.sparse import CSR
from minirec.options import options


def sparse(rng, rows, columns, low):
    at = np.nonzero(rng.random((rows, columns)) < 0.4)
    return CSR.from_pairs(*at, rng.integers(low, 4, len(at[0])), (rows, columns))


def brute(a, b, k, row_scale, column_scale, shrinkage, union, left_out):
    product = a.to_dense().astype(np.float64) @ b.to_dense()
    out = np.zeros_like(product)
    for r in range(len(product)):
        found = []
        for c in range(product.shape[1]):
            total = product[r, c]
            if total > 0 and c != left_out[r]:
                scale = row_scale[r] + column_scale[c] - total if union else row_scale[r] * column_scale[c]
                found.append((-np.float32(total / (scale + shrinkage)), c))
        for value, c in sorted(found)[:k]:
            out[r, c] = -value
    return out


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 8),
    st.sampled_from([1, 4, 9]),
    st.booleans(),
    st.sampled_from([0.0, 2.0]),
    st.sampled_from([-2, 1]),
)
def test_against_dense(seed, k, n, union, shrinkage, low):
    rng = np.random.default_rng(seed)
    a, b = sparse(rng, 6, 5, low), sparse(rng, 5, n, low)
    low_scale = 100 if union else 1
    row_scale, column_scale = (rng.integers(low_scale, low_scale + 3, size).astype(np.float64) for size in (6, n))
    left_out = rng.integers(-1, n, 6).astype(np.int32)
    found = topk_product(
        a, b, k, resolve(), row_scale=row_scale, column_scale=column_scale, shrinkage=shrinkage, union=union, left_out=left_out
    )
    assert np.array_equal(found.to_dense(), brute(a, b, k, row_scale, column_scale, shrinkage, union, left_out))
    for r in range(6):
        assert (np.diff(found.row(r)[0]) > 0).all()


@pytest.mark.parametrize("k", [1, 3, 500])
def test_wide_rows_with_few_products(k):
    """Columns are listed, not scanned, where a row has few products: the same result."""
    rng = np.random.default_rng(1)
    b = CSR.from_pairs(rng.integers(0, 30, 200), rng.integers(0, 2000, 200), None, (30, 2000))
    a = sparse(rng, 150, 30, 1)
    a = a.rows(np.arange(150))
    found = topk_product(a, b, k, resolve())
    ones = np.ones(max(a.shape[0], 2000))
    assert np.array_equal(found.to_dense(), brute(a, b, k, ones, ones, 0.0, False, np.full(150, -1)))


def test_threads_do_not_change_a_bit():
    rng = np.random.default_rng(2)
    a = sparse(rng, 150, 20, 1)
    a = a.with_data(rng.random(a.nnz).astype(np.float32))
    results = []
    for threads in (1, 2, 3):
        with options(threads=threads):
            results.append(topk_product(a, a.transpose(), 7, resolve()))
    assert len({result.indices.tobytes() + result.data.tobytes() for result in results}) == 1


def test_nothing_in_common():
    a = CSR(np.zeros(4, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32), (3, 2))
    assert topk_product(a, a.transpose(), 5, resolve()).nnz == 0


def test_best_of_each_row():
    matrix = CSR.from_pairs(np.array([0, 0, 0, 1]), np.array([0, 1, 3, 2]), np.array([2.0, 5.0, 2.0, -1.0]), (2, 4))
    assert topk_rows(matrix, 2, resolve()).to_dense().tolist() == [[2, 5, 0, 0], [0, 0, 0, 0]]


def test_transposing_more_columns_than_sixteen_bits():
    rng = np.random.default_rng(4)
    rows, columns = rng.integers(0, 50, 400), rng.integers(0, 100_000, 400)
    wide = CSR.from_pairs(rows, columns, None, (50, 100_000))
    back = wide.transpose().transpose()
    assert all(np.array_equal(mine, other) for mine, other in zip(wide[:3], back[:3], strict=True))

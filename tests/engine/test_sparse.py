"""The compressed-row matrix against dense arithmetic and SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.engine.sparse import CSR
from minirec.errors import DataError


@st.composite
def coordinates(draw):
    shape = draw(st.integers(0, 8)), draw(st.integers(0, 8))
    n = draw(st.integers(0, 30)) if min(shape) else 0
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    rows, columns = (rng.integers(0, max(size, 1), n) for size in shape)
    return rows, columns, rng.integers(-3, 4, n).astype(np.float32), shape


def dense(rows, columns, data, shape):
    out = np.zeros(shape, np.float32)
    np.add.at(out, (rows, columns), data)
    return out


def valid(matrix):
    """What every CSR promises."""
    assert (matrix.indptr.dtype, matrix.indices.dtype) == (np.int64, np.int32)
    assert matrix.indptr.shape == (matrix.shape[0] + 1,)
    assert matrix.indptr[0] == 0
    assert matrix.indptr[-1] == len(matrix.indices) == len(matrix.data) == matrix.nnz
    for r in range(matrix.shape[0]):
        indices, _ = matrix.row(r)
        assert (np.diff(indices) > 0).all()
        assert not len(indices) or 0 <= indices[0] <= indices[-1] < matrix.shape[1]
    return matrix


@settings(max_examples=60, deadline=None)
@given(coordinates(), st.integers(0, 99))
def test_against_dense(case, seed):
    matrix = valid(CSR.from_pairs(*case))
    expected = dense(*case)
    assert np.array_equal(matrix.to_dense(), expected)
    assert matrix.data.dtype == np.float32
    assert np.array_equal(valid(matrix.transpose()).to_dense(), expected.T)
    assert np.array_equal(np.bincount(matrix.row_ids(), minlength=case[3][0]), matrix.counts())
    rng = np.random.default_rng(seed)
    for size in (0, 1, 5) if case[3][0] else (0,):
        selection = rng.integers(0, max(case[3][0], 1), size)
        assert np.array_equal(valid(matrix.rows(selection)).to_dense(), expected[selection])
    assert np.array_equal(matrix.with_data(matrix.data * 2).to_dense(), 2 * expected)


@settings(max_examples=30, deadline=None)
@given(coordinates())
def test_ones_are_counted_where_there_are_no_values(case):
    rows, columns, _, shape = case
    assert np.array_equal(
        CSR.from_pairs(rows, columns, None, shape).to_dense(), dense(rows, columns, np.ones(len(rows), np.float32), shape)
    )


def test_values_of_a_pair_are_summed_in_double_precision():
    values = np.array([2.0**25, 1.0, -(2.0**25)], np.float32)
    assert CSR.from_pairs(np.zeros(3, int), np.zeros(3, int), values, (1, 1)).data.tolist() == [1.0]


@pytest.mark.parametrize("kind", ["csr_array", "csr_matrix", "coo_array", "csc_array"])
def test_to_and_from_scipy(kind):
    sparse = pytest.importorskip("scipy.sparse")
    expected = np.array([[0, 1, 0], [2, 0, 3]], np.float64)
    given_ = getattr(sparse, kind)(expected)
    matrix = valid(CSR.from_scipy(given_))
    assert np.array_equal(matrix.to_dense(), expected.astype(np.float32))
    assert CSR.from_scipy(given_, np.float64).data.dtype == np.float64
    assert np.array_equal(matrix.to_scipy().toarray(), expected)
    assert np.shares_memory(matrix.to_scipy().data, matrix.data)


def test_from_scipy_sums_duplicates_and_leaves_its_input_alone():
    sparse = pytest.importorskip("scipy.sparse")
    given_ = sparse.csr_array((np.ones(3), np.array([2, 0, 2]), np.array([0, 3])), shape=(1, 3))
    assert valid(CSR.from_scipy(given_)).to_dense().tolist() == [[1.0, 0.0, 2.0]]
    assert given_.indices.tolist() == [2, 0, 2]


def test_sums_that_are_not_finite_are_refused():
    """Two weights of 3e38 sum to more than a float32 holds."""
    for weights in ([3e38, 3e38], [np.inf, 1], [np.nan, 1], [np.inf, -np.inf]):
        with pytest.raises(DataError, match="row 1 and column 2"):
            CSR.from_pairs(np.array([1, 1, 0]), np.array([2, 2, 0]), np.array([*weights, 1.0]), (2, 3))
    assert CSR.from_pairs(np.array([1]), np.array([2]), np.array([3e38]), (2, 3)).data.tolist() == [np.float32(3e38)]


@pytest.mark.parametrize("column", [-1, 3, 2**31 - 1])
def test_a_transpose_checks_its_columns(column):
    """SciPy's counting sort would write outside of its arrays."""
    matrix = CSR(np.array([0, 1]), np.array([column], np.int32), np.ones(1, np.float32), (1, 3))
    with pytest.raises(DataError, match="outside"):
        matrix.transpose()

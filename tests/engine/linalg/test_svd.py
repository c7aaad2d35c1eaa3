"""Truncated singular values against LAPACK's, among them matrices of low rank and of disconnected parts."""

import numpy as np
import pytest

from minirec.engine.linalg.svd import truncated_svd
from minirec.engine.sparse import CSR


def sparse(dense):
    return CSR.from_pairs(*np.nonzero(dense), dense[np.nonzero(dense)], dense.shape)


def random(rng, rows, columns, density=0.2):
    return np.where(rng.random((rows, columns)) < density, rng.standard_normal((rows, columns)), 0)


def agrees(dense, k, rtol=1e-4):
    """The values, and the space of the vectors above the gap below them."""
    found = truncated_svd(sparse(dense), k, backend="numpy", tolerance=1e-5)
    _, expected, across = np.linalg.svd(dense, full_matrices=False)
    rank = int((expected > 0.003 * expected[0]).sum())
    assert len(found.values) == min(k, rank)
    assert found.values == pytest.approx(expected[: len(found.values)], rel=rtol)
    assert found.vectors.dtype == np.float32
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(len(found.values)), atol=2e-6)
    lengths = np.linalg.norm(dense @ found.vectors, axis=0)
    assert lengths == pytest.approx(expected[: len(found.values)], rel=rtol)
    return found, across


@pytest.mark.parametrize(("rows", "columns", "k"), [(30, 20, 5), (20, 30, 20), (200, 120, 7), (90, 150, 60), (400, 300, 3)])
def test_values_and_vectors(rows, columns, k):
    found, across = agrees(random(np.random.default_rng(rows), rows, columns), k)
    across = across[: len(found.values)]
    distance = np.abs(found.vectors @ found.vectors.T - across.T @ across).max()
    assert distance < 1e-3
    assert (np.take_along_axis(found.vectors, np.abs(found.vectors).argmax(axis=0)[None], axis=0) > 0).all()


def test_more_wanted_than_there_are():
    rng = np.random.default_rng(1)
    agrees(random(rng, 5, 12, 0.9), 40)
    low = random(rng, 40, 3, 1.0) @ random(rng, 3, 50, 1.0)
    agrees(low, 10)
    agrees(np.ones((1, 6)), 2)


def test_parts_that_are_not_connected():
    """Forty equal blocks: each value occurs forty times, more than a step of the iteration is wide."""
    dense = np.kron(np.eye(40), np.array([[1.0, 1.0], [0.0, 1.0]]))
    found = truncated_svd(sparse(dense), 80, backend="numpy")
    assert len(found.values) == 80
    assert found.values == pytest.approx(np.linalg.svd(dense, compute_uv=False), rel=1e-4)


def test_bytes_do_not_depend_on_the_threads():
    matrix = sparse(random(np.random.default_rng(2), 300, 2500, 0.01))
    one, two = (truncated_svd(matrix, 10, backend="numpy", threads=threads) for threads in (1, 2))
    assert one.values.tobytes() == two.values.tobytes()
    assert one.vectors.tobytes() == two.vectors.tobytes()
    other = truncated_svd(matrix, 10, backend="numpy", seed=1)
    assert other.vectors.tobytes() != one.vectors.tobytes()
    assert other.values == pytest.approx(one.values, rel=1e-3)


def test_a_matrix_of_zeros_has_no_values():
    empty = CSR(np.zeros(4, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32), (3, 5))
    assert truncated_svd(empty, 2, backend="numpy").vectors.shape == (5, 0)

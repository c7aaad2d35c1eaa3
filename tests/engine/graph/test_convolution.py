"""The convolution against dense powers of the adjacency matrix; the way back is its transpose."""

import numpy as np
import pytest

from minirec.engine.graph.convolution import Convolution
from minirec.engine.sparse import CSR


def graph(rng, users=7, items=5):
    held = rng.random((users, items)) < 0.4
    held[0], held[:, 1] = False, False  # a user and an item without events
    return CSR.from_pairs(*np.nonzero(held), None, held.shape), held.astype(float)


def dense(x, layers):
    """(I + A + ... + A^K) / (K + 1) of all users and items."""
    degrees = np.maximum(np.concatenate((x.sum(axis=1), x.sum(axis=0))), 1)
    users, n = len(x), sum(x.shape)
    a = np.zeros((n, n))
    a[:users, users:], a[users:, :users] = x, x.T
    a /= np.sqrt(degrees[:, None] * degrees)
    return sum(np.linalg.matrix_power(a, k) for k in range(layers + 1)) / (layers + 1)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_forward_rows_and_back(layers, backend):
    if backend == "numba":
        pytest.importorskip("numba")
    rng = np.random.default_rng(layers)
    matrix, x = graph(rng)
    users, items = rng.standard_normal((7, 3), np.float32), rng.standard_normal((5, 3), np.float32)
    power, convolution = dense(x, layers), Convolution(matrix, layers, backend)
    expected = power @ np.concatenate((users, items))
    assert np.concatenate(convolution.all(users, items)) == pytest.approx(expected, abs=1e-5)
    some = np.array([0, 2, 5], np.int32), np.array([1, 4], np.int32)
    found = convolution.rows(users, items, *some)
    assert found[0] == pytest.approx(expected[some[0]], abs=1e-5)
    assert found[1] == pytest.approx(expected[7 + some[1]], abs=1e-5)
    pulls = rng.standard_normal((3, 3), np.float32), rng.standard_normal((2, 3), np.float32)
    whole = np.zeros((12, 3))
    whole[some[0]], whole[7 + some[1]] = pulls
    back = convolution.back(some[0], pulls[0], some[1], pulls[1])
    assert np.concatenate(back) == pytest.approx(power.T @ whole, abs=1e-5)

"""Propagation against the dense product; its bytes for any number of threads, any subset of rows and columns, and both types."""

import numpy as np
import pytest

from minirec.engine.graph.propagate import BLOCK, normalized, propagate
from minirec.engine.sparse import CSR

BACKENDS = ["numpy", "numba"]


def matrix(rng, rows=2 * BLOCK + 37, columns=50):
    held = rng.random((rows, columns)) < 0.1
    held[3], held[:, 7] = False, False  # empty ones among them
    return CSR.from_pairs(*np.nonzero(held), rng.standard_normal(held.sum()), held.shape)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_propagate_is_the_product(backend, dtype):
    if backend == "numba":
        pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    a, block = matrix(rng), rng.standard_normal((50, 41)).astype(dtype)
    found = propagate(a, block, backend=backend)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, a.to_dense() @ block, atol=1e-5 if dtype == np.float32 else 1e-12)
    assert propagate(a, block, backend=backend, threads=2).tobytes() == propagate(a, block, backend=backend, threads=1).tobytes()
    some = np.array([500, 2, 3])
    assert propagate(a.rows(some), block, backend=backend).tobytes() == found[some].tobytes()
    for columns in (1, 2, 7):
        assert propagate(a, block[:, :columns], backend=backend).tobytes() == found[:, :columns].tobytes()
    across = np.asfortranarray(block)
    assert propagate(a, across, backend=backend).tobytes() == found.tobytes()


def test_empty_shapes():
    nothing = CSR(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32), (0, 4))
    assert propagate(nothing, np.ones((4, 3), np.float32), backend="numpy").shape == (0, 3)


def test_normalized():
    x = matrix(np.random.default_rng(1), rows=8)
    held = x.to_dense() != 0
    for exponents in ({}, {"user_exponent": 0.3, "item_exponent": 0.8}):
        found = normalized(x, **exponents, dtype=np.float64).to_dense()
        a, b = exponents.get("user_exponent", 0.5), exponents.get("item_exponent", 0.5)
        for u, i in np.argwhere(held):
            assert found[u, i] == pytest.approx(held[u].sum() ** -a * held[:, i].sum() ** -b)
        assert ((found > 0) == held).all()
    assert np.linalg.svd(normalized(x).to_dense(), compute_uv=False)[0] == pytest.approx(1)

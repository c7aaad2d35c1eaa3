"""Polynomial filters against dense matrix polynomials; the scores of a profile have the same bits alone and in any batch."""

import numpy as np
import pytest
from numpy.polynomial import chebyshev

from minirec.engine.graph.filters import SIGNALS, FilterScorer, PolynomialFilter
from minirec.engine.graph.propagate import normalized
from minirec.engine.sparse import CSR

BACKENDS = ["numpy", "numba"]


def graph(rng, users=25, items=14):
    held = rng.random((users, items)) < 0.25
    held[0] = True
    r = normalized(CSR.from_pairs(*np.nonzero(held), None, held.shape))
    return r, r.to_dense().T.astype(np.float64) @ r.to_dense()


def signals(rng, count, items=14):
    held = rng.random((count, items)) < 0.3
    held[0] = False
    return CSR.from_pairs(*np.nonzero(held), rng.standard_normal(held.sum()), held.shape)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("coefficients", [[0.5], [0.0, 1.0], [0.3, 0.0, -2.0], [0.0, 1.0, -2.5, 3.1, -2.6, 1.6]])
def test_powers(backend, coefficients):
    if backend == "numba":
        pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    r, g = graph(rng)
    x = signals(rng, 9)
    expected = sum(c * np.linalg.matrix_power(g, power) for power, c in enumerate(coefficients)) @ x.to_dense().T
    found = PolynomialFilter((r.transpose(), r), coefficients, backend)(x)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=1e-5)
    whole = CSR.from_pairs(*np.nonzero(g), g[np.nonzero(g)], g.shape)
    assert PolynomialFilter((whole,), coefficients, backend)(x) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("order", [1, 2, 3, 9, 40])
def test_chebyshev_polynomials(order):
    rng = np.random.default_rng(order)
    r, g = graph(rng)
    x, coefficients = signals(rng, 5), rng.standard_normal(order + 1)
    values, vectors = np.linalg.eigh(g)
    expected = vectors @ (chebyshev.chebval(1 - 2 * values, coefficients)[:, None] * (vectors.T @ x.to_dense().T))
    found = PolynomialFilter((r.transpose(), r), coefficients, "numpy", chebyshev=True)(x)
    assert found == pytest.approx(expected, abs=2e-4)


def test_dense_columns_are_signals():
    rng = np.random.default_rng(3)
    r, g = graph(rng)
    polynomial, columns = PolynomialFilter((r.transpose(), r), [1.0, -1.0], "numpy"), rng.standard_normal((14, 70), np.float32)
    assert polynomial.of_columns(columns) == pytest.approx(columns - g @ columns, abs=1e-5)
    assert polynomial.of_columns(columns[:, :0]).shape == (14, 0)


def scorer(backend, k, items=2100, profiles=SIGNALS + 9):
    rng = np.random.default_rng(k)
    held = rng.random((60, items)) < 0.05
    r = normalized(CSR.from_pairs(*np.nonzero(held), None, held.shape))
    x = signals(rng, profiles, items)
    scales = [rng.random(items, np.float32) + np.float32(0.5) for _ in range(2)]
    low_rank = [rng.standard_normal(shape, np.float32) for shape in ((items, k), (k, items))]
    return FilterScorer(x, PolynomialFilter((r.transpose(), r), [0.1, 1.0, -0.5], backend), *scales, *low_rank, backend), r


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("k", [0, 37])
def test_scores_and_their_bits(backend, k):
    if backend == "numba":
        pytest.importorskip("numba")
    found, r = scorer(backend, k)
    x, g = found.history.to_dense(), r.to_dense().T.astype(np.float64) @ r.to_dense()
    p = 0.1 * np.eye(len(g)) + g - 0.5 * g @ g
    expected = ((x * found.before) @ p) * found.after + (x @ found.inward) @ found.outward
    whole = found.block(0, len(x))
    assert whole.dtype == np.float32
    assert whole.flags["C_CONTIGUOUS"]
    assert whole == pytest.approx(expected, abs=1e-3)
    for start, stop in ((0, 1), (5, 6), (3, 21), (17, 64), (SIGNALS, SIGNALS + 9)):
        assert found.block(start, stop).tobytes() == whole[start:stop].tobytes()
    rng = np.random.default_rng(0)
    profiles, items = rng.integers(0, len(x), 200), rng.integers(0, x.shape[1], 200).astype(np.int32)
    assert found.pairs(profiles, items).tobytes() == whole[profiles, items].tobytes()
    only = np.full(3, 71)
    assert found.pairs(only, items[:3]).tobytes() == whole[only, items[:3]].tobytes()


def test_parts_add_up():
    found, _ = scorer("numpy", 5)
    found.history = found.history.rows(np.array([4, 1]))
    for item in (0, 7, 2099):
        parts = found.parts(item)
        assert len(parts) == found.history.counts()[0]
        assert parts.sum() == pytest.approx(found.block(0, 1)[0, item], abs=1e-5 * np.abs(parts).sum())

"""The compiled powers of two and sigmoids against NumPy's in float64."""

import numpy as np
import pytest

pytest.importorskip("numba")
from minirec.engine.compiled.exponential import powers_of_two, sigmoids


def test_powers_of_two():
    x = np.concatenate((np.linspace(-126, 0, 2001), np.arange(-125.5, 0), [-127, -1e30, -np.inf])).astype(np.float32)
    row = x.copy()
    total = powers_of_two(row, len(row), np.float32(0))
    expected = np.exp2(x.astype(np.float64))
    assert np.abs(row[:-3] / expected[:-3] - 1).max() < 2e-7
    assert not row[-3:].any()
    assert total == pytest.approx(expected.sum(), rel=1e-6)
    shifted = np.array([3, 4, 9], np.float32)
    assert powers_of_two(shifted, 2, np.float32(4)) == 1.5
    assert shifted.tolist() == [0.5, 1, 9]
    double = np.array([-0.3, -700])
    assert powers_of_two(double, 2, 0.0) == pytest.approx(2**-0.3, rel=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoids(dtype):
    x = np.append(np.linspace(-80, 80, 1001), [-1e4, 1e4, np.nan]).astype(dtype)
    row, twice = x.copy(), x.copy()
    with np.errstate(invalid="ignore"):  # as plain Python the cast of NaN is told
        sigmoids(row, dtype(1))
        sigmoids(twice, dtype(2))
    tolerance = 2e-7 if dtype is np.float32 else 1e-15
    with np.errstate(over="ignore"):
        assert np.abs(row - 1 / (1 + np.exp(-x.astype(np.float64))))[:-1].max() < tolerance
    assert np.abs(2 * twice - 1 - np.tanh(x.astype(np.float64)))[:-1].max() < 2 * tolerance
    assert np.isnan([row[-1], twice[-1]]).all()

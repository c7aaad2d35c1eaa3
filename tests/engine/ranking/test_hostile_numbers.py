"""Numbers at the ends of 32 bits, and of other types, never reach kernels that read the bits of float32 numbers."""

import importlib.util

import numpy as np
import pytest

from minirec.engine.backend import kernel
from minirec.engine.ranking.neighbors import topk_product
from minirec.engine.ranking.scorers import VectorScorer
from minirec.engine.sparse import CSR
from minirec.errors import DataError

BACKENDS = ["numpy", "numba"] if importlib.util.find_spec("numba") else ["numpy"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("union", [False, True])
def test_products_that_overflow_are_refused(backend, union):
    """inf / inf is NaN, whose bits once became a column of -1."""
    rng = np.random.default_rng(0)
    rows, columns = np.nonzero(rng.random((70, 12)) < 0.5)
    weights = np.ones(len(rows), np.float32)
    weights[::9] = 3e38
    x = CSR.from_pairs(rows, columns, weights, (70, 12))
    scale = np.sqrt(np.bincount(x.indices, x.data.astype(np.float64) ** 2, 12))
    with np.errstate(over="ignore"), pytest.raises(DataError, match="too large"):
        topk_product(x.transpose(), x, 5, backend, row_scale=scale, column_scale=scale, union=union)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("which", [0, 4, 8])
def test_float64_is_not_read_as_float32(backend, which):
    """scores, vectors, values."""
    arguments = [np.ones((1, 3), np.float32), np.arange(3, dtype=np.int32), np.zeros(1, np.int64), np.ones((1, 2), np.float32)]
    arguments += [np.ones((3, 2), np.float32), np.zeros(1, np.float32), np.zeros(1, np.int64)]
    arguments += [np.zeros((1, 2), np.int32), np.zeros((1, 2), np.float32)]
    arguments[which] = arguments[which].astype(np.float64)
    with pytest.raises(AssertionError, match="float32"):
        kernel("merge_topk", backend)(*arguments)


def test_vectors_are_float32():
    with pytest.raises(TypeError, match="float32"):
        VectorScorer(np.ones((2, 3)), np.ones((4, 3), np.float32))

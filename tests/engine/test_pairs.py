"""Networks of pairs, against look-ups of every row and layers of their own; gradients by finite differences."""

import numpy as np
import pytest
from gradients import check_float32, check_gradients

from minirec.engine import pairs
from minirec.engine.autodiff import RowGradient, Tensor
from minirec.engine.pairs import Distinct, dots, tower
from minirec.options import options

RNG = np.random.default_rng(3)
USERS, ITEMS = np.array([4, 0, 4, 2, 0], np.int32), RNG.integers(0, 7, (5, 3)).astype(np.int32)
WHOSE, WHAT = Distinct.of(USERS, 5), Distinct.of(ITEMS, 7)
SHAPES = {"a": (3, 4), "b": (len(WHAT.rows), 4), "W": (4, 3), "c": (3,), "V": (3, 2), "d": (2,)}
A, B, W, C, V, D = (RNG.standard_normal(shape) for shape in SHAPES.values())


def layered(depth):
    """The tower as a function of its tensors alone, and arrays for them."""
    arrays = [A, B, W, C, V, D][: 2 + 2 * depth]
    top = RNG.standard_normal((arrays[-1].shape[-1], 1))

    def function(a, b, *rest):
        return tower(a, WHOSE, b, WHAT, rest[:-1], rest[-1])

    return function, [*arrays, top]


def test_distinct_rows():
    assert WHOSE.rows.tolist() == [0, 2, 4]
    assert WHOSE.rows[WHOSE.at].tolist() == USERS.tolist()
    assert np.array_equal(WHAT.rows[WHAT.at], ITEMS)
    for row, first, stop in zip(WHAT.rows, WHAT.indptr[:-1], WHAT.indptr[1:], strict=True):
        assert WHAT.order[first:stop].tolist() == np.flatnonzero(ITEMS.ravel() == row).tolist()


def test_rows_of_a_table():
    table = Tensor(RNG.standard_normal((5, 2)), requires_grad=True)
    rows = WHOSE.of_table(table)
    assert np.array_equal(rows.data, table.data[[0, 2, 4]])
    rows.backward(np.ones((3, 2)))
    assert isinstance(table.grad, RowGradient)
    assert table.grad.dense()[:, 0].tolist() == [1, 0, 1, 0, 1]


def test_dots():
    found = dots(Tensor(A), WHOSE, Tensor(B), WHAT).data
    assert found == pytest.approx(np.einsum("nd,nmd->nm", A[WHOSE.at], B[WHAT.at]))
    check_gradients(lambda p, q: dots(p, WHOSE, q, WHAT), A, B)
    check_float32(lambda p, q: dots(p, WHOSE, q, WHAT), A, B)


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("tile", [1, 6, 640])
def test_towers(depth, tile, monkeypatch):
    monkeypatch.setattr(pairs, "_TILE", tile)
    function, arrays = layered(depth)
    x = np.maximum(A[WHOSE.at][:, None] + B[WHAT.at], 0)
    for weight, bias in zip(arrays[2:-1:2], arrays[3:-1:2], strict=True):
        x = np.maximum(x @ weight + bias, 0)
    assert function(*map(Tensor, arrays)).data == pytest.approx((x @ arrays[-1])[..., 0])
    check_gradients(function, *arrays)
    check_float32(function, *arrays)


def test_threads_do_not_matter():
    rng = np.random.default_rng(0)
    whose, what = Distinct.of(np.sort(rng.integers(0, 300, 900)), 300), Distinct.of(rng.integers(0, 400, (900, 5)), 400)
    shapes = [(len(whose.rows), 64), (len(what.rows), 64), (64, 32), (32,), (32, 1)]
    arrays = [rng.standard_normal(shape, np.float32) for shape in shapes]
    found = []
    for threads in (1, 2):
        tensors = a, b, w, c, h = [Tensor(array, requires_grad=True) for array in arrays]
        with options(threads=threads):
            out = tower(a, whose, b, what, [w, c], h) + dots(a, whose, b, what)
            out.backward(np.ones(out.shape))
        found.append([out.data, *(tensor.grad for tensor in tensors)])
    assert all(np.array_equal(one, other) for one, other in zip(*found, strict=True))

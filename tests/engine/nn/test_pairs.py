"""Networks of pairs, against look-ups of every row and layers of their own; gradients by finite differences."""

import numpy as np
import pytest
from gradients import check_float32, check_gradients

from minirec.engine.nn import pairs
from minirec.engine.nn.autodiff import Tensor
from minirec.engine.nn.criteria import binary_cross_entropy
from minirec.engine.nn.pairs import Distinct, Dots, Tower, dots, pair_loss, rows_of, tower
from minirec.engine.nn.row_gradient import RowGradient
from minirec.options import options

RNG = np.random.default_rng(3)
EACH = 3
USERS = np.repeat(np.array([4, 0, 4, 2, 0], np.int32), EACH)
ITEMS = RNG.integers(0, 7, len(USERS)).astype(np.int32)
ITEMS[1] = ITEMS[0]  # one that is the positive itself
WHOSE, WHAT = Distinct.of(USERS, 5), Distinct.of(ITEMS, 7)
P, Q, H = (RNG.standard_normal(shape) for shape in ((5, 2), (7, 2), (2, 1)))
BIAS = np.array([0.3])


def layered(depth):
    """Widths, tables and numbers of a tower."""
    widths = np.array([4, 3, 2][:depth])
    size = sum((inputs + 1) * outputs for inputs, outputs in zip((8, *widths), widths, strict=False)) + widths[-1]
    return widths, [RNG.standard_normal((5, 4)), RNG.standard_normal((7, 4)), RNG.standard_normal(size)]


def by_definition(widths, a, b, numbers):
    """The logits of a tower, layer by layer, of vectors side by side."""
    x, at = np.concatenate((a[USERS], b[ITEMS]), axis=1), 0
    for inputs, outputs in zip((8, *widths), widths, strict=False):
        weight, bias = np.split(numbers[at : at + (inputs + 1) * outputs], [inputs * outputs])
        x, at = np.maximum(x @ weight.reshape(inputs, outputs) + bias, 0), at + (inputs + 1) * outputs
    return x @ numbers[at:]


def test_distinct_rows():
    assert WHOSE.rows.tolist() == [0, 2, 4]
    assert WHOSE.rows[WHOSE.at].tolist() == USERS.tolist()
    assert np.array_equal(WHAT.rows[WHAT.at], ITEMS)
    for row, first, stop in zip(WHAT.rows, WHAT.indptr[:-1], WHAT.indptr[1:], strict=True):
        assert WHAT.order[first:stop].tolist() == np.flatnonzero(row == ITEMS).tolist()


def test_rows_of_a_table():
    table = Tensor(RNG.standard_normal((5, 2)), requires_grad=True)
    rows = rows_of(table, WHOSE.rows)
    assert np.array_equal(rows.data, table.data[[0, 2, 4]])
    (rows + rows_of(table, WHOSE.rows)).backward(np.ones((3, 2)))
    assert isinstance(table.grad, RowGradient)
    assert table.grad.dense()[:, 0].tolist() == [2, 0, 2, 0, 2]


@pytest.mark.parametrize("numbers", [1, 2**18])
def test_dots(numbers, monkeypatch):
    monkeypatch.setattr(pairs, "_NUMBERS", numbers)
    assert dots(Dots(*map(Tensor, (P, Q, H))), WHOSE, WHAT).data == pytest.approx((P[USERS] * Q[ITEMS]) @ H[:, 0])
    check_gradients(lambda p, q, h: dots(Dots(p, q, h), WHOSE, WHAT), P, Q, H)
    check_float32(lambda p, q, h: dots(Dots(p, q, h), WHOSE, WHAT), P, Q, H)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("tile", [1, 6, 640])
def test_towers(depth, tile, monkeypatch):
    monkeypatch.setattr(pairs, "TILE", tile)
    monkeypatch.setattr(pairs, "_PRODUCTS", 16 * tile)
    widths, arrays = layered(depth)

    def function(a, b, numbers):
        return tower(Tower(a, b, numbers, widths), WHOSE, WHAT)

    assert function(*map(Tensor, arrays)).data == pytest.approx(by_definition(widths, *arrays))
    check_gradients(function, *arrays)
    check_float32(function, *arrays)


@pytest.mark.parametrize("kind", ["both", "dots", "tower"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_loss_of_a_small_batch_is_that_of_the_operations(kind, depth):
    """The same number, and by finite differences the same gradients."""
    widths, deep = layered(depth)
    arrays = {"both": [BIAS, P, Q, H, *deep], "dots": [BIAS, P, Q, H], "tower": [BIAS, *deep]}[kind]

    def function(bias, *tensors):
        left = Dots.none(5, 7, bias.dtype) if kind == "tower" else Dots(*tensors[:3])
        right = Tower.none(5, 7, bias.dtype) if kind == "dots" else Tower(*tensors[-3:], widths)
        return pair_loss(USERS, ITEMS, EACH, left, right, bias)[0]

    logits = BIAS[0] + (kind != "tower") * ((P[USERS] * Q[ITEMS]) @ H[:, 0]) + (kind != "dots") * by_definition(widths, *deep)
    first = np.arange(len(ITEMS)) % EACH == 0
    counts = first | (np.repeat(ITEMS[::EACH], EACH) != ITEMS)
    assert not counts.all()
    assert function(*map(Tensor, arrays)).item() == pytest.approx(binary_cross_entropy(Tensor(logits), first, counts).item())
    check_gradients(function, *arrays)
    check_float32(function, *arrays)


def test_the_rows_of_a_small_batch():
    _, u, i = pair_loss(USERS, ITEMS, EACH, Dots(*map(Tensor, (P, Q, H))), Tower.none(5, 7, float), Tensor(BIAS))
    assert u.tolist() == WHOSE.rows.tolist()
    assert i.tolist() == WHAT.rows.tolist()


def test_threads_do_not_matter():
    rng = np.random.default_rng(0)
    whose = Distinct.of(np.repeat(np.sort(rng.integers(0, 300, 900)), 5).astype(np.int32), 300)
    what = Distinct.of(rng.integers(0, 4000, 4500).astype(np.int32), 4000)
    shapes = [(300, 64), (4000, 64), (64, 1), (300, 64), (4000, 64), (128 * 64 + 64 + 64 * 32 + 32 + 32,)]
    arrays = [rng.standard_normal(shape, np.float32) for shape in shapes]
    found = []
    for threads in (1, 2):
        tensors = [Tensor(array, requires_grad=True) for array in arrays]
        with options(threads=threads):
            out = dots(Dots(*tensors[:3]), whose, what) + tower(Tower(*tensors[3:], np.array([64, 32])), whose, what)
            out.backward(np.ones(out.shape))
        found.append([out.data, *(tensor.grad.dense() if isinstance(tensor.grad, RowGradient) else tensor.grad for tensor in tensors)])
    assert all(np.array_equal(one, other) for one, other in zip(*found, strict=True))

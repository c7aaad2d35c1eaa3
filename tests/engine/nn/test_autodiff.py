"""Tensors: every operation against NumPy and finite differences; what a graph keeps, frees and refuses."""

import threading

import numpy as np
import pytest
from gradients import check_float32, check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.engine.nn.autodiff import Tensor, no_grad
from minirec.engine.nn.row_gradient import RowGradient
from minirec.errors import GraphError, ShapeError
from minirec.options import options

RNG = np.random.default_rng(7)


def normal(*shape):
    return RNG.standard_normal(shape)


def positive(*shape):
    return RNG.uniform(0.5, 2, shape)


# name: function of tensors, the same in NumPy, arrays
OPERATIONS = {
    "add": (lambda x, y: x + y, np.add, (normal(3, 4), normal(4))),
    "add number": (lambda x: 2 + x + 1.5, lambda x: x + 3.5, (normal(3, 4),)),
    "subtract": (lambda x, y: x - y, np.subtract, (normal(3, 1), normal(2, 1, 4))),
    "subtract from number": (lambda x: 1 - x, lambda x: 1 - x, (normal(3),)),
    "multiply": (lambda x, y: x * y, np.multiply, (normal(3, 4), normal(3, 1))),
    "multiply by itself": (lambda x: x * x * x, lambda x: x**3, (normal(3, 4),)),
    "array times tensor": (lambda x: np.arange(4.0) * x, lambda x: np.arange(4.0) * x, (normal(3, 4),)),
    "divide": (lambda x, y: x / y, np.divide, (normal(3, 4), positive(4))),
    "divide number": (lambda x: 2 / x, lambda x: 2 / x, (positive(3, 4),)),
    "negative": (lambda x: -x, np.negative, (normal(3),)),
    "power": (lambda x: x**3, lambda x: x**3, (normal(3, 4),)),
    "power of a half": (lambda x: x**-0.5, lambda x: x**-0.5, (positive(3, 4),)),
    "matmul": (lambda x, y: x @ y, np.matmul, (normal(3, 4), normal(4, 2))),
    "matmul batched": (lambda x, y: x @ y, np.matmul, (normal(2, 3, 4), normal(2, 4, 2))),
    "matmul of a batch and a matrix": (lambda x, y: x @ y, np.matmul, (normal(2, 5, 3, 4), normal(4, 2))),
    "matmul of a matrix and a batch": (lambda x, y: x @ y, np.matmul, (normal(3, 4), normal(2, 4, 2))),
    "matmul broadcast": (lambda x, y: x @ y, np.matmul, (normal(2, 1, 3, 4), normal(5, 4, 2))),
    "matmul transposed": (lambda x, y: x @ y.T, lambda x, y: x @ y.T, (normal(3, 4), normal(2, 4))),
    "array at tensor": (lambda x: np.ones((2, 3)) @ x, lambda x: np.ones((2, 3)) @ x, (normal(3, 4),)),
    "slice": (lambda x: x[1:, ::2], lambda x: x[1:, ::2], (normal(3, 5),)),
    "number": (lambda x: x[-1], lambda x: x[-1], (normal(3, 5),)),
    "new axis": (lambda x: x[:, None, ..., 1], lambda x: x[:, None, ..., 1], (normal(3, 2, 5),)),
    "gather": (lambda x: x[np.array([2, 0, 2, -1])], lambda x: x[[2, 0, 2, -1]], (normal(4, 3),)),
    "gather of one axis": (lambda x: x[np.array([[2, 0], [2, 3]])], lambda x: x[np.array([[2, 0], [2, 3]])], (normal(4),)),
    "gather of three axes": (lambda x: x[np.array([1, 1])], lambda x: x[[1, 1]], (normal(3, 2, 2),)),
    "gather of a result": (lambda x: (x * 2)[np.array([1, 1])], lambda x: 2 * x[[1, 1]], (normal(3, 2),)),
    "gather pairs": (
        lambda x: x[np.array([0, 1, 1]), np.array([2, 0, 0])], lambda x: x[[0, 1, 1], [2, 0, 0]], (normal(2, 3),)
    ),
    "mask": (lambda x: x[np.array([True, False, True])], lambda x: x[[0, 2]], (normal(3, 2),)),
    "sum": (lambda x: x.sum(), np.sum, (normal(3, 4),)),
    "sum of an axis": (lambda x: x.sum(1), lambda x: x.sum(1), (normal(3, 4),)),
    "sum of axes": (lambda x: x.sum((0, -1), keepdims=True), lambda x: x.sum((0, -1), keepdims=True), (normal(3, 4, 2),)),
    "mean": (lambda x: x.mean(), np.mean, (normal(3, 4),)),
    "mean of an axis": (lambda x: x.mean(-1, keepdims=True), lambda x: x.mean(-1, keepdims=True), (normal(3, 4),)),
    "max": (lambda x: x.max(), np.max, (normal(3, 4),)),
    "max of an axis": (lambda x: x.max(0), lambda x: x.max(0), (normal(3, 4),)),
    "reshape": (lambda x: x.reshape(2, -1), lambda x: x.reshape(2, -1), (normal(3, 4),)),
    "transpose": (lambda x: x.transpose(1, 2, 0), lambda x: x.transpose(1, 2, 0), (normal(3, 4, 2),)),
    "transpose all": (lambda x: x.transpose(), np.transpose, (normal(3, 4, 2),)),
    "exp": (lambda x: x.exp(), np.exp, (normal(3, 4),)),
    "log": (lambda x: x.log(), np.log, (positive(3, 4),)),
    "sqrt": (lambda x: x.sqrt(), np.sqrt, (positive(3, 4),)),
    "abs": (lambda x: x.abs(), np.abs, (positive(3, 4) * np.sign(normal(3, 4)),)),
    "sum of nothing": (lambda x: x.sum(0), lambda x: x.sum(0), (normal(0, 4),)),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation(name):
    function, oracle, arrays = OPERATIONS[name]
    out = function(*map(Tensor, arrays))
    assert not out.requires_grad
    assert out.shape == np.shape(oracle(*arrays))
    assert np.allclose(out.data, oracle(*arrays), rtol=1e-12, atol=0)
    check_gradients(function, *arrays)
    check_float32(function, *arrays)


@st.composite
def two_shapes(draw):
    """Two shapes that broadcast, of up to four axes, some of them missing on one side."""
    shape = draw(st.lists(st.integers(1, 3), max_size=4))
    return tuple(tuple(draw(st.sampled_from([1, n])) for n in shape[draw(st.integers(0, len(shape))) :]) for _ in range(2))


@settings(max_examples=40, deadline=None)
@given(shapes=two_shapes(), name=st.sampled_from(["add", "subtract", "multiply", "divide"]), seed=st.integers(0, 99))
def test_broadcasting(shapes, name, seed):
    rng = np.random.default_rng(seed)
    function, oracle, _ = OPERATIONS[name]
    arrays = [rng.uniform(0.5, 2, shape) for shape in shapes]
    assert np.array_equal(function(*map(Tensor, arrays)).data, oracle(*arrays))
    check_gradients(function, *arrays)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), n=st.integers(1, 6), rest=st.lists(st.integers(1, 3), max_size=2))
def test_gather_with_repeated_rows(data, n, rest):
    rows = np.array(data.draw(st.lists(st.integers(-n, n - 1), max_size=12)), np.int64)
    table = Tensor(np.random.default_rng(0).standard_normal((n, *rest)), requires_grad=True)
    out = table[rows]
    gradient = np.random.default_rng(1).standard_normal(out.shape)
    out.backward(gradient)
    expected = np.zeros(table.shape)
    for row, part in zip(rows, gradient, strict=True):
        expected[row] += part
    assert np.array_equal(table.grad.rows, np.unique(rows % n))
    assert np.allclose(table.grad.dense(), expected, rtol=1e-12, atol=1e-12)


def test_a_slice_is_a_view():
    x = Tensor(normal(5, 4))
    assert np.shares_memory(x[1:3].data, x.data)
    assert np.shares_memory(x.T.data, x.data)
    assert x.T.shape == (4, 5)
    assert len(x) == 5


def test_numbers_that_share_the_maximum_share_its_gradient():
    x = Tensor(np.array([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]]), requires_grad=True)
    x.max(1).sum().backward()
    assert x.grad.tolist() == [[0, 0.5, 0.5], [1, 0, 0]]


def test_precision_follows_the_data():
    assert Tensor([1, 2]).dtype == np.float32
    assert Tensor(np.array([1, 2])).dtype == np.float32
    assert Tensor(np.float64(2)).dtype == np.float64
    for dtype in (np.float32, np.float64):
        x = Tensor(np.ones(3, dtype), requires_grad=True)
        out = ((1.5 * x + np.arange(3)) / 2 - 1).mean()
        out.backward()
        assert (out.dtype, x.grad.dtype) == (dtype, dtype)
    narrow, wide = Tensor(np.ones(2, np.float32), requires_grad=True), Tensor(np.ones(2), requires_grad=True)
    (narrow * wide).sum().backward()
    assert (narrow.grad.dtype, wide.grad.dtype) == (np.float32, np.float64)


def test_gradients_add_up_over_calls_and_leave_what_they_share_alone():
    x, y = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
    given_ = np.array([1.0, 2.0, 3.0])
    for _ in range(3):
        (x + y).backward(given_)  # the gradients of both are the one array that was given
        (x + 0.0).backward(given_)
    assert given_.tolist() == [1, 2, 3]
    assert x.grad.tolist() == [6, 12, 18]
    assert y.grad.tolist() == [3, 6, 9]
    z = x * 2
    (z + z + z * 1 + z).sum().backward()  # a node in the middle with several children
    assert x.grad.tolist() == [14, 20, 26]


def test_a_leaf_alone():
    x = Tensor(np.ones(2), requires_grad=True)
    x.backward(np.array([3.0, 4.0]))
    assert x.grad.tolist() == [3, 4]


def test_deep_graphs_need_no_recursion():
    x = Tensor(np.float64(1), requires_grad=True)
    y = x
    for _ in range(5000):
        y = y + x * 0.001
    y.backward()
    assert x.grad == pytest.approx(6)


def test_a_graph_is_freed():
    x = Tensor(normal(3), requires_grad=True)
    shared = x * x
    first, second = shared.sum(), shared.mean()
    first.backward()
    before = x.grad.copy()
    for again in (first, second):
        with pytest.raises(GraphError, match="freed by an earlier backward"):
            again.backward()
    assert np.array_equal(x.grad, before)


def test_no_grad_is_of_its_thread():
    x = Tensor(normal(3), requires_grad=True)
    seen = []
    with no_grad():
        assert not (x * 2).requires_grad
        other = threading.Thread(target=lambda: seen.append((x * 2).requires_grad))
        other.start()
        other.join()
    assert seen == [True]
    assert (x * 2).requires_grad
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert (x * 2).requires_grad
    assert not (x.detach() * 2).requires_grad


def test_graphs_of_several_threads():
    """Each differentiates its own function of a shared table, at once with the others."""
    table = normal(50, 8)
    found = {}

    def work(number):
        x = Tensor(table.copy(), requires_grad=True)
        for _ in range(20):
            (x * number).sum().backward()
        found[number] = x.grad

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((found[number] == 20 * number).all() for number in range(4))


def test_row_gradients_and_arrays_add():
    x = Tensor(normal(4, 2), requires_grad=True)
    rows = np.array([3, 1, 3])
    expected = np.zeros((4, 2))
    np.add.at(expected, rows, 1)
    x[rows].sum().backward()
    assert isinstance(x.grad, RowGradient)
    assert x.grad.rows.tolist() == [1, 3]
    x[np.array([0])].sum().backward()
    expected[0] += 1
    assert np.array_equal(x.grad.dense(), expected)
    assert isinstance(x.grad, RowGradient)
    x.sum().backward()
    assert np.array_equal(x.grad, expected + 1)
    x[rows].sum().backward()
    np.add.at(expected, rows, 1)
    assert np.array_equal(x.grad, expected + 1)
    assert not np.array_equal(RowGradient(np.array([1], np.int32), np.ones((1, 2)), 4).dense(), expected)


def test_an_operation_of_ones_own():
    x, y = Tensor(normal(3), requires_grad=True), Tensor(normal(3))
    given_ = []

    def backward(gradient):
        given_.append(gradient)
        return gradient * 2, None

    out = Tensor.from_op("double", x.data * 2, (x, y), backward)
    assert "from double" in repr(out)
    out.sum().backward()
    assert len(given_) == 1
    assert x.grad.tolist() == [2, 2, 2]
    wrong = Tensor.from_op("double", x.data * 2, (x,), lambda gradient: (gradient[:2],))
    with pytest.raises(ShapeError, match=r"double: backward gave a gradient of shape \(2,\) for a parent of shape \(3,\)"):
        wrong.sum().backward()
    dead = Tensor.from_op("stop", x.data, (x * 2,), lambda gradient: (None,))
    (dead + x).sum().backward()
    assert x.grad.tolist() == [3, 3, 3]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x @ Tensor(np.ones((5, 6))), r"matmul: shapes \(3, 4\) and \(5, 6\) do not fit"),
        (lambda x: x @ Tensor(np.ones(4)), r"matmul: shapes \(3, 4\) and \(4,\) do not fit"),
        (lambda x: x.reshape(1, 3, 4) @ Tensor(np.ones((2, 5, 4, 4))), None),
        (lambda x: x.reshape(3, 1, 4) @ Tensor(np.ones((2, 4, 4))), r"matmul: shapes \(3, 1, 4\) and \(2, 4, 4\) do not fit"),
        (lambda x: x + Tensor(np.ones((4, 3))), r"add: shapes \(3, 4\) and \(4, 3\) do not fit"),
        (lambda x: x / Tensor(np.ones(5)), r"divide: shapes \(3, 4\) and \(5,\) do not fit"),
        (lambda x: x.sum(2), r"sum: axis 2 is out of bounds .* \(shape \(3, 4\)\)"),
        (lambda x: x[:0].max(), r"max: zero-size array .* \(shape \(0, 4\)\)"),
        (lambda x: x[7], r"getitem: index 7 is out of bounds .*\(shape \(3, 4\)\)"),
        (lambda x: x.reshape(5, 2), r"reshape: shape \(3, 4\) does not fit \(5, 2\)"),
        (lambda x: x.transpose(0, 0), r"transpose: axes \(0, 0\) do not fit shape \(3, 4\)"),
        (lambda x: x.backward(), r"backward: a tensor of shape \(3, 4\) is no single number"),
        (lambda x: x.backward(np.ones(3)), r"backward: gradient of shape \(3,\) for a tensor of shape \(3, 4\)"),
    ],
)
def test_errors_name_the_operation_and_the_shapes(function, message):
    x = Tensor(normal(3, 4), requires_grad=True)
    if message is None:
        assert function(x).shape == (2, 5, 3, 4)
        return
    with pytest.raises(ShapeError, match=message):
        function(x)


def test_nothing_to_differentiate():
    with pytest.raises(GraphError, match="requires a gradient"):
        Tensor(normal(1)).sum().backward()


def test_repr_and_item():
    assert Tensor(np.float32(2.5)).item() == 2.5
    assert repr(Tensor(np.ones(1), requires_grad=True)) == "Tensor(array([1.]), requires_grad=True)"
    assert repr(Tensor(np.ones(1))) == "Tensor(array([1.]))"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3000, 64), (64, 50)), ((64, 64), (64, 3000)), ((40, 300, 32), (40, 32, 300)), ((20, 300, 32), (32, 64)),
        ((2, 300, 64), (5, 1, 64, 300)),
    ],
)  # fmt: skip
def test_large_products_are_the_same_for_any_threads(left, right):
    x, y = normal(*left).astype(np.float32), normal(*right).astype(np.float32)
    found = []
    for threads in (1, 2):
        with options(threads=threads):
            a, b = Tensor(x, requires_grad=True), Tensor(y, requires_grad=True)
            out = a @ b
            out.backward(np.ones(out.shape))
            found.append((out.data, a.grad, b.grad))
    for one, two in zip(*found, strict=True):
        assert one.tobytes() == two.tobytes()
    assert np.allclose(found[0][0], x @ y, rtol=1e-3, atol=1e-3)
    wide = [Tensor(array.astype(np.float64), requires_grad=True) for array in (x, y)]
    (wide[0] @ wide[1]).sum().backward()
    for gradient, tensor in zip(found[0][1:], wide, strict=True):
        assert np.allclose(gradient, tensor.grad, rtol=1e-3, atol=1e-2)


def test_products_of_no_width():
    a, b = Tensor(np.zeros((3, 0)), requires_grad=True), Tensor(np.zeros((0, 2)), requires_grad=True)
    out = a @ b
    out.sum().backward()
    assert out.data.tolist() == [[0, 0]] * 3
    assert (a.grad.shape, b.grad.shape) == ((3, 0), (0, 2))

"""Optimizers against their algorithms written out; lazy rows, clipping, schedules, checkpoints of their state, threads."""

import math

import numpy as np
import pytest

from minirec.engine.nn.autodiff import Tensor
from minirec.engine.nn.functional import embedding
from minirec.engine.nn.optimizers import SGD, AdaGrad, Adam, constant, cosine, warm_up
from minirec.engine.nn.row_gradient import RowGradient
from minirec.errors import ModelFitError, ParameterError, ShapeError
from minirec.options import options

BACKENDS = ["numpy", "numba"]
METHODS = {
    "sgd": lambda parameters, **more: SGD(parameters, 0.05, **more),
    "momentum": lambda parameters, **more: SGD(parameters, 0.05, momentum=0.8, **more),
    "adagrad": lambda parameters, **more: AdaGrad(parameters, 0.05, **more),
    "adam": lambda parameters, **more: Adam(parameters, 0.05, **more),
}


def moves(name, gradients):
    """What the method subtracts at each step, for numbers whose gradients are given step by step."""
    first = second = 0.0
    for t, g in enumerate(gradients, 1):
        if name == "sgd":
            yield 0.05 * g
        elif name == "momentum":
            first = 0.8 * first + g
            yield 0.05 * first
        elif name == "adagrad":
            second = second + g**2
            yield 0.05 * g / (np.sqrt(second) + 1e-10)
        else:
            first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
            yield 0.05 * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param == "numba":
        pytest.importorskip("numba")
    with options(backend=request.param):
        yield request.param


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("name", METHODS)
def test_steps_are_those_of_the_algorithm(name, decay, backend):
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal((7, 3)), rng.standard_normal((5, 7, 3))
    parameter, other = Tensor(start.copy(), requires_grad=True), Tensor(np.ones(2), requires_grad=True)
    optimizer = METHODS[name]({"w": parameter, "unused": other}, decay=decay)
    for gradient in gradients:
        parameter.grad = gradient.copy()
        assert optimizer.step() == pytest.approx(np.linalg.norm(gradient))
        assert parameter.grad is None
    expected = start
    for move in moves(name, gradients):
        expected = expected * (1 - 0.05 * decay) - move
    assert parameter.data == pytest.approx(expected, rel=1e-7)
    assert (other.data == 1).all()
    assert optimizer.steps == 5


@pytest.mark.parametrize("name", METHODS)
def test_a_step_moves_only_the_rows_of_a_row_gradient(name, backend):
    """Row by row as if only the steps that touch it were made, but for Adam's corrections, which go by the number of the step."""
    rng = np.random.default_rng(1)
    start = rng.standard_normal((6, 2, 2))
    touched = [np.array([0, 3], np.int32), np.array([3, 5], np.int32), np.zeros(0, np.int32), np.array([3], np.int32)]
    parts = [rng.standard_normal((len(rows), 2, 2)) for rows in touched]
    parameter, dense = (Tensor(start.copy(), requires_grad=True) for _ in range(2))
    optimizer, other = METHODS[name]([parameter], decay=0.1), METHODS[name]([dense])
    for rows, part in zip(touched, parts, strict=True):
        parameter.grad = RowGradient(rows, part, 6)
        dense.grad = RowGradient(rows, part, 6).dense()
        before = parameter.data.copy()
        optimizer.step()
        other.step()
        rest = np.setdiff1d(np.arange(6), rows)
        assert np.array_equal(parameter.data[rest], before[rest])
    assert (parameter.data[touched[0]] != start[touched[0]]).all()
    # without decay, where no averages are kept, the same as with the dense gradient
    lazy = Tensor(start.copy(), requires_grad=True)
    optimizer = METHODS[name]([lazy])
    for rows, part in zip(touched, parts, strict=True):
        lazy.grad = RowGradient(rows, part, 6)
        optimizer.step()
    assert np.allclose(lazy.data, dense.data, rtol=1e-12) == (name in ("sgd", "adagrad"))
    assert np.array_equal(lazy.data[[1, 2, 4]], start[[1, 2, 4]])
    first = np.array(list(moves(name, [parts[0][1]])))
    again = Tensor(start.copy(), requires_grad=True)
    again.grad = RowGradient(touched[0], parts[0], 6)
    METHODS[name]([again]).step()
    assert again.data[3] == pytest.approx(start[3] - first[0], rel=1e-7)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("by_rows", [False, True])
def test_fixed_coordinates_stay(name, by_rows, backend):
    """Weight decay does not touch them either; the others move as if there were no more."""
    rng = np.random.default_rng(2)
    start, rows = rng.standard_normal((6, 5)), np.array([0, 3, 3, 5], np.int32)
    table, rest = Tensor(start.copy(), requires_grad=True), Tensor(start[:, 2:].copy(), requires_grad=True)
    table.fixed = 2
    optimizers = METHODS[name]([table], decay=0.1), METHODS[name]([rest], decay=0.1)
    for _ in range(3):
        for tensor, optimizer in zip((table, rest), optimizers, strict=True):
            found = embedding(tensor, rows) if by_rows else tensor * tensor
            (found * found).sum().backward()
            (tensor[:, -1] if not by_rows else embedding(tensor, rows)).sum().backward()  # a second gradient is added to the first
            assert isinstance(tensor.grad, RowGradient) == by_rows
            optimizer.step()
    assert np.array_equal(table.data[:, :2], start[:, :2])
    assert np.array_equal(table.data[:, 2:], rest.data)
    assert (rest.data[rows] != start[rows, 2:]).all()


@pytest.mark.parametrize("name", METHODS)
def test_state_and_restore(name):
    rng = np.random.default_rng(2)
    gradients = rng.standard_normal((6, 5, 2)).astype(np.float32)
    runs = []
    for pause in (None, 3):
        parameter = Tensor(np.ones((5, 2), np.float32), requires_grad=True)
        optimizer = METHODS[name]({"w": parameter})
        for step, gradient in enumerate(gradients):
            if step == pause:
                saved = optimizer.state()
                optimizer = METHODS[name]({"w": parameter})
                optimizer.restore(saved)
            parameter.grad = gradient.copy()
            optimizer.step()
        runs.append(parameter.data.tobytes())
    assert runs[0] == runs[1]
    assert all(isinstance(array, np.ndarray) for array in saved.values())
    with pytest.raises(ShapeError, match=r"restore: .* differ in"):
        METHODS[name]({"w": parameter, "v": parameter}).restore({**saved, "v.nothing": np.ones(1)})


def test_clipping_is_by_the_norm_of_all():
    x, y = Tensor(np.zeros(2), requires_grad=True), Tensor(np.zeros((3, 1)), requires_grad=True)
    optimizer = SGD([x, y], 1.0, clip=1.0)
    shared = np.array([3.0, 0.0])
    x.grad, y.grad = shared, RowGradient(np.array([1], np.int32), np.array([[4.0]]), 3)
    assert optimizer.step() == pytest.approx(5)
    assert x.data == pytest.approx([-0.6, 0])
    assert y.data[:, 0] == pytest.approx([0, -0.8, 0])
    assert shared.tolist() == [3, 0]  # gradients may share memory: they are not written to
    x.grad = np.array([0.3, 0.4])
    assert optimizer.step() == pytest.approx(0.5)
    assert x.data == pytest.approx([-0.9, -0.4])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_gradients_that_are_not_finite_are_refused(value):
    x, y = (Tensor(np.zeros(2, np.float32), requires_grad=True) for _ in range(2))
    optimizer = Adam({"user.weight": x, "item.weight": y}, 0.25)
    x.grad, y.grad = np.ones(2, np.float32), np.array([1, value], np.float32)
    with pytest.raises(ModelFitError, match=r"step 1: the gradient of parameter 'item.weight' .* lower the learning rate \(now 0.25\)"):
        optimizer.step()
    assert (x.data == 0).all()
    assert optimizer.steps == 0


def test_schedules():
    assert [constant(0.1)(step) for step in (1, 9)] == [0.1, 0.1]
    assert [warm_up(1.0, 4)(step) for step in (1, 2, 4, 5)] == [0.25, 0.5, 1, 1]
    assert warm_up(1.0, 0)(1) == 1
    schedule = cosine(1.0, 12, warm=2, least=0.1)
    assert [schedule(step) for step in (1, 2)] == [0.5, 1]
    assert schedule(7) == pytest.approx(0.55)
    assert schedule(4) == pytest.approx(0.1 + 0.45 * (1 + math.cos(0.2 * math.pi)))
    assert [schedule(step) for step in (12, 99)] == pytest.approx([0.1, 0.1])
    x = Tensor(np.zeros(1), requires_grad=True)
    optimizer = SGD([x], warm_up(1.0, 4))
    for _ in range(3):
        x.grad = np.ones(1)
        optimizer.step()
    assert x.data[0] == pytest.approx(-1.5)


def test_parameters_are_moved_in_place_so_they_must_be_contiguous():
    with pytest.raises(ParameterError, match="'0' is not contiguous"):
        SGD([Tensor(np.ones((3, 4)).T, requires_grad=True)], 0.1)


@pytest.mark.slow_without_jit
@pytest.mark.parametrize("rows", [False, True])
def test_threads_do_not_matter(rows, backend):
    results = []
    for threads in (1, 2):
        rng = np.random.default_rng(1)
        parameter = Tensor(rng.standard_normal((12000, 64), np.float32), requires_grad=True)
        with options(threads=threads):
            optimizer = Adam([parameter], 0.01, clip=5.0)
            for _ in range(2):
                gradient = rng.standard_normal((9000, 64), np.float32)
                parameter.grad = RowGradient(np.arange(9000, dtype=np.int32), gradient, 12000) if rows else np.resize(gradient, (12000, 64))
                optimizer.step()
        results.append(parameter.data.tobytes())
    assert results[0] == results[1]

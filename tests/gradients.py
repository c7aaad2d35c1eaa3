"""Gradients of a tape against central differences, in float64."""

import numpy as np

from minirec.engine.nn.autodiff import Tensor
from minirec.engine.nn.row_gradient import RowGradient


def check_gradients(function, *arrays, rtol=1e-6, step=1e-5):
    """function(*tensors) -> tensor: its gradients by each array (float64), of a random projection of the result.

    The error is measured against the largest entry of the gradient. The arrays must stay clear of kinks by more than `step`. The value
    without recording must be the same, bit for bit.
    """
    tensors = [Tensor(array.astype(np.float64), requires_grad=True) for array in arrays]
    out = function(*tensors)
    assert out.dtype == np.float64
    projection = np.random.default_rng(0).standard_normal(out.shape)
    assert np.array_equal(function(*(Tensor(tensor.data) for tensor in tensors)).data, out.data)

    def value():
        return float((function(*(Tensor(tensor.data) for tensor in tensors)).data * projection).sum())

    out.backward(projection)
    for number, tensor in enumerate(tensors):
        gradient = tensor.grad.dense() if isinstance(tensor.grad, RowGradient) else tensor.grad
        assert gradient.shape == tensor.shape
        assert gradient.dtype == np.float64
        numeric = np.empty(tensor.shape)
        for at in np.ndindex(tensor.shape):
            before = tensor.data[at]
            values = []
            for sign in (2, 1, -1, -2):
                tensor.data[at] = before + sign * step
                values.append(value())
            tensor.data[at] = before
            numeric[at] = (8 * (values[1] - values[2]) - (values[0] - values[3])) / (12 * step)
        error = np.abs(gradient - numeric).max(initial=0)
        assert error <= rtol * max(np.abs(numeric).max(initial=0), 1e-3), f"argument {number}: {gradient} but {numeric}"


def check_float32(function, *arrays):
    """The same in float32: types kept, values close to those in float64."""
    narrow = [Tensor(array.astype(np.float32), requires_grad=True) for array in arrays]
    wide = [Tensor(array.astype(np.float64), requires_grad=True) for array in arrays]
    outs = [function(*tensors) for tensors in (narrow, wide)]
    assert outs[0].dtype == np.float32
    assert np.allclose(outs[0].data, outs[1].data, rtol=1e-4, atol=1e-5)
    for out in outs:
        out.backward(np.ones(out.shape))
    for one, other in zip(narrow, wide, strict=True):
        grads = [grad.dense() if isinstance(grad, RowGradient) else grad for grad in (one.grad, other.grad)]
        assert grads[0].dtype == np.float32
        assert np.allclose(*grads, rtol=1e-3, atol=1e-4)

"""Results and gradients equal those that PyTorch computed, stored by tests/data/make_layers.py."""

from pathlib import Path

import numpy as np
import pytest
from naive_gradients import error

from minirec.engine.attention import attend, attend_backward
from minirec.engine.ragged import offsets
from minirec.engine.recurrent import gru, gru_backward
from minirec.engine.temporal import (
    causal_convolution,
    causal_convolution_backward,
    convolution_2d,
    convolution_2d_backward,
    max_pool,
    max_pool_backward,
)

INDPTR = offsets(np.array([7, 1, 4]))


@pytest.fixture(params=["numpy", "numba"])
def backend(request):
    if request.param == "numba":
        pytest.importorskip("numba")
    return request.param


def stored(name):
    with np.load(Path(__file__).parents[1] / "data" / "layers.npz") as file:
        return {label.partition(".")[2]: file[label] for label in file.files if label.startswith(f"{name}.")}


def test_attention(backend):
    given = stored("attention")
    out, saved = attend(given["q"], given["k"], given["v"], INDPTR, 2, backend=backend)
    assert error(out, given["out"]) < 1e-5
    for label, mine in zip("qkv", attend_backward(given["gradient"], saved), strict=True):
        assert error(mine, given[f"by_{label}"]) < 1e-5


def test_gru(backend):
    given = stored("gru")
    out, saved = gru(given["x"], INDPTR, given["weights"].T, given["bias"], backend=backend)
    assert error(out, given["out"]) < 1e-5
    by_x, by_weights, by_bias = gru_backward(given["gradient"], saved)
    for label, mine in (("x", by_x), ("weights", by_weights.T), ("bias", by_bias)):
        assert error(mine, given[f"by_{label}"]) < 1e-5


def test_causal_convolution():
    given = stored("convolution_1d")
    out, saved = causal_convolution(given["x"], INDPTR, given["weights"].transpose(2, 1, 0), given["bias"], 2)
    assert error(out, given["out"]) < 1e-5
    by_x, by_weights, by_bias = causal_convolution_backward(given["gradient"], saved)
    for label, mine in (("x", by_x), ("weights", by_weights.transpose(2, 1, 0)), ("bias", by_bias)):
        assert error(mine, given[f"by_{label}"]) < 1e-5


def test_convolution_2d_and_max_pool():
    given = stored("convolution_2d")
    hidden, saved = convolution_2d(given["x"], given["weights"], given["bias"], stride=2, padding=1)
    out, places = max_pool(hidden, (2, 2))
    assert error(out, given["out"]) < 1e-5
    found = convolution_2d_backward(max_pool_backward(given["gradient"], places), saved)
    for label, mine in zip(("x", "weights", "bias"), found, strict=True):
        assert error(mine, given[f"by_{label}"]) < 1e-5

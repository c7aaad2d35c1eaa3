"""Results and gradients equal those of PyTorch, stored by tests/data/make_layers.py; where it is installed, those of other numbers too."""

import importlib.util
import inspect
from pathlib import Path

import numpy as np
import pytest

from minirec.engine.nn import criteria, functional, modules, temporal
from minirec.engine.nn.autodiff import Tensor
from minirec.engine.nn.row_gradient import RowGradient
from minirec.engine.sequences import offsets
from minirec.engine.sparse import CSR
from minirec.options import options

DATA = Path(__file__).parents[2] / "data"
INDPTR = offsets(np.array([7, 1, 4]))
RNG = np.random.default_rng(0)


def layer(module, *inputs, sequences=False):
    """A module with the parameters that are given, of which the others are its arguments; then the packed sequences."""

    def call(g):
        for name, tensor in module.parameters().items():
            tensor.data, tensor.grad, g[name] = g[name].data, None, tensor
        return module(*(g[name] for name in inputs), *((INDPTR,) if sequences else ()))

    return type(module), call


def block(kind):
    return layer(modules.TransformerBlock(4, 2, 6, 0.0, kind, RNG), "x", sequences=True)


def function(of, *inputs, **fixed):
    return of, lambda g: of(*(g[name] for name in inputs), **fixed)


def cosine_contrastive(g):
    user, positive, negative = (functional.normalize(g[name]) for name in ("user", "positive", "negative"))
    cosines = (negative @ user.reshape(5, 4, 1)).reshape(5, 3)
    return criteria.cosine_contrastive((user * positive).sum(axis=1), cosines, margin=0.2, weight=3.0)


def counted(g):
    return CSR.from_pairs(*np.nonzero(g["counts"]), g["counts"][np.nonzero(g["counts"])], g["counts"].shape)


def convolution_2d(g):
    given = g["x"], g["weight"], g["bias"]
    hidden, saved = temporal.convolution_2d(*(tensor.data for tensor in given), stride=2, padding=1)
    out, places = temporal.max_pool(hidden, (2, 2))
    return Tensor.from_op("", out, given, lambda by: temporal.convolution_2d_backward(temporal.max_pool_backward(by, places), saved))


TARGET = ("own", "asked", "product", "slope", "weight", "bias")
SEQUENTIAL = modules.Sequential(modules.Linear(6, 5, RNG), functional.tanh, modules.LayerNorm(5), modules.Linear(5, 3, RNG))
# what is compared, and how it is called with tensors (and arrays, where constants) by name
OURS = {
    "linear": layer(modules.Linear(6, 5, RNG), "x"),
    "embedding": layer(modules.Embedding(7, 4, RNG), "rows"),
    "layer_norm": layer(modules.LayerNorm(4), "x"),
    "prelu": layer(modules.PReLU(4), "x"),
    "feed_forward": layer(modules.FeedForward((4, 6, 5), RNG, functional.gelu), "x"),
    "sequential": layer(SEQUENTIAL, "x"),
    "scaled_attention": (functional.attention, lambda g: functional.attention(g["q"], g["k"], g["v"], INDPTR, 2)),
    "attention": layer(modules.Attention(4, 2, 0.0, RNG), "x", "memory", sequences=True),
    "post_block": block("post"),
    "pre_block": block("pre"),
    "ligr_block": block("ligr"),
    "gru": layer(modules.GRU(6, 4, RNG), "x", sequences=True),
    "causal_convolution": layer(modules.CausalConvolution(4, 5, 3, 2, RNG), "x", sequences=True),
    "causal_filter": layer(modules.CausalFilter(4, 5, RNG), "x", sequences=True),
    "convolution_2d": (temporal.convolution_2d, convolution_2d),
    "horizontal_convolution": function(functional.horizontal_convolution, "x", "weight", "bias"),
    "vertical_convolution": function(functional.vertical_convolution, "x", "weight"),
    "target_attention": (
        functional.target_attention,
        lambda g: functional.target_attention(g["values"], g["targets"], INDPTR, *(g[name] for name in TARGET)),
    ),
    "binary_cross_entropy": function(criteria.binary_cross_entropy, "x", "shares", "weights"),
    "bpr": function(criteria.bpr, "positive", "negative"),
    "gbce": function(criteria.gbce, "positive", "negative", items=20, calibration=0.75),
    "cosine_contrastive": (criteria.cosine_contrastive, cosine_contrastive),
    "sampled_softmax": function(criteria.sampled_softmax, "hidden", "table", "targets", "negatives", "log_q"),
    "softmax_cross_entropy": function(criteria.softmax_cross_entropy, "hidden", "table", "targets"),
    "multinomial": (criteria.multinomial, lambda g: criteria.multinomial(g["x"], counted(g))),
    "softmax_multinomial": (
        criteria.softmax_multinomial,
        lambda g: criteria.softmax_multinomial(g["hidden"], g["table"], g["bias"], counted(g)),
    ),
    "gaussian_kl": function(criteria.gaussian_kl, "mean", "log_variance"),
    "warp": function(criteria.warp, "positive", "negative", items=20),
}


def defined_in(module, kind):
    return {one for name, one in inspect.getmembers(module, kind) if one.__module__ == module.__name__ and not name.startswith("_")}


def test_every_layer_and_loss_is_compared():
    random_or_abstract = {modules.Module, modules.Dropout, modules.Noise}
    compared = {of for of, _ in OURS.values()}
    assert defined_in(modules, inspect.isclass) - random_or_abstract <= compared
    assert defined_in(criteria, inspect.isfunction) <= compared


@pytest.fixture(params=["numpy", "numba"])
def backend(request):
    if request.param == "numba":
        pytest.importorskip("numba")
    with options(backend=request.param):
        yield


def compare(name, theirs, dtype):
    """Result and gradients: in float64 within its rounding, in float32 within 1e-5 of the largest number there is."""
    theirs = {label: array.astype(dtype) if array.dtype == np.float64 else array for label, array in theirs.items()}
    of_inputs = {label.removeprefix("by_") for label in theirs if label.startswith("by_")}
    g = {label: Tensor(array, requires_grad=True) if label in of_inputs else array for label, array in theirs.items()}
    out = OURS[name][1](g)
    out.backward(theirs["gradient"])
    found = {"out": out.data} | {f"by_{label}": g[label].grad for label in of_inputs}
    tolerance = (1e-11 if dtype == np.float64 else 1e-5) * max(1, *(np.abs(theirs[label]).max() for label in found))
    for label, mine in found.items():
        mine = mine.dense() if isinstance(mine, RowGradient) else mine
        assert mine.dtype == dtype, label
        assert mine.shape == theirs[label].shape, label
        assert np.abs(mine - theirs[label]).max() < tolerance, label


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", OURS)
def test_stored(name, dtype):
    with np.load(DATA / "layers.npz") as file:
        assert {label.partition(".")[0] for label in file.files} == OURS.keys()
        compare(name, {label.partition(".")[2]: file[label] for label in file.files if label.startswith(f"{name}.")}, dtype)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", OURS)
def test_live(name):
    pytest.importorskip("torch")
    spec = importlib.util.spec_from_file_location("make_layers", DATA / "make_layers.py")
    make_layers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_layers)
    for seed in (100, 101):
        compare(name, make_layers.computed(name, seed), np.float64)

"""Functions and losses: each against its formula in plain NumPy and against finite differences; masks, errors, threads."""

import numpy as np
import pytest
from gradients import check_float32, check_gradients
from scipy.special import erf, expit, log_softmax, logsumexp, softmax

from minirec.engine.nn import criteria as cr
from minirec.engine.nn import functional as fn
from minirec.engine.nn.autodiff import Tensor, no_grad
from minirec.engine.nn.row_gradient import RowGradient
from minirec.engine.sparse import CSR
from minirec.errors import ParameterError, ShapeError
from minirec.options import options

RNG = np.random.default_rng(3)
ROWS = np.array([[2, 0], [2, 3]])
TARGETS, NEGATIVES = np.array([1, 0, 4, 4, 2]), np.array([3, 1, 1, 4])
LOG_Q = np.log(RNG.uniform(0.1, 2, 6))
DENSE = RNG.integers(0, 3, (3, 5)) * (RNG.random((3, 5)) < 0.6).astype(np.float64)
DENSE[1] = 0
COUNTS = CSR.from_pairs(*np.nonzero(DENSE), DENSE[np.nonzero(DENSE)], DENSE.shape)
ADJACENT = CSR.from_pairs(np.array([0, 0, 1, 3]), np.array([1, 2, 0, 2]), np.array([1.5, 2, -1, 0.5]), (4, 3))


def normal(*shape):
    x = RNG.standard_normal(shape)
    return x + 0.1 * np.sign(x)  # clear of the kinks at 0


def layer_norm(x, weight, bias):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * weight + bias


def convolution(x, weights, bias, stride, padding):
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, weights.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("bcijuv,fcuv->bfij", windows, weights) + bias[:, None, None]


def pooled(x, size, stride):
    windows = np.lib.stride_tricks.sliding_window_view(x, size, (2, 3))[:, :, :: stride[0], :: stride[1]]
    return windows.max((4, 5))


def bce(x, t, w=1.0):
    return (-w * (t * np.log(expit(x)) + (1 - t) * np.log(1 - expit(x)))).mean()


def sampled(hidden, table, log_q):
    total = 0
    for h, target in zip(hidden, TARGETS, strict=True):
        terms = [target, *(n for n in NEGATIVES if n != target)]
        scores = [h @ table[i] - log_q[i] for i in terms]
        total += logsumexp(scores) - scores[0]
    return total / len(hidden)


def gbce(positive, negative, items, t):
    rate = negative.shape[1] / (items - 1)
    beta = rate * (t * (1 - 1 / rate) + 1 / rate)
    return -(np.log(expit(positive) ** beta) + np.log(1 - expit(negative)).sum(1)).mean() / (negative.shape[1] + 1)


def warp(positive, negative, items):
    total = 0.0
    for own, others in zip(positive, negative, strict=True):
        tried = 0
        for other in others:
            tried += other > -np.inf
            if own - other < 1:
                total += sum(1 / s for s in range(1, (items - 1) // tried + 1)) * (1 - own + other)
                break
    return total / len(positive)


COUNTED = np.array([[1, 1, 1], [0, 1, 1], [1, 1, 1], [1, 0, 1]], bool)
WARPED = np.array([[-2.0, 0.2, 1.0], [0.5, -3, 0.1], [-4, -4, -4], [-3, -0.3, -0.2]])
WEIGHTS = np.array([1.0, 0.5, 2.0, 0.0, 1.5])
# name: function of tensors, the same in NumPy, arrays
FUNCTIONS = {
    "concatenate": (lambda x, y: fn.concatenate([x, y], 1), lambda x, y: np.concatenate([x, y], 1), (normal(2, 3), normal(2, 1))),
    "concatenate from the end": (
        lambda x, y: fn.concatenate([x, y], -1), lambda x, y: np.concatenate([x, y], -1), (normal(2, 3), normal(2, 1))
    ),
    "stack": (lambda x, y: fn.stack([x, y], 1), lambda x, y: np.stack([x, y], 1), (normal(2, 3), normal(2, 3))),
    "where": (
        lambda x, y: fn.where(np.eye(3, dtype=bool), x, y), lambda x, y: np.where(np.eye(3), x, y), (normal(3, 3), normal(1, 3))
    ),
    "where constant": (lambda x: fn.where(np.eye(3, dtype=bool), x, -1), lambda x: np.where(np.eye(3), x, -1), (normal(3, 3),)),
    "softplus": (fn.softplus, lambda x: np.log1p(np.exp(x)), (normal(3, 4),)),
    "sigmoid": (fn.sigmoid, expit, (normal(3, 4),)),
    "tanh": (fn.tanh, np.tanh, (normal(3, 4),)),
    "relu": (fn.relu, lambda x: x * (x > 0), (normal(3, 4),)),
    "leaky_relu": (lambda x: fn.leaky_relu(x, 0.2), lambda x: np.where(x > 0, x, 0.2 * x), (normal(3, 4),)),
    "prelu": (fn.prelu, lambda x, slope: np.where(x > 0, x, slope * x), (normal(2, 3, 4), normal(4))),
    "gelu": (fn.gelu, lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))), (normal(3, 4),)),
    "silu": (fn.silu, lambda x: x * expit(x), (normal(3, 4),)),
    "logsumexp": (fn.logsumexp, lambda x: logsumexp(x, axis=-1), (normal(3, 4),)),
    "logsumexp of axis 0": (lambda x: fn.logsumexp(x, 0, keepdims=True), lambda x: logsumexp(x, axis=0, keepdims=True), (normal(3, 4),)),
    "softmax": (fn.softmax, lambda x: softmax(x, axis=-1), (normal(3, 4),)),
    "softmax of axis 0": (lambda x: fn.softmax(x, 0), lambda x: softmax(x, axis=0), (normal(3, 4),)),
    "log_softmax": (fn.log_softmax, lambda x: log_softmax(x, axis=-1), (normal(3, 4),)),
    "normalize": (fn.normalize, lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True), (normal(3, 4),)),
    "layer_norm": (fn.layer_norm, layer_norm, (normal(2, 3, 5), normal(5), normal(5))),
    "layer_norm of a vector": (fn.layer_norm, layer_norm, (normal(5), normal(5), normal(5))),
    "linear": (fn.linear, lambda x, w, b: x @ w + b, (normal(2, 3, 4), normal(4, 2), normal(2))),
    "linear without bias": (fn.linear, lambda x, w: x @ w, (normal(4), normal(4, 2))),
    "embedding": (lambda w: fn.embedding(w, ROWS), lambda w: w[ROWS], (normal(4, 3),)),
    "embedding of numbers": (lambda w: fn.embedding(w, ROWS), lambda w: w[ROWS], (normal(4),)),
    "propagate": (
        lambda x: fn.propagate(ADJACENT, ADJACENT.transpose(), x), lambda x: ADJACENT.to_dense().astype(float) @ x, (normal(3, 2),)
    ),
    "sparse_linear": (
        lambda w, b: fn.sparse_linear(ADJACENT, w, b), lambda w, b: ADJACENT.to_dense().astype(float) @ w + b, (normal(3, 2), normal(2))
    ),
    "convolution_2d": (fn.convolution_2d, lambda *given: convolution(*given, 1, 0), (normal(2, 3, 4, 5), normal(4, 3, 2, 3), normal(4))),
    "convolution_2d with stride and padding": (
        lambda *given: fn.convolution_2d(*given, stride=2, padding=1),
        lambda *given: convolution(*given, 2, 1),
        (normal(2, 3, 5, 4), normal(2, 3, 3, 2), normal(2)),
    ),
    "max_pool": (lambda x: fn.max_pool(x, (2, 2)), lambda x: pooled(x, (2, 2), (2, 2)), (normal(2, 2, 5, 4),)),
    "max_pool of windows that overlap": (
        lambda x: fn.max_pool(x, (3, 2), (1, 2)), lambda x: pooled(x, (3, 2), (1, 2)), (normal(1, 2, 5, 6),)
    ),
    "max_pool of a convolution": (
        lambda x, *given: fn.max_pool(fn.convolution_2d(x, *given, padding=1), (2, 3)),
        lambda *given: pooled(convolution(*given, 1, 1), (2, 3), (2, 3)),
        (normal(2, 2, 4, 6), normal(3, 2, 3, 3), normal(3)),
    ),
    "dropout": (lambda x: fn.dropout(x, 0.5, 3), lambda x: x * fn.dropout(Tensor(np.ones((3, 7))), 0.5, 3).data, (normal(3, 7),)),
    "binary_cross_entropy": (lambda x: cr.binary_cross_entropy(x, np.eye(3)), lambda x: bce(x, np.eye(3)), (normal(3, 3),)),
    "binary_cross_entropy of a number": (lambda x: cr.binary_cross_entropy(x.sum(), 1), lambda x: bce(x.sum(), 1), (normal(2),)),
    "binary_cross_entropy weighted": (
        lambda x: cr.binary_cross_entropy(x, 0.3, WEIGHTS), lambda x: bce(x, 0.3, WEIGHTS), (normal(2, 5),)
    ),
    "bpr": (cr.bpr, lambda p, n: -np.log(expit(p - n)).mean(), (normal(4), normal(4))),
    "bpr of many": (cr.bpr, lambda p, n: -np.log(expit(p[:, None] - n)).mean(), (normal(4), normal(4, 3))),
    "warp": (
        lambda p, n: cr.warp(p, fn.where(COUNTED, n, -np.inf), 20),
        lambda p, n: warp(p, np.where(COUNTED, n, -np.inf), 20),
        (np.array([0.5, 1.3, 0.9, -1.1]), WARPED),
    ),
    "gbce": (lambda p, n: cr.gbce(p, n, 100, 0.75), lambda p, n: gbce(p, n, 100, 0.75), (normal(4), normal(4, 3))),
    "cosine_contrastive": (
        lambda p, n: cr.cosine_contrastive(p, n, 0.05, 10),
        lambda p, n: (1 - p + 10 * np.maximum(n - 0.05, 0).mean(1)).mean(),
        (normal(4), normal(4, 3)),
    ),
    "sampled_softmax": (
        lambda h, v: cr.sampled_softmax(h, v, TARGETS, NEGATIVES, LOG_Q), lambda h, v: sampled(h, v, LOG_Q), (normal(5, 3), normal(6, 3))
    ),
    "sampled_softmax uncorrected": (
        lambda h, v: cr.sampled_softmax(h, v, TARGETS, NEGATIVES), lambda h, v: sampled(h, v, np.zeros(6)), (normal(5, 3), normal(6, 3))
    ),
    "multinomial": (
        lambda x: cr.multinomial(x, COUNTS), lambda x: -(DENSE * log_softmax(x, axis=1)).sum() / 3, (normal(3, 5),)
    ),
    "softmax_multinomial": (
        lambda h, v, b: cr.softmax_multinomial(h, v, b, COUNTS),
        lambda h, v, b: -(DENSE * log_softmax(h @ v.T + b, axis=1)).sum() / 3,
        (normal(3, 2), normal(5, 2), normal(5)),
    ),
    "gaussian_kl": (
        cr.gaussian_kl, lambda m, s: 0.5 * (np.exp(s) + m**2 - 1 - s).sum(axis=1).mean(), (normal(4, 3), normal(4, 3))
    ),
    "softmax_cross_entropy": (
        lambda h, v: cr.softmax_cross_entropy(h, v, TARGETS),
        lambda h, v: -log_softmax(h @ v.T, axis=1)[np.arange(5), TARGETS].mean(),
        (normal(5, 3), normal(6, 3)),
    ),
    "softmax_cross_entropy weighted": (
        lambda h, v: cr.softmax_cross_entropy(h, v, TARGETS, WEIGHTS),
        lambda h, v: -(WEIGHTS * log_softmax(h @ v.T, axis=1)[np.arange(5), TARGETS]).mean(),
        (normal(5, 3), normal(6, 3)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name):
    function, oracle, arrays = FUNCTIONS[name]
    out = function(*map(Tensor, arrays))
    assert out.shape == np.shape(oracle(*arrays))
    assert np.allclose(out.data, oracle(*arrays), rtol=1e-12, atol=1e-15)
    check_gradients(function, *arrays)
    check_float32(function, *arrays)


@pytest.mark.parametrize(
    "name", [name for name, (function, _, arrays) in FUNCTIONS.items() if np.ndim(function(*map(Tensor, arrays)).data) == 0]
)
def test_losses_scale(name):
    """Three times a loss has three times its gradients: the fused ones take the gradient that comes in."""
    function, _, arrays = FUNCTIONS[name]
    check_gradients(lambda *tensors: 3 * function(*tensors), *arrays)


@pytest.mark.parametrize("name", ["softplus", "sigmoid", "tanh", "relu", "leaky_relu", "gelu", "silu"])
def test_element_wise_functions_of_many_numbers(name):
    """They are computed in chunks, which no number notices; a transposed array too."""
    x, found = normal(300, 400).astype(np.float32), []
    for threads in (1, 2):
        with options(threads=threads):
            tensor = Tensor(x.T, requires_grad=True)
            out = getattr(fn, name)(tensor)
            out.sum().backward()
            found.append((out.data, tensor.grad))
    few = Tensor(x.T[7:9], requires_grad=True)
    out = getattr(fn, name)(few)
    out.sum().backward()
    for one, two, part in zip(*found, (out.data, few.grad), strict=True):
        assert one.tobytes() == two.tobytes()
        assert np.allclose(one[7:9], part, rtol=1e-6, atol=1e-7)


def test_gelu_is_close_to_the_form_with_erf():
    x = np.linspace(-6, 6, 1001)
    assert np.abs(fn.gelu(Tensor(x)).data - x / 2 * (1 + erf(x / np.sqrt(2)))).max() < 5e-4


def test_extreme_values_stay_finite():
    x = Tensor(np.array([-1e4, -100, 0, 100, 1e4], np.float32), requires_grad=True)
    for function in (
        fn.softplus,
        fn.sigmoid,
        fn.tanh,
        fn.gelu,
        fn.silu,
        fn.softmax,
        fn.log_softmax,
        lambda x: cr.binary_cross_entropy(x, 1),
    ):
        x.grad = None
        out = function(x)
        out.backward(np.ones(out.shape))
        assert np.isfinite(out.data).all()
        assert np.isfinite(x.grad).all()
    hidden, table = Tensor(np.full((2, 1), 1e4, np.float32), requires_grad=True), Tensor(x.data[:, None], requires_grad=True)
    loss = cr.softmax_cross_entropy(hidden, table, np.array([0, 4]))
    loss.backward()
    assert loss.item() == pytest.approx(1e8)
    assert np.isfinite(hidden.grad).all()


def test_masked_softmax():
    x = Tensor(np.array([[0.0, -np.inf, 0.0], [-np.inf] * 3]), requires_grad=True)
    out = fn.softmax(x)
    assert out.data.tolist() == [[0.5, 0, 0.5], [0, 0, 0]]
    assert fn.logsumexp(x).data.tolist() == [np.log(2), -np.inf]
    out.backward(np.ones(out.shape))
    assert np.isfinite(x.grad).all()


def test_gradients_of_a_table_are_of_its_rows():
    table = Tensor(normal(50, 3), requires_grad=True)
    loss = cr.bpr((fn.embedding(table, np.array([4, 9])) * 2).sum(1), fn.embedding(table, np.array([9, 7])).sum(1))
    loss.backward()
    assert isinstance(table.grad, RowGradient)
    assert table.grad.rows.tolist() == [4, 7, 9]
    fn.embedding(table, np.zeros(0, np.int64)).sum().backward()
    assert table.grad.rows.tolist() == [4, 7, 9]


def test_gbce_without_calibration_is_binary_cross_entropy():
    positive, negative = normal(6), normal(6, 4)
    logits, targets = np.hstack((positive[:, None], negative)), np.eye(1, 5)
    assert cr.gbce(Tensor(positive), Tensor(negative), 100, 0).item() == pytest.approx(bce(logits, targets), rel=1e-12)


@pytest.mark.parametrize("items", [1, 2, 5])
def test_gbce_of_as_many_negatives_as_there_are_items(items):
    """All others are drawn: nothing is to be calibrated."""
    positive, negative = Tensor(normal(6), requires_grad=True), Tensor(normal(6, 4))
    loss = cr.gbce(positive, negative, items, 0.75)
    assert loss.item() == cr.gbce(positive, negative, items, 0).item()
    assert loss.item() == pytest.approx(cr.gbce(positive, negative, 100, 0).item(), rel=1e-12)
    loss.backward()
    assert np.isfinite(positive.grad).all()


def test_dropout_depends_on_the_key_and_the_place():
    ones = Tensor(np.ones(700_001, np.float32))
    masks = []
    for threads in (1, 2):
        with options(threads=threads):
            masks.append(fn.dropout(ones, 0.3, 11).data)
    assert masks[0].tobytes() == masks[1].tobytes()
    assert np.array_equal(fn.dropout(Tensor(np.ones(1001, np.float32)), 0.3, 11).data, masks[0][:1001])
    assert not np.array_equal(fn.dropout(ones, 0.3, 12).data, masks[0])
    assert (masks[0] == 0).mean() == pytest.approx(0.3, abs=0.003)
    assert masks[0].mean(dtype=np.float64) == pytest.approx(1, abs=0.003)
    pairs = [(masks[0][lag:] * masks[0][:-lag]).mean(dtype=np.float64) for lag in (1, 2, 3, 4)]
    assert pairs == pytest.approx([1] * 4, abs=0.005)  # neighbours are independent
    assert fn.dropout(ones, 0, 11) is ones
    assert np.isfinite(fn.dropout(ones, 0.99999999, -1).data).all()
    with pytest.raises(ParameterError, match="dropout: rate 1"):
        fn.dropout(ones, 1, 11)


def test_the_forward_pass_alone_computes_the_same_losses():
    for name in ("softmax_cross_entropy", "softmax_multinomial", "multinomial", "gaussian_kl", "gbce", "warp", "sampled_softmax"):
        function, _, arrays = FUNCTIONS[name]
        tensors = [Tensor(array, requires_grad=True) for array in arrays]
        with no_grad():
            alone = function(*tensors)
        assert not alone.requires_grad
        assert alone.item() == function(*tensors).item()


def test_full_softmax_in_several_blocks(monkeypatch):
    hidden, table, targets = normal(150, 8), normal(300, 8), RNG.integers(0, 300, 150)
    found = []
    for logits, threads in ((2**24, 1), (2**24, 2), (300 * 64, 1), (300 * 64, 2)):
        monkeypatch.setattr(cr, "_LOGITS", logits)
        monkeypatch.setattr(cr, "_ITEMS", 64)
        h, v = (Tensor(array, requires_grad=True) for array in (hidden, table))
        with options(threads=threads):
            loss = cr.softmax_cross_entropy(h, v, targets)
            loss.backward()
        found.append([array.tobytes() for array in (loss.data, h.grad, v.grad)])
        logs = log_softmax(hidden @ table.T, axis=1)
        assert loss.item() == pytest.approx(-logs[np.arange(150), targets].mean(), rel=1e-12)
        pull = (np.exp(logs) - np.eye(300)[targets]) / 150
        assert np.allclose(h.grad, pull @ table, rtol=1e-10, atol=1e-14)
        assert np.allclose(v.grad, pull.T @ hidden, rtol=1e-10, atol=1e-14)
    assert found[0] == found[1]
    assert found[2] == found[3]


def test_multinomial_in_several_blocks(monkeypatch):
    hidden, table, bias = normal(150, 8), normal(300, 8), normal(300)
    dense = RNG.integers(1, 4, (150, 300)) * (RNG.random((150, 300)) < 0.05).astype(np.float64)
    dense[40:75] = 0  # a block without any
    counts, found = CSR.from_pairs(*np.nonzero(dense), dense[np.nonzero(dense)], dense.shape), []
    for logits, threads in ((2**24, 1), (2**24, 2), (300 * 64, 1), (300 * 64, 2)):
        monkeypatch.setattr(cr, "_LOGITS", logits)
        monkeypatch.setattr(cr, "_ITEMS", 64)
        tensors = [Tensor(array, requires_grad=True) for array in (hidden, table, bias)]
        with options(threads=threads):
            loss = cr.softmax_multinomial(*tensors, counts)
            loss.backward()
        found.append([array.tobytes() for array in (loss.data, *(tensor.grad for tensor in tensors))])
        whole = [Tensor(array, requires_grad=True) for array in (hidden, table, bias)]
        expected = cr.multinomial(whole[0] @ whole[1].T + whole[2], counts)
        expected.backward()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
        for one, other in zip(tensors, whole, strict=True):
            assert np.allclose(one.grad, other.grad, rtol=1e-10, atol=1e-14)
    assert found[0] == found[1]
    assert found[2] == found[3]


def test_the_gradient_of_a_sparse_layer_is_of_the_items_that_are_there():
    weight, bias = Tensor(normal(5, 2), requires_grad=True), Tensor(normal(2), requires_grad=True)
    rows = CSR.from_pairs(np.array([0, 0, 2]), np.array([1, 4, 4]), np.array([2.0, 1, 3]), (3, 5))
    fn.sparse_linear(rows, weight, bias).sum().backward()
    assert isinstance(weight.grad, RowGradient)
    assert weight.grad.rows.tolist() == [1, 4]
    assert weight.grad.values.tolist() == [[2, 2], [4, 4]]


def test_no_samples():
    h, v = Tensor(np.zeros((0, 3)), requires_grad=True), Tensor(normal(4, 3), requires_grad=True)
    nothing = CSR(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32), (0, 4))
    for loss in (cr.softmax_cross_entropy(h, v, np.zeros(0, np.int64)), cr.softmax_multinomial(h, v, Tensor(np.zeros(4)), nothing)):
        loss.backward()
        assert loss.item() == 0
        assert (v.grad == 0).all()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: fn.concatenate([x, Tensor(np.ones((3, 3)))], 0), r"concatenate: shapes \(2, 4\), \(3, 3\) do not fit along axis 0"),
        (lambda x: fn.stack([x, Tensor(np.ones(4))]), r"stack: shapes \(2, 4\), \(4,\) differ"),
        (lambda x: fn.where(np.ones(3, bool), x, x), r"where: shapes \(3,\), \(2, 4\), \(2, 4\)"),
        (lambda x: fn.layer_norm(x, x, x), r"layer_norm: shapes \(2, 4\), \(2, 4\), \(2, 4\)"),
        (lambda x: fn.linear(x, x), r"linear: shapes \(2, 4\), \(2, 4\) do not fit"),
        (lambda x: fn.linear(x, Tensor(np.ones((4, 3))), Tensor(np.ones(4))), r"linear: shapes \(2, 4\), \(4, 3\), \(4,\)"),
        (lambda x: fn.embedding(x, np.array([0, 2])), r"embedding: rows of type int64 from 0 to 2 for a table of shape \(2, 4\)"),
        (lambda x: fn.embedding(x, np.array([0.5])), r"embedding: rows of type float64"),
        (lambda x: fn.propagate(ADJACENT, ADJACENT, x), r"propagate: shapes \(4, 3\), transposed \(4, 3\), and \(2, 4\)"),
        (
            lambda x: fn.sparse_linear(ADJACENT, x, Tensor(np.ones(4))),
            r"sparse_linear: shapes \(2, 4\), \(4,\) do not fit a matrix of shape \(4, 3\)",
        ),
        (lambda x: cr.gaussian_kl(x, x.T), r"gaussian_kl: mean \(2, 4\) and log variance \(4, 2\)"),
        (lambda x: cr.softmax_multinomial(x, x, x[0], COUNTS), r"softmax_multinomial: hidden \(2, 4\), table \(2, 4\), bias \(4,\)"),
        (lambda x: cr.binary_cross_entropy(x, np.ones(3)), r"binary_cross_entropy: shapes \(3,\), \(\) for logits of shape \(2, 4\)"),
        (lambda x: cr.binary_cross_entropy(x, np.ones((5, 2, 4))), r"binary_cross_entropy: shapes \(5, 2, 4\)"),
        (lambda x: cr.bpr(x, x), r"bpr: positives \(2, 4\) and negatives \(2, 4\)"),
        (lambda x: cr.warp(x[:, 0], x[:, 0], 9), r"warp: positives \(2,\) and negatives \(2,\)"),
        (lambda x: cr.gbce(x[:, 0], x[:, 0], 9), r"gbce: positives \(2,\) and negatives \(2,\)"),
        (lambda x: cr.cosine_contrastive(x[0], x, 0.5, 1), r"cosine_contrastive: positives \(4,\) and negatives \(2, 4\)"),
        (lambda x: cr.sampled_softmax(x, x.T, TARGETS, NEGATIVES), r"sampled_softmax: hidden \(2, 4\) with targets \(5,\)"),
        (lambda x: cr.multinomial(x, COUNTS), r"multinomial: logits of shape \(2, 4\) for counts of shape \(3, 5\)"),
        (lambda x: cr.softmax_cross_entropy(x, x, TARGETS), r"softmax_cross_entropy: hidden \(2, 4\), table \(2, 4\) and targets \(5,\)"),
        (lambda x: cr.softmax_cross_entropy(x, x, np.array([0, 2])), r"softmax_cross_entropy: targets from 0 to 2 .* \(2, 4\)"),
    ],
)
def test_errors_name_the_function_and_the_shapes(function, message):
    with pytest.raises(ShapeError, match=message):
        function(Tensor(normal(2, 4), requires_grad=True))


def test_convolutions_name_what_does_not_fit():
    x = Tensor(normal(1, 2, 4, 4))
    with pytest.raises(ParameterError, match=r"convolution: x must be .* got \(1, 2, 4, 4\), \(3, 1, 2, 2\) and \(3,\)"):
        fn.convolution_2d(x, Tensor(normal(3, 1, 2, 2)), Tensor(normal(3)))
    with pytest.raises(ParameterError, match=r"max pooling: windows of \(5, 1\)"):
        fn.max_pool(x, (5, 1))


def test_gbce_refuses_what_it_cannot_calibrate():
    positive, negative = Tensor(normal(2)), Tensor(normal(2, 4))
    for items, calibration in ((100, 1.5), (100, -0.1)):
        with pytest.raises(ParameterError, match="gbce"):
            cr.gbce(positive, negative, items, calibration)

"""Attention over packed sequences: loops as the oracle, finite differences, and what must not matter."""

import itertools

import numpy as np
import pytest
from naive_gradients import error, numeric

from minirec.engine.nn.attention import attend, attend_backward, attention_weights
from minirec.engine.sequences import offsets
from minirec.errors import ParameterError
from minirec.options import options

BACKENDS = ["numpy", pytest.param("numba", marks=pytest.mark.slow_without_jit)]


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param == "numba":
        pytest.importorskip("numba")
    return request.param


def batch(lengths, d, dtype=np.float64, seed=0):
    indptr = offsets(np.array(lengths))
    q, k, v, gradient = np.random.default_rng(seed).standard_normal((4, indptr[-1], d)).astype(dtype)
    return indptr, q, k, v, gradient


def oracle(q, k, v, indptr, heads, causal):
    """Vaswani et al. 2017, equation 1, a query at a time."""
    out, width = np.zeros_like(q), q.shape[1] // heads
    for first, stop in itertools.pairwise(indptr):
        for i in range(first, stop):
            for h in range(heads):
                columns = slice(h * width, (h + 1) * width)
                seen = slice(first, i + 1 if causal else stop)
                p = np.exp(k[seen, columns] @ q[i, columns] / np.sqrt(width))
                out[i, columns] = (p / p.sum()) @ v[seen, columns]
    return out


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("causal", [True, False])
def test_attention_is_that_of_the_paper(backend, heads, causal):
    indptr, q, k, v, _ = batch([1, 0, 5, 70, 24, 2], 6)
    out, saved = attend(q, k, v, indptr, heads, causal=causal, backend=backend)
    assert error(out, oracle(q, k, v, indptr, heads, causal)) < 1e-12
    assert saved.logsum.shape == (len(q), heads)
    single = [x.astype(np.float32) for x in (q, k, v)]
    assert error(attend(*single, indptr, heads, causal=causal, backend=backend)[0], out) < 1e-6


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("causal", [True, False])
def test_gradients_are_those_of_finite_differences(backend, dropout, causal):
    indptr, q, k, v, gradient = batch([1, 0, 5, 27], 4)

    def forward(*arrays):
        return attend(*arrays, indptr, 2, causal=causal, dropout=dropout, key=5, backend=backend)[0]

    found = attend_backward(gradient, attend(q, k, v, indptr, 2, causal=causal, dropout=dropout, key=5, backend=backend)[1])
    for mine, expected in zip(found, numeric(forward, (q, k, v), gradient), strict=True):
        assert error(mine, expected) < 1e-6


@pytest.mark.slow_without_jit
def test_gradients_over_more_than_a_tile(backend):
    indptr, q, k, v, gradient = batch([3, 131], 4)
    found = attend_backward(gradient, attend(q, k, v, indptr, 2, dropout=0.2, backend=backend)[1])
    rng, step = np.random.default_rng(1), 1e-6
    for _ in range(5):
        ways = rng.standard_normal((3, *q.shape))
        ends = [
            (attend(*(x + sign * step * way for x, way in zip((q, k, v), ways, strict=True)), indptr, 2, dropout=0.2, backend=backend)[0])
            for sign in (1, -1)
        ]
        slope = ((ends[0] - ends[1]) / (2 * step) * gradient).sum()
        assert sum((way * mine).sum() for way, mine in zip(ways, found, strict=True)) == pytest.approx(slope, rel=1e-6)


def test_packed_equals_padded_with_a_mask(backend):
    lengths, d = [4, 9, 1], 6
    indptr, q, k, v, gradient = batch(lengths, d)
    rows = np.concatenate([s * 9 + np.arange(n) for s, n in enumerate(lengths)])
    padded = np.random.default_rng(2).standard_normal((3, 27, d))
    for whole, x in zip(padded, (q, k, v), strict=True):
        whole[rows] = x
    pointer = offsets(np.full(3, 9))  # causal: what comes after is not seen, whatever it is
    out, saved = attend(*padded, pointer, 2, backend=backend)
    mine, packed = attend(q, k, v, indptr, 2, backend=backend)
    assert error(mine, out[rows]) < 1e-13
    whole = np.zeros((27, d))
    whole[rows] = gradient
    for by_packed, by_padded in zip(attend_backward(gradient, packed), attend_backward(whole, saved), strict=True):
        assert error(by_packed, by_padded[rows]) < 1e-12


def test_dropout_keeps_its_share_and_its_mean(backend):
    n = 64
    indptr = offsets(np.full(8, n))
    zero, v = np.zeros((8 * n, n)), np.tile(np.eye(n), (8, 1))
    weights = attend(zero, zero, v, indptr, 1, causal=False, dropout=0.25, key=3, backend=backend)[0] * n
    assert set(np.unique(weights.round(9))) == {0.0, round(4 / 3, 9)}
    assert (weights == 0).mean() == pytest.approx(0.25, abs=0.01)
    other = attend(zero, zero, v, indptr, 1, causal=False, dropout=0.25, key=4, backend=backend)[0] * n
    assert ((weights == 0) & (other == 0)).mean() == pytest.approx(0.0625, abs=0.01)


@pytest.mark.slow_without_jit
def test_threads_do_not_matter(backend):
    found = []
    for threads in (1, 2):
        indptr, q, k, v, gradient = batch(np.random.default_rng(0).integers(0, 60, 60), 16, np.float32)
        with options(threads=threads):
            out, saved = attend(q, k, v, indptr, 2, dropout=0.1, key=1, backend=backend)
            found.append([x.tobytes() for x in (out, *attend_backward(gradient, saved))])
    assert found[0] == found[1]


def test_large_scores_do_not_overflow(backend):
    indptr, q, k, v, gradient = batch([5, 30], 4, np.float32)
    out, saved = attend(q * 1000, k * 1000, v, indptr, 1, backend=backend)
    assert np.isfinite(out).all()
    assert all(np.isfinite(x).all() for x in attend_backward(gradient, saved))


def test_a_number_that_is_none_is_not_hidden(backend):
    indptr, q, k, v, _ = batch([3, 4], 4, np.float32)
    q[4] = np.nan
    out = attend(q, k, v, indptr, 1, backend=backend)[0]
    assert np.isnan(out).all(1).tolist() == [False, False, False, False, True, False, False]


def test_the_weights(backend):
    indptr, q, k, v, _ = batch([3, 1, 0, 40], 6)
    out, _ = attend(q, k, v, indptr, 3, backend=backend)
    p = attention_weights(q[:3], k[:3], 3)
    assert np.allclose(p.sum(-1), 1)
    assert not p[:, 0, 1:].any()
    values = v[:3].reshape(3, 3, 2).transpose(1, 0, 2)
    assert error((p @ values).transpose(1, 0, 2).reshape(3, 6), out[:3]) < 1e-12
    assert attention_weights(q[:3], k[:3], 1, causal=False)[0, 0].all()


def test_nothing_to_attend_to(backend):
    indptr, q, k, v, gradient = batch([0, 0], 4)
    out, saved = attend(q, k, v, indptr, 2, backend=backend)
    assert out.shape == (0, 4)
    assert [x.shape for x in attend_backward(gradient, saved)] == [(0, 4)] * 3


def test_what_does_not_fit_is_named():
    indptr, q, k, v, _ = batch([2, 3], 4)
    for given, words in [
        ((q, k, v, indptr, 3), "attention: 3 heads do not divide the columns of .5, 4."),
        ((q, k[:, :2], v, indptr, 2), "attention: q, k and v must have one shape, got .5, 4., .5, 2."),
        ((q, k[:4], v, indptr, 2), "attention: all arrays must be .tokens, columns. with as many tokens, got q .5, 4."),
        ((q, k, v.astype(np.float32), indptr, 2), "attention: all arrays must have one floating type, got .* v .5, 4. float32"),
        ((q, k, v, indptr[:-1], 2), "attention: indptr must ascend from 0 to the number of tokens, got .* indptr .2,."),
    ]:
        with pytest.raises(ParameterError, match=words):
            attend(*given)
    with pytest.raises(ParameterError, match=r"dropout must be in .0, 1., got 1"):
        attend(q, k, v, indptr, 1, dropout=1)
    with pytest.raises(ParameterError, match=r"the gradient must be .5, 4. as the result is, got .5, 2."):
        attend_backward(q[:, :2], attend(q, k, v, indptr, 1)[1])
    with pytest.raises(ParameterError, match=r"attention weights: q and k must have one shape, got .5, 4. and .4, 4."):
        attention_weights(q, k[:4], 1)

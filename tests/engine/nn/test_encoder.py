"""The encoder against one written out in float64, and what its bytes depend on."""

from itertools import pairwise

import numpy as np
import pytest
from naive_encoder import HEADS, LAYERS, PLACES, D, arrays
from naive_encoder import encode as naive

import minirec as mr
from minirec.engine.nn.encoder import PRECISIONS, TILE, Dense, Encoder, Layer, Norm, Table, encode, held
from minirec.engine.reference import encoder as reference
from minirec.engine.sequences import offsets
from minirec.errors import ParameterError

WEIGHTS = arrays()
rng = np.random.default_rng(3)
LENGTHS = np.concatenate(([1, PLACES, 2], rng.integers(1, PLACES + 1, 60)))
TOKENS = rng.integers(0, len(WEIGHTS["embeddings.word_embeddings.weight"]), LENGTHS.sum()).astype(np.int32)
INDPTR = offsets(LENGTHS)
BACKENDS = ["numpy", pytest.param("numba", marks=pytest.mark.slow_without_jit)]


def model(precision="float32"):
    def dense(name):
        return Dense.packed(WEIGHTS[f"{name}.weight"], WEIGHTS[f"{name}.bias"], precision)

    def norm(name):
        return Norm(WEIGHTS[f"{name}.LayerNorm.weight"], WEIGHTS[f"{name}.LayerNorm.bias"])

    def layer(own):
        return Layer(
            *(dense(f"{own}attention.self.{name}") for name in ("query", "key", "value")),
            dense(f"{own}attention.output.dense"),
            norm(f"{own}attention.output"),
            dense(f"{own}intermediate.dense"),
            dense(f"{own}output.dense"),
            norm(f"{own}output"),
        )

    words = Table(*held(WEIGHTS["embeddings.word_embeddings.weight"], precision))
    places = WEIGHTS["embeddings.position_embeddings.weight"] + WEIGHTS["embeddings.token_type_embeddings.weight"][0]
    return Encoder(words, places, norm("embeddings"), [layer(f"encoder.layer.{n}.") for n in range(LAYERS)], HEADS, 1e-5)


def texts(indptr=INDPTR, tokens=TOKENS):
    return [tokens[a:b].tolist() for a, b in pairwise(indptr)]


def needs(backend):
    if backend == "numba":
        pytest.importorskip("numba")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_it_is_bert(backend, pooling):
    needs(backend)
    assert LENGTHS.sum() > 2 * TILE
    found = encode(model(), TOKENS, INDPTR, pooling, backend=backend)
    expected = np.array([naive(WEIGHTS, text, pooling) for text in texts()])
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 5e-6


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("precision", "tolerance"), [("float16", 1e-5), ("int8", 1e-3)])
def test_stored_with_fewer_bits(backend, precision, tolerance):
    needs(backend)
    found, plain = (encode(model(kind), TOKENS, INDPTR, "mean", backend=backend) for kind in (precision, "float32"))
    cosines = (found * plain).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(plain, axis=1)
    assert 0 < 1 - cosines.min() < tolerance


@pytest.mark.parametrize("backend", BACKENDS)
def test_same_bytes_for_any_threads(backend):
    needs(backend)
    one, two = (encode_with(threads, backend) for threads in (1, 2))
    assert one.tobytes() == two.tobytes()


def encode_with(threads, backend):
    with mr.options(threads=threads):
        return encode(model(), TOKENS, INDPTR, "mean", backend=backend)


@pytest.mark.slow_without_jit
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_text_has_the_same_bytes_alone_and_in_any_list(precision):
    pytest.importorskip("numba")
    made = model(precision)
    together = encode(made, TOKENS, INDPTR, "mean", backend="numba")
    for at, text in enumerate(texts()):
        alone = encode(made, np.array(text, np.int32), offsets(np.array([len(text)])), "mean", backend="numba")
        assert alone.tobytes() == together[at].tobytes()


def test_no_texts_and_bad_ones():
    empty = encode(model(), TOKENS[:0], offsets(np.zeros(0, int)), "mean", backend="numpy")
    assert empty.shape == (0, D)
    with pytest.raises(ParameterError, match=f"1 to {PLACES} tokens, got 0 to 1"):
        encode(model(), TOKENS[:1], np.array([0, 0, 1]), "mean")
    with pytest.raises(ParameterError, match=f"got {PLACES + 1} to {PLACES + 1}"):
        encode(model(), TOKENS[: PLACES + 1], np.array([0, PLACES + 1]), "mean")
    with pytest.raises(ParameterError, match="pooling"):
        encode(model(), TOKENS[:1], np.array([0, 1]), "max")


def test_int8_is_exact_to_half_a_step_and_keeps_zeros():
    weight = np.concatenate((WEIGHTS["encoder.layer.0.output.dense.weight"], np.zeros((1, 64), np.float32)))
    values, scale = held(weight, "int8")
    assert values.dtype == np.int8
    assert (np.abs(values).max(axis=1)[:-1] == 127).all()
    assert (np.abs(values * scale[:, None] - weight) <= 0.501 * scale[:, None]).all()
    assert not values[-1].any()
    assert held(values, "int8", scale)[0] is values
    assert np.array_equal(held(values, "float32", scale)[0], values * scale[:, None])


def test_gelu_is_that_of_erf_and_its_ends_are_flat():
    from scipy.special import ndtr

    x = np.concatenate((np.linspace(-12, 12, 20_001), [-1e30, 1e30, 0, -5.5, 5.5])).astype(np.float32)
    expected = x.astype(np.float64) * ndtr(x.astype(np.float64))
    with np.errstate(over="ignore", invalid="ignore"):
        plain = reference.gelu(x)
    assert (np.abs(plain - expected) <= 1e-6 + 2e-7 * np.abs(expected)).all()
    pytest.importorskip("numba")
    from minirec.engine.compiled.encoder import _gelu

    with np.errstate(over="ignore"):
        found = np.array([_gelu(value) for value in x])
    assert (np.abs(found - expected) <= 1e-6 + 2e-7 * np.abs(expected)).all()
    assert np.isnan(_gelu(np.float32(np.nan)))


@pytest.mark.parametrize("half", [np.arange(2**16, dtype=np.uint16)])
def test_every_float16_widens_exactly(half):
    pytest.importorskip("numba")
    from minirec.engine.compiled.encoder import _widen

    half = half[np.isfinite(half.view(np.float16))]
    block = np.empty(len(half), np.float32)
    _widen(half, block)
    assert np.array_equal(block, half.view(np.float16).astype(np.float32))

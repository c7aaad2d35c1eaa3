"""Losses of a batch: values against their definitions, sample by sample, and gradients against finite differences in float64."""

import math

import numpy as np
import pytest
from naive_sgd import numerical_gradients, sigmoid

from minirec.engine.descent import contrast
from minirec.engine.descent.contrast import Contrast, in_blocks, through_unit, uniformity, unit
from minirec.engine.sparse import CSR

B, N, D = 5, 4, 3
WEIGHTS = np.array([[1.0, 2, 0, 1], [0, 1, 1, 1], [3, 1, 1, 1], [1, 1, 1, 0], [0, 0, 0, 0]])  # the last sample: no negative is left
POSITIVE = np.array([0.5, 1.0, 2.0, 0.0, 1.5])
PAIRS = [(0, 1), (0, 4), (2, 0), (3, 1), (4, 4)]
HELD = CSR.from_pairs(*np.transpose(PAIRS), None, (B, B))


def softmax(u, i, n):
    total = 0.0
    for s in range(B):
        own = math.exp(u[s] @ i[s] / 0.3)
        total -= math.log(own / (own + sum(WEIGHTS[s, j] * math.exp(u[s] @ n[j] / 0.3) for j in range(N))))
    return total


def cosine_contrastive(u, i, n):
    total = 0.0
    for s in range(B):
        mean = sum(WEIGHTS[s, j] * max(0, u[s] @ n[j] - 0.1) for j in range(N)) / max(WEIGHTS[s].sum(), 1)
        total += 1 - u[s] @ i[s] + 7 * mean
    return total


LOSSES = {
    "pairwise": (contrast.pairwise, lambda u, i, n: -sum(math.log(sigmoid(u[s] @ (i[s] - n[s]))) for s in range(B)), (B, D)),
    "softmax": (lambda u, i, n: contrast.softmax(u, i, n, WEIGHTS, 0.3), softmax, (N, D)),
    "ccl": (lambda u, i, n: contrast.cosine_contrastive(u, i, n, WEIGHTS, 0.1, 7.0), cosine_contrastive, (N, D)),
    "alignment": (lambda u, i, n: contrast.alignment(u, i), lambda u, i, n: ((u - i) ** 2).sum(), (0, D)),
    "observed": (
        lambda u, i, n: contrast.observed(u, i, HELD.with_data(POSITIVE.astype(u.dtype)), "numpy"),
        lambda u, i, n: -sum(POSITIVE[e] * math.log(sigmoid(u[r] @ i[c])) for e, (r, c) in enumerate(PAIRS)),
        (0, D),
    ),
    "unobserved": (
        lambda u, i, n: contrast.unobserved(u, i, POSITIVE.astype(u.dtype), (POSITIVE + 1).astype(u.dtype), HELD),
        lambda u, i, n: (
            -sum(
                POSITIVE[r] * (POSITIVE[c] + 1) * math.log(sigmoid(-u[r] @ i[c])) for r in range(B) for c in range(B) if (r, c) not in PAIRS
            )
        ),
        (0, D),
    ),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("seed", range(3))
def test_value_and_gradients(name, seed):
    function, definition, shape = LOSSES[name]
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal((B, D)), rng.standard_normal((B, D)), rng.standard_normal(shape)]
    found = function(*arrays)
    assert found.loss == pytest.approx(definition(*arrays))
    for gradient, expected in zip(found[1:], numerical_gradients(lambda a: definition(*a), arrays), strict=True):
        assert gradient == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_large_scores_stay_finite_in_single_precision(name):
    function, _, shape = LOSSES[name]
    rng = np.random.default_rng(0)
    for scale in (1.0, 60.0, 1e4):
        arrays = [(scale * rng.standard_normal(size)).astype(np.float32) for size in ((B, D), (B, D), shape)]
        for part in function(*arrays):
            assert np.isfinite(part).all()


def test_directions_and_the_way_back_through_them():
    rng = np.random.default_rng(1)
    vectors, pull = rng.standard_normal((2, 6, 3))
    directions, norms = unit(vectors)
    assert directions == pytest.approx(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    expected = numerical_gradients(lambda a: float((unit(a[0])[0] * pull).sum()), [vectors])[0]
    assert through_unit(pull, directions, norms) == pytest.approx(expected, abs=1e-6)
    assert (unit(np.zeros((2, 3), np.float32))[0] == 0).all()


def test_uniformity_by_blocks_of_rows():
    vectors = np.random.default_rng(2).standard_normal((7, 3))

    def loss(arrays):
        x = unit(arrays[0])[0]
        pairs = [math.exp(-2 * ((x[a] - x[b]) ** 2).sum()) for a in range(7) for b in range(7) if a != b]
        return math.log(sum(pairs) / len(pairs))

    directions, norms = unit(vectors)
    parts = [uniformity(start, min(start + 3, 7), directions) for start in (0, 3, 6)]
    total = sum(part for part, _ in parts)
    assert math.log(total / 42) == pytest.approx(loss([vectors]))
    gradient = through_unit(np.concatenate([block for _, block in parts]) / total, directions, norms)
    assert gradient == pytest.approx(numerical_gradients(loss, [vectors])[0], abs=1e-6)


def test_blocks_add_up():
    rng = np.random.default_rng(3)
    u, i, n = rng.standard_normal((B, D)), rng.standard_normal((B, D)), rng.standard_normal((N, D))
    found = in_blocks(lambda a, b: contrast.softmax(u[a:b], i[a:b], n, WEIGHTS[a:b], 0.3), B, 2)
    for part, expected in zip(found, contrast.softmax(u, i, n, WEIGHTS, 0.3), strict=True):
        assert part == pytest.approx(expected)
    assert isinstance(found, Contrast)

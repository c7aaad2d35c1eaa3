"""Mini-batches: their gradients against finite differences and loops, where negatives come from, and what threads may not change."""

import importlib.util

import naive_sgd as naive
import numpy as np
import pytest

from minirec.engine.backend import kernel
from minirec.engine.descent.losses import rank_weights
from minirec.engine.descent.sgd import BATCHES, MAX_BATCH, MIN_BATCH, Descent, Held, Negatives, Side, epoch
from minirec.engine.sparse import CSR
from minirec.options import options

USERS, ITEMS, FACTORS = 5, 9, 3
REGULARIZATION = 0.05
BACKENDS = ["numpy", *(["numba"] if importlib.util.find_spec("numba") else [])]
WIDTHS = {"bpr": 2, "warp": 2, "logistic": 4, "rating": 1}


def data(rng, density=0.4):
    """What users have, and all of it as samples."""
    held = rng.random((USERS, ITEMS)) < density
    held[:, 0], held[:, 1] = True, False
    x = CSR.from_pairs(*np.nonzero(held), None, held.shape)
    return x, x.row_ids().astype(np.int32)


def parameters(rng, dtype):
    return [rng.standard_normal(shape).astype(dtype) for shape in ((USERS, FACTORS), USERS, (ITEMS, FACTORS), ITEMS)]


def entries(kind, backend, x, users, given, key, extra, columns, pulls):
    """Entries of all samples, by one of the four kernels."""
    p, user_bias, q, bias = given
    negatives = Negatives.powered(np.ones(ITEMS), 0)
    span, owned = (0, len(users)), (*Held.of(x), *negatives)
    function = kernel(f"{kind}_entries", backend)
    if kind == "bpr":
        function(*span, key, 50, users, x.indices, *owned, p, q, bias, columns, pulls)
    elif kind == "warp":
        function(*span, key, 50, 5, rank_weights(ITEMS), users, x.indices, *owned, p, q, bias, columns, pulls)
    elif kind == "logistic":
        function(*span, key, 50, users, x.indices, extra, *owned, p, user_bias, q, bias, columns, pulls)
    else:
        columns[:, 0] = x.indices
        function(*span, users, x.indices, extra, np.float32(0), p, user_bias, q, bias, pulls)


@pytest.mark.parametrize("kind", WIDTHS)
@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_of_a_batch_in_float64(kind, seed):
    """Pulls and sums over entries together are minus the gradient of the loss of the batch, by finite differences."""
    rng = np.random.default_rng(seed)
    x, users = data(rng)
    given = parameters(rng, np.float64)
    if kind in ("bpr", "warp"):
        given[1][:] = 0  # no user biases: they cancel in a difference
    extra, width = rng.random(len(users)) * 3, WIDTHS[kind]
    columns, pulls = np.zeros((len(users), width), np.int32), np.zeros((len(users), width))
    entries(kind, "numpy", x, users, given, np.uint64(seed), extra, columns, pulls)
    keep = pulls[:, 0] != 0  # WARP: samples whose trials all kept the margin have no loss
    loss = {"bpr": naive.bpr, "warp": naive.warp, "logistic": naive.logistic, "rating": naive.rating}[kind]
    values = pulls[:, 0] if kind == "warp" else extra
    expected = naive.numerical_gradients(
        lambda arrays: naive.batch_loss(loss, users[keep], columns[keep], values[keep], arrays, REGULARIZATION), given
    )
    found = naive.batch_gradients(users, columns, pulls, given, REGULARIZATION)
    for mine, numerical in zip(found, expected, strict=True):
        assert np.abs(mine + numerical).max() < 1e-6


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", WIDTHS)
def test_a_batch_against_loops(kind, backend):
    """Three batches in a row move both sides as AdaGrad does with the gradients of loops."""
    rng = np.random.default_rng(1)
    x, users = data(rng)
    width, extra = WIDTHS[kind], rng.random(len(users), np.float32) * 3
    p, user_bias, q, bias = parameters(rng, np.float32)
    if kind in ("bpr", "warp"):
        user_bias[:] = 0
    sides = [Side(v, b, np.zeros(len(b), np.float32), np.zeros(len(b), np.float32)) for v, b in ((p, user_bias), (q, bias))]
    descent = Descent(0.1, REGULARIZATION, backend)
    slow = [array.astype(np.float64) for array in (p, user_bias, q, bias)]
    squares = [np.zeros(len(array)) for array in slow]
    for key in np.arange(3, dtype=np.uint64):
        seen = []

        def fill(start, stop, columns, pulls, key=key, seen=seen):
            everything = np.zeros_like(columns), np.zeros_like(pulls)
            entries(kind, backend, x, users, (p, user_bias, q, bias), key, extra, *everything)
            columns[start:stop], pulls[start:stop] = (part[start:stop] for part in everything)
            seen.append(everything)

        with options(threads=1):
            descent.batch(*sides, users, width, fill)
        gradients = naive.batch_gradients(users, *seen[0], slow, REGULARIZATION)
        for parameter, total, gradient in zip(slow, squares, gradients, strict=True):
            naive.adagrad(parameter, total, gradient, 0.1)
        for mine, theirs in zip((p, user_bias, q, bias), slow, strict=True):
            assert np.abs(mine - theirs).max() < 2e-5


@pytest.mark.parametrize("backend", BACKENDS)
def test_threads_do_not_change_a_bit(backend, monkeypatch):
    monkeypatch.setattr("minirec.engine.descent.sgd.MIN_BLOCK", 3)  # so that batches of tiny data have several blocks
    rng = np.random.default_rng(3)
    held = rng.random((120, 60)) < 0.2
    x = CSR.from_pairs(*np.nonzero(held), None, held.shape)
    users = x.row_ids().astype(np.int32)
    function, negatives = kernel("bpr_entries", backend), Negatives.powered(np.ones(60), 0)

    def fitted(threads):
        rng = np.random.default_rng(0)
        sides = [Side.random(n, 8, rng) for n in x.shape]
        descent = Descent(0.1, 0.01, backend)
        with options(threads=threads):
            for batch in epoch(users, x.indices, rng, backend):

                def fill(start, stop, columns, pulls, batch=batch):
                    function(
                        start, stop, batch.key, 64, batch.users, batch.items, *Held.of(x), *negatives,
                        sides[0].vectors, sides[1].vectors, sides[1].bias, columns, pulls,
                    )  # fmt: skip

                descent.batch(*sides, batch.users, 2, fill)
        return [array.tobytes() for side in sides for array in vars(side).values()]

    assert fitted(1) == fitted(2) == fitted(5)


@pytest.mark.parametrize("n", [1, 2, 63, 64, 1000, 5000])
def test_an_epoch_takes_every_sample_once(n):
    rng = np.random.default_rng(1)
    users, items = (rng.integers(0, 9, n).astype(np.int32) for _ in range(2))
    batches = list(epoch(users, items, np.random.default_rng(0), "numpy"))
    taken = np.concatenate([batch.samples for batch in batches])
    assert np.array_equal(np.sort(taken), np.arange(n))
    assert all((np.diff(batch.samples) > 0).all() for batch in batches)
    for batch in batches:
        assert np.array_equal(batch.users, users[batch.samples])
        assert np.array_equal(batch.items, items[batch.samples])
    assert len(batches) <= max(1, min(n / MIN_BATCH, BATCHES) + 1)
    assert len({int(batch.key) for batch in batches}) == len(batches)
    again = list(epoch(users, items, np.random.default_rng(0), "numpy"))
    assert all(np.array_equal(a.samples, b.samples) and a.key == b.key for a, b in zip(batches, again, strict=True))


def test_large_data_has_batches_of_limited_size():
    samples = np.zeros(MAX_BATCH * 80, np.int32)
    batches = [len(batch.samples) for batch in epoch(samples, samples, np.random.default_rng(0), "numpy")]
    assert len(batches) == 80
    assert max(batches) < 1.1 * MAX_BATCH


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_negatives_follow_their_distribution(power, backend):
    """Chi-square of the drawn items against n_j^power over what the user has not: 5 standard deviations at most."""
    rng = np.random.default_rng(2)
    counts = rng.integers(1, 40, 12)
    x = CSR.from_pairs(np.zeros(3, int), np.array([1, 4, 5]), None, (1, 12))
    n = 6000
    users, positives = np.zeros(n, np.int32), np.full(n, 4, np.int32)
    columns, pulls = np.zeros((n, 2), np.int32), np.zeros((n, 2), np.float32)
    zeros = np.zeros((1, 2), np.float32), np.zeros((12, 2), np.float32), np.zeros(12, np.float32)
    kernel("bpr_entries", backend)(
        0, n, np.uint64(5), 64, users, positives, *Held.of(x), *Negatives.powered(counts, power), *zeros, columns, pulls
    )
    assert (columns[:, 0] == 4).all()
    drawn = np.bincount(columns[:, 1], minlength=12)
    assert not drawn[x.indices].any()
    expected = counts.astype(float) ** power
    expected[x.indices] = 0
    expected *= n / expected.sum()
    free = expected > 0
    chi_square = ((drawn[free] - expected[free]) ** 2 / expected[free]).sum()
    assert chi_square < 8 + 5 * np.sqrt(2 * 8)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_user_with_everything_has_no_negatives(backend):
    x = CSR.from_pairs(np.zeros(4, int), np.arange(4), None, (1, 4))
    users, columns, pulls = np.zeros(4, np.int32), np.zeros((4, 3), np.int32), np.ones((4, 3), np.float32)
    p, q = np.ones((1, 2), np.float32), np.ones((4, 2), np.float32)
    owned = (*Held.of(x), *Negatives.powered(np.ones(4), 0))
    kernel("bpr_entries", backend)(0, 4, np.uint64(1), 64, users, x.indices, *owned, p, q, q[:, 0], columns[:, :2], pulls[:, :2])
    assert not pulls[:, :2].any()
    kernel("warp_entries", backend)(
        0, 4, np.uint64(1), 64, 5, rank_weights(4), users, x.indices, *owned, p, q, q[:, 0], columns[:, :2], pulls[:, :2]
    )
    assert not pulls[:, :2].any()
    pulls[:] = 1
    one = np.ones(4, np.float32)
    kernel("logistic_entries", backend)(0, 4, np.uint64(1), 64, users, x.indices, one, *owned, p, one[:1], q, q[:, 0], columns, pulls)
    assert pulls[:, 0].all()
    assert not pulls[:, 1:].any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_warp_weighs_by_the_trials_it_took(backend):
    """The first trial violates: the largest weight. A margin that all keep: nothing. Few near items: the weight of a smaller rank."""
    n, items = 4000, 21
    x = CSR.from_pairs(np.zeros(1, int), np.zeros(1, int), None, (1, items))
    users, positives = np.zeros(n, np.int32), np.zeros(n, np.int32)
    owned = (*Held.of(x), *Negatives.powered(np.ones(items), 0))
    ranks = rank_weights(items)

    def pulls_with(bias):
        columns, pulls = np.zeros((n, 2), np.int32), np.zeros((n, 2), np.float32)
        flat = np.zeros((1, 1), np.float32), np.zeros((items, 1), np.float32)
        kernel("warp_entries", backend)(
            0, n, np.uint64(9), 200, 10, ranks, users, positives, *owned, *flat, bias.astype(np.float32), columns, pulls
        )
        assert np.array_equal(pulls[:, 0], -pulls[:, 1])
        return columns, pulls[:, 0]

    assert (pulls_with(np.zeros(items))[1] == ranks[20]).all()
    bias = np.zeros(items)
    bias[0] = 5
    assert not pulls_with(bias)[1].any()
    bias[1:5] = 4.5  # 4 of 20 negatives come near: trial N finds one with probability .8^(N - 1) .2
    columns, pulls = pulls_with(bias)
    assert set(columns[pulls > 0, 1].tolist()) == {1, 2, 3, 4}
    expected = sum(0.8 ** (trial - 1) * 0.2 * float(ranks[20 // trial]) for trial in range(1, 11))
    assert abs(pulls.mean() - expected) < 5 * pulls.std() / np.sqrt(n)

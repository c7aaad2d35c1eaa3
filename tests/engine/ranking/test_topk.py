"""Top-k against brute force: filters, ties, tiles, threads, and scores that float32 cannot tell apart."""

import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.engine.backend import resolve
from minirec.engine.ranking import topk
from minirec.engine.ranking.topk import ConstantScorer, Filters, LinearScorer, VectorScorer, canonical_dot, rank
from minirec.engine.sparse import CSR
from minirec.options import options


def vectors(rng, n, d, kind):
    """Vectors that make life hard for a ranking in float32."""
    normal = rng.standard_normal((n, d))
    if kind == "duplicates":  # many equal scores
        normal = normal[rng.integers(0, min(n, 3), n)]
    elif kind == "zeros":
        normal[rng.random(n) < 0.5] = 0
    elif kind == "norms":
        normal *= 10.0 ** rng.integers(-9, 9, (n, 1))
    elif kind == "close":  # differences below the rounding of a float32 product
        normal = normal[:1] * (1 + rng.integers(-3, 4, (n, d)) * 2.0**-24)
    elif kind == "cancelling":  # large terms that leave a small score
        normal[:, : d // 2] *= 1e4
        normal[:, d // 2 : 2 * (d // 2)] = normal[:, : d // 2] * (1 + rng.integers(-2, 3, (n, d // 2)) * 2.0**-22)
    elif kind == "tiny":  # squares that underflow
        normal *= 1e-24
    elif kind == "opposed":  # against "cancelling": terms of both signs that all but annul each other
        normal[:, d // 2 : 2 * (d // 2)] = -normal[:, : d // 2]
    return normal.astype(np.float32)


KINDS = ["normal", "duplicates", "zeros", "norms", "close", "cancelling", "opposed", "tiny"]


@st.composite
def cases(draw):
    """A scorer, k, and filters."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    profiles, n, d = draw(st.integers(0, 90)), draw(st.integers(1, 70)), draw(st.integers(1, 9))
    kind = draw(st.sampled_from(["vectors", "vectors", "dense", "sparse", "constant"]))
    if kind == "vectors":
        scorer = VectorScorer(vectors(rng, profiles, d, draw(st.sampled_from(KINDS))), vectors(rng, n, d, draw(st.sampled_from(KINDS))))
    elif kind == "constant":
        scorer = ConstantScorer(rng.integers(0, 4, n).astype(np.float32), profiles)
    else:
        weights = (rng.integers(-2, 3, (n, n)) / 4).astype(np.float32)
        history = sparse(rng, profiles, n, 0.2)
        if kind == "sparse":
            rows, columns = np.nonzero(weights)
            weights = CSR.from_pairs(rows, columns, weights[rows, columns], (n, n))
        scorer = LinearScorer(history, weights, resolve())
    filters = Filters()
    if draw(st.booleans()):
        shares = draw(st.lists(st.sampled_from([0.0, 0.3, 1.0]), max_size=2))
        filters = filters._replace(banned=tuple(sparse(rng, profiles, n, share) for share in shares))
    if draw(st.booleans()):
        filters = filters._replace(allowed=sparse(rng, profiles, n, draw(st.sampled_from([0.0, 0.1, 0.7]))))
    for name in ("only", "deny"):
        if draw(st.booleans()):
            share = draw(st.sampled_from([0.0, 0.2, 0.9]))
            filters = filters._replace(**{name: np.flatnonzero(rng.random(n) < share).astype(np.int32)})
    return scorer, draw(st.sampled_from([1, 2, 5, n, n + 3])), filters


def sparse(rng, rows, columns, share):
    r, c = np.nonzero(rng.random((rows, columns)) < share)
    return CSR.from_pairs(r, c, rng.integers(1, 4, len(r)), (rows, columns))


def known(scorer, p):
    """Items that the history of a profile has a weight to, or that have a score other than 0 where it is the same for all."""
    if isinstance(scorer, LinearScorer):
        weights = scorer.weights.to_dense() if isinstance(scorer.weights, CSR) else scorer.weights
        return set(np.flatnonzero((weights[scorer.history.row(p)[0]] != 0).any(axis=0)).tolist())
    return set(np.flatnonzero(scorer.scores).tolist()) if isinstance(scorer, ConstantScorer) else set(range(scorer.shape[1]))


def brute_force(scorer, k, filters=Filters()):  # noqa: B008  (immutable)
    """Every canonical score of what something is known of, filtered item by item and sorted by (-score, row)."""
    profiles, n = scorer.shape
    out = []
    for p in range(profiles):
        scores = scorer.pairs(np.full(n, p), np.arange(n, dtype=np.int32))
        keep = known(scorer, p) & (set(range(n)) if filters.only is None else set(filters.only.tolist()))
        keep -= set() if filters.deny is None else set(filters.deny.tolist())
        for matrix in filters.banned:
            keep -= set(matrix.row(p)[0].tolist())
        if filters.allowed is not None:
            keep &= set(filters.allowed.row(p)[0].tolist())
        best = sorted(keep, key=lambda i: (-scores[i], i))[:k]
        out.append((best, scores[best].tolist()))
    return out


def as_lists(ranked):
    return [(ranked.items[a:b].tolist(), ranked.scores[a:b].tolist()) for a, b in zip(ranked.indptr[:-1], ranked.indptr[1:], strict=True)]


@settings(max_examples=120, deadline=None)
@given(cases())
def test_equals_brute_force(case):
    scorer, k, filters = case
    ranked = rank(scorer, k, backend=resolve(), filters=filters)
    assert as_lists(ranked) == brute_force(scorer, k, filters)
    assert (ranked.indptr.dtype, ranked.items.dtype, ranked.scores.dtype) == (np.int64, np.int32, np.float32)


@settings(max_examples=40, deadline=None)
@given(cases(), st.sampled_from([1, 100, 1000]), st.sampled_from([1, 3, 1000]), st.integers(1, 3))
def test_tiles_threads_and_batches_do_not_matter(case, elements, block, threads):
    scorer, k, filters = case
    expected = as_lists(rank(scorer, k, backend=resolve(), filters=filters))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topk, "TILE_ELEMENTS", elements)
        patch.setattr(topk, "FIRST_BLOCK", block)
        patch.setattr(topk, "FIRST_SCORES", block)
        for prune in (True, False):
            ranked = rank(scorer, k, backend=resolve(), threads=threads, filters=filters, prune=prune)
            assert as_lists(ranked) == expected
            assert ranked.scored <= scorer.shape[0] * scorer.shape[1]
    if not isinstance(scorer, VectorScorer):
        return
    for p in range(min(len(scorer.users), 4)):
        one = np.array([p])
        mine = filters._replace(
            banned=tuple(matrix.rows(one) for matrix in filters.banned),
            allowed=None if filters.allowed is None else filters.allowed.rows(one),
        )
        assert as_lists(rank(VectorScorer(scorer.users[one], scorer.items), k, backend=resolve(), filters=mine)) == [expected[p]]


def test_long_tailed_norms_are_pruned():
    """Items whose norms fall off are not scored for users who have better ones, and the lists stay the same."""
    rng = np.random.default_rng(0)
    items = vectors(rng, 4000, 8, "normal") / np.arange(1, 4001, dtype=np.float32)[:, None]
    scorer = VectorScorer(vectors(rng, 100, 8, "normal"), items)
    pruned, full = (rank(scorer, 10, backend=resolve(), prune=prune) for prune in (True, False))
    assert as_lists(pruned) == as_lists(full)
    assert full.scored == 400_000
    assert pruned.scored < 0.5 * full.scored


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 7, 64, 65])
def test_canonical_scores_are_right(kind, d):
    rng = np.random.default_rng(d)
    left, right = vectors(rng, 30, d, kind), vectors(rng, 30, d, kind)
    products = left.astype(np.float64) * right
    exact = np.array([math.fsum(row) for row in products])
    bound = 2.0**-24 * np.abs(exact) + d * 2.0**-53 * np.abs(products).sum(axis=1) + 2.0**-149
    assert (np.abs(canonical_dot(left, right) - exact) <= bound).all()
    assert canonical_dot(left, right).dtype == np.float32


def test_a_ranking_that_float32_products_get_wrong():
    """Two items whose scores differ by less than the rounding of the float32 product of a tile, in every position."""
    rng = np.random.default_rng(0)
    user = rng.standard_normal((1, 64)).astype(np.float32)
    items = np.repeat(user, 400, axis=0) * (1 + rng.integers(-2, 3, (400, 64)) * np.float32(2.0**-23)).astype(np.float32)
    scorer = VectorScorer(np.repeat(user, 70, axis=0), items)
    rounded = np.argsort(-scorer.block(0, 1)[0], kind="stable")[:10].tolist()
    exact = np.argsort(-canonical_dot(user, items), kind="stable")[:10].tolist()
    assert rounded != exact, "the case is no trap"
    assert [items for items, _ in as_lists(rank(scorer, 10, backend=resolve()))] == [exact] * 70


def test_ties_go_to_the_lower_row_in_every_tile_shape():
    scorer = VectorScorer(np.ones((100, 3), np.float32), np.ones((50, 3), np.float32))
    assert as_lists(rank(scorer, 4, backend=resolve())) == [([0, 1, 2, 3], [3.0] * 4)] * 100


def test_no_items_are_left():
    scorer = ConstantScorer(np.ones(3, np.float32), 2)
    everything = CSR.from_pairs(np.repeat([0, 1], 3), np.tile([0, 1, 2], 2), None, (2, 3))
    assert as_lists(rank(scorer, 5, backend=resolve(), filters=Filters(banned=(everything,)))) == [([], []), ([], [])]
    assert as_lists(rank(scorer, 5, backend=resolve(), filters=Filters(only=np.zeros(0, np.int32)))) == [([], []), ([], [])]


def test_a_small_budget_makes_narrow_tiles():
    n, sizes = 320_000, []

    class Watched(ConstantScorer):
        def block(self, start, stop):
            sizes.append(stop - start)
            return super().block(start, stop)

    with options(memory="16MB", threads=1):
        ranked = rank(Watched(np.ones(n, np.float32), 64), 2, backend="numpy")
    assert as_lists(ranked) == [([0, 1], [1.0, 1.0])] * 64
    assert max(sizes) == 16_000_000 // (16 * n)


def test_few_profiles_stay_in_the_callers_thread():
    """A web server brings its own threads: no pool for a small request."""
    names = set()

    class Watched(ConstantScorer):
        def block(self, start, stop):
            names.add(threading.current_thread().name)
            return super().block(start, stop)

    rank(Watched(np.ones(4, np.float32), 63), 2, backend=resolve(), threads=2)
    assert names == {threading.current_thread().name}


def test_numbers_of_profiles_and_items():
    scorer = VectorScorer(np.ones((2, 3), np.float32), np.ones((5, 3), np.float32))
    assert scorer.shape == (2, 5)
    assert scorer.block(0, 2).tolist() == [[3.0] * 5] * 2
    assert scorer.block(1, 2).tolist() == [[3.0] * 5]
    assert as_lists(rank(VectorScorer(np.ones((2, 3), np.float32), np.ones((0, 3), np.float32)), 5, backend=resolve())) == [([], [])] * 2

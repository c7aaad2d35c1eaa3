"""Every metric against its slow twin in naive.py, on generated lists; scikit-learn as a second oracle."""

import math

import naive
import naive_metrics
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.data.popularity import Groups
from minirec.engine.sparse import CSR
from minirec.evaluation.measure import PREFIXES, Setting, expand, measure
from minirec.metrics import accuracy as metrics
from minirec.metrics.accuracy import Hits, Lists, find_hits
from minirec.metrics.beyond import coverage, gini, intra_list_distance, shown

TWINS = {
    "precision": naive.precision,
    "recall": naive.recall,
    "recall_capped": naive.recall_capped,
    "f1": naive.f1,
    "ndcg": naive.ndcg,
    "map": naive.average_precision,
    "map_trec": naive_metrics.map_trec,
    "mrr": naive.reciprocal_rank,
    "hitrate": naive.hitrate,
}


def ragged(lists):
    return Lists(
        np.concatenate(([0], np.cumsum([len(x) for x in lists]))).astype(np.int64),
        np.array([item for items in lists for item in items], np.int32),
    )


def sets_as_csr(sets, n):
    pairs = [(u, item) for u, items in enumerate(sets) for item in items]
    users, items = np.array(pairs, np.int64).reshape(-1, 2).T
    return CSR.from_pairs(users, items, None, (len(sets), n))


@st.composite
def worlds(draw):
    n = draw(st.integers(1, 9))
    users = draw(st.integers(1, 6))
    items = st.integers(0, n - 1)
    profiles = [draw(st.sets(items)) for _ in range(users)]
    lists = [[i for i in draw(st.permutations(range(n))) if i not in profile][: draw(st.integers(0, n))] for profile in profiles]
    truths = [draw(st.sets(items)) - profile for profile in profiles]
    counts = [sum(i in profile for profile in profiles) for i in range(n)]
    mass = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    count = draw(st.lists(st.sampled_from([0, 2]), min_size=n, max_size=n))
    groups = Groups(np.array(mass, np.int8), np.array(count, np.int8), np.array(counts, np.int64))
    return lists, truths, profiles, groups


def setting_of(world, **changes):
    _, truths, profiles, groups = world
    n = len(groups.popularity)
    train = sets_as_csr(profiles, n)
    return Setting(
        **{"truth": sets_as_csr(truths, n), "profile": train, "groups": groups, "n_train_users": len(profiles), "vectors": train} | changes
    )


def same(values, expected):
    np.testing.assert_allclose(values, [math.nan if value is None else value for value in expected], rtol=1e-9, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(worlds(), st.sampled_from([(1,), (2, 3), (1, 4), (20,)]))
def test_every_metric_equals_its_slow_twin(world, ks):
    lists, truths, profiles, groups = world
    n = len(groups.popularity)
    counts = groups.popularity.tolist()
    found = measure(ragged(lists), setting_of(world), ks)
    checked = set()

    def check(key, expected):
        checked.add(key)
        if key in found.overall:
            same([found.overall[key]], [expected])
        else:
            same(found.per_user[key], expected)

    everything = set(range(n))
    masks = {prefix + ".": set(np.flatnonzero(groups.mask(*PREFIXES[prefix])).tolist()) for prefix in PREFIXES}
    for k in ks:
        for prefix, group in {"": everything, **masks}.items():
            wanted = [truth & group for truth in truths]
            for name, twin in TWINS.items():
                check(f"{prefix}{name}@{k}", [twin(x, t, k) for x, t in zip(lists, wanted, strict=True)])
            check(f"{prefix}epc@{k}", [naive.epc(x, t, counts, len(profiles), k) for x, t in zip(lists, wanted, strict=True)])
            if sum(counts):
                check(f"{prefix}efd@{k}", [naive.efd(x, t, counts, k) for x, t in zip(lists, wanted, strict=True)])
            check(f"{prefix}coverage@{k}", naive.coverage(lists, group, k))
            if prefix:
                check(f"{prefix}exposure@{k}", [naive.exposure(x, group, k) for x in lists])
        check(f"filled@{k}", [min(len(x), k) / k for x in lists])
        check(f"full@{k}", [float(len(x) >= k) for x in lists])
        check(f"arp@{k}", [naive.arp(x, counts, k) for x in lists])
        check(f"aplt@{k}", [naive.exposure(x, masks["tail."], k) for x in lists])
        check(f"upd@{k}", [naive.popularity_deviation(x, p, groups.mass, k) for x, p in zip(lists, profiles, strict=True)])
        vectors = [[float(i in profile) for profile in profiles] for i in range(n)]
        check(f"ild@{k}", [naive.intra_list_distance(x, vectors, k) for x in lists])
        if n > 1:
            check(f"gini@{k}", naive.gini(lists, n, k))
        for prefix, labels in (("", groups.count), ("mass.", groups.mass)):
            check(f"{prefix}popreo@{k}", naive.popreo(lists, truths, labels, k))
            check(f"{prefix}poprsp@{k}", naive.poprsp(lists, profiles, labels, k))
    unchecked = {*found.per_user, *found.overall} - checked
    assert all("efd" in key or "gini" in key for key in unchecked)


@settings(max_examples=40, deadline=None)
@given(worlds(), st.integers(1, 4), st.integers(0, 10**6))
def test_intra_list_distance_of_dense_vectors(world, d, seed):
    lists, _, _, groups = world
    vectors = np.random.default_rng(seed).normal(size=(len(groups.popularity), d))
    vectors[0] = 0.0
    by_k = intra_list_distance(ragged(lists).table(5), (2, 5), vectors)
    for k in (2, 5):
        same(by_k[k], [naive.intra_list_distance(x, vectors.tolist(), k) for x in lists])


def test_intra_list_distance_of_many_users_and_items_takes_the_same_values_by_sorting_and_by_marking(monkeypatch):
    rng = np.random.default_rng(5)
    train = CSR.from_pairs(rng.integers(0, 700, 9000), rng.integers(0, 60, 9000), None, (700, 60))
    table = np.argsort(rng.random((50, 60)), axis=1)[:, :6].astype(np.int32)
    marked = intra_list_distance(table, (6,), train)[6]
    monkeypatch.setattr("minirec.metrics.beyond.MARKS", 0)
    monkeypatch.setattr("minirec.metrics.beyond.USERS_A_ROUND", 7)
    np.testing.assert_allclose(intra_list_distance(table, (6,), train)[6], marked, rtol=1e-14)
    dense = intra_list_distance(table, (6,), (train.to_dense() > 0).T.astype(np.float64))[6]
    np.testing.assert_allclose(marked, dense, rtol=1e-12)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_accuracy_against_scikit_learn(seed, k):
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    n = 12
    relevant = rng.random((4, n)) < 0.4
    relevant[np.arange(4), rng.integers(0, n, 4)] = True
    order = np.argsort(rng.random((4, n)), axis=1)
    score = np.empty((4, n))
    score[np.arange(4)[:, None], order] = np.arange(n, 0, -1)
    hit = Hits.of(np.take_along_axis(relevant, order, axis=1))
    sizes = relevant.sum(1)
    for u in range(4):
        expected = sk.ndcg_score(relevant[u : u + 1], score[u : u + 1], k=k)
        assert metrics.ndcg(hit, sizes, k)[u] == pytest.approx(expected)
        assert metrics.average_precision(hit, sizes, n)[u] == pytest.approx(sk.average_precision_score(relevant[u], score[u]))
        shown = np.zeros(n, bool)
        shown[order[u, :k]] = True
        assert metrics.precision(hit, sizes, k)[u] == pytest.approx(sk.precision_score(relevant[u], shown))
        assert metrics.recall(hit, sizes, k)[u] == pytest.approx(sk.recall_score(relevant[u], shown))
        assert metrics.f1(hit, sizes, k)[u] == pytest.approx(sk.f1_score(relevant[u], shown, zero_division=0.0))
    ranks = sk.label_ranking_average_precision_score(np.eye(n, dtype=int)[order[:, 2]], score)
    one = np.zeros((4, n), bool)
    one[:, 2] = True
    assert metrics.reciprocal_rank(Hits.of(one), np.ones(4, np.int64), n).mean() == pytest.approx(ranks)


def test_known_values():
    hit = Hits.of(np.array([[True, False, True], [False, False, False]]))
    relevant = np.array([4, 1])
    np.testing.assert_allclose(metrics.recall(hit, relevant, 3), [0.5, 0.0])
    np.testing.assert_allclose(metrics.recall_capped(hit, relevant, 3), [2 / 3, 0.0])
    np.testing.assert_allclose(metrics.average_precision(hit, relevant, 3), [(1 + 2 / 3) / 3, 0.0])
    assert metrics.ndcg(hit, relevant, 3)[0] == pytest.approx(1.5 / (1 + 1 / math.log2(3) + 0.5))


def test_gini_is_a_concentration_index():
    n = 40
    even = np.arange(n, dtype=np.int32).reshape(20, 2)
    assert gini(even, 2, n) == pytest.approx(0.0)
    assert gini(np.zeros((20, 1), np.int32), 1, n) == pytest.approx(1.0)
    assert math.isnan(gini(np.full((3, 2), -1, np.int32), 2, n))
    assert coverage(shown(np.zeros((20, 1), np.int32), 1, n), np.ones(n, bool)) == pytest.approx(1 / n)


def test_hits_of_short_lists_and_of_no_truth():
    table = ragged([[2, 0], [], [1]]).table(3)
    np.testing.assert_array_equal(table, [[2, 0, -1], [-1, -1, -1], [1, -1, -1]])
    truth = sets_as_csr([{0}, {2}, {1}], 3)
    np.testing.assert_array_equal(find_hits(table, truth), [[False, True, False], [False] * 3, [True, False, False]])
    assert not find_hits(table, sets_as_csr([set(), set(), set()], 3)).any()


def test_names_expand_to_groups_unless_one_is_named():
    assert expand(["tail.ndcg"]) == [("tail", "ndcg")]
    assert {prefix for prefix, _ in expand(["ndcg"])} == {"", *PREFIXES}
    assert expand("mass.popreo") == [("mass", "popreo")]
    assert expand(None) == expand(sorted({name for _, name in expand(None)}))
    for wrong in ("ndgc", "ndcg@20", "middle.ndcg", "tail.gini"):
        with pytest.raises(ValueError, match="unknown metric"):
            expand([wrong])


def test_recommendations_may_hold_seen_items():
    world = ([[0, 1]], [{1}], [{0}], Groups(np.array([0, 2], np.int8), np.array([0, 2], np.int8), np.array([1, 0])))
    found = measure(ragged(world[0]), setting_of(world, exclude_seen=False), (2,), ["poprsp"])
    assert found.overall["poprsp@2"] == pytest.approx(0.0)  # one of one item of either group was shown

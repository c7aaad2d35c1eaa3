"""minirec.metrics on anybody's lists: against slow twins, in every form, and what it refuses."""

import math

import naive
import naive_metrics
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import minirec as mr
from minirec.errors import DataError, ParameterError

METRICS = mr.metrics
PLAIN = {
    "precision": naive.precision,
    "recall": naive.recall,
    "recall_capped": naive.recall_capped,
    "f1": naive.f1,
    "ndcg": naive.ndcg,
    "map": naive.average_precision,
    "mrr": naive.reciprocal_rank,
    "hitrate": naive.hitrate,
    "map_trec": naive_metrics.map_trec,
    "dcg": lambda items, relevant, k: naive_metrics.dcg_graded(items, dict.fromkeys(relevant, 1), k, False),
}


@st.composite
def worlds(draw):
    n = draw(st.integers(1, 9))
    users = [f"u{at}" for at in range(draw(st.integers(1, 5)))]
    lists = {user: draw(st.permutations(range(n)))[: draw(st.integers(0, n))] for user in users}
    truth = {user: draw(st.dictionaries(st.integers(0, n + 2), st.integers(1, 4), min_size=1, max_size=n)) for user in users}
    return n, lists, truth, draw(st.integers(1, 6))


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_every_metric_of_lists_equals_its_slow_twin(world):
    n, lists, truth, k = world
    twins = {name: (twin, {}) for name, twin in PLAIN.items()}
    twins |= {
        "fbeta": (lambda x, t, k: naive_metrics.fbeta(x, t, k, 0.5), {"beta": 0.5}),
        "mcc": (lambda x, t, k: naive_metrics.mcc(x, t, k, n + 20), {"n_items": n + 20}),
        "rbp": (lambda x, t, k: naive_metrics.rbp(x, t, k, 0.7), {"persistence": 0.7}),
    }
    for name, (twin, more) in twins.items():
        expected = {user: twin(lists[user], set(truth[user]), k) for user in truth}
        function = getattr(METRICS, name)
        assert function(lists, truth, k, per_user=True, **more) == pytest.approx(expected), name
        assert function(lists, truth, k, **more) == pytest.approx(sum(expected.values()) / len(expected)), name
    for gain in ("linear", "exponential"):
        for name in ("dcg_graded", "ndcg_graded"):
            twin = getattr(naive_metrics, name)
            expected = {user: twin(lists[user], truth[user], k, gain == "exponential") for user in truth}
            assert getattr(METRICS, name)(lists, truth, k, gain=gain, per_user=True) == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_beyond_accuracy_equals_its_slow_twin(world, random):
    n, lists, truth, k = world
    counts = {item: random.randint(0, 5) for item in range(n + 3)}
    tail = {item for item in counts if counts[item] < 3}
    filled = {user: items for user, items in lists.items() if items}
    if filled:
        assert METRICS.entropy(lists, k) == pytest.approx(naive_metrics.entropy(list(lists.values()), k))
        assert METRICS.arp(lists, counts, k, per_user=True) == pytest.approx({u: naive.arp(x, counts, k) for u, x in filled.items()})
        assert METRICS.aplt(lists, tail, k, per_user=True) == pytest.approx({u: naive.exposure(x, tail, k) for u, x in filled.items()})
    assert METRICS.coverage(lists, range(n), k) == pytest.approx(naive.coverage(lists.values(), set(range(n)), k))
    expected = {u: float(sum(item in tail for item in x[:k])) for u, x in lists.items()}
    assert METRICS.aclt(lists, tail, k, per_user=True) == pytest.approx(expected)
    expected = {u: naive_metrics.serendipity(x, set(truth[u]), counts, k) for u, x in lists.items()}
    assert METRICS.serendipity(lists, truth, counts, k, per_user=True) == pytest.approx(expected)
    expected = {u: naive.epc(x, set(truth[u]), counts, 7, k) for u, x in lists.items()}
    assert METRICS.epc(lists, truth, counts, 7, k, per_user=True) == pytest.approx(expected)
    if sum(counts.values()):
        expected = {u: naive.efd(x, set(truth[u]), list(counts.values()), k) for u, x in lists.items()}
        assert METRICS.efd(lists, truth, counts, k, per_user=True) == pytest.approx(expected)
    if n > 1 and filled:
        assert METRICS.gini(lists, n, k) == pytest.approx(naive.gini(list(lists.values()), n, k))
    vectors = {item: [random.random() for _ in range(3)] for item in range(n)}
    long = {u: x for u, x in lists.items() if len(x[:k]) > 1}
    expected = {u: naive.intra_list_distance(x, vectors, k) for u, x in long.items()}
    assert METRICS.ild(lists, vectors, k, per_user=True) == pytest.approx(expected)
    assert METRICS.ils(lists, vectors, k, per_user=True) == pytest.approx({u: 1 - v for u, v in expected.items()})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.integers(0, 1)), min_size=1, max_size=14))
def test_metrics_of_pairs_equal_their_slow_twins(rows):
    users, scores, labels = (list(column) for column in zip(*rows, strict=True))

    def same(found, expected):
        assert math.isnan(found) if expected is None else found == pytest.approx(expected)

    same(METRICS.auc(scores, labels), naive_metrics.auc(scores, labels))
    same(METRICS.gauc(users, scores, labels), naive_metrics.gauc(users, scores, labels))
    actual = [(7 * score + label) % 5 for score, label in zip(scores, labels, strict=True)]
    same(METRICS.fcp(users, scores, actual), naive_metrics.fcp(users, scores, actual))


def test_metrics_of_pairs_against_scikit_learn():
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    p, a = rng.random(50), rng.random(50)
    y = (rng.random(50) < 0.4).astype(int)
    assert METRICS.r2(p, a) == pytest.approx(sk.r2_score(a, p))
    assert METRICS.mse(p, a) == pytest.approx(sk.mean_squared_error(a, p))
    assert METRICS.rmse(p, a) == pytest.approx(math.sqrt(sk.mean_squared_error(a, p)))
    assert METRICS.mae(p, a) == pytest.approx(sk.mean_absolute_error(a, p))
    assert METRICS.log_loss(p, y) == pytest.approx(sk.log_loss(y, p))
    assert METRICS.auc(p, y) == pytest.approx(sk.roc_auc_score(y, p))
    assert METRICS.accuracy_at(p, a, 0.5) == pytest.approx(sk.accuracy_score(a >= 0.5, p >= 0.5))
    assert math.isnan(METRICS.r2([1, 2], [3, 3]))


LISTS = {7: [3, 1, 2], 9: [2], 11: []}
TRUTH = {7: [1, 5], 9: [2], 11: [4]}


def forms_of_lists():
    rows = [(u, i, rank) for u, items in LISTS.items() for rank, i in enumerate(items, 1)]
    shuffled = [rows[at] for at in (2, 0, 3, 1)]
    columns = {"user_id": [r[0] for r in shuffled], "itemID": [r[1] for r in shuffled], "rank": [r[2] for r in shuffled]}
    scored = {"user": columns["user_id"], "item": columns["itemID"], "score": [-r[2] / 10 for r in shuffled]}
    found = {
        "lists": LISTS,
        "pairs": {u: [(i, 0.5) for i in items] for u, items in LISTS.items()},
        "scores": {u: {i: -float(at) for at, i in reversed(list(enumerate(items)))} for u, items in LISTS.items()},
        "arrays": {u: np.array(items, int) for u, items in LISTS.items()},
        "ranks": columns,
        "table of scores": scored,
        "to_dict": type("Theirs", (), {"to_dict": lambda self: LISTS})(),
    }
    for library, name in (("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "table")):
        try:
            module = __import__(library)
        except ImportError:
            continue
        found[library] = getattr(module, name)(columns)
        found[f"{library} scores"] = getattr(module, name)(scored)
    return found


@pytest.mark.parametrize("form", forms_of_lists())
def test_every_form_of_lists_is_the_same(form):
    lists = forms_of_lists()[form]
    expected = {u: naive.ndcg(x, set(TRUTH[u]), 2) for u, x in LISTS.items()}
    assert METRICS.ndcg(lists, TRUTH, k=2, per_user=True) == pytest.approx(expected)


def forms_of_truth():
    rows = [(u, i) for u, items in TRUTH.items() for i in items]
    columns = {"user": [u for u, _ in rows], "item": [i for _, i in rows]}
    matrix = sparse.coo_array((np.ones(len(rows)), (columns["user"], columns["item"])), shape=(12, 6))
    found = {
        "lists": TRUTH,
        "sets": {u: set(items) for u, items in TRUTH.items()},
        "gains": {u: dict.fromkeys(items, 3) for u, items in TRUTH.items()},
        "table": columns,
        "weights": {**columns, "rating": [5] * len(rows)},
        "matrix": matrix.tocsr(),
        "Dataset": mr.Dataset.from_arrays(columns["user"], columns["item"]),
    }
    for library, name in (("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "table")):
        try:
            found[library] = getattr(__import__(library), name)(columns)
        except ImportError:
            continue
    return found


@pytest.mark.parametrize("form", forms_of_truth())
def test_every_form_of_test_items_is_the_same(form):
    truth = forms_of_truth()[form]
    expected = {u: naive.ndcg(x, set(TRUTH[u]), 2) for u, x in LISTS.items()}
    assert METRICS.ndcg(LISTS, truth, k=2, per_user=True) == pytest.approx(expected)
    assert METRICS.recall(LISTS, truth, k=2) == pytest.approx((0.5 + 1 + 0) / 3)


def test_arrays_and_lists_of_lists_go_by_row():
    table = np.array([[3, 1, 2], [2, -1, -1], [-1, -1, -1]])
    truth = [[1, 5], [2], [4]]
    expected = METRICS.ndcg(LISTS, TRUTH, k=2)
    assert METRICS.ndcg(table, truth, k=2) == expected
    assert METRICS.ndcg([*table.tolist()[:1], [2], []], truth, k=2) == expected
    ndcg = METRICS.ndcg(table, sparse.csr_array(([1, 1, 1, 1], ([0, 0, 1, 2], [1, 5, 2, 4]))), k=2)
    assert ndcg == expected


def test_recommendations_of_a_model():
    train, test = mr.split(mr.synthetic(n_users=60, n_items=40, n_events=900, seed=1), "random")
    model = mr.Popularity().fit(train)
    found = mr.evaluate(model, train, test, k=5).to_dict()["popularity"]
    users = mr.evaluate(model, train, test, k=5).users
    seen = dict(zip(train.users, (set(train.items.ids(train.matrix.row(r)[0])) for r in range(train.n_users)), strict=True))
    known = set(train.items)
    truth = {
        user: {item for item in test.items.ids(test.matrix.row(test.users.row(user))[0]) if item in known and item not in seen[user]}
        for user in users
    }
    for name in ("ndcg", "recall", "map", "map_trec", "hitrate"):
        assert getattr(METRICS, name)(model.recommend(users, k=5), truth, k=5) == pytest.approx(found[f"{name}@5"])


def test_a_user_without_a_list_counts_and_one_without_test_items_does_not():
    assert METRICS.hitrate({"a": [1], "c": [1]}, {"a": [1], "b": [1]}, k=1, per_user=True) == {"a": 1.0, "b": 0.0}
    assert METRICS.user_coverage({"a": [1], "b": []}, ["a", "b", "c", "d"]) == 0.25
    assert math.isnan(METRICS.arp({"a": []}, {1: 2}))
    assert math.isnan(METRICS.entropy({"a": []}))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: METRICS.ndcg({"a": [1]}, {"a": [1]}, k=0), ParameterError, "k must be"),
        (lambda: METRICS.ndcg({"a": [1]}, {}), DataError, "no test item"),
        (lambda: METRICS.ndcg({"a": [1]}, {"b": [1]}), DataError, "no user of truth, such as 'b', has a list; the lists are of users such"),
        (lambda: METRICS.ndcg({"a": [1, 2, 1]}, {"a": [1]}), DataError, "user 'a' holds item 1 twice"),
        (lambda: METRICS.ndcg({"a": "tea"}, {"a": [1]}), DataError, "the entry of 'a' is 'tea'"),
        (lambda: METRICS.ndcg({"a": [(1, 0.5), 2]}, {"a": [1]}), DataError, "and others are not"),
        (lambda: METRICS.ndcg({"a": [(1, math.nan)]}, {"a": [1]}), DataError, "missing"),
        (lambda: METRICS.ndcg(3, {"a": [1]}), DataError, "lists takes"),
        (lambda: METRICS.fbeta({"a": [1]}, {"a": [1]}, beta=0), ParameterError, "beta"),
        (lambda: METRICS.rbp({"a": [1]}, {"a": [1]}, persistence=1), ParameterError, "persistence"),
        (lambda: METRICS.mcc({"a": [1]}, {"a": [1]}, n_items=3), ParameterError, "n_items"),
        (lambda: METRICS.dcg_graded({"a": [1]}, {"a": [1]}, gain="cubic"), ParameterError, "gain"),
        (lambda: METRICS.ild({"a": [1, 2]}, {1: [0.0]}), DataError, "none of item 2"),
        (lambda: METRICS.gini({"a": [1, 2]}, 1), ParameterError, "catalogue has 1"),
        (lambda: METRICS.rmse([1, 2], [1]), DataError, "one value a pair"),
        (lambda: METRICS.rmse([], []), DataError, "no pairs"),
        (lambda: METRICS.rmse([math.nan], [1]), DataError, "finite"),
        (lambda: METRICS.log_loss([2.0], [1]), DataError, "probabilities"),
        (lambda: METRICS.auc([1.0], [3]), ParameterError, "labels"),
    ],
)
def test_what_cannot_be_measured_is_said(call, error, words):
    with pytest.raises(error, match=words):
        call()

"""Neighbourhoods of items and of users against loops over dense arrays."""

import naive_linear
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from minirec.data.dataset import Dataset
from minirec.errors import DataError, NotSupportedError, ParameterError
from minirec.models import ItemKNN, UserKNN
from minirec.options import options
from minirec.testing.sets import shop

SEEDS = st.integers(0, 10_000)
SIMILARITIES = ("cosine", "asymmetric", "jaccard", "dice", "tfidf", "bm25")


def dataset(x):
    """A dense array (users, items) as events; the ids are the rows."""
    users, items = np.nonzero(x)
    return Dataset.from_arrays(users, items, weights=x[users, items])


def scores(model, n_users, n_items):
    users, items = np.divmod(np.arange(n_users * n_items), n_items)
    return model.score(users, items).reshape(n_users, n_items)


def assume_settled(near, documents, k):
    """Leave out the rare set where different documents are the k-th and the next neighbour by less than single precision tells."""
    for row in near:
        order = np.argsort(-row, kind="stable")
        last, after = order[k - 1 : k + 1] if k < len(row) else (order[0], order[0])
        assume(abs(row[last] - row[after]) > 1e-6 or row[last] == 0 or np.array_equal(documents[last], documents[after]))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from(SIMILARITIES), st.booleans(), st.sampled_from([0.0, 3.0]), st.integers(1, 6))
def test_items_against_loops(seed, kind, use_weights, shrinkage, k):
    x = naive_linear.random_counts(np.random.default_rng(seed))
    seen = x if use_weights else (x > 0).astype(float)
    shrinkage = 0.0 if kind == "bm25" else shrinkage
    near = naive_linear.similarity(seen.T, kind, shrinkage, k1=1.5, b=0.6, a=0.3)
    if kind in ("asymmetric", "tfidf", "bm25"):
        assume_settled(near, seen.T, k)
    settings_ = {
        "neighbors": k,
        "similarity": kind,
        "shrinkage": shrinkage,
        "use_weights": use_weights,
        "k1": 1.5,
        "b": 0.6,
        "asymmetry": 0.3,
    }
    # "target": row j of the similarities holds the neighbours of the item to be scored; "source": row i those of the history's
    expected = {"target": seen @ naive_linear.cut_rows(near, k).T, "source": seen @ naive_linear.cut_rows(near, k)}
    for neighbors_of, wanted in expected.items():
        model = ItemKNN(neighbors_of=neighbors_of, **settings_).fit(dataset(x))
        assert np.allclose(scores(model, *x.shape), wanted, rtol=1e-4, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from(SIMILARITIES), st.booleans(), st.sampled_from([0.0, 3.0]), st.integers(1, 7))
def test_users_against_loops(seed, kind, use_weights, shrinkage, k):
    x = naive_linear.random_counts(np.random.default_rng(seed))
    seen = x if use_weights else (x > 0).astype(float)
    shrinkage = 0.0 if kind == "bm25" else shrinkage
    near = naive_linear.similarity(seen, kind, shrinkage, k1=1.5, b=0.6, a=0.3)
    if kind in ("asymmetric", "tfidf", "bm25"):
        assume_settled(near, seen, k)
    model = UserKNN(neighbors=k, similarity=kind, shrinkage=shrinkage, use_weights=use_weights, k1=1.5, b=0.6, asymmetry=0.3).fit(
        dataset(x)
    )
    assert np.allclose(scores(model, *x.shape), naive_linear.cut_rows(near, k) @ seen, rtol=1e-4, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from(["cosine", "jaccard"]))
def test_a_new_user_is_compared_with_all(seed, kind):
    """A stranger with the history of a known user finds that user, and the rest as a further document of the collection would."""
    x = (naive_linear.random_counts(np.random.default_rng(seed)) > 0).astype(float)
    history = np.flatnonzero(x[0]).tolist()
    near = naive_linear.similarity(np.vstack([x, x[0]]), kind)[-1, :-1]
    found = UserKNN(similarity=kind).fit(dataset(x)).recommend(history=[history], k=x.shape[1], exclude_seen=False)[0]
    wanted = near @ x
    assert np.allclose(wanted[found.items], found.scores, rtol=1e-5)
    assert near[0] == pytest.approx(1.0)


def test_orientation():
    """Item 0 has many neighbours, items 1 to 3 have only item 0: who keeps whom depends on the side that is cut."""
    baskets = [(0, 1), (0, 2), (0, 2), (0, 3), (0, 3), (0, 3)]
    data = Dataset.from_arrays(*zip(*[(u, i) for u, basket in enumerate(baskets) for i in basket], strict=True))
    target = ItemKNN(neighbors=1, neighbors_of="target").fit(data).weights_.to_dense()
    source = ItemKNN(neighbors=1, neighbors_of="source").fit(data).weights_.to_dense()
    assert (target[0] > 0).tolist() == [False, True, True, True]  # item 0 is the neighbour of each of them, so it recommends all
    assert (source[0] > 0).tolist() == [False, False, False, True]  # item 0 recommends its own neighbour alone
    assert np.array_equal(target, source.T)


def test_equal_similarities_go_to_the_lower_row():
    data = Dataset.from_arrays([0, 0, 0, 0, 1, 1, 1, 1], [3, 0, 2, 1, 0, 1, 2, 3])
    for kind in ("cosine", "jaccard"):
        weights = ItemKNN(neighbors=2, similarity=kind, neighbors_of="source").fit(data).weights_.to_dense() > 0
        assert [np.flatnonzero(row).tolist() for row in weights] == [[1, 2], [0, 2], [0, 1], [0, 1]]


def test_negative_weights():
    """Cosine takes them, and only positive similarities count; how often something occurs cannot be negative."""
    data = Dataset.from_arrays([0, 0, 0, 1, 1], [0, 1, 2, 0, 1], weights=[1, -1, 1, 1, -1])
    weights = ItemKNN(use_weights=True).fit(data).weights_.to_dense()
    assert (weights > 0).tolist() == [[False, False, True], [False, False, False], [True, False, False]]
    for kind in ("tfidf", "bm25"):
        for model in (ItemKNN, UserKNN):
            with pytest.raises(DataError, match="no weight may be negative"):
                model(similarity=kind, use_weights=True).fit(data)
            model(similarity=kind).fit(data)


@pytest.mark.parametrize("model", [ItemKNN, UserKNN])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"neighbors": 0}, "neighbors must be a whole number"),
        ({"similarity": "euclid"}, "similarity must be one of"),
        ({"shrinkage": -1.0}, "shrinkage must be"),
        ({"use_weights": "yes"}, "use_weights must be"),
        ({"k1": 0.0}, "k1 must be"),
        ({"b": 1.5}, "b must be"),
        ({"similarity": "bm25", "shrinkage": 1.0}, "shrinkage does nothing"),
    ],
)
def test_bad_parameters(model, wrong, message):
    with pytest.raises(ParameterError, match=message):
        model(**wrong).fit(shop())


def test_users_explain_by_their_neighbours():
    data = shop()
    model = UserKNN(neighbors=7, use_weights=True).fit(data)
    for user in (100, 111):
        for item in data.items.ids(np.arange(data.n_items))[:8]:
            told = model.explain(user, item)
            assert sum(part.value for part in told.parts) == pytest.approx(told.score, rel=1e-5, abs=1e-6)
            assert {part.source for part in told.parts} <= {"neighbour"}
            names = [part.name for part in told.parts]
            assert user not in names
            assert all(item in data.items.ids(data.matrix.row(data.users.row(name))[0]) for name in names)


def test_users_are_needed_to_serve(tmp_path):
    model = UserKNN().fit(shop())
    with pytest.raises(NotSupportedError, match="events of its users"):
        model.save(tmp_path / "m.npz", items_only=True)
    with pytest.raises(NotSupportedError, match="similar items"):
        model.similar_items(500)


def test_users_do_not_depend_on_the_block():
    """More than one tile, one and two threads, and one user at a time: the same bits."""
    data = shop(n_users=300, n_items=40)
    model = UserKNN(similarity="tfidf", neighbors=10).fit(data)
    with options(threads=1):
        one = model.recommend(k=5)
    with options(threads=2):
        two = model.recommend(k=5)
    assert one.rows.tobytes() == two.rows.tobytes()
    assert one.scores.tobytes() == two.scores.tobytes()
    for at in (0, 17, 299):
        alone = model.recommend(one.users[at], k=5)[0]
        assert alone.items == one[at].items
        assert alone.scores.tobytes() == one[at].scores.tobytes()


def test_memory_grows_with_the_data():
    small, large = shop(), shop(n_users=300, n_items=40)
    for model in (ItemKNN(), UserKNN()):
        assert 0 < model.estimate_memory(small) < model.estimate_memory(large)

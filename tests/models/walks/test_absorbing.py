"""Absorbing walks and PageRank against whole chains, dense, and their linear equations."""

import naive_linear
import naive_walks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.data.dataset import Dataset
from minirec.engine.linalg.topics import topic_shares
from minirec.engine.sparse import CSR
from minirec.errors import DataError, ParameterError
from minirec.models import AbsorbingCost, AbsorbingTime, HittingTime, PersonalizedPageRank, load_model
from minirec.options import options
from minirec.testing.sets import shop

WALKS = [HittingTime, AbsorbingTime, AbsorbingCost]


def dataset(x):
    users, items = np.nonzero(x)
    return Dataset.from_arrays(users, items, weights=x[users, items])


def scores(model, x):
    users, items = np.divmod(np.arange(x.size), x.shape[1])
    return model.score(users, items).reshape(x.shape)


def of_new(model, history):
    """Scores of a new user for all items; history dense (items,)."""
    chosen = np.flatnonzero(history)
    found = model.recommend(history=[chosen.tolist()], weights=[history[chosen].tolist()], k=len(history), exclude_seen=False)[0]
    out = np.zeros(len(history))  # of what is not listed nothing is known
    out[found.items] = found.scores
    return out


def entropies(x):
    p = x / x.sum(axis=1, keepdims=True)
    return -(p * np.log(np.where(p > 0, p, 1))).sum(axis=1)


def expected_time(x, user, steps, *, at_items):
    """steps - T of the items, from the whole chain."""
    users = len(x)
    ends = users + np.flatnonzero(x[user]) if at_items else np.array([user])
    return steps - naive_walks.truncated(naive_walks.transitions(x), ends, np.ones(sum(x.shape)), steps)[users:]


def expected_cost(x, ends, entropy, factor, steps):
    users = len(x)
    p, constant = naive_walks.transitions(x), factor * entropy.mean()
    cost = np.concatenate([np.full(users, constant), p[users:, :users] @ entropy])
    value = naive_walks.truncated(p, users + ends, cost, steps)[users:]
    return (steps + 1) // 2 * entropy.max() + steps // 2 * constant - value


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.booleans(), st.sampled_from(["numpy", "auto"]))
def test_times_are_those_of_the_chain(seed, steps, weighted, backend):
    x = naive_linear.random_counts(np.random.default_rng(seed))
    x = x if weighted else (x > 0).astype(float)
    with options(backend=backend):
        hitting, absorbing = (cls(steps=steps, use_weights=weighted).fit(dataset(x)) for cls in (HittingTime, AbsorbingTime))
        found, found_absorbing = scores(hitting, x), scores(absorbing, x)
    for user in range(len(x)):
        assert np.allclose(found[user], expected_time(x, user, steps, at_items=False), atol=1e-5)
        assert np.allclose(found_absorbing[user], expected_time(x, user, steps, at_items=True), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.booleans(), st.sampled_from([0.0, 1.0, 2.5]))
def test_costs_are_those_of_the_chain(seed, steps, weighted, factor):
    x = naive_linear.random_counts(np.random.default_rng(seed))
    x = x if weighted else (x > 0).astype(float)
    model = AbsorbingCost(steps=steps, use_weights=weighted, step_cost=factor).fit(dataset(x))
    found = scores(model, x)
    for user in range(len(x)):
        expected = expected_cost(x, np.flatnonzero(x[user]), entropies(x), factor, steps)
        if _connected(x):
            assert np.allclose(found[user], expected, atol=1e-5)
        reached = found[user] > 0
        assert np.allclose(found[user][reached], expected[reached], atol=1e-5)


def _connected(x):
    p = np.linalg.matrix_power(naive_walks.transitions(x) + np.eye(sum(x.shape)), sum(x.shape))
    return bool((p > 0).all())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.booleans())
def test_a_new_user_is_a_node_of_its_own(seed, steps, weighted):
    rng = np.random.default_rng(seed)
    x = naive_linear.random_counts(rng)
    history = rng.integers(1, 4, x.shape[1]) * (rng.random(x.shape[1]) < 0.5).astype(float)
    history[rng.integers(x.shape[1])] = 1.0
    if not weighted:
        x, history = (x > 0).astype(float), (history > 0).astype(float)
    more, data = naive_walks.with_user(x, history), dataset(x)
    for cls, at_items in ((HittingTime, False), (AbsorbingTime, True)):
        model = cls(steps=steps, use_weights=weighted).fit(data)
        assert np.allclose(of_new(model, history), expected_time(more, len(x), steps, at_items=at_items), atol=1e-5)
    model = PersonalizedPageRank(damping=0.7, use_weights=weighted).fit(data)
    expected = naive_walks.pagerank(naive_walks.transitions(more), len(x), 0.7)[len(more) :]
    assert np.allclose(of_new(model, history), expected, atol=2e-6)


def test_many_steps_are_the_linear_equations():
    x = (naive_linear.random_counts(np.random.default_rng(5), density=0.6) > 0).astype(float)
    steps, p, users = 4000, naive_walks.transitions(x), len(x)
    hitting, absorbing = (steps - scores(cls(steps=steps).fit(dataset(x)), x) for cls in (HittingTime, AbsorbingTime))
    for user in range(users):
        assert np.allclose(hitting[user], naive_walks.solved(p, np.array([user]), np.ones(len(p)))[users:], rtol=1e-4)
        ends = users + np.flatnonzero(x[user])
        assert np.allclose(absorbing[user], naive_walks.solved(p, ends, np.ones(len(p)))[users:], atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 2, 4, 50]), st.sampled_from([HittingTime, AbsorbingTime]), st.booleans())
def test_the_walk_stays_in_the_part_that_the_search_finds(seed, most, cls, known):
    x = (naive_linear.random_counts(np.random.default_rng(seed), 9, 11, density=0.15) > 0).astype(float)
    at_items, steps, user = cls is AbsorbingTime, 7, seed % 9
    targets = np.flatnonzero(x[user])
    model = cls(steps=steps, max_items=most).fit(dataset(x))
    found = scores(model, x)[user] if known else of_new(model, x[user])
    graph, own = (x, user) if known else (naive_walks.with_user(x, x[user]), None)
    users, items = naive_walks.breadth_first(x, targets.tolist(), None if at_items else (user if known else None), most)
    inside = [*users, *([] if known or at_items else [len(x)])]
    expected = np.zeros(x.shape[1])
    part = graph[np.ix_(inside, items)]
    if at_items:
        ends = len(inside) + np.searchsorted(items, targets)
    else:
        ends = np.array([inside.index(user if known else len(x))])
    value = naive_walks.truncated(naive_walks.transitions(part), ends, np.ones(sum(part.shape)), steps)[len(inside) :]
    expected[items] = steps - value
    assert own is None or found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-5)


def test_of_two_items_as_near_the_rarer_is_first():
    """Items a and b share one user with the history; b has five users more."""
    pairs = [(0, 0), (1, 0), (1, 1), (1, 2)] + [(2 + other, item) for other in range(5) for item in (2, 3)]
    data = Dataset.from_arrays(*np.array(pairs).T)
    for cls in WALKS:
        assert cls().fit(data).recommend(0, k=2)[0].items[0] == 1, cls


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.2, 0.5, 0.9]), st.booleans(), st.sampled_from(["numpy", "auto"]))
def test_pagerank_is_the_solution_of_its_equations(seed, damping, weighted, backend):
    x = naive_linear.random_counts(np.random.default_rng(seed))
    x = x if weighted else (x > 0).astype(float)
    with options(backend=backend):
        found = scores(PersonalizedPageRank(damping=damping, tol=1e-9, use_weights=weighted).fit(dataset(x)), x)
    p = naive_walks.transitions(x)
    for user in range(len(x)):
        assert np.allclose(found[user], naive_walks.pagerank(p, user, damping)[len(x) :], atol=1e-6)


def test_pagerank_divided_by_popularity():
    data = shop(n_users=120, n_items=40)
    plain, divided = PersonalizedPageRank().fit(data), PersonalizedPageRank(tail_exponent=0.5).fit(data)
    users, items = [data.users[4]] * data.n_items, list(data.items)
    assert np.allclose(divided.score(users, items), plain.score(users, items) / np.sqrt(data.item_counts), rtol=1e-6)
    assert data.item_counts[divided.recommend(k=5).rows].mean() < data.item_counts[plain.recommend(k=5).rows].mean()


@pytest.mark.parametrize("tol", [0.3, 1e-2, 1e-5])
def test_pagerank_leaves_out_at_most_tol(tol):
    x = (naive_linear.random_counts(np.random.default_rng(1)) > 0).astype(float)
    found, p = scores(PersonalizedPageRank(damping=0.8, tol=tol).fit(dataset(x)), x), naive_walks.transitions(x)
    for user in range(len(x)):
        left = naive_walks.pagerank(p, user, 0.8)[len(x) :] - found[user]
        assert (left >= -1e-7).all()
        assert left.sum() <= tol


@pytest.mark.parametrize(
    "model",
    [HittingTime(), HittingTime(max_items=4), AbsorbingTime(steps=6), AbsorbingCost(), AbsorbingCost(entropy="topic", topics=3)],
    ids=str,
)
def test_explanations_follow_the_walk(model):
    data = shop()
    model = model.fit(data)
    for user in list(data.users)[:5]:
        seen = set(model.items_.ids(model.seen_.row(model.users_.row(user, "user"))[0]))
        for item in list(data.items)[::4]:
            found = model.explain(user, item)
            assert {part.name for part in found.parts if part.source == "history"} <= seen
            assert all(part.value > 0 for part in found.parts)
            assert abs(sum(part.value for part in found.parts) - found.score) <= 1e-5 * max(found.score, 1e-9)
            if item in seen and not isinstance(model, HittingTime):
                assert [part.name for part in found.parts] == [item]


def test_known_and_new_users_of_the_same_history():
    """The user's own node is never on the way of an absorbing time."""
    data = shop()
    for model in (AbsorbingTime().fit(data), AbsorbingCost().fit(data)):
        user = data.users[3]
        history = model.items_.ids(model.seen_.row(3)[0])
        known, new = model.recommend(user, k=30)[0], model.recommend(history=[history], k=30)[0]
        assert known.items == new.items
        assert np.allclose(known.scores, new.scores, rtol=1e-6)


def test_topics_of_two_groups():
    """Users who keep to one of two groups of items are of one topic, those with both of two: their entropy is larger."""
    x = np.zeros((21, 12))
    x[:10, :6] = x[10:20, 6:] = 1
    x[20] = 1
    counts = CSR.from_pairs(*np.nonzero(x), None, x.shape)
    shares = topic_shares(counts, 2, 60, 0)
    assert np.allclose(shares.sum(axis=1), 1)
    assert (shares[:20].max(axis=1) > 0.95).all()
    assert abs(shares[20] - 0.5).max() < 0.1
    assert topic_shares(counts, 2, 60, 0).tobytes() == shares.tobytes()
    model = AbsorbingCost(entropy="topic", topics=2).fit(dataset(x))
    assert model.gains_[20] == 0
    assert (model.gains_[:20] > 0.3).all()


def test_topics_make_the_histories_more_likely():
    data = shop(n_users=80)
    counts = data.binary

    def likelihood(iterations):
        shares = topic_shares(counts, 3, iterations, 1)
        terms = np.zeros((3, data.n_items))
        np.add.at(terms.T, counts.indices, shares[counts.row_ids()])
        terms /= terms.sum(axis=1, keepdims=True)
        return np.log((shares[counts.row_ids()] * terms.T[counts.indices]).sum(axis=1)).mean()

    found = [likelihood(iterations) for iterations in (1, 10, 60)]
    assert found == sorted(found)


@pytest.mark.parametrize("cls", [*WALKS, PersonalizedPageRank])
def test_weights_must_be_shares(cls):
    data = shop()
    negative = data.with_columns(weight=np.where(np.arange(len(data)) == 3, -1.0, 1.0))
    with pytest.raises(DataError, match="above 0"):
        cls(use_weights=True).fit(negative)
    model = cls(use_weights=True).fit(data)
    with pytest.raises(DataError, match="above 0"):
        model.recommend(history=[[data.items[0], data.items[1]]], weights=[[1.0, 0.0]])


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (HittingTime, {"steps": 0}),
        (AbsorbingTime, {"max_items": 0}),
        (AbsorbingCost, {"entropy": "users"}),
        (AbsorbingCost, {"step_cost": -1.0}),
        (PersonalizedPageRank, {"damping": 1.0}),
        (PersonalizedPageRank, {"tol": 0.0}),
        (PersonalizedPageRank, {"tail_exponent": -0.1}),
    ],
    ids=str,
)
def test_bad_parameters(cls, wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        cls(**wrong).fit(shop())


@pytest.mark.parametrize("cls", [HittingTime, PersonalizedPageRank])
def test_damaged_state_is_found(cls, tmp_path):
    model = cls().fit(shop())
    model.by_item_ = model.by_item_.rows(np.arange(3))
    model.save(tmp_path / "model.npz")
    with pytest.raises(ValueError, match="by_item_ has shape"):
        load_model(tmp_path / "model.npz")

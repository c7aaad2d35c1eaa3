"""Splits: nothing is lost, nothing stands on both sides, and each kind keeps its promise."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.data.dataset import Dataset
from minirec.data.splits import SPLITS, split
from minirec.errors import DataError, ParameterError


@st.composite
def datasets(draw, times=True):
    n = draw(st.integers(2, 60))
    users = draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    items = draw(st.lists(st.sampled_from("abcdefgh"), min_size=n, max_size=n))
    stamps = draw(st.lists(st.integers(0, 12), min_size=n, max_size=n)) if times else None
    return Dataset.from_arrays(users, items, weights=list(range(n)), times=stamps)


def events(data):
    """Events as external ids with their weight, which numbers them."""
    return Counter(zip(data.users.ids(data.user), data.items.ids(data.item), data.weight.tolist(), strict=True))


def pairs(data):
    return set(zip(data.users.ids(data.user), data.items.ids(data.item), strict=True))


def try_split(data, how, **settings_):
    try:
        return split(data, how, **settings_)
    except DataError:
        return None


@pytest.mark.parametrize("how", SPLITS)
@settings(max_examples=40, deadline=None)
@given(data=datasets(), test=st.floats(0.05, 0.95), seed=st.integers(0, 3))
def test_nothing_is_lost_and_parts_are_compact(how, data, test, seed):
    parts = try_split(data, how, test=test, seed=seed)
    if parts is None:
        return
    assert sum((events(part) for part in parts), Counter()) == events(data)
    for part in parts:
        assert len(part) > 0
        assert np.bincount(part.user, minlength=part.n_users).all()
        assert np.bincount(part.item, minlength=part.n_items).all()


@settings(max_examples=60, deadline=None)
@given(data=datasets(), test=st.floats(0.05, 0.95))
def test_time_split_has_one_cut(data, test):
    parts = try_split(data, "time", test=test)
    if parts is None:
        assert len(set(data.timestamp.tolist())) == 1
        return
    train, held = parts
    assert train.timestamp.max() < held.timestamp.min()
    # no other cut between two instants comes nearer to the share that was asked for
    gaps = [abs((data.timestamp > cut).sum() - test * len(data)) for cut in np.unique(data.timestamp)[:-1]]
    assert abs(len(held) - test * len(data)) <= min(gaps)


@settings(max_examples=60, deadline=None)
@given(data=datasets(), test=st.floats(0.05, 0.95), seed=st.integers(0, 3))
def test_random_split_shares_no_pair_and_keeps_every_user_in_train(data, test, seed):
    parts = try_split(data, "random", test=test, seed=seed)
    if parts is None:
        return
    train, held = parts
    assert not pairs(train) & pairs(held)
    assert set(train.users) == set(data.users)
    sizes = Counter(user for user, _ in pairs(data))
    for user, taken in Counter(user for user, _ in pairs(held)).items():
        assert taken in (int(test * sizes[user]), int(test * sizes[user]) + 1)
        assert taken < sizes[user]


def test_random_share_is_right_on_average():
    rng = np.random.default_rng(0)
    data = Dataset.from_arrays(np.repeat(np.arange(4000), 3), rng.permutation(12_000))
    _, held = split(data, "random", test=0.2)
    assert len(held) / len(data) == pytest.approx(0.2, abs=0.01)  # though .2 * 3 is no whole number


@settings(max_examples=60, deadline=None)
@given(data=datasets(), with_times=st.booleans())
def test_leave_last_agrees_with_a_plain_loop(data, with_times):
    if not with_times:
        data = data.with_columns(timestamp=None)
    parts = try_split(data, "leave-last")
    stamps = data.timestamp.tolist() if with_times else [0] * len(data)
    rows = sorted(zip(data.users.ids(data.user), stamps, range(len(data)), data.items.ids(data.item), strict=True))
    expected = set()
    for user in data.users:
        history = [(position, item) for who, _, position, item in rows if who == user]
        new = [place for place, (_, item) in enumerate(history) if item not in [seen for _, seen in history[:place]]]
        if len(new) > 1:
            expected |= {position for position, _ in history[new[-1] :]}
    assert ({int(weight) for weight in parts[1].weight} if parts else set()) == expected


@settings(max_examples=60, deadline=None)
@given(data=datasets(), test=st.floats(0.05, 0.95), seed=st.integers(0, 3), fold_in=st.floats(0.1, 0.9))
def test_held_out_users_are_unknown_to_train(data, test, seed, fold_in):
    parts = try_split(data, "users", test=test, seed=seed, fold_in=fold_in)
    if parts is None:
        return
    train, shown, target = parts
    assert set(shown.users) == set(target.users)
    assert not set(train.users) & set(shown.users)
    assert not pairs(shown) & pairs(target)


@settings(max_examples=40, deadline=None)
@given(data=datasets(), test=st.floats(0.05, 0.95), seed=st.integers(0, 3))
def test_cold_items_are_unknown_to_train(data, test, seed):
    parts = try_split(data, "cold-items", test=test, seed=seed)
    if parts is None:
        assert data.n_items == 1
        return
    train, held = parts
    assert not set(train.items) & set(held.items)
    assert held.n_items == min(max(1, round(test * data.n_items)), data.n_items - 1)


def test_the_default_follows_the_times():
    data = Dataset.from_arrays([1, 1, 2, 2], ["a", "b", "a", "b"], times=[1, 2, 3, 4])
    assert split(data, test=0.5)[0].timestamp.tolist() == [1, 2]
    without = data.with_columns(timestamp=None)
    assert events_without_weight(split(without, test=0.5)) == events_without_weight(split(without, "random", test=0.5))


def events_without_weight(parts):
    return [pairs(part) for part in parts]


@settings(max_examples=25, deadline=None)
@given(data=datasets(), how=st.sampled_from(["random", "users", "cold-items"]), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(data, how, shuffle):
    order = list(range(len(data)))
    shuffle.shuffle(order)
    parts, again = try_split(data, how, seed=5), try_split(data.select(np.array(order)), how, seed=5)
    if parts is None:
        assert again is None
        return
    assert [events(part) for part in parts] == [events(part) for part in again]
    third = split(data, how, seed=5)
    assert [part.fingerprint for part in parts] == [part.fingerprint for part in third]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"how": "weekly"}, ParameterError, "how must be one of"),
        ({"test": 0.0}, ParameterError, "test is a share"),
        ({"test": 1.0}, ParameterError, "test is a share"),
        ({"test": "half"}, ParameterError, "test is a share"),
        ({"how": "users", "fold_in": 1.5}, ParameterError, "fold_in is a share"),
        ({"how": "time"}, DataError, "needs times"),
        ({"how": "leave-last"}, DataError, "two different items"),
        ({"how": "random"}, DataError, "two different items"),
        ({"how": "users"}, DataError, "two different items"),
        ({"how": "cold-items"}, DataError, "only one item"),
    ],
)
def test_what_cannot_be_split_is_said(arguments, error, words):
    data = Dataset.from_arrays([1, 2, 2], ["a", "a", "a"])
    with pytest.raises(error, match=words):
        split(data, **arguments)


def test_equal_times_cannot_be_cut_and_nothing_cannot_be_split():
    data = Dataset.from_arrays([1, 2], ["a", "b"], times=[5, 5])
    with pytest.raises(DataError, match="all equal"):
        split(data)
    with pytest.raises(DataError, match="no events"):
        split(data.select(np.array([], int)))


def test_features_follow_their_items():
    data = Dataset.from_arrays([1, 1, 2], ["a", "b", "c"], times=[1, 2, 3], item_features={"name": {"a": "A", "b": "B", "c": "C"}})
    train, held = split(data, "time", test=0.3)
    assert train.item_features["name"].tolist() == ["A", "B"]
    assert held.item_text("c") == "C"

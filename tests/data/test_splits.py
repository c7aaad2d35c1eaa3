"""Splits: nothing is lost, nothing stands on both sides, and each kind keeps its promise."""

import warnings
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.data.dataset import Dataset
from minirec.data.folds import folds
from minirec.data.splits import SPLITS, split
from minirec.errors import DataError, DataWarning, ParameterError


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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
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
        best = min((abs((data.timestamp > cut).sum() - test * len(data)) for cut in np.unique(data.timestamp)[:-1]), default=None)
        assert best is None or best > 10  # all times equal, or no cut comes near
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


def test_a_cut_far_from_the_share_asked_for_is_refused_or_told():
    times = [1] * 30 + [2] * 970
    data = Dataset.from_arrays(np.arange(1000) % 50, np.arange(1000) % 70, times=times)
    with pytest.raises(
        DataError, match="a share of 20% of the events was asked for as test, and the nearest cut between two times gives 97%"
    ):
        split(data, "time")
    data = Dataset.from_arrays(np.arange(1000) % 50, np.arange(1000) % 70, times=[1] * 700 + [2] * 300)
    with pytest.warns(DataWarning, match="gives 30%"):
        train, held = split(data, "time")
    assert (len(train), len(held)) == (700, 300)


def test_a_fixed_instant():
    data = Dataset.from_arrays([1, 2, 3, 4], ["a", "b", "c", "d"], times=[10, 20, 30, 86_400])
    assert [part.timestamp.tolist() for part in split(data, "time", at=30)] == [[10, 20], [30, 86_400]]
    dated = data.with_columns(time=np.array([10, 20, 30, 86_400], "datetime64[s]"))
    assert [len(part) for part in split(dated, "time", at="1970-01-02")] == [3, 1]
    with pytest.raises(ParameterError, match="only have an order"):
        split(data, "time", at="1970-01-02")
    for wrong in ("soon", None.__class__, 1.5):
        with pytest.raises(ParameterError, match="at must be"):
            split(dated, "time", at=wrong)
    with pytest.raises(DataError, match="empty"):
        split(data, "time", at=5)
    with pytest.raises(ParameterError, match="goes with how='time'"):
        split(data, "random", at=5)


@pytest.mark.parametrize("how", ["time", "random", "leave-last", "cold-items"])
def test_three_parts_lose_nothing(how):
    rng = np.random.default_rng(1)
    data = Dataset.from_arrays(rng.integers(0, 30, 2000), rng.integers(0, 40, 2000), weights=np.arange(2000), times=np.arange(2000))
    parts = split(data, how, validation=1 if how == "leave-last" else 0.1, test=0.2)
    assert len(parts) == 3
    assert sum((events(part) for part in parts), Counter()) == events(data)
    if how in ("time", "random"):
        assert [len(part) / 2000 for part in parts] == pytest.approx([0.7, 0.1, 0.2], abs=0.02)
    if how == "time":
        assert parts[0].timestamp.max() < parts[1].timestamp.min()
        assert parts[1].timestamp.max() < parts[2].timestamp.min()
    if how == "cold-items":
        assert not {*parts[0].items} & {*parts[1].items}


@settings(max_examples=40, deadline=None)
@given(data=datasets(), last=st.integers(1, 4))
def test_the_last_n_new_items_are_held_out(data, last):
    parts = try_split(data, "leave-last", last=last)
    if parts is None:
        return
    train, _ = parts
    for user in data.users:
        mine = sorted(
            (stamp, position, item)
            for position, (who, item, stamp) in enumerate(
                zip(data.users.ids(data.user), data.items.ids(data.item), data.timestamp.tolist(), strict=True)
            )
            if who == user
        )
        met = list(dict.fromkeys(item for _, _, item in mine))
        kept = met[: max(len(met) - last, 1)]
        of_train = {i for u, i in pairs(train) if u == user}
        assert of_train == set(kept)


def test_parts_that_are_given():
    train = Dataset.from_arrays([1, 2], ["a", "b"])
    test = [(1, "b"), (2, "c")]
    assert [len(part) for part in split(train, "fixed", test=test)] == [2, 2]
    with pytest.warns(DataWarning, match="1 pairs of user and item stand in train and in test"):
        split(train, "fixed", test=[(1, "a"), (2, "c")], validation=[(1, "x")])
    with pytest.raises(ParameterError, match="takes the events of each part"):
        split(train, "fixed")


@settings(max_examples=40, deadline=None)
@given(data=datasets(), how=st.sampled_from(["random", "users"]), n=st.integers(2, 4), seed=st.integers(0, 3))
def test_folds_test_every_event_once(data, how, n, seed):
    try:
        parts = folds(data, n, how, seed=seed)
    except DataError:
        return
    assert len(parts) == n
    assert sum((events(test) for _, test in parts), Counter()) == events(data)
    for train, test in parts:
        assert events(train) + events(test) == events(data)
        assert not pairs(train) & pairs(test)
        if how == "users":
            assert not set(train.users) & set(test.users)
    sizes = [len(pairs(test)) for _, test in parts]
    assert how == "users" or max(sizes) - min(sizes) <= 1


@settings(max_examples=40, deadline=None)
@given(data=datasets(), n=st.integers(2, 4), sliding=st.booleans())
def test_windows_move_through_time(data, n, sliding):
    if len(set(data.timestamp.tolist())) <= n:
        with pytest.raises(DataError, match="instants cannot be cut"):
            folds(data, n, "time")
        return
    parts = folds(data, n, "time", sliding=sliding)
    for train, test in parts:
        assert train.timestamp.max() < test.timestamp.min()
    for (before, window), (train, _) in pairwise(parts):
        assert events(train) == (events(window) if sliding else events(before) + events(window))
    tested = sum((events(test) for _, test in parts), Counter())
    assert tested + events(parts[0][0]) == events(data)


def test_what_cannot_be_folded_is_said():
    data = Dataset.from_arrays([1, 2, 2], ["a", "a", "b"])
    for error, words, arguments in (
        (ParameterError, "at least 2 folds", {"n": 1}),
        (ParameterError, "how must be one of", {"how": "weekly"}),
        (ParameterError, "sliding", {"how": "random", "sliding": True}),
        (DataError, "need times", {"how": "time"}),
        (DataError, "fewer folds", {"n": 4, "how": "random"}),
    ):
        with pytest.raises(error, match=words):
            folds(data, **arguments)
    for words, arguments in (
        ("last is how many", {"how": "leave-last", "last": 0}),
        ("does not go with", {"how": "users", "validation": 0.1}),
        ("how many new items", {"how": "leave-last", "validation": 0.1}),
        ("validation is a share", {"how": "random", "validation": 2}),
        ("nothing for train", {"how": "random", "validation": 0.5, "test": 0.5}),
    ):
        with pytest.raises(ParameterError, match=words):
            split(data, **arguments)

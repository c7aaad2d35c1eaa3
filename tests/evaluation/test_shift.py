"""Validation and test that differ in their items: found where they do, and seldom where they do not."""

import numpy as np
import pytest

import minirec as mr
from minirec.data.dataset import Dataset
from minirec.errors import DataError, DataWarning, ParameterError
from minirec.evaluation.shift import ItemShift, item_shift


def fashion(rng, n_users=80, n_items=40, each=12):
    """Distinct pairs with times; which items are popular changes as time goes by."""
    users = np.repeat(np.arange(n_users), each)
    times = np.tile(np.arange(each), n_users)
    items = np.empty(len(users), np.int64)
    for user in range(n_users):
        taken = []
        for step in range(each):
            liking = np.exp(-0.5 * ((np.arange(n_items) - n_items * step / each) / 6) ** 2)
            liking[taken] = 0
            taken.append(rng.choice(n_items, p=liking / liking.sum()))
        items[users == user] = taken
    return Dataset.from_arrays(users, items, times=times * 1000 + users)


def distance(left, right):
    items = set(left.items) | set(right.items)
    shares = []
    for part in (left, right):
        pairs = {(u, i) for u, i in zip(part.users.ids(part.user), part.items.ids(part.item), strict=True)}
        shares.append([sum(i == item for _, i in pairs) / len(pairs) for item in items])
    return 0.5 * sum(abs(a - b) for a, b in zip(*shares, strict=True))


def test_random_parts_are_told_to_differ_at_the_stated_rate():
    """60 draws each, at a level of 10 %: 15 or more are above it with a probability of .002."""
    data = mr.synthetic(n_users=60, n_items=50, n_events=1200)
    within, by_user = [], []
    for seed in range(60):
        train, test = mr.split(data, "random", test=0.3, seed=seed)
        _, validation = mr.split(train, "random", test=0.3, seed=seed)
        within.append(item_shift(validation, test, rounds=39, level=0.1, seed=seed).differs)
        order = np.random.default_rng(seed).permutation(data.n_users)
        one, other = (data.select(np.isin(data.user, order[span])).compact() for span in (slice(20), slice(20, 50)))
        by_user.append(item_shift(one, other, rounds=39, level=0.1, seed=seed).differs)
    assert sum(within) < 15
    assert sum(by_user) < 15


def test_a_random_part_of_train_is_not_the_latest_events():
    data = fashion(np.random.default_rng(0))
    train, test = mr.split(data, "leave-last")
    _, at_random = mr.split(train, "random", test=0.1)
    found = item_shift(at_random, test)
    assert found.differs
    assert found.p == 1 / 200
    assert found.distance > 1.5 * found.chance
    _, latest = mr.split(train, "leave-last")
    assert item_shift(latest, test).distance < 0.8 * found.distance


def test_users_of_their_own_are_moved_as_a_whole():
    """Each user has a single item, five times over: as events the parts would differ beyond doubt, as users they need not."""
    users = np.repeat(np.arange(12), 5)
    items = np.repeat(np.arange(12) % 6, 5) * 5 + np.tile(np.arange(5), 12)
    data = Dataset.from_arrays(users, items)
    left, right = (data.select(np.isin(users, np.arange(side, 12, 2))).compact() for side in (0, 1))
    found = item_shift(left, right, seed=1)
    assert found.distance == 1
    assert found.chance > 0.4
    order = np.random.default_rng(0).permutation(12)
    left, right = (data.select(np.isin(users, order[side::2])).compact() for side in (0, 1))
    assert not item_shift(left, right).differs


def test_the_distance_is_between_shares_of_distinct_pairs():
    left = Dataset.from_arrays([1, 1, 1, 2], ["a", "a", "b", "c"])
    right = Dataset.from_arrays(["x", 2, "x"], ["b", "c", 7])
    assert item_shift(left, right).distance == pytest.approx(distance(left, right))
    assert item_shift(left, left).distance == 0
    assert item_shift(left, left).p == 1
    assert item_shift(left, right) == item_shift(left, right)


def test_one_user_on_each_side():
    """There is nothing to compare by chance with."""
    left, right = Dataset.from_arrays([1], ["a"]), Dataset.from_arrays([2], ["b"])
    assert item_shift(left, right).p == 1


def test_what_it_says():
    assert "by more than chance" in str(ItemShift(0.3, 0.1, 0.005, 0.01))
    assert "distance 0.300, by chance 0.100; p = 0.005" in str(ItemShift(0.3, 0.1, 0.005, 0.01))
    assert "by no more than chance" in str(ItemShift(0.1, 0.1, 0.4, 0.01))


def test_bad_arguments():
    data = Dataset.from_arrays([1], ["a"])
    for wrong in ({"level": 0.005}, {"level": 1.0}, {"rounds": 0}, {"rounds": 50}):
        with pytest.raises(ParameterError, match="level"):
            item_shift(data, data, **wrong)
    with pytest.raises(DataError, match="no events"):
        item_shift(data, data.select(np.zeros(0, np.int64)))


def test_a_search_warns_where_its_validation_is_another_thing_than_test():
    data = fashion(np.random.default_rng(1))
    train, test = mr.split(data, "leave-last")
    with pytest.warns(DataWarning, match="split_by='random'"):
        found = mr.tune(mr.ItemKNN, train, budget=1, split_by="random", test=test)
    assert found.shift is not None
    assert found.shift.differs
    assert "differ by more than chance" in str(found)
    train, test = mr.split(data, "random", seed=3)
    found = mr.tune(mr.ItemKNN, train, budget=1, split_by="random", test=test)
    assert found.shift is not None
    assert not found.shift.differs
    assert mr.tune(mr.ItemKNN, train, budget=1).shift is None


def test_a_search_holds_out_the_latest_events_where_there_is_time():
    data = fashion(np.random.default_rng(2))
    assert mr.tune(mr.ItemKNN, data, budget=1).validation.startswith("time split")
    assert mr.tune(mr.ItemKNN, data.with_columns(timestamp=None), budget=1).validation.startswith("random split")

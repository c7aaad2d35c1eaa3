"""Twins against their definition, and what a known twin gives away."""

import numpy as np
import pytest

import minirec as mr
from minirec.audit import find_twins, known_by_twin


def slow_twins(one, two, least, overlap):
    found = []
    for a in range(one.n_items):
        for b in range(two.n_items):
            if one is two and a >= b:
                continue
            mine = {one.users[u] for u in one.user[one.item == a].tolist()}
            theirs = {two.users[u] for u in two.user[two.item == b].tolist()}
            shared = len(mine & theirs)
            if shared >= least and shared >= overlap * max(len(mine), len(theirs)):
                found.append((a, b, shared))
    return found


def events(seed, n_items=25):
    rng = np.random.default_rng(seed)
    user, item = rng.integers(0, 40, 300), rng.integers(0, n_items, 300)
    copy = item < 8  # items that nearly the same users have
    keep = rng.random(copy.sum()) < 0.9
    return mr.Dataset.from_arrays(np.concatenate((user, user[copy][keep])), np.concatenate((item, item[copy][keep] + n_items)))


@pytest.mark.parametrize("overlap", [0.5, 0.8, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_twins_are_those_of_the_definition(seed, overlap):
    data, other = events(seed), events(seed + 100, 9)
    twins = find_twins(data, overlap=overlap)
    assert list(zip(*(column.tolist() for column in twins[:3]), strict=True)) == slow_twins(data, data, 3, overlap)
    twins = find_twins(data, other, least_users=2, overlap=overlap)
    assert list(zip(*(column.tolist() for column in twins[:3]), strict=True)) == slow_twins(data, other, 2, overlap)


def test_shuffled_users_leave_no_twins():
    data = events(3)
    assert len(find_twins(data).first)
    shuffled = mr.Dataset.from_arrays(np.random.default_rng(0).permutation(data.user), data.item)
    assert len(find_twins(shuffled).first) == 0


def test_a_test_item_is_known_by_its_twin():
    data = mr.Dataset.from_arrays([1, 2, 3, 1, 2, 3, 4], ["a", "a", "a", "b", "b", "b", "c"])
    twins = find_twins(data)
    truth = data.matrix.from_pairs(data.users.rows([1, 4]), data.items.rows(["a", "a"]), None, data.matrix.shape)
    assert known_by_twin(twins.first, twins.second, data.matrix, truth).tolist() == [True, False]

"""The baselines against plain loops."""

import numpy as np
import pytest

from minirec.data.dataset import Dataset
from minirec.errors import DataError
from minirec.models import Popularity, Random
from minirec.testing.sets import shop


def test_popularity_counts_distinct_users():
    data = Dataset.from_arrays([1, 1, 2, 3, 3, 3], ["a", "a", "a", "b", "b", "c"], weights=[9, 9, 1, 1, 1, 1])
    model = Popularity().fit(data)
    assert model.recommend(history=[[]]).to_dict() == {0: [("a", 2.0), ("b", 1.0), ("c", 1.0)]}
    assert model.explain(1, "a").parts[0].value == model.explain(1, "a").score == 2.0


def test_half_life_against_a_loop():
    data = shop()
    model = Popularity(half_life=120.0).fit(data)
    last, end = {}, max(data.timestamp.tolist())
    for user, item, time in zip(data.user.tolist(), data.item.tolist(), data.timestamp.tolist(), strict=True):
        last[item, user] = max(time, last.get((item, user), 0))
    expected = np.zeros(data.n_items)
    for (item, _), time in last.items():
        expected[item] += 0.5 ** ((end - time) / 120.0)
    assert np.allclose(model.scores_, expected, rtol=1e-6)


def test_half_life_needs_times():
    with pytest.raises(DataError, match="needs timestamps"):
        Popularity(half_life=5.0).fit(Dataset.from_arrays([1], [2]))


def test_a_very_short_half_life_underflows_quietly():
    model = Popularity(half_life=1e-9).fit(shop())
    assert model.scores_.sum() == 1


def test_random_is_uniform_and_independent_of_the_request():
    data = shop(n_users=200, n_items=100)
    scores = np.concatenate([found.scores for found in Random(seed=3).fit(data).recommend(k=100, exclude_seen=False)])
    counts, _ = np.histogram(scores, bins=10, range=(0, 1))
    assert scores.min() >= 0
    assert scores.max() < 1
    assert (np.abs(counts - 2000) < 5 * np.sqrt(2000)).all()


def test_random_differs_between_users_histories_and_seeds():
    data = shop()
    first, second = Random(seed=0).fit(data), Random(seed=1).fit(data)
    tops = {tuple(items) for _, items, _ in first.recommend(k=24, exclude_seen=False)}
    assert len(tops) == data.n_users
    assert not tops & {tuple(items) for _, items, _ in second.recommend(k=24, exclude_seen=False)}
    one, other, empty = first.recommend(history=[[500], [501], []], k=24, exclude_seen=False)
    assert one.items != other.items != empty.items

"""The sampled protocol against brute force."""

import math

import naive
import numpy as np
import pytest

from minirec.data.dataset import Dataset
from minirec.errors import DataError
from minirec.evaluation import evaluate_sampled
from minirec.models.baselines.popularity import Popularity, Random


@pytest.fixture
def train():
    rng = np.random.default_rng(0)
    return Dataset.from_arrays(rng.integers(0, 12, 150), rng.integers(0, 20, 150))


@pytest.mark.parametrize("model", [Random(seed=3), Popularity()])
def test_ranks_equal_brute_force(train, model):
    model.fit(train)
    rng = np.random.default_rng(1)
    items = list(train.items)
    positives = {user: items[int(rng.integers(len(items)))] for user in train.users}
    negatives = {user: rng.choice(items, 8, replace=False).tolist() for user in train.users}
    result = evaluate_sampled(model, positives, negatives, k=(1, 4))
    hits, gains = [], []
    for user in train.users:
        score = dict(zip(items, model.score([user] * len(items), items).tolist(), strict=True))
        rank = naive.sampled_rank(positives[user], negatives[user], score)
        hits.append(float(rank < 4))
        gains.append(1 / math.log2(rank + 2) if rank < 4 else 0.0)
    name = model.name
    np.testing.assert_array_equal(result.per_user(name, "sampled_hitrate@4")[1], hits)
    np.testing.assert_allclose(result.per_user(name, "sampled_ndcg@4")[1], gains)
    assert set(result.to_dict()[name]) == {f"sampled_{metric}@{k}" for metric in ("hitrate", "ndcg") for k in (1, 4)}
    assert result.counts["positives_among_negatives"] == sum(positives[user] in negatives[user] for user in train.users)
    assert str(result).startswith("SAMPLED")


def test_unknown_users_and_items():
    train = Dataset.from_arrays([1, 2, 2], ["a", "a", "b"])
    model = Popularity().fit(train)
    result = evaluate_sampled({"p": model}, {1: "b", 2: "new", 5: "a"}, {1: ["new", "b", "new"], 2: ["a"], 5: ["b"]}, k=1)
    assert result.users == [1, 2]
    assert result.per_user("p", "sampled_hitrate@1")[1].tolist() == [1.0, 0.0]
    assert result.counts == {"users": 2, "unknown_users": 1, "positives_among_negatives": 1, "repeated_negatives": 1}
    assert any("does not know 1 of the test items" in note for note in result.notes)
    with pytest.raises(DataError, match="no negatives"):
        evaluate_sampled(model, {1: "b"}, {})
    with pytest.raises(DataError, match="no user is left"):
        evaluate_sampled(model, {"nobody": "b"}, {"nobody": ["a"]})


def test_models_are_compared_on_their_sampled_ndcg(train):
    positives = dict.fromkeys(train.users, train.items[0])
    negatives = {user: list(train.items) for user in train.users}
    result = evaluate_sampled({"p": Popularity().fit(train), "r": Random().fit(train)}, positives, negatives)
    assert result.compare("p", "r")[0].metric == "sampled_ndcg@10"

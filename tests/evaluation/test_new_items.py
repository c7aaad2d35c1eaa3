"""Ranking of new items against brute force."""

import naive
import numpy as np
import pytest

from minirec.data.dataset import Dataset
from minirec.data.splits import split
from minirec.errors import DataError
from minirec.evaluation import evaluate_new_items
from minirec.models import ALS, ItemKNN


@pytest.fixture
def whole():
    rng = np.random.default_rng(0)
    return Dataset.from_arrays(rng.integers(0, 25, 400), [f"item {i}" for i in rng.integers(0, 30, 400)])


def brute(model, train, test, k, alone):
    """{user: (recall, ndcg)} from the scores of all items, one user at a time."""
    old = {user: set() for user in train.users}
    for user, item in zip(train.users.ids(train.user), train.items.ids(train.item), strict=True):
        old[user].add(item)
    truth = {}
    for user, item in zip(test.users.ids(test.user), test.items.ids(test.item), strict=True):
        if item not in train.items and user in train.users:
            truth.setdefault(user, set()).add(item)
    found = {}
    for user, wanted in truth.items():
        ids = list(model.items_)
        score = model.score([user] * len(ids), ids)
        order = [ids[row] for row in np.lexsort((np.arange(len(ids)), -score))]
        ranked = [item for item in order if item not in set(model.items_.ids(model.seen_.row(model.users_.row(user, "user"))[0]))]
        ranked = [item for item in ranked if not alone or item not in train.items][:k]
        found[user] = naive.recall(ranked, wanted, k), naive.ndcg(ranked, wanted, k)
    return found


def test_equals_brute_force(whole):
    train, test = split(whole, "cold-items", test=0.3, seed=1)
    # models of all items, but of other events than those of the test, know the new items as if they had been told of them
    others = Dataset.from_arrays([*train.users.ids(train.user), *["x"] * 30], [*train.items.ids(train.item), *whole.items])
    models = {"als": ALS(factors=4).fit(others), "knn": ItemKNN(neighbors=30).fit(others)}
    result = evaluate_new_items(models, train, test, k=(3, 5))
    for name, model in models.items():
        for alone, prefix in ((True, ""), (False, "among_all.")):
            expected = brute(model, train, test, 5, alone)
            for at, metric in enumerate(("recall", "ndcg")):
                users, values = result.per_user(name, f"{prefix}{metric}@5")
                np.testing.assert_allclose(values, [expected[user][at] for user in users])
                assert set(users) == set(expected)
    assert result.counts["new_items"] == len(set(whole.items) - set(train.items))
    assert result.counts["truth_pairs"] == test.matrix.nnz
    assert "among_all.ndcg@5" in str(result)


def test_what_is_left_out_is_counted():
    train = Dataset.from_arrays([1, 1, 2], ["a", "b", "a"])
    model = ALS(factors=2).fit(Dataset.from_arrays([1, 1, 2, 3], ["a", "b", "a", "new"]))
    test = Dataset.from_arrays([1, 2, 9], ["new", "b", "new"])
    result = evaluate_new_items(model, train, test, k=1)
    assert result.users == [1]
    assert {name: result.counts[name] for name in ("unknown_users", "pairs_of_unknown_users", "pairs_of_known_items")} == {
        "unknown_users": 1, "pairs_of_unknown_users": 1, "pairs_of_known_items": 1,
    }  # fmt: skip
    assert result.per_user("als", "recall@1")[1].tolist() == [1.0]


def test_errors():
    train = Dataset.from_arrays([1, 1, 2], ["a", "b", "a"])
    model = ALS(factors=2).fit(train)
    with pytest.raises(DataError, match="add_items"):
        evaluate_new_items(model, train, Dataset.from_arrays([1], ["new"]))
    with pytest.raises(DataError, match="no item that train does not have"):
        evaluate_new_items(model, train, Dataset.from_arrays([1], ["a"]))
    model.fit(Dataset.from_arrays([1, 1, 2], ["a", "b", "new"]))
    with pytest.raises(DataError, match="no user of train"):
        evaluate_new_items(model, Dataset.from_arrays([1, 1], ["a", "b"]), Dataset.from_arrays([3], ["new"]))

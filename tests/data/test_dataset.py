"""The data set: columns in, immutable, equal whatever the order of ids."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.data.dataset import Dataset, align_features
from minirec.data.ids import IdIndex
from minirec.errors import DataError, UnknownIdError

IDS = st.one_of(st.integers(-5, 5), st.sampled_from(["a", "b", "é", "1", ""]))
EVENTS = st.lists(st.tuples(IDS, IDS, st.integers(-3, 3)), min_size=1, max_size=40)


def build(rows, **more):
    users, items, weights = zip(*rows, strict=True)
    return Dataset.from_arrays(list(users), list(items), list(weights), **more)


@settings(max_examples=50, deadline=None)
@given(rows=EVENTS)
def test_ids_and_matrix_agree_with_dictionaries(rows):
    data = build(rows)
    assert data.users.ids(data.user) == [row[0] for row in rows]
    assert data.items.ids(data.item) == [row[1] for row in rows]
    sums = {}
    for user, item, weight in rows:
        sums[user, item] = sums.get((user, item), 0) + weight
    dense = data.matrix.to_dense()
    assert data.matrix.nnz == len(sums)
    for (user, item), weight in sums.items():
        assert dense[data.users.row(user), data.items.row(item)] == weight
    assert data.binary.data.tolist() == [1.0] * len(sums)
    assert data.item_counts.tolist() == [len({u for u, i in sums if i == item}) for item in data.items]


@settings(max_examples=50, deadline=None)
@given(rows=EVENTS, keep=st.lists(st.booleans(), min_size=40, max_size=40))
def test_select_and_compact(rows, keep):
    data = build(rows, item_features={"name": {row[1]: f"<{row[1]}>" for row in rows}})
    kept = data.select(np.array(keep[: len(rows)]))
    small = kept.compact()
    expected = [row for row, wanted in zip(rows, keep, strict=False) if wanted]
    assert [(u, i, w) for u, i, w in zip(small.users.ids(small.user), small.items.ids(small.item), small.weight, strict=True)] == expected
    assert set(small.users) == {row[0] for row in expected}
    assert small.item_features["name"].tolist() == [f"<{item}>" for item in small.items]
    assert kept.users == data.users
    assert small.compact() is small
    if expected:
        assert small.fingerprint == build(expected).fingerprint


def test_fingerprints_tell_data_apart():
    base = build([(1, "a", 1), (2, "b", 2)])
    others = [
        build([(1, "a", 1), (2, "b", 3)]),
        build([(2, "b", 2), (1, "a", 1)]),
        build([(1, "a", 1), (2, "c", 2)]),
        build([("1", "a", 1), ("2", "b", 2)]),
        base.with_columns(weight=None),
        base.with_columns(timestamp=[1, 2]),
        build([(1, "a", 1), (2, "b", 2)], kinds=["x", "y"]),
        build([(1, "a", 1), (2, "b", 2)], kinds=["x", "z"]),
    ]
    prints = [base.fingerprint, *(other.fingerprint for other in others)]
    assert len(set(prints)) == len(prints)
    assert base.with_columns(name="other").fingerprint == base.fingerprint


def test_it_is_immutable_and_does_not_touch_its_input():
    users, weights = np.array([3, 1]), np.array([1.0, 2.0])
    data = Dataset.from_arrays(users, ["a", "b"], weights)
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.name = "x"
    data.with_columns(weight=[5, 6])
    assert users.tolist() == [3, 1]
    assert weights.tolist() == [1.0, 2.0]
    assert data.weight.tolist() == [1.0, 2.0]


def test_repr_and_length():
    data = Dataset.from_arrays([1, 1], ["a", "b"], [1, 2], [3, 4], ["x", "y"], name="shop")
    assert repr(data) == "Dataset('shop': 2 events, 1 users, 2 items, with weight, timestamp, kind)"
    assert repr(Dataset.from_arrays([1], [2])) == "Dataset('events': 1 events, 1 users, 1 items)"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"items": ["a"]}, "2 users, 1 items"),
        ({"weights": [1]}, r"weights of shape \(1,\)"),
        ({"weights": [1, "x"]}, "weights must be numbers"),
        ({"weights": [1, np.nan]}, "weight nan at event 1"),
        ({"weights": [np.inf, 1]}, "weight inf at event 0"),
        ({"weights": [1e300, 1]}, "too large for float32"),
        ({"times": [1]}, "times of shape"),
        ({"times": ["x", "y"]}, "whole numbers or datetimes"),
        ({"times": [1.0, np.nan]}, "finite numbers"),
        ({"times": [1.0, 1e20]}, "finite numbers"),
        ({"times": np.array(["2020-01-01", "NaT"], "datetime64[D]")}, "1 times are missing"),
        ({"times": [True, False]}, "got bool"),
        ({"times": np.array([object(), None])}, "whole numbers or datetimes"),
        ({"kinds": ["x"]}, "1 kinds"),
        ({"users": ["\ud800", 1]}, "half of a surrogate pair"),
        ({"item_features": {"f": np.zeros(3)}}, "3 entries for 2 ids"),
        ({"users": [1, True]}, "of type bool"),
        ({"users": [1, None]}, "NoneType"),
        ({"users": [1.0, 2.0]}, "of type float"),
        ({"users": np.array([1.0, 2.0])}, "float64"),
        ({"users": np.ones((2, 1), int)}, "one-dimensional"),
        ({"users": [1, 2**70]}, "64 bits"),
    ],
)
def test_bad_columns(columns, words):
    with pytest.raises(DataError, match=words):
        Dataset.from_arrays(**{"users": [1, 2], "items": ["a", "b"]} | columns)


def test_too_many_kinds():
    with pytest.raises(DataError, match="200 event kinds"):
        Dataset.from_arrays([1] * 200, [1] * 200, kinds=range(200))


def test_times_of_many_types():
    import datetime

    stamps = [datetime.datetime(1970, 1, 2), datetime.datetime(1970, 1, 1, 0, 0, 5)]
    for times in (stamps, np.array(stamps, "datetime64[us]"), [86_400, 5], [86_400.9, 5.0], np.array([86_400, 5], np.uint32)):
        assert Dataset.from_arrays([1, 2], [1, 2], times=times).timestamp.tolist() == [86_400, 5]


def test_features_are_aligned_by_id():
    index = IdIndex.from_ids(["b", "a", 7])
    columns = align_features({"text": {"a": "A", "z": "Z"}, "number": {7: 1.5}}, index)
    assert columns["text"].tolist() == ["", "A", ""]
    np.testing.assert_array_equal(columns["number"], [1.5, np.nan, np.nan])
    assert align_features({"rows": np.arange(3)}, index)["rows"].tolist() == [0, 1, 2]
    for wrong, message in (([1, 2, 3], "'f' is of type list"), (np.float64([1, 2]), "2 entries for 3 ids"), (np.array(1), "0 entries")):
        with pytest.raises(DataError, match=message):
            align_features({"f": wrong}, index)


def test_features_that_are_put_in_later_are_aligned_and_checked():
    data = build([(1, "b", 1), (2, "a", 1)])
    named = data.with_columns(item_features={"title": {"b": "B"}, "v": np.eye(2)}, user_features={"age": {2: 30.0, 9: 1.0}})
    assert named.item_features["title"].tolist() == ["", "B"]
    assert named.item_features["v"].tolist() == np.eye(2).tolist()
    assert named.user_features["age"].tolist()[1:] == [30.0]
    for side in ("user", "item"):
        with pytest.raises(DataError, match="feature 'v' has 3 entries for 2 ids"):
            data.with_columns(**{f"{side}_features": {"v": np.ones((3, 2))}})


def test_item_text():
    data = build([(1, "a", 1), (1, "b", 1)], item_features={"price": {"a": 2.0, "b": 3.0}, "name": {"a": "A"}})
    assert (data.item_text("a"), data.item_text("b"), data.item_text("a", "price")) == ("A", "b", "2.0")
    assert build([(1, "a", 1)]).item_text("a") == "a"
    with pytest.raises(UnknownIdError, match="unknown item 'z'"):
        data.item_text("z")

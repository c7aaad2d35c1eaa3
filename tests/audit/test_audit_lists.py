"""Lists in every form that systems write them."""

import json

import numpy as np
import pytest

import minirec as mr
from minirec.audit import read_lists
from minirec.errors import DataError

WANTED = {"u1": ["a", "b", "c"], "u2": ["b", "a"]}


def as_dict(table):
    return {
        user: table.items.ids(table.item[table.indptr[row] : table.indptr[row + 1]]) for row, user in enumerate(table.users)
    }  # fmt: skip


def test_rows_by_rank_whatever_their_order():
    rows = {"user_id": ["u2", "u1", "u1", "u2", "u1"], "item_id": ["a", "c", "a", "b", "b"], "rank": [2, 3, 1, 1, 2]}
    table = read_lists(rows)
    assert as_dict(table) == WANTED
    assert table.order == "rank"


def test_a_rank_goes_before_a_score():
    rows = {"user": ["u1", "u1"], "item": ["a", "b"], "rank": [2, 1], "score": [9.0, 1.0]}
    assert as_dict(read_lists(rows)) == {"u1": ["b", "a"]}
    assert as_dict(read_lists(rows, rank=False)) == {"u1": ["a", "b"]}


def test_rows_without_rank_and_score_stand_best_first():
    table = read_lists({"user": ["u1", "u2", "u1", "u2", "u1"], "item": ["a", "b", "b", "a", "c"]})
    assert as_dict(table) == WANTED
    assert table.order == "rows"


@pytest.mark.parametrize(
    "source",
    [
        WANTED,
        {"u1": [("a", 3.0), ("b", 2.0), ("c", 1.0)], "u2": [("b", 1.0), ("a", 0.5)]},
        {"u1": [{"Id": "c", "Score": 0.1}, {"Id": "a", "Score": 0.9}, {"Id": "b", "Score": 0.5}], "u2": ["b", "a"]},
        [{"user": "u1", "items": ["a", "b", "c"]}, {"user": "u2", "items": ["b", "a"]}],
    ],
    ids=["lists", "pairs", "gorse", "objects"],
)
def test_nested_lists(source, tmp_path):
    if isinstance(source, dict) and isinstance(source["u1"][0], dict):
        source = source | {"u2": [{"Id": "b", "Score": 2}, {"Id": "a", "Score": 1}]}
    assert as_dict(read_lists(source)) == WANTED
    path = tmp_path / "lists.json"
    path.write_text(json.dumps(source))
    assert as_dict(read_lists(path)) == WANTED
    if isinstance(source, list):
        lines = tmp_path / "lists.jsonl"
        lines.write_text("\n".join(json.dumps(entry) for entry in source))
        assert as_dict(read_lists(lines)) == WANTED


def test_flat_objects_of_gorse_and_numbers_as_keys(tmp_path):
    path = tmp_path / "lists.json"
    path.write_text(json.dumps([{"UserId": "7", "ItemId": "12", "Score": 0.5}, {"UserId": "7", "ItemId": "3", "Score": 0.9}]))
    assert as_dict(read_lists(path)) == {7: [3, 12]}
    path.write_text(json.dumps({"7": [3, 12]}))
    assert as_dict(read_lists(path)) == {7: [3, 12]}


def test_arrays_of_implicit_without_their_padding(tmp_path):
    users, lowest = np.array([5, 9]), -np.finfo(np.float32).max
    ids, scores = np.array([[3, 1, -1], [2, 4, 6]]), np.array([[0.9, 0.1, lowest], [3.0, 2.0, lowest]], np.float32)
    table = read_lists((users, ids, scores))
    assert as_dict(table) == {5: [3, 1], 9: [2, 4]}
    assert table.account.total() == 2
    np.savez(tmp_path / "lists.npz", users=users, ids=ids, scores=scores)
    assert as_dict(read_lists(tmp_path / "lists.npz")) == {5: [3, 1], 9: [2, 4]}


def test_a_frame_of_rectools_and_files_of_rows(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"user_id": [1, 1, 2], "item_id": [10, 11, 10], "score": [0.2, 0.1, 0.3], "rank": [1, 2, 1]})
    assert as_dict(read_lists(frame)) == {1: [10, 11], 2: [10]}
    frame.to_csv(tmp_path / "lists.csv", index=False)
    assert as_dict(read_lists(tmp_path / "lists.csv")) == {1: [10, 11], 2: [10]}
    mr.data.write_parquet(tmp_path / "lists.parquet", {name: frame[name].tolist() for name in frame})
    assert as_dict(read_lists(tmp_path / "lists.parquet")) == {1: [10, 11], 2: [10]}


def test_recommendations_of_a_model():
    events = mr.synthetic(50, 30, 400, seed=2)
    made = mr.Popularity().fit(events).recommend(k=5)
    assert as_dict(read_lists(made)) == {user: items for user, items, _ in made}


def test_repeats_are_counted_and_only_the_first_place_stays():
    table = read_lists({"user": ["u", "u", "u"], "item": ["a", "b", "a"], "rank": [1, 2, 3]})
    assert as_dict(table) == {"u": ["a", "b"]}
    assert table.repeats == 1
    assert "repeats" in str(table.account)


def test_of_several_lists_of_a_user_the_latest_stays():
    rows = {"user": [1, 1, 1, 1, 2], "item": [5, 6, 7, 8, 5], "rank": [1, 2, 1, 2, 1], "time": [10, 10, 20, 20, 10]}
    table = read_lists(rows)
    assert as_dict(table) == {1: [7, 8], 2: [5]}
    assert table.account.total() == 2
    assert table.time.tolist() == [20, 10]


def test_propensities_are_read_and_checked():
    rows = {"user": [1, 1], "item": [5, 6], "rank": [2, 1], "propensity": [0.5, 0.25]}
    assert read_lists(rows).propensity.tolist() == [0.25, 0.5]
    with pytest.raises(DataError, match="above 0 and at most 1"):
        read_lists(rows | {"propensity": [0.5, 0.0]})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"u": "abc"}, "a list of items is needed"),
        ({"u": [{"name": "x"}]}, "no id of an item"),
        ((np.array([1]), np.array([1, 2])), "shape"),
        ({"user": [1, 2], "item": [3, 4], "rank": [1.0, float("nan")]}, "have no rank"),
        ({}, "empty"),
    ],
)
def test_what_is_no_lists_is_refused_with_a_reason(source, message):
    with pytest.raises(DataError, match=message):
        read_lists(source)

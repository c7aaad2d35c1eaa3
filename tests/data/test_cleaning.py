"""Cleaning, against a plain loop, and the account of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_data import clean_rows, gini

from minirec.data.account import Account
from minirec.data.cleaning import DUPLICATES, clean
from minirec.data.dataset import Dataset
from minirec.data.summary import describe, describe_text
from minirec.errors import DataError, ParameterError

ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 4), st.integers(0, 5)), min_size=1, max_size=50)


@settings(max_examples=100, deadline=None)
@given(
    rows=ROWS,
    duplicates=st.sampled_from(DUPLICATES),
    bots=st.one_of(st.none(), st.integers(1, 12)),
    user_items=st.integers(1, 4),
    item_users=st.integers(1, 4),
)
def test_clean_agrees_with_a_plain_loop(rows, duplicates, bots, user_items, item_users):
    data = Dataset.from_arrays(*zip(*[(u, i, w, t) for u, i, w, t in rows], strict=True))
    expected = clean_rows([(*row, at) for at, row in enumerate(rows)], duplicates, bots, user_items, item_users)
    arguments = {"duplicates": duplicates, "max_user_events": bots, "min_user_items": user_items, "min_item_users": item_users}
    if not expected:
        with pytest.raises(DataError, match="leaves no events"):
            clean(data, **arguments)
        return
    cleaned, account = clean(data, **arguments)
    columns = (cleaned.users.ids(cleaned.user), cleaned.items.ids(cleaned.item), cleaned.weight.tolist(), cleaned.timestamp.tolist())
    assert sorted(zip(*columns, strict=True)) == expected
    assert account.events_in == len(rows)
    assert account.events_out == len(cleaned) == len(rows) - account.total("removed") - account.total("merged")
    assert np.bincount(cleaned.user, minlength=cleaned.n_users).all()
    assert clean(cleaned, **arguments | {"max_user_events": None})[0].fingerprint == cleaned.fingerprint


def test_without_weights_and_times_the_sum_counts_events():
    data = Dataset.from_arrays([1, 1, 2, 1], ["a", "b", "a", "a"])
    cleaned, account = clean(data)
    assert cleaned.items.ids(cleaned.item) == ["b", "a", "a"]  # the pair stands where its last event stood
    assert cleaned.weight.tolist() == [1.0, 1.0, 2.0]
    assert account.total("merged") == 1
    assert clean(data, duplicates="last")[0].weight is None
    assert clean(data, duplicates="keep")[0] is data


def test_kinds_and_weights():
    data = Dataset.from_arrays([1, 1, 2, 3], [1, 2, 1, 1], weights=[2, 1, 1, 9], kinds=["view", "buy", "view", "gift"])
    only, account = clean(data, kinds=["view", "buy"])
    assert len(only) == 3
    assert account.entries[0].reason == "kind other than buy, view"
    weighted, _ = clean(data, kind_weights={"view": 1, "buy": 10})
    assert weighted.weight.tolist() == [2.0, 10.0, 1.0]
    assert clean(data.with_columns(weight=None), kind_weights={"gift": 4})[0].weight.tolist() == [4.0]
    liked, account = clean(data, min_weight=2)
    assert liked.weight.tolist() == [2.0, 9.0]
    assert account.entries[0].reason == "weight below 2"


def test_bots_are_named():
    data = Dataset.from_arrays([7] * 5 + [8], list(range(6)))
    cleaned, account = clean(data, max_user_events=4)
    assert list(cleaned.users) == [8]
    assert account.entries[0].examples == ["user 7: 5 events"]


@pytest.mark.parametrize(
    "bad",
    [
        {"duplicates": "first"},
        {"max_user_events": 0},
        {"min_user_items": 0},
        {"min_item_users": -1},
        {"min_weight": 2},
        {"kinds": ["view"]},
        {"kind_weights": {"view": 1}},
    ],
)
def test_bad_arguments(bad):
    with pytest.raises(ParameterError):
        clean(Dataset.from_arrays([1], [1]), **bad)


def test_an_unknown_kind_is_an_error():
    with pytest.raises(ParameterError, match="unknown kind 'gift'"):
        clean(Dataset.from_arrays([1], [1], kinds=["view"]), kinds=["gift"])


def test_accounts_add_up_and_print():
    first, second = Account(events_in=10), Account(events_in=8)
    first.add("missing item id", 2, examples=["row 1", "row 2"])
    first.note("user: guessed")
    second.add("missing item id", 1, examples=["row 3", "row 4"])
    second.add("nothing", 0)
    second.add("repeated", 3, "merged")
    second.events_out = 4
    both = first.extend(second)
    assert both.to_dict() == {
        "events_in": 10,
        "events_out": 4,
        "entries": [
            {"action": "removed", "reason": "missing item id", "count": 3, "examples": ["row 1", "row 2", "row 3"]},
            {"action": "merged", "reason": "repeated", "count": 3, "examples": []},
        ],
        "notes": ["user: guessed"],
    }
    assert first.total() == 2  # the parts stay as they were
    assert "10 events in, 4 events out" in str(both)
    assert "note: user: guessed" in str(both)
    assert str(Account()) == "nothing to report"


@settings(max_examples=30, deadline=None)
@given(rows=ROWS)
def test_describe(rows):
    users, items, weights, times = zip(*rows, strict=True)
    data = Dataset.from_arrays(users, items, weights, times)
    facts = describe(data)
    pairs = set(zip(users, items, strict=True))
    counts = [len({u for u, i in pairs if i == item}) for item in set(items)]
    assert facts["pairs"] == len(pairs)
    assert facts["repeated"] == len(rows) - len(pairs)
    assert facts["density"] == pytest.approx(len(pairs) / (len(set(users)) * len(set(items))))
    assert facts["gini"] == pytest.approx(gini(counts))
    assert facts["item_users"]["max"] == max(counts)
    assert facts["single_items"] == counts.count(1)
    assert facts["time"] == {"min": min(times), "max": max(times)}
    assert facts["weight"]["median"] == np.median(weights)


def test_describe_in_words():
    data = Dataset.from_arrays(
        [1, 2], ["a", "b"], [1, 2], [1_500_000_000, 1_600_000_000], ["view", "buy"],
        user_features={"age": {1: 3, 2: 4}}, item_features={"name": {"a": "A"}},
    )  # fmt: skip
    text = describe_text(data)
    for words in ("2017-07-14 02:40 to 2020-09-13 12:26", "buy 1, view 1", "user text", "name", "Gini 0.000"):
        assert words in text
    nothing = describe(data.select(np.array([], int)).compact())
    assert (nothing["density"], nothing["gini"], nothing["user_items"]["median"]) == (0.0, 0.0, 0.0)
    assert "weight" not in nothing
    assert "time" not in describe_text(Dataset.from_arrays([1], [2]))

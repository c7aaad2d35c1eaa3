"""Tables and matrices out of a data set: what came in goes out with its types."""

import numpy as np
import pytest
from scipy.sparse import csr_array

import minirec as mr
from minirec.errors import DataError, ParameterError

COLUMNS = {"user": ["1", "2", "2"], "item": ["a", "b", "a"], "weight": [1.0, 2.0, 3.0]}


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_ids_have_the_type_in_which_they_came(library):
    pytest.importorskip({"arrow": "pyarrow"}.get(library, library))
    frame = mr.Dataset.from_arrays(*COLUMNS.values()).to_frame(library)
    data = mr.read(frame)
    assert list(data.users) == [1, 2]
    again = data.to_frame(library)
    names = list(getattr(again, "column_names", again.columns))
    assert names == ["user", "item", "weight"]
    for name, values in COLUMNS.items():
        column = again.column(name).to_pylist() if library == "arrow" else again[name].to_list()
        assert column == values
    listed = mr.Popularity().fit(frame).recommend(["1"], k=1).to_frame(library)
    user = listed.column("user").to_pylist() if library == "arrow" else listed["user"].to_list()
    assert user == ["1"]


def test_times_are_datetimes_and_numbers_stay():
    pandas = pytest.importorskip("pandas")
    times = np.array(["2009-12-01T00:00:00.900", "2009-12-01T00:00:00.100"], "datetime64[ms]")
    data = mr.Dataset.from_arrays([1, 2], [3, 4], times=times, kinds=["buy", "view"])
    frame = data.to_frame()
    assert frame["time"].to_list() == [pandas.Timestamp(time) for time in times]
    assert (frame["kind"].to_list(), frame["user"].to_list()) == (["buy", "view"], [1, 2])
    assert mr.read(frame).fingerprint == data.fingerprint
    assert mr.Dataset.from_arrays([1], [2], times=[5]).to_frame()["time"].to_list() == [5]
    with pytest.raises(ParameterError, match="library must be"):
        data.to_frame("excel")


def test_matrices():
    matrix = csr_array(np.array([[1.0, 0, 2], [0, 0, 0]], np.float32))
    data = mr.Dataset.from_scipy(matrix)
    assert (data.n_users, data.n_items, len(data)) == (2, 3, 2)
    np.testing.assert_array_equal(data.to_scipy().toarray(), matrix.toarray())
    named = mr.Dataset.from_scipy(matrix, users=["y", "x"], items=["c", "b", "a"])
    assert list(zip(named.users.ids(named.user), named.items.ids(named.item), named.weight.tolist(), strict=True)) == [
        ("y", "c", 1.0),
        ("y", "a", 2.0),
    ]
    with pytest.raises(DataError, match="2 different ids are needed"):
        mr.Dataset.from_scipy(matrix, users=["x"])
    with pytest.raises(DataError, match="takes a sparse matrix"):
        mr.Dataset.from_scipy(np.ones((2, 2)))


def test_an_update_is_read_by_the_types_of_the_first():
    model = mr.Popularity().fit(mr.Dataset.from_arrays([1, 2, 2], ["7", "7", "x"]))
    known = model.users_.as_known(mr.Dataset.from_arrays(["1", "9", "z"], [1, 2, 3]).users)
    assert known == [1, 9, "z"]
    assert model.items_.as_known(mr.Dataset.from_arrays([1, 2], [7, 8]).items) == ["7", "8"]


def test_the_event_at_the_last_fraction_of_a_second_is_held_out():
    data = mr.Dataset.from_arrays([1, 1, 1, 2], [10, 11, 12, 10], times=[1365029107.9, 1365029107.1, 1365029107.5, 1365029107.0])
    _, test = mr.split(data, "leave-last")
    assert test.items.ids(test.item) == [10]
    assert data.timestamp.tolist() == [1365029107] * 4
    twice = mr.Dataset.from_arrays([1, 1], [10, 10], weights=[5, 1], times=[1365029107.9, 1365029107.1])
    assert mr.clean(twice, duplicates="last")[0].weight.tolist() == [5.0]

"""Events in any form: the same data set, and every function that takes events takes them all."""

import numpy as np
import pytest
from scipy import sparse

import minirec as mr
from minirec.data.convert import as_dataset
from minirec.errors import DataError, ParameterError

ROWS = [(0, 1, 2.0), (0, 2, 1.0), (1, 0, 3.0), (1, 2, 1.0), (2, 1, 5.0), (2, 0, 1.0), (3, 2, 4.0), (3, 0, 1.0)]
USERS, ITEMS, WEIGHTS = (list(column) for column in zip(*ROWS, strict=True))


def forms():
    columns = {"user": USERS, "item": ITEMS, "rating": WEIGHTS}
    matrix = sparse.coo_array((WEIGHTS, (USERS, ITEMS)), shape=(4, 3))
    found = {
        "dictionary": columns,
        "rows": ROWS,
        "lists": [list(row) for row in ROWS],
        "generator": (row for row in ROWS),
        "csr_array": sparse.csr_array(matrix),
        "csr_matrix": sparse.csr_matrix(matrix),
        "coo": matrix,
        "csc": sparse.csc_array(matrix),
        "dok": sparse.dok_array(matrix),
        "lil": sparse.lil_array(matrix),
    }
    try:
        import pandas as pd

        found["pandas"] = pd.DataFrame(columns)
    except ImportError:
        pass
    try:
        import polars as pl

        found["polars"] = pl.DataFrame(columns)
    except ImportError:
        pass
    try:
        import pyarrow as pa

        found["arrow"] = pa.table(columns)
    except ImportError:
        pass
    return found


@pytest.mark.parametrize("form", forms())
def test_every_form_is_the_same_data_set(form):
    expected = mr.Dataset.from_arrays(USERS, ITEMS, weights=WEIGHTS)
    found = as_dataset(forms()[form])
    assert found.matrix.to_dense().tolist() == expected.matrix.to_dense().tolist()
    assert list(found.users) == list(expected.users)
    assert list(found.items) == list(expected.items)
    assert as_dataset(found) is found


def test_stored_zeros_are_no_events_and_rows_keep_their_numbers():
    matrix = sparse.csr_array((np.array([1.0, 0.0, 2.0]), np.array([1, 0, 1]), np.array([0, 1, 1, 3])), shape=(3, 2))
    data = as_dataset(matrix)
    assert list(zip(data.users.ids(data.user), data.items.ids(data.item), strict=True)) == [(0, 1), (2, 1)]


def test_rows_with_a_time_are_ordered_by_it():
    data = as_dataset([("u", "a", 1, 30), ("u", "b", 2, 10)])
    assert data.timestamp.tolist() == [30, 10]
    assert data.weight.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("events.csv", ParameterError, r"minirec.read\('events.csv'\)"),
        (3, ParameterError, "data takes a Dataset, a table"),
        ([], DataError, "data: the list of events is empty"),
        ([("u", "a"), ("u", "b", 1)], ParameterError, r"entry 1 is \('u', 'b', 1\)"),
        ([1, 2], ParameterError, "entry 0 is 1"),
        (np.ones((3, 3)), ParameterError, "data is an array of shape .3, 3., which could be triples or a matrix: pass Dataset"),
        ([("u", 1.5)], DataError, "item id 1.5"),
    ],
)
def test_what_holds_no_events_is_refused(given, error, words):
    with pytest.raises(error, match=words):
        as_dataset(given, "data")


def test_functions_take_any_form():
    matrix = sparse.random_array((80, 12), density=0.4, rng=np.random.default_rng(1), format="csr")
    rows = list(zip(*(column.tolist() for column in matrix.nonzero()), strict=True))
    model = mr.Popularity().fit(matrix)
    assert [entry.items for entry in model.recommend([0, 1], k=3)] == [
        entry.items for entry in mr.Popularity().fit(rows).recommend([0, 1], k=3)
    ]
    train, test = mr.split(rows, "random", test=0.3)
    assert len(mr.clean(rows)[0]) == len(rows)
    pairs = [list(zip(part.users.ids(part.user), part.items.ids(part.item), strict=True)) for part in (train, test)]
    model = mr.Popularity().fit(train)
    assert mr.evaluate(model, *pairs, k=3).to_dict() == mr.evaluate(model, train, test, k=3).to_dict()
    assert mr.tune(mr.Popularity, pairs[0], budget=1, metric="ndcg@3", test=pairs[1]).params == {"half_life": None}

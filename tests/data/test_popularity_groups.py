"""Head, middle and tail, against a plain loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.data.dataset import Dataset
from minirec.data.popularity import popularity_groups
from minirec.errors import ParameterError


def loop(popularity):
    order = sorted(range(len(popularity)), key=lambda row: (-popularity[row], row))
    mass, count, before, total = {}, {}, 0, sum(popularity)
    for place, row in enumerate(order):
        mass[row] = 0 if before < total / 5 else 2 if before >= total * 4 / 5 else 1
        count[row] = 0 if place < np.ceil(len(popularity) / 5) else 2
        before += popularity[row]
    return [mass[r] for r in range(len(popularity))], [count[r] for r in range(len(popularity))]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 15)), min_size=1, max_size=80))
def test_groups_agree_with_a_plain_loop(pairs):
    data = Dataset.from_arrays([u for u, _ in pairs], [i for _, i in pairs])
    groups = popularity_groups(data)
    popularity = [len({u for u, i in pairs if i == item}) for item in data.items]
    assert groups.popularity.tolist() == popularity
    mass, count = loop(popularity)
    assert groups.mass.tolist() == mass
    assert groups.count.tolist() == count
    assert groups.mass.dtype == groups.count.dtype == np.int8


def test_describe_adds_up_and_leaves_empty_groups_out():
    groups = popularity_groups(Dataset.from_arrays(list(range(10)) * 2, [0] * 10 + list(range(1, 11))))
    table = groups.describe()
    assert sum(row["items"] for row in table["mass"].values()) == 11
    assert sum(row["interaction_share"] for row in table["count"].values()) == pytest.approx(1)
    assert "middle" not in table["count"]
    assert "by interaction mass" in str(groups)
    assert "head" in str(groups)


def test_masks_and_names():
    groups = popularity_groups(Dataset.from_arrays([1, 2, 3, 1], ["a", "a", "b", "c"]))
    assert groups.mask("head").tolist() == [True, False, False]
    assert groups.mask("tail", "count").tolist() == [False, True, True]
    with pytest.raises(ParameterError, match="group must be"):
        groups.mask("torso")
    with pytest.raises(ParameterError, match="definition must be"):
        groups.of("weight")

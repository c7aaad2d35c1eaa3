"""External ids and rows: a bijection, in canonical order, that a dictionary agrees with."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.data.ids import IdIndex, checked_id, factorize, places
from minirec.errors import DataError, UnknownIdError

TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
INT64 = st.integers(-(2**63), 2**63 - 1)
MIXED = st.lists(st.one_of(INT64, st.integers(-3, 3), TEXT), max_size=100)


def canonical(values):
    numbers = sorted({v for v in values if isinstance(v, int)})
    return [*numbers, *sorted({v for v in values if isinstance(v, str)}, key=lambda v: v.encode())]


@settings(max_examples=100, deadline=None)
@given(values=MIXED, unknown=st.one_of(INT64, TEXT))
def test_index_agrees_with_a_dictionary(values, unknown):
    index, rows = factorize(values)
    order = canonical(values)
    assert list(index) == order
    assert len(index) == len(order)
    assert rows.tolist() == [order.index(value) for value in values]
    assert index.ids(rows) == values
    assert index.rows(values).tolist() == rows.tolist()
    assert [index.row(value) for value in values] == rows.tolist()
    assert (unknown in index) == (unknown in order)
    assert index.rows([*values, unknown]).tolist()[-1] == (order.index(unknown) if unknown in order else -1)
    assert index == IdIndex.from_ids(reversed(values))
    assert [index[row] for row in range(len(index))] == order


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.one_of(INT64, st.integers(0, 20)), max_size=60), dtype=st.sampled_from([np.int64, np.uint8, np.int16]))
def test_integer_arrays_agree_with_lists(values, dtype):
    limits = np.iinfo(dtype)
    values = [value for value in values if limits.min <= value <= limits.max]
    index, rows = factorize(np.array(values, dtype))
    again, same = factorize(values)
    assert index == again
    assert rows.tolist() == same.tolist()
    assert index.rows(np.array(values, dtype)).tolist() == rows.tolist()
    assert (index.rows(np.array([99_999_999])) == -1).all() or 99_999_999 in values


@settings(max_examples=50, deadline=None)
@given(values=MIXED, seed=st.integers(0, 9))
def test_subset(values, seed):
    index = IdIndex.from_ids(values)
    keep = np.random.default_rng(seed).random(len(index)) < 0.5
    smaller, renumbered = index.subset(keep)
    assert list(smaller) == [value for value, wanted in zip(index, keep, strict=True) if wanted]
    for row, value in enumerate(index):
        assert renumbered[row] == (smaller.row(value) if keep[row] else -1)


def test_from_range_and_bounds():
    index = IdIndex.from_range(3)
    assert list(index) == [0, 1, 2]
    assert repr(index) == "IdIndex(3 integers, 0 strings)"
    for row in (-1, 3):
        with pytest.raises(IndexError, match="outside"):
            index[row]
    assert index != "something else"
    with pytest.raises(TypeError):
        hash(index)


@pytest.mark.parametrize("value", [True, 1.5, None, b"a", (1,), np.float64(1), np.bool_(True)])
def test_what_is_no_id(value):
    with pytest.raises(DataError, match="ids are whole numbers or strings"):
        checked_id(value)
    with pytest.raises(DataError):
        factorize([1, value])
    with pytest.raises(DataError):
        IdIndex.from_range(2).rows([value])


def test_integers_beyond_64_bits():
    assert checked_id(np.int8(3)) == 3
    with pytest.raises(DataError, match="pass it as a string"):
        checked_id(2**63)
    with pytest.raises(DataError, match="64 bits"):
        factorize(np.array([2**64 - 1], np.uint64))
    assert factorize(np.array([2**63 - 1], np.uint64))[0].row(2**63 - 1) == 0


def test_a_whole_number_is_found_in_either_spelling():
    index = IdIndex.from_ids([42, 2**63 - 1, "7", "x"])
    assert [index.row("42"), index.row(7), index.row(str(2**63 - 1))] == [index.row(42), index.row("7"), 1]
    assert index.rows(np.array([42, 7, 8])).tolist() == index.rows(["42", "7", "8"]).tolist() == [0, 2, -1]
    assert index.rows([7] * 100).tolist() == index.rows(["7"] * 100).tolist() == [2] * 100
    assert [known in index for known in ("42", 7, "042", "42.0", str(2**63))] == [True, True, False, False, False]
    both = IdIndex.from_ids([7, "7"])  # where both are known, each is itself
    assert (both.row(7), both.row("7")) == (0, 1)
    for odd in ("--5", "-", "", "5" * 5000, "٣", "\ud800", "y", "-0"):
        with pytest.raises(UnknownIdError, match="unknown user"):
            index.row(odd, "user")


def test_many_strings_are_looked_up_in_a_dictionary():
    names = [f"item {n}" for n in range(200)]
    index = IdIndex.from_ids(names)
    assert index.rows([*names, "no"]).tolist() == [*index.rows(np.array(names)).tolist(), -1]
    assert index.row("item 3") == sorted(names).index("item 3")


@settings(max_examples=40, deadline=None)
@given(st.sets(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)), st.booleans())
def test_an_index_from_bytes_is_the_index_of_the_strings(strings, long):
    strings = list(strings | ({"x" * 2_000_000, "y"} if long else set()))  # distinct, as from_bytes wants them
    encoded = [text.encode() for text in strings]
    offsets = np.cumsum([0, *map(len, encoded)])
    index, rows = IdIndex.from_bytes(np.frombuffer(b"".join(encoded), np.uint8), offsets)
    assert index == IdIndex.from_ids(strings)
    assert index.ids(rows) == strings


def test_places_of_hashes():
    rng = np.random.default_rng(0)
    for n in (1, 2, 1000):
        hashes = np.unique(rng.integers(0, 2**64, n, np.uint64))
        crowded = np.unique(np.append(hashes, np.arange(50, dtype=np.uint64) + hashes[0] // np.uint64(2)))
        for known in (hashes, crowded):
            wanted = rng.integers(0, len(known), 5000)
            assert (places(known, known[wanted]) == wanted).all()

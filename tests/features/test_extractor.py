"""The contract of extractors: missing things, fields, the cache."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.data import Dataset
from minirec.errors import DataError, DataWarning, ModelFitError, ParameterError
from minirec.features.base import Extractor, TextExtractor, add_content, digest_of, is_missing, joined, normalized, present
from minirec.features.cache import cached


class Letters(TextExtractor):
    """Counts of letters a to d; remembers what it was asked for, and may break down."""

    def __init__(self, weights=None, normalize=False):
        self.weights, self.normalize, self.calls, self.breaks_at = weights, normalize, [], None

    def encode(self, things):
        if self.breaks_at is not None and len(self.calls) >= self.breaks_at:
            raise KeyboardInterrupt
        self.calls.append(list(things))
        return np.array([[text.count(letter) for letter in "abcd"] for text in things], np.float32)

    dimension = 4
    fingerprint = digest_of("letters")


class Whole(Letters):
    """The same of all fields together, without their weights."""

    joint = True

    def encode(self, things):
        return super().encode([thing if isinstance(thing, str) else "".join(text for _, text in thing) for thing in things])


def test_missing_things_have_rows_of_zeros():
    pandas = pytest.importorskip("pandas")
    things = ["ab", None, "", "  \n", float("nan"), np.nan, np.float32("nan"), pandas.NA, pandas.NaT, "d"]
    vectors = Letters().transform(things)
    assert vectors.dtype == np.float32
    assert present(vectors).tolist() == [True] + [False] * 8 + [True]
    assert vectors[0].tolist() == [1, 1, 0, 0]
    assert Letters().transform([]).shape == (0, 4)
    assert Letters().transform([None, ""]).shape == (2, 4)
    assert not is_missing(0)
    assert not is_missing(np.zeros(3))


def test_numbers_are_written_out_and_other_things_refused():
    letters = Letters()
    letters.transform([12, np.int64(3), 4.5, np.str_("a"), "x\ud800y", "\ud83d\ude00"])
    assert letters.calls == [["12", "3", "4.5", "a", "x\ufffdy", "\U0001f600"]]
    with pytest.raises(DataError, match="thing 1: a text is needed, got bytes"):
        letters.transform(["a", b"b"])
    with pytest.raises(DataError, match="thing 0 of field 'brand'"):
        letters.transform({"brand": [["a"]]})
    with pytest.raises(DataError, match="put it into a list"):
        letters.transform("abc")


def test_every_distinct_thing_is_encoded_once():
    letters = Letters()
    vectors = letters.transform(["a", "b", None, "a", "a"])
    assert letters.calls == [["a", "b"]]
    assert vectors[:, 0].tolist() == [1, 0, 0, 1, 1]


def test_fields_are_averaged_over_those_that_are_there():
    fields = {"title": ["a", "a", None, "a"], "brand": ["b", None, "b", "b"], "tags": ["c", "c", None, ""]}
    vectors = Letters({"title": 3, "tags": 0}).transform(fields)
    np.testing.assert_allclose(vectors, [[0.75, 0.25, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0.75, 0.25, 0, 0]])
    np.testing.assert_allclose(np.linalg.norm(Letters(normalize=True).transform(fields), axis=1), 1, rtol=1e-6)
    assert present(Letters().transform({"title": ["a", None], "brand": ["", None]})).tolist() == [True, False]
    whole = Whole({"tags": 0})
    assert whole.transform(fields).tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]]
    assert whole.calls == [["ab", "a", "b"]]


@pytest.mark.parametrize(
    ("weights", "fields", "message"),
    [
        ({"name": 1}, {"title": ["a"]}, r"not there: \['name'\]"),
        ({"title": -1}, {"title": ["a"]}, "at least 0"),
        ({"title": float("nan")}, {"title": ["a"]}, "at least 0"),
        ({"title": 0}, {"title": ["a"]}, "one above it"),
        (None, {"title": ["a"], "brand": []}, "equal length"),
        (None, {}, "equal length"),
    ],
)
def test_bad_fields(weights, fields, message):
    with pytest.raises((ParameterError, DataError), match=message):
        Letters(weights).transform(fields)


def test_what_an_extractor_returns_is_checked():
    class Broken(Letters):
        def encode(self, things):
            return self.answer

    broken = Broken()
    broken.answer = np.zeros((1, 3), np.float32)
    with pytest.raises(ModelFitError, match="shape"):
        broken.transform(["a"])
    broken.answer = np.full((1, 4), np.inf, np.float32)
    with pytest.raises(ModelFitError, match="not finite, that of 'a'"):
        broken.transform(["a"])


def test_helpers():
    rows = np.array([[3, 4], [0, 0], [1e-30, 0]], np.float32)
    np.testing.assert_allclose(normalized(rows), [[0.6, 0.8], [0, 0], [1, 0]])
    assert joined({"a": ["x", None, " "], "b": np.array(["y", "z", np.nan], object)}, " | ") == ["x | y", "z", None]
    assert joined({"a": ["x", "\ud800"], "b": [1.5, np.int64(2)]}, ", ") == ["x, 1.5", "\ufffd, 2"]
    for wrong, kind in ((b"y", "bytes"), (np.ones(3), "ndarray")):
        with pytest.raises(DataError, match=f"thing 1 of field 'b': a text is needed, got {kind}"):
            joined({"a": ["x", "x"], "b": ["y", wrong]})


def test_digests_tell_apart(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    parts = ["abc", b"abc", 1, 1.5, None, [1, 2], [[1], 2], {"a": 1}, np.zeros(3), np.zeros(3, np.float32), np.zeros((3, 1))]
    assert len({digest_of(part) for part in parts}) == len(parts)
    assert digest_of(tmp_path / "a") == digest_of(b"abc")
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": np.int64(1)})
    assert digest_of("ab", "c") != digest_of("a", "bc")


def test_the_cache_encodes_nothing_twice(tmp_path):
    plain = Letters()
    things = [f"{'abcd'[n % 4] * (1 + n % 7)}{n % 50}" for n in range(200)] + [None]
    expected = Letters().transform(things)
    first = cached(plain, tmp_path, chunk=16)
    np.testing.assert_array_equal(first.transform(things), expected)
    assert [len(call) for call in plain.calls] == [16] * (len(set(things)) // 16) + [(len(set(things)) - 1) % 16]
    again = Letters()
    np.testing.assert_array_equal(cached(again, tmp_path).transform(things[::-1]), expected[::-1])
    assert not again.calls
    np.testing.assert_array_equal(cached(again, tmp_path).transform(["a", *things]), np.vstack([Letters().transform(["a"]), expected]))
    assert again.calls == [["a"]]
    assert not list(tmp_path.rglob("*.part"))


def test_the_cache_counts_and_keeps_no_rows_of_zeros(tmp_path):
    for things, made, read in ((["x", "a"], 2, 0), (["x", "a", "b", "c", "b"], 3, 1), (["x"], 1, 0), (["c", "b", "a"], 0, 3)):
        letters = Letters()
        found = cached(letters, tmp_path, chunk=8)
        np.testing.assert_array_equal(found.transform(things), Letters().transform(things))
        assert (found.encoded_, found.read_) == (made, read)
        assert len(letters.calls) == bool(made)


def test_interrupted_work_goes_on_after_the_last_whole_chunk(tmp_path):
    things = [f"a{n}" for n in range(100)]
    broken = Letters()
    broken.breaks_at = 3
    with pytest.raises(KeyboardInterrupt):
        cached(broken, tmp_path, chunk=10).transform(things)
    rest = Letters()
    np.testing.assert_array_equal(cached(rest, tmp_path, chunk=10).transform(things), Letters().transform(things))
    assert broken.calls + rest.calls == [things[n : n + 10] for n in range(0, 100, 10)]


def test_another_extractor_has_another_cache(tmp_path):
    other = Letters()
    other.fingerprint = digest_of("others")
    cached(Letters(), tmp_path).transform(["a"])
    cached(other, tmp_path).transform(["a"])
    assert other.calls
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"nonsense", None, "shape"])
def test_a_damaged_chunk_is_made_again(tmp_path, damage):
    things = [f"a{n}" for n in range(20)]
    expected = cached(Letters(), tmp_path, chunk=10).transform(things)
    file = sorted(tmp_path.rglob("*.npz"))[0]
    if damage == "shape":
        np.savez(file, keys=np.zeros((2, 16), np.uint8), vectors=np.zeros((2, 5), np.float32))
    else:
        file.write_bytes(file.read_bytes()[:-40] if damage is None else damage)
    again = Letters()
    with pytest.warns(DataWarning, match="made again"):
        np.testing.assert_array_equal(cached(again, tmp_path, chunk=10).transform(things), expected)
    assert len(again.calls) == 1
    assert cached(Letters(), tmp_path).transform(things).tolist() == expected.tolist()


def test_fields_through_the_cache(tmp_path):
    fields = {"title": ["ab", "ab", None], "brand": ["c", "c", "d"]}
    plain = Letters({"title": 2})
    for _ in range(2):
        np.testing.assert_array_equal(cached(plain, tmp_path).transform(fields), Letters({"title": 2}).transform(fields))
    assert plain.calls == [["ab"], ["c", "d"]]
    whole = Whole()
    whole.fingerprint = digest_of("whole")
    for _ in range(2):
        np.testing.assert_array_equal(cached(whole, tmp_path).transform(fields), Whole().transform(fields))
    assert whole.calls == [["abc", "d"]]
    with pytest.raises(ParameterError, match="chunk"):
        cached(plain, tmp_path, chunk=0)


def test_files_are_known_by_their_bytes(tmp_path):
    class Size(Extractor):
        calls = 0
        normalize = False
        dimension = 1
        fingerprint = digest_of("size")

        def encode(self, things):
            Size.calls += len(things)
            return np.array([[path.stat().st_size] for path in things], np.float32)

    for name, text in (("a", "one"), ("b", "one"), ("c", "three")):
        (tmp_path / name).write_text(text)
    size = cached(Size(), tmp_path / "cache")
    paths = [tmp_path / name for name in "abc"]
    assert size.transform(paths)[:, 0].tolist() == [3, 3, 5]
    assert Size.calls == 2
    paths[0].write_text("twelve chars")
    assert size.transform(paths)[:, 0].tolist() == [12, 3, 5]
    assert Size.calls == 3


@given(st.lists(st.one_of(st.none(), st.text(st.characters(), max_size=5)), max_size=30))
@settings(max_examples=50, deadline=None)
def test_any_texts_through_the_cache(tmp_path_factory, things):
    folder = tmp_path_factory.mktemp("cache")

    class Hashed(Letters):
        normalize = True

        def encode(self, things):
            return np.array([np.frombuffer(hashlib.sha256(text.encode()).digest()[:4], np.uint8) for text in things], np.float32)

    expected = Hashed().transform(things)
    half = len(things) // 2
    cached(Hashed(), folder, chunk=3).transform(things[:half])
    np.testing.assert_array_equal(cached(Hashed(), folder, chunk=2).transform(things), expected)


def events():
    data = Dataset.from_arrays([1, 1, 2], ["x", "y", "z"], item_features={"title": {"x": "a", "y": "b"}, "category": {"x": "c", "z": "d"}})
    return data.with_columns(item_features={**data.item_features, "price": np.arange(3.0)})


def test_content_of_a_data_set():
    data = events()
    both = add_content(data, Letters())
    assert both.item_features["text"].tolist() == [[0.5, 0, 0.5, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    assert "text" not in data.item_features
    assert add_content(both, Letters(), "title").item_features["text"].tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    letters = Letters()
    add_content(data, letters, join=" in ", name="joined")
    assert letters.calls == [["a in c", "b", "d"]]
    assert both.select(np.array([0])).compact().item_features["text"].tolist() == [[0.5, 0, 0.5, 0]]


def test_content_is_fitted_once():
    class Learning(Letters):
        fits = 0
        fitted = property(lambda self: self.fits > 0)

        def fit(self, things):
            self.fits += 1
            return self

    learning = Learning()
    add_content(add_content(events(), learning), learning)
    assert learning.fits == 1
    cached_one = cached(Learning(), "unused")
    assert not cached_one.fitted
    assert cached_one.fit(["a"]).fitted


def test_content_that_is_not_there():
    with pytest.raises(DataError, match=r"\['title', 'brand'\] are asked for; 'events' has \['category', 'price', 'title'\]"):
        add_content(events(), Letters(), ["title", "brand"])
    with pytest.raises(ParameterError, match="choose another name"):
        add_content(events(), Letters(), name="price")
    with pytest.raises(ParameterError, match=r"weights of fields .'title': 2. cannot count"):
        add_content(events(), Letters({"title": 2}), join=", ")
    nothing = events().with_columns(item_features={"title": np.array(["", None, "x"], object)})
    with pytest.raises(DataError, match="no item of 'events' has content"):
        add_content(nothing, Letters(), "title")

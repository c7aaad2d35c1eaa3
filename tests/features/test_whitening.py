"""Whitening gives the covariance that it promises; fused vectors have the cosines that they promise."""

import numpy as np
import pytest

import minirec
from minirec.errors import DataError, NotFittedError, ParameterError
from minirec.features.base import add_content, present
from minirec.features.fuse import Fuse
from minirec.features.tfidf_lsa import TfidfLSA
from minirec.features.whitening import Whitening, whiten


def sample(n=500, d=6, seed=0, missing=40):
    rng = np.random.default_rng(seed)
    vectors = (rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) * 0.3 + rng.standard_normal(d)).astype(np.float32)
    vectors[rng.permutation(n)[:missing]] = 0
    return vectors


@pytest.mark.parametrize("method", ["pca", "zca"])
def test_the_covariance_is_the_identity_over_the_rows_that_are_there(method):
    vectors = sample()
    white = whiten(vectors, ridge=0, method=method)
    assert white.dtype == np.float32
    np.testing.assert_array_equal(present(white), present(vectors))
    rows = white[present(vectors)]
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.cov(rows.T), np.eye(6), atol=1e-4)


def test_the_covariance_with_a_ridge():
    vectors = sample()
    whitening = Whitening.of(vectors, ridge=0.1)
    s = whitening.variances
    np.testing.assert_allclose(s, np.linalg.eigvalsh(np.cov(vectors[present(vectors)].T))[::-1], rtol=1e-4)
    np.testing.assert_allclose(np.cov(whitening(vectors)[present(vectors)].T), np.diag(s / (s + 0.1 * s.mean())), atol=1e-4)


def test_zca_is_the_nearest_whitening():
    """Its map is symmetric: the cross-covariance with what went in is symmetric and positive definite."""
    vectors = sample()
    rows = present(vectors)
    cross = np.cov(vectors[rows].T, whiten(vectors, ridge=0, method="zca")[rows].T)[:6, 6:]
    np.testing.assert_allclose(cross, cross.T, atol=1e-4)
    assert np.linalg.eigvalsh(cross).min() > 0


def test_fewer_dimensions_are_the_first_ones():
    vectors = sample()
    np.testing.assert_allclose(whiten(vectors, 3), whiten(vectors)[:, :3], atol=1e-5)
    low = vectors[:, :2] @ np.random.default_rng(1).standard_normal((2, 5)).astype(np.float32)
    assert whiten(low, ridge=0).shape == (500, 2)
    assert whiten(low).shape == (500, 5)
    assert np.abs(whiten(low)[:, 2:]).max() < 1e-2  # the ridge keeps rounding errors down


def test_new_vectors_go_through_the_same_map():
    vectors = sample()
    whitening = Whitening.of(vectors)
    np.testing.assert_allclose(whitening(vectors[:7]), whiten(vectors)[:7], atol=1e-6)
    with pytest.raises(DataError, match=r"\(n, 6\)"):
        whitening(vectors[:, :5])


def test_same_bytes_for_any_number_of_threads():
    vectors = sample(5000, 40)
    with minirec.options(threads=1):
        one = whiten(vectors)
    with minirec.options(threads=2):
        assert whiten(vectors).tobytes() == one.tobytes()


@pytest.mark.parametrize(
    ("vectors", "named", "message"),
    [
        (sample(), {"dimensions": 7}, "from 1 to 6"),
        (sample(), {"dimensions": 0}, "from 1 to 6"),
        (sample(), {"method": "svd"}, "pca, zca"),
        (sample(), {"ridge": -1}, "ridge"),
        (sample(), {"ridge": float("nan")}, "ridge"),
        (sample(), {"method": "zca", "dimensions": 2}, "zca keeps all"),
        (np.zeros((9, 3)), {}, "got 0"),
        (np.ones((9, 3)), {}, "all equal"),
        (np.ones(9), {}, "shape"),
        (np.full((3, 2), np.nan), {}, "finite"),
    ],
)
def test_what_cannot_be_whitened(vectors, named, message):
    with pytest.raises((ParameterError, DataError), match=message):
        whiten(vectors, **named)


def modalities():
    text, image = sample(seed=1), sample(300, 9, seed=2, missing=0)
    image = np.vstack([image, np.zeros((200, 9), np.float32)])
    return {"text": text, "image": image}


@pytest.mark.parametrize("whitening", ["pca", "zca", None])
def test_cosines_are_means_by_the_weights(whitening):
    things = modalities()
    fused = Fuse(weights={"text": 3}, whitening=whitening).fit_transform(things)

    def unit(rows):
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)

    single = {name: unit(whiten(rows, method=whitening) if whitening else rows) for name, rows in things.items()}
    there = {name: present(rows) for name, rows in things.items()}
    both, text, none = there["text"] & there["image"], there["text"] & ~there["image"], ~there["text"] & ~there["image"]
    cosines = {name: rows @ rows.T for name, rows in single.items()}
    expected = (3 * cosines["text"] + cosines["image"]) / 4
    np.testing.assert_allclose((fused @ fused.T)[np.ix_(both, both)], expected[np.ix_(both, both)], atol=1e-5)
    np.testing.assert_allclose((fused @ fused.T)[np.ix_(text, text)], cosines["text"][np.ix_(text, text)], atol=1e-5)
    assert none.any()
    assert not fused[none].any()


def test_a_modality_of_weight_0_is_left_out():
    things = modalities()
    alone = Fuse(weights={"image": 0}).fit_transform(things)
    np.testing.assert_array_equal(alone, Fuse().fit_transform({"text": things["text"]}))
    assert Fuse(dimensions=4).fit_transform(things).shape == (500, 8)
    assert Fuse(dimensions=7).fit_transform(things).shape == (500, 6 + 7)
    fuse = Fuse().fit(things)
    np.testing.assert_allclose(fuse.transform({name: rows[:9] for name, rows in things.items()}), fuse.transform(things)[:9], atol=1e-6)


def test_extractors_and_a_data_set():
    titles = np.array(["red chair", "blue chair", "red table", "blue table", "", "red bench"], object)
    image = sample(6, 3, missing=0)
    fuse = Fuse(extractors={"title": TfidfLSA(components=3, min_things=1)})
    fused = fuse.fit_transform({"title": titles, "image": image})
    data = minirec.Dataset.from_arrays([1] * 6, list(range(6))).with_columns(item_features={"title": titles, "image": image})
    np.testing.assert_array_equal(add_content(data, fuse, ["title", "image"], name="fused").item_features["fused"], fused)
    assert fuse.transform({"title": ["red sofa"], "image": np.zeros((1, 3))}).any()
    things = {"title": titles, "image": image}
    np.testing.assert_array_equal(Fuse(extractors=fuse.extractors).fit(things).transform(things), fused)


def test_weights_are_chosen_by_a_score():
    things = {**modalities(), "noise": sample(seed=3, missing=0)}
    wanted = Fuse(weights={"text": 2, "image": 0.5, "noise": 0}, whitening=None).fit_transform(things)

    def score(vectors):
        return -float(np.abs(vectors @ vectors.T - wanted @ wanted.T).mean())

    fuse = Fuse(whitening=None).choose(things, score)
    assert fuse.weights["noise"] == 0
    assert fuse.weights["text"] / fuse.weights["image"] == 4
    assert fuse.trials_[0][0] == {"text": 1, "image": 1, "noise": 1}
    assert score(fuse.transform(things)) == max(value for _, value in fuse.trials_)
    assert Fuse().choose(things, lambda vectors: 0.0).weights == {"text": 1, "image": 1, "noise": 1}


@pytest.mark.parametrize(
    ("named", "things", "message"),
    [
        ({"whitening": "svd"}, {"a": sample()}, "pca, zca or None"),
        ({"weights": {"a": -1}}, {"a": sample()}, "at least 0"),
        ({"weights": {"b": 1}}, {"a": sample()}, "weights of modalities that are not there"),
        ({"weights": {"a": 0}}, {"a": sample()}, "all modalities have weight 0"),
        ({"extractors": {"b": TfidfLSA()}}, {"a": sample()}, "extractors of modalities that are not there"),
        ({}, {}, "mapping"),
        ({}, sample(), "mapping"),
        ({}, {"a": ["x", "y"]}, "or an extractor"),
        ({}, {"a": sample(), "b": sample(9, missing=0)}, "differ in length"),
        ({}, {"a": np.zeros((4, 2))}, "modality 'a'"),
    ],
)
def test_what_cannot_be_fused(named, things, message):
    with pytest.raises((ParameterError, DataError), match=message):
        Fuse(**named).fit_transform(things)


def test_before_and_after_fitting():
    with pytest.raises(NotFittedError):
        Fuse().transform({"a": sample()})
    with pytest.raises(DataError, match=r"\['a'\], got \['b'\]"):
        Fuse().fit({"a": sample()}).transform({"b": sample()})
    with pytest.raises(ParameterError, match="factors"):
        Fuse().choose({"a": sample()}, len, factors=[-1])

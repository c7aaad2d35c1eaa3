"""What the models of content share, and neighbourhoods by content against loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.data.dataset import Dataset
from minirec.errors import DataError, NotSupportedError, ParameterError
from minirec.models import ContentKNN, load_model
from minirec.models.forms.content import unit_rows
from minirec.testing.sets import shop, with_content, without_items

SEEDS = st.integers(0, 10_000)


def events(rng, users, items, width):
    """Random events in which every item occurs, with content of small whole numbers, so that cosines tie, and some without."""
    x = rng.random((users, items)) < 0.3
    x[rng.integers(0, users, items), np.arange(items)] = True
    content = rng.integers(-1, 3, (items, width)).astype(float) * (rng.random((items, 1)) < 0.9)
    return Dataset.from_arrays(*np.nonzero(x), item_features={"v": content}), content


def cosine(a, b):
    return a @ b / np.sqrt((a @ a) * (b @ b)) if a.any() and b.any() else 0.0


def prepared(content, trained, centred):
    there = content[trained].any(axis=1)
    mean = content[trained][there].mean(axis=0) if centred and there.any() else 0
    return np.where(content.any(axis=1)[:, None], content - mean, 0)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.booleans(), st.integers(1, 5))
def test_knn_against_loops(seed, centred, k):
    rng = np.random.default_rng(seed)
    data, content = events(rng, 6, 9, 3)
    model = ContentKNN(neighbors=k, centred=centred).fit(data)
    x = prepared(content, slice(None), centred)
    near = np.array([[cosine(a, b) if i != j else -1 for j, b in enumerate(x)] for i, a in enumerate(x)])
    weights = model.weights_.to_dense()
    for item in range(9):
        kept = weights[:, item] > 1e-7  # the cosine of a right angle may be rounded to more than 0
        assert kept.sum() == min(k, (near[item] > 1e-7).sum())
        assert np.allclose(weights[kept, item], near[item][kept], atol=1e-6)
        if kept.sum() == k:
            assert near[item][~kept].max() <= near[item][kept].min() + 1e-6


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.booleans(), st.integers(1, 5), st.integers(1, 4))
def test_knn_with_new_items_against_loops(seed, centred, k, new):
    rng = np.random.default_rng(seed)
    data, content = events(rng, 6, 8, 4)
    ids = (np.arange(new) * 3 - 2).tolist()  # some are below, between and above the known ones
    ids = [one if one not in data.items else one + 100 for one in ids]
    added = rng.standard_normal((new, 4))
    model = ContentKNN(neighbors=k, centred=centred).fit(data)
    before = model.weights_.to_dense()
    old = list(model.items_)
    model.add_items(ids, added)
    rows, places = model.items_.rows(old), model.items_.rows(ids)
    after = model.weights_.to_dense()
    assert np.array_equal(after[np.ix_(rows, rows)], before)
    x = prepared(np.concatenate((content, added)), slice(0, 8), centred)
    near = np.array([[cosine(a, b) if i != j else -1 for j, b in enumerate(x)] for i, a in enumerate(x)])
    for at, place in enumerate(places):
        column = after[rows, place]
        best = np.sort(near[8 + at, :8])[::-1][:k]
        assert np.allclose(np.sort(column)[::-1][: len(best)], np.maximum(best, 0), atol=1e-6)
        for other, target in enumerate([*rows, *places]):
            own = np.sort(after[rows, target])[::-1][:k]
            least = own[k - 1] if (own > 0).sum() == k else 0
            s = near[8 + at, other]
            if target != place and abs(s - least) > 1e-6:
                assert after[place, target] == pytest.approx(s if s > least else 0, abs=1e-6)


def test_columns_are_chosen_by_name():
    data = with_content(shop())
    both, text = ContentKNN().fit(data), ContentKNN(features="text").fit(data)
    assert both.item_content_.shape[1] == 9
    assert np.array_equal(both.item_content_[:, :6], data.item_features["text"])
    assert np.array_equal(text.item_content_, data.item_features["text"])
    assert np.array_equal(ContentKNN(features=("picture", "text")).fit(data).item_content_[:, :3], data.item_features["picture"])
    assert both.provenance_["content"] == {"item_columns": [["text", 6], ["picture", 3]]}
    for bad in ((), ("text", "text"), ["text"], 3, ("text", 1)):
        with pytest.raises(ParameterError, match="features must be"):
            ContentKNN(features=bad).fit(data)


def test_numbers_and_texts_are_no_content():
    data = with_content(shop())
    mixed = data.with_columns(item_features={"price": np.ones(data.n_items), **data.item_features, "name": np.array(["x"] * 24, object)})
    assert np.array_equal(ContentKNN().fit(mixed).item_content_, ContentKNN().fit(data).item_content_)
    with pytest.raises(ParameterError, match=r"column 'price' of item_features holds no vectors.*'text' \(6,\)"):
        ContentKNN(features="price").fit(mixed)
    with pytest.raises(DataError, match="24 such"):
        ContentKNN(features="text").fit(data.with_columns(item_features={"text": np.full((24, 2), 1e300)}))
    with pytest.raises(DataError, match="23 entries for 24 ids"):
        ContentKNN().fit(data.with_columns(item_features={"text": np.ones((23, 2))}))


def test_one_column_may_come_as_an_array(tmp_path):
    data = with_content(shop())
    known, new, held = without_items(data)
    model = ContentKNN(features="text").fit(known)
    model.save(tmp_path / "model.npz")
    by_name = load_model(tmp_path / "model.npz").add_items(new, {**held, "title": ["not used"] * len(new)})
    assert np.array_equal(model.add_items(new, held["text"]).item_content_, by_name.item_content_)
    assert ContentKNN(features=("text",)).fit(known).get_params() == {"features": ("text",), "neighbors": 100, "centred": True}
    model = ContentKNN(features=("text", "picture")).fit(known)
    model.save(tmp_path / "model.npz")
    assert load_model(tmp_path / "model.npz").get_params() == model.get_params()


def test_ids_of_new_items_of_another_kind():
    known, new, held = without_items(with_content(shop()))
    model = ContentKNN().fit(known)
    model.add_items([f"new {item}" for item in new], held)
    assert model.items_[len(model.items_) - 1] == f"new {new[-1]}"
    assert model.recommend(history=[[f"new {new[0]}"]], k=3)[0].items
    with pytest.raises(NotSupportedError, match=r"does not use features of users: recommend to new users by history=\.\.\.$"):
        model.add_users([1], held)


def test_a_model_served_without_users_takes_new_items(tmp_path):
    known, new, held = without_items(with_content(shop()))
    model = ContentKNN().fit(known)
    model.save(tmp_path / "model.npz", items_only=True)
    served = load_model(tmp_path / "model.npz").add_items(new, held)
    model.add_items(new, held)
    history = [[known.items[0], new[1]]]
    assert served.recommend(history=history).to_dict() == model.recommend(history=history).to_dict()
    assert served.nearest_by_content(new[0], k=3) == model.nearest_by_content(new[0], k=3)


def test_unit_rows():
    rows = unit_rows(np.array([[3, 4], [0, 0], [1, 1]], np.float32))
    assert np.allclose(rows, [[0.6, 0.8], [0, 0], [0.5**0.5, 0.5**0.5]])
    assert np.allclose(unit_rows(np.array([[2.0, 0], [0, 0], [1, 1]]), np.array([1.0, 1.0])), [[0.5**0.5, -(0.5**0.5)], [0, 0], [0, 0]])

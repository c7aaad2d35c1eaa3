"""ColdMap: the map against ridge regressions with items left out, and new items for models with and without vectors."""

import numpy as np
import pytest

from minirec.data.dataset import Dataset
from minirec.errors import DataError, ModelFileError, NotSupportedError, ParameterError
from minirec.models import ALS, EASE, ColdMap, load_model, model_class
from minirec.models.content.cold_map import _PENALTIES, ridge_map
from minirec.models.forms.content import unit_rows
from minirec.testing import CHECKS, Subject
from minirec.testing.sets import GROUPS, blocks, shop, with_content, without_items

SMALL = {"factors": 6, "iterations": 3}
# a model with vectors, one that is trained on sequences, item weights, a graph, neighbours of users
BASES = {
    "als": ("ridge", SMALL),
    "bpr": ("nearest", {"factors": 4, "iterations": 3}),
    "sasrec": ("ridge", {"factors": 4, "iterations": 2, "max_length": 6, "batch_size": 16}),
    "ease": ("nearest", {"regularization": 5.0}),
    "itemknn": ("nearest", {"neighbors": 5}),
    "userknn": ("nearest", {"neighbors": 5}),
    "rp3beta": ("nearest", {"neighbors": 5}),
}


def cold_map(base, **changes):
    map_, parameters = BASES[base]
    return ColdMap(**{"base": base, "map": map_, "base_params": parameters} | changes)


def test_the_penalty_has_the_least_error_on_items_left_out():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 5)), rng.standard_normal((20, 3))
    x[:, 4] = x[:, 3]  # content of low rank
    y[:, 0] += 2 * x[:, 1]
    half = rng.standard_normal((3, 3))
    metric = half @ half.T
    x -= x.mean(axis=0)
    y -= y.mean(axis=0)
    scale = np.mean(np.linalg.eigvalsh(x.T @ x))

    def fitted(rows, penalty):
        """With a mean that is not penalised."""
        mean_x, mean_y = x[rows].mean(axis=0), y[rows].mean(axis=0)
        a, b = x[rows] - mean_x, y[rows] - mean_y
        weights = np.linalg.solve(a.T @ a + penalty * np.eye(5), a.T @ b)
        return weights, mean_y - mean_x @ weights

    errors = []
    for penalty in _PENALTIES * scale:
        total = 0.0
        for out in range(20):
            weights, offset = fitted(np.arange(20) != out, penalty)
            error = y[out] - offset - x[out] @ weights
            total += error @ metric @ error
        errors.append(total)
    best = _PENALTIES[int(np.argmin(errors))] * scale
    assert 0 < int(np.argmin(errors)) < len(errors) - 1
    found = ridge_map(x, y, metric)
    assert np.allclose(found, fitted(np.arange(20), best)[0], atol=1e-9)
    gradient = x.T @ (x @ found - y) + best * found
    assert np.abs(gradient).max() < 1e-9


@pytest.mark.parametrize("base", BASES)
def test_items_of_training_keep_their_scores(base):
    data = with_content(shop())
    known, new, held = without_items(data)
    model = cold_map(base).fit(known)
    alone = model_class(base)(**BASES[base][1]).fit(known)
    for _ in range(2):
        got, expected = (each.recommend(k=30, candidates=list(known.items)).to_dict() for each in (model, alone))
        assert got == expected
        new_users = [each.recommend(history=[list(known.items)[:3]], candidates=list(known.items), k=30)[0] for each in (model, alone)]
        assert new_users[0].items == new_users[1].items
        if new[0] not in model.items_:
            model.add_items(new, held)


def test_new_items_get_mapped_vectors():
    known, new, held = without_items(with_content(shop()))
    model = ColdMap(base_params=SMALL).fit(known).add_items(new, held)
    assert np.array_equal(model.item_vectors(list(known.items)), model.base_.item_factors_)
    both = np.concatenate([held["text"], held["picture"]], axis=1)
    expected = (unit_rows(both) - model.centre_) @ model.map_[:-1] + model.map_[-1]
    assert np.allclose(model.item_vectors(new), expected, atol=1e-6)
    user = known.users[2]
    assert np.allclose(model.score([user] * len(new), new), expected @ model.user_vectors([user])[0], atol=1e-5)
    model.add_items("blank", {name: np.zeros((1, column.shape[1])) for name, column in held.items()})
    assert np.allclose(model.item_vectors(["blank"])[0], model.base_.item_factors_.mean(axis=0), atol=1e-6)
    assert [part.source for part in model.explain(user, "blank").parts] == ["all items"]


@pytest.mark.parametrize("base", ["ease", "bpr"])
def test_new_items_are_means_of_the_nearest(base):
    known, new, held = without_items(with_content(shop()))
    model = cold_map(base, neighbors=3).fit(known).add_items(new, held)
    content = unit_rows(unit_rows(model.item_content_), model.centre_)
    old = model.items_.rows(list(known.items))
    users = list(known.users)[:5]
    for item in new:
        near = content[old] @ content[model.items_.row(item)]
        best = np.argsort(-near)[:3]
        shares = near[best] / near[best].sum()
        names = known.items.ids(best)
        expected = [shares @ model.score([user] * 3, names) for user in users]
        assert np.allclose(model.score(users, [item] * 5), expected, atol=1e-5)
        assert {part.name for part in model.explain(users[0], item).parts} == set(names)
    model.add_items("blank", {name: np.zeros((1, column.shape[1])) for name, column in held.items()})
    mean = model.score([users[0]] * len(old), list(known.items)).mean()
    assert model.score(users[:1], ["blank"])[0] == pytest.approx(mean, abs=1e-5)
    assert [part.source for part in model.explain(users[0], "blank").parts] == ["all items"]


@pytest.mark.parametrize("base", BASES)
def test_a_new_item_in_a_history_stands_for_the_nearest(base):
    known, new, held = without_items(with_content(shop()))
    model = cold_map(base).fit(known).add_items(new, held)
    blank = {name: np.zeros((1, column.shape[1])) for name, column in held.items()}
    model.add_items("blank", blank)
    content = unit_rows(unit_rows(model.item_content_), model.centre_)
    old = model.items_.rows(list(known.items))
    nearest = known.items[int(np.argmax(content[old] @ content[model.items_.row(new[1])]))]
    other = next(item for item in known.items if item != nearest)
    asked = {"k": 50, "exclude_seen": False}
    found = model.recommend(history=[[other, new[1]], [other, nearest], [other, "blank", nearest]], **asked)
    assert found[0].items == found[1].items == found[2].items
    with pytest.raises(ParameterError, match="history 1 has no item but new ones without content"):
        model.recommend(history=[[other], ["blank"]])


@pytest.mark.parametrize("base", BASES)
def test_new_items_of_their_group(base):
    data = with_content(blocks().train)
    known, new, held = without_items(data, every=5)
    better = {"als": {"factors": 3, "iterations": 16}, "bpr": {"factors": 8, "iterations": 10}, "sasrec": {}}.get(base, BASES[base][1])
    model = cold_map(base, base_params=better).fit(known).add_items(new, held)
    hits = total = 0
    for user in model.users_:
        mine = {item for item in new if int(item) % GROUPS == int(user) % GROUPS}
        hits += len(mine & set(model.recommend(user, k=len(mine), candidates=new)[0].items))
        total += len(mine)
    assert hits >= 0.85 * total


@pytest.mark.parametrize("base", ["ease", "bpr"])
@pytest.mark.parametrize("check", [name for name in CHECKS if name not in ("every_parameter_changes_the_result", "known_answer")])
def test_conformance_of_other_bases(base, check):
    map_, parameters = BASES[base]
    CHECKS[check](
        Subject(
            ColdMap,
            small={"base": base, "map": map_, "base_params": parameters},
            others={"base": "warp", "base_params": None, "map": "nearest", "features": "text"},
            new_recall=0.0,
        )
    )


def test_vectors_where_there_are_some():
    known, new, held = without_items(with_content(shop()))
    model = cold_map("ease").fit(known).add_items(new, held)
    for call in (model.user_vectors, model.item_vectors):
        with pytest.raises(NotSupportedError, match="ColdMap of EASE has no"):
            call()
    near = model.similar_items(new[0], k=3)
    assert len(near) == 3
    model.add_items("blank", {name: np.zeros((1, column.shape[1])) for name, column in held.items()})
    with pytest.raises(DataError, match="has no content"):
        model.similar_items("blank")
    alone = EASE(regularization=5.0).fit(known)
    item = known.items[4]
    found = [(name, value) for name, value in model.similar_items(item, k=50) if name in known.items]
    assert found == alone.similar_items(item, k=50)


@pytest.mark.slow_without_jit
def test_parameters():
    data = with_content(shop())
    with pytest.raises(ParameterError, match="base='ease' has none: take map='nearest'"):
        ColdMap(base="ease").fit(data)
    with pytest.raises(ParameterError, match="base must name a model, got 'prophet'"):
        ColdMap(base="prophet").fit(data)
    for base, settings in (("l3ae", {}), ("coldmap", {}), ("sasrec", {"item_features": "text"})):
        with pytest.raises(ParameterError, match="base must name a model that does not read content itself"):
            ColdMap(base=base, base_params=settings).fit(data)
    with pytest.raises(ParameterError, match="ALS has no parameter dimensions"):
        ColdMap(base_params={"dimensions": 3}).fit(data)
    with pytest.raises(ParameterError, match="factors must be a whole number"):
        ColdMap(base_params={"factors": 0}).fit(data)
    assert ColdMap(seed=3).fit(data).base_.seed == 3
    assert ColdMap(seed=3, base_params={"seed": 4}).fit(data).base_.seed == 4
    mapped = ColdMap(base_params=SMALL).fit(data)
    assert np.array_equal(mapped.user_vectors(), ALS(**SMALL).fit(data).user_factors_)


def test_files(tmp_path):
    known, new, held = without_items(with_content(shop()))
    path = tmp_path / "model.npz"
    cold_map("userknn").fit(known).save(path)
    assert type(load_model(path).base_).__name__ == "UserKNN"
    with pytest.raises(NotSupportedError, match="UserKNN scores by the events of its users"):
        load_model(path).save(path, items_only=True)
    model = ColdMap(base_params=SMALL).fit(known).add_items(new, held)
    model.save(path, items_only=True)
    served = load_model(path)
    history = [[new[0], known.items[2]]]
    assert served.recommend(history=history).to_dict() == model.recommend(history=history).to_dict()
    with np.load(path) as archive:
        arrays = dict(archive)
    for name, change in {
        "state.map_": lambda a: a[1:],
        "state.centre_": lambda a: a.astype(np.float32),
        "state.item_content_": lambda a: a[:, 1:],
        "state.item_counts_": np.zeros_like,
        "state.base_.state.item_factors_": lambda a: a[1:],
        "state.base_.items.ints": lambda a: a[:-1],
    }.items():
        np.savez(path, **{**arrays, name: change(arrays[name])})
        with pytest.raises(ModelFileError):
            load_model(path)
    header = arrays["header"].tobytes()
    for old, changed in ((b'"class": "als"', b'"class": "nope"'), (b'"class": "als"', b'"class": "bpr"')):
        np.savez(path, **{**arrays, "header": np.frombuffer(header.replace(old, changed), np.uint8)})
        with pytest.raises(ModelFileError):
            load_model(path)


def test_data_without_any_content():
    data = with_content(shop())
    none = data.with_columns(item_features={"v": np.zeros((data.n_items, 2))})
    model = ColdMap(base_params=SMALL).fit(none).add_items("new", np.ones((1, 2)))
    assert np.isfinite(model.item_vectors(["new"])).all()
    one = Dataset.from_arrays([1, 2], ["a", "a"], item_features={"v": np.ones((1, 2))})
    assert np.isfinite(ColdMap(base_params={"factors": 2}).fit(one).add_items("b", np.ones((1, 2))).item_vectors()).all()

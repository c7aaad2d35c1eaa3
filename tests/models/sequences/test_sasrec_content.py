"""SASRec with vectors of content: what is frozen, what is trained, and new items."""

import numpy as np
import pytest
from gradients import check_gradients

from minirec.data.dataset import Dataset
from minirec.engine.nn.autodiff import Tensor
from minirec.engine.nn.functional import concatenate
from minirec.engine.nn.modules import Embedding
from minirec.engine.nn.row_gradient import RowGradient
from minirec.errors import DataError, NotSupportedError, ParameterError
from minirec.models import SASRec, load_model
from minirec.models.sequences.one_vector import Batch
from minirec.models.sequences.sasrec import whitening
from minirec.testing import SUBJECTS, Subject, check_model
from minirec.testing.sets import shop

SMALL = {"factors": 4, "iterations": 3, "batch_size": 16, "max_length": 8, "negatives": 5, "layers": 1, "learning_rate": 0.01}
ITEMS, INDPTR, TARGETS = np.array([2, 0, 5, 1, 1, 3], np.int32), np.array([0, 3, 4, 6]), np.array([0, 5, 1, 4, 3, 2], np.int32)


def with_content(data, width=6, seed=0):
    content = np.random.default_rng(seed).normal(size=(data.n_items, width)).astype(np.float32) + 3
    return data.with_columns(item_features={"text": content})


def test_whitened_content_has_covariance_one():
    rng = np.random.default_rng(0)
    content = (rng.normal(size=(200, 5)) @ rng.normal(size=(5, 7)) + 2).astype(np.float32)  # rank 5
    content[3] = 0
    there, mean, basis = whitening(content, 10)
    assert basis.shape == (7, 5)
    assert np.flatnonzero(~there).tolist() == [3]
    x = (content[there] - mean) @ basis
    assert np.cov(x, rowvar=False) == pytest.approx(np.eye(5), abs=1e-6)
    plain = content[there] - content[there].mean(axis=0, dtype=np.float64)
    for column in basis.T:  # directions of the covariance, the largest number positive
        along = np.cov(plain, rowvar=False) @ column
        assert along == pytest.approx(column * (along @ column) / (column @ column), abs=1e-6)
        assert column[np.abs(column).argmax()] > 0
    spread = [(plain @ column / np.linalg.norm(column)).var() for column in basis.T]
    assert spread == sorted(spread, reverse=True)
    assert whitening(content, 2)[2] == pytest.approx(basis[:, :2])
    for nothing in (content[:1], np.zeros((4, 7), np.float32), np.ones((4, 7), np.float32), content[:0]):
        assert whitening(nothing, 3)[2].shape == (7, 0)


@pytest.mark.parametrize("loss", ["softmax", "sampled", "bce"])
def test_gradients_are_those_of_the_trained_coordinates(loss):
    """Of the whole model by finite differences; the frozen coordinates have none, by rows and whole."""
    rng = np.random.default_rng(1)
    model = SASRec(factors=4, max_length=3, dropout=0.0, layers=1, loss=loss)
    network = model._network(6, rng)
    for tensor in network._tensors().values():
        tensor.data = tensor.data + 0.3 * rng.standard_normal(tensor.shape)
    vectors, negatives = network.items.weight.data, rng.integers(0, 6, 3 if loss == "sampled" else (len(TARGETS), 2)).astype(np.int32)
    batch = Batch(ITEMS, INDPTR, TARGETS, negatives)

    def value(trained: Tensor) -> Tensor:
        network.items.weight = concatenate([Tensor(vectors[:, :3]), trained], axis=1)
        return model._loss(network(ITEMS, INDPTR), network.items.weight, batch)

    check_gradients(value, vectors[:, 3:])
    trained = Tensor(vectors[:, 3:].copy(), requires_grad=True)
    value(trained).backward()
    network.items = Embedding.of(vectors, fixed=3)
    model._loss(network(ITEMS, INDPTR), network.items.weight, batch).backward()
    found = network.items.weight.grad
    found = found.dense() if isinstance(found, RowGradient) else found
    assert not found[:, :3].any()
    assert found[:, 3:] == pytest.approx(trained.grad, abs=1e-12)


@pytest.mark.parametrize("loss", ["softmax", "sampled", "bce"])
@pytest.mark.parametrize(("frozen", "fixed"), [(0.0, 0), (0.5, 2), (0.75, 3), (1.0, 4)])
def test_frozen_coordinates_stay_and_the_others_are_trained(loss, frozen, fixed):
    data = with_content(shop())
    model = SASRec(**SMALL, loss=loss, item_features="text", frozen=frozen, content_scale=0.3).fit(data)
    content = data.item_features["text"]
    _, mean, basis = whitening(content, 4)
    begin = (0.3 * ((content - mean) @ basis)).astype(np.float32)
    assert np.array_equal(model.item_vectors()[:, :fixed], begin[:, :fixed])
    assert (model.item_vectors()[:, fixed:] != begin[:, fixed:]).any(axis=0).all()


def test_directions_that_the_content_has_not_begin_at_random():
    data = with_content(shop(), width=2)
    data.item_features["text"][5] = 0
    model = SASRec(**SMALL, item_features="text", frozen=1.0).fit(data)
    vectors = model.item_vectors()
    assert np.cov(np.delete(vectors, 5, axis=0)[:, :2], rowvar=False) == pytest.approx(0.01 * np.eye(2), abs=1e-6)
    assert not vectors[5, :2].any()
    assert vectors[5, 2:].all()


def test_content_that_says_nothing_is_no_content():
    """All alike: there is no direction, and the model is that without content."""
    data = shop().with_columns(item_features={"text": np.ones((24, 3), np.float32)})
    model = SASRec(**SMALL, item_features="text").fit(data)
    assert np.array_equal(model.weights_, SASRec(**SMALL).fit(shop()).weights_)
    model.add_items(["new"], np.ones((1, 3)))
    assert model.item_vectors(["new"])[0] == pytest.approx(np.delete(model.item_vectors(), -1, axis=0).mean(axis=0), abs=1e-6)


def test_new_items_are_served_from_their_content(tmp_path):
    data = with_content(shop())
    model = SASRec(**SMALL, item_features="text", frozen=0.5).fit(data)
    users, items = model.user_vectors(), model.item_vectors()
    scores = model.score(np.repeat(list(data.users), data.n_items), list(data.items) * data.n_users)
    content = np.concatenate((data.item_features["text"][[7]], np.zeros((1, 6)), [[3.0, 1, 4, 1, 5, 9]]))
    assert model.add_items([1, "z", 2], content) is model
    assert list(model.items_) == [1, 2, *data.items, "z"]
    assert np.array_equal(model.item_vectors(list(data.items)), items)
    assert np.array_equal(model.user_vectors(), users)
    assert np.array_equal(model.score(np.repeat(list(data.users), data.n_items), list(data.items) * data.n_users), scores)
    twin, nothing = model.item_vectors([1, "z"])
    assert twin[:2] == pytest.approx(items[7, :2], abs=1e-6)
    assert nothing == pytest.approx(items.mean(axis=0), abs=1e-6)
    assert {1, 2, "z"} < set(model.recommend(data.users[0], k=30)[0].items)
    assert len(model.recommend(history=[[1, "z"]], k=30)[0].items) == 25
    model.update(Dataset.from_arrays([data.users[0]], [2]))
    assert np.array_equal(model.user_vectors([data.users[0]]), model.user_vectors(history=[[*_history(data), 2]]))
    model.save(tmp_path / "model.npz")
    assert np.array_equal(load_model(tmp_path / "model.npz").item_vectors(), model.item_vectors())


def _history(data):
    events = np.flatnonzero(data.user == 0)
    return data.items.ids(data.item[events[np.argsort(data.timestamp[events])]])


@pytest.mark.slow_without_jit
@pytest.mark.parametrize("frozen", [0.0, 0.5])
def test_new_items_are_found_by_those_who_like_their_kind(frozen):
    """Users buy within one of three kinds, which the content tells; of the items that nobody has, they get those of theirs."""
    rng = np.random.default_rng(0)
    n_users, n_items = 90, 60
    kind = np.arange(n_items) % 3
    content = (np.eye(3)[kind] @ rng.normal(size=(3, 8)) + 0.3 * rng.normal(size=(n_items, 8))).astype(np.float32)
    users = np.repeat(np.arange(n_users), 8)
    items = np.concatenate([rng.choice(np.flatnonzero(kind[:48] == user % 3), 8, replace=False) for user in range(n_users)])
    data = Dataset.from_arrays(users, items, times=np.arange(len(users))).with_columns(item_features={"text": content[:48]})
    settings = {"factors": 8, "iterations": 20, "learning_rate": 0.01, "batch_size": 32, "layers": 1, "validation_share": 0.0}
    model = SASRec(**settings, item_features="text", frozen=frozen).fit(data)
    model.add_items(np.arange(48, n_items), content[48:])
    found = model.recommend(k=4, candidates=np.arange(48, n_items))
    hits = [item % 3 == user % 3 for user, listed, _ in found for item in listed]
    assert np.mean(hits) > 0.95


def test_without_content_there_are_no_new_items():
    model = SASRec(**SMALL).fit(with_content(shop()))
    with pytest.raises(NotSupportedError, match="without item_features"):
        model.add_items([1], np.ones((1, 6)))
    with pytest.raises(DataError, match="no content"):
        model.nearest_by_content(500)


@pytest.mark.slow_without_jit
def test_the_suite_without_content():
    small = {key: value for key, value in SMALL.items() if key != "learning_rate"}
    of_content = dict.fromkeys(("item_features", "frozen", "content_scale"), "without content")
    with_it = SUBJECTS["sasrec"]
    check_model(Subject(SASRec, small, with_it.accurate, others=with_it.others, exempt=of_content))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"item_features": 3}, "item_features"),
        ({"item_features": "title"}, "there is no column 'title'"),
        ({"frozen": 1.5}, "frozen"),
        ({"content_scale": 0.0}, "content_scale"),
    ],
)
def test_parameters_are_checked(changes, named):
    with pytest.raises(ParameterError, match=named):
        SASRec(**SMALL, **changes).fit(with_content(shop()))

"""What models of ordered histories share: fits that go on from a checkpoint, figures while training, what is served by which backend."""

import numpy as np
import pytest

from minirec.data.dataset import Dataset
from minirec.engine import backend
from minirec.engine.nn.optimizers import Adam
from minirec.errors import ModelFileError
from minirec.models import DIN, GRU4Rec, SASRec, load_model
from minirec.models.sequences import history
from minirec.options import options
from minirec.testing.sets import shop, with_content

SMALL = {"factors": 4, "iterations": 5, "batch_size": 16, "max_length": 6, "negatives": 3, "learning_rate": 0.01}
MODELS = {
    "sasrec": lambda **given: SASRec(**SMALL | given),
    "gru4rec": lambda **given: GRU4Rec(**SMALL | {"hidden": 5} | given),
    "din": lambda **given: DIN(**SMALL | {"unit": 3, "hidden": 4} | given),
}
VECTORS = ["sasrec", "gru4rec"]  # those that make a vector of a history


def state(model):
    """All that is kept, as bytes."""
    values = [getattr(model, name) for name in model._state]
    parts = [tuple(value) if isinstance(value, tuple) else (value,) for value in values]
    return [np.asarray(array).tobytes() for part in parts for array in part]


def stop(model, record):
    if record["iteration"] == 3:
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", MODELS)
def test_stopped_and_fitted_again_is_never_stopped(name, tmp_path):
    data, make, path = shop(), MODELS[name], tmp_path / "run.npz"
    whole = make().fit(data)
    with pytest.raises(KeyboardInterrupt):
        make().fit(data, checkpoint=path, callback=stop)
    again = make().fit(data, checkpoint=path)
    assert state(again) == state(whole)
    assert again.log_ == whole.log_[3:]
    finished = make().fit(data, checkpoint=path)
    assert state(finished) == state(whole)
    assert finished.log_ == []
    longer = make(iterations=7, patience=9).fit(data, checkpoint=path)
    assert state(longer) == state(make(iterations=7, patience=9).fit(data))


@pytest.mark.parametrize("name", MODELS)
def test_a_rate_that_falls_to_nothing(name, tmp_path):
    """To 0 in the last step of all iterations; a checkpoint is of their number."""
    data, path = shop(), tmp_path / "run.npz"
    able = np.count_nonzero(np.bincount(data.user) >= 2)
    moved = []

    class Watched(Adam):
        def step(self):
            moved.append(self._schedule(self.steps + 1))
            return super().step()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "Adam", Watched)
        whole = MODELS[name](schedule="cosine", validation_share=0.0).fit(data)
    steps = SMALL["iterations"] * -(-able // SMALL["batch_size"])
    expected = SMALL["learning_rate"] * (1 + np.cos(np.pi * np.arange(1, steps + 1) / steps)) / 2
    np.testing.assert_allclose(moved, expected, atol=1e-12)
    with pytest.raises(KeyboardInterrupt):
        MODELS[name](schedule="cosine", validation_share=0.0).fit(data, checkpoint=path, callback=stop)
    with pytest.raises(ModelFileError, match="falling over 7 iterations"):
        MODELS[name](schedule="cosine", validation_share=0.0, iterations=7).fit(data, checkpoint=path)
    assert state(MODELS[name](schedule="cosine", validation_share=0.0).fit(data, checkpoint=path)) == state(whole)


@pytest.mark.parametrize("name", MODELS)
def test_a_checkpoint_of_another_fit_is_refused(name, tmp_path):
    data, make, path = shop(), MODELS[name], tmp_path / "run.npz"
    make(iterations=1).fit(data, checkpoint=path)
    good = path.read_bytes()
    for changes, other in (({"dropout": 0.4}, data), ({"seed": 1}, data), ({}, shop(seed=1)), ({}, data.select(np.arange(len(data) - 1)))):
        with pytest.raises(ModelFileError, match="this training has"):
            make(**changes).fit(other, checkpoint=path)
    assert path.read_bytes() == good


def test_a_checkpoint_of_other_content_is_refused(tmp_path):
    model = SASRec(**SMALL | {"iterations": 1, "item_features": "text"}).fit(with_content(shop()), checkpoint=tmp_path / "run.npz")
    assert state(model.clone().fit(with_content(shop()), checkpoint=tmp_path / "run.npz")) == state(model)
    with pytest.raises(ModelFileError, match="this training has"):
        model.clone().fit(with_content(shop(), seed=1), checkpoint=tmp_path / "run.npz")


@pytest.mark.parametrize("name", MODELS)
def test_the_recall_while_training_is_that_of_the_lists(name):
    data = shop(n_items=60)
    order = np.argsort(data.timestamp)
    train, held = data.select(order[:-60]), data.select(order[-60:])
    truth = {}
    for user, item in zip(held.users.ids(held.user), held.items.ids(held.item), strict=True):
        truth.setdefault(user, set()).add(item)
    found = []

    def note(model, record):
        lists = model.recommend(sorted(truth.keys() & set(model.users_)), k=20)
        known = {user: truth[user] & set(model.items_) for user, _, _ in lists}
        found.append(np.mean([len(known[user] & set(items)) / len(known[user]) for user, items, _ in lists if known[user]]))

    model = MODELS[name]().fit(train, held, callback=note)
    assert [record["validation_recall@20"] for record in model.log_] == pytest.approx(found, abs=1e-12)
    assert len(found) == 5
    assert 0 < found[-1] < 1


@pytest.mark.parametrize("name", MODELS)
def test_nothing_follows_a_single_event(name, tmp_path):
    data = Dataset.from_arrays(range(20), [user % 7 for user in range(20)])
    model = MODELS[name]().fit(data, checkpoint=tmp_path / "run.npz")
    assert model.log_ == []
    model.save(tmp_path / "model.npz")
    users = list(data.users)
    assert model.recommend(users, k=3).to_dict() == load_model(tmp_path / "model.npz").recommend(users, k=3).to_dict()


@pytest.mark.parametrize("name", VECTORS)
def test_pool_threads_serve_by_the_backend_of_the_caller(name):
    with options(backend="numpy"):
        model = MODELS[name](factors=32, iterations=1).fit(shop(n_users=70))
    with options(backend="numpy", threads=1):
        expected = model.user_vectors().tobytes()
    with options(backend="numpy", threads=2):
        assert {model.user_vectors().tobytes() for _ in range(6)} == {expected}


@pytest.mark.parametrize("name", VECTORS)
def test_served_by_the_backend_of_the_fit(name, tmp_path, monkeypatch):
    asked, kernel = set(), backend.kernel

    def watched(name, backend):
        asked.add(backend)
        return kernel(name, backend)

    for module in ("functional", "attention", "recurrent"):
        monkeypatch.setattr(f"minirec.engine.nn.{module}.kernel", watched)
    with options(backend="numpy"):
        model = MODELS[name]().fit(shop())
    asked.clear()
    history = list(model.items_)[:5]
    model.user_vectors()
    model.explain(history=[history], item=history[0])
    if name == "sasrec":
        model.attention_weights(history)
    assert asked == {"numpy"}

"""Models that are changed while other threads use them: a request sees the state before or after, never a mix."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from minirec.data.dataset import Dataset
from minirec.errors import ModelFitError
from minirec.models import ALS, EASE, MODELS, Popularity
from minirec.models.contract.state import kept
from minirec.testing import SUBJECTS
from minirec.testing.sets import shop, with_content, without_items

THREADS = 16
FITTED = (
    "als",
    "ease",
    "itemknn",
    "userknn",
    "hittingtime",
    "absorbingcost",
    "pagerank",
    "gfcf",
    "slim",
    "bpr",
    "multvae",
    "gmf",
    "sasrec",
)


def answers(model):
    """What three requests get, each by itself."""
    return {
        ("known", repr(model.recommend([100, 101, 102], k=4).to_dict())),
        ("new", repr(model.recommend(history=[[500, 503], [501]], k=4, exclude_seen=False).to_dict())),
        ("pairs", repr(model.score([100, 101, 102], [500, 500, 503]).tolist())),
    }


def under_fire(model, changes):
    """Make the changes, one after the other, while threads send requests; all answers that these got."""
    done = Event()

    def client():
        found = set()
        while not done.is_set():
            found |= answers(model)
        return found

    with ThreadPoolExecutor(THREADS) as pool:
        clients = [pool.submit(client) for _ in range(THREADS)]
        try:
            for change in changes:
                change()
        finally:
            done.set()
        return set().union(*(one.result() for one in clients))


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow_without_jit) for name in FITTED])
def test_fit_on_a_model_that_serves(name):
    subject = SUBJECTS[name]
    small, large = (subject.data(shop(n_users=users, n_items=items)) for users, items in ((12, 16), (36, 24)))
    model = subject.make().fit(small)
    expected = set().union(*(answers(subject.make().fit(data)) for data in (small, large)))
    assert len(expected) == 6
    found = under_fire(model, [lambda data=data: model.fit(data) for data in (large, small, large, small)])
    assert found <= expected


@pytest.mark.parametrize("name", ["als", "ease", "dan", "multvae", "sasrec"])
def test_update_and_forget_on_a_model_that_serves(name):
    subject = SUBJECTS[name]
    data = subject.data(shop())
    model, other = subject.make().fit(data), subject.make().fit(data)
    new = np.argwhere(data.matrix.to_dense()[data.users.rows([100, 101, 102])] == 0)
    parts = [Dataset.from_arrays(100 + part[:, 0], 500 + part[:, 1], times=5000 + part[:, 1]) for part in (new[::4], new[1::4])]
    steps = [lambda m, part=part: m.update(part) for part in parts]
    if name in ("ease", "dan"):
        steps += [lambda m: m.forget(int(data.users[20])), lambda m: m.forget(int(data.users[21]))]
    expected = answers(other).union(*(answers(step(other)) for step in steps))
    assert len(expected) > 3
    found = under_fire(model, [lambda step=step: step(model) for step in steps])
    assert found <= expected
    assert answers(model) == answers(other)


def test_new_items_on_a_model_that_serves():
    known, new, features = without_items(with_content(shop()))
    subject = SUBJECTS["contentknn"]
    model, other = subject.make().fit(known), subject.make().fit(known)
    before, after = answers(other), answers(other.add_items(new, features))
    found = under_fire(model, [lambda: model.add_items(new, features)])
    assert found <= before | after
    assert answers(model) == after


def test_changes_of_one_model_wait_for_each_other():
    data = shop()
    model = ALS(factors=4, iterations=2).fit(data)
    n = len(data)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda at: model.update(data.select(np.array([at]))), range(8)))
    assert model.seen_.data.sum() == pytest.approx(data.matrix.data.sum() + (np.ones(n) if data.weight is None else data.weight)[:8].sum())


def test_a_change_that_fails_leaves_the_model_as_it_was(monkeypatch):
    model = EASE(regularization=5.0).fit(shop())
    before, state = answers(model), vars(model)

    def diverged(self):
        raise ModelFitError("diverged")

    monkeypatch.setattr(EASE, "_check_finite", diverged)
    with pytest.raises(ModelFitError, match="diverged"):
        model.fit(shop(n_users=12))
    assert vars(model) is state
    assert answers(model) == before


def test_methods_return_the_model_itself_and_caches_stay():
    data = shop()
    model = ALS(factors=4, iterations=1)
    assert model.fit(data) is model
    assert model.update(data) is model
    model.recommend(k=2)
    assert "_kept_order" in vars(model)
    made, first, second = [], [1], [1]
    for source in (first, first, second):
        kept(model, "_kept_test", source, lambda: made.append(1))
    assert len(made) == 2  # once for each source, which is compared by identity


def test_every_public_method_of_the_registry_reads_one_state():
    for cls in MODELS.values():
        for name in ("recommend", "score", "similar_items", "explain", "save", "fit", "update"):
            assert hasattr(getattr(cls, name), "__wrapped__"), f"{cls.__name__}.{name}"
    assert Popularity.fit.__doc__

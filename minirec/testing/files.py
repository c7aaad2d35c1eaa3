"""Checks of model files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from ..errors import NotSupportedError, ParameterError
from ..models.baselines.popularity import Popularity, Random
from ..models.contract.files import load_model
from .sets import relabelled, shop
from .subject import Subject
from .tools import all_scores, check, expect, file_bytes, histories, lists, refuses


@check
def saved_and_loaded(subject: Subject) -> None:
    """A loaded model has the same parameters and provenance, answers alike, bit by bit, and saves to the same bytes."""
    for kind in ("integers", "mixed"):
        data = subject.data(shop())
        data = data if kind == "integers" else relabelled(data, kind)
        model = subject.make().fit(data, validation=shop(seed=1))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a model.npz"
            model.save(path)
            loaded = load_model(path)
            expect(type(loaded) is subject.cls and type(subject.cls.load(path)) is subject.cls, "the class must come back")
            other = Random if subject.cls is Popularity else Popularity
            refuses(ParameterError, lambda: other.load(path), "loading as another class", subject.cls.__name__)  # noqa: B023
            expect(sorted(p.name for p in Path(folder).iterdir()) == ["a model.npz"], "saving must leave nothing else behind")
        expect(loaded.get_params() == model.get_params(), "the parameters must come back")
        expect(loaded.log_ == model.log_ and loaded.provenance_ == model.provenance_, "history and provenance must come back")
        expect(np.array_equal(all_scores(loaded), all_scores(model)), "a loaded model scores otherwise")
        expect(lists(loaded.recommend()) == lists(model.recommend()), "a loaded model recommends otherwise")
        new = histories(model)
        expect(lists(loaded.recommend(history=new)) == lists(model.recommend(history=new)), "a loaded model serves new users otherwise")
        expect(file_bytes(loaded) == file_bytes(model), "a loaded model saves to other bytes")


@check
def saved_without_users(subject: Subject) -> None:
    """`items_only` leaves the users out: new users are served as before, known ones are refused; or the model says that it needs them."""
    model = subject.make().fit(subject.data(shop()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        try:
            model.save(path, items_only=True)
        except NotSupportedError:
            expect(not list(Path(folder).iterdir()), "a refused save must leave no file")
            return
        content = path.read_bytes()
        loaded = load_model(path)
    new = histories(model)
    expect(len(content) < len(file_bytes(model)), "a file without users must be smaller")
    expect(lists(loaded.recommend(history=new)) == lists(model.recommend(history=new)), "new users are served otherwise")
    user, item = model.users_[0], model.items_[0]
    for call in (
        lambda: loaded.recommend([user]),
        lambda: loaded.score([user], [item]),
        lambda: loaded.explain(user, item),
    ):
        refuses(NotSupportedError, call, "a known user of a model without users", "items_only")

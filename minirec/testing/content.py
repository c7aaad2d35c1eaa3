"""Checks of models that know the content of items; for others there is nothing to check."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, NotFittedError, NotSupportedError, ParameterError, UnknownIdError
from ..models.contract.files import load_model
from .sets import GROUPS, blocks, shop, with_content, without_items
from .subject import Subject
from .tools import all_scores, check, expect, file_bytes, histories, lists, new_scores, refuses


@check
def new_items_are_recommended(subject: Subject) -> None:
    """Items added by their content get scores, lists hold them, those of before keep their scores; a loaded model does the same."""
    if not subject.reads_content:
        return
    known, new, held = without_items(subject.data(shop()))
    model = subject.fitted(known)
    before, old = all_scores(model), list(model.items_)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.npz")
        loaded = load_model(Path(folder) / "model.npz")
    expect(model.add_items(new, held) is model, "add_items must return the model")
    loaded.add_items(new[::-1], {name: column[::-1] for name, column in held.items()})  # type: ignore[attr-defined]
    expect(file_bytes(loaded) == file_bytes(model), "a loaded model, or another order of the new items, gives another model")
    expect(list(model.items_) == sorted([*old, *new]), "the items must be those of before and the new ones")
    expect(model.seen_.shape == (len(model.users_), len(model.items_)), "the seen events must have a column for each item")
    after = all_scores(model)
    spread = np.ptp(before)
    rows = model.items_.rows(old)
    expect(np.abs(after[:, rows] - before).max() <= 1e-5 * spread, "new items must not change the scores of the others")
    expect(np.isfinite(after).all() and np.ptp(after[:, model.items_.rows(new)]) > 0, "new items need scores, not all the same")
    listed = {item for found in model.recommend(k=len(after[0])) for item in found.items}
    expect(set(new) <= listed, "lists must hold the new items")
    expect(np.isfinite(new_scores(model, [[new[0]], [old[0], new[1]], *histories(model)])).all(), "new items may be in a history")
    again = lists(loaded.recommend(history=[[new[0], old[1]]], k=5))
    expect(again == lists(model.recommend(history=[[new[0], old[1]]], k=5)), "a loaded model answers otherwise")
    near = model.nearest_by_content(new[0], k=100)
    values = [value for _, value in near]
    expect(len(near) == len(old) and set(dict(near)) == set(old), "the nearest known items are those of training")
    expect(values == sorted(values, reverse=True), "the nearest known items must descend")
    part_wise = subject.fitted(known)
    for at, item in enumerate(new):
        part_wise.add_items(item, {name: column[at : at + 1] for name, column in held.items()})
    expect(list(part_wise.items_) == list(model.items_), "items may be added one at a time")
    expect(np.abs(all_scores(part_wise) - after).max() <= 1e-4 * spread, "items added one at a time get other scores for known users")


@check
def new_items_are_explained(subject: Subject) -> None:
    """The parts of a new item's score add up to it, and some of them are of its content; or the model says that it has none."""
    if not subject.reads_content:
        return
    known, new, held = without_items(subject.data(shop()))
    model = subject.fitted(known).add_items(new, held)
    for user, history in zip(model.users_.ids(np.arange(6)), histories(model), strict=True):
        for item in new:
            try:
                explained = [model.explain(user, item), model.explain(history=[history], item=item)]
            except NotSupportedError:
                return
            for found in explained:
                values = np.array([part.value for part in found.parts])
                error = abs(values.sum() - found.score)
                expect(error <= 1e-5 * np.abs(values).sum(), f"the parts miss the score {found.score} by {error:.3g}")
                of_content = any("content" in part.source for part in found.parts)
                expect(of_content or found.score == 0, "a new item's score comes from its content")


@check
def new_items_of_their_group(subject: Subject) -> None:
    """Users whose taste is obvious get the new items of their group."""
    if not subject.reads_content:
        return
    data = with_content(blocks().train)
    known, new, held = without_items(data, every=5)
    model = subject.fitted(known, **subject.accurate).add_items(new, held)
    found = hits = 0
    for user in model.users_:
        mine = {item for item in new if int(item) % GROUPS == int(user) % GROUPS}
        hits += len(mine & set(model.recommend(user, k=len(mine), candidates=new)[0].items))
        found += len(mine)
    expect(hits >= subject.new_recall * found, f"recall of new items is {hits / found:.2f}, at least {subject.new_recall} is expected")


@check
def bad_content_is_refused(subject: Subject) -> None:
    """Data without vectors, numbers that are not finite, known items and vectors of another width raise, and change nothing."""
    if not subject.reads_content:
        return
    data = subject.data(shop())
    refuses((DataError, ParameterError), lambda: subject.make().fit(shop()), "data without content", "item_features")
    texts = data.with_columns(item_features={"title": np.array(["a text"] * data.n_items, object), "price": np.ones(data.n_items)})
    refuses((DataError, ParameterError), lambda: subject.make().fit(texts), "data without vectors", "item_features")
    holes = data.item_features["text"].copy()
    holes[4, 1] = np.nan
    broken = data.with_columns(item_features={**data.item_features, "text": holes})
    refuses(DataError, lambda: subject.make().fit(broken), "content that is not finite", repr(data.items[4]))
    refuses(ParameterError, lambda: subject.make(**{subject.cls._chosen: ("text", "none")}).fit(data), "a column that is not there", "none")  # type: ignore[attr-defined]

    known, new, held = without_items(data)
    refuses(NotFittedError, lambda: subject.make().add_items(new, held), "add_items before fit")  # type: ignore[attr-defined]
    model = subject.fitted(known)
    before = file_bytes(model)
    wrong: dict[str, tuple[Any, Any]] = {
        "an item that is known": ([*new[:-1], known.items[0]], held),
        "an item twice": ([*new[:-1], new[0]], held),
        "a column too few": (new, {"text": held["text"]}),
        "one array for two columns": (new, held["text"]),
        "a row too few": (new, {name: column[1:] for name, column in held.items()}),
        "another width": (new, {name: column[:, 1:] for name, column in held.items()}),
        "vectors that are not finite": (new, {name: column * np.inf for name, column in held.items()}),
        "texts": (new, {name: column.astype(str) for name, column in held.items()}),
    }
    for what, (items, features) in wrong.items():
        refuses((DataError, ParameterError), lambda items=items, features=features: model.add_items(items, features), what)  # type: ignore[misc]
    refuses(UnknownIdError, lambda: model.nearest_by_content("nothing"), "the nearest items of an unknown one", "nothing")
    expect(file_bytes(model) == before, "a refused add_items must change nothing")
    expect(file_bytes(model.add_items([], {name: column[:0] for name, column in held.items()})) == before, "no items change nothing")


@check
def items_without_content_are_served(subject: Subject) -> None:
    """A row of zeros, for known items or for new ones, leads to finite scores, and the item can be in lists and histories."""
    if not subject.reads_content:
        return
    data = subject.data(shop())
    some = {name: np.where(np.arange(data.n_items)[:, None] % 5 == 2, 0, column) for name, column in data.item_features.items()}
    none = {name: np.zeros_like(column) for name, column in data.item_features.items()}
    for features in (some, none):
        known, new, held = without_items(data.with_columns(item_features=features), every=4)
        model = subject.fitted(known).add_items(new, {name: np.zeros_like(column) for name, column in held.items()})
        expect(np.isfinite(all_scores(model)).all(), "scores must be finite")
        expect(np.isfinite(new_scores(model, [[new[0], known.items[0]], *histories(model)])).all(), "scores of new users must be finite")
        if not hasattr(model._scorer(model._profiles_of(np.zeros(1, np.int32))), "drop_unknown"):
            expect(all(len(found.items) == 5 for found in model.recommend(k=5)), "lists must be full")
        refuses(DataError, lambda: model.nearest_by_content(new[0]), "what is near to an item without content", "zero")  # noqa: B023


@check
def new_users_are_served(subject: Subject) -> None:
    """Users added by their features get lists; a model that does not use them says so."""
    if not subject.reads_content:
        return
    data = subject.data(shop())
    user, row = data.users[3], {name: column[3:4] for name, column in data.user_features.items()}
    model = subject.fitted(data.select(np.flatnonzero(data.user != 3)))
    before = all_scores(model)
    try:
        added = model.add_users(user, row)
    except NotSupportedError:
        return
    expect(added is model and list(model.users_) == list(data.users), "add_users must know the new user, and return the model")
    scores = all_scores(model)
    expect(np.array_equal(np.delete(scores, 3, axis=0), before), "a new user must not change the others")
    expect(np.isfinite(scores).all() and np.ptp(scores[3]) > 0, "a new user needs scores, not all the same")
    expect(len(model.recommend(user, k=5)[0].items) == 5, "a new user gets a list")
    refuses(ParameterError, lambda: model.add_users(user, row), "a user that is known", repr(user))
    blank = model.add_users("nobody knows", {name: np.zeros_like(column) for name, column in row.items()})
    expect(len(blank.recommend("nobody knows", k=5)[0].items) == 5, "a new user without features gets a list")

"""Checks of what `fit` does: the same bytes for the same seed, the answer that is known, edges of the data, and how it reports."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from ..data.dataset import Dataset
from ..errors import DataError, MemoryBudgetError, NotFittedError, NotSupportedError, UnknownIdError
from ..models.contract.recommender import Recommender
from ..options import options
from .sets import blocks, ratings, relabelled, shop
from .subject import Subject
from .tools import all_scores, check, expect, file_bytes, histories, known, lists, new_scores, refuses


@check
def one_item(subject: Subject) -> None:
    """A catalogue of one item: nothing is left for those who have it."""
    model = subject.make().fit(subject.data(Dataset.from_arrays([1, 2, 3], ["a", "a", "a"], weights=[1.0, 2.0, 3.0], times=[1, 2, 3])))
    expect([len(found.items) for found in model.recommend()] == [0, 0, 0], "no user has an unseen item")
    whole = [["a"] if some else [] for some in known(model)[:, 0]]
    expect([found.items for found in model.recommend(exclude_seen=False)] == whole, "with exclude_seen=False there is one item")
    expect(np.isfinite(all_scores(model)).all(), "scores must be finite")


@check
def one_user(subject: Subject) -> None:
    """A single user, who has seen everything."""
    data = subject.data(Dataset.from_arrays([7] * 4, list("abcd"), weights=[1.0, 2.0, 3.0, 4.0], times=[1, 2, 3, 4]))
    model = subject.make().fit(data)
    expect(len(model.recommend(7)[0].items) == 0, "the user has seen all items")
    left = int(known(model, [["a"]])[0, 1:].sum())
    expect(len(model.recommend(history=[["a"]])[0].items) == left, "a new user gets the other items")
    expect(np.isfinite(all_scores(model)).all(), "scores must be finite")


@check
def duplicate_events(subject: Subject) -> None:
    """Events that repeat a pair are learned from, and make no item appear twice."""
    data = subject.data(shop())
    again = np.concatenate([np.arange(len(data)), np.arange(0, len(data), 2), np.arange(0, len(data), 4)])
    model = subject.make().fit(data.select(again))
    for (_, items, _), seen in zip(model.recommend(k=100), histories(model, range(len(model.users_))), strict=True):
        expect(len(set(items)) == len(items) and not set(items) & set(seen), "duplicates must not break the lists")
    expect(np.isfinite(all_scores(model)).all(), "scores must be finite")


@check
def columns_that_are_missing(subject: Subject) -> None:
    """Events without weights and times will do; a model of ratings says that it needs the weights."""
    data = subject.data(shop()).with_columns(timestamp=None)
    bare = data.with_columns(weight=None)
    if subject.cls.score_kind == "rating":
        refuses(DataError, lambda: subject.make().fit(bare), "events without ratings", "weight")
    else:
        data = bare
    model = subject.make().fit(data)
    expect(np.isfinite(all_scores(model)).all(), "scores must be finite")


@check
def kinds_of_ids(subject: Subject) -> None:
    """Integers, strings or both as ids give the same lists and scores."""
    data = subject.data(shop())
    model = subject.make().fit(data)
    for kind in ("strings", "mixed"):
        other_data = relabelled(data, kind)
        other = subject.make().fit(other_data)
        expect(np.array_equal(all_scores(model), all_scores(other)), f"{kind} as ids change the scores")
        users, items = list(other_data.users), list(other_data.items)
        found = other.recommend(users[::2], k=5)
        expected = model.recommend(list(data.users)[::2], k=5)
        expect(np.array_equal(found.rows, expected.rows) and found.users == users[::2], f"{kind} as ids change the lists")
        expect(set(found.items) <= set(items), f"{kind} in, {kind} out")
        new = model.recommend(history=[list(data.items)[:3]])
        expect(np.array_equal(other.recommend(history=[items[:3]]).rows, new.rows), f"{kind} in a history change the list")


@check
def same_seed_same_bytes(subject: Subject) -> None:
    """Two fits give the same file, whatever was fitted before, and leave NumPy's global generator alone."""
    data = subject.data(shop())
    before = np.random.get_state(legacy=False)["state"]  # noqa: NPY002  (the very thing that must not be touched)
    first = subject.make().fit(data)
    again = file_bytes(first)
    expect(file_bytes(subject.make().fit(data)) == again, "a second model with the same seed differs")
    first.fit(subject.data(shop(seed=1)))
    expect(file_bytes(first.fit(data)) == again, "a second fit must forget the first")
    after = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    expect(all(np.array_equal(before[key], after[key]) for key in before), "fit must not use NumPy's global generator")


@check
def threads_do_not_matter(subject: Subject) -> None:
    """One thread and two give the same file and the same lists, on data of several blocks of rows."""
    data = subject.data(shop(n_users=150, n_items=270))

    def result(threads: int) -> tuple[bytes, Any, Any]:
        with options(threads=threads):
            model = subject.make().fit(data)
            return file_bytes(model), lists(model.recommend()), lists(model.recommend(history=histories(model, range(100))))

    for what, one, two in zip(("files", "lists", "lists of new users"), result(1), result(2), strict=True):
        expect(one == two, f"two threads give other {what} than one")


@check
def backends_agree(subject: Subject) -> None:
    """NumPy and Numba give scores within 1e-4 of their range; without Numba there is nothing to compare."""
    if find_spec("numba") is None:
        return
    data = subject.data(shop())
    found = []
    for backend in ("numpy", "numba"):
        with options(backend=backend):
            model = subject.make().fit(data)
            expect(model.backend_ == backend, f"the model must record its backend, it says {model.backend_!r}")
            found.append(np.concatenate([all_scores(model), new_scores(model, histories(model))]).astype(np.float64))
    difference, spread = np.abs(found[0] - found[1]).max(), np.ptp(found[0])
    expect(difference <= 1e-4 * spread, f"the backends differ by {difference:.3g}, scores range over {spread:.3g}")


@check
def inputs_stay_as_they_are(subject: Subject) -> None:
    """Neither `fit` nor `recommend` writes to what it is given."""
    data = subject.data(shop())
    before, matrix = data.fingerprint, data.matrix.to_dense()
    model = subject.make().fit(data, validation=shop(seed=1))
    items, users = list(model.items_), list(model.users_)
    history, weights = [items[:3], items[4:6]], [[1.0, 2.0, 3.0], [1.0, 1.0]]
    candidates, asked = np.array(items[::-1]), np.array(users[:3])
    deny: dict[Any, Any] = {0: items[7:9]}
    model.recommend(history=history, weights=weights, candidates=candidates, deny=deny)
    model.recommend(asked, k=3)
    unchanged = Dataset.from_arrays(data.users.ids(data.user), data.items.ids(data.item), data.weight, data.time, time_unit=data.time_unit)
    expect(unchanged.fingerprint == before and np.array_equal(data.matrix.to_dense(), matrix), "fit changed the data set")
    expect(history == [items[:3], items[4:6]] and weights == [[1.0, 2.0, 3.0], [1.0, 1.0]], "recommend changed the history")
    expect(candidates.tolist() == items[::-1] and deny == {0: items[7:9]} and asked.tolist() == users[:3], "recommend changed a filter")
    first = all_scores(model)
    for array in (all_scores(model), *(found.scores for found in model.recommend())):
        array[:] = 0
    expect(np.array_equal(all_scores(model), first), "writing to a result changed the model")


@check
def known_answer(subject: Subject) -> None:
    """Where the answer is obvious the model finds it: the items of a user's group, or the ratings of two camps."""
    model = subject.make(**subject.accurate)
    if subject.cls.score_kind == "rating":
        held = ratings()
        predicted = model.fit(subject.data(held.train)).score(held.users, held.items)
        share = float(np.sqrt(np.mean((predicted - held.weights) ** 2)) / np.std(held.weights))
        expect(share <= subject.error, f"RMSE is {share:.3f} of the standard deviation of the ratings, at most {subject.error} is expected")
        return
    held = blocks()
    expected = set(zip(held.users, held.items, strict=True))
    found = [(user, item) for user, items, _ in model.fit(subject.data(held.train)).recommend(k=2) for item in items]
    recall = len(expected & set(found)) / len(expected)
    expect(recall >= subject.recall, f"recall is {recall:.2f} where the answer is obvious, at least {subject.recall} is expected")


@check
def memory_is_estimated(subject: Subject) -> None:
    """The estimate is a whole number of bytes that does not shrink with the data; a budget below it is an error before the work."""
    small, large = subject.data(shop()), subject.data(shop(n_users=120, n_items=60))
    need = subject.make().estimate_memory(large)
    expect(isinstance(need, int) and need >= subject.make().estimate_memory(small) >= 0, "estimate_memory must give bytes that grow")
    if need > 1:
        with options(memory=1):
            model = subject.make()
            refuses(MemoryBudgetError, lambda: model.fit(large), "a budget of one byte", "MINIREC_MEMORY")
            refuses(NotFittedError, lambda: model.recommend(), "recommend after a refused fit")


@check
def progress_is_reported(subject: Subject) -> None:
    """An iterative model leaves a record an iteration, tells `progress` and `callback`, is usable meanwhile, and stops when asked."""
    data, held = subject.data(shop()), shop(seed=1)
    steps: list[tuple[int, int]] = []
    records: list[dict[str, float]] = []

    def use(model: Recommender, record: dict[str, float]) -> None:
        records.append(record)
        model.recommend(history=[[data.items[0]]], k=1)
        model.recommend(data.users[0], k=1)

    model = subject.make()
    model.fit(data, held, progress=lambda done, total, record: steps.append((done, total)), callback=use)
    expect(model.log_ == records, "callback must get every record of log_")
    expect([done for done, _ in steps] == list(range(1, len(records) + 1)), "progress must count the iterations from 1")
    iterative = "iterations" in model.get_params()
    expect(bool(records) or not iterative, "a model with iterations must leave a record for each in log_")
    plain = subject.make().fit(data)
    expect(np.array_equal(all_scores(model), all_scores(plain)), "being watched must not change the fit")
    for record in records:
        expect("validation_recall@20" in record and 0 <= record["validation_recall@20"] <= 1, "validation must add its figures")
        expect(all(np.isfinite(value) for value in record.values()), "records must be finite")
    expect(not any("validation_recall@20" in record for record in plain.log_), "no figures of validation without validation")
    if len(records) > 1:
        stopped = subject.make().fit(data, callback=lambda model, record: True)
        expect(len(stopped.log_) == 1, "a callback that returns True must stop the fit")
        expect(np.isfinite(all_scores(stopped)).all() and len(stopped.recommend(k=3)[0].items) == 3, "a stopped model must be usable")


@check
def an_interrupted_fit_leaves_no_model(subject: Subject) -> None:
    """An error in a callback ends the fit; a half-fitted model does not answer."""

    def fail(model: Recommender, record: dict[str, float]) -> None:
        raise KeyboardInterrupt

    model = subject.make()
    try:
        model.fit(subject.data(shop()), callback=fail)
    except KeyboardInterrupt:
        refuses(NotFittedError, lambda: model.recommend(), "recommend after an interrupted fit")
    else:
        expect(not model.log_, "an error in a callback must reach the caller")


@check
def updates(subject: Subject) -> None:
    """Further events are taken in, or the model says that it cannot."""
    data = subject.data(shop())
    model = subject.make().fit(data.select(np.arange(0, len(data), 2)))
    try:
        updated = model.update(data.select(np.arange(1, len(data), 2)))
    except NotSupportedError:
        return
    expect(updated is model, "update must return the model")
    expect(list(model.users_) == list(data.users) and list(model.items_) == list(data.items), "update must know new users and items")
    expect(np.isfinite(all_scores(model)).all(), "scores must be finite")


@check
def users_are_forgotten(subject: Subject) -> None:
    """A model without a user is what a fit without the user gives, or it says that it cannot be had."""
    data = subject.data(shop())
    user = data.users[3]
    model = subject.make().fit(data)
    try:
        left = model.forget(user)
    except NotSupportedError:
        return
    expect(left is model, "forget must return the model")
    refuses(UnknownIdError, lambda: model.recommend(user), "recommend to a forgotten user", str(user))
    refuses(UnknownIdError, lambda: model.forget(user), "forget a user twice", str(user))
    fresh = subject.make().fit(data.select(np.flatnonzero(data.user != 3)))
    expect(list(model.users_) == list(fresh.users_), "no other user may be missing")
    found, expected = (new_scores(each, histories(fresh)) for each in (model, fresh))
    expect(np.abs(found - expected).max() <= 1e-4 * np.ptp(expected), "scores must be those of a fit without the user")

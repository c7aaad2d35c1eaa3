"""Checks of what a fitted model answers: lists, filters, scores, explanations, new users."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..errors import NotSupportedError, ParameterError, UnknownIdError
from ..models.baselines.popularity import Popularity
from ..models.contract.recommender import Recommender
from .sets import shop
from .subject import Subject
from .tools import all_scores, check, expect, histories, known, lists, new_scores, refuses


def _fitted(subject: Subject) -> Recommender:
    return subject.make().fit(subject.data(shop()))


@check
def unknown_users(subject: Subject) -> None:
    """An unknown user raises, is ignored and listed, or is served by the fallback."""
    model = _fitted(subject)
    user = model.users_[3]
    refuses(UnknownIdError, lambda: model.recommend([user, "nobody"]), "an unknown user", "nobody")
    refuses(UnknownIdError, lambda: model.score(["nobody"], [model.items_[0]]), "score of an unknown user", "nobody")
    found = model.recommend(["nobody", user, -5], unknown="ignore")
    expect(found.users == [user] and found.ignored == ["nobody", -5], "unknown='ignore' must leave out the unknown users and list them")
    expect(lists(found) == lists(model.recommend([user])), "leaving out unknown users must not change the others")
    fallback = Popularity().fit(shop())
    found = model.recommend(["nobody", user], k=4, fallback=fallback)
    expect(found.users == ["nobody", user] and not found.ignored, "a fallback serves unknown users, in the order asked for")
    expect(found[0].items == fallback.recommend(history=[[]], k=4)[0].items, "an unknown user must get the fallback's list")
    own = model.recommend(user, k=4)[0].items
    expect(found[1].items[: len(own)] == own, "a fallback must not change the list of a known user")


@check
def unknown_items(subject: Subject) -> None:
    """An unknown item raises wherever it is named, or is ignored and listed."""
    model = _fitted(subject)
    user, item = model.users_[0], model.items_[0]
    refuses(UnknownIdError, lambda: model.recommend(history=[[item, "nothing"]]), "an unknown item in a history", "nothing")
    refuses(UnknownIdError, lambda: model.recommend([user], candidates=["nothing"]), "an unknown candidate", "nothing")
    refuses(UnknownIdError, lambda: model.recommend([user], deny=["nothing"]), "an unknown denied item", "nothing")
    refuses(UnknownIdError, lambda: model.score([user], ["nothing"]), "score of an unknown item", "nothing")
    refuses(UnknownIdError, lambda: model.similar_items("nothing"), "similar items of an unknown item", "nothing")
    refuses((UnknownIdError, NotSupportedError), lambda: model.explain(user, "nothing"), "explanation of an unknown item")
    found = model.recommend(history=[[item, "nothing"]], unknown="ignore")
    expect(found.ignored == ["nothing"], "unknown='ignore' must list the unknown items of a history")
    expect(lists(found) == lists(model.recommend(history=[[item]])), "leaving out an unknown item must not change the list")


@check
def empty_histories(subject: Subject) -> None:
    """A user without a history gets an answer from a model that has one, else an error, or the fallback's list."""
    model, fallback = _fitted(subject), Popularity().fit(shop())
    history = histories(model)[0]
    served = model.recommend(history=[[], history], k=5, fallback=fallback)
    expect([len(found.items) for found in served] == [5, 5], "with a fallback every history must get a list")
    own = model.recommend(history=[history], k=5)[0].items
    expect(served[1].items[: len(own)] == own, "a fallback must not change the lists of others, but fill them")
    expect(len(set(served[1].items)) == 5 and not set(served[1].items) & set(history), "a fallback fills with other items")
    try:
        alone = model.recommend(history=[[]], k=5)
    except ParameterError as error:
        expect("fallback" in str(error), "the error about an empty history should name the fallback")
        expect(served[0].items == fallback.recommend(history=[[]], k=5)[0].items, "an empty history must get the fallback's list")
    else:
        expect(len(alone[0].items) == 5, "a model that serves an empty history must fill the list")


@check
def requests_out_of_form_are_refused(subject: Subject) -> None:
    """Arguments that contradict each other, or have the wrong form, raise."""
    model = _fitted(subject)
    user, item = model.users_[0], model.items_[0]
    wrong: dict[str, dict[str, Any]] = {
        "k=0": {"k": 0},
        "k=2.5": {"k": 2.5},
        "k=True": {"k": True},
        "unknown='drop'": {"unknown": "drop"},
        "users and history": {"users": [user], "history": [[item]]},
        "weights without history": {"users": [user], "weights": [[1.0]]},
        "a flat history": {"history": [item, item]},
        "weights of another shape": {"history": [[item]], "weights": [[1.0, 2.0]]},
        "weights that are not finite": {"history": [[item]], "weights": [[float("nan")]]},
        "candidates that are no list": {"users": [user], "candidates": 5},
        "a fallback that is no model": {"users": ["nobody"], "fallback": "popularity"},
    }
    for what, arguments in wrong.items():
        refuses(ParameterError, lambda arguments=arguments: model.recommend(**arguments), what)  # type: ignore[misc]
    refuses(ParameterError, lambda: model.score([user], [item, item]), "score of pairs that differ in number")
    refuses((ParameterError, NotSupportedError), lambda: model.explain(user), "explain without an item")


@check
def long_lists(subject: Subject) -> None:
    """A list longer than the catalogue ends where the items do of which something is known: no sentinels, none twice, none seen."""
    model = _fitted(subject)
    n, evidence = len(model.items_), known(model)
    for row, (found, seen) in enumerate(zip(model.recommend(k=10 * n), histories(model, range(len(model.users_))), strict=True)):
        left = set(model.items_.ids(np.flatnonzero(evidence[row]))) - set(seen)
        expect(len(found.items) == len(left), f"user {found.user!r}: {len(found.items)} items, {len(left)} are left")
        expect(set(found.items) == left, f"user {found.user!r}: the list must hold each unseen item once")
        expect(np.isfinite(found.scores).all(), f"user {found.user!r}: scores must be finite")
    for row, found in enumerate(model.recommend(k=10 * n, exclude_seen=False)):
        everything = set(model.items_.ids(np.flatnonzero(evidence[row])))
        expect(set(found.items) == everything and len(found.items) == len(everything), "with exclude_seen=False all must be there once")


@check
def scores_and_their_order(subject: Subject) -> None:
    """Lists descend by the scores that `score` gives, float32, bit by bit; equal scores are ordered by item row."""
    model = _fitted(subject)
    scores, evidence = all_scores(model), known(model)
    expect(scores.dtype == np.float32, f"score must return float32, not {scores.dtype}")
    for row, (user, items, values) in enumerate(model.recommend(k=len(model.items_), exclude_seen=False)):
        found = model.items_.rows(items)
        expected = np.argsort(-scores[row], kind="stable")
        expected = expected[evidence[row, expected]]
        expect(np.array_equal(found, expected), f"user {user!r}: the order is not that of the scores, ties to the lower row")
        expect(np.array_equal(values, scores[row][expected]), f"user {user!r}: recommend and score give different scores")


@check
def filters_combine(subject: Subject) -> None:
    """Candidates, denied and seen items combine: the lists are those of brute force over all scores."""
    model = _fitted(subject)
    items = list(model.items_)
    users = list(model.users_)[5:11]
    whole_lists = {user: model.recommend(user, k=len(items), exclude_seen=False)[0] for user in users}
    seen = dict(zip(model.users_, histories(model, range(len(model.users_))), strict=True))
    for candidates in (None, items[::2], {users[0]: items[:5], users[2]: []}):
        for deny in (None, items[1::4], {users[0]: items[2:4], users[1]: items}):
            for exclude_seen in (True, False):
                found = model.recommend(users, k=6, candidates=candidates, deny=deny, exclude_seen=exclude_seen)
                for user, got, scores in found:
                    allowed = set(_for(candidates, user, items)) - set(_for(deny, user, []))
                    allowed -= set(seen[user]) if exclude_seen else set()
                    best = [(i, s) for i, s in zip(*whole_lists[user][1:], strict=True) if i in allowed][:6]
                    same = got == [i for i, _ in best] and np.array_equal(scores, np.array([s for _, s in best], np.float32))
                    expect(same, f"user {user!r} with candidates={candidates}, deny={deny}, exclude_seen={exclude_seen}: wrong list")


def _for(given: Any, user: Any, otherwise: list[Any]) -> list[Any]:
    given = given.get(user) if isinstance(given, dict) else given
    return otherwise if given is None else given


@check
def one_user_at_a_time_equals_the_batch(subject: Subject) -> None:
    """Known and new users get the same bits alone and together."""
    model = _fitted(subject)
    users, new = list(model.users_), histories(model, range(12))
    expect([lists(model.recommend(user))[0] for user in users] == lists(model.recommend(users)), "a known user alone gets another list")
    batch = [found[1:] for found in lists(model.recommend(history=new))]
    alone = [lists(model.recommend(history=[history]))[0][1:] for history in new]
    expect(alone == batch, "a new user alone gets another list than in a batch")


@check
def order_of_a_request_does_not_matter(subject: Subject) -> None:
    """Users may come in any order and twice; the items of a history in any order, repeated ones with their weights summed.

    To a model of sequences the order of a history is what counts.
    """
    model = _fitted(subject)
    users = list(model.users_)
    batch = {found[0]: found for found in lists(model.recommend())}
    mixed = [*users[::-3], users[4], *users[::5]]
    expect(lists(model.recommend(mixed)) == [batch[user] for user in mixed], "the order of the users must not matter")
    new = histories(model)
    reordered = model.recommend(history=[history[::-1] for history in new])
    same = lists(reordered) == lists(model.recommend(history=new))
    if subject.cls._ordered:
        expect(not same, "the order of a history must matter")
        return
    expect(same, "the order of a history must not matter")
    history = new[0]
    twice = model.recommend(history=[[*history, history[0]]])
    weighted = model.recommend(history=[history], weights=[[2.0] + [1.0] * (len(history) - 1)])
    expect(lists(twice) == lists(weighted), "an item twice in a history must count as its weights summed")


@check
def new_users_get_their_lists(subject: Subject) -> None:
    """A history leads to a list without the items in it, numbered by its position."""
    model = _fitted(subject)
    new = histories(model)
    found = model.recommend(history=new, k=5)
    expect(found.users == list(range(len(new))), "users given by their history are numbered 0, 1, ...")
    for history, evidence, (_, items, scores) in zip(new, known(model, new), found, strict=True):
        left = set(model.items_.ids(np.flatnonzero(evidence))) - set(history)
        expect(len(items) == min(5, len(left)) and set(items) <= left, "a new user gets k items that are not in the history")
        expect(np.isfinite(scores).all(), "scores of new users must be finite")
    expect(np.isfinite(new_scores(model, new)).all(), "a new user needs a finite score for every item")


@check
def concurrent_calls(subject: Subject) -> None:
    """Eight threads that ask at once get what one gets."""
    model = _fitted(subject)
    users, new = list(model.users_), histories(model)

    def ask(worker: int) -> list[Any]:
        turned = users[worker:] + users[:worker]
        return [
            sorted(lists(model.recommend(turned))),
            lists(model.recommend(history=new)),
            [lists(model.recommend(user))[0] for user in users[:4]],
        ]

    expected = ask(0)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(ask, range(16)):
            expect(found == expected, "a concurrent call got another answer")


@check
def explanations_add_up(subject: Subject) -> None:
    """The parts of a score add up to it within 1e-5 of the sum of their magnitudes, or the model says why it has none."""
    model = _fitted(subject)
    scores, new = all_scores(model), histories(model)
    of_new = new_scores(model, new)
    try:
        model.explain(model.users_[0], model.items_[0])
    except NotSupportedError as error:
        expect(len(str(error)) > 30, "a model without explanations must say why")
        return
    for row in range(6):
        for column in range(0, len(model.items_), 3):
            of_user = model.explain(model.users_[row], model.items_[column])
            folded = model.explain(history=[new[row]], item=model.items_[column])
            for found, score in ((of_user, scores[row, column]), (folded, of_new[row, column])):
                values = np.array([part.value for part in found.parts])
                expect(found.item == model.items_[column], "an explanation must name the item")
                expect(found.score == score, f"explained score {found.score} is not the score {score}")
                error_ = abs(values.sum() - found.score)
                expect(error_ <= 1e-5 * np.abs(values).sum(), f"the parts miss the score {found.score} by {error_:.3g}")
                expect((np.diff(np.abs(values)) <= 0).all(), "parts come with the largest magnitude first")


@check
def vectors_and_similar_items(subject: Subject) -> None:
    """Vectors reproduce the scores; similar items descend, without the item itself; or the model says that it has neither."""
    model = _fitted(subject)
    users, items = list(model.users_), list(model.items_)
    try:
        left, right = model.user_vectors().astype(np.float64), model.item_vectors().astype(np.float64)
    except NotSupportedError:
        refuses(NotSupportedError, lambda: model.item_vectors(), "item vectors without user vectors")
    else:
        expect(len(left) == len(users) and len(right) == len(items), "vectors need a row for each user and item")
        error = np.abs(left @ right.T - all_scores(model)).max()
        expect(
            error <= 1e-5 * (np.linalg.norm(left, axis=1).max() * np.linalg.norm(right, axis=1).max()), f"vectors miss scores by {error}"
        )
        some = model.user_vectors(users[3:1:-1])
        expect(np.array_equal(some, left[3:1:-1].astype(some.dtype)), "vectors of some users must be rows of the vectors of all")
        expect(np.array_equal(model.item_vectors(items[:2]), right[:2].astype(some.dtype)), "the same for items")
        expect(model.user_vectors(history=histories(model)).shape == (6, left.shape[1]), "new users have vectors of the same length")
    try:
        found = model.similar_items(items[2], k=100)
    except NotSupportedError:
        return
    expect(len(found) == len(items) - 1 and items[2] not in dict(found), "similar items are all others, the item itself left out")
    values = [value for _, value in found]
    expect(values == sorted(values, reverse=True), "similar items must descend")
    expect(model.similar_items(items[2], k=3) == found[:3], "k cuts the list of similar items")

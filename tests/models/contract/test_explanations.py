"""Explanations of models whose score is no sum over the history, and why one item stands above another."""

import numpy as np
import pytest

import minirec as mr
from minirec.errors import NotSupportedError
from minirec.models.contract.explanation import Explanation, Part, contrast


@pytest.fixture(scope="module")
def events():
    return mr.synthetic(120, 50, 2_000, seed=1)


def test_a_score_that_is_no_sum_is_explained_by_leaving_items_out(events):
    model = mr.BPR(factors=8, iterations=3).fit(events)
    user = events.users[3]
    item = model.recommend([user], k=1)[0].items[0]
    known = set(events.items.ids(events.item[events.user == 3]))
    found = model.explain(user, item)
    assert {part.source for part in found.parts} == {"left out", "the rest"}
    assert {part.name for part in found.parts if part.source == "left out"} == known
    assert sum(part.value for part in found.parts) == pytest.approx(found.score, rel=1e-5)
    one = next(part for part in found.parts if part.source == "left out")
    history = [entry for entry in known if entry != one.name]
    table = model.item_vectors([item])[0].astype(float)
    full, less = (model.user_vectors(history=[list(kept)])[0].astype(float) @ table for kept in (known, history))
    assert one.value == pytest.approx(full - less, abs=1e-4)


def test_a_history_of_one_item_and_none(events):
    model = mr.BPR(factors=8, iterations=2).fit(events)
    item = events.items[4]
    found = model.explain(history=[[events.items[0]]], item=item)
    assert found.parts[0] == Part("left out", events.items[0], pytest.approx(found.score))


def test_chance_has_no_reasons(events):
    with pytest.raises(NotSupportedError, match="drawn by chance"):
        mr.Random().fit(events).explain(events.users[0], events.items[0])


@pytest.mark.parametrize("model", [mr.ItemKNN(), mr.Popularity(), mr.BPR(factors=8, iterations=2)])
def test_why_one_item_stands_above_another(events, model):
    model.fit(events)
    user = events.users[7]
    first, second = model.recommend([user], k=2)[0].items
    why = model.explain(user, first, instead_of=second)
    scores = model.score([user, user], [first, second]).astype(float)
    assert why.item == first
    assert why.score == pytest.approx(scores[0] - scores[1], rel=1e-5, abs=1e-9)
    assert sum(part.value for part in why.parts) == pytest.approx(why.score, rel=1e-4, abs=1e-6)
    assert (np.diff([abs(part.value) for part in why.parts]) <= 0).all()


def test_parts_of_the_items_themselves_are_set_against_each_other():
    one = Explanation("a", 5.0, [Part("popularity", "a", 3.0), Part("history", "x", 2.0)])
    other = Explanation("b", 1.5, [Part("popularity", "b", 1.0), Part("history", "y", 0.5)])
    assert contrast(one, other) == Explanation(
        "a", 3.5, [Part("popularity", "a", 2.0), Part("history", "x", 2.0), Part("history", "y", -0.5)]
    )

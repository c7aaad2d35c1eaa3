"""evaluate() on lists of other systems, on ties, and on models that saw the test events."""

import naive
import naive_ties
import numpy as np
import pytest
from test_protocol import ItemMean, events

import minirec as mr
from minirec.data.dataset import Dataset
from minirec.data.splits import split
from minirec.engine.ranking.topk import ConstantScorer
from minirec.errors import DataError, DataWarning, ParameterError
from minirec.evaluation import evaluate
from minirec.models.baselines.popularity import Popularity, Random


class Coarse(ItemMean):
    """Scores items by the given levels: many ties."""

    name = "coarse"

    def __init__(self, *, levels=1, shift=0.0):
        self.levels, self.shift = levels, shift

    def _fit(self, train, monitor):
        self.means_ = (1 + np.arange(train.n_items) % self.levels).astype(np.float32)

    def _scorer(self, profiles):
        return ConstantScorer(self.means_, len(profiles))


@pytest.fixture(scope="module")
def halves():
    return split(events(n=500, users=40), "time", test=0.4)


def test_lists_of_a_model_measure_as_the_model(halves):
    train, test = halves
    model = Random(seed=3).fit(train)
    found = model.recommend(k=30)
    forms = {
        "recommendations": found,
        "pairs": found.to_dict(),
        "lists": {user: [item for item, _ in pairs] for user, pairs in found.to_dict().items()},
        "table": found.columns(),
    }
    result = evaluate({"model": model, **forms}, train, test, k=(3, 5))
    numbers = result.to_dict()
    assert result.users == evaluate(model, train, test, k=3).users
    for name in forms:
        common = {key: value for key, value in numbers["model"].items() if key in numbers[name]}
        assert {key: numbers[name][key] for key in common} == common
    assert "ndcg@3.ties" not in numbers["lists"]  # no scores: nothing is known of ties
    assert "ndcg@3.ties" in numbers["pairs"]
    assert len(result.compare("table", "model")) == 3
    assert not result.notes
    assert list(evaluate(found, train, test, k=3).to_dict()) == ["lists"]


def test_missing_lists_unknown_items_and_seen_items_are_told(halves):
    train, test = halves
    users = evaluate(Popularity().fit(train), train, test, k=3).users
    popular = Popularity().fit(train).recommend(users, k=3).to_dict()
    lists = {user: ["no such item", *(item for item, _ in popular[user])] for user in users[2:]}
    has = train.items.ids(train.matrix.row(train.users.row(users[2]))[0])[0]
    lists[users[2]] = [has, *lists[users[2]][1:]]
    result = evaluate({"theirs": lists}, train, test, k=4)
    assert [note for note in result.notes if "2 users have no list" in note]
    assert [note for note in result.notes if f"{len(users) - 3:,} of" in note and "an item that train does not have" in note]
    assert [note for note in result.notes if "1 of" in note and "what the user has already" in note]
    measured, values = result.per_user("theirs", "mrr@4")
    assert measured == users
    assert values[:2].tolist() == [0.0, 0.0]
    assert max(values) <= 0.5  # the first place is no test item
    assert result.to_dict()["theirs"]["coverage@4"] <= 1.0


def test_scores_that_do_not_descend_say_nothing_about_ties(halves):
    train, test = halves
    found = {user: [(item, -score) for item, score in pairs] for user, pairs in Random().fit(train).recommend(k=5).to_dict().items()}
    result = evaluate({"theirs": found}, train, test, k=3)
    assert "do not descend" in result.notes[0]
    assert "ties@3" not in result.to_dict()["theirs"]


@pytest.mark.parametrize("levels", [1, 2, 5])
@pytest.mark.parametrize("exclude_seen", [True, False])
def test_ties_of_a_model_by_every_order(levels, exclude_seen):
    data = Dataset.from_arrays(
        [u for u in range(12) for _ in range(3)], [(u * 5 + 2 * j) % 7 for u in range(12) for j in range(3)], times=list(range(3)) * 12
    )
    train, test = split(data, "time", test=1 / 3)
    model = Coarse(levels=levels).fit(train)
    result = evaluate(model, train, test, k=(1, 3), exclude_seen=exclude_seen)
    scores = dict(zip(train.items, model.means_.tolist(), strict=True))
    for metric, twin in (
        ("ndcg", naive.ndcg),
        ("map", naive.average_precision),
        ("mrr", naive.reciprocal_rank),
        ("hitrate", naive.hitrate),
    ):
        for k in (1, 3):
            expected = {}
            for user in result.users:
                seen = set(train.items.ids(train.matrix.row(train.users.row(user))[0]))
                relevant = set(test.items.ids(test.matrix.row(test.users.row(user))[0])) & set(train.items)
                if exclude_seen:
                    relevant -= seen
                candidates = sorted((i for i in train.items if not (exclude_seen and i in seen)), key=lambda i: (-scores[i], i))
                expected[user] = naive_ties.expectation(twin, candidates, [scores[i] for i in candidates], relevant, k)
            users, values = result.per_user("coarse", f"{metric}@{k}.ties")
            assert dict(zip(users, values.tolist(), strict=True)) == pytest.approx(expected)
    assert result.to_dict()["coarse"]["ties@3"] == (1.0 if levels == 1 else pytest.approx(0.5, abs=0.5))


def test_a_constant_model_is_seen_to_be_chance():
    train, test = split(mr.synthetic(n_users=800, n_items=60, n_events=9000, seed=2), "random")
    result = evaluate({"constant": Coarse().fit(train), "random": Random(seed=5).fit(train)}, train, test, k=10)
    low, high = result.intervals("ndcg@10")["random"]["ndcg@10"]
    numbers = result.to_dict()["constant"]
    assert low <= numbers["ndcg@10.ties"] <= high
    assert numbers["ties@10"] == 1.0


def test_without_ties_the_expectation_is_the_value(halves):
    train, test = halves
    numbers = evaluate(Random().fit(train), train, test, k=3).to_dict()["random"]
    assert numbers["ties@3"] == 0.0
    assert all(numbers[f"{name}.ties"] == numbers[name] for name in ("ndcg@3", "tail.map@3", "mass_head.hitrate@3"))
    only = evaluate(Random().fit(train), train, test, k=3, metrics=["mrr"]).to_dict()["random"]
    assert "mrr@3.ties" in only
    assert "ties@3" not in only


def test_a_model_that_was_fitted_on_test_pairs_is_told(halves):
    train, test = halves
    leaky = Popularity().fit(events(n=500, users=40))
    with pytest.warns(DataWarning, match=r"leaky was fitted on \d+ of the \d+ test pairs \(100%\)"):
        result = evaluate({"leaky": leaky, "clean": Popularity().fit(train)}, train, test, k=3)
    assert "leaky was fitted on" in str(result)
    assert "clean was" not in str(result)


def test_very_few_users_are_told(halves):
    train, test = halves
    some = test.select(np.isin(test.user, np.unique(test.user)[:3]))
    with pytest.warns(DataWarning, match="users are measured: the figures say next to nothing"):
        evaluate(Popularity().fit(train), train, some, k=3)


def test_what_holds_no_lists_is_refused(halves):
    train, test = halves
    user, item = train.users[0], train.items[0]
    for error, words, given in (
        (DataError, "no list for any", {"theirs": {"nobody": [item]}}),
        (DataError, "no item of the lists", {"theirs": {user: ["nothing"], **{other: ["nothing"] for other in list(train.users)[1:]}}}),
        (DataError, "twice", {"theirs": {user: [item, item]}}),
        (ParameterError, "no lists", {"theirs": 3}),
        (ParameterError, "not a fitted", {"theirs": Popularity}),
    ):
        with pytest.raises(error, match=words):
            evaluate(given, train, test, k=2)
    assert list(evaluate({user: [item] for user in train.users}, train, test, k=2).to_dict()) == ["lists"]

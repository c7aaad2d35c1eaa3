"""evaluate(): who and what counts, against brute force; results, comparisons, printing."""

import json
import math

import naive
import numpy as np
import pytest

from minirec.data.dataset import Dataset
from minirec.data.popularity import popularity_groups
from minirec.data.splits import split
from minirec.engine.ranking.topk import ConstantScorer
from minirec.errors import DataError, NotFittedError, ParameterError
from minirec.evaluation import evaluate
from minirec.models.baselines.popularity import Popularity, Random
from minirec.models.contract.recommender import Recommender
from minirec.options import options

few = pytest.mark.filterwarnings("ignore:Only .* measured")


class ItemMean(Recommender):
    """Predicts the mean rating of the item, plus a shift."""

    name = "item_mean"
    score_kind = "rating"
    _serves_empty = True

    def __init__(self, *, shift=0.0):
        self.shift = shift

    def _check(self):
        pass

    def estimate_memory(self, dataset):
        return 0

    def _fit(self, train, monitor):
        total = np.bincount(train.item, weights=train.weight, minlength=train.n_items)
        self.means_ = (total / np.bincount(train.item, minlength=train.n_items) + self.shift).astype(np.float32)

    def _scorer(self, profiles):
        return ConstantScorer(self.means_, len(profiles))


def events(seed=0, n=400, users=25, items=18, ids=int):
    rng = np.random.default_rng(seed)
    item = np.minimum(rng.geometric(0.15, n) - 1, items - 1)
    user = rng.integers(0, users, n)
    return Dataset.from_arrays(
        [ids(u) for u in user.tolist()], [ids(100 + i) for i in item.tolist()], weights=rng.integers(1, 6, n), times=np.arange(n)
    )


@pytest.fixture(scope="module")
def halves():
    train, test = split(events(), "time", test=0.4)
    return train, test


@pytest.fixture(scope="module")
def result(halves):
    train, test = halves
    return evaluate({"popularity": Popularity().fit(train), "random": Random(seed=1).fit(train)}, train, test, k=(3, 5))


@pytest.mark.parametrize("ids", [int, str, lambda v: v if v % 2 else str(v)])
@pytest.mark.parametrize("exclude_seen", [True, False])
def test_means_equal_brute_force(ids, exclude_seen):
    train, test = split(events(3, ids=ids), "time", test=0.4)
    model = Random(seed=2).fit(train)
    found = evaluate(model, train, test, k=4, exclude_seen=exclude_seen)
    seen, truths = {}, {}
    for side, of in ((train, seen), (test, truths)):
        for user, item in zip(side.users.ids(side.user), side.items.ids(side.item), strict=True):
            of.setdefault(user, set()).add(item)
    catalogue = set(train.items)
    tail = {item for item, in_tail in zip(train.items, popularity_groups(train).mask("tail", "count"), strict=True) if in_tail}
    recall, tail_ndcg = {}, {}
    for user, truth in truths.items():
        if user not in seen:
            continue
        relevant = (truth & catalogue) - (seen[user] if exclude_seen else set())
        if relevant:
            items = model.recommend([user], k=4, exclude_seen=exclude_seen)[0].items
            recall[user] = naive.recall(items, relevant, 4)
            if relevant & tail:
                tail_ndcg[user] = naive.ndcg(items, relevant & tail, 4)
    numbers = found.to_dict()["random"]
    assert numbers["recall@4"] == pytest.approx(sum(recall.values()) / len(recall))
    assert numbers["tail.ndcg@4"] == pytest.approx(sum(tail_ndcg.values()) / len(tail_ndcg))
    users, values = found.per_user("random", "tail.ndcg@4")
    assert dict(zip(users, values.tolist(), strict=True)) == pytest.approx(tail_ndcg)
    assert sorted(map(str, found.users)) == sorted(map(str, recall))


@few
def test_what_is_left_out_is_counted():
    train = Dataset.from_arrays([1, 1, 2, 2, 3], ["a", "b", "a", "c", "b"])
    test = Dataset.from_arrays([1, 1, 1, 2, 2, 3, 9, 9], ["c", "a", "z", "b", "b", "b", "a", "b"])
    found = evaluate(Popularity().fit(train), train, test, k=2)
    assert found.users == [1, 2]
    expected = {
        "test_events": 8,
        "test_pairs": 7,
        "unknown_users": 1,
        "pairs_of_unknown_users": 2,
        "pairs_of_unknown_items": 1,
        "pairs_seen": 2,
        "users_without_test_items": 1,
        "truth_pairs": 2,
        "users": 2,
        "items": 3,
    }
    assert found.counts == expected
    assert found.to_dict()["popularity"]["recall@2"] == 1.0
    text = str(found)
    for part in ("1 test pairs with an item that train does not know", "2 test pairs that the user had already", "3 items for 2 users"):
        assert part in text
    kept = evaluate(Popularity().fit(train), train, test, k=2, exclude_seen=False)
    assert "pairs_seen" not in kept.counts
    assert kept.users == [1, 2, 3]


def test_a_train_set_with_unused_ids_is_measured_on_the_items_it_holds(halves):
    train, test = halves
    padded = events().select(np.isin(np.arange(400), np.arange(len(train))))  # keeps the ids of test
    assert padded.n_items >= train.n_items
    ours, theirs = (evaluate(Popularity().fit(side), side, test, k=3).to_dict() for side in (train, padded))
    assert ours == theirs


def test_all_models_are_measured_on_the_users_that_all_know(halves):
    train, test = halves
    part = train.select(train.user > 3).compact()
    found = evaluate({"all": Popularity().fit(train), "part": Popularity().fit(part)}, train, test, k=3)
    assert not set(found.users) & set(train.users.ids(np.arange(4)))
    assert found.counts["unknown_users"] >= 4


@few
def test_held_out_users_by_their_history():
    data = events(5, n=600)
    train, fold_in, target = split(data, "users", test=0.3, seed=1)
    model = Popularity().fit(train)
    found = evaluate(model, train, target, k=5, fold_in=fold_in)
    assert set(found.users) <= set(target.users)
    assert not set(found.users) & set(train.users)
    first = found.users[0]
    history = fold_in.items.ids(fold_in.item[fold_in.user == fold_in.users.row(first)])
    relevant = set(target.items.ids(target.item[target.user == target.users.row(first)])) - set(history)
    shown = model.recommend(history=[history], k=5)[0].items
    assert found.per_user("popularity", "recall@5")[1][0] == pytest.approx(naive.recall(shown, relevant, 5))
    assert found.settings["fold_in"]
    assert "fold-in history" in str(found)


@few
def test_histories_of_items_unknown_to_train_are_counted():
    train = Dataset.from_arrays([1, 1, 2], ["a", "b", "c"])
    fold_in = Dataset.from_arrays([7, 7, 8, 9], ["a", "z", "z", "b"])
    target = Dataset.from_arrays([7, 8, 9], ["b", "b", "a"])
    found = evaluate(Popularity().fit(train), train, target, k=2, fold_in=fold_in)
    assert found.users == [7, 9]
    assert found.counts["users_without_history"] == 1
    assert found.counts["history_pairs_of_unknown_items"] == 2


def test_ratings_are_measured_for_rating_models_only(halves):
    train, test = halves
    found = evaluate({"mean": ItemMean().fit(train), "popularity": Popularity().fit(train)}, train, test, k=3)
    means = {item: train.weight[train.item == row].mean() for row, item in enumerate(train.items)}
    users = set(train.users)
    pairs = [
        (means[item], weight)
        for user, item, weight in zip(test.users.ids(test.user), test.items.ids(test.item), test.weight.tolist(), strict=True)
        if user in users and item in means
    ]
    errors = [p - w for p, w in pairs]
    numbers = found.to_dict()
    assert numbers["mean"]["rmse"] == pytest.approx(math.sqrt(sum(e * e for e in errors) / len(errors)), rel=1e-5)
    assert numbers["mean"]["mae"] == pytest.approx(sum(map(abs, errors)) / len(errors), rel=1e-5)
    middle = train.weight.mean()
    assert numbers["mean"]["accuracy"] == pytest.approx(sum((p >= middle) == (w >= middle) for p, w in pairs) / len(pairs))
    assert "rmse" not in numbers["popularity"]
    assert found.counts["ratings"] == len(pairs)
    assert "same side of" in str(found)
    only = evaluate({"mean": ItemMean().fit(train)}, train, test, k=3, metrics=["rmse"])
    assert only.to_dict() == {"mean": {"rmse": numbers["mean"]["rmse"]}}
    sure = evaluate(ItemMean(shift=9.0).fit(train), train, test, k=3, metrics=["accuracy"], threshold=5.5)
    assert sure.to_dict()["item_mean"]["accuracy"] == 0.0


def test_item_vectors_of_the_user_decide_intra_list_distance(halves):
    train, test = halves
    model = Popularity().fit(train)
    same = evaluate(model, train, test, k=3, item_vectors=np.ones((train.n_items, 2)))
    assert same.to_dict()["popularity"]["ild@3"] == pytest.approx(0.0)
    with pytest.raises(ParameterError, match="item_vectors"):
        evaluate(model, train, test, item_vectors=np.ones((2, 2)))


def test_costly_intra_list_distance_is_left_out_and_said(halves, monkeypatch):
    train, test = halves
    monkeypatch.setattr("minirec.evaluation.measure.ILD_PAIRS", 10)
    model = Popularity().fit(train)
    found = evaluate(model, train, test, k=3)
    assert "ild@3" not in found.to_dict()["popularity"]
    assert "left out" in found.notes[0]
    assert "ild@3" in evaluate(model, train, test, k=3, metrics=["ild"]).to_dict()["popularity"]


@few
def test_wrong_calls_say_what_is_wrong(halves):
    train, test = halves
    model = Popularity().fit(train)
    other = Popularity().fit(Dataset.from_arrays([*train.users.ids(np.arange(5))] * 40, [f"x{i}" for i in range(200)]))
    strangers = Dataset.from_arrays(["u"], ["i"])
    for error, match, call in (
        (ParameterError, "at least one model", lambda: evaluate({}, train, test)),
        (ParameterError, "not a fitted minirec model and no lists", lambda: evaluate({"a": 3}, train, test)),
        (NotFittedError, "fit", lambda: evaluate(Popularity(), train, test)),
        (ParameterError, "k must", lambda: evaluate(model, train, test, k=0)),
        (ParameterError, "k must", lambda: evaluate(model, train, test, k=())),
        (ParameterError, "unknown metric", lambda: evaluate(model, train, test, metrics=["ndcg@10"])),
        (DataError, "no user is left", lambda: evaluate(model, train, strangers)),
        (DataError, "needs events", lambda: evaluate(model, train, test.select(np.zeros(len(test), bool)))),
        (DataError, "train does not have", lambda: evaluate({"other": other}, train, test)),
    ):
        with pytest.raises(error, match=match):
            call()


def test_numbers_by_name(result):
    numbers = result.to_dict()["popularity"]
    for name in ("recall@3", "ndcg@5", "tail.ndcg@5", "mass_middle.recall@3", "gini@5", "mass.popreo@3", "head.coverage@5", "ild@3"):
        assert math.isfinite(numbers[name])
    assert numbers["tail.exposure@5"] == pytest.approx(numbers["aplt@5"])
    assert numbers["head.exposure@5"] + numbers["tail.exposure@5"] == pytest.approx(1.0)
    json.dumps([result.to_dict(), result.counts, result.settings, result.groups, result.compare("popularity", "random").to_dict()])
    assert result.models == ["popularity", "random"]


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_frames(result, library):
    pytest.importorskip({"arrow": "pyarrow"}.get(library, library))
    table = result.to_frame(library)
    n = sum(len(v) for v in result.to_dict().values())
    assert (table.num_rows if library == "arrow" else len(table)) == n
    assert len(result.compare("popularity", "random").to_frame(library)) == 3


def test_values_of_users(result):
    users, values = result.per_user("random", "recall@3")
    assert len(users) == len(values) == len(result.users)
    assert values.mean() == pytest.approx(result.to_dict()["random"]["recall@3"])
    for args, match in (
        (("ease", "recall@3"), "no model"),
        (("random", "recall@9"), "no metric"),
        (("random", "gini@3"), "whole output"),
    ):
        with pytest.raises(ParameterError, match=match):
            result.per_user(*args)


def test_intervals_hold_the_mean_and_repeat(result):
    first = result.intervals(["recall@3", "tail.ndcg@5"])
    assert first == result.intervals(["recall@3", "tail.ndcg@5"])
    for model, metrics in first.items():
        for metric, (low, high) in metrics.items():
            assert low <= result.to_dict()[model][metric] <= high
    (narrow_low, narrow_high), (low, high) = (result.intervals("recall@3", level=v)["random"]["recall@3"] for v in (0.5, 0.95))
    assert low <= narrow_low <= narrow_high <= high
    with pytest.raises(ParameterError, match="level"):
        result.intervals("recall@3", level=95)
    with pytest.raises(ParameterError, match="no metric"):
        result.intervals("recal@3")


@pytest.mark.parametrize("test", ["t", "randomisation"])
def test_comparison_is_paired(result, test):
    comparison = result.compare("popularity", "random", ["recall@5", "tail.ndcg@5"], test=test)
    first, second = comparison
    numbers = result.to_dict()
    assert first.difference == pytest.approx(numbers["popularity"]["recall@5"] - numbers["random"]["recall@5"])
    assert first.low <= first.difference <= first.high
    assert first.n == len(result.users) >= second.n
    assert first.p <= first.p_holm <= 1
    back = result.compare("random", "popularity", "recall@5", test=test)[0]
    assert (back.difference, back.effect) == pytest.approx((-first.difference, -first.effect))
    assert len(result.compare("popularity")) == 3
    assert [(d.a, d.b) for d in result.compare(metric="recall@5", test=test)] == [("popularity", "random")]
    assert "popularity - random" in str(comparison)


def test_comparison_of_one_model_with_itself_or_nothing(result):
    for args in (("popularity", "popularity"), ("popularity", "random", [])):
        with pytest.raises(ParameterError, match="another model"):
            result.compare(*args)
    with pytest.raises(ParameterError, match="test must be"):
        result.compare("popularity", "random", test="wilcoxon")
    with pytest.raises(ParameterError, match="no model"):
        result.compare("popularity", "ease")


def test_printing(result):
    lines = str(result).splitlines()
    header = next(line for line in lines if line.startswith("model"))
    assert [cell for cell in header.split() if "@" in cell] == ["recall@5", "ndcg@5", "aplt@5", "coverage@5", "gini@5"]
    assert sum(line.startswith("popularity") for line in lines) == 2
    assert any("by item count" in line for line in lines)
    assert any("by interaction mass" in line for line in lines)


@few
def test_a_single_user_prints_and_has_no_test(halves):
    train, test = halves
    one = test.select(test.user == test.user[0])
    found = evaluate({"a": Popularity().fit(train), "b": Random().fit(train)}, train, one, k=2, metrics=["mrr"])
    assert "mrr@2" in str(found)
    with pytest.raises(ParameterError, match="at least two"):
        found.compare("a", "b", "mrr@2")


def test_threads_do_not_change_a_number(halves):
    train, test = halves
    models = {"random": Random().fit(train), "popularity": Popularity().fit(train)}
    found = []
    for threads in (1, 2):
        with options(threads=threads):
            found.append(evaluate(models, train, test, k=4))
    assert found[0].to_dict() == found[1].to_dict()
    assert found[0].intervals("recall@4") == found[1].intervals("recall@4")

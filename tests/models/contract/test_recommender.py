"""The contract of all models, beyond the conformance suite: what goes in with a request, fallbacks, and the fit around `_fit`."""

import time

import numpy as np
import pytest
from naive_models import Together, Turned

from minirec.data.dataset import Dataset
from minirec.engine.sparse import CSR
from minirec.errors import (
    DataError,
    MemoryBudgetError,
    ModelFitError,
    NotFittedError,
    NotSupportedError,
    ParameterError,
    UnknownIdError,
)
from minirec.models import Popularity, Random, UserKNN
from minirec.models.contract.request import parse_histories
from minirec.options import options
from minirec.testing.sets import shop


@pytest.fixture(scope="module")
def model():
    return Together().fit(shop())


@pytest.fixture(scope="module")
def fallback():
    return Popularity().fit(shop())


def lists(found):
    return [(user, items, scores.tolist()) for user, items, scores in found]


@pytest.mark.parametrize(
    "form", [list, tuple, np.array, iter, dict.fromkeys, lambda ids: (i for i in ids), lambda ids: [np.int64(i) for i in ids]]
)
def test_ids_may_come_in_any_container(model, form):
    users, items = [103, 101], [500, 507, 509]
    expected = lists(model.recommend(users, candidates=items, deny=[507]))
    if isinstance(form(items), dict):  # as a filter a dictionary means {user: items}
        with pytest.raises(ParameterError, match="candidates: 500, a key of the dictionary, is no user"):
            model.recommend(form(users), candidates=form(items))
        found = model.recommend(form(users))
    else:
        found = model.recommend(form(users), candidates=form(items), deny=form([507]))
        assert lists(found) == expected
    assert [type(user) for user in found.users] == [int, int]
    assert model.score(form(users), form(items[:2])).tolist() == model.score(users, items[:2]).tolist()
    assert lists(model.recommend(history=[form(items)])) == lists(model.recommend(history=[items]))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_ids_from_columns_of_tables(model, library):
    module = pytest.importorskip(library)
    column = {"pandas": "Series", "polars": "Series", "pyarrow": "array"}[library]
    users, items = getattr(module, column)([103, 101]), getattr(module, column)([500, 507])
    found = model.recommend(users, candidates=items)
    assert lists(found) == lists(model.recommend([103, 101], candidates=[500, 507]))
    assert [type(user) for user in found.users] == [int, int]
    assert model.score(users, items).tolist() == model.score([103, 101], [500, 507]).tolist()
    with pytest.raises(UnknownIdError, match="unknown user 'nobody'"):
        model.recommend(getattr(module, column)(["nobody"]))


def test_one_user_alone(model):
    assert lists(model.recommend(103)) == lists(model.recommend([103])) == lists(model.recommend(np.int64(103)))


def test_requests_for_nobody(model):
    for found in (model.recommend([]), model.recommend(history=[]), model.recommend(np.zeros(0, int))):
        assert len(found) == 0
        assert found.to_dict() == {}
    assert model.score([], []).tolist() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"users": 1.5}, "users must be a list of ids, got 1.5"),
        ({"users": b"abc"}, "users must be a list of ids"),
        ({"users": np.ones((2, 2), int)}, "users must be a list of ids"),
        ({"history": 5}, "history is a list of histories"),
        ({"history": [5]}, r"history=\[\[5\]\]"),
        ({"history": [5, [6]]}, "each history"),
        ({"history": {0: [500]}}, "history is a list of histories"),
        ({"history": ["abc"]}, r"one list of ids.*history=\[\['abc'\]\]"),
        ({"history": np.arange(500, 505)}, r"history=\[\[500, 501, 502, \.\.\.\]\]"),
        ({"history": [[500, 501]], "weights": [1, 2]}, "the shape of history"),
        ({"history": [[500, 501]], "weights": 5}, "history is a list"),
        ({"history": [[500]], "weights": [["a"]]}, "must be numbers"),
        ({"history": [[500]], "weights": [[1e300]]}, "finite"),
        ({"candidates": "abc"}, "candidates must be a list of ids"),
        ({"candidates": {100: "abc"}}, "candidates must be a list of ids"),
        ({"deny": {100: 500}}, "denied items must be a list of ids"),
        ({"exclude_seen": "no"}, "exclude_seen must be one of True, False"),
    ],
)
def test_what_is_no_request(model, arguments, message):
    with pytest.raises(ParameterError, match=message):
        model.recommend(**({"users": 100} if "history" not in arguments else {}) | arguments)


@pytest.mark.parametrize("bad", [None, 1.5, True, 10**30, b"x"])
def test_what_is_no_id(model, bad):
    for call in (
        lambda: model.recommend([bad]),
        lambda: model.score([100], [bad]),
        lambda: model.similar_items(bad),
        lambda: model.recommend(history=[[bad]]),
    ):
        with pytest.raises(DataError, match=r"id|item"):
            call()


def test_a_whole_number_is_found_in_either_spelling(model):
    assert model.recommend("100")[0].items == model.recommend(100)[0].items
    for odd in ("--5", "-", "", "5" * 30, "٣", "\ud800"):
        with pytest.raises(UnknownIdError, match="unknown user"):
            model.recommend(odd)


def test_filters_of_a_fallback(model, fallback):
    found = model.recommend(
        ["new", 100, "also new"], k=2, fallback=fallback, candidates={"new": [500, 501, 502]}, deny={"new": [500], 100: [501]}
    )
    popular = fallback.recommend(history=[[]], k=30)[0].items
    assert found[0].items == [item for item in popular if item in (501, 502)]
    assert found[1].items == model.recommend(100, k=2, deny=[501])[0].items
    assert found[2].items == popular[:2]


def test_a_fallback_ignores_what_the_model_ignores(model, fallback):
    found = model.recommend(["new", 100], k=2, unknown="ignore", fallback=fallback, candidates=[500, "nothing", 501])
    assert found.ignored == ["nothing"]
    assert [len(items) for _, items, _ in found] == [2, len(model.recommend(100, candidates=[500, 501])[0].items)]


def test_a_fallback_must_fit(model):
    with pytest.raises(ParameterError, match="knows nothing of user 'new' either"):
        model.recommend("new", fallback=model)
    with pytest.raises(NotFittedError):
        model.recommend("new", fallback=Popularity())
    assert model.recommend("new", fallback=Popularity().fit(Dataset.from_arrays([1], ["other"])))[0].items == ["other"]
    assert len(model.recommend("new", fallback=Random().fit(shop()))[0].items) == 10


def test_a_history_of_unknown_items_is_empty(model, fallback):
    with pytest.raises(ParameterError, match="history 1 has no item that the model knows"):
        model.recommend(history=[[500], ["nothing"]], unknown="ignore")
    assert len(model.recommend(history=[["nothing"]], unknown="ignore", fallback=fallback)[0].items) == 10


def test_weights_of_a_history_reach_the_model(model):
    parsed = parse_histories(model.items_, [[501, 500, 501]], [[1.0, 2.0, 0.5]], "raise", [])
    assert parsed.history.to_dense()[0, :2].tolist() == [2.0, 1.5]


def test_the_order_of_a_history_is_kept(model):
    parsed = parse_histories(model.items_, [[501, 500, 501], ["nothing"], [502]], None, "ignore", [])
    assert [parsed.ordered.row(at).tolist() for at in range(3)] == [[1, 0, 1], [], [2]]
    assert parsed.take(np.array([2, 0])).ordered.row(1).tolist() == [1, 0, 1]


def test_explanations_of_requests(model):
    with pytest.raises(ParameterError, match="explain takes an item"):
        model.explain(100)
    with pytest.raises(ParameterError, match="either a user or a history"):
        model.explain(100, 500, history=[[501]])
    with pytest.raises(ParameterError, match="nothing to go by"):
        model.explain(history=[[]], item=500)
    left_out = Turned().fit(shop()).explain(100, 500)
    assert sum(part.value for part in left_out.parts) == pytest.approx(left_out.score, abs=1e-5)


def test_vectors_of_requests():
    model = Turned().fit(shop())
    with pytest.raises(ParameterError, match="not both"):
        model.user_vectors([100], history=[[500]])
    with pytest.raises(ParameterError, match="users must be a list of ids"):
        model.user_vectors(100)
    with pytest.raises(UnknownIdError, match="unknown item 'nothing'"):
        model.item_vectors(["nothing"])
    with pytest.raises(NotSupportedError, match="no user vectors"):
        Together().fit(shop()).user_vectors()


def test_similar_items_of_vectors_are_cosines():
    model = Turned().fit(shop())
    vectors = model.item_vectors().astype(np.float64)
    for item, cosine in model.similar_items(500, k=4):
        row = model.items_.row(item)
        assert cosine == pytest.approx(vectors[row] @ vectors[0] / np.linalg.norm(vectors[row]) / np.linalg.norm(vectors[0]), abs=1e-6)


@pytest.mark.parametrize("sparse", [False, True])
def test_similar_items_of_weights_are_a_row(sparse):
    model = Together(sparse=sparse).fit(shop())
    weights = model.weights_.to_dense() if sparse else model.weights_
    assert [value for _, value in model.similar_items(503, k=50)] == sorted(np.delete(weights[3], 3).tolist(), reverse=True)


def test_a_model_that_diverges_is_no_model():
    class Diverging(Together):
        def _fit(self, train, monitor):
            super()._fit(train, monitor)
            self.weights_[0, 0] = np.inf

    class DivergingSparse(Diverging):
        def _fit(self, train, monitor):
            super()._fit(train, monitor)
            one = CSR.from_pairs(np.zeros(1, int), np.zeros(1, int), np.ones(1), self.weights_.shape)
            self.weights_ = one.with_data(np.array([np.nan], np.float32))

    for cls in (Diverging, DivergingSparse):
        broken = cls()
        with pytest.raises(ModelFitError, match="weights_ is not finite"):
            broken.fit(shop())
        with pytest.raises(NotFittedError):
            broken.recommend()


def test_users_and_items_without_events_are_left_out_of_a_fit():
    data = shop()
    model = Together().fit(data.select(data.user > 2))
    assert 100 not in model.users_
    assert model.seen_.shape == (len(model.users_), len(model.items_))


def test_the_budget_is_named_in_the_refusal():
    with options(memory="1kB"), pytest.raises(MemoryBudgetError, match=r"Together on 36 users and 24 items needs about .* GB; the budget"):
        Together().fit(shop())


def test_provenance():
    data = shop()
    found = Together().fit(data).provenance_
    assert found["data"] == {"name": "shop", "fingerprint": data.fingerprint, "events": len(data), "users": 36, "items": 24}
    assert found["numpy"] == np.__version__
    assert found["backend"] in ("numpy", "numba")


def test_validation_figures_against_a_loop():
    data, held = shop(), shop(seed=5)
    model = Turned(iterations=1).fit(data, held)
    hits = []
    for user in held.users:
        seen = set(data.items.ids(data.matrix.row(data.users.row(user))[0]))
        truth = set(held.items.ids(held.matrix.row(held.users.row(user))[0]))
        found = model.recommend(user, k=20)[0].items
        hits.append(len(set(found) & (truth - seen)) / len(truth))
    assert model.log_[0]["validation_recall@20"] == pytest.approx(np.mean(hits))
    strangers = Dataset.from_arrays(["x"], ["y"])
    assert "validation_recall@20" not in Turned(iterations=1).fit(data, strangers).log_[0]


def test_parameters():
    model = Together(shrinkage=2.5)
    assert repr(model) == "Together(shrinkage=2.5, sparse=False)"
    assert model.clone(sparse=True).get_params() == {"shrinkage": 2.5, "sparse": True}
    with pytest.raises(ParameterError, match="Together has no parameter width; it has shrinkage, sparse"):
        model.clone(width=3)


def test_update_is_refused_by_default(model):
    with pytest.raises(NotSupportedError, match="fit again"):
        model.update(shop())


class TestRecommendations:
    @pytest.fixture
    def found(self, model):
        return model.recommend([103, "x", 101, 103], k=2, unknown="ignore")

    def test_lists(self, found):
        assert len(found) == 3
        assert repr(found) == "Recommendations(3 lists, 6 items, 1 unknown ids ignored)"
        assert found[-1].user == 103
        assert found[0].items == found[2].items
        assert [user for user, _, _ in found] == [103, 101, 103]
        for outside in (3, -4):
            with pytest.raises(IndexError, match="of 3"):
                found[outside]

    def test_columns(self, found):
        columns = found.columns()
        assert columns["user"] == [103, 103, 101, 101, 103, 103]
        assert columns["rank"] == [1, 2] * 3
        assert columns["item"] == found.items == [item for _, items, _ in found for item in items]
        assert list(found.to_dict()) == [103, 101]
        assert found.to_dict()[101] == list(zip(found[1].items, found[1].scores.tolist(), strict=True))

    def test_files(self, found, tmp_path):
        found.to_csv(tmp_path / "lists.csv")
        lines = (tmp_path / "lists.csv").read_text().splitlines()
        assert lines[0] == "user,item,score,rank"
        assert lines[1].startswith(f"103,{found.items[0]},")
        assert len(lines) == 7
        pytest.importorskip("duckdb")
        found.to_parquet(tmp_path / "lists.parquet")
        assert (tmp_path / "lists.parquet").read_bytes()[:4] == b"PAR1"

    @pytest.mark.parametrize(("library", "module"), [("pandas", "pandas"), ("polars", "polars"), ("arrow", "pyarrow")])
    def test_frames(self, found, library, module):
        pytest.importorskip(module)
        frame = found.to_frame(library)
        assert frame.shape == (6, 4)
        assert list(frame["user"].to_pylist() if library == "arrow" else frame["user"]) == found.columns()["user"]

    def test_frames_of_mixed_ids(self):
        pytest.importorskip("polars")
        found = Popularity().fit(Dataset.from_arrays([1, 2], ["a", 7])).recommend(history=[[]])
        assert found.to_frame("polars")["item"].to_list() == ["7", "a"]

    def test_a_library_that_is_not_there(self, found, monkeypatch):
        import sys

        from minirec.errors import MissingExtraError

        with pytest.raises(ParameterError, match="library must be"):
            found.to_frame("excel")
        for library, module in (("pandas", "pandas"), ("polars", "polars"), ("arrow", "pyarrow")):
            monkeypatch.setitem(sys.modules, module, None)
            with pytest.raises(MissingExtraError, match=module):
                found.to_frame(library)


def test_similar_items_of_many_and_with_filters():
    model = Turned().fit(shop())
    some = [500, 503, 520]
    found = model.similar_items(some, k=5)
    assert list(found) == some
    for item in some:
        assert found[item] == model.similar_items(item, k=5)
    everything = dict(model.similar_items(500, k=100))
    allowed = [501, 503, 509, 500]
    assert model.similar_items(500, candidates=allowed) == [(item, everything[item]) for item in everything if item in allowed]
    denied = list(everything)[:2]
    assert [item for item, _ in model.similar_items(500, k=3, deny=denied)] == list(everything)[2:5]
    by_item = model.similar_items([500, 503], k=2, deny={500: denied})
    assert by_item[500] == model.similar_items(500, k=2, deny=denied)
    assert by_item[503] == model.similar_items(503, k=2)
    with pytest.raises(UnknownIdError, match="unknown candidate 7"):
        model.similar_items(500, candidates=[7])


def test_similar_users_are_cosines_of_their_vectors():
    model = Turned().fit(shop())
    vectors = model.user_vectors().astype(np.float64)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = model.similar_users(100, k=4)
    assert [user for user, _ in found] == [model.users_[int(row)] for row in np.argsort(-(units @ units[0]), kind="stable")[1:5]]
    for user, cosine in found:
        assert cosine == pytest.approx(units[0] @ units[model.users_.row(user)], abs=1e-6)
    assert model.similar_users([100, 105], k=4)[100] == found
    with pytest.raises(NotSupportedError, match="no notion of similar users"):
        Together().fit(shop()).similar_users(100)


def test_similar_users_of_neighbors():
    model = UserKNN(neighbors=3).fit(shop())
    found = model.similar_users(100, k=3)
    x = model.seen_.binary().to_dense()
    cosines = x @ x[0] / (np.linalg.norm(x, axis=1) * np.linalg.norm(x[0]))
    assert [value for _, value in found] == pytest.approx(np.sort(np.delete(cosines, 0))[::-1][:3], abs=1e-6)


def test_many_unknown_users_take_linear_time():
    data = shop()
    model, fallback = Together().fit(data), Popularity().fit(data)
    known = [int(user) for user in data.users] * 300
    unknown = list(range(-len(known), 0))
    start = time.perf_counter()
    found = model.recommend([*unknown, *known], k=2, fallback=fallback)
    assert time.perf_counter() - start < 10  # a list membership for each took minutes
    assert len(found) == 2 * len(known)
    assert found[0].items == fallback.recommend(history=[[]], k=2)[0].items
    assert found[-1].items == model.recommend([known[-1]], k=2)[0].items

"""The service without HTTP: what an event changes, how ids are typed, filters, rules, showings, new items, erasure."""

import itertools

import numpy as np
import pytest

import minirec as mr
from minirec.errors import ModelFileError, RequestError
from minirec.live.people import FATIGUE
from minirec.live.records import Event
from minirec.live.service import Ask, Service
from minirec.live.sqlite import SqliteStore
from minirec.testing.sets import shop

NOW = 1_700_000_000.0
_number = itertools.count()


def event(user, item, kind="click", time=NOW, value=None):
    return Event(f"e{next(_number)}", user, item, kind, time, value)


@pytest.fixture(scope="module")
def data():
    return shop(n_users=60, n_items=40)


@pytest.fixture(scope="module")
def files(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    with mr.options(backend="numpy"):
        for model in (
            mr.ALS(factors=8, iterations=3),
            mr.EASE(),
            mr.ItemKNN(),
            mr.SASRec(factors=8, iterations=1, max_length=10),
            mr.BPR(iterations=2),
        ):
            model.fit(data).save(folder / f"{model.name}.npz")
    return folder


class Shop:
    """A service with a clock that the test sets."""

    def __init__(self, folder, model, items=None, **settings):
        self.now = NOW
        self.store = SqliteStore(folder / "shop.db", durability="process", clock=lambda: self.now)
        self.service = Service(self.store, model, items, **settings)
        self.users, self.items = list(self.service.current.model.users_), self.service.current.items

    def put(self, *events):
        self.store.append(events)

    def ask(self, user=None, **request):
        return self.service.recommend(Ask(user, **request))

    def ids(self, user=None, **request):
        return [item for item, _ in self.ask(user, **request).items]


@pytest.fixture
def opened(files, tmp_path):
    made = []

    def opening(name="als", **settings):
        with mr.options(backend="numpy"):
            made.append(Shop(tmp_path, files / f"{name}.npz", **settings))
        return made[-1]

    yield opening
    for live in made:
        live.store.close()


@pytest.mark.parametrize("name", ["als", "ease"])
def test_an_event_is_folded_in_exactly(opened, data, name):
    """The scores are those of the user's row solved anew: by `update`, or by a model that was fitted with the event."""
    live = opened(name)
    user = live.users[3]
    before = live.ask(user, k=40)
    assert before.source == "user"
    new = before.items[0][0]
    live.put(event(user, new))
    after = live.ask(user, k=40)
    assert after.source == "history"
    assert new not in [item for item, _ in after.items]
    history = [*live.service.current.trained(user), new]
    model = live.service.current.model
    if name == "als":
        change = mr.Dataset.from_arrays([user], [new])
        expected = mr.load_model(live.service.model_path).update(change).recommend([user], k=40).to_dict()[user]
    else:
        weights, column = model.weights_, [model.items_.row(i) for i in history]
        scores = weights[column].astype(np.float64).sum(axis=0)
        expected = [(item, scores[model.items_.row(item)]) for item, _ in after.items]
    assert [item for item, _ in after.items] == [item for item, _ in expected]
    np.testing.assert_allclose([s for _, s in after.items], [s for _, s in expected], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["als", "ease", "itemknn", "sasrec", "bpr"])
def test_known_users_get_what_the_model_says(opened, name):
    live = opened(name)
    expected = live.service.current.model.recommend(live.users[:5], k=7)
    for user, items, scores in expected:
        answer = live.ask(user, k=7)
        assert [item for item, _ in answer.items] == items
        assert [score for _, score in answer.items] == scores.tolist()


def test_a_store_that_the_model_was_trained_from_changes_nothing(opened, data):
    live = opened("als")
    expected = live.ids(live.users[2])
    live.put(
        *(
            Event(f"t{at}", u, i, "event", NOW - 9)
            for at, (u, i) in enumerate(zip(data.users.ids(data.user), data.items.ids(data.item), strict=True))
        )
    )
    assert live.ask(live.users[2]).source == "user"
    assert live.ids(live.users[2]) == expected


def test_the_order_counts_for_models_of_sequences(opened):
    live = opened("sasrec")
    a, b, c = live.items[:3]
    live.put(event("new", a, time=NOW), event("new", c, time=NOW + 2), event("new", b, time=NOW + 1))
    expected = live.service.current.model.recommend(history=[[a, b, c]], k=5)[0].items
    assert live.ids("new", k=5) == expected
    assert live.ids(history=(a, b), session=(c,), k=5) == expected
    live.put(event("new", a, time=NOW + 0.5))
    assert live.ids("new", k=5) == live.service.current.model.recommend(history=[[a, a, b, c]], k=5)[0].items


def test_nobody_and_the_unknown_get_what_is_popular(opened):
    live = opened()
    counts = live.service.current.counts
    order = sorted(range(len(counts)), key=lambda row: (-counts[row], row))
    assert live.ids() == [live.items[row] for row in order[:10]] == live.ids(987_654)
    assert live.ask().source == "popular"
    live.now += 60 * 86400  # two half-lives: an event counts as four of the time when the store was made
    last = live.items[order[-1]]
    live.put(*(event(1000 + at, last, time=live.now) for at in range(int(counts.max()) // 4 + 2)))
    assert live.ids()[0] == last


def test_what_was_seen_or_disliked(opened):
    live = opened()
    user, model = live.users[0], live.service.current.model
    trained = set(live.service.current.trained(user))
    assert not trained & set(live.ids(user, k=40))
    assert trained <= set(live.ids(user, k=40, include_seen=True))
    first, second = live.ids(user, k=2)
    live.put(event(user, first, "dislike"), event(user, second, "view"))
    assert not {first, second} & set(live.ids(user, k=40))
    answer = live.ids(user, k=40, include_seen=True)
    assert first not in answer
    assert second in answer
    history = [*trained, second]
    expected = model.recommend(history=[history], deny=[first], k=5)[0].items
    assert live.ids(user, k=5) == expected


def test_filters_and_rules(opened, tmp_path, data):
    table = tmp_path / "items.csv"
    items = list(data.items)
    table.write_text("item_id,title,shelf\n" + "".join(f'{item},"Title, {item}",{"ab"[at % 2]}\n' for at, item in enumerate(items)))
    live = opened(items=table)
    user = live.users[1]

    def look(user, **request):
        return [item for item, _ in live.service.recommend(Ask(user, **request), log=False).items]

    all_of = look(user, k=40)
    shelf = {item: "ab"[at % 2] for at, item in enumerate(items)}
    assert live.service.catalogue.title(items[3]) == f"Title, {items[3]}"
    assert look(user, candidates=tuple(all_of[3:6])) == all_of[3:6]
    assert look(user, deny=(all_of[0],), k=2) == all_of[1:3]
    assert look(user, k=5, rules={"require": {"shelf": "a"}}) == [i for i in all_of if shelf[i] == "a"][:5]
    assert look(user, k=5, rules={"exclude": {"shelf": ["a", "c"]}}) == [i for i in all_of if shelf[i] == "b"][:5]
    capped = look(user, k=8, rules={"cap": {"shelf": 2}})
    assert capped == sorted([*[i for i in all_of if shelf[i] == "a"][:2], *[i for i in all_of if shelf[i] == "b"][:2]], key=all_of.index)
    tail = live.service.current.tail
    half = look(user, k=6, rules={"tail": 0.5})
    assert sum(tail[i] for i in half) >= 3
    assert half == sorted(half, key=all_of.index)
    both = look(user, k=6, rules={"tail": 0.5, "cap": {"shelf": 3}})
    assert max(sum(shelf[i] == s for i in both) for s in "ab") <= 3
    assert live.ask(user, candidates=("nothing", all_of[0])).ignored == ("nothing",)


def test_what_was_shown_often_returns_with_time(opened):
    live = opened()
    user = live.users[4]
    first = live.ids(user, k=3)
    assert live.ids(user, k=3) == first == live.ids(user, k=3)
    later = live.ids(user, k=3)
    assert not set(first) & set(later)
    live.service.flush()
    live.store.log_lists([]).result()
    restarted = Service(live.store, live.service.model_path)
    assert [i for i, _ in restarted.recommend(Ask(user, k=3), log=False).items] == later
    live.now += 3 * FATIGUE
    assert live.ids(user, k=3) == first


def test_lists_are_logged_with_propensities(opened):
    live = opened()
    answers = [live.ask(live.users[at], k=3) for at in range(3)] + [live.ask()]
    live.service.recommend(Ask(live.users[0]), log=False)
    live.service.flush()
    live.store.log_lists([]).result()
    logged = live.store.lists()
    assert [(s.list_id, list(zip(s.items, s.scores, strict=True))) for s in logged] == [(a.list_id, a.items) for a in answers]
    assert all(s.propensities == [1.0] * len(s.items) and s.policy == "greedy" and s.model == live.service.current.name for s in logged)
    assert logged[-1].user is None


def test_new_items_are_served_by_content(opened, tmp_path, data):
    table = tmp_path / "items.csv"
    words = ["green tea", "red wool", "blue lamp"]
    table.write_text("item_id,title\n" + "".join(f"{item},{words[at % 3]} number{at}\n" for at, item in enumerate(data.items)))
    live = opened(items=table)
    live.store.put_items({9001: {"title": "green tea fresh"}, 9002: {"title": "yellow hat"}}).result()
    history = tuple(live.items[0:9:3])  # all of them green tea
    answer = live.ask(history=history, k=10)
    assert answer.items[-1][0] == 9001
    assert answer.content == {9001}
    assert len(answer.items) == 10
    source, near = live.service.similar(9001, 3)
    assert source == "content"
    assert all("green tea" in live.service.catalogue.title(item) for item, _ in near)
    live.put(event("new", history[0]), event("new", 9001))
    assert 9001 not in live.ids("new", k=40)
    with pytest.raises(RequestError, match="unknown item 9999"):
        live.service.similar(9999, 3)


def test_ids_are_typed_as_in_the_model(opened, tmp_path):
    live = opened()
    typed = live.service.typed
    assert (typed("user", "42", text=True), typed("user", "x", text=True), typed("user", "42"), typed("item", "007")) == (
        42,
        "x",
        42,
        "007",
    )
    text = mr.Dataset.from_arrays(["1", "2", "u"], ["7", "8", "7"])
    mr.Popularity().fit(text).save(tmp_path / "text.npz")
    mixed = mr.Dataset.from_arrays([1, "2", "u"], [7, "8", 7])
    mr.Popularity().fit(mixed).save(tmp_path / "mixed.npz")
    of_text = Service(live.store, tmp_path / "text.npz")
    assert (of_text.typed("user", 42), of_text.typed("user", "42", text=True)) == ("42", "42")
    of_mixed = Service(live.store, tmp_path / "mixed.npz")
    assert [of_mixed.typed("user", value, text=True) for value in ("1", "2", "3")] == [1, "2", 3]
    assert [of_mixed.typed("user", value) for value in ("1", "2", "3", 2)] == [1, "2", "3", 2]


def test_reasons_add_up(opened):
    live = opened()
    user = live.users[0]
    live.put(event(user, live.ids(user)[0]))
    item = live.ids(user)[0]
    score, parts = live.service.explain(user, item)
    assert abs(sum(value for _, _, value in parts) - score) < 1e-5 * sum(abs(value) for _, _, value in parts)
    assert dict(live.ask(user).items)[item] == pytest.approx(score, rel=1e-5)
    with pytest.raises(RequestError, match="nothing is known of the user"):
        live.service.explain(12345, item)
    with pytest.raises(RequestError, match="does not know the item"):
        live.service.explain(user, "none")


@pytest.mark.parametrize("name", ["als", "itemknn"])
def test_erasure(opened, files, tmp_path, name):
    live = opened(name)
    copy = tmp_path / "model.npz"
    copy.write_bytes(live.service.model_path.read_bytes())
    service = Service(live.store, copy)
    user, other = live.users[5], live.users[6]
    before = [i for i, _ in service.recommend(Ask(other)).items]
    live.put(event(user, live.items[0]))
    assert service.held(user)["trained_on"]
    gone = service.erase(user)
    assert gone["events"] == 1
    assert service.recommend(Ask(user)).source == "popular"
    with pytest.raises(RequestError, match="nothing is held"):
        service.held(user)
    with pytest.raises(RequestError, match="nothing is held"):
        service.erase(user)
    assert set(before) & {i for i, _ in service.recommend(Ask(other)).items}


def test_a_new_model_is_swapped_whole(opened, data, tmp_path):
    live = opened("als")
    path = tmp_path / "model.npz"
    path.write_bytes(live.service.model_path.read_bytes())
    service = Service(live.store, path)
    assert not service.reload()
    user = live.users[0]
    service.recommend(Ask(user))
    mr.ItemKNN().fit(data).save(path)
    assert service.reload()
    expected = mr.load_model(path).recommend([user], k=10)[0].items
    assert [i for i, _ in service.recommend(Ask(user)).items] == expected
    path.write_bytes(b"half a model")
    with pytest.raises(ModelFileError, match="damaged or foreign"):
        service.reload()
    assert [i for i, _ in service.recommend(Ask(user)).items] == expected


def test_two_processes_see_each_others_events(opened):
    live = opened()
    other = SqliteStore(live.store.path, durability="process", clock=lambda: NOW)
    twin = Service(other, live.service.model_path)
    user = live.users[7]
    first = [i for i, _ in twin.recommend(Ask(user, k=1)).items]
    live.put(event(user, first[0]))
    assert first != [i for i, _ in twin.recommend(Ask(user, k=1)).items]
    other.close()


def test_the_same_log_and_model_give_the_same_answers(opened, tmp_path):
    live = opened()
    rng = np.random.default_rng(0)
    for _ in range(30):
        live.put(*(event(int(rng.integers(90)), live.items[int(rng.integers(40))], time=NOW + float(rng.integers(100))) for _ in range(5)))
        live.ids(int(rng.integers(90)))
    live.service.flush()
    live.store.log_lists([]).result()
    copy = live.store.snapshot(tmp_path / "copy.db")
    with mr.options(backend="numpy"):
        again = Service(SqliteStore(copy, durability="process", clock=lambda: NOW), live.service.model_path)
    for user in [None, *range(90)]:
        asked = Ask(user, k=5)
        assert again.recommend(asked, log=False).items == live.service.recommend(asked, log=False).items

"""Marks of erased users: they hold after a restart and in every worker, until a refit, and the store never holds the id itself."""

import secrets
import sqlite3

import pytest

import minirec as mr
from minirec.live.marks import mark_of
from minirec.live.records import Event
from minirec.live.refit import refit
from minirec.live.schema import MIGRATIONS
from minirec.live.service import Ask, Service
from minirec.live.sqlite import SqliteStore

NOW = 1_700_000_000.0
GONE = secrets.token_hex(16)  # 128 bits
OTHERS = [f"user-{at}" for at in range(12)]
EVENTS = [Event(f"e{at}-{n}", user, (at + n) % 8, "click", NOW) for at, user in enumerate([GONE, *OTHERS]) for n in range(3)]


def opened(path):
    return SqliteStore(path, durability="process", clock=lambda: NOW)


@pytest.fixture
def path(tmp_path):
    """A store and a model that was fitted on it and cannot forget a user."""
    with mr.options(backend="numpy"), opened(tmp_path / "shop.db") as store:
        store.append(EVENTS)
        pairs = mr.Dataset.from_arrays([e.user for e in EVENTS], [e.item for e in EVENTS])
        mr.BPR(factors=4, iterations=2).fit(pairs).save(tmp_path / "bpr.npz")
    return tmp_path


def source(service, user=GONE):
    return service.recommend(Ask(user), log=False).source


def test_a_mark_holds_after_a_restart_and_in_other_workers(path):
    with opened(path / "shop.db") as one, opened(path / "shop.db") as two:
        first, second = Service(one, path / "bpr.npz"), Service(two, path / "bpr.npz")
        assert source(second) == "user"
        assert first.erase(GONE)["model"] == "holds the user until it is fitted again, and does not use it"
        assert (source(first), source(second)) == ("popular", "popular")
        assert source(second, OTHERS[0]) == "user"
    with opened(path / "shop.db") as store:
        restarted = Service(store, path / "bpr.npz")
        assert source(restarted) == "popular"
        store.append([Event("new", GONE, 5, "click", NOW)])
        held = restarted.held(GONE)
        assert (len(held["events"]), held["trained_on"]) == (1, [])
        answer = restarted.recommend(Ask(GONE, k=8), log=False)
        assert 5 not in [item for item, _ in answer.items]
        assert {0, 1, 2} <= {item for item, _ in answer.items}  # what the erased user had counts no more


def test_a_refit_drops_the_mark(path):
    with opened(path / "shop.db") as one, opened(path / "shop.db") as two:
        first, idle = Service(one, path / "bpr.npz"), Service(two, path / "bpr.npz")
        first.erase(GONE)
        one.append([Event("new", GONE, 5, "click", NOW)])
        (path / "bpr.npz.previous").write_bytes(b"a model that holds the user")
        before = idle.current
        with mr.options(backend="numpy"):
            refit(str(path / "shop.db"), str(path / "bpr.npz"), {})
        assert one.marks().hashes == frozenset()
        assert not (path / "bpr.npz.previous").exists()
        idle.store.changed = lambda: True
        assert source(idle) == "user"  # as of the new event; with the old model it would be of the old ones
        assert idle.current is not before
        assert set(idle.current.trained(GONE)) == {5}


def test_a_mark_that_is_set_during_a_refit_stays(path):
    with opened(path / "shop.db") as store:
        early = store.marks()
        Service(store, path / "bpr.npz").erase(GONE)
        store.unmark(early)
        assert GONE in store.marks()
        store.unmark(store.marks())
        assert GONE not in store.marks()


def test_who_is_unknown_leaves_no_mark(path):
    with opened(path / "shop.db") as store:
        store.erase("nobody")
        assert store.marks().hashes == frozenset()


def test_the_store_does_not_hold_the_id(path):
    with opened(path / "shop.db") as store:
        service = Service(store, path / "bpr.npz")
        service.recommend(Ask(GONE))
        service.flush()
        store.put_users({GONE: {"age": 7}}).result()
        assert GONE.encode() in b"".join(file.read_bytes() for file in path.glob("shop.db*"))
        service.erase(GONE)
        store.compact()
        assert GONE.encode() not in b"".join(file.read_bytes() for file in path.glob("shop.db*"))
        assert store.marks().hashes == {mark_of(bytes.fromhex(store._meta("erasure_key")), GONE)}


def test_a_store_of_version_3_migrates(tmp_path):
    with sqlite3.connect(tmp_path / "old.db") as old:
        old.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        for step in MIGRATIONS[:3]:
            for statement in step:
                old.execute(statement.format(seq="INTEGER PRIMARY KEY AUTOINCREMENT", id="BLOB", real="NUMERIC"))
        kept = {"schema_version": "3", "origin": str(NOW), "half_life": "86400", "generation": "0"}
        old.executemany("INSERT INTO meta VALUES (?, ?)", kept.items())
        old.execute("INSERT INTO events (event_id, user_id, item_id, kind, time, received) VALUES ('e', 1, 2, 'view', ?, ?)", (NOW, NOW))
    old.close()
    with opened(tmp_path / "old.db") as store:
        assert (store.count(), store.marks().hashes) == (1, frozenset())
        key = store._meta("erasure_key")
        store.erase(1)
        assert 1 in store.marks()
    with opened(tmp_path / "old.db") as store:
        assert store._meta("erasure_key") == key
        assert 1 in store.marks()
        assert "1" not in store.marks()

"""The event store on SQLite: what it promises of events, under retry, threads, processes, damage and age."""

import csv
import io
import os
import sqlite3
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirec as mr
from minirec.cli import main
from minirec.errors import DataError, ParameterError, RequestError, StoreError
from minirec.live.checks import event_from
from minirec.live.database import HALF_LIFE
from minirec.live.records import Event, Served
from minirec.live.schema import MIGRATIONS, VERSION
from minirec.live.sqlite import SqliteStore, recover
from minirec.live.table import EventTable
from minirec.live.transfer import export_events, import_dataset, import_events
from minirec.live.wal import wal_damage

NOW = 1_700_000_000.0


def events(n, start=0):
    return [Event(f"e{at}", at % 7, at % 5, "click", NOW + at) for at in range(start, start + n)]


@pytest.fixture
def store(tmp_path):
    with SqliteStore(tmp_path / "shop.db", durability="process", clock=lambda: NOW) as opened:
        yield opened


def test_the_same_event_counts_once(store):
    assert store.append(events(10)) == (10, 0, ())
    assert store.append(events(12)) == (2, 10, ())
    assert store.append([*events(1, 20), *events(1, 20)]) == (1, 1, ())
    assert list(store.events()) == [*events(12), *events(1, 20)]
    assert store.count() == 13


def test_another_event_of_the_same_id_is_a_conflict(store):
    store.append(events(3))
    receipt = store.append([Event("e1", 1, 99, "click", NOW + 1), *events(2, 2)])
    assert receipt == (1, 1, ("e1",))
    assert [event.item for event in store.events()] == [0, 1, 2, 3]


def test_ids_keep_their_type(store):
    mixed = [Event("a", 42, "42", "view", NOW), Event("b", "42", 42, "view", NOW), Event("c", "é\u00a0x", -(2**63), "view", NOW + 0.5, 2.5)]
    store.append(mixed)
    assert list(store.events()) == mixed
    assert [kept.event.event_id for kept in store.of_user(42)] == ["a"]
    assert [kept.event.event_id for kept in store.of_user("42")] == ["b"]
    assert store.knows("user", "42")
    assert not store.knows("user", "43")


def test_threads_append_each_event_once(store):
    def work(worker):
        for at in range(0, 200, 20):
            store.append([Event(f"{(at + i + worker * 40) % 240}", worker, i, "view", NOW) for i in range(20)])

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    ids = [event.event_id for event in store.events()]
    assert sorted(ids, key=int) == [str(at) for at in range(240)]


def test_group_commit(store, monkeypatch):
    """Jobs that wait together share one transaction; one that fails does not take the others with it."""
    entered, release, groups = threading.Event(), threading.Event(), []
    real = store._transaction

    def slow(jobs):
        groups.append(len(jobs))
        entered.set()
        release.wait(30)
        return real(jobs)

    monkeypatch.setattr(store, "_transaction", slow)
    first = store.submit(events(1))
    assert entered.wait(30)
    good, bad = [store.submit(events(1, at)) for at in range(1, 6)], store._submit(lambda cursor: 1 / 0)
    assert not first.done()
    assert store.waiting == 6
    release.set()
    assert [future.result(30).stored for future in [first, *good]] == [1] * 6
    with pytest.raises(ZeroDivisionError):
        bad.result(30)
    assert groups[:2] == [1, 6]
    assert store.count() == 6


def test_too_much_waiting_is_refused(store, monkeypatch):
    entered, release = threading.Event(), threading.Event()
    monkeypatch.setattr(store, "_transaction", lambda jobs: entered.set() or [release.wait(30) for _ in jobs])
    waiting = [store._submit(lambda cursor: None, 150_000)]
    assert entered.wait(30)
    waiting.append(store._submit(lambda cursor: None, 150_000))
    with pytest.raises(StoreError, match="wait to be written: nothing of this request was stored"):
        store._submit(lambda cursor: None, 150_000)
    release.set()
    for future in waiting:
        future.result(30)


def test_popularity_is_a_sum_with_decay(tmp_path):
    clock = [NOW]
    with SqliteStore(tmp_path / "shop.db", durability="process", clock=lambda: clock[0]) as store:
        half = HALF_LIFE
        clock[0] = NOW + 3 * half
        store.append([Event("a", 1, 5, "view", NOW), Event("b", 2, 5, "view", NOW + half), Event("c", 3, 6, "buy", NOW + 2 * half)])
        store.append([Event("c", 3, 6, "buy", NOW + 2 * half), Event("d", 3, 6, "dislike", NOW)])
        assert store.popularity() == {5: (3.0, 2), 6: (4.0, 1)}
        assert store.erase(1) == {"events": 1, "lists": 0, "users": 0}
        assert store.popularity() == {5: (2.0, 1), 6: (4.0, 1)}


def test_dataset_incrementally(store):
    table = EventTable(store, {"buy": 5.0})
    with pytest.raises(DataError, match="has no events"):
        table.dataset()
    store.append([Event("a", 1, "x", "view", NOW + 0.9), Event("b", "u", "y", "buy", NOW - 5, 2.0)])
    assert len(table.dataset()) == 2
    store.append([Event("c", 1, "y", "dislike", NOW), Event("d", 0, "a", "rating", NOW, 3.5)])
    data = table.dataset()
    whole = mr.Dataset.from_arrays(
        [1, "u", 0], ["x", "y", "a"], [1, 10, 3.5], [int(NOW), int(NOW) - 5, int(NOW)], ["view", "buy", "rating"]
    )
    assert data.fingerprint == whole.fingerprint
    assert str(table.account) == "4 events in, 3 events out\n  removed         1  kind 'dislike' has no weight"
    assert EventTable(store, {"buy": 5.0}).dataset().fingerprint == data.fingerprint
    store.erase("u")
    assert table.dataset().n_users == 2
    with pytest.raises(ParameterError, match="kind_weights"):
        EventTable(store, {"buy": -1})


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4), st.sampled_from(["view", "buy"])), min_size=1, max_size=40), st.integers(1, 39)
)
@settings(max_examples=10, deadline=None)
def test_a_data_set_in_parts_is_that_of_the_whole(tmp_path_factory, rows, cut):
    log = [Event(str(at), user, f"i{item}", kind, NOW + at) for at, (user, item, kind) in enumerate(rows)]
    with SqliteStore(tmp_path_factory.mktemp("store") / "shop.db", durability="process") as store:
        table = EventTable(store)
        store.append(log[:cut])
        table.dataset()
        store.append(log[cut:])
        whole = mr.Dataset.from_arrays(*zip(*((e.user, e.item, 1, int(e.time), e.kind) for e in log), strict=True))
        assert table.dataset().fingerprint == whole.fingerprint


def test_the_clock_never_goes_back(tmp_path):
    clock = [NOW]
    with SqliteStore(tmp_path / "shop.db", durability="process", clock=lambda: clock[0]) as store:
        store.append(events(1))
        clock[0] -= 3600
        store.append(events(1, 1))
        assert store.clock_setbacks == 1
        assert [kept.received for kept in store.after(0)] == [NOW, NOW]
    with SqliteStore(tmp_path / "shop.db", durability="process", clock=lambda: NOW - 7200) as store:
        assert store.now() == NOW


def test_retention_and_compaction(tmp_path):
    path = tmp_path / "shop.db"
    with SqliteStore(path, durability="process", clock=lambda: NOW) as store:
        store.append([Event(f"{at}", at, "x" * 200, "view", NOW - 86400 * (at % 100)) for at in range(2000)])
        store.log_lists([Served("l1", 1, NOW - 86400 * 40, "greedy", "als", [1], [0.5], [1.0])]).result()
        store.compact()
        before = path.stat().st_size
        assert store.retain(events=86400 * 9.5, lists=86400 * 30) == {"events": 1800, "lists": 1}
        assert store.popularity()["x" * 200][1] == 200
        store.compact()
        assert path.stat().st_size < before / 2
        assert store.count() == 200
        copy = store.snapshot(tmp_path / "copies" / "copy.db")
        assert store._read("SELECT path, time FROM snapshots") == [(str(copy), NOW)]
    with SqliteStore(copy, create=False) as opened:
        assert opened.count() == 200


def test_lists_and_columns(store):
    lists = [Served(f"l{at}", at % 2 or None, NOW + at, "greedy", "als", [1, "a"], [0.5, 0.25], [1.0, 0.5]) for at in range(4)]
    store.log_lists(lists).result()
    assert store.lists() == lists
    assert store.lists(user=1) == lists[1::2]
    assert store.lists(since=NOW + 2, limit=1) == lists[3:]
    assert store.lists(list_id="l0") == lists[:1]
    assert store.put_items({1: {"title": "A"}, "b": {"title": "B", "tags": ["x"]}}).result() == 2
    store.put_items({1: {"price": 2.5}}).result()
    assert store.items() == [("b", {"title": "B", "tags": ["x"]}, 1), (1, {"title": "A", "price": 2.5}, 2)]
    assert [item.id for item in store.items(after=1)] == [1]
    store.put_users({1: {"age": "25-34"}}).result()
    assert store.user(1) == {"age": "25-34"}
    assert store.erase(1) == {"events": 0, "lists": 2, "users": 1}
    assert store.user(1) == {}


def test_schema_versions(tmp_path):
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        for statement in MIGRATIONS[0]:
            old.execute(statement.format(seq="INTEGER PRIMARY KEY AUTOINCREMENT", id="BLOB", real="NUMERIC"))
        old.executemany(
            "INSERT INTO meta VALUES (?, ?)", [("schema_version", "1"), ("origin", str(NOW)), ("half_life", "86400"), ("generation", "0")]
        )
        old.execute("INSERT INTO events (event_id, user_id, item_id, kind, time, received) VALUES ('e', 1, 2, 'view', ?, ?)", (NOW, NOW))
    old.close()
    with SqliteStore(path, durability="process", clock=lambda: NOW) as store:
        assert store._meta("schema_version") == str(VERSION)
        assert store.popularity() == {2: (1.0, 1)}
        assert store.marks().hashes == frozenset()
        store._submit(lambda cursor: cursor.execute("UPDATE meta SET value = '99' WHERE name = 'schema_version'") and None).result()
    with pytest.raises(StoreError, match="has schema version 99; this minirec knows up to"):
        SqliteStore(path)


def test_what_cannot_be_opened(tmp_path):
    with pytest.raises(StoreError, match="there is no event store"):
        SqliteStore(tmp_path / "none.db", create=False)
    with pytest.raises(StoreError, match="there is no folder"):
        SqliteStore(tmp_path / "none" / "shop.db")
    (tmp_path / "text.db").write_text("no database at all" * 100)
    with pytest.raises(StoreError, match="damaged or no event store") as found:
        SqliteStore(tmp_path / "text.db")
    assert found.value.reason == "damaged"
    with pytest.raises(ParameterError, match="durability must be one of power, process"):
        SqliteStore(tmp_path / "shop.db", durability="none")
    store = SqliteStore(tmp_path / "shop.db")
    store.append(events(1))
    store.close()
    store.close()


CRASH = """
import os, sys
from minirec.live.sqlite import SqliteStore
from minirec.live.records import Event
store = SqliteStore(sys.argv[1])
for at in range(40):
    store.append([Event(f"e{at}", at, 1, "view", 5)])
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def crashed(tmp_path):
    """A store whose process died: 40 events, all of them in the write-ahead log."""
    path = tmp_path / "shop.db"
    assert subprocess.run([sys.executable, "-c", CRASH, str(path)], timeout=60).returncode == -9
    return path


def test_a_damaged_write_ahead_log_is_told(crashed, tmp_path):
    log = tmp_path / "shop.db-wal"
    data = bytearray(log.read_bytes())
    assert wal_damage(log) is None
    log.write_bytes(data[:-100])  # a torn end was never committed
    assert wal_damage(log) is None
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    found = wal_damage(log)
    assert found.good + found.lost == (len(data) - 32) // (4096 + 24)
    with pytest.raises(
        StoreError, match=r"shop.db-wal is damaged after frame \d+: \d+ frames behind it would be lost. Nothing was changed"
    ) as error:
        SqliteStore(crashed)
    assert error.value.reason == "damaged"
    assert log.read_bytes() == data
    assert recover(crashed) == found.good
    with SqliteStore(crashed) as store:
        kept = [event.event_id for event in store.events()]
    assert kept == [f"e{at}" for at in range(len(kept))]
    assert 5 < len(kept) < 40
    assert len(list(tmp_path.glob("shop.db-wal.damaged-*"))) == 1
    with pytest.raises(StoreError, match="is not damaged"):
        recover(crashed)


def test_a_damaged_header_of_the_log_is_told(crashed, tmp_path):
    log = tmp_path / "shop.db-wal"
    data = bytearray(log.read_bytes())
    data[13] ^= 1
    log.write_bytes(data)
    assert wal_damage(log).good == 0


def test_nothing_acknowledged_is_lost_with_the_process(crashed):
    with SqliteStore(crashed) as store:
        assert [event.event_id for event in store.events()] == [f"e{at}" for at in range(40)]


def test_a_fork_after_opening(store):
    store.append(events(2))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            forked = SqliteStore(store.path)
            forked.append(events(2, 2))
            code = 0 if forked.count() == 4 and len(store.of_user(0)) == 1 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.append(events(2, 4))
    assert store.count() == 6


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [("full", 13, "full"), ("readonly", 8, "readonly"), ("malformed", 11, "damaged"), ("locked", 5, "busy"), ("odd", 1, "other")],
)
def test_errors_of_the_database_say_what_to_do(store, message, code, reason):
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    told = store._explained(error)
    assert told.reason == reason
    assert str(store.path) in str(told)


def test_a_full_disk_loses_nothing(store):
    """SQLite's own limit of pages stands in for the disk: the error is the same."""
    store.append(events(50))
    store._submit(lambda cursor: cursor.execute("PRAGMA max_page_count = 40") and None).result()
    with pytest.raises(StoreError, match="is full: nothing of this request was stored") as error:
        store.append([Event(f"long{at}", "u" * 200, "i" * 200, "view", NOW) for at in range(5000)])
    assert error.value.reason == "full"
    assert store.count() == 50
    assert store.append(events(1, 50)).stored == 1


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], "an event is an object"),
        ({"event_id": "a", "user": 1, "item": 2}, "'kind' is missing"),
        ({"event_id": "a", "user": 1, "item": 2, "kind": "view", "x": 1}, "unknown field 'x'"),
        ({"event_id": "a", "user": True, "item": 2, "kind": "view"}, "user must be a whole number or a text, got bool"),
        ({"event_id": "a", "user": 1.5, "item": 2, "kind": "view"}, "got float"),
        ({"event_id": "a", "user": 2**63, "item": 2, "kind": "view"}, "does not fit into 64 bits"),
        ({"event_id": "a", "user": "", "item": 2, "kind": "view"}, "0 characters"),
        ({"event_id": "a", "user": "a\nb", "item": 2, "kind": "view"}, "do not print"),
        ({"event_id": "a", "user": "\ud800", "item": 2, "kind": "view"}, "do not print"),
        ({"event_id": "a", "user": 1, "item": 2, "kind": "a b"}, "kind must be a name"),
        ({"event_id": "a", "user": 1, "item": 2, "kind": "view", "time": 1.7e12}, "are these milliseconds"),
        ({"event_id": "a", "user": 1, "item": 2, "kind": "view", "time": "soon"}, "time must be seconds"),
        ({"event_id": "a", "user": 1, "item": 2, "kind": "view", "value": 1e39}, "finite"),
        ({"event_id": "a", "user": 1, "item": 2, "kind": "view", "value": "3"}, "value must be a number"),
    ],
)
def test_what_is_no_event(raw, message):
    with pytest.raises(RequestError, match=message):
        event_from(raw, NOW)


def test_what_is_an_event():
    base = {"event_id": 7, "user": "u", "item": 2, "kind": "view"}
    assert event_from(base, NOW) == Event("7", "u", 2, "view", NOW)
    assert event_from({**base, "time": "2023-11-14T22:13:20Z", "value": 3}, 0) == Event("7", "u", 2, "view", 1_700_000_000, 3.0)
    assert event_from({**base, "time": "2023-11-14T22:13:20"}, 0).time == 1_700_000_000


ID = st.one_of(st.integers(-(2**63), 2**63 - 1), st.text("=+-@'\"a;,é", min_size=1, max_size=6))


@given(st.lists(st.tuples(st.text("=-'\"a,1", min_size=1, max_size=8), ID, ID, st.one_of(st.none(), st.floats(-100, 100))), max_size=12))
@settings(max_examples=12, deadline=None)
def test_export_and_import_are_inverse(tmp_path_factory, rows):
    """But for a column of ids that are whole numbers one and all, written as text: they come back as integers."""
    folder = tmp_path_factory.mktemp("transfer")
    log = {row[0]: Event(row[0], row[1], row[2], "view", NOW + at / 4, row[3]) for at, row in enumerate(rows)}
    log["text"] = Event("text", "a", "b", "view", NOW, None)
    log = {key: e._replace(user=f"u{e.user}" if isinstance(e.user, int) else e.user, item=f"{e.item}i") for key, e in log.items()}
    with SqliteStore(folder / "a.db", durability="process") as store, SqliteStore(folder / "b.db", durability="process") as other:
        store.append(log.values())
        text = io.StringIO()
        assert export_events(store, text) == len(log)
        for row in list(csv.reader(io.StringIO(text.getvalue())))[1:]:
            assert not any(cell.startswith(("=", "+", "@", "-")) for cell in row[:3])
        (folder / "events.csv").write_text(text.getvalue(), encoding="utf-8")
        assert import_events(other, folder / "events.csv") == (len(log), 0, ())
        assert list(other.events()) == list(store.events())


def test_the_commands(tmp_path, capsys):
    path, source = str(tmp_path / "shop.db"), tmp_path / "events.csv"
    source.write_text("event_id,user,item,kind,time,value\na,42,7,view,1700000000,\nb,42,8,buy,1700000001.5,2\n")
    assert main(["events", "import", path, str(source)]) == 0
    assert "2 events stored, 0 were there already" in capsys.readouterr().out
    assert main(["events", "import", path, str(source)]) == 0
    assert "0 events stored, 2 were there already" in capsys.readouterr().out
    assert main(["events", "export", path]) == 0
    assert capsys.readouterr().out == source.read_text()
    assert main(["events", "compact", path, "--keep-events", "1"]) == 0
    assert "2 events and 0 lists removed" in capsys.readouterr().out
    assert main(["events", "snapshot", path, str(tmp_path / "copy.db")]) == 0
    source.write_text("event_id,user,item,kind\na,1,2,view\nb,,2,view\n")
    assert main(["events", "import", str(tmp_path / "other.db"), str(source)]) == 2
    assert "line 3: the field 'user' is missing" in capsys.readouterr().err
    assert main(["events", "export", str(tmp_path / "none.db")]) == 1
    assert "there is no event store" in capsys.readouterr().err
    assert main(["events", "recover", path]) == 1
    plain = tmp_path / "plain.csv"
    plain.write_text("user,item\n1,2\n1,2\n3,4\n")
    assert main(["events", "import", str(tmp_path / "plain.db"), str(plain)]) == 0
    assert "3 events stored" in capsys.readouterr().out
    assert main(["events", "import", str(tmp_path / "plain.db"), str(plain)]) == 0
    assert "0 events stored, 3 were there already" in capsys.readouterr().out


def test_a_data_set_in_and_out_again(store):
    data = mr.synthetic(n_users=30, n_items=20, n_events=200, seed=2)
    assert import_dataset(store, data).stored == 200
    assert import_dataset(store, data).repeated == 200
    found = EventTable(store).dataset()
    assert found.users == data.users
    assert np.array_equal(found.item, data.item)
    assert np.array_equal(found.weight, data.weight)
    assert np.array_equal(found.timestamp, data.timestamp)

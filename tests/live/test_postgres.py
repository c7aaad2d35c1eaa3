"""The event store on PostgreSQL: a real server, started from Debian's packages where they are installed."""

import glob
import os
import shutil
import subprocess

import pytest

psycopg = pytest.importorskip("psycopg")

from minirec.errors import StoreError  # noqa: E402
from minirec.live.opening import open_store  # noqa: E402
from minirec.live.postgres import PostgresStore  # noqa: E402
from minirec.live.records import Event, Served  # noqa: E402
from minirec.live.sqlite import SqliteStore  # noqa: E402
from minirec.live.table import EventTable  # noqa: E402

NOW = 1_700_000_000.0
_BIN = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1:] or [os.path.dirname(shutil.which("initdb") or "")]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if not os.path.exists(f"{_BIN[0]}/initdb"):
        pytest.skip("needs the PostgreSQL server, such as Debian's package postgresql")
    if os.geteuid() == 0 and not shutil.which("runuser"):
        pytest.skip("the server does not run as root, and there is no runuser")
    folder = f"{tmp_path_factory.mktemp('pg')}/data"
    os.makedirs(folder)
    me: list[str] = []
    if os.geteuid() == 0:
        me = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
        for parent in (
            os.path.dirname(folder),
            os.path.dirname(os.path.dirname(folder)),
            os.path.dirname(os.path.dirname(os.path.dirname(folder))),
        ):
            os.chmod(parent, 0o755)

    def run(*command):
        done = subprocess.run([*me, *command], capture_output=True, text=True, cwd="/", timeout=120)
        if done.returncode:
            pytest.skip(f"the PostgreSQL server cannot be started here: {done.stderr.strip()[-200:]}")

    run(f"{_BIN[0]}/initdb", "-D", folder, "-A", "trust", "-U", "minirec", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    run(f"{_BIN[0]}/pg_ctl", "-D", folder, "-l", f"{folder}/log", "-w", "-o", options, "start")
    yield f"postgresql://minirec@/postgres?host={folder}"
    subprocess.run([*me, f"{_BIN[0]}/pg_ctl", "-D", folder, "-m", "immediate", "stop"], capture_output=True, cwd="/", timeout=60)


@pytest.fixture
def store(server):
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    with PostgresStore(server, clock=lambda: NOW) as opened:
        yield opened


LOG = [Event("a", 1, "x", "view", NOW), Event("b", "1", 7, "buy", NOW - 1.5, 2.0), Event("c", 1, 7, "dislike", NOW + 5)]


def fill(store):
    found = [store.append(LOG), store.append([*LOG[1:], Event("d", 2, 8, "view", NOW)])]
    store.log_lists([Served("l1", None, NOW, "greedy", "als", [1, "a"], [0.5, 0.25], [1.0, 1.0])]).result()
    found.append(store.put_items({7: {"title": "Seven"}}).result())
    store.put_items({7: {"price": 2}}).result()
    store.put_users({"1": {"age": 3}}).result()
    return found


def everything(store):
    return {
        "events": list(store.events()), "of": store.of_user("1"), "popularity": store.popularity(),
        "some": store.popularity_of([7, "x", 9]),
        "lists": store.lists(list_id="l1"), "items": store.items(), "user": store.user("1"), "count": store.count(),
        "data": EventTable(store).dataset().fingerprint, "knows": [store.knows("user", u) for u in (1, "1", 3)],
        "generation": store.generation, "since": store.received_since(NOW),
    }  # fmt: skip


def test_it_is_the_store_of_sqlite(store, tmp_path):
    """The same calls give the same, but for the numbers of the log, which may have gaps."""
    with SqliteStore(tmp_path / "shop.db", durability="process", clock=lambda: NOW) as other:
        assert fill(store) == fill(other) == [(3, 0, ()), (1, 2, ()), 1]

        def alike(found):
            return {
                name: [(kept.event, kept.received) for kept in value] if name in ("of", "since") else value for name, value in found.items()
            }

        assert alike(everything(store)) == alike(everything(other))
        assert store.erase("1") == other.erase("1")
        assert store.retain(events=0.5) == other.retain(events=0.5)
        assert alike(everything(store)) == alike(everything(other))
        assert store.append([Event("a", 9, "x", "view", NOW)]).conflicts == ("a",)
    store.compact()
    assert store.size() > 0
    store.close()
    with open_store(store.url) as again:
        assert again.count() == 3


def test_errors_say_what_to_do(server):
    with pytest.raises(StoreError, match="nothing of this request was stored") as error:
        PostgresStore("postgresql://minirec:secret@/nowhere?host=/nonexistent")
    assert error.value.reason == "busy"
    assert "secret" not in str(error.value)

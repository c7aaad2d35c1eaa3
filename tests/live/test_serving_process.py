"""The service as a process: its first line, what it refuses, kill -9 under load, workers, refits, the end."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

import minirec as mr
from minirec.cli import main
from minirec.live.sqlite import SqliteStore
from minirec.testing.sets import shop

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(url, content=None, timeout=30):
    request = urllib.request.Request(url, None if content is None else json.dumps(content).encode())
    with OPENER.open(request, timeout=timeout) as answer:
        return json.loads(answer.read())


class Process:
    """`minirec serve` on a free port."""

    def __init__(self, folder, *options):
        command = [
            sys.executable,
            "-m",
            "minirec",
            "serve",
            f"{folder}/model.npz",
            "--events",
            f"{folder}/shop.db",
            "--port",
            "0",
            *options,
        ]
        environment = {**os.environ, "MINIREC_BACKEND": "numpy"}
        self.begun = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
        self.line = self.process.stdout.readline()
        self.url = re.search(r"http://127\.0\.0\.1:\d+", self.line)[0]
        while True:
            try:
                call(f"{self.url}/health")
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.02)
        self.start = time.monotonic() - self.begun

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(30)
        self.process.stdout.close()
        return code


@pytest.fixture
def folder(tmp_path):
    with mr.options(backend="numpy"):
        mr.ALS(factors=4, iterations=2).fit(shop(n_users=40, n_items=30)).save(tmp_path / "model.npz")
    return tmp_path


def test_killed_under_load(folder):
    """Five times: what was acknowledged is there, once each, and the service starts again at once."""
    acknowledged = set()
    for turn in range(5):
        live, stop = Process(folder, "--durability", "process"), threading.Event()

        def send(worker, live=live, stop=stop, turn=turn):
            at = 0
            while not stop.is_set():
                batch = [{"event_id": f"{turn}-{worker}-{at + i}", "user": i, "item": 500 + i % 20, "kind": "click"} for i in range(10)]
                try:
                    acknowledged.update(call(f"{live.url}/v1/events", batch)["acknowledged"])
                except (urllib.error.URLError, ConnectionError, OSError, ValueError):
                    return
                at += 5  # half of each batch was sent before

        threads = [threading.Thread(target=send, args=(worker,)) for worker in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.4)
        assert live.end(signal.SIGKILL) == -9
        stop.set()
        for thread in threads:
            thread.join(30)
    with SqliteStore(folder / "shop.db") as store:
        ids = [event.event_id for event in store.events()]
    assert len(ids) == len(set(ids))
    assert acknowledged <= set(ids)
    assert len(acknowledged) > 50


def test_workers_share_events_and_end_together(folder):
    live = Process(folder, "--workers", "2")
    assert "no key is configured, so writes are open" in live.line
    for at in range(12):
        user = at
        first = call(f"{live.url}/v1/recommend?user={900 + user}&k=1")["items"][0]["item"]
        call(f"{live.url}/v1/events", [{"event_id": str(at), "user": 900 + user, "item": first, "kind": "buy"}])
        assert [call(f"{live.url}/v1/recommend?user={900 + user}&k=30")["source"] for _ in range(4)] == ["history"] * 4
    assert live.end() == 0
    with SqliteStore(folder / "shop.db") as store:
        assert store.count() == 12
        assert len(store.lists()) == 60


def test_a_refit_is_taken_while_serving(folder):
    before = mr.load_model(folder / "model.npz")
    live = Process(folder, "--refit-drift", "0.1")
    name = call(f"{live.url}/health")["model"]
    data = shop(n_users=40, n_items=30)
    events = [
        {"event_id": str(at), "user": user, "item": item, "kind": "click"}
        for at, (user, item) in enumerate(zip(data.users.ids(data.user), data.items.ids(data.item), strict=True))
    ]
    call(f"{live.url}/v1/events", [*events, {"event_id": "new", "user": 1, "item": 7777, "kind": "click"}])
    until = time.monotonic() + 60
    while call(f"{live.url}/health")["model"] == name and time.monotonic() < until:
        time.sleep(0.1)
    after = call(f"{live.url}/health")["model"]
    assert live.end() == 0
    assert after != name
    assert 7777 in mr.load_model(folder / "model.npz").items_
    assert mr.load_model(folder / "model.npz.previous").items_ == before.items_


def test_what_is_refused(folder, capsys, monkeypatch):
    monkeypatch.delenv("MINIREC_KEY", raising=False)
    model, store = str(folder / "model.npz"), str(folder / "shop.db")
    for options, message in (
        (["--host", "0.0.0.0"], "reachable from other machines, and no key is configured"),
        (["--host", "203.0.113.1", "--keys", str(folder / "none")], "cannot read the keys"),
        (["--workers", "0"], "--workers must be from 1"),
        (["--port", "99999"], "cannot listen"),
    ):
        assert main(["serve", model, "--events", store, *options]) == 2
        assert message in capsys.readouterr().err
    assert main(["serve", str(folder / "no.npz"), "--events", store]) == 2
    assert "there is no model file" in capsys.readouterr().err

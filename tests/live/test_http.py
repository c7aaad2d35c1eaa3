"""The service over HTTP: answers, keys, limits, headers, what is no request, and nothing that is a 500."""

import asyncio
import json
import random

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
httpx = pytest.importorskip("httpx")

import minirec as mr  # noqa: E402
from minirec.errors import ParameterError, StoreError  # noqa: E402
from minirec.live import app as app_module  # noqa: E402
from minirec.live.app import ROUTES, make_app  # noqa: E402
from minirec.live.journal import Journal  # noqa: E402
from minirec.live.keys import Keys, Rates  # noqa: E402
from minirec.live.metrics import Metrics  # noqa: E402
from minirec.live.service import Service  # noqa: E402
from minirec.live.sqlite import SqliteStore  # noqa: E402
from minirec.testing.sets import shop  # noqa: E402

KEYS = {"read": "r" * 16, "write": "w" * 16, "admin": "a" * 16}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "als.npz"
    with mr.options(backend="numpy"):
        mr.ALS(factors=4, iterations=2).fit(shop(n_users=40, n_items=30)).save(path)
    return path


class Web:
    """The application with a client, without a socket."""

    def __init__(self, folder, model, *, keys=None, rate=0.0, items=None):
        self.store = SqliteStore(folder / "shop.db", durability="process")
        self.service = Service(self.store, model, items)
        self.lines = []
        journal = Journal(self, every=True)
        self.app = make_app(self.service, keys=Keys(keys), rates=Rates(rate), metrics=Metrics(tuple(ROUTES)), journal=journal)
        self.users, self.items = list(self.service.current.model.users_), self.service.current.items

    def write(self, text):
        self.lines.append(text)

    def flush(self):
        """Nothing is buffered."""

    def __call__(self, method, path, content=None, key=None, **options):
        async def send():
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
                headers = {**({"authorization": f"Bearer {key}"} if key else {}), **options.pop("headers", {})}
                body = {"content": content} if isinstance(content, bytes) else {} if content is None else {"json": content}
                return await client.request(method, path, headers=headers, **body, **options)

        return asyncio.run(send())


@pytest.fixture
def web(model, tmp_path):
    made = []

    def opening(**settings):
        made.append(Web(tmp_path, model, **settings))
        return made[-1]

    yield opening
    for one in made:
        one.store.close()


def test_a_list(web, tmp_path):
    table = tmp_path / "items.csv"
    table.write_text('item_id,title\n500,"<b>Tea</b> ""green"""\n')
    live = web(items=table)
    user = live.users[0]
    answer = live("GET", f"/v1/recommend?user={user}&k=30")
    assert answer.status_code == 200
    content = answer.json()
    expected = live.service.current.model.recommend([user], k=30)[0]
    assert [entry["item"] for entry in content["items"]] == expected.items
    assert [entry["score"] for entry in content["items"]] == pytest.approx(expected.scores.tolist(), rel=1e-8)
    assert {entry["item"]: entry.get("title") for entry in content["items"]}.get(500, '<b>Tea</b> "green"') == '<b>Tea</b> "green"'
    assert content["user"] == user
    assert content["source"] == "user"
    live.service.flush()
    live.store.log_lists([]).result()
    assert [served.list_id for served in live.store.lists()] == [content["list_id"]]
    assert live("POST", "/v1/recommend", {"user": str(user), "k": 3}).json()["user"] == user


def test_an_event_changes_the_next_answer(web):
    live = web()
    user = live.users[1]
    first = live("GET", f"/v1/recommend?user={user}&k=1").json()["items"][0]["item"]
    events = [{"event_id": "a", "user": user, "item": first, "kind": "click"}, {"event_id": 2, "user": user, "item": "new", "kind": "view"}]
    answer = live("POST", "/v1/events", events)
    assert answer.json() == {"acknowledged": ["a", 2], "rejected": [], "durability": "process"}
    assert live("GET", f"/v1/recommend?user={user}&k=1").json()["items"][0]["item"] != first
    again = live("POST", "/v1/events", [*events, {"event_id": "a", "user": 5, "item": 5, "kind": "buy"}, {"event_id": "c", "user": 1}])
    assert again.json()["acknowledged"] == [2]
    assert [entry["event_id"] for entry in again.json()["rejected"]] == ["c", "a", "a"]
    assert live("POST", "/v1/events", [{"event_id": "x"}]).status_code == 422
    assert live("POST", "/v1/events", []).json()["acknowledged"] == []
    held = live("GET", f"/v1/users/{user}").json()
    assert [event["event_id"] for event in held["events"]] == ["a", "2"]
    assert live("DELETE", f"/v1/users/{user}").json()["events"] == 2
    assert live("GET", f"/v1/users/{user}").status_code == 404


def test_the_other_operations(web):
    live = web()
    user, item = live.users[2], live.items[0]
    assert len(live("POST", "/v1/recommend", {"users": live.users[:3], "k": 2}).json()["lists"]) == 3
    assert (
        live("POST", "/v1/recommend", {"history": [item], "k": 2, "candidates": [item, live.items[1]]}).json()["items"][0]["item"]
        == live.items[1]
    )
    assert len(live("GET", f"/v1/similar/{item}?k=3").json()["items"]) == 3
    found = live("GET", f"/v1/explain?user={user}&item={item}").json()
    assert sum(part["value"] for part in found["parts"]) == pytest.approx(found["score"], abs=1e-5)
    assert found["reasons"]
    assert live("PUT", "/v1/items", [{"item": "fresh", "title": "New tea"}]).json() == {"stored": 1}
    assert live("GET", "/v1/items/fresh").json()["columns"] == {"title": "New tea"}
    assert live("PUT", "/v1/users", {"user": user, "age": 30}).json() == {"stored": 1}
    assert live("GET", f"/v1/users/{user}").json()["columns"] == {"age": 30}
    assert live("GET", "/health").json()["status"] == "ok"
    assert live("GET", "/v1/overview").json()["lists"] >= 0
    assert live("GET", "/v1/audit").json()["catalogue"] == 30
    text = live("GET", "/metrics").text
    assert 'minirec_requests_total{route="/v1/similar",status="2xx"} 1' in text
    assert 'minirec_request_seconds_bucket{route="/v1/similar",le="+Inf"} 1' in text
    for path, kind in (
        ("/", "text/html"),
        ("/docs", "text/html"),
        ("/static/page.js", "text/javascript"),
        ("/static/page.css", "text/css"),
    ):
        answer = live("GET", path)
        assert answer.headers["content-type"].startswith(kind)
        assert len(answer.content) > 500
        assert b"http" not in answer.content.replace(b"http://www.w3.org/2000/svg", b"")


def test_openapi(web):
    live = web()
    api = live("GET", "/openapi.json").json()
    named = {(method.upper(), path) for path, methods in api["paths"].items() for method in methods}
    assert ("POST", "/v1/events") in named
    assert ("GET", "/v1/similar/{item}") in named
    ids = [operation["operationId"] for methods in api["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids)) == len(named)
    jsonschema = pytest.importorskip("jsonschema")
    listed = live("GET", "/v1/recommend?k=2").json()
    schema = api["paths"]["/v1/recommend"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(listed, schema)
    event = [{"event_id": "a", "user": 1, "item": 2, "kind": "view"}]
    jsonschema.validate(event, api["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]["schema"])


def test_keys(web):
    live = web(keys={key: role for role, key in KEYS.items()})
    event = [{"event_id": "a", "user": 1, "item": 2, "kind": "view"}]
    writes = [("POST", "/v1/events", event), ("PUT", "/v1/items", []), ("PUT", "/v1/users", []), ("DELETE", "/v1/users/1", None)]
    for method, path, content in writes:
        assert live(method, path, content).status_code == 401
        assert live(method, path, content, key="x" * 16).status_code == 401
        assert live(method, path, content, key=KEYS["read"]).status_code == 403
    assert live.store.count() == 0
    assert live("DELETE", "/v1/users/1", key=KEYS["write"]).status_code == 403
    assert live("POST", "/v1/events", event, key=KEYS["write"]).status_code == 200
    assert live("POST", "/v1/events", event, headers={"x-api-key": KEYS["admin"]}).status_code == 200
    assert live("GET", "/v1/users/1").status_code == 401
    assert live("GET", "/v1/users/1", key=KEYS["read"]).status_code == 200
    assert live("GET", "/v1/recommend?user=1").status_code == 200
    assert live("DELETE", "/v1/users/1", key=KEYS["admin"]).status_code == 200


def test_files_of_keys(tmp_path, monkeypatch):
    path = tmp_path / "keys.txt"
    path.write_text(f"# who\nwrite {KEYS['write']}\n\n")
    assert Keys.read(path).role({b"x-api-key": KEYS["write"].encode()}) == 1
    monkeypatch.setenv("MINIREC_KEY", "e" * 20)
    assert Keys.read(None).role({b"authorization": b"bearer " + b"e" * 20}) == 2
    for text, message in (
        ("write\n", "line 1"),
        ("boss " + "k" * 16, "one of read, write, admin"),
        ("read short", "at least 16"),
        ("# none", "no keys"),
    ):
        path.write_text(text)
        with pytest.raises(ParameterError, match=message):
            Keys.read(path)
    with pytest.raises(ParameterError, match="cannot read the keys"):
        Keys.read(tmp_path / "none")


def test_pages_of_other_sites_cannot_write(web):
    live = web()
    event = [{"event_id": "a", "user": 1, "item": 2, "kind": "view"}]
    assert live("POST", "/v1/events", event, headers={"origin": "https://evil.example"}).status_code == 403
    assert live("POST", "/v1/events", event, headers={"origin": "http://127.0.0.1:8000"}).status_code == 200


def test_rates(web):
    live = web(rate=2)
    statuses = [live("GET", "/v1/recommend").status_code for _ in range(8)]
    assert statuses[:4] == [200] * 4
    refused = live("GET", "/v1/recommend")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert live("GET", "/health").status_code == 200
    rates = Rates(1)
    assert [rates.wait(b"a", at) for at in (0, 0, 0)] == [0, 0, 1]
    assert rates.wait(b"a", 1.5) == 0


def test_headers_and_limits(web, monkeypatch):
    live = web()
    answer = live("GET", "/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    monkeypatch.setattr(app_module, "MAX_BODY", 100)
    assert live("POST", "/v1/events", b"[" + b" " * 200 + b"]").status_code == 413
    assert live("POST", "/v1/events", b"[]", headers={"content-length": "many"}).status_code == 413


def test_logs_hold_nothing_personal(web):
    live = web()
    live("GET", "/v1/users/secretname")
    live("POST", "/v1/events", [{"event_id": "a", "user": "secretname", "item": "b", "kind": "view"}], key="k" * 20)
    live("GET", "/secretname")
    lines = [json.loads(line) for line in live.lines]
    assert [line["route"] for line in lines] == ["/v1/users", "/v1/events", "other"]
    assert "secretname" not in "".join(live.lines)
    assert "kkkk" not in "".join(live.lines)


@pytest.mark.parametrize(("reason", "status"), [("full", 507), ("readonly", 503), ("busy", 503)])
def test_what_the_store_cannot_take_is_not_acknowledged(web, monkeypatch, reason, status):
    live = web()

    def fail(jobs):
        raise StoreError("the disk is full: nothing of this request was stored", reason)

    live.store.append([])
    monkeypatch.setattr(live.store, "_transaction", fail)
    answer = live("POST", "/v1/events", [{"event_id": "a", "user": 1, "item": 2, "kind": "view"}])
    assert answer.status_code == status
    assert "nothing of this request was stored" in answer.json()["error"]
    assert live("GET", "/v1/recommend").status_code == 200


def test_a_failure_inside_is_an_answer_without_details(web, monkeypatch):
    live = web()
    monkeypatch.setattr(live.service, "recommend", lambda *_, **__: 1 / 0)
    answer = live("GET", "/v1/recommend?user=secretname")
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text
    assert any(json.loads(line).get("error") == "ZeroDivisionError" for line in live.lines)


VALUES = [
    None, True, False, 0, -1, 1, 10, 2**63, -(2**64), 10**400, 1.5, -0.0, 1e300, "", " ", "a", "42", "0042", "\0", "\ud800", "é" * 300,
    "<script>", "'; DROP TABLE events; --", "../../etc/passwd", "=1+1", [],
    [1], ["a", 1], [[1]], [None], {}, {"a": 1}, {"shelf": "x"}, {"shelf": []},
    {"tail": 2}, {"cap": {"title": 1}}, {"require": {"title": ["x"]}}, {"exclude": 3}, {"cap": {"title": 0}}, "2023-01-01", "NaN",
]  # fmt: skip
NAMES = ["user", "users", "item", "history", "session", "k", "include_seen", "candidates", "deny", "rules", "preview", "event_id", "kind",
         "time", "value", "title", "odd"]  # fmt: skip
PATHS = [
    "/v1/recommend",
    "/v1/events",
    "/v1/items",
    "/v1/users",
    "/v1/similar/",
    "/v1/users/",
    "/v1/explain",
    "/v1/items/",
    "/",
    "/v1/nothing",
]


def fuzzed(rng):
    """One request: mostly nearly right, sometimes bytes."""
    method = rng.choice(["GET", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
    path = rng.choice(PATHS)
    if path.endswith("/") and len(path) > 1:
        path += rng.choice(["500", "501", "%00", "%ff", "a%2Fb", "..%2f..", "x" * 300, "%F0%9F%92%A9", "-1", "1e5", "%27%3B--"])
    if rng.random() < 0.6:
        pairs = [
            f"{rng.choice(NAMES)}={rng.choice(['1', '500', '-1', 'a', '%00', '%ff', '', '9' * 30, 'true', '%'])}"
            for _ in range(rng.randint(0, 4))
        ]
        path += "?" + rng.choice(["&", "&", "&&", ";"]).join(pairs)
    entry = {rng.choice(NAMES): rng.choice(VALUES) for _ in range(rng.randint(0, 6))}
    if rng.random() < 0.4:
        entry |= {
            "event_id": rng.choice(VALUES),
            "user": rng.choice([1, "a", 500]),
            "item": rng.choice([500, "b"]),
            "kind": rng.choice(["view", "buy"]),
        }
    kind = rng.random()
    if kind < 0.15:
        return method, path, rng.choice([b"{", b"[" * 5000, b"\xff\xfe", b'{"user": NaN}', b"", b"null", b"9" * 5000, rng.randbytes(50)])
    content = [entry] * rng.randint(0, 3) if rng.random() < 0.5 else entry
    return method, path, json.dumps(content, allow_nan=True).encode()


def test_fuzzed_requests_are_answered(web):
    """A small round of benchmarks' 10,000: no status of 500, and always JSON where something was wrong."""
    live, rng = web(), random.Random(7)
    for _ in range(400):
        method, path, content = fuzzed(rng)
        answer = live(method, path, content)
        assert answer.status_code != 500, (method, path, content, live.lines[-2:])
        if answer.status_code >= 400 and method != "HEAD":
            assert {"error", "rejected"} & set(answer.json())

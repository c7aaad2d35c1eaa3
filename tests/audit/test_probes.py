"""Systems that can be asked: a model, a function, a server on the loopback; and what the probes say of them."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

import minirec as mr
from minirec.audit import Endpoint, default_plan
from minirec.audit.parameters import main_parameters
from minirec.errors import DataError, ParameterError


@pytest.fixture(scope="module")
def events():
    return mr.synthetic(150, 60, 3_000, seed=1)


@pytest.fixture
def server(events):
    """A system on the loopback that recommends by item neighbours; `answer` may be replaced."""
    model = mr.ItemKNN().fit(events)
    state = {"requests": [], "answer": None}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state["requests"].append((time.monotonic(), asked, self.headers.get("Authorization")))
            status, answer = state["answer"] or (200, None)
            if answer is None:
                made = model.recommend(history=[asked["history"]], k=asked["k"])[0]
                answer = {"items": [{"item": item, "score": float(score)} for item, score in zip(made.items, made.scores, strict=True)]}
            body = json.dumps(answer).encode() if not isinstance(answer, bytes) else answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *parts):
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}/v1/recommend", state
    http.shutdown()
    http.server_close()
    thread.join()


def probes(done):
    return {probe["id"]: probe["value"] for probe in done.record["probes"]["probes"]}


def test_a_model_is_probed(events):
    found = probes(mr.audit(mr.ItemKNN().fit(events), events))
    assert found["repeatability"] == found["prefix"] == found["item_probe"] == 1
    assert found["order_effect"] == 1  # the model does not look at the order
    assert 0 < found["stability_without_random"] <= 1
    assert 0 <= found["reachability"] <= 1


def test_what_does_not_look_at_the_user_is_stable_and_unreachable(events):
    def ask(histories, k):
        return [events.items.ids(np.arange(k)) for _ in histories]

    found = probes(mr.audit(ask, events, ask_users=30))
    assert found["stability_without_latest"] == found["size_effect"] == 1
    assert found["reachability"] == found["item_probe"] == 0


def test_what_draws_anew_is_not_repeatable(events):
    rng = np.random.default_rng(1)

    def ask(histories, k):
        return [events.items.ids(np.sort(rng.choice(events.n_items, k, replace=False))) for _ in histories]

    assert probes(mr.audit(ask, events, ask_users=30))["repeatability"] < 0.5


def test_an_endpoint_is_audited(events, server):
    url, state = server
    endpoint = Endpoint(url, rate=10_000, headers={"Authorization": "Bearer x"})
    done = mr.audit(endpoint, events, ask_users=20)
    assert probes(done)["repeatability"] == 1
    assert done.record["data"]["counts"]["users"] == 20
    assert any("at most 20 users" in text for text in done.record["deviations"])
    assert state["requests"][0][2] == "Bearer x"
    assert len(state["requests"]) == len(endpoint.seconds) == done.record["probes"]["requests"] + 20
    assert endpoint.latency()[0] <= endpoint.latency()[1]


def test_requests_keep_to_the_rate(server):
    url, state = server
    Endpoint(url, rate=20)([[1], [2], [3], [4]], 3)
    times = [at for at, *_ in state["requests"]]
    assert times[-1] - times[0] >= 3 / 20 * 0.9


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((503, {"error": "busy"}), "answered 503"),
        ((200, b"<html>"), "not JSON"),
        ((200, {"result": []}), "without a list of items"),
        ((200, [{"name": "x"}]), "without an id"),
        ((200, [1.5]), "item id"),
    ],
)
def test_bad_answers_are_named(server, answer, message):
    url, state = server
    state["answer"] = answer
    with pytest.raises(DataError, match=message):
        Endpoint(url)([[1]], 3)


def test_bad_addresses_are_refused():
    for url in ("file:///etc/passwd", "127.0.0.1:8000", "http://"):
        with pytest.raises(ParameterError, match="an address such as"):
            Endpoint(url)
    with pytest.raises(DataError, match="cannot be asked"):
        Endpoint("http://127.0.0.1:9/", timeout=1)([[1]], 3)


@pytest.mark.parametrize(("model", "first"), [(mr.Popularity(), "popularity"), (mr.ItemKNN(), "co-occurrence")])
def test_main_parameters_name_what_a_system_goes_by(events, model, first):
    done = mr.audit(model.fit(events), events)
    found = main_parameters(done.case, default_plan())
    assert max(found.shares, key=found.shares.get) == first
    assert sum(found.shares.values()) + found.rest == pytest.approx(1)
    assert found.direction[first] == 1

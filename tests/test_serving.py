"""Serving: many threads at once, a fork after the fit, an environment with NumPy alone, and a cache that cannot be written."""

import importlib.util
import os
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from naive_models import Turned

from minirec.models import load_model
from minirec.options import options
from minirec.testing import SUBJECTS
from minirec.testing.sets import shop

_NO_NUMBA = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs numba")
BACKENDS = ["numpy", pytest.param("numba", marks=(_NO_NUMBA, pytest.mark.slow_without_jit))]


def lists(found):
    return [(user, items, scores.tolist()) for user, items, scores in found]


def run_python(code, *arguments, **environment):
    """A fresh interpreter; it must end well and say nothing on the side."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        env={**os.environ, "MINIREC_THREADS": "2", **environment}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["itemknn", "als", "ease"])
def test_eight_threads_at_once(name, backend):
    """Single users and batches of 100 (which use the pool), mixed, all at the same moment."""
    with options(backend=backend):
        model = SUBJECTS[name].make().fit(shop(n_users=120, n_items=40))
    users = list(model.users_)
    requests = [{"users": users[:100]}, *({"users": user} for user in users[:12]), {"history": [list(model.items_)[:4]] * 100}]
    expected = [lists(model.recommend(**request)) for request in requests]
    start, wrong = threading.Barrier(8, timeout=60), []

    def serve(worker):
        start.wait()
        for at in range(3 * len(requests)):
            number = (at * (worker + 1) + worker) % len(requests)
            if lists(model.recommend(**requests[number])) != expected[number]:
                wrong.append((worker, number))

    threads = [threading.Thread(target=serve, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)


def test_a_web_server():
    model = Turned().fit(shop())
    expected = {user: ",".join(map(str, items)) for user, items, _ in model.recommend(k=5)}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = ",".join(map(str, model.recommend(int(self.path[1:]), k=5)[0].items)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found, opener = {}, urllib.request.build_opener(urllib.request.ProxyHandler({}))

        def ask(users):
            for user in users:
                with opener.open(f"http://127.0.0.1:{server.server_port}/{user}", timeout=30) as answer:
                    found[user] = answer.read().decode()

        clients = [threading.Thread(target=ask, args=(list(expected)[worker::8],)) for worker in range(8)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(60)
        server.shutdown()
    assert found == expected


FORK = """
import os, signal, sys, warnings
warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")  # said of any process with threads
from minirec.testing.sets import shop
from minirec.testing import SUBJECTS
data = shop(n_users=300, n_items=60)
models = [SUBJECTS[name].make().fit(data) for name in sys.argv[1].split(",")]
def answers():
    return [[(u, i, s.tolist()) for u, i, s in model.recommend(k=5)] for model in models]
before = answers()
child = os.fork()
if child == 0:
    signal.alarm(100)
    code = 1
    try:
        refitted = [model.clone().fit(data) for model in models]
        same = answers() == before and all(
            a.recommend(k=5).to_dict() == b.recommend(k=5).to_dict() for a, b in zip(models, refitted)
        )
        code = 0 if same else 2
    finally:
        os._exit(code)
_, status = os.waitpid(child, 0)
assert answers() == before
print(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fork_after_the_fit(backend):
    """The child recommends and fits, although the threads of the parent's pool are not there any more."""
    assert run_python(FORK, "popularity,itemknn,als,bpr,ease", MINIREC_BACKEND=backend) == "0"


ALONE = """
import sys
from importlib.machinery import PathFinder
class Only(PathFinder):
    "Finds the standard library, NumPy and minirec, and nothing else that may be installed."
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = {"scipy", "numba", "llvmlite", "threadpoolctl", "duckdb", "pandas", "pyarrow", "polars"}
        return None if name.partition(".")[0] in hidden else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Only
import minirec
model = minirec.load_model(sys.argv[1])
print(model.backend_)
print({user: [item for item, _ in found] for user, found in model.recommend(k=3).to_dict().items()})
print([item for item, _ in model.recommend(history=[[500, 503]], k=3).to_dict()[0]])
"""


@pytest.mark.parametrize("name", ["popularity", "itemknn", "ease", "als", "bpr", "sasrec", "gru4rec"])
def test_numpy_alone(name, tmp_path):
    """A saved model recommends where neither SciPy nor anything else is installed; vectors without Numba give the same lists."""
    with options(backend="numpy"):
        model = SUBJECTS[name].make().fit(SUBJECTS[name].data(shop()))
        model.save(tmp_path / "model.npz")
        expected = {user: items for user, items, _ in model.recommend(k=3)}
        new = model.recommend(history=[[500, 503]], k=3)[0].items
    found = run_python(ALONE, tmp_path / "model.npz", MINIREC_BACKEND="auto")
    assert found.splitlines() == ["numpy", str(expected), str(new)]


@_NO_NUMBA
def test_numpy_alone_after_a_fit_by_numba(tmp_path):
    """A model works by the backend of its fit, but one that is loaded by what is there."""
    with options(backend="numba"):
        SUBJECTS["sasrec"].make().fit(SUBJECTS["sasrec"].data(shop())).save(tmp_path / "model.npz")
    with options(backend="numpy"):
        model = load_model(tmp_path / "model.npz")
        expected = {user: items for user, items, _ in model.recommend(k=3)}
    found = run_python(ALONE, tmp_path / "model.npz", MINIREC_BACKEND="auto")
    assert found.splitlines()[:2] == ["numpy", str(expected)]

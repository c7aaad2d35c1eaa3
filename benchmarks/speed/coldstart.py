"""What a start costs: importing, the first call with an empty and a filled cache of compiled kernels, and a new environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

from ..common import ROOT, Folders, Row
from ..data import prepare
from .peers import PEERS, install, python_of

KEY = ("what", "who")
MODULES = {
    "implicit": "implicit", "irspack": "irspack", "rusket": "rusket", "similaripy": "similaripy", "cornac": "cornac",
    "scikit-surprise": "surprise", "lightfm-next": "lightfm", "lenskit": "lenskit.als", "rectools": "rectools.models", "ranx": "ranx",
}  # fmt: skip
IMPORT = "import time; start = time.perf_counter(); import {0}; print(time.perf_counter() - start)"
FIRST = """
import json, sys, time
start = time.perf_counter()
import minirec as mr
from scipy.sparse import load_npz
imported = time.perf_counter()
events = load_npz(sys.argv[1]).tocoo()
data = mr.Dataset.from_arrays(events.row, events.col)
read = time.perf_counter()
model = mr.ALS(factors=64, iterations=10, seed=0).fit(data)
fitted = time.perf_counter()
model.recommend([0], k=10).to_dict()
ended = time.perf_counter()
print(json.dumps({"import": imported - start, "data": read - imported, "fit": fitted - read, "recommend": ended - fitted}))
"""


def _output(command: list[str], **env: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | env, cwd=tempfile.gettempdir())
    return done.stdout.strip().splitlines()[-1]


def import_seconds(python: str, module: str, rounds: int) -> float:
    """Median seconds of an import, with whatever it brings along, after one that does not count."""
    times = [float(_output([python, "-c", IMPORT.format(module)], PYTHONPATH=str(ROOT))) for _ in range(rounds + 1)]
    return median(times[1:])


def first_recommendation(python: str, source: str, train: Path, rounds: int) -> Row:
    """Seconds of a whole process from its start to a recommendation: with an empty cache of compiled kernels, then with a filled one."""
    with tempfile.TemporaryDirectory() as cache:
        seconds, parts = [], []
        for _ in range(rounds + 1):
            start = time.perf_counter()
            parts.append(json.loads(_output([python, "-c", FIRST, str(train)], MINIREC_CACHE=cache, PYTHONPATH=source)))
            seconds.append(time.perf_counter() - start)
    return {"seconds": seconds[0], "parts": parts[0], "again_seconds": median(seconds[1:]), "again_parts": parts[-1]}


def _of_peer(name: str, folders: Folders, rounds: int) -> Row:
    installed = install(PEERS[name], folders.envs)
    if installed.error is not None:
        return {"error": f"does not install: {installed.error}"}
    seconds = import_seconds(str(python_of(name, folders.envs)), MODULES[name], rounds)
    return {"version": installed.version, "megabytes": installed.megabytes, "seconds": seconds}


def _new_environment(train: Path, rounds: int) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        envs = Path(folder)
        subprocess.run([sys.executable, "-m", "venv", str(envs / "new")], check=True)
        start = time.perf_counter()
        subprocess.run([str(python_of("new", envs)), "-m", "pip", "install", "--quiet", f"{ROOT}[numba]"], check=True, capture_output=True)
        row = {"install_seconds": time.perf_counter() - start}
        return row | first_recommendation(str(python_of("new", envs)), "", train, rounds)


def run(folders: Folders, rounds: int, again: bool) -> Iterator[Row]:
    """Measure everything that is not there yet; each row as it is done."""
    train = prepare("ml-1m", folders.data, folders.work) / "train.npz"
    own = sys.executable
    steps: dict[tuple[str, str], Callable[[], Row]] = {
        ("import", name): partial(lambda name: {"seconds": import_seconds(own, name, rounds)}, name) for name in ("numpy", "minirec")
    }
    steps |= {("import", name): partial(_of_peer, name, folders, rounds) for name in MODULES}
    steps["first recommendation", "this environment"] = lambda: first_recommendation(own, str(ROOT), train, rounds)
    steps["first recommendation", "new environment"] = lambda: _new_environment(train, rounds)
    results = folders.rows("coldstart", KEY)
    for (what, who), step in steps.items():
        if not results.needed({"what": what, "who": who}, again):
            continue
        row: Row = {"what": what, "who": who, "rounds": rounds, "command": "python -m benchmarks coldstart --again"}
        try:
            row |= step()
        except subprocess.SubprocessError as failure:
            row["error"] = type(failure).__name__
        results.put(row)
        yield row

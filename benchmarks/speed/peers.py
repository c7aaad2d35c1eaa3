"""The peers, and an environment of its own for each: the newest release on PyPI, versions recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

INSTALL_SECONDS = 1800  # some peers compile


class Peer(NamedTuple):
    """A peer's distribution on PyPI, what its environment needs beside it, and variables that its documentation asks for."""

    name: str
    beside: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    later: bool = False  # no task uses it yet: installed only when named


PEERS = {
    peer.name: peer
    for peer in (
        Peer("implicit", env=(("OPENBLAS_NUM_THREADS", "1"), ("MKL_NUM_THREADS", "1"))),
        Peer("irspack"),
        Peer("rusket", beside=("numpy", "pandas")),
        Peer("similaripy"),
        Peer("cornac"),
        Peer("scikit-surprise", beside=("numpy<2",)),  # 1.1.4 is built against NumPy 1
        Peer("lightfm-next"),
        Peer("buffalo"),
        Peer("faiss-cpu"),
        Peer("fastslim"),
        Peer("lenskit"),
        Peer("polars", beside=("pyarrow",)),
        Peer("pandas", beside=("pyarrow",)),
        Peer("ranx"),
        Peer("rectools"),
        Peer("numpy"),
        Peer("torch"),
        Peer("sentence-transformers"),
        Peer("recbole", later=True),
    )
}


class Installed(NamedTuple):
    """What came of an installation: a version, or the error that there was."""

    peer: str
    version: str | None
    error: str | None
    seconds: float
    megabytes: float


def python_of(peer: str, envs: Path) -> Path:
    """The interpreter of a peer's environment."""
    return envs / peer / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(peer: Peer, envs: Path, *, again: bool = False) -> Installed:
    """Make the environment of a peer unless it is there; a failure is recorded, and not tried again unless asked for."""
    record = envs / f"{peer.name}.json"
    if record.exists() and not again:
        return Installed(**json.loads(record.read_text("utf-8")))
    envs.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    version, error = None, None
    try:
        _run(sys.executable, "-m", "venv", "--clear", str(envs / peer.name))
        pip = (str(python_of(peer.name, envs)), "-m", "pip", "--disable-pip-version-check")
        _run(*pip, "install", "--quiet", "--upgrade", peer.name, "scipy", *peer.beside)
        listed = json.loads(_run(*pip, "list", "--format", "json"))
        version = next(row["version"] for row in listed if _normal(row["name"]) == _normal(peer.name))
    except (subprocess.SubprocessError, OSError) as failure:
        error = _reason(failure)
    done = Installed(peer.name, version, error, round(time.perf_counter() - start, 1), _megabytes(envs / peer.name))
    record.write_text(json.dumps(done._asdict()), "utf-8")
    return done


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS).stdout


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _reason(failure: Exception) -> str:
    """The line that says what went wrong, without paths of this machine."""
    text = getattr(failure, "stderr", None) or str(failure)
    lines = [line.strip() for line in text.splitlines() if "error" in line.lower()] or text.strip().splitlines()
    return " | ".join(" ".join(word for word in line.split() if "/" not in word) for line in lines[:3])[:300]


def _megabytes(folder: Path) -> float:
    return round(sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6, 1)

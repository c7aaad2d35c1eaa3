"""Settings: the innermost block, else the environment, else a default; and nothing is changed outside."""

import threading
from pathlib import Path

import pytest

import minirec
from minirec import options, options_in_force
from minirec.errors import ParameterError


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("THREADS", "BACKEND", "DATA", "CACHE", "MEMORY"):
        monkeypatch.delenv(f"MINIREC_{name}", raising=False)


def test_blocks_nest_and_end():
    before = options_in_force()["threads"]
    with options(threads=3, backend="numpy"):
        assert options_in_force()["threads"] == 3
        with options(threads=1):
            assert options_in_force()["threads"] == 1
            assert options_in_force()["backend"] == "numpy"
        assert options_in_force()["threads"] == 3
    assert options_in_force()["threads"] == before >= 1
    assert options_in_force()["backend"] == "auto"


def test_an_error_in_a_block_ends_it():
    with pytest.raises(KeyError), options(backend="numpy"):
        raise KeyError
    assert options_in_force()["backend"] == "auto"


def test_environment(monkeypatch, tmp_path):
    for name, value in {"THREADS": "5", "BACKEND": "numpy", "DATA": str(tmp_path), "CACHE": "~/there", "MEMORY": "1.5GB"}.items():
        monkeypatch.setenv(f"MINIREC_{name}", value)
    assert options_in_force() == {
        "threads": 5,
        "backend": "numpy",
        "data": tmp_path,
        "cache": Path("~/there").expanduser(),
        "memory": 1_500_000_000,
    }
    with options(threads=1, data=tmp_path / "other"):
        assert options_in_force()["threads"] == 1
        assert options_in_force()["data"] == tmp_path / "other"
    monkeypatch.setenv("MINIREC_THREADS", "")  # set but empty: the default
    assert options_in_force()["threads"] >= 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [(10, 10), ("10", 10), ("2k", 2000), ("2KiB", 2048), ("3 MB", 3_000_000), ("1Gi", 2**30), ("0.5g", 500_000_000), ("7b", 7)],
)
def test_memory(given, expected):
    with options(memory=given):
        assert options_in_force()["memory"] == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threads", 0), ("threads", -2), ("threads", 1.5), ("threads", True), ("threads", "many"), ("threads", [2]),
        ("backend", "cuda"), ("backend", 3), ("memory", 0), ("memory", -5), ("memory", "lots"), ("memory", "1TB"), ("memory", "nan"),
    ],
)  # fmt: skip
def test_bad_values_are_refused_at_once(name, value):
    with pytest.raises(ParameterError, match=rf"{name} \(MINIREC_{name.upper()}\) must be"), options(**{name: value}):
        raise AssertionError("the block must not begin")
    assert options_in_force()["backend"] == "auto"


@pytest.mark.parametrize(("name", "value"), [("THREADS", "0"), ("BACKEND", "cuda"), ("MEMORY", "much")])
def test_bad_environment(monkeypatch, name, value):
    monkeypatch.setenv(f"MINIREC_{name}", value)
    with pytest.raises(ParameterError, match=f"MINIREC_{name}"):
        options_in_force()


def test_threads_do_not_see_each_others_blocks():
    found = []
    with options(threads=7):
        thread = threading.Thread(target=lambda: found.append(options_in_force()["threads"]))
        thread.start()
        thread.join()
    assert found != [7]


def test_defaults(monkeypatch, tmp_path):
    import io

    module = minirec.options_in_force.__globals__
    assert options_in_force()["data"] is None
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert options_in_force()["cache"] == tmp_path / "minirec"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert options_in_force()["cache"] == Path("~/.cache/minirec").expanduser()
    assert options_in_force()["memory"] > 2**20
    monkeypatch.setitem(module, "open", lambda *_, **__: (_ for _ in ()).throw(OSError("no such system")))
    assert options_in_force()["memory"] == int(4 * 2**30 * 0.8)
    monkeypatch.setitem(module, "open", lambda *_, **__: io.StringIO(""))
    assert options_in_force()["memory"] == int(4 * 2**30 * 0.8)
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert options_in_force()["threads"] == 1

"""Which backend runs, the thread pool, the BLAS limit, and where compiled kernels are kept."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from minirec.engine import backend
from minirec.engine.backend import kernel, one_blas_thread, resolve, run_blocks
from minirec.errors import MissingExtraError, ParameterError
from minirec.options import options, thread_count, wanted_backend


def test_resolve(monkeypatch):
    with options(backend="numpy"):
        assert resolve() == "numpy"
    monkeypatch.setattr(backend, "find_spec", lambda name: object())
    with options(backend="numba"):
        assert resolve() == "numba"
    with options(backend="auto"):
        assert resolve() == "numba"
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    with options(backend="auto"):
        assert resolve() == "numpy"
    with options(backend="numba"), pytest.raises(MissingExtraError, match=r"minirec\[numba\]"):
        resolve()


def test_a_kernel_comes_from_the_folder_of_its_backend():
    assert kernel("merge_topk", "numpy").__module__ == "minirec.engine.reference.topk"
    assert kernel("merge_topk", "numpy") is kernel("merge_topk", "numpy")
    pytest.importorskip("numba")
    assert kernel("merge_topk", "numba").__module__ == "minirec.engine.compiled.topk"


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("n", "size"), [(0, 4), (1, 4), (4, 4), (9, 4), (100, 1)])
def test_blocks_cover_all_rows_in_order(n, size, threads):
    blocks = run_blocks(lambda start, stop: (start, stop), n, size, threads)
    assert [row for start, stop in blocks for row in range(start, stop)] == list(range(n))
    assert all(stop - start <= size for start, stop in blocks)


def test_blocks_run_on_the_threads_in_force():
    """Two blocks that wait for each other end only where two threads run."""
    meeting = threading.Barrier(2, timeout=20)

    def block(start, stop):
        meeting.wait()
        return threading.get_ident()

    with options(threads=2):
        assert len(set(run_blocks(block, 2, 1))) == 2
    with options(threads=1):
        assert set(run_blocks(lambda start, stop: threading.get_ident(), 9, 1)) == {threading.get_ident()}


def test_blocks_run_by_the_settings_of_the_caller():
    """Each of two threads takes a block; both are told the same, and not what another caller was told before."""

    def asked(name):
        meeting = threading.Barrier(2, timeout=20)

        def block(start, stop):
            meeting.wait()
            return wanted_backend(), thread_count()

        with options(backend=name, threads=2):
            return run_blocks(block, 2, 1)

    assert [asked(name) for name in ("numpy", "auto", "numpy")] == [[(name, 2)] * 2 for name in ("numpy", "auto", "numpy")]


def test_an_error_in_a_block_reaches_the_caller():
    def block(start, stop):
        if start == 3:
            raise ParameterError("block 3")
        return start

    for threads in (1, 2):
        with pytest.raises(ParameterError, match="block 3"):
            run_blocks(block, 5, 1, threads)


def test_blas_is_limited_while_anyone_is_inside():
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def counts():
        return [library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]

    before = counts()
    with one_blas_thread():
        assert set(counts()) <= {1}
        with one_blas_thread():
            assert set(counts()) <= {1}
        assert set(counts()) <= {1}
    assert counts() == before


def test_blas_limit_from_many_threads():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    before = [library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]

    def enter():
        for _ in range(20):
            with one_blas_thread():
                time.sleep(0)

    threads = [threading.Thread(target=enter) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"] == before
    assert backend._blas_users == 0


def test_blas_limit_is_lifted_after_an_error():
    with pytest.raises(ParameterError), one_blas_thread():
        raise ParameterError("inside")
    assert backend._blas_users == 0


def test_without_threadpoolctl_blas_is_left_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    backend._blas_controller.cache_clear()
    try:
        with one_blas_thread():
            assert np.ones((2, 2)).sum() == 4
    finally:
        backend._blas_controller.cache_clear()


def run_python(code, **environment):
    """A fresh interpreter; its output, and an error where it fails or warns."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


KEPT = """
from minirec.engine.compiled import _jit
folder = _jit.cache_folder()
print(folder)
import numpy as np
from minirec.engine.backend import kernel
out, one, eye = np.zeros((1, 2), np.float32), np.ones(1, np.float32), np.eye(2, dtype=np.float32)
kernel("weighted_rows_dense", "numba")(0, 1, np.array([0, 1]), np.array([1], np.int32), one, eye, out)
print(out.tolist(), 0 if folder is None else len(list(folder.rglob("*.nbi"))))
"""


def test_compiled_kernels_are_kept_in_the_cache_folder(tmp_path):
    pytest.importorskip("numba")
    folder, result = run_python(KEPT, MINIREC_CACHE=str(tmp_path), NUMBA_DISABLE_JIT="0").splitlines()
    assert folder.startswith(str(tmp_path / "kernels"))
    assert result == "[[0.0, 1.0]] 1"


@pytest.mark.parametrize("place", ["under a file", "/proc/minirec", "/sys/minirec"])
def test_without_a_writable_cache_folder_kernels_work_and_nothing_is_said(tmp_path, place):
    pytest.importorskip("numba")
    (tmp_path / "file").write_text("")
    cache = str(tmp_path / "file" / "folder") if place == "under a file" else place
    assert run_python(KEPT, MINIREC_CACHE=cache, NUMBA_DISABLE_JIT="0").splitlines() == ["None", "[[0.0, 1.0]] 0"]

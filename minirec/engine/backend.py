"""Which kernels run, on how many threads, and how BLAS is kept to one of them.

A kernel is a plain function over arrays, written twice with one signature: in `reference/` as vectorised NumPy (the
specification) and in `compiled/` in Numba. Both work on a range of rows; `run_blocks` spreads fixed blocks of rows over a
thread pool (the compiled ones release the GIL). No kernel is parallel inside: so results do not depend on the number of
threads, a web server may call from any thread, and forking is safe.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple, TypeVar

from ..errors import MissingExtraError
from ..options import thread_count, wanted_backend

T = TypeVar("T")


class Twin(NamedTuple):
    """How the two versions of a kernel compare: "exact", "allclose" (within `rtol` of the result's range) or "same optimum"."""

    module: str
    compare: str
    rtol: float = 0.0


# One entry a kernel: tests/engine/test_twins.py runs every one of them on generated input and compares as declared here.
KERNELS: dict[str, Twin] = {
    "merge_topk": Twin("topk", "exact"),
    "weighted_rows_dense": Twin("linear", "allclose", 1e-5),
    "weighted_rows_sparse": Twin("linear", "allclose", 1e-5),
    "matmul_topk": Twin("spgemm", "exact"),
    "inverse_factor": Twin("factor", "allclose", 1e-5),
    "slim_columns": Twin("slim", "same optimum", 1e-5),
    "als_cholesky": Twin("als", "allclose", 1e-4),
    "als_cg": Twin("als", "allclose", 1e-4),
    "als_block": Twin("als", "allclose", 1e-4),
    "parse_fields": Twin("text", "exact"),
    "code_texts": Twin("text", "exact"),
    "draw_negatives": Twin("sgd", "exact"),
    "bpr_entries": Twin("sgd", "allclose", 1e-5),
    "warp_entries": Twin("sgd", "allclose", 1e-5),
    "logistic_entries": Twin("sgd", "allclose", 1e-5),
    "rating_entries": Twin("sgd", "allclose", 1e-5),
    "deal_samples": Twin("sgd", "exact"),
    "group_entries": Twin("sgd", "exact"),
    "sum_rows": Twin("sgd", "allclose", 1e-5),
    "descend_rows": Twin("sgd", "allclose", 1e-5),
    "adam_step": Twin("adam", "allclose", 1e-5),
    "adam_rows": Twin("adam", "allclose", 1e-5),
    "propagate_rows": Twin("propagate", "allclose", 1e-5),
    "absorb_walks": Twin("absorption", "allclose", 1e-6),
    "add_product": Twin("product", "exact"),
    "attend_rows": Twin("attention", "allclose", 1e-5),
    "attend_gradients": Twin("attention", "allclose", 1e-5),
    "dense_rows": Twin("encoder", "allclose", 1e-5),
    "normalise_rows": Twin("encoder", "allclose", 1e-5),
    "layer_norm_rows": Twin("rowwise", "allclose", 1e-5),
    "layer_norm_gradients": Twin("rowwise", "allclose", 1e-5),
    "softmax_rows": Twin("rowwise", "allclose", 1e-5),
    "drop_numbers": Twin("rowwise", "exact"),
    "gru_step": Twin("recurrent", "allclose", 1e-5),
    "gru_step_back": Twin("recurrent", "allclose", 1e-5),
    "pair_loss": Twin("pairs", "allclose", 1e-5),
    "pair_dots": Twin("pairs", "allclose", 1e-5),
    "first_rows": Twin("pairs", "allclose", 1e-5),
    "first_gradients": Twin("pairs", "allclose", 1e-5),
    "tower_rows": Twin("pairs", "allclose", 1e-5),
    "tower_gradients": Twin("pairs", "allclose", 1e-5),
}


def resolve() -> str:
    """The backend in force, "numpy" or "numba"; asked for once per fit and recorded on the model."""
    wanted = wanted_backend()
    if wanted == "auto":
        return "numba" if find_spec("numba") else "numpy"
    if wanted == "numba" and not find_spec("numba"):
        raise MissingExtraError("numba", "numba", "backend='numba'")
    return wanted


@lru_cache(maxsize=256)
def kernel(name: str, backend: str) -> Callable[..., Any]:
    """The kernel `name` for a backend ("numpy" or "numba"); it is imported, and compiled, on first use."""
    folder = "reference" if backend == "numpy" else "compiled"
    function: Callable[..., Any] = getattr(import_module(f"minirec.engine.{folder}.{KERNELS[name].module}"), name)
    return function


def run_blocks(function: Callable[[int, int], T], n: int, size: int, threads: int | None = None) -> list[T]:
    """`function(start, stop)` for each block of `size` rows out of `n`; results in block order, whatever the threads.

    The blocks depend on `n` and `size` alone. The caller's thread takes blocks too, so that little is handed over; with one block or
    one thread it takes all. No block is begun after one has failed; nothing is at work any more when this returns or raises.
    """
    if 0 < n <= size:
        return [function(0, n)]
    blocks = [(start, min(start + size, n)) for start in range(0, n, size)]
    helpers = min(thread_count() if threads is None and len(blocks) > 1 else threads or 1, len(blocks)) - 1
    if helpers <= 0:
        return [function(start, stop) for start, stop in blocks]
    done: dict[int, T] = {}
    failed: dict[int, BaseException] = {}
    numbers = iter(range(len(blocks)))  # next() of it is atomic: each block is taken once

    def work() -> None:
        for number in numbers:
            try:
                done[number] = function(*blocks[number])
            except BaseException as failure:
                failed[number] = failure
                list(numbers)  # the blocks that no thread has begun

    futures = [_pool(helpers).submit(copy_context().run, work) for _ in range(helpers)]
    try:
        work()
    finally:
        wait([future for future in futures if not future.cancel()])  # one that has not begun has nothing left to do
    if failed:
        raise failed[min(failed)]
    return [done[number] for number in range(len(blocks))]


_pools: dict[int, ThreadPoolExecutor] = {}
_pools_lock = threading.Lock()


def _pool(count: int) -> ThreadPoolExecutor:
    with _pools_lock:
        if count not in _pools:
            _pools[count] = ThreadPoolExecutor(count, thread_name_prefix="minirec")
        return _pools[count]


def _after_fork() -> None:
    """A forked child has none of its parent's worker threads, and perhaps a lock that one of them held."""
    global _pools_lock, _blas_lock, _blas_users, _blas_limiter
    _pools.clear()
    _pools_lock, _blas_lock = threading.Lock(), threading.Lock()
    _blas_users, _blas_limiter = 0, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


_blas_lock = threading.Lock()
_blas_users = 0
_blas_limiter: Any = None


@lru_cache(maxsize=2)
def _blas_controller(with_scipy: bool) -> Any:
    """One controller for the BLAS libraries loaded so far (SciPy brings its own), or None without threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:  # serving with NumPy alone: top-k does not depend on the number of BLAS threads
        return None
    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread while any caller is inside; the first to enter sets the limit, the last to leave lifts it.

    BLAS gives different bits for different numbers of threads, and the parallelism of minirec is over blocks.
    """
    global _blas_users, _blas_limiter
    controller = _blas_controller("scipy.linalg" in sys.modules)
    if controller is None:
        yield
        return
    with _blas_lock:
        if _blas_users == 0:
            _blas_limiter = controller.limit(limits=1, user_api="blas")
        _blas_users += 1
    try:
        yield
    finally:
        with _blas_lock:
            _blas_users -= 1
            if _blas_users == 0:
                _blas_limiter.restore_original_limits()
                _blas_limiter = None

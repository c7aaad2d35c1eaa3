"""The first run gives the bytes of all others: kernels do not depend on whether they were compiled here or read from the cache."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")
pytestmark = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled")

ROOT = Path(__file__).parents[2]
# what Numba may leave as functions of their own: they move, compare and raise, and sum no floats
HARMLESS = ("quicksort", "np_ravel", "_change_dtype", "normalize_reshape", "__excinfo", ".dtor.", "NRT_")


def load_script():
    spec = importlib.util.spec_from_file_location("first_run", ROOT / ".ci" / "long" / "first_run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_five_models_from_five_sources_of_kernels():
    """SoftmaxMF, MultDAE and SASRec gave other bytes in their first run when a helper of their kernels was a function of its own."""
    found = load_script().table(["softmaxmf", "multdae", "sasrec", "bpr", "itemknn"], each=False)
    assert {name: len(set(row.values())) for name, row in found.items()} == dict.fromkeys(found, 1), found


def test_a_kernel_calls_no_function_that_rounds(tmp_path):
    """Numba compiles a function that is not inlined twice: for itself, and in the cached object of its caller, not to the same code."""
    code = f"""
import re, sys
sys.path.insert(0, {str(ROOT / "tests" / "engine")!r})
import numpy as np, twins_attention, twins_rowwise, twins_sgd
from minirec.engine.backend import kernel
for module in (twins_attention, twins_rowwise, twins_sgd):
    for name in ("attend_rows", "softmax_rows", "bpr_entries"):
        if name in module.CASES:
            compiled = kernel(name, "numba")
            compiled(*module.CASES[name](np.random.default_rng(0)))
            for found in compiled.overloads.values():
                print(name, *re.findall(r'^define (?:linkonce_odr|weak).*?@"?([^"(]+)', found.library.get_llvm_str(), re.M))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "MINIREC_CACHE": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {line[0] for line in lines} == {"attend_rows", "softmax_rows", "bpr_entries"}
    assert [name for line in lines for name in line[1:] if not any(part in name for part in HARMLESS)] == []


def test_a_damaged_cache_is_put_aside_and_made_anew(tmp_path):
    code = """
import numpy as np
from minirec.engine.backend import kernel
out = np.zeros(3, np.float32)
kernel("drop_numbers", "numba")(0, 3, np.ones(3, np.float32), np.zeros(1, np.uint64), 7, out)
print(out.tolist())
"""

    def run(warning):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "MINIREC_CACHE": str(tmp_path)}, capture_output=True, text=True, check=True
        )
        assert ("is made anew" in done.stderr) is warning, done.stderr
        return done.stdout

    good = run(False)
    for suffix in ("nbc", "nbi"):
        for damage in (lambda content: content[: len(content) // 2], lambda content: content[:-40] + bytes(40), lambda content: b""):
            kept = list(tmp_path.rglob(f"rowwise.drop_numbers*.{suffix}"))
            assert kept
            for path in kept:
                path.write_bytes(damage(path.read_bytes()))
            assert run(True) == good
            assert run(False) == good

"""Every kernel stands twice, in NumPy and in Numba: both versions on the same generated input, compared as the registry declares.

A module twins_*.py beside this file holds CASES: {kernel: function(rng) -> arguments}, arrays that the kernel writes to among
them. For a kernel declared "same optimum" the module also holds OBJECTIVES: {kernel: function(arguments, result) -> float},
computed after the call; both versions must come to the same value.
"""

import copy
import importlib
import inspect
import math
import pkgutil
from pathlib import Path

import numpy as np
import pytest

from minirec.engine.backend import KERNELS, kernel

MODULES = [
    importlib.import_module(module.name)
    for module in pkgutil.iter_modules([str(Path(__file__).parent)])
    if module.name.startswith("twins_")
]
CASES = {name: case for module in MODULES for name, case in module.CASES.items()}
OBJECTIVES = {name: objective for module in MODULES for name, objective in getattr(module, "OBJECTIVES", {}).items()}


def test_every_kernel_has_a_case():
    assert CASES.keys() == KERNELS.keys()
    assert OBJECTIVES.keys() == {name for name, twin in KERNELS.items() if twin.compare == "same optimum"}
    assert {twin.compare for twin in KERNELS.values()} <= {"exact", "allclose", "same optimum"}
    assert all((twin.rtol > 0) == (twin.compare != "exact") for twin in KERNELS.values())


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", range(12))
def test_twins(name, seed):
    pytest.importorskip("numba")
    arguments = CASES[name](np.random.default_rng(seed))
    given = [copy.deepcopy(arguments), copy.deepcopy(arguments)]
    found = [kernel(name, backend)(*mine) for backend, mine in zip(("numpy", "numba"), given, strict=True)]
    twin = KERNELS[name]
    if twin.compare == "same optimum":
        reference, compiled = (OBJECTIVES[name](mine, result) for mine, result in zip(given, found, strict=True))
        assert math.isclose(reference, compiled, rel_tol=twin.rtol)
        return
    for reference, compiled in zip(arrays(given[0], found[0]), arrays(given[1], found[1]), strict=True):
        compare(twin, reference, compiled)


@pytest.mark.parametrize("name", KERNELS)
def test_twins_have_one_signature_and_a_docstring(name):
    pytest.importorskip("numba")
    reference, compiled = (kernel(name, backend) for backend in ("numpy", "numba"))
    plain = getattr(compiled, "py_func", compiled)
    assert list(inspect.signature(reference).parameters) == list(inspect.signature(plain).parameters)
    assert reference.__doc__
    assert plain.__doc__


@pytest.mark.parametrize("name", CASES)
def test_a_kernel_runs_twice_to_the_same_bytes(name):
    """No state is left behind in a kernel."""
    backends = ["numpy", "numba"] if importlib.util.find_spec("numba") else ["numpy"]
    for backend in backends:
        given = [CASES[name](np.random.default_rng(0)) for _ in range(2)]
        found = [kernel(name, backend)(*mine) for mine in given]
        for first, second in zip(arrays(given[0], found[0]), arrays(given[1], found[1]), strict=True):
            assert first.tobytes() == second.tobytes()


def arrays(arguments, result):
    """All arrays that a call had to do with, so those that it wrote to among them."""
    out = []
    for value in (*arguments, *(result if isinstance(result, tuple) else (result,))):
        if isinstance(value, tuple):
            out += arrays(value, None)
        elif value is not None:
            out.append(np.asarray(value))
    return out


def compare(twin, reference, compiled):
    assert (reference.dtype, reference.shape) == (compiled.dtype, compiled.shape)
    if twin.compare == "exact" or reference.dtype.kind != "f":
        assert np.array_equal(reference, compiled, equal_nan=reference.dtype.kind == "f")
        return
    assert np.array_equal(np.isfinite(reference), np.isfinite(compiled))
    finite = np.isfinite(reference)
    if finite.any():
        spread = max(float(np.abs(reference[finite]).max()), float(np.ptp(reference[finite])))
        assert np.abs(reference[finite] - compiled[finite]).max() <= twin.rtol * spread


def test_the_comparison_itself():
    twin = next(iter(KERNELS.values()))._replace(compare="allclose", rtol=1e-3)
    compare(twin, np.array([0.0, 1.0, np.inf]), np.array([0.0009, 1.0, np.inf]))
    for wrong in (np.array([0.0011, 1.0]), np.array([0.0, np.inf]), np.array([0.0])):
        with pytest.raises(AssertionError):
            compare(twin, np.array([0.0, 1.0]), wrong)

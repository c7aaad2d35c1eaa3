"""Kernels of rows: the bits of a result do not depend on where the arrays lie. What they compute: test_twins.py and test_functional.py."""

from itertools import permutations, product

import numpy as np
import pytest

from minirec.engine.backend import kernel


@pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.slow_without_jit)])
@pytest.mark.parametrize("d", [4, 6, 12, 16])
def test_layer_norm_wherever_its_arrays_lie(backend, d):
    """All of them as parts of one buffer in every order, close together and apart, aligned and not."""
    if backend == "numba":
        pytest.importorskip("numba")
    rng, rows = np.random.default_rng(0), kernel("layer_norm_rows", backend)
    for n, _ in product((1, 2, 7), range(4)):
        x, weights, found = (rng.standard_normal((n, d)) + 3).astype(np.float32), rng.random((2, d), np.float32), set()
        for (first, gap), order in product(((0, 0), (1, 0), (0, 12)), permutations(range(5))):
            buffer, at, parts = np.zeros((3 * n + 2) * d + 5 * gap + 1, np.float32), first, {}
            for part in order:
                shape = (n, d) if part < 3 else (d,)
                parts[part] = buffer[at : at + np.prod(shape)].reshape(shape)
                at += parts[part].size + gap
            own, unit, out, gain, bias = (parts[part] for part in range(5))
            own[:], gain[:], bias[:] = x, *weights
            scale = np.empty(n, np.float32)
            rows(0, n, own, gain, bias, 1e-5, unit, scale, out)
            found.add((unit.tobytes(), scale.tobytes(), out.tobytes()))
        assert len(found) == 1

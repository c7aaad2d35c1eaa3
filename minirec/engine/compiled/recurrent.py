"""One step of a gated recurrent unit, compiled. See reference/recurrent.py."""

from __future__ import annotations

from typing import Any

from ._jit import jit
from .exponential import sigmoids


@jit
def gru_step(start: int, stop: int, t: int, firsts: Any, x: Any, product: Any, bias: Any, state: Any, out: Any, gates: Any) -> None:
    """See reference/recurrent.py."""
    d = state.shape[1]
    one, two = state.dtype.type(1), state.dtype.type(2)
    for s in range(start, stop):
        token = firsts[s] + t
        given, a, gate, h, result = x[token], product[s], gates[token], state[s], out[token]
        for f in range(2 * d):
            gate[f] = given[f] + a[f] + bias[f]
        sigmoids(gate[: 2 * d], one)
        r, z, n, m = gate[:d], gate[d : 2 * d], gate[2 * d : 3 * d], gate[3 * d :]
        x_n, a_n, b_n = given[2 * d :], a[2 * d :], bias[2 * d :]
        for f in range(d):
            m[f] = a_n[f] + b_n[f]
        for f in range(d):
            n[f] = x_n[f] + r[f] * m[f]
        sigmoids(n, two)
        for f in range(d):
            n[f] = two * n[f] - one
        for f in range(d):
            h[f] = n[f] + z[f] * (h[f] - n[f])
        for f in range(d):
            result[f] = h[f]


@jit
def gru_step_back(
    start: int, stop: int, t: int, firsts: Any, out: Any, gates: Any, gradient: Any, by_state: Any, by_product: Any,
    by_x: Any, by_m: Any,
) -> None:  # fmt: skip
    """See reference/recurrent.py."""
    d = by_state.shape[1]
    one, zero = by_state.dtype.type(1), by_state.dtype.type(0)
    for s in range(start, stop):
        token = firsts[s] + t
        gate, later, given, to_a, to_x, to_m = gates[token], by_state[s], gradient[token], by_product[s], by_x[token], by_m[token]
        before = out[token - (t > 0)]
        r, z, n, m = gate[:d], gate[d : 2 * d], gate[2 * d : 3 * d], gate[3 * d :]
        keep = one if t > 0 else zero  # h_0 is zero, and `before` then another row
        for f in range(d):
            total = given[f] + later[f]
            by_n = total * (one - z[f]) * (one - n[f] * n[f])
            by_z = total * (keep * before[f] - n[f]) * z[f] * (one - z[f])
            by_r = by_n * m[f] * r[f] * (one - r[f])
            later[f] = total * z[f]
            to_x[f], to_x[d + f], to_x[2 * d + f] = by_r, by_z, by_n
            to_a[f], to_a[d + f], to_a[2 * d + f] = by_r, by_z, by_n * r[f]
            to_m[f] = by_n * r[f]

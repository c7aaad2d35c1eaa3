"""One step of a gated recurrent unit for many sequences, in NumPy: all that is not a matrix product.

Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder", equations 5 to 8, with two differences that frameworks
agree on and that GRU4Rec (Hidasi et al. 2016) is run with: the reset gate is applied after the recurrent product, which has a bias
of its own, and z is the share of what is kept. With x = (x_r, x_z, x_n) the projected input and a = h_(t-1) W, each in three parts:

    r = sigma(x_r + a_r + b_r),  z = sigma(x_z + a_z + b_z),  m = a_n + b_n,  n = tanh(x_n + r m),  h_t = (1 - z) n + z h_(t-1)

Row s of a step is token firsts[s] + t. d columns of h, 3 d of x, a and b, in the order r, z, n.
"""

from __future__ import annotations

import numpy as np

from ..descent.losses import sigmoid
from ..sparse import Floats, Pointer


def gru_step(
    start: int, stop: int, t: int, firsts: Pointer, x: Floats, product: Floats, bias: Floats, state: Floats, out: Floats, gates: Floats
) -> None:
    """Rows start..stop: state (n, d) goes from h_(t-1) to h_t, which out (tokens, d) gets too; gates (tokens, 4 d) get r, z, n, m.

    x (tokens, 3 d), product (n, 3 d) is a, bias (3 d,).
    """
    d, tokens = state.shape[1], firsts[start:stop] + t
    before, a = state[start:stop], product[start:stop] + bias
    both = sigmoid(x[tokens, : 2 * d] + a[:, : 2 * d])
    r, z, m = both[:, :d], both[:, d:], a[:, 2 * d :]
    n = np.tanh(x[tokens, 2 * d :] + r * m)
    state[start:stop] = n + z * (before - n)
    out[tokens] = state[start:stop]
    gates[tokens] = np.concatenate((r, z, n, m), axis=1)


def gru_step_back(
    start: int, stop: int, t: int, firsts: Pointer, out: Floats, gates: Floats, gradient: Floats, by_state: Floats, by_product: Floats,
    by_x: Floats, by_m: Floats,
) -> None:  # fmt: skip
    """Rows start..stop: by_state (n, d) goes from the gradient by h_t of later steps to that by h_(t-1) but for what a passes on.

    gradient (tokens, d) by out is added to by_state first. by_product (n, 3 d), by a; by_x (tokens, 3 d); by_m (tokens, d), by the last
    third of a again.
    """
    d, tokens = by_state.shape[1], firsts[start:stop] + t
    r, z, n, m = (gates[tokens, part * d : (part + 1) * d] for part in range(4))
    before = out[tokens - 1] if t else np.zeros_like(n)
    total = gradient[tokens] + by_state[start:stop]
    by_n = total * (1 - z) * (1 - n * n)
    by_z = total * (before - n) * z * (1 - z)
    by_r = by_n * m * r * (1 - r)
    by_state[start:stop] = total * z
    by_x[tokens] = np.concatenate((by_r, by_z, by_n), axis=1)
    by_m[tokens] = by_n * r
    by_product[start:stop] = np.concatenate((by_r, by_z, by_m[tokens]), axis=1)

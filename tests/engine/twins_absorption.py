"""Generated input for the twins of engine/*/absorption.py."""

import numpy as np

from minirec.engine.sparse import CSR


def absorb_walks(rng):
    """Graphs that need not hang together, bounds that cut them, known and new users, targets at items and at users."""
    users, items = int(rng.integers(1, 9)), int(rng.integers(1, 9))
    met = rng.random((users, items)) < 0.35
    met[rng.integers(users, size=items), np.arange(items)] = True
    x = CSR.from_pairs(*np.nonzero(met), rng.integers(1, 4, met.sum()), met.shape)
    xt = x.transpose()
    profiles = int(rng.integers(1, 5))
    known, at_items = bool(rng.random() < 0.5), bool(rng.random() < 0.5)
    own = rng.integers(0, users, profiles).astype(np.int32) if known else np.full(profiles, -1, np.int32)
    wanted = rng.random((profiles, items)) < 0.3
    history = x.rows(own) if known else CSR.from_pairs(*np.nonzero(wanted), rng.integers(1, 4, wanted.sum()), wanted.shape)
    gains = rng.random(users) * at_items
    rewards = np.arange(int(rng.integers(2, 8)), dtype=np.float64)
    most = int(rng.choice([1, 3, 100]))
    out = np.zeros((profiles, items), np.float32)
    return (
        0, profiles, x.indptr, x.indices, x.data, xt.indptr, xt.indices, xt.data,
        history.indptr, history.indices, history.data, own, at_items, gains, rewards, most, out,
    )  # fmt: skip


CASES = {"absorb_walks": absorb_walks}

"""Generated input for the twins of engine/*/topk.py and engine/*/linear.py."""

import numpy as np

from minirec.engine.sparse import CSR


def merge_topk(rng):
    """A block of scores of some active profiles, merged into lists that are empty, begun or full."""
    b, m, k, d = 5, int(rng.integers(1, 40)), int(rng.integers(1, 6)), int(rng.choice([0, 1, 8, 13]))
    who = np.sort(rng.choice(b, int(rng.integers(1, b + 1)), replace=False))
    rows = rng.permutation(100)[:m].astype(np.int32)
    users, vectors = (rng.integers(-2, 3, (n, d)).astype(np.float32) for n in (b, m))
    slack = (rng.random(b) * 1e-6 * (d > 0)).astype(np.float32)
    scores = users[who] @ vectors.T if d else rng.integers(0, 5, (len(who), m)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    counts = rng.integers(0, k + 1, b)
    items, values = np.zeros((b, k), np.int32), np.zeros((b, k), np.float32)
    for p, count in enumerate(counts):
        items[p, :count] = 100 + np.arange(count)
        values[p, :count] = np.sort(rng.integers(-3, 5, count))[::-1]
    return scores.astype(np.float32), rows, who, users, vectors, slack, counts, items, values


def history(rng, profiles, n):
    rows, columns = np.nonzero(rng.random((profiles, n)) < 0.3)
    return CSR.from_pairs(rows, columns, rng.random(len(rows)), (profiles, n))


def weighted_rows_dense(rng):
    profiles, n, m = 6, 9, int(rng.integers(1, 12))
    past = history(rng, profiles, n)
    return 1, 5, past.indptr, past.indices, past.data, rng.standard_normal((n, m)).astype(np.float32), np.zeros((4, m), np.float32)


def weighted_rows_sparse(rng):
    profiles, n, m = 6, 9, int(rng.integers(1, 12))
    past = history(rng, profiles, n)
    rows, columns = np.nonzero(rng.random((n, m)) < 0.5)
    w = CSR.from_pairs(rows, columns, rng.standard_normal(len(rows)), (n, m))
    return 1, 5, past.indptr, past.indices, past.data, w.indptr, w.indices, w.data, np.zeros((4, m), np.float32)


CASES = {"merge_topk": merge_topk, "weighted_rows_dense": weighted_rows_dense, "weighted_rows_sparse": weighted_rows_sparse}

"""Generated input for the twins of engine/*/sgd.py."""

import numpy as np

from minirec.engine.descent.losses import rank_weights
from minirec.engine.descent.sgd import Held, Negatives
from minirec.engine.sparse import CSR

USERS, ITEMS, FACTORS = 6, 11, 5


def normal(rng, *shape):
    return rng.standard_normal(shape, np.float32)


def batch(rng):
    """What users have (one of them everything, one nothing), and samples of it, ascending by user."""
    held = rng.random((USERS, ITEMS)) < 0.4
    held[0], held[1] = True, False
    held[2, 0] = True
    matrix = CSR.from_pairs(*np.nonzero(held), None, held.shape)
    samples = np.flatnonzero(rng.random(matrix.nnz) < 0.7)
    return matrix, matrix.row_ids().astype(np.int32)[samples], matrix.indices[samples]


def negatives(rng):
    return Negatives.powered(rng.integers(1, 9, ITEMS), float(rng.choice([0.0, 0.5, 1.0])))


def span(rng, n):
    """A part of 0..n: what lies outside must stay as it is."""
    start, stop = np.sort(rng.integers(0, n + 1, 2)).tolist()
    return start, stop


def key(rng):
    return rng.integers(0, 2**64, dtype=np.uint64)


def entries(n, width):
    return np.zeros((n, width), np.int32), np.zeros((n, width), np.float32)


def draw_negatives(rng):
    matrix, users, positives = batch(rng)
    out = np.zeros(len(users), np.int32)
    return *span(rng, len(users)), key(rng), 8, users, positives, *Held.of(matrix), *negatives(rng), out


def bpr_entries(rng):
    matrix, users, positives = batch(rng)
    return (
        *span(rng, len(users)), key(rng), 8, users, positives, *Held.of(matrix), *negatives(rng),
        normal(rng, USERS, FACTORS), normal(rng, ITEMS, FACTORS), normal(rng, ITEMS), *entries(len(users), 2),
    )  # fmt: skip


def warp_entries(rng):
    matrix, users, positives = batch(rng)
    return (
        *span(rng, len(users)), key(rng), 20, 4, rank_weights(ITEMS), users, positives, *Held.of(matrix), *negatives(rng),
        normal(rng, USERS, FACTORS), normal(rng, ITEMS, FACTORS), normal(rng, ITEMS), *entries(len(users), 2),
    )  # fmt: skip


def logistic_entries(rng):
    matrix, users, positives = batch(rng)
    confidence = rng.random(len(users), np.float32) * 3
    return (
        *span(rng, len(users)), key(rng), 8, users, positives, confidence, *Held.of(matrix), *negatives(rng),
        normal(rng, USERS, FACTORS), normal(rng, USERS), normal(rng, ITEMS, FACTORS), normal(rng, ITEMS), *entries(len(users), 4),
    )  # fmt: skip


def rating_entries(rng):
    _, users, items = batch(rng)
    ratings = rng.integers(1, 6, len(users)).astype(np.float32)
    return (
        *span(rng, len(users)), users, items, ratings, np.float32(3.5),
        normal(rng, USERS, FACTORS), normal(rng, USERS), normal(rng, ITEMS, FACTORS), normal(rng, ITEMS), entries(len(users), 1)[1],
    )  # fmt: skip


def group_entries(rng):
    return rng.integers(0, ITEMS, rng.integers(1, 40)).astype(np.int32), ITEMS


def sum_rows(rng):
    counts = rng.integers(0, 4, 9)
    indptr = np.concatenate(([0], np.cumsum(counts)))
    columns = rng.integers(0, ITEMS, indptr[-1]).astype(np.int32)
    return (*span(rng, 9), indptr, columns, normal(rng, indptr[-1]), normal(rng, ITEMS, FACTORS), normal(rng, 9, FACTORS))


def descend_rows(rng):
    rows = np.sort(rng.permutation(USERS)[:4]).astype(np.int32)
    indptr = np.concatenate(([0], np.cumsum(rng.integers(1, 5, 4))))
    n = indptr[-1]
    pulls = np.where(rng.random(n) < 0.2, 0, normal(rng, n)).astype(np.float32)
    before = np.zeros((4 if rng.random() < 0.5 else 0, FACTORS), np.float32)
    return (
        *span(rng, 4), rows, indptr, rng.permutation(n).astype(np.int32), rng.integers(0, ITEMS, n).astype(np.int32), pulls,
        normal(rng, ITEMS, FACTORS), normal(rng, USERS, FACTORS), normal(rng, USERS), rng.random(USERS, np.float32),
        rng.random(USERS, np.float32), np.float32(0.1), np.float32(0.05), before,
    )  # fmt: skip


def deal_samples(rng):
    n, count = int(rng.integers(1, 40)), int(rng.integers(1, 9))
    users, items = rng.integers(0, USERS, n).astype(np.int32), rng.integers(0, ITEMS, n).astype(np.int32)
    return rng.integers(0, count, n).astype(np.uint16), count, users, items


CASES = {
    "deal_samples": deal_samples,
    "draw_negatives": draw_negatives,
    "bpr_entries": bpr_entries,
    "warp_entries": warp_entries,
    "logistic_entries": logistic_entries,
    "rating_entries": rating_entries,
    "group_entries": group_entries,
    "sum_rows": sum_rows,
    "descend_rows": descend_rows,
}

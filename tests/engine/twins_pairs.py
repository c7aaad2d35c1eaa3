"""Arguments for the kernels of pairs of users and items."""

import numpy as np
from twins_sgd import FACTORS, ITEMS, USERS, normal, span

from minirec.engine.reference.sgd import group_entries

EACH = 3


def batch(rng):
    """Users and items of pairs, in groups of EACH."""
    groups = int(rng.integers(1, 8))
    return np.repeat(rng.integers(0, USERS, groups), EACH).astype(np.int32), rng.integers(0, ITEMS, groups * EACH).astype(np.int32)


def layers(rng):
    """Widths of a tower and its numbers."""
    widths = np.array([6, 4, 2][: rng.integers(1, 4)])
    size = sum((inputs + 1) * outputs for inputs, outputs in zip((12, *widths), widths, strict=False)) + widths[-1]
    return widths, normal(rng, size)


def room(pairs, widths):
    """Where the layers go: full of zeros, as a kernel that is asked for some of the pairs leaves the others."""
    return np.zeros((pairs, widths[0]), np.float32), np.zeros(pairs * widths[1:].sum(), np.float32)


def pair_dots(rng):
    users, items = batch(rng)
    tables = normal(rng, USERS, FACTORS), normal(rng, ITEMS, FACTORS), normal(rng, FACTORS)
    return *span(rng, len(users)), users, items, *tables, np.zeros(len(users), np.float32)


def first_rows(rng):
    rows = group_entries(batch(rng)[1], ITEMS)[0]
    return *span(rng, len(rows)), rows, normal(rng, ITEMS, 6), normal(rng, 6, 6), np.zeros((len(rows), 6), np.float32)


def first_gradients(rng):
    items = batch(rng)[1]
    rows, indptr, order, _ = group_entries(items, ITEMS)
    given = rows, normal(rng, ITEMS, 6), normal(rng, 6, 6), indptr, order, normal(rng, len(items), 6)
    return *span(rng, len(rows)), *given, np.zeros((len(rows), 6), np.float32), np.zeros((6, 6), np.float32)


def tower_rows(rng):
    (users, items), (widths, numbers) = batch(rng), layers(rng)
    given = users, items, normal(rng, USERS, 6), normal(rng, ITEMS, 6), numbers, widths
    return *span(rng, len(users)), *given, *room(len(users), widths), np.zeros(len(users), np.float32)


def tower_gradients(rng):
    """What `tower_rows` leaves for the same pairs."""
    start, stop, _, _, _, _, numbers, widths, first, rest, _ = tower_rows(rng)
    first[start:stop], rest[:] = np.maximum(normal(rng, stop - start, 6), 0), np.maximum(normal(rng, len(rest)), 0)
    return start, stop, normal(rng, len(first)), numbers, widths, first, rest, np.zeros_like(numbers)


def pair_loss(rng):
    """With a dot product and a tower, or one of them."""
    (users, items), (widths, numbers), kind = batch(rng), layers(rng), rng.integers(0, 3)
    d, width = FACTORS if kind != 1 else 0, 6 if kind != 2 else 0
    items[1] = items[rng.integers(0, 2)]  # one that may not count
    product = normal(rng, USERS, d), normal(rng, ITEMS, d), normal(rng, d)
    tower = (
        normal(rng, USERS, width),
        normal(rng, ITEMS, width),
        numbers[: len(numbers) if width else 0],
        widths[: len(widths) if width else 0],
    )
    return users, items, EACH, *product, *tower, normal(rng, 1)


CASES = {
    "pair_dots": pair_dots,
    "first_rows": first_rows,
    "first_gradients": first_gradients,
    "tower_rows": tower_rows,
    "tower_gradients": tower_gradients,
    "pair_loss": pair_loss,
}

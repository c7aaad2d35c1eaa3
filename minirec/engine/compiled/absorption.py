"""Truncated absorption of random walks on a part of a two-sided graph, compiled. See reference/absorption.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit


@jit
def _around(
    indptr: Any, indices: Any, t_indptr: Any, t_indices: Any, items: Any, item_at: Any, users: Any, user_at: Any,
    n_items: int, n_users: int, most: int,
) -> Any:  # fmt: skip
    """Adds what breadth-first search finds to the lists `items` and `users`; returns their lengths."""
    next_item, next_user = 0, n_users
    most += n_items
    while next_item < n_items and n_items < most:
        while next_item < n_items:
            i = items[next_item]
            for at in range(t_indptr[i], t_indptr[i + 1]):
                u = t_indices[at]
                if user_at[u] < 0:
                    user_at[u] = n_users
                    users[n_users] = u
                    n_users += 1
            next_item += 1
        while next_user < n_users and n_items < most:
            u = users[next_user]
            for at in range(indptr[u], indptr[u + 1]):
                i = indices[at]
                if item_at[i] < 0:
                    item_at[i] = n_items
                    items[n_items] = i
                    n_items += 1
            next_user += 1
    return n_items, n_users


@jit
def absorb_walks(
    start: int, stop: int,
    indptr: Any, indices: Any, data: Any, t_indptr: Any, t_indices: Any, t_data: Any,
    h_indptr: Any, h_indices: Any, h_data: Any, own: Any, at_items: bool,
    gains: Any, rewards: Any, most: int, out: Any,
) -> None:  # fmt: skip
    """The edges of the part are copied once, by user; the sums over the users of an item are scattered from there."""
    all_users, all_items, steps = len(indptr) - 1, len(t_indptr) - 1, len(rewards) - 1
    item_at, user_at = np.full(all_items, -1, np.int32), np.full(all_users, -1, np.int32)
    items, users = np.empty(all_items, np.int32), np.empty(all_users, np.int32)
    offsets, columns, weights = np.empty(all_users + 1, np.int64), np.empty(len(indices), np.int32), np.empty(len(indices), np.float64)
    by_row, degree, value, earned = np.empty(all_users), np.empty(all_items), np.empty(all_items), np.empty(all_items)
    for r in range(start, stop):
        target = h_indices[h_indptr[r] : h_indptr[r + 1]]
        target_weight = h_data[h_indptr[r] : h_indptr[r + 1]]
        goal = -1 if at_items else own[r]
        new = not at_items and goal < 0
        n_items, n_users = len(target), 0
        for at in range(len(target)):
            items[at] = target[at]
            item_at[target[at]] = at
        if goal >= 0:
            users[0] = goal
            user_at[goal] = 0
            n_users = 1
        n_items, n_users = _around(indptr, indices, t_indptr, t_indices, items, item_at, users, user_at, n_items, n_users, most)
        degree[:n_items] = 0.0
        if new:
            for at in range(len(target)):
                degree[at] = target_weight[at]
        size = 0
        for place in range(n_users):
            u = users[place]
            offsets[place] = size
            total = 0.0
            for at in range(indptr[u], indptr[u + 1]):
                local = item_at[indices[at]]
                if local >= 0:
                    columns[size] = local
                    weights[size] = data[at]
                    total += weights[size]
                    degree[local] += weights[size]
                    size += 1
            by_row[place] = max(total, 1e-300)
        offsets[n_users] = size
        value[:n_items] = 0.0
        for left in range(2 - steps % 2, steps + 1, 2):
            earned[:n_items] = 0.0
            if new:
                for at in range(len(target)):
                    earned[at] = target_weight[at] * rewards[left - 1]
            for place in range(n_users):  # value: of the items two steps before
                total = 0.0
                if place == 0 and goal >= 0:
                    total = rewards[left - 1]
                elif left > 2:
                    for at in range(offsets[place], offsets[place + 1]):
                        total += weights[at] * value[columns[at]]
                    total /= by_row[place]
                total += gains[users[place]]
                for at in range(offsets[place], offsets[place + 1]):
                    earned[columns[at]] += weights[at] * total
            for at in range(n_items):
                value[at] = earned[at] / max(degree[at], 1e-300)
            if at_items:
                value[: len(target)] = rewards[left]
        for at in range(n_items):
            out[r - start, items[at]] = value[at]
            item_at[items[at]] = -1
        for at in range(n_users):
            user_at[users[at]] = -1

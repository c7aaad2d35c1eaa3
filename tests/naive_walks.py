"""Slow, obvious oracles for absorbing walks and PageRank: whole transition matrices, dense, and linear solves."""

import numpy as np


def transitions(x):
    """Users, then items, in one chain; x dense (users, items). A node without edges stays where it is."""
    users, items = x.shape
    a = np.zeros((users + items, users + items))
    a[:users, users:], a[users:, :users] = x, x.T
    a += np.diag((a.sum(axis=1) == 0).astype(float))
    return a / a.sum(axis=1, keepdims=True)


def with_user(x, history):
    """The graph with one more user, the last; history dense (items,)."""
    return np.vstack([x, history])


def truncated(p, ends, cost, steps):
    """Expected cost of at most so many steps until one of `ends`; cost (nodes,) of a step from each node."""
    value = np.zeros(len(p))
    for _ in range(steps):
        value = cost + p @ value
        value[ends] = 0
    return value


def solved(p, ends, cost):
    """Expected cost until one of `ends`, by the linear equations; nan where it is not reached from."""
    reach = np.isin(np.arange(len(p)), ends)
    for _ in range(len(p)):
        reach = reach | (p[:, reach].sum(axis=1) > 0)
    inner = np.flatnonzero(reach & ~np.isin(np.arange(len(p)), ends))
    value = np.full(len(p), np.nan)
    value[ends] = 0
    value[inner] = np.linalg.solve(np.eye(len(inner)) - p[np.ix_(inner, inner)], cost[inner])
    return value


def pagerank(p, node, damping):
    start = np.zeros(len(p))
    start[node] = 1 - damping
    return np.linalg.solve(np.eye(len(p)) - damping * p.T, start)


def breadth_first(x, first_items, own, most):
    """Users and items that the search finds, as sets; by lists of nodes, a level at a time."""
    items, users = list(first_items), [] if own is None else [own]
    level = list(items)
    while level and len(items) < len(first_items) + most:
        met = []
        for item in level:
            for user in np.flatnonzero(x[:, item]).tolist():
                if user not in users:
                    users.append(user)
                    met.append(user)
        level = []
        for user in met:
            if len(items) >= len(first_items) + most:
                break
            for item in np.flatnonzero(x[user]).tolist():
                if item not in items:
                    items.append(item)
                    level.append(item)
    return sorted(users), sorted(items)

"""The loss of ALS, written out pair by pair, and one exact half step."""

import numpy as np


def loss(weights, users, items, regularization, alpha0, nu, alpha=None):
    """weights: dense, summed weights of the events, 0 where there are none."""
    observed, total = weights != 0, 0.0
    for u in range(len(users)):
        for i in range(len(items)):
            score = float(users[u] @ items[i])
            if alpha is None:
                total += observed[u, i] * (score - 1) ** 2 + alpha0 * score**2
            else:
                total += (1 + alpha * weights[u, i]) * (score - 1) ** 2 if observed[u, i] else alpha0 * score**2
    for vectors, counts, others in ((users, observed.sum(1), len(items)), (items, observed.sum(0), len(users))):
        total += regularization * float(((counts + alpha0 * others) ** nu) @ (vectors**2).sum(axis=1))
    return total


def half_step(weights, items, regularization, alpha0, nu, alpha=None):
    """The best user vectors for fixed item vectors, each from a weighted least-squares problem over all items."""
    out = []
    for row in weights:
        seen = row != 0
        if alpha is None:  # c (y - 1)^2 + alpha0 y^2 has the weight 1 + alpha0 and its minimum at 1 / (1 + alpha0)
            weight, target = np.where(seen, 1 + alpha0, alpha0), seen / (1 + alpha0)
        else:
            weight, target = np.where(seen, 1 + alpha * row, alpha0), seen.astype(float)
        ridge = regularization * (seen.sum() + alpha0 * len(items)) ** nu
        lhs = items.T @ (weight[:, None] * items) + ridge * np.eye(items.shape[1])
        out.append(np.linalg.solve(lhs, items.T @ (weight * target)))
    return np.array(out)


def feature_loss(weights, users, items, maps, features, regularization, alpha0, nu, alpha, content_weight, content_regularization):
    """The loss of FeatureALS. maps and features: of users (or None) and of items; features have unit length or are zero."""
    observed = weights != 0
    total = loss(weights, users, items, regularization, alpha0, nu, alpha)
    sides = ((users, observed.sum(1), len(items)), (items, observed.sum(0), len(users)))
    for (vectors, counts, others), mapped, content in zip(sides, maps, features, strict=True):
        if content is None:
            continue
        there = content.any(axis=1)
        frequency = (counts + alpha0 * others) ** nu
        total += content_weight * float((frequency * there) @ ((vectors - content @ mapped) ** 2).sum(axis=1))
        total += content_regularization * regularization * float(frequency.mean()) * float((mapped**2).sum())
    return total

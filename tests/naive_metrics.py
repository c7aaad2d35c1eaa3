"""Slow, obvious versions of the metrics of minirec.metrics that `naive` does not have: plain Python, one user or pair at a time."""

import math


def fbeta(items, relevant, k, beta):
    hits = sum(item in relevant for item in items[:k])
    p, r = hits / k, hits / len(relevant)
    return (1 + beta**2) * p * r / (beta**2 * p + r) if hits else 0.0


def mcc(items, relevant, k, n_items):
    tp = sum(item in relevant for item in items[:k])
    fp, fn = k - tp, len(relevant) - tp
    tn = n_items - tp - fp - fn
    scale = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return (tp * tn - fp * fn) / scale if scale else 0.0


def rbp(items, relevant, k, p):
    return (1 - p) * sum(p ** (rank - 1) for rank, item in enumerate(items[:k], 1) if item in relevant)


def map_trec(items, relevant, k):
    if not relevant:
        return None
    total = sum(sum(one in relevant for one in items[:rank]) / rank for rank, item in enumerate(items[:k], 1) if item in relevant)
    return total / len(relevant)


def dcg_graded(items, gains, k, exponential):
    def gain(item):
        weight = gains.get(item)
        return 0.0 if weight is None else 2**weight - 1 if exponential else weight

    return sum(gain(item) / math.log2(rank + 1) for rank, item in enumerate(items[:k], 1))


def ndcg_graded(items, gains, k, exponential):
    best = sorted(gains, key=lambda item: -gains[item])
    ideal = dcg_graded(best, gains, k, exponential)
    return dcg_graded(items, gains, k, exponential) / ideal if ideal else 0.0


def entropy(lists, k):
    places = [item for items in lists for item in items[:k]]
    shares = [places.count(item) / len(places) for item in set(places)]
    return -sum(share * math.log2(share) for share in shares)


def serendipity(items, relevant, counts, k):
    n, length = len(counts), len(items[:k])
    ranks = {count: rank for rank, count in enumerate(sorted(set(counts.values()), reverse=True), 1)}
    total = 0.0
    for rank, item in enumerate(items[:k], 1):
        everybody = (n + 1 - ranks[counts[item]]) / n if counts.get(item) else 0.0
        total += (item in relevant) * max((n + 1 - rank) / n - everybody, 0.0)
    return total / length if length else 0.0


def auc(scores, labels):
    won = [
        1.0 if p > q else 0.5 if p == q else 0.0
        for p, y in zip(scores, labels, strict=True)
        if y
        for q, z in zip(scores, labels, strict=True)
        if not z
    ]
    return sum(won) / len(won) if won else None


def gauc(users, scores, labels):
    total = weight = 0.0
    for user in sorted(set(users)):
        mine = [(s, y) for u, s, y in zip(users, scores, labels, strict=True) if u == user]
        value = auc([s for s, _ in mine], [y for _, y in mine])
        if value is not None:
            total, weight = total + value * len(mine), weight + len(mine)
    return total / weight if weight else None


def fcp(users, predicted, actual):
    good = bad = 0
    rows = list(zip(users, predicted, actual, strict=True))
    for u, p, a in rows:
        for v, q, b in rows:
            if u == v and a > b:
                good, bad = good + (p > q), bad + (p <= q)
    return good / (good + bad) if good + bad else None

"""Slow, obvious versions of every metric: plain Python over lists and sets, one user at a time.

A list is a Python list of items, best first; `relevant` is the set of the user's test items. None = the user has no value.
"""

import itertools
import math


def precision(items, relevant, k):
    return sum(item in relevant for item in items[:k]) / k if relevant else None


def recall(items, relevant, k):
    return sum(item in relevant for item in items[:k]) / len(relevant) if relevant else None


def recall_capped(items, relevant, k):
    return sum(item in relevant for item in items[:k]) / min(k, len(relevant)) if relevant else None


def f1(items, relevant, k):
    if not relevant:
        return None
    p, r = precision(items, relevant, k), recall(items, relevant, k)
    return 2 * p * r / (p + r) if p + r else 0.0


def ndcg(items, relevant, k):
    if not relevant:
        return None
    gained = sum(1 / math.log2(rank + 1) for rank, item in enumerate(items[:k], 1) if item in relevant)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))
    return gained / ideal


def average_precision(items, relevant, k):
    if not relevant:
        return None
    total = sum(precision(items, relevant, rank) for rank, item in enumerate(items[:k], 1) if item in relevant)
    return total / min(k, len(relevant))


def reciprocal_rank(items, relevant, k):
    if not relevant:
        return None
    return next((1 / rank for rank, item in enumerate(items[:k], 1) if item in relevant), 0.0)


def hitrate(items, relevant, k):
    return float(any(item in relevant for item in items[:k])) if relevant else None


def novelty(items, relevant, value, k):
    """`value` maps an item to its novelty."""
    if not relevant:
        return None
    discount = [1 / math.log2(rank + 1) for rank in range(1, len(items[:k]) + 1)]
    gained = sum(d * value(item) for d, item in zip(discount, items[:k], strict=True) if item in relevant)
    return gained / sum(discount) if discount else 0.0


def epc(items, relevant, counts, n_users, k):
    return novelty(items, relevant, lambda item: 1 - counts[item] / n_users, k)


def efd(items, relevant, counts, k):
    return novelty(items, relevant, lambda item: -math.log2(max(counts[item], 1) / sum(counts)), k)


def arp(items, counts, k):
    return sum(counts[item] for item in items[:k]) / len(items[:k]) if items else None


def exposure(items, group, k):
    return sum(item in group for item in items[:k]) / len(items[:k]) if items else None


def shares(items, labels):
    return [sum(labels[item] == group for item in items) / len(items) for group in range(3)]


def popularity_deviation(items, profile, labels, k):
    if not items or not profile:
        return None
    p, q = shares(profile, labels), shares(items[:k], labels)
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]

    def kl(x):
        return sum(a * math.log2(a / m) for a, m in zip(x, middle, strict=True) if a > 0)

    return (kl(p) + kl(q)) / 2


def cosine(a, b):
    norms = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / norms if norms else 0.0


def intra_list_distance(items, vectors, k):
    pairs = list(itertools.combinations(items[:k], 2))
    return sum(1 - cosine(vectors[a], vectors[b]) for a, b in pairs) / len(pairs) if pairs else None


def coverage(lists, group, k):
    return len({item for items in lists for item in items[:k] if item in group}) / len(group) if group else 0.0


def gini(lists, n_items, k):
    """By the mean absolute difference of all pairs of items, not by the sorted formula."""
    times = [sum(item in items[:k] for items in lists) for item in range(n_items)]
    if not sum(times) or n_items == 1:
        return None
    return sum(abs(a - b) for a in times for b in times) / (2 * n_items * sum(times)) * n_items / (n_items - 1)


def disparity(rates):
    mean = sum(rates) / len(rates) if rates else 0.0
    return math.sqrt(sum((rate - mean) ** 2 for rate in rates) / len(rates)) / mean if mean else 0.0


def popreo(lists, truths, labels, k):
    rates = []
    for group in range(3):
        possible = [(u, item) for u, relevant in enumerate(truths) for item in relevant if labels[item] == group]
        if possible:
            rates.append(sum(item in lists[u][:k] for u, item in possible) / len(possible))
    return disparity(rates)


def poprsp(lists, profiles, labels, k):
    rates = []
    for group in range(3):
        possible = [(u, i) for u, profile in enumerate(profiles) for i in range(len(labels)) if labels[i] == group and i not in profile]
        if possible:
            rates.append(sum(item in lists[u][:k] for u, item in possible) / len(possible))
    return disparity(rates)


def sampled_rank(positive, negatives, score):
    """Items above the positive, by (score descending, item ascending)."""
    candidates = {positive, *negatives}
    return sorted(candidates, key=lambda item: (-score[item], item)).index(positive)


def holm(p):
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted = [0.0] * len(p)
    for place, i in enumerate(order):
        adjusted[i] = max(min(1.0, (len(p) - j) * p[order[j]]) for j in range(place + 1))
    return adjusted

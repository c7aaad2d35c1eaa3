"""Slow, obvious versions of the fairness metrics: plain Python over lists."""

import itertools
import math


def times(lists, n):
    return [sum(item in items for items in lists) for item in range(n)]


def jain(lists, n):
    c = times(lists, n)
    return sum(c) ** 2 / (n * sum(x * x for x in c))


def entropy_share(lists, n):
    c = times(lists, n)
    return -sum(x / sum(c) * math.log(x / sum(c), n) for x in c if x)


def gini(c):
    n = len(c)
    return sum(abs(a - b) for a in c for b in c) / (2 * n * sum(c))


def worth(rank):
    return 1 / math.log2(rank + 1)


def weights(lists, n):
    return [sum(worth(items.index(item) + 1) for items in lists if item in items) for item in range(n)]


def vocd(lists, n):
    pairs = list(itertools.combinations([x for x in times(lists, n) if x], 2))
    return sum(abs(a - b) / max(a, b) for a, b in pairs) / len(pairs) if pairs else None


def disparity(lists, n, k, p):
    equal = sum(p ** (r - 1) for r in range(1, k + 1)) / n
    table = [[p ** items.index(item) if item in items else 0.0 for item in range(n)] for items in lists]
    each = sum((x - equal) ** 2 for row in table for x in row) / (len(lists) * n)
    average = sum((sum(row[item] - equal for row in table) / len(lists)) ** 2 for item in range(n)) / n
    return each, average


def expected_exposure(items, relevant, n, k, p):
    e = {item: p**place for place, item in enumerate(items[:k])}
    place_worth = [p**place if place < k else 0.0 for place in range(n)]
    m = len(relevant)
    good, rest = sum(place_worth[:m]) / m, sum(place_worth[m:]) / (n - m) if n > m else 0.0
    target = {item: good if item in relevant else rest for item in range(n)}
    return (
        sum((e.get(item, 0.0) - target[item]) ** 2 for item in range(n)),
        sum(x * x for x in e.values()),
        sum(e[item] * target[item] for item in e),
    )


def calibration(p, q, alpha):
    return sum(a * math.log(a / ((1 - alpha) * b + alpha * a)) for a, b in zip(p, q, strict=True) if a)


def bias(pairs, user_group, item_group, users, items):
    def one(a, b):
        mine = [i for u, i in pairs if user_group[u] == a]
        if not mine or b not in item_group:
            return None
        return (sum(item_group[i] == b for i in mine) / len(mine)) / (item_group.count(b) / len(item_group))

    return [[one(a, b) for b in range(items)] for a in range(users)]

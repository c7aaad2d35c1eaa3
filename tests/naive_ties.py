"""Ties by brute force: the mean of a metric over every order of the items that have the same score."""

import itertools


def orders(items, scores):
    """Every order of the items that their scores allow, each as often as any other."""
    runs = [[item for item, s in zip(items, scores, strict=True) if s == score] for score in dict.fromkeys(scores)]
    for parts in itertools.product(*(itertools.permutations(run) for run in runs)):
        yield [item for part in parts for item in part]


def expectation(metric, items, scores, relevant, k):
    """`items` are all candidates by descending score, those below the cut as well."""
    values = [metric(order, relevant, k) for order in orders(items, scores)]
    return None if values[0] is None else sum(values) / len(values)

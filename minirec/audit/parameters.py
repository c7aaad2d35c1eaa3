"""The main parameters of a system, read off its lists: what popularity, co-occurrence, content and recency explain of its choices."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .baselines import content_vectors
from .case import Case
from .plan import Plan
from .signals import links, similarity

SIGNALS = ("popularity", "co-occurrence", "content", "recency")
NEGATIVES = 1  # items that are not listed, for each that is
Floats = NDArray[np.float64]


class Parameters(NamedTuple):
    """shares : {signal: share of the variance of the scores}, float; `rest` is what none of them explains. direction : {signal: +1 or
    -1}, whether more of it goes with a higher score. target : "rank" or "score", what was explained. users, pairs : how many."""

    shares: dict[str, float]
    rest: float
    direction: dict[str, int]
    target: str
    users: int
    pairs: int
    left_out: dict[str, str]


def main_parameters(case: Case, plan: Plan) -> Parameters | None:
    """Shares of the variance of the scores that each signal explains, on at most `plan.sample` users; None where nothing varies.

    For each listed item one item is drawn that the user neither got nor has (score 0); a listed item at place r has the score
    1/log2(1 + r). Signals of a pair of user and item: log(1 + users of the item); log(1 + sum of cosines of co-occurrence with the
    user's own items); cosine of the content with the mean of the user's own; time of the item's latest event. Each is a rank among the
    pairs of the same user. Least squares; the share of a signal is its Shapley value in R^2 (Lindeman, Merenda and Gold 1980;
    Lipovetsky and Conklin 2001), so the shares and the rest add up to 1. It tells what goes with the choices, not what the system
    computes.
    """
    part, _ = case.sample(plan.sample, plan.seed)
    table = part.lists.table(plan.k)
    there = table >= 0
    user, place = np.nonzero(there)
    listed = table[there]
    if not len(listed):
        return None
    drawn = _not_listed(part, user, listed, plan.seed)
    users, items = np.concatenate((user, user)), np.concatenate((listed.astype(np.int64), drawn))
    score = np.concatenate((1.0 / np.log2(place + 2.0), np.zeros(len(drawn))))
    signals, left_out = _signals(part, users, items, plan.seed)
    signals = {name: _ranks(users, values) for name, values in signals.items()}
    names = [name for name in SIGNALS if name in signals and np.ptp(signals[name]) > 0]
    left_out |= {name: "it is the same for every item" for name in signals if name not in names}
    if not names or np.ptp(score) == 0:
        return None
    columns = np.column_stack([signals[name] for name in names])
    shares, explained, signs = _shapley(columns, score)
    return Parameters(
        dict(zip(names, shares.tolist(), strict=True)), 1.0 - explained, dict(zip(names, signs.tolist(), strict=True)), "rank",
        part.n_users, len(score), left_out,
    )  # fmt: skip


def _ranks(user: NDArray[np.int64], values: Floats) -> Floats:
    """The rank of each pair among those of the same user, from 0 to 1; equal values share their mean rank.

    So users with many events, whose sums are larger, do not blur what decides within a list.
    """
    order = np.lexsort((values, user))
    own, ordered = user[order], values[order]
    fresh = np.concatenate(([True], (own[1:] != own[:-1]) | (ordered[1:] != ordered[:-1])))
    start = np.flatnonzero(fresh)
    stop = np.append(start[1:], len(order))
    mean = np.repeat((start + stop - 1) / 2.0, stop - start)
    counts = np.bincount(user)
    first = np.cumsum(counts) - counts
    ranks = np.empty(len(order))
    ranks[order] = (mean - first[own]) / np.maximum(counts[own] - 1, 1)
    return ranks


def _not_listed(case: Case, user: NDArray[np.int64], listed: NDArray[np.int32], seed: int) -> NDArray[np.int64]:
    """For each listed place an item that neither the list nor the events of the user have; after five tries any item.

    A system that leaves out what a user has would else seem to avoid what goes with it.
    """
    rng = np.random.default_rng([seed, 23])
    n = case.n_items
    taken = np.sort(np.concatenate((user * n + listed, case.profile.row_ids() * n + case.profile.indices)))
    drawn = rng.integers(0, n, len(user))
    for _ in range(5):
        place = np.minimum(taken.searchsorted(user * n + drawn), len(taken) - 1)
        again = taken[place] == user * n + drawn
        drawn[again] = rng.integers(0, n, int(again.sum()))
    return drawn


def _signals(case: Case, user: NDArray[np.int64], item: NDArray[Any], seed: int) -> tuple[dict[str, Floats], dict[str, str]]:
    found: dict[str, Floats] = {"popularity": np.log1p(case.popularity)[item]}
    left_out: dict[str, str] = {}
    found["co-occurrence"] = np.log1p(links(case, similarity(case, seed)).at(user, item))
    vectors = content_vectors(case.events)
    if vectors is None:
        left_out["content"] = "the items have no texts"
    else:
        means = case.profile.binary().to_scipy() @ vectors.astype(np.float64)
        norm = np.linalg.norm(means, axis=1, keepdims=True)
        means /= np.where(norm > 0, norm, 1.0)
        length = np.linalg.norm(vectors, axis=1)
        found["content"] = (means[user] * vectors[item]).sum(1) / np.where(length > 0, length, 1.0)[item]
    time = case.events.timestamp
    if time is None:
        left_out["recency"] = "the events have no times"
    else:
        latest = np.full(case.n_items, np.iinfo(np.int64).min)
        np.maximum.at(latest, case.events.item, time)
        _, rank = np.unique(latest, return_inverse=True)
        found["recency"] = rank.astype(np.float64)[item]
    return found, left_out


def _shapley(columns: Floats, target: Floats) -> tuple[Floats, float, NDArray[np.int64]]:
    """Shapley values of the columns in R^2, R^2 itself, and the signs of the coefficients. O(2^m m^3) after one product."""
    standard = (columns - columns.mean(0)) / columns.std(0)
    goal = (target - target.mean()) / target.std()
    n, m = standard.shape
    gram, cross = standard.T @ standard / n, standard.T @ goal / n

    def explained(chosen: tuple[int, ...]) -> float:
        at = list(chosen)
        return float(cross[at] @ np.linalg.lstsq(gram[np.ix_(at, at)], cross[at], rcond=None)[0]) if at else 0.0

    shares = np.zeros(m)
    for column in range(m):
        others = [other for other in range(m) if other != column]
        for size in range(m):
            weight = factorial(size) * factorial(m - size - 1) / factorial(m)
            for chosen in combinations(others, size):
                shares[column] += weight * (explained(tuple(sorted((*chosen, column)))) - explained(chosen))
    slopes = np.linalg.lstsq(gram, cross, rcond=None)[0]
    return shares, explained(tuple(range(m))), np.where(slopes < 0, -1, 1)

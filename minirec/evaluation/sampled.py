"""The sampled protocol of the NCF papers, for comparison with published numbers only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from ..data.ids import Id, Ids
from ..errors import DataError
from ..metrics.accuracy import Values, discounts
from ..models.contract.recommender import Recommender
from .candidates import Models, checked_models
from .measure import Measured
from .protocol import checked_lengths
from .result import Result, Seconds


def evaluate_sampled(
    models: Models,
    positives: Mapping[Id, Id],
    negatives: Mapping[Id, Ids],
    *,
    k: int | Iterable[int] = 10,
    seed: int = 0,
) -> Result:
    """Rank one held-out item of each user among a few given negatives: sampled_hitrate@k and sampled_ndcg@k.

    With r the number of negatives ranked above the user's test item: sampled_hitrate@k = 1 where r < k, else 0;
    sampled_ndcg@k = 1 / log2(r + 2) where r < k, else 0; means over users (He et al., WWW 2017, with 99 or 100 negatives).

    These are biased: the rank among 100 items says little about the rank among all, the bias differs between models, and so the
    order of models can differ from that of full ranking (Krichene & Rendle, KDD 2020). Judge models by `evaluate`.

    Candidates are the test item and the user's negatives as a set; the test item is dropped from its own negatives, repeated
    negatives are dropped; both are counted. Equal scores are ranked by the lower item row. Items that a model does not know rank
    below those it knows, and a test item that it does not know below all. Users that a model does not know are left out of all
    means, and counted. O(users negatives) scores.

    positives : {user: test item}. negatives : {user: items}, for each of these users. k : length of the list, one or several.
    """
    named, ks = checked_models(models), checked_lengths(k)
    missing = next((user for user in positives if user not in negatives), None)
    if missing is not None:
        raise DataError(f"user {missing!r} has a test item but no negatives")
    users = [user for user in positives if all(user in model.users_ for model in named.values())]
    if not users:
        raise DataError(f"no user is left to evaluate: none of the {len(positives)} is known to all models (are the ids of the same type?)")
    counts = {"users": len(users), "unknown_users": len(positives) - len(users), "positives_among_negatives": 0, "repeated_negatives": 0}
    candidates: list[list[Id]] = []  # the test item first
    for user in users:
        given = list(negatives[user])
        others = dict.fromkeys(given)
        counts["repeated_negatives"] += len(given) - len(others)
        counts["positives_among_negatives"] += positives[user] in others
        others.pop(positives[user], None)
        candidates.append([positives[user], *others])
    measured: dict[str, Measured] = {}
    seconds: dict[str, Seconds] = {}
    notes = ["Sampled metrics are biased and do not compare with full ranking (Krichene & Rendle, KDD 2020)."]
    for name, model in named.items():
        start = perf_counter()
        above, unknown = _ranks(model, users, candidates)
        scored = perf_counter()
        per_user: dict[str, Values] = {}
        for length in ks:
            found = above < length
            per_user[f"sampled_hitrate@{length}"] = found.astype(np.float64)
            per_user[f"sampled_ndcg@{length}"] = np.where(found, discounts(length)[np.minimum(above, length - 1)], 0.0)
        measured[name], seconds[name] = Measured(per_user, {}), Seconds(scored - start, perf_counter() - scored)
        if unknown:
            notes.append(f"{name} does not know {unknown:,} of the test items: ranked last.")
    sizes = [len(items) - 1 for items in candidates]
    settings = {
        "protocol": f"SAMPLED ranking of 1 test item among {min(sizes)} to {max(sizes)} given negatives, for {len(users):,} users.",
        "k": list(ks),
        "seed": seed,
    }
    return Result(users, measured, {}, counts, settings, seconds, tuple(notes))


def _ranks(model: Recommender, users: list[Id], candidates: list[list[Id]]) -> tuple[NDArray[np.int64], int]:
    """How many candidates stand above each user's first one, and how many first ones the model does not know."""
    sizes = np.array([len(items) for items in candidates])
    first = np.cumsum(sizes) - sizes
    owner = np.repeat(np.arange(len(users)), sizes)
    flat = [item for items in candidates for item in items]
    row = model.items_.rows(flat)
    known = np.flatnonzero(row >= 0)
    score = np.full(len(flat), -np.inf)
    score[known] = model.score([users[u] for u in owner[known].tolist()], [flat[at] for at in known.tolist()])
    positive = first[owner]
    higher = (score > score[positive]) | ((score == score[positive]) & (row < row[positive])) | (row[positive] < 0)
    higher[first] = False
    return np.bincount(owner[higher], minlength=len(users)), int((row[first] < 0).sum())

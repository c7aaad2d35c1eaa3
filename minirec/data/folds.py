"""Many splits of the same events: cross-validation, and windows that move through time."""

from __future__ import annotations

import numpy as np

from ..errors import DataError, ParameterError
from .convert import Events, as_dataset
from .dataset import Dataset
from .splits import pairs_of, two_sides

FOLDS = ("random", "users", "time")


def folds(data: Events, n: int = 5, how: str | None = None, *, seed: int = 0, sliding: bool = False) -> list[tuple[Dataset, Dataset]]:
    """The same events split n times, as [(train, test), ...].

    how :
        "random" (the default where there are no times): n-fold cross-validation. The pairs of each user are dealt to n folds, as evenly
            as they go; fold j is test once and train otherwise. A user with a single pair is unknown to the train part of one fold.
        "users": the users are dealt to n folds, with all their events.
        "time" (the default where there are times): the instants are cut so that n + 1 windows hold about as many events each; the
            train part of split j is all that comes before window j + 1, its test part that window. With `sliding`, only the window
            just before it. All train times are before all test times.
    seed : of the draws; the same seed gives the same folds whatever the order of the events.

    Nothing is lost: over the n splits "random" and "users" test every event once, "time" every event after the first window. Each part is
    compacted. DataError where a side would be empty. O(n events).

    >>> import minirec as mr
    >>> data = mr.synthetic(n_users=50, n_items=40, n_events=500)
    >>> [len(test) for _, test in mr.folds(data, 4, "time")]
    [100, 100, 100, 100]
    """
    data = as_dataset(data, "data")
    if isinstance(n, bool) or not isinstance(n, int) or n < 2:
        raise ParameterError(f"n must be a whole number of at least 2 folds, got {n!r}")
    if how is None:
        how = "time" if data.time is not None else "random"
    if how not in FOLDS:
        raise ParameterError(f"how must be one of {', '.join(FOLDS)}, got {how!r}")
    if sliding and how != "time":
        raise ParameterError("sliding windows go with how='time'")
    if how == "time":
        return _windows(data, n, sliding)
    rng = np.random.default_rng(seed)
    pair, user, n_pairs = pairs_of(data)
    if how == "users":
        of_user = np.empty(data.n_users, np.int64)
        of_user[rng.permutation(data.n_users)] = np.arange(data.n_users) % n
        fold = of_user[data.user]
    else:
        size = np.bincount(user, minlength=data.n_users)
        shuffled = np.lexsort((rng.random(n_pairs), user))  # the pairs of each user in random order, dealt in turn
        turn = np.empty(n_pairs, np.int64)
        turn[shuffled] = np.arange(n_pairs)
        order = rng.permutation(data.n_users)
        first = np.empty(data.n_users, np.int64)
        first[order] = np.cumsum(size[order]) - size[order]  # one user's last card and the next one's first follow each other
        fold = ((turn - (np.cumsum(size) - size)[user] + first[user]) % n)[pair]
    why = "ask for fewer folds"
    return [two_sides(data, fold == at, why) for at in range(n)]


def _windows(data: Dataset, n: int, sliding: bool) -> list[tuple[Dataset, Dataset]]:
    if data.time is None:
        raise DataError("windows in time need times: name the time column when reading, or use how='random'")
    instants, counts = np.unique(data.time, return_counts=True)
    if len(instants) <= n:
        raise DataError(f"{len(instants)} instants cannot be cut into {n + 1} windows: ask for fewer folds, or use how='random'")
    upto = np.cumsum(counts)
    # the last instant of each window: nearest to equal shares, with at least one instant a window
    ends = [-1]
    for at in range(1, n + 1):
        wanted = int(np.argmin(np.abs(upto - at * len(data) / (n + 1))))
        ends.append(min(max(wanted, ends[-1] + 1), len(instants) - 1 - (n + 1 - at)))
    ends.append(len(instants) - 1)
    window = np.searchsorted(np.array(ends[1:]), np.searchsorted(instants, data.time))
    found = []
    for at in range(1, n + 1):
        inside = (window >= at - 1 if sliding else window >= 0) & (window <= at)
        part = data.select(inside)
        found.append(two_sides(part, window[inside] == at, "ask for fewer folds"))
    return found

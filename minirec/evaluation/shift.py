"""Can a choice made on validation be trusted on test? Not where the two differ in what items they are about."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.convert import Events, as_dataset
from ..data.dataset import Dataset
from ..errors import DataError, ParameterError

ROUNDS = 199
LEVEL = 0.01


class ItemShift(NamedTuple):
    """How far the item shares of validation and test are apart, and how far they would be by chance; see `item_shift`."""

    distance: float
    chance: float
    p: float
    level: float

    @property
    def differs(self) -> bool:
        """Whether they differ by more than chance."""
        return self.p < self.level

    def __str__(self) -> str:
        verdict = (
            "differ by more than chance: what is best on one may not be on the other" if self.differs else "differ by no more than chance"
        )
        return f"Item shares of validation and test {verdict} (distance {self.distance:.3f}, by chance {self.chance:.3f}; p = {self.p:.2g})"


def item_shift(validation: Events, test: Events, *, rounds: int = ROUNDS, level: float = LEVEL, seed: int = 0) -> ItemShift:
    """Do validation and test differ in the shares of their items by more than chance?

    distance : D = 1/2 sum_i |v_i / V - t_i / T| of the shares that item i has of the V distinct pairs of user and item in validation
        and of the T in test: the total variation distance, from 0 (the same shares) to 1 (no item in common).
    chance : the mean of D where the null hypothesis holds. It says that chance alone decided which events are validation events: for a
        user with pairs on both sides, which of them are on which (their numbers are kept), and for the others on which side the user
        is as a whole. A user's events often belong together, so they are not taken for independent.
    p : of the permutation test, (1 + rounds with at least the observed distance) / (1 + rounds). Where both parts are drawn at random from
        the same events, within users or by users, it is below `level` for at most that share of the draws.

    Time is the usual reason to differ: a random part of train tells of all the time that it covers, a later test set of what is
    popular then. Hold out the latest events for validation too where there is an order.
    level : of significance, above 1 / (1 + rounds), which is the least p. seed : of the permutations.

    DataError where a part has no events. Time O(rounds x pairs), memory O(pairs).
    """
    if not isinstance(rounds, int) or rounds < 1 or not 1 / (1 + rounds) < level < 1:
        raise ParameterError(f"level must be below 1 and above 1 / (1 + rounds), got level={level!r} and rounds={rounds!r}")
    validation, test = as_dataset(validation, "validation"), as_dataset(test, "test")
    if not len(validation) or not len(test):
        raise DataError("item_shift compares two parts, and one of them has no events")
    (user, n_users), (item, n_items) = (_common(validation, test, what) for what in ("users", "items"))
    in_test = np.repeat([False, True], [validation.matrix.nnz, test.matrix.nnz])
    of_user, of_test = np.bincount(user, minlength=n_users), np.bincount(user[in_test], minlength=n_users)
    order = np.argsort(user, kind="stable")
    user, item, in_test = user[order], item[order], in_test[order]
    total = np.bincount(item, minlength=n_items)
    observed = _distance(item, in_test, total)

    first = np.cumsum(of_user) - of_user
    apart = (of_test == 0) | (of_test == of_user)  # users with pairs on one side alone
    whole_users = np.flatnonzero(apart)
    rng = np.random.default_rng(seed)
    drawn = np.empty(rounds)
    for at in range(rounds):
        shuffled = np.argsort(user + rng.random(len(user)), kind="stable")  # the pairs of each user in random order
        place = np.empty(len(user), np.int64)
        place[shuffled] = np.arange(len(user))
        sides = np.where(apart, 0, of_test)
        moved = rng.permutation(whole_users)
        sides[whole_users] = np.where(of_test[moved] > 0, of_user[whole_users], 0)
        drawn[at] = _distance(item, place - first[user] < sides[user], total)
    p = (1 + int((drawn >= observed - 1e-12).sum())) / (1 + rounds)
    return ItemShift(observed, float(drawn.mean()), p, level)


def _common(validation: Dataset, test: Dataset, what: str) -> tuple[NDArray[np.int64], int]:
    """Numbers of the users or items of all pairs, those of validation first, and how many there are; by external id."""
    known, others = getattr(validation, what), getattr(test, what)
    rows = known.rows(list(others)).astype(np.int64)
    rows[rows < 0] = len(known) + np.arange((rows < 0).sum())
    left, right = ((part.matrix.row_ids(), part.matrix.indices)[what == "items"].astype(np.int64) for part in (validation, test))
    return np.concatenate([left, rows[right]]), int(len(known) + (rows >= len(known)).sum())


def _distance(item: NDArray[np.int64], in_test: NDArray[np.bool_], total: NDArray[np.int64]) -> float:
    """Total variation distance between the item shares of the two sides, `total` of both; 1 where one of them is empty."""
    test = np.bincount(item[in_test], minlength=len(total))
    n = int(in_test.sum())
    if n in (0, len(item)):
        return 1.0
    return 0.5 * float(np.abs((total - test) / (len(item) - n) - test / n).sum())

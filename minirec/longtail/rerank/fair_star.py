"""FA*IR: every prefix of a list has as many items of a protected group as chance would give with some probability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError
from ...models.contract.parameters import checked, choice, number
from .calibration import head_and_tail
from .candidates import Candidates, Chunk, Facts
from .conditions import optional_column
from .contract import Places, Reranker

_HALVINGS = 60  # of the interval in which the adjusted alpha is


def minimum_table(k: int, p: float, alpha: float) -> list[int]:
    """The fewest protected items in each prefix of 1..k places: the smallest m with P(Binomial(n, p) <= m) > alpha.

    Zehlike et al. 2017, "FA*IR: a fair top-k ranking algorithm", definition 3 and algorithm 1.

    >>> minimum_table(20, 0.25, 0.1)
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3]
    """
    table = []
    for n in range(1, k + 1):
        m, mass = 0, _binomial(n, p, 0)
        while mass <= alpha:
            m += 1
            mass += _binomial(n, p, m)
        table.append(m)
    return table


def fail_probability(table: Sequence[int], p: float) -> float:
    """The probability that k fair draws fail the table somewhere: exact, by the number of protected items so far.

    >>> round(fail_probability(minimum_table(20, 0.25, 0.1), 0.25), 9)
    0.146887189
    """
    alive = np.array([1.0])  # by the number of protected items so far
    for least in table:
        alive = np.append(alive * (1 - p), 0) + np.append(0, alive * p)
        alive[:least] = 0
    return float(1 - alive.sum())


@lru_cache(maxsize=256)
def adjusted_table(k: int, p: float, alpha: float, rule: str = "closest") -> tuple[int, ...]:
    """The table for an alpha that is lowered until all k tests together fail a fair list with probability alpha.

    rule : "closest", the table whose fail probability is nearest to alpha, as published (it may be above); "at most", the strictest
    table whose fail probability is no more than alpha.
    """
    low, high = 0.0, alpha
    tables = {tuple(minimum_table(k, p, alpha)), (0,) * k}
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        table = tuple(minimum_table(k, p, middle))
        tables.add(table)
        low, high = (middle, high) if fail_probability(table, p) <= alpha else (low, middle)
    failing = {table: fail_probability(table, p) for table in tables}
    if rule == "at most":
        return max((table for table in failing if failing[table] <= alpha), key=lambda table: (failing[table], table))
    return min(failing, key=lambda table: (abs(failing[table] - alpha), table))


def _binomial(n: int, p: float, m: int) -> float:
    return math.comb(n, m) * p**m * (1 - p) ** (n - m)


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise ParameterError(f"{name} must be a value of the item column, got {value!r}")


class FAStar(Reranker):
    """FA*IR: the best candidates in order, but where a prefix would have fewer protected items than the table asks, the best of those.

    Zehlike et al. 2017, "FA*IR: a fair top-k ranking algorithm", algorithm 2. The table is exact (no simulation). A list whose candidates
    have too few protected items gets all that there are. O(C) a user.
    """

    name = "fastar"

    by: str | None = checked(
        default=None, check=optional_column, limits="an item column or None", doc="The column of the group; None: the popularity tail."
    )
    protected: str = checked(default="tail", check=_text, limits="a value of the column", doc="The value that is protected.")
    share: float = number(default=0.3, above=0, below=1, doc="p, the share of protected items that a fair list has on average.")
    alpha: float = number(default=0.1, low=0, high=0.5, doc="The probability that a fair list fails; 0 gives the lists as they are.")
    correction: Literal["closest", "at most", "none"] = choice(
        default="closest", doc='How alpha is corrected for the k tests of a list; "none" tests each prefix at alpha.'
    )

    def table(self) -> tuple[int, ...]:
        """The fewest protected items in each prefix of the list."""
        if not self.alpha:
            return (0,) * self.k
        if self.correction == "none":
            return tuple(minimum_table(self.k, self.share, self.alpha))
        return adjusted_table(self.k, self.share, self.alpha, self.correction)

    def _ready(self, found: Candidates, facts: Facts) -> tuple[Any, int]:
        inside, table = self._inside(facts), self.table()
        return (lambda chunk: self._pick(chunk, inside, table)), 3

    def _inside(self, facts: Facts) -> NDArray[np.bool_]:
        if self.by is None:
            tail: NDArray[np.bool_] = head_and_tail(facts.popularity()).indices == 1
            return tail
        groups, names = facts.groups(self.by)
        if self.protected not in names:
            raise ParameterError(f"no item has {self.protected!r} in the column {self.by!r}; there are {', '.join(names[:20])}")
        inside: NDArray[np.bool_] = groups == names.index(self.protected)
        return inside

    def _pick(self, chunk: Chunk, inside: NDArray[np.bool_], table: Sequence[int]) -> Places:
        users, width = np.arange(len(chunk.users)), chunk.rows.shape[1]
        protected, left = inside[chunk.rows] & chunk.there, chunk.there.copy()
        chosen, had = np.full((len(users), self.k), -1, np.int64), np.zeros(len(users), np.int64)
        for place in range(min(self.k, width)):
            owed = had < table[place]
            able = (left & protected).any(axis=1)
            allowed = np.where((owed & able)[:, None], left & protected, left)
            at = np.argmax(allowed, axis=1)  # candidates stand best first
            good = allowed[users, at]
            chosen[:, place] = np.where(good, at, -1)
            left[users, at] = False
            had += good & protected[users, at]
        return chosen

"""Fair exposure of the groups within one ranking, in expectation: a linear program over rankings, and rankings to draw from."""

from __future__ import annotations

import secrets
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...models.contract.parameters import checked, choice, number, seeded
from .candidates import Candidates, Chunk, Facts
from .conditions import column_name
from .contract import Places, Reranker

_LEAST = 1e-9  # of a doubly stochastic matrix that is left


class Mixture(NamedTuple):
    """Rankings to draw from: `orders` (m, n), the item at each place, with `shares` that sum to 1."""

    orders: NDArray[np.int64]
    shares: NDArray[np.float64]


def birkhoff(matrix: NDArray[np.float64]) -> Mixture:
    """A doubly stochastic matrix (items, places) as a mixture of permutations, at most (n - 1)^2 + 1 of them. Birkhoff's theorem.

    Each step takes the assignment whose least entry is largest among those of the largest sum, by SciPy's solver. O(n^5) at the worst.
    """
    from scipy.optimize import linear_sum_assignment

    left, orders, shares = matrix.copy(), [], []
    for _ in range(matrix.size + 1):
        _, place_of = linear_sum_assignment(np.where(left > _LEAST, np.log(np.maximum(left, _LEAST)), -1e6), maximize=True)
        share = float(left[np.arange(len(left)), place_of].min())
        if share <= _LEAST:
            break
        left[np.arange(len(left)), place_of] -= share
        orders.append(np.argsort(place_of))
        shares.append(share)
    total = np.array(shares)
    return Mixture(np.array(orders), total / total.sum())


def fair_matrix(relevance: NDArray[np.float64], groups: NDArray[np.int64], rule: str) -> NDArray[np.float64]:
    """The doubly stochastic matrix P (items, places) of the largest sum u_i P_ij v_j, v_j = 1 / log2(1 + j), under a rule for the groups.

    rule : "parity", the mean exposure of each group is the same (demographic parity); "treatment", it is in proportion to the group's mean
    relevance (no disparate treatment). Singh and Joachims 2018, "Fairness of exposure in rankings", sections 4.1 and 4.2. By HiGHS; n^2
    variables.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, kron, vstack

    n = len(relevance)
    v = 1 / np.log2(np.arange(2, n + 2))
    rows = kron(csr_array(np.eye(n)), csr_array(np.ones((1, n))))
    columns = kron(csr_array(np.ones((1, n))), csr_array(np.eye(n)))
    names = [group for group in np.unique(groups) if group >= 0]
    weights = []
    for group in names:
        inside = groups == group
        merit = float(relevance[inside].mean()) if rule == "treatment" else 1.0
        weights.append(np.outer(inside / inside.sum(), v).ravel() / max(merit, 1e-12))
    fair = [weights[0] - other for other in weights[1:]]
    equal = vstack([rows, columns, *(csr_array(one[None, :]) for one in fair)])
    right = np.concatenate((np.ones(2 * n), np.zeros(len(fair))))
    found = linprog(-np.outer(relevance, v).ravel(), A_eq=equal, b_eq=right, bounds=(0, 1), method="highs")
    if found.x is None:
        raise DataError(f"no mixture of rankings gives the groups fair exposure ({rule}): {found.message}")
    matrix: NDArray[np.float64] = np.clip(found.x.reshape(n, n), 0, None)
    return matrix


class FairExposure(Reranker):
    """Fair exposure within each list in expectation: the best mixture of rankings under a rule for the groups, and one draw from it.

    Singh and Joachims 2018; see `fair_matrix` and `birkhoff`. The candidates that are ranked are the k best of each list. O(k^4) a user,
    for short lists. The draw depends on the seed and the place of the user alone.
    """

    name = "fair-exposure"

    by: str = checked(default="category", check=column_name, limits="an item column", doc="The column of the groups.")
    rule: Literal["parity", "treatment", "none"] = choice(
        default="parity", doc='What is equal for the groups; "none" gives the lists as they are.'
    )
    weight: float = number(default=1.0, low=0, high=1, doc="The probability that a list is drawn from the fair mixture; else it stays.")
    seed: int | None = seeded()

    def _ready(self, found: Candidates, facts: Facts) -> tuple[Any, int]:
        groups = facts.groups(self.by)[0].astype(np.int64)
        seed = secrets.randbits(32) if self.seed is None else self.seed

        def pick(chunk: Chunk) -> Places:
            chosen = np.full((len(chunk.users), self.k), -1, np.int64)
            for at, user in enumerate(chunk.users.tolist()):
                n = min(int(chunk.there[at].sum()), self.k)
                rng = np.random.default_rng((seed, user))
                chosen[at, :n] = self._drawn(chunk.relevance[at, :n], groups[chunk.rows[at, :n]], rng)
            return chosen

        return pick, 1

    def _drawn(self, relevance: NDArray[np.float64], groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        if self.rule == "none" or rng.random() >= self.weight or len({group for group in groups.tolist() if group >= 0}) < 2:
            return np.arange(len(relevance))
        mixture = birkhoff(fair_matrix(relevance, groups, self.rule))
        order: NDArray[np.int64] = mixture.orders[int(rng.choice(len(mixture.shares), p=mixture.shares))]
        return order

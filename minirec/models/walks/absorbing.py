"""Absorbing walks for the long tail: hitting time, absorbing time and absorbing cost.

Yin, Cui, Li, Yao and Chen 2012, "Challenging the long tail recommendation", PVLDB 5(9). The graph has users and items as nodes and their
events as edges with weights w_ui; a walk leaves a node for a neighbor with the probability p of the edge's share of the node's weights.
Each item is asked how long a walk that starts there takes until it is absorbed by what is known of the user. A popular item has many ways
to leave for elsewhere, so that, of two items as close to the user, the rarer one has the shorter time.

As in the paper the times are those of at most `steps` steps, worked out by that many rounds of the linear recursion on the part of the
graph that breadth-first search from the user reaches before it has `max_items` items. They are not told as times, though: of long ones,
nearly all `steps`, float32 would keep little. With T the time, cut at steps, the score is the time that is left, E[steps - T], a sum of
small positive numbers that ranks the same and is 0 for items that the search did not reach. For the cost the same with the largest cost of
`steps` steps. The last node before the end is an item of the history, and so a score is the sum of what the walks that end by each earn.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.ids import Rows
from ...engine.backend import kernel
from ...engine.graph.absorption import around, sums
from ...engine.linalg.topics import topic_shares
from ...engine.ranking.scorers import PathScorer, Scorer, Scores, pairs_by_block
from ...engine.sparse import CSR, Index
from ...errors import DataError
from ..contract.explanation import Part, history_parts
from ..contract.monitor import Monitor
from ..contract.parameters import changed, choice, fitted, flag, number, seeded, whole
from ..contract.recommender import Recommender
from ..contract.request import Profiles

_Table = NDArray[np.float64]


class _AbsorbingWalk(Recommender):
    """What the three have in common: the graph, what a walk earns, and the search for the part of the graph around a user."""

    _needs_users: ClassVar[bool] = True
    _at_items: ClassVar[bool] = True  # absorbed by the items of the history; else by the user

    steps: int = whole(
        default=15,
        high=10_000,
        search=(2, 30, "int"),
        doc="Rounds of the recursion, the longest time. An item farther away than that has the score 0.",
    )
    max_items: int = whole(
        default=6000,
        search=(500, 20_000, "int"),
        doc="Number of items found beside those of the history after which no further user is followed.",
    )
    use_weights: bool = flag(
        default=False, doc="Whether the summed weights of events are the weights of edges (all above 0); else each edge is 1."
    )

    by_item_: CSR = fitted("items", "users")  # the weights of the edges
    gains_: _Table = fitted("users", dtype="float64")  # what a walk earns on the way at each user
    rewards_: _Table = fitted("steps+1", dtype="float64")  # what it earns at its end, by the steps left

    def estimate_memory(self, dataset: Dataset) -> int:
        return 56 * len(dataset) + 64 * (dataset.n_users + dataset.n_items)

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        edges = self._edges(train.matrix)
        if not (edges.data > 0).all():
            raise DataError(f"{type(self).__name__} with use_weights=True needs weights above 0: they are shares of probabilities")
        self.by_item_ = edges.transpose()
        self.gains_, self.rewards_ = self._earnings(edges)

    def _earnings(self, edges: CSR) -> tuple[_Table, _Table]:
        """`gains_` and `rewards_`: here a step is worth 1."""
        return np.zeros(edges.shape[0]), np.arange(self.steps + 1, dtype=np.float64)

    def _edges(self, matrix: CSR) -> CSR:
        return matrix if self.use_weights else matrix.binary()

    def _scorer(self, profiles: Profiles) -> _WalkScorer:
        return _WalkScorer(self, profiles)

    def _similarity(self, rows: Rows) -> Scorer:
        return self._scores_alone(rows)

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """Follow all walks from the item at once, and note what is earned where they end."""
        scorer = self._scorer(profiles)
        targets, weights = scorer.history.row(0)
        own, new = int(scorer.own[0]), not self._at_items and scorer.own[0] < 0
        part = around(scorer.edges, self.by_item_, targets, -1 if self._at_items else own, self.max_items)
        at = np.flatnonzero(part.items == item)
        n, edges = len(targets), part.edges
        if not len(at):
            return []
        owner = edges.row_ids()
        by_row = sums(owner, edges.data, len(part.users))
        degree = sums(edges.indices, edges.data, len(part.items))
        ends = np.zeros(len(part.items))  # weight of the edge from an item to the user
        if new:
            ends[:n] = weights
            degree += ends
        elif not self._at_items:
            ends[edges.indices[owner == 0]] = edges.data[owner == 0]
        earned, on_the_way = np.zeros(n), 0.0
        mass = np.zeros(len(part.items))
        mass[at] = 1.0
        for left in range(self.steps, 0, -2):
            if self._at_items:
                earned += mass[:n] * self.rewards_[left]
                mass[:n] = 0
            else:
                earned += (mass * ends / degree)[:n] * self.rewards_[left - 1]
            passed = sums(owner, edges.data * (mass / degree)[edges.indices], len(part.users))
            on_the_way += float(passed @ self.gains_[part.users])
            if not (self._at_items or new):
                passed[0] = 0.0
            mass = sums(edges.indices, edges.data * (passed / by_row)[owner], len(part.items))
        parts = history_parts(self.items_, targets, earned)
        return [*parts, Part("way", "users met", on_the_way)] if on_the_way else parts


class _WalkScorer(PathScorer):
    """Scores of profiles by their walks, each on its own part of the graph."""

    def __init__(self, model: _AbsorbingWalk, profiles: Profiles) -> None:
        self.model, self.history = model, model._edges(profiles.history)
        if not (self.history.data > 0).all():
            raise DataError(f"{type(model).__name__} with use_weights=True needs weights above 0 in a history")
        self.edges = model._edges(model.seen_)
        self.own: Index = np.full(len(profiles), -1, np.int32) if profiles.rows is None else profiles.rows.astype(np.int32)

    @property
    def shape(self) -> tuple[int, int]:
        return self.history.shape

    def block(self, start: int, stop: int) -> Scores:
        m, out = self.model, np.zeros((stop - start, self.shape[1]), np.float32)
        kernel("absorb_walks", m.backend_)(
            start, stop, *self.edges[:3], *m.by_item_[:3], *self.history[:3], self.own, m._at_items, m.gains_, m.rewards_, m.max_items, out
        )  # fmt: skip
        return out

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)


class HittingTime(_AbsorbingWalk):
    """Walks from an item to the user: the score is E[steps - T] with T the steps until the user is met, `steps` at the most.

    T(j) = 1 + sum over the neighbors of j of p T, T(u) = 0. Yin et al. 2012 (after Fouss et al. 2007, "Random-walk computation
    of similarities between nodes of a graph"); see the head of minirec/models/walks/absorbing.py for the score. A new user is a node of its
    own for the time of the request, with edges to the items of the history.

    Nothing is learned. A user costs O(steps x edges of their part of the graph), memory as the events.
    """

    name = "hittingtime"
    _at_items: ClassVar[bool] = False


class AbsorbingTime(_AbsorbingWalk):
    """Walks from an item to the items of the history: the score is E[steps - T] with T the steps until one of them is met.

    T(j) = 1 + sum over the neighbors of j of p T, T(i) = 0 for i in the history. Yin et al. 2012; see the head of
    minirec/models/walks/absorbing.py for the score. The user's own node is never on the way, as all its neighbors are ends: known
    and new users with the same history have the same scores.

    Nothing is learned. A user costs O(steps x edges of their part of the graph), memory as the events.
    """

    name = "absorbingtime"


class AbsorbingCost(_AbsorbingWalk):
    """`AbsorbingTime` with steps that cost: a step to a user costs the entropy of that user's tastes, one to an item a constant.

    A(j) = sum_u p_ju (E(u) + A(u)),  A(u) = C + sum_i p_ui A(i),  A(i) = 0 for i in the history; C = step_cost times the mean of E. So
    that users of few tastes, who tell more, are cheap to pass. The score is the largest cost of `steps` steps (where each step to a user
    costs the largest E) minus the expected one; its part that is no item of the history is what users below the largest E save on the way.
    Yin et al. 2012, with either entropy of theirs:

        entropy="item" (AC1):  E(u) = -sum_i p_ui log p_ui, of the items;
        entropy="topic" (AC2): E(u) = -sum_k t_uk log t_uk, of the topics of LDA with users as documents and items as terms.

    We fit LDA by expectation maximisation (see engine/linalg/topics.py) where the paper samples; it is much faster, and deterministic.

    Time of a fit O(topic_iterations x topics x events) for topics, else O(events); of a user as AbsorbingTime.
    """

    name = "absorbingcost"

    use_weights: bool = changed(
        doc="Whether the summed weights of events are the weights of edges (all above 0), and count in both entropies; else each edge is 1."
    )
    entropy: Literal["item", "topic"] = choice(default="item", search=["item", "topic"], doc="Of what E is the entropy, see above.")
    step_cost: float = number(
        default=1.0, low=0, high=1e6, search=(0.1, 3.0, "log"), doc="Cost of a step from a user to an item, in mean entropies."
    )
    topics: int = whole(default=20, high=10_000, search=[10, 20, 50], doc='Topics of LDA, for entropy="topic" alone.')
    topic_iterations: int = whole(default=50, high=10_000, doc='Rounds of LDA, for entropy="topic" alone.')
    seed: int | None = seeded(doc='Seed of the random start of LDA, for entropy="topic" alone; None draws a fresh one for each fit.')

    def estimate_memory(self, dataset: Dataset) -> int:
        tables = 24 * self.topics * (dataset.n_users + dataset.n_items) + 24 * len(dataset) if self.entropy == "topic" else 0
        return super().estimate_memory(dataset) + tables

    def _earnings(self, edges: CSR) -> tuple[_Table, _Table]:
        if self.entropy == "topic":
            shares = topic_shares(edges, self.topics, self.topic_iterations, self.seed_)
            entropy: _Table = -(shares * np.log(shares)).sum(axis=1)
        else:
            owner, n = edges.row_ids(), edges.shape[0]
            p = edges.data / sums(owner, edges.data, n)[owner]
            entropy = sums(owner, -p * np.log(p), n)
        largest, constant = float(entropy.max()), self.step_cost * float(entropy.mean())
        left = np.arange(self.steps + 1)
        return largest - entropy, (left + 1) // 2 * largest + left // 2 * constant

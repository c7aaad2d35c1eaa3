"""The contract of re-rankers: lists with candidates in, shorter lists out, and what they cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.ids import Id
from ...engine.backend import one_blas_thread, run_blocks
from ...errors import NotFittedError, ParameterError
from ...models.contract.parameters import Parametrized, checked, whole
from ...models.contract.recommendations import Recommendations
from ...models.contract.recommender import Recommender
from .candidates import Candidates, Chunk, Facts

Places = NDArray[np.int64]  # (users, k): places within each list of candidates, -1 where there is none


class Moved(NamedTuple):
    """A place of a re-ranked list: the item there, the item that the candidates had there, and the score that was given up for it."""

    place: int
    item: Id
    instead_of: Id
    given_up: float


class Reranked(Recommendations):
    """Re-ranked lists, in their new order; `scores` are those of the candidates, so they need not fall.

    cost : mean over users of 1 - (sum of the list's scores) / (sum of the k best), for scores moved so that the least candidate has 0.
    report : what else the method tells, such as a certificate.
    """

    def __init__(self, taken: Recommendations, cost: float, report: dict[str, Any]) -> None:
        super().__init__(taken.users, taken.indptr, taken.rows, taken.scores, taken._items, taken.ignored)
        self.cost, self.report = cost, report


def _model(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, Recommender):
        raise ParameterError(f"{name} must be a model, such as minirec.EASE(), or None, got {value!r}")


class Reranker(Parametrized, ABC):
    """A method that makes lists of k out of longer ones.

    `apply` takes lists of any kind. With `model` the re-ranker is a recommender: `fit(events, items=...)` fits the model where it is not
    fitted and keeps what is known about the items, and `recommend` re-ranks the model's best `candidates`.
    """

    name: ClassVar[str]
    per_user: ClassVar[bool] = True  # the list of a user does not depend on the lists of the others

    k: int = whole(default=10, high=10_000, doc="Length of the lists.")
    candidates: int = whole(default=100, high=100_000, doc="How many items of `model` are re-ranked.")
    model: Any = checked(default=None, check=_model, limits="a model or None", doc="The model whose lists are re-ranked.")

    def apply(self, lists: Any, *, events: Dataset | None = None, items: Any = None) -> Reranked:
        """Re-rank lists.

        lists : candidates of each user, more than k of them: `Recommendations`, {user: items or (item, score) pairs}, or a table with the
            columns user, item and score or rank. events, items : what is known about the items; see `Facts`.

        >>> import minirec as mr
        >>> lists = {"ann": [("a", 3.0), ("b", 2.9), ("c", 1.0)]}
        >>> kinds = {"kind": {"a": "film", "b": "film", "c": "book"}}
        >>> mr.rerank.MMR(k=2, weight=0.9, by="kind").apply(lists, items=kinds).to_dict()["ann"]
        [('a', 3.0), ('c', 1.0)]

        Raises ParameterError where something that the method needs is not given, DataError for lists that cannot be read.
        """
        self._check()
        found = Candidates.of(lists)
        return self._reranked(found, Facts(found.items, events, items))

    def _reranked(self, found: Candidates, facts: Facts) -> Reranked:
        chosen, report = self._choose(found, facts)
        return Reranked(found.taken(chosen), _cost(found, chosen, self.k), report)

    def _choose(self, found: Candidates, facts: Facts) -> tuple[Places, dict[str, Any]]:
        """The places chosen for all users, and what the method tells."""
        pick, width = self._ready(found, facts)
        with one_blas_thread():
            parts = run_blocks(lambda start, stop: pick(found.chunk(start, stop)), len(found.users), found.together(width))
        return np.concatenate([np.zeros((0, self.k), np.int64), *parts]), {}

    @abstractmethod
    def _ready(self, found: Candidates, facts: Facts) -> tuple[Any, int]:
        """What chooses for a chunk, chunk -> (B, k), and how many numbers it holds for each candidate."""

    # ---- over a model ---------------------------------------------------------------------------------------------------

    def fit(self, events: Dataset, *, items: Any = None) -> Reranker:
        """Fit `model` where it is not fitted, and keep the events and what is known about the items."""
        self._check()
        if self.model is None:
            raise ParameterError(f"{type(self).__name__} has no model to fit: pass model=..., or call apply(lists)")
        if "users_" not in vars(self.model):
            self.model.fit(events)
        self._known = (events, items)
        return self

    def recommend(self, users: Any = None, **request: Any) -> Reranked:
        """Lists of k for known users, or for histories; `request` is as for the model's `recommend`."""
        if "_known" not in vars(self):
            raise NotFittedError(f"this {type(self).__name__} is not fitted: call fit(events, items=...) first")
        if "k" in request:
            raise ParameterError(f"the length of the lists is k={self.k} of the re-ranker: set it there")
        events, items = self._known
        found = Candidates.of(self.model.recommend(users, k=max(self.candidates, self.k), **request))
        return self._reranked(found, Facts(found.items, events, items))

    def explain(self, user: Id) -> list[Moved]:
        """For each place of a user's list whose item is another than the model's: what it was given up for, and the score it cost."""
        listed, plain = self.recommend([user]), self.model.recommend([user], k=self.k)
        moved = []
        for place, (item, score) in enumerate(zip(listed[0].items, listed[0].scores, strict=True)):
            before = plain[0].items[place]
            if before != item:
                moved.append(Moved(place, item, before, float(plain[0].scores[place] - score)))
        return moved


def first(chunk: Chunk, k: int) -> Places:
    """The k best candidates as they are."""
    length = chunk.there.shape[1]
    places = np.broadcast_to(np.arange(k), (len(chunk.users), k))
    inside = np.zeros((len(chunk.users), k), bool)
    inside[:, : min(k, length)] = chunk.there[:, :k]
    return np.where(inside, places, -1)


def best(values: NDArray[np.float64], there: NDArray[np.bool_], k: int) -> Places:
    """The k candidates of the highest values, best first; of equal ones the earlier candidate."""
    order = np.argsort(-np.where(there, values, -np.inf), axis=1, kind="stable")[:, :k]
    chosen = np.where(np.take_along_axis(there, order, axis=1), order, -1)
    return np.pad(chosen, ((0, 0), (0, k - chosen.shape[1])), constant_values=-1)


def _cost(found: Candidates, chosen: Places, k: int) -> float:
    if not len(found.users):
        return 0.0
    owner, lengths = found.owners(), np.diff(found.indptr)
    lowest = np.full(len(lengths), np.inf)
    np.minimum.at(lowest, owner, found.scores)
    moved = found.scores - lowest[owner]
    place = np.arange(len(owner)) - found.indptr[owner]
    most = np.bincount(owner, weights=moved * (place < k), minlength=len(lengths))
    at = np.where(chosen >= 0, found.indptr[:-1][:, None] + chosen, 0)
    got = np.where(chosen >= 0, moved[at] if len(moved) else 0.0, 0.0).sum(axis=1)
    return float(np.mean(np.divide(most - got, most, out=np.zeros_like(most), where=most > 0)))

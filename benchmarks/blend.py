"""Models with a knob for the tail that they lack: blended, and with popularity taken from their scores; for measurements only."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from minirec.data.dataset import Dataset
from minirec.data.ids import Rows
from minirec.engine.ranking.scorers import BlendScorer, Scorer, Scores, pairs_by_block
from minirec.engine.sparse import Index
from minirec.models import model_class
from minirec.models.contract.checks import number
from minirec.models.contract.monitor import Monitor
from minirec.models.contract.recommender import Recommender
from minirec.models.contract.request import Profiles


def _made(name: str, settings: dict[str, Any]) -> Recommender:
    return model_class(name.lower())(**settings)


class _Kept:
    """A scorer of known users that computes each block once, for as long as the store lives."""

    def __init__(self, scorer: Scorer, rows: Rows, store: dict[bytes, Scores]) -> None:
        self.scorer, self.rows, self.store = scorer, rows, store
        self.tile = getattr(scorer, "tile", 16)

    @property
    def shape(self) -> tuple[int, int]:
        return self.scorer.shape

    def block(self, start: int, stop: int) -> Scores:
        name = self.rows[start:stop].tobytes()
        if name not in self.store:
            self.store[name] = self.scorer.block(start, stop)
        return self.store[name].copy()

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)


class Blend(Recommender):
    """score(u, i) = ((1 - w) b_ui / std_j(b_uj) + w c_ui / std_j(c_uj)) / d_i^t, d_i the number of users of the item.

    base : [model, its settings], b. content : the same, c. weight : w. tail_exponent : t. The last two may be changed after the
    fit; scores of b and c are kept for that, so that memory is that of two matrices (users, items).
    """

    name: ClassVar[str] = "blend"

    def __init__(self, *, base: list[Any], content: list[Any], weight: float = 0.2, tail_exponent: float = 0.0) -> None:
        self.base = base
        self.content = content
        self.weight = weight
        self.tail_exponent = tail_exponent

    def _unfitted(self) -> list[Recommender]:
        return [_made(*member) for member in (self.base, self.content)]

    def _check(self) -> None:
        number("weight", self.weight, low=0, high=1)
        number("tail_exponent", self.tail_exponent, low=0)

    def estimate_memory(self, dataset: Dataset) -> int:
        return sum(member.estimate_memory(dataset) for member in self._unfitted())

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        self.members_ = [member.fit(train) for member in self._unfitted()]
        self.stores_: list[dict[bytes, Scores]] = [{} for _ in self.members_]
        self.degrees_ = train.item_counts.astype(np.float64)

    def _scorer(self, profiles: Profiles) -> BlendScorer:
        scorers: list[Scorer] = [member._scorer(profiles) for member in self.members_]
        if profiles.rows is not None:
            scorers = [_Kept(scorer, profiles.rows, store) for scorer, store in zip(scorers, self.stores_, strict=True)]
        after = np.maximum(self.degrees_, 1) ** -self.tail_exponent
        return BlendScorer(scorers, (1 - self.weight, self.weight), after.astype(np.float32))


class Adjusted(Recommender):
    """score(u, i) = b_ui - t ln d_i, d_i the number of users of the item, for logits b: after the fit, as in Menon et al. 2021,
    "Long-tail learning via logit adjustment".

    base : [model, its settings], b. tail_exponent : t, which may be changed after the fit.
    """

    name: ClassVar[str] = "adjusted"
    _ordered = True

    def __init__(self, *, base: list[Any], tail_exponent: float = 0.0) -> None:
        self.base = base
        self.tail_exponent = tail_exponent

    def _check(self) -> None:
        number("tail_exponent", self.tail_exponent, low=0)

    def estimate_memory(self, dataset: Dataset) -> int:
        return _made(*self.base).estimate_memory(dataset)

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        self.fitted_ = _made(*self.base).fit(train)
        self.logarithms_ = np.log(np.maximum(train.item_counts, 1)).astype(np.float32)

    def _profiles_of(self, rows: Rows) -> Profiles:
        return self.fitted_._profiles_of(rows)

    def _scorer(self, profiles: Profiles) -> Scorer:
        return _Less(self.fitted_._scorer(profiles), np.float32(self.tail_exponent) * self.logarithms_)


class _Less:
    """A scorer with a number taken from the scores of each item."""

    def __init__(self, scorer: Scorer, taken: Scores) -> None:
        self.scorer, self.taken = scorer, taken

    @property
    def shape(self) -> tuple[int, int]:
        return self.scorer.shape

    def block(self, start: int, stop: int) -> Scores:
        scores: Scores = self.scorer.block(start, stop) - self.taken
        return scores

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)

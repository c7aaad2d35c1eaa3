"""GraphBlend: a graph filter and a sparse autoencoder, which see different things, added up."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..data.dataset import Dataset
from ..data.ids import Rows
from ..engine.ranking.scorers import BlendScorer, Scorer, Scores
from ..engine.sparse import CSR
from ..models.contract.explanation import Part, history_parts
from ..models.contract.monitor import Monitor
from ..models.contract.parameters import fitted, number, shared
from ..models.contract.recommender import Recommender
from ..models.contract.request import Profiles
from ..models.contract.state import kept
from ..models.graphs.graph_filters import ChebyCF
from ..models.linear.sansa import SANSA


class GraphBlend(Recommender):
    """score(u, j) = ((1 - w) f_uj / std_i(f_ui) + w s_uj / std_i(s_ui)) / d_j^t, f the scores of `ChebyCF` and s those of `SANSA`.

    The filter works on the normalized graph and passes its low frequencies; the autoencoder regresses plain co-occurrences on each
    other and has all frequencies. On the LightGCN split of Gowalla both together are above the published record
    (benchmarks/PUBLISHED.md); the defaults were chosen there, on the latest tenth of train. Ours: no paper has it.

    Where histories are long (270 items each on Complete Journey, benchmarks/FRONTIER.md), more `neighbors` and a length_exponent of .5 are
    better than the defaults. A new user needs nothing but a history: fold-in is exact. The costs are those of both models, one after the
    other.
    """

    name = "graphblend"

    weight: float = number(default=0.2, low=0, high=1, search=(0.0, 1.0, "linear"), doc="w, the share of the autoencoder.")
    regularization: float = shared(SANSA, "regularization", default=60.0)
    neighbors: int = shared(SANSA, "neighbors", default=20)
    length_exponent: float = shared(SANSA, "length_exponent")
    order: int = shared(ChebyCF, "order")
    flatness: float = shared(ChebyCF, "flatness")
    factors: int = shared(ChebyCF, "factors")
    alpha: float = shared(ChebyCF, "alpha")
    beta: float = shared(ChebyCF, "beta")
    user_exponent: float = shared(ChebyCF, "user_exponent", default=0.35)
    item_exponent: float = shared(ChebyCF, "item_exponent")
    tail_exponent: float = shared(
        ChebyCF, "tail_exponent", doc="t: each score is divided by the users of the item to this power; the knob of the tail."
    )

    scale_: float = fitted()  # these three of the filter
    inward_: Scores = fitted("items", "k")
    outward_: Scores = fitted("k", "items")
    encoder_: CSR = fitted("items", "items", sparse=True)  # these two of the autoencoder
    decoder_: CSR = fitted("items", "items", sparse=True)
    _needs_users: ClassVar[bool] = True

    def _unfitted(self) -> tuple[ChebyCF, SANSA]:
        given = self.get_params()
        return (
            ChebyCF(**{name: given[name] for name in ChebyCF._parameter_names() if name != "tail_exponent"}),
            SANSA(**{name: given[name] for name in SANSA._parameter_names()}),
        )

    def _members(self) -> tuple[ChebyCF, SANSA]:
        """The two models, with what was fitted; kept as long as the events are the same."""

        def make() -> tuple[ChebyCF, SANSA]:
            members = self._unfitted()
            for member in members:
                for name in ("users_", "items_", "seen_", "backend_", *member._state):
                    setattr(member, name, getattr(self, name))
            return members

        return kept(self, "_kept_members", self.seen_, make)

    def estimate_memory(self, dataset: Dataset) -> int:
        return sum(member.estimate_memory(dataset) for member in self._unfitted())

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        for member in self._unfitted():
            member.backend_ = self.backend_
            member._fit(train, monitor)
            for name in member._state:
                setattr(self, name, getattr(member, name))

    def _scorer(self, profiles: Profiles) -> BlendScorer:
        members = self._members()
        degrees = members[0]._graph()[1]
        scorers = [member._scorer(profiles) for member in members]
        return BlendScorer(scorers, (1 - self.weight, self.weight), (degrees**-self.tail_exponent).astype(np.float32))

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        scorer = self._scorer(profiles)
        shares: dict[Any, float] = {}
        for member, scale in zip(self._members(), scorer.scales(0) * scorer.after[item], strict=True):
            for part in member._explain(profiles, item):
                shares[part.name] = shares.get(part.name, 0.0) + float(scale) * part.value
        return history_parts(self.items_, self.items_.rows(list(shares)), np.array(list(shares.values())))

    def _similarity(self, rows: Rows) -> Scorer:
        return self._scores_alone(rows)

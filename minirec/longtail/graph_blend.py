"""GraphBlend: a graph filter and a sparse autoencoder, which see different things, added up."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..data.dataset import Dataset
from ..engine.ranking.scorers import BlendScorer, Scores
from ..engine.sparse import CSR
from ..models.contract.checks import number
from ..models.contract.explanation import Part, history_parts
from ..models.contract.monitor import Monitor
from ..models.contract.recommender import Recommender
from ..models.contract.request import Profiles
from ..models.graphs.graph_filters import ChebyCF
from ..models.linear.sansa import SANSA


class GraphBlend(Recommender):
    """score(u, j) = ((1 - w) f_uj / std_i(f_ui) + w s_uj / std_i(s_ui)) / d_j^t, f the scores of `ChebyCF` and s those of `SANSA`.

    The filter works on the normalised graph and passes its low frequencies; the autoencoder regresses plain co-occurrences on each
    other and has all frequencies. On the LightGCN split of Gowalla both together are above the published record
    (benchmarks/PUBLISHED.md); the defaults were chosen there, on the latest tenth of train. Ours: no paper has it.

    Parameters
    ----------
    weight : w, from 0 to 1, the share of the autoencoder.
    regularization, neighbors, length_exponent : of the autoencoder, see `SANSA`. Where histories are long (270 items each on Complete
        Journey, benchmarks/FRONTIER.md), more neighbours and a length_exponent of .5 are better than the defaults.
    order, flatness, factors, alpha, beta, user_exponent, item_exponent : of the filter, see `ChebyCF`.
    tail_exponent : t, at least 0; d is the number of users of an item. The knob of the tail, 0 for none.

    A new user needs nothing but a history: fold-in is exact. The costs are those of both models, one after the other.
    """

    name = "graphblend"
    search_space: ClassVar[dict[str, Any]] = {"weight": (0.0, 1.0, "linear"), **SANSA.search_space, **ChebyCF.search_space}
    _state: ClassVar[tuple[str, ...]] = (*ChebyCF._state, *SANSA._state)
    _needs_users: ClassVar[bool] = True

    scale_: float  # these three of the filter
    inward_: Scores
    outward_: Scores
    encoder_: CSR  # these two of the autoencoder
    decoder_: CSR

    def __init__(
        self,
        *,
        weight: float = 0.2,
        regularization: float = 60.0,
        neighbors: int = 20,
        length_exponent: float = 0.0,
        order: int = 8,
        flatness: float = 1.5,
        factors: int = 512,
        alpha: float = 0.2,
        beta: float = 0.4,
        user_exponent: float = 0.35,
        item_exponent: float = 0.5,
        tail_exponent: float = 0.0,
    ) -> None:
        self.weight = weight
        self.regularization = regularization
        self.neighbors = neighbors
        self.length_exponent = length_exponent
        self.order = order
        self.flatness = flatness
        self.factors = factors
        self.alpha = alpha
        self.beta = beta
        self.user_exponent = user_exponent
        self.item_exponent = item_exponent
        self.tail_exponent = tail_exponent

    def _unfitted(self) -> tuple[ChebyCF, SANSA]:
        given = self.get_params()
        return (
            ChebyCF(**{name: given[name] for name in ChebyCF._parameter_names() if name != "tail_exponent"}),
            SANSA(**{name: given[name] for name in SANSA._parameter_names()}),
        )

    def _members(self) -> tuple[ChebyCF, SANSA]:
        """The two models, with what was fitted; kept as long as the events are the same."""
        kept: tuple[CSR, tuple[ChebyCF, SANSA]] | None = vars(self).get("_kept_members")
        if kept is None or kept[0] is not self.seen_:
            members = self._unfitted()
            for member in members:
                for name in ("users_", "items_", "seen_", "backend_", *member._state):
                    setattr(member, name, getattr(self, name))
            kept = self._kept_members = (self.seen_, members)
        return kept[1]

    def _check(self) -> None:
        number("weight", self.weight, low=0, high=1)
        number("tail_exponent", self.tail_exponent, low=0)
        for member in self._unfitted():
            member._check()

    def estimate_memory(self, dataset: Dataset) -> int:
        return sum(member.estimate_memory(dataset) for member in self._unfitted())

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        for member in self._unfitted():
            member.backend_ = self.backend_
            member._fit(train, monitor)
            for name in member._state:
                setattr(self, name, getattr(member, name))

    def _check_shapes(self) -> None:
        for member in self._members():
            member._check_shapes()
        super()._check_shapes()

    def _scorer(self, profiles: Profiles) -> BlendScorer:
        members = self._members()
        degrees = members[0]._graph()[2]
        scorers = [member._scorer(profiles) for member in members]
        return BlendScorer(scorers, (1 - self.weight, self.weight), (degrees**-self.tail_exponent).astype(np.float32))

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        scorer = self._scorer(profiles)
        shares: dict[Any, float] = {}
        for member, scale in zip(self._members(), scorer.scales(0) * scorer.after[item], strict=True):
            for part in member._explain(profiles, item):
                shares[part.name] = shares.get(part.name, 0.0) + float(scale) * part.value
        return history_parts(self.items_, self.items_.rows(list(shares)), np.array(list(shares.values())))

    def _item_similarity(self, item: int) -> Scores:
        return self._scores_alone(item)

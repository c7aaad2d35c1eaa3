"""Models around models: two of them added up, and one with popularity taken from its scores; both with a knob for the tail."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..data.ids import Rows
from ..engine.backend import one_blas_thread
from ..engine.ranking.scorers import BlendScorer, PathScorer, Scorer, Scores, VectorScorer, pairs_by_block
from ..engine.sparse import Index
from ..models.contract.explanation import Part
from ..models.contract.monitor import Monitor
from ..models.contract.parameters import checked, fitted, number, seeded
from ..models.contract.recommender import Recommender
from ..models.contract.request import Profiles
from ..models.forms.parts import Settings, check_name, check_settings, part


class Blend(Recommender):
    """score(u, i) = ((1 - w) b_ui / std_j(b_uj) + w c_ui / std_j(c_uj)) / d_i^t, d_i the number of users of the item.

    b are the scores of the model `base` and c those of `other`, each divided by its standard deviation over all items. A sum of scores
    that were brought to one scale: Fox & Shaw 1994, "Combination of multiple searches" (CombSUM). Scores that are the same for all items
    say nothing and count 0.

    Fit and requests cost what both models cost, one after the other. New users are served as both models serve them.

    >>> import minirec as mr
    >>> data = mr.synthetic(n_users=60, n_items=40, n_events=800, seed=0)
    >>> model = mr.Blend(base="ease", base_params={"regularization": 20.0}, other="als", other_params={"factors": 8}, weight=0.3).fit(data)
    >>> len(model.recommend(data.users[0], k=5)[0].items)
    5
    """

    name = "blend"

    base: str = checked(default="ease", check=check_name, doc="Registry name of the first model.", limits="name of a model")
    base_params: Settings = checked(
        default=None, check=check_settings, doc="Its parameters, {name: value}; others keep their defaults.", limits="dictionary or None"
    )
    other: str = checked(default="itemknn", check=check_name, doc="Registry name of the second model.", limits="name of a model")
    other_params: Settings = checked(default=None, check=check_settings, doc="Its parameters alike.", limits="dictionary or None")
    weight: float = number(default=0.2, low=0, high=1, search=(0.0, 1.0, "linear"), doc="w, the share of the second model.")
    tail_exponent: float = number(
        default=0.0, low=0, high=10, search=(0.0, 0.4, "linear"), doc="t, the knob of the tail: the larger, the less popular the items."
    )
    seed: int | None = seeded(doc="Goes to the models that have one, where their parameters do not set it; None draws a fresh one.")

    base_: Recommender = fitted()
    other_: Recommender = fitted()
    degrees_: NDArray[np.float64] = fitted("items", dtype="float64")

    def _check(self) -> None:
        super()._check()
        self._unfitted(0)

    def _unfitted(self, seed: int) -> tuple[Recommender, Recommender]:
        return part(self.base, self.base_params, seed), part(self.other, self.other_params, seed)

    def estimate_memory(self, dataset: Dataset) -> int:
        return sum(member.estimate_memory(dataset) for member in self._unfitted(0))

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        base, other = self._unfitted(self.seed_)
        self.base_, self.other_ = base.fit(train), other.fit(train)
        self.degrees_ = train.item_counts.astype(np.float64)

    def _scorer(self, profiles: Profiles) -> BlendScorer:
        scorers = [scorer_of(member, profiles) for member in (self.base_, self.other_)]
        return BlendScorer(scorers, (1 - self.weight, self.weight), (self.degrees_**-self.tail_exponent).astype(np.float32))

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """The parts of both models, each multiplied as its scores are; behind the source stands the name of the model."""
        scorer = self._scorer(profiles)
        parts = []
        members = ((self.base_, self.base), (self.other_, self.other))
        for (member, name), scale in zip(members, scorer.scales(0).astype(np.float64) * float(scorer.after[item]), strict=True):
            if scale:
                for one in member._explain(profiles_for(member, profiles), item):
                    parts.append(Part(f"{one.source}, {name}", one.name, float(scale) * one.value))
        return parts

    def _similarity(self, rows: Rows) -> Scorer:
        return self._scores_alone(rows)

    def _check_shapes(self) -> None:
        for member in (self.base_, self.other_):
            _check_same(self, member)
        super()._check_shapes()


class Adjusted(Recommender):
    """score(u, i) = b_ui - t ln d_i, d_i the number of users of the item: logit adjustment after the fit.

    b are the scores of the model `base`, best logits, such as those of sequence models and of softmax losses. Menon et al. 2021, "Long-tail
    learning via logit adjustment", section 4.1: where b is ln p(i | u) of the data, t = 1 ranks by p(i | u) / p(i).

    Costs what the model costs. What the model knows nothing of is not known here either.

    >>> import minirec as mr
    >>> data = mr.synthetic(n_users=60, n_items=40, n_events=800, seed=0)
    >>> model = mr.Adjusted(base="bpr", base_params={"factors": 8, "iterations": 5}, tail_exponent=0.5).fit(data)
    >>> len(model.recommend(data.users[0], k=5)[0].items)
    5
    """

    name = "adjusted"

    base: str = checked(default="bpr", check=check_name, doc="Registry name of the model.", limits="name of a model")
    base_params: Settings = checked(
        default=None, check=check_settings, doc="Its parameters, {name: value}; others keep their defaults.", limits="dictionary or None"
    )
    tail_exponent: float = number(
        default=0.2, low=0, high=100, search=(0.0, 1.0, "linear"), doc="t, the knob of the tail: the larger, the less popular the items."
    )
    seed: int | None = seeded(doc="Goes to the model, where it has one and `base_params` does not set it; None draws a fresh one.")

    base_: Recommender = fitted()
    logarithms_: Scores = fitted("items")  # ln d

    def _check(self) -> None:
        super()._check()
        self._unfitted(0)

    def _unfitted(self, seed: int) -> Recommender:
        return part(self.base, self.base_params, seed)

    def estimate_memory(self, dataset: Dataset) -> int:
        return self._unfitted(0).estimate_memory(dataset)

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        self.base_ = self._unfitted(self.seed_).fit(train)
        self.logarithms_ = np.log(train.item_counts).astype(np.float32)

    def _scorer(self, profiles: Profiles) -> Scorer:
        return _Less(scorer_of(self.base_, profiles), self._taken())

    def _taken(self) -> Scores:
        taken: Scores = np.float32(self.tail_exponent) * self.logarithms_
        return taken

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """The parts of the model, and "popularity": - t ln d."""
        taken = float(self._taken()[item])
        parts = self.base_._explain(profiles_for(self.base_, profiles), item)
        return [*parts, Part("popularity", self.items_[item], -taken)] if taken else parts

    def _similarity(self, rows: Rows) -> Scorer:
        return self.base_._similarity(rows)

    def _check_shapes(self) -> None:
        _check_same(self, self.base_)
        super()._check_shapes()


def _check_same(model: Recommender, member: Recommender) -> None:
    if len(member.items_) != len(model.items_) or len(member.users_) != len(model.users_):
        found, wanted = ((len(each.users_), len(each.items_)) for each in (member, model))
        raise ValueError(f"a part knows (users, items) {found} of {wanted}")


def profiles_for(member: Recommender, profiles: Profiles) -> Profiles:
    """The profiles as a model that was fitted on the same data has them: it may keep the order of events of known users."""
    return profiles if profiles.rows is None else member._profiles_of(profiles.rows)


def scorer_of(member: Recommender, profiles: Profiles) -> Scorer:
    """The scorer of a model, such that the scores of a profile have the same bits alone and with others."""
    scorer = member._scorer(profiles_for(member, profiles))
    return _Alone(scorer) if isinstance(scorer, VectorScorer) else scorer


class _Alone:
    """The scores of vectors, a profile at a time: the bits of a product of matrices depend on their shapes."""

    def __init__(self, scorer: VectorScorer) -> None:
        self.scorer = scorer

    @property
    def shape(self) -> tuple[int, int]:
        return self.scorer.shape

    def block(self, start: int, stop: int) -> Scores:
        out = np.empty((stop - start, self.shape[1]), np.float32)
        with one_blas_thread():
            for row in range(start, stop):
                out[row - start] = self.scorer.block(row, row + 1)[0]
        return out

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)


class _Less(PathScorer):
    """A scorer with a number taken from the scores of each item."""

    def __init__(self, scorer: Scorer, taken: Scores) -> None:
        self.scorer, self.taken = scorer, taken
        self.tile = getattr(scorer, "tile", 16)

    @property
    def shape(self) -> tuple[int, int]:
        return self.scorer.shape

    def block(self, start: int, stop: int) -> Scores:
        scores: Scores = self.scorer.block(start, stop) - self.taken
        return scores

    def drop_unknown(self, start: int, stop: int, scores: Scores) -> None:
        """-inf where the scorer itself knows nothing."""
        if isinstance(self.scorer, PathScorer):
            own = self.scorer.block(start, stop)
            self.scorer.drop_unknown(start, stop, own)
            np.putmask(scores, own == -np.inf, -np.inf)

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)

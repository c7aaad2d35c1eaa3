"""Any model of the registry, with new items: a map from the content of items to what the model learned of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.ids import Ids, Rows
from ...engine.ranking.neighbors import nearest_vectors
from ...engine.ranking.scorers import PathScorer, Scorer, Scores, VectorScorer, pairs_by_block
from ...engine.sequences import Sequences
from ...engine.sparse import CSR, Index
from ...errors import DataError, NotSupportedError, ParameterError
from ..contract.explanation import Part
from ..contract.monitor import Monitor
from ..contract.parameters import MOST, checked, choice, fitted, seeded, whole
from ..contract.recommender import Recommender
from ..contract.request import Profiles
from ..contract.state import kept
from ..forms.content import ContentModel, FeatureModel, Grown, unit_rows
from ..forms.parts import Settings, check_name, check_settings, part
from ..forms.vectors import VectorModel, cosines

_PENALTIES = 10.0 ** np.arange(-4, 3.1, 0.5)  # tried for the ridge, times the mean eigenvalue of the content
_ADDED = 64  # new items that scores are mixed for at a time


class ColdMap(FeatureModel):
    """A model of the registry as it is, and for the items that come after it a map from their content.

    map="ridge", for models with vectors: the vectors q_i of the items of training are regressed on their content f_i, unit vectors:
    q ~ o + W (f - mean). The penalty is the one with the least leave-one-out error, for each item left out in turn, in closed form
    (Allen 1974, "The relationship between variable selection and data augmentation and a method for prediction"), the error being
    that of the scores of the users: (q - q^)ᵀ (mean of p pᵀ) (q - q^). Gantner et al. 2010, "Learning attribute-to-feature mappings
    for cold-start recommendations", do so for BPR by gradient descent.
    map="nearest", for all models: the score of a new item is the mean of the scores of the `neighbors` items of training nearest by
    content, weighted by the cosines of the content, from which the mean is taken off.
    An item without content gets the mean vector, or the mean score. Items of training keep what the model says of them.
    There is no network among the maps: a network was not measured to earn its place.

    A new item in a history stands for the item of training nearest to it by content; one without content is left out.
    Fit: that of the model; for "ridge" O(items width (width + d)) more.
    """

    name = "coldmap"

    base: str = checked(default="als", check=check_name, doc="Registry name of the model.", limits="name of a model")
    base_params: Settings = checked(
        default=None,
        check=check_settings,
        doc="Its parameters as a dictionary {name: value}; others keep their defaults.",
        limits="dictionary or None",
    )
    map: Literal["ridge", "nearest"] = choice(default="ridge", search=["ridge", "nearest"], doc="See above.")
    neighbors: int = whole(default=20, high=MOST, search=(5, 100, "int"), doc='For map="nearest".')
    seed: int | None = seeded(doc="Goes to the model, where it has one and `base_params` does not set it.")

    base_: Recommender = fitted()  # knows the items of training
    map_: NDArray[np.float64] = fitted("rows", "d", dtype="float64")  # (width + 1, d): W and, last, o; empty for map="nearest"
    centre_: NDArray[np.float64] = fitted("content", dtype="float64")  # the mean of the unit vectors of the content

    # ---- parameters and fit ---------------------------------------------------------------------------------------------

    def _check(self) -> None:
        super()._check()
        model = self._unfitted()
        if self.map == "ridge" and not isinstance(model, VectorModel):
            raise ParameterError(f"map='ridge' maps to the vectors of items, and base={self.base!r} has none: take map='nearest'")

    def _unfitted(self, seed: int | None = None) -> Recommender:
        model = part(self.base, self.base_params, seed)
        if isinstance(model, ContentModel) and model._reads_content:
            raise ParameterError(f"base must name a model that does not read content itself, got {self.base!r}")
        return model

    def estimate_memory(self, dataset: Dataset) -> int:
        width = self._content_width(dataset)
        return self._unfitted().estimate_memory(dataset) + 40 * dataset.n_items * width + 32 * width**2

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        content = self._read_content(train)
        unit, there = unit_rows(content), content.any(axis=1)
        self.centre_ = unit[there].mean(axis=0) if there.any() else np.zeros(content.shape[1])
        self.base_ = self._unfitted(self.seed_).fit(train)
        self.map_ = np.zeros((0, 0))
        if self.map == "ridge":
            assert isinstance(self.base_, VectorModel)
            users = self.base_.user_vectors().astype(np.float64)
            known, vectors = there if there.any() else ~there, self.base_.item_vectors().astype(np.float64)
            offset = vectors[known].mean(axis=0)
            weights = ridge_map(unit[known] - self.centre_, vectors[known] - offset, users.T @ users / len(users))
            self.map_ = np.concatenate((weights, offset[None]))

    # ---- new items ------------------------------------------------------------------------------------------------------

    def _append(self, grown: Grown) -> dict[str, Any]:
        return {}  # all there is to know follows from the content: see `_derived`

    def _derived(self) -> _Derived:
        """What follows from the content of the new items, kept as long as the catalogue is the same."""
        return kept(self, "_kept_derived", self.items_, self._derive)

    def _derive(self) -> _Derived:
        known, added = (np.flatnonzero(rows).astype(np.int32) for rows in (self.item_counts_ > 0, self.item_counts_ <= 0))
        centred: Scores = unit_rows(unit_rows(self.item_content_), self.centre_).astype(np.float32)
        stand_in = np.full(len(self.items_), -1, np.int32)
        stand_in[known] = np.arange(len(known))
        near = nearest_vectors(centred[added], centred[known], 1 if self.map == "ridge" else self.neighbors)
        rows, found = near.row_ids(), np.flatnonzero(near.counts())
        nearest = np.lexsort((-near.data, rows))[near.indptr[found]]
        stand_in[added[found]] = near.indices[nearest]
        shares = near.with_data((near.data / near.sums(near.data)[rows]).astype(np.float32))
        vectors = None
        if isinstance(self.base_, VectorModel):
            vectors = np.empty((len(self.items_), self.base_._table().shape[1]), np.float32)
            vectors[known], vectors[added] = self.base_._table(), self._mapped(added, shares)
        return _Derived(known, added, stand_in, shares, vectors)

    def _mapped(self, added: Rows, shares: CSR) -> Scores:
        """The vectors of the new items."""
        assert isinstance(self.base_, VectorModel)
        if self.map == "nearest":
            mixed: Scores = _mixed(self.base_._table().T, shares).T
            return mixed
        content = self.item_content_[added]
        unit = np.where(content.any(axis=1, keepdims=True), unit_rows(content) - self.centre_, 0)
        vectors: Scores = (unit @ self.map_[:-1] + self.map_[-1]).astype(np.float32)
        return vectors

    # ---- scores ---------------------------------------------------------------------------------------------------------

    def _translated(self, profiles: Profiles) -> Profiles:
        """The profiles as the model knows them."""
        derived = self._derived()
        if profiles.rows is not None:
            return self.base_._profiles_of(profiles.rows)
        if not len(derived.added):
            return profiles

        shape = (len(profiles), len(derived.known))
        items = derived.stand_in[profiles.history.indices]
        there = items >= 0
        history = CSR.from_pairs(profiles.history.row_ids()[there], items[there], profiles.history.data[there], shape)
        lost = np.flatnonzero((history.counts() == 0) & (profiles.history.counts() > 0))
        if len(lost):
            raise ParameterError(
                f"history {int(lost[0])} has no item but new ones without content, so there is nothing to go by: leave it out"
            )
        ordered = None
        if profiles.ordered is not None:
            items = derived.stand_in[profiles.ordered.items]
            ordered = Sequences.of_owners(profiles.ordered.owners()[items >= 0], items[items >= 0], shape)
        return Profiles(profiles.rows, history, ordered)

    def _scorer(self, profiles: Profiles) -> Scorer:
        derived, inner = self._derived(), self._translated(profiles)
        if derived.vectors is not None:
            assert isinstance(self.base_, VectorModel)
            return VectorScorer(self.base_._vectors(inner), derived.vectors)
        scorer = self.base_._scorer(inner)
        return _MixedScorer(scorer, derived) if len(derived.added) else scorer

    def _vector_model(self, what: str) -> VectorModel:
        if not isinstance(self.base_, VectorModel):
            raise NotSupportedError(f"{type(self).__name__} of {type(self.base_).__name__} has no {what} vectors")
        return self.base_

    def user_vectors(self, users: Ids | None = None, *, history: Sequence[Ids] | None = None) -> Scores:
        """Vectors of the model, of known users or of new ones by their history, where it has vectors."""
        self._fitted()
        model = self._vector_model("user")
        if history is not None:
            if users is not None:
                raise ParameterError("give users (known ones) or history (new ones), not both")
            return model._vectors(self._translated(self._new(history, None, "raise", [], None)[1]))
        return model.user_vectors(users)

    def item_vectors(self, items: Ids | None = None) -> Scores:
        """Vectors of items, of new ones by the map, where the model has vectors."""
        self._fitted()
        self._vector_model("item")
        vectors = self._derived().vectors
        assert vectors is not None
        return vectors if items is None else vectors[self._all_known(self.items_, items, "item")]

    def _similarity(self, rows: Rows) -> Scorer:
        """Cosines of the vectors, the biases left out; without vectors those of the model, where a new item takes part as in scores."""
        derived = self._derived()
        if derived.vectors is not None:
            assert isinstance(self.base_, VectorModel)
            return cosines(self, "_kept_units", derived.vectors, rows, self.base_._biases)
        for item in rows[derived.stand_in[rows] < 0][:1].tolist():
            raise DataError(f"item {self.items_[item]!r} has no content: its vector is zero")
        return _MixedScorer(self.base_._similarity(derived.stand_in[rows]), derived)

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """Of an item of training: the parts that the model gives. Of a new one: "content", and "all items", what every item has."""
        derived, inner = self._derived(), self._translated(profiles)
        if self.item_counts_[item] > 0:
            return self.base_._explain(inner, int(derived.stand_in[item]))
        if self.map == "ridge":
            assert derived.vectors is not None
            assert isinstance(self.base_, VectorModel)
            p, offset = self.base_._vectors(inner)[0].astype(np.float64), self.map_[-1].astype(np.float32).astype(np.float64)
            parts = (("content", p @ (derived.vectors[item] - offset)), ("all items", p @ offset))
            return [Part(source, self.items_[item], float(value)) for source, value in parts if value]
        items, shares = derived.shares.row(int(np.searchsorted(derived.added, item)))
        if not len(items):
            score = self._scorer(profiles).pairs(np.zeros(1, np.int64), np.array([item], np.int32))[0]
            return [Part("all items", self.items_[item], float(score))]
        scores = self.base_._scorer(inner).pairs(np.zeros(len(items), np.int64), items)
        names = self.items_.ids(derived.known[items])
        return [Part("content", name, float(share) * float(score)) for name, share, score in zip(names, shares, scores, strict=True)]

    def _check_shapes(self) -> None:
        self._check_width("item", self.item_content_)
        known, width = int(np.count_nonzero(self.item_counts_ > 0)), self.item_content_.shape[1]
        if len(self.base_.items_) != known or len(self.base_.users_) != len(self.users_):
            raise ValueError(f"base_ knows {len(self.base_.users_)} users and {len(self.base_.items_)} items of {known}")
        d = self.base_._table().shape[1] if isinstance(self.base_, VectorModel) else 0
        shape = (width + 1, d) if self.map == "ridge" else (0, 0)
        if self.map_.shape != shape:
            raise ValueError(f"map_ has shape {self.map_.shape} for content of width {width} and vectors of {d}")


class _Derived(NamedTuple):
    """What the new items are to the model."""

    known: Index  # rows of the items of training, in the order of the model's own rows
    added: Index  # rows of the new ones
    stand_in: Index  # (items,) the model's row of each item, or of the item that stands for it; -1: there is none
    shares: CSR  # (new, items of the model): what the nearest items count
    vectors: Scores | None  # (items, d), where the model has vectors

    def complete(self, scores: Scores) -> Scores:
        """The scores (profiles, items) from those of the model's items."""
        out = np.empty((len(scores), len(self.stand_in)), np.float32)
        out[:, self.known], out[:, self.added] = scores, _mixed(scores, self.shares)
        return out


class _MixedScorer(PathScorer):
    """The scores of a model, and of new items from those of the nearest items."""

    def __init__(self, scorer: Scorer, derived: _Derived) -> None:
        self.scorer, self.derived = scorer, derived
        self.tile = getattr(scorer, "tile", 16)

    @property
    def shape(self) -> tuple[int, int]:
        return self.scorer.shape[0], len(self.derived.stand_in)

    def block(self, start: int, stop: int) -> Scores:
        return self.derived.complete(self.scorer.block(start, stop))

    def drop_unknown(self, start: int, stop: int, scores: Scores) -> None:
        """-inf where the model knows nothing of an item, or of all that a new one is near to."""
        if isinstance(self.scorer, PathScorer):
            super().drop_unknown(start, stop, scores)

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)


def _mixed(values: Scores, shares: CSR) -> Scores:
    """sum_j share_cj values[:, j] for each row c of `shares`, (rows of values, rows of shares); the mean where there are no shares.

    A row has the same bits alone and with others.
    """
    out = np.empty((len(values), shares.shape[0]), np.float32)
    filled = shares.counts() > 0
    if not filled.all():
        out[:, ~filled] = np.ascontiguousarray(values).mean(axis=1, dtype=np.float64)[:, None]
    rows = np.flatnonzero(filled)
    for start in range(0, len(rows), _ADDED):
        some = shares.rows(rows[start : start + _ADDED])
        products = np.ascontiguousarray(values[:, some.indices]) * some.data.astype(np.float64)
        out[:, rows[start : start + _ADDED]] = np.add.reduceat(products, some.indptr[:-1], axis=1)
    return out


def ridge_map(x: NDArray[np.float64], y: NDArray[np.float64], metric: NDArray[np.float64]) -> NDArray[np.float64]:
    """W (k, d) with y near x W, for centred x (n, k) and y (n, d): the penalty is the one with the least leave-one-out error.

    The error of an item is eᵀ metric e. With x = Z Vᵀ, Z having orthogonal columns of squared lengths s, the residual of an item that
    is left out is its residual divided by 1 - 1 / n - sum_k z_k^2 / (s_k + penalty), where 1 / n is for the mean. O(n k (k + d)) each.
    """
    n = len(x)
    squares, basis = np.linalg.eigh(x.T @ x)
    squares = np.maximum(squares, 0)
    z = x @ basis
    along = z.T @ y
    best, chosen = np.inf, np.zeros((x.shape[1], y.shape[1]))
    for penalty in _PENALTIES * max(float(squares.mean()), 1e-30):
        shrunk = along / (squares + penalty)[:, None]
        left = 1 - 1 / n - (z * z) @ (1 / (squares + penalty))
        error = (y - z @ shrunk) / np.maximum(left, 1e-9)[:, None]
        total = float(np.einsum("nd,nd->", error @ metric, error))
        if total < best:
            best, chosen = total, basis @ shrunk
    return chosen

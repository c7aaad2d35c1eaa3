"""Neighborhood models: items that the same users have, and users that have the same items.

Both compare documents made of terms: for `ItemKNN` a document is an item and its terms are the users that have it, for
`UserKNN` a document is a user and its terms are the items. With w_dt the entry of document d at term t (1, or with
`use_weights` the summed weight of the events), N documents, n_t of them with term t, and shrinkage h, the similarity is

    cosine   w_d . w_e / (|w_d| |w_e| + h)
    asymmetric  w_d . w_e / (|w_d|^(2 a) |w_e|^(2 (1 - a)) + h), d the document whose neighbors are kept; a = 1/2 is the cosine
    dice     2 |d and e| / (|d| + |e| + h), of the sets of terms
    jaccard  |d and e| / (|d or e| + h), of the sets of terms
    tfidf    cosine of the vectors w_dt log(N / n_t)
    bm25     dot product of the vectors idf_t w_dt (k1 + 1) / (w_dt + k1 (1 - b + b l_d / l)), where l_d = sum_t w_dt has the mean l
             and idf_t = log(1 + (N - n_t + 0.5) / (n_t + 0.5))

Salton & Buckley 1988, "Term-weighting approaches in automatic text retrieval" (the weights "tfc"); Robertson & Zaragoza 2009,
"The probabilistic relevance framework: BM25 and beyond", section 3.4, with two changes: both sides are weighted alike, so that
it is symmetric, and the 1 in the logarithm keeps idf positive.
Aiolli 2013, "Efficient top-N recommendation for very large scale binary rated datasets" (asymmetric); Dice 1945.
Only positive similarities count, no document is its own neighbor, and of equal ones the lower row is the nearer.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.ids import Rows
from ...engine.ranking.neighbors import topk_product
from ...engine.ranking.scorers import LinearScorer, PathScorer, Scorer, Scores, pairs_by_block
from ...engine.sparse import CSR, Index
from ...errors import DataError, ParameterError
from ..contract.explanation import Part
from ..contract.monitor import Monitor
from ..contract.parameters import choice, fitted, flag, number, whole
from ..contract.recommender import Recommender
from ..contract.request import Profiles
from ..contract.serving import one_each
from ..forms.item_weights import LinearModel

_LARGEST = 1e12  # weight whose products, summed, stay in the range of float32
SETS = ("jaccard", "dice")  # kinds that compare sets: entries are ones


class Similarity(NamedTuple):
    """How documents are compared: the settings, and what was counted in the collection."""

    kind: str
    shrinkage: float
    k1: float
    b: float
    idf: NDArray[np.float32]  # (terms,)
    mean_length: float  # l
    asymmetry: float = 0.5  # a

    def vectors(self, documents: CSR) -> CSR:
        """The weighted vectors of documents (rows) over terms."""
        w = documents.data
        if self.kind == "tfidf":
            return documents.with_data(w * self.idf[documents.indices])
        if self.kind == "bm25":
            saturation = self.k1 * (1 - self.b + self.b * documents.sums(w) / self.mean_length)
            weighted = self.idf[documents.indices] * w * np.float32(self.k1 + 1)
            return documents.with_data(weighted / (w + np.repeat(saturation.astype(np.float32), documents.counts())))
        return documents.with_data(np.ones_like(w)) if self.kind in SETS else documents

    def scales(self, vectors: CSR, *, asked: bool = False) -> NDArray[np.float64]:
        """What the product of two vectors is divided by, for each of them: their norms, sizes, or 1.

        asked : they are the documents whose neighbors are looked for, and not the collection.
        """
        if self.kind == "bm25":
            return np.ones(vectors.shape[0])
        squares = vectors.sums(np.square(vectors.data, dtype=np.float64))
        if self.kind == "asymmetric":
            power: NDArray[np.float64] = squares ** (self.asymmetry if asked else 1 - self.asymmetry)
            return power
        return squares if self.kind in SETS else np.sqrt(squares)

    def nearest(
        self, vectors: CSR, by_term: CSR, scales: NDArray[np.float64], k: int, backend: str, left_out: Index, threads: int | None = None
    ) -> CSR:
        """The k documents of the collection most similar to each of `vectors`; by_term (terms, documents) and scales are its own."""
        found = topk_product(
            vectors, by_term, k, backend, row_scale=self.scales(vectors, asked=True), column_scale=scales,
            shrinkage=float(self.shrinkage), union=self.kind in SETS, left_out=left_out, threads=threads,
        )  # fmt: skip
        # 2 J / (1 + J) of the Jaccard index J with the same h, which has the same order
        return found.with_data((2 * found.data / (1 + found.data)).astype(np.float32)) if self.kind == "dice" else found


class _Neighbourhood(Recommender):
    """What the two models share: their parameters, and the collection that they compare."""

    neighbors: int = whole(default=100, search=(10, 1000, "int"), doc="Neighbors kept for each item (ItemKNN) or user (UserKNN).")
    similarity: Literal["cosine", "asymmetric", "jaccard", "dice", "tfidf", "bm25"] = choice(
        default="cosine", search=["cosine", "jaccard", "tfidf"], doc="See the head of minirec/models/neighbors/knn.py."
    )
    shrinkage: float = number(
        default=0.0,
        low=0,
        search=[0.0, 1.0, 10.0, 100.0],
        doc="h: takes weight from similarities that rest on few users (of UserKNN: on few items). Not for bm25.",
    )
    use_weights: bool = flag(
        default=False,
        doc="Whether the summed weights of the events count, in vectors (not for jaccard) and in histories; else each item once.",
    )
    asymmetry: float = number(
        default=0.5,
        low=0,
        high=1,
        doc="a, for asymmetric alone: the smaller, the more the norm of a neighbor counts, which holds popular ones back.",
    )
    k1: float = number(default=1.2, above=0, high=1e6, doc="Saturation, for bm25 alone.")
    b: float = number(
        default=0.75, low=0, high=1, doc="Influence of an item's popularity (UserKNN: of a history's length), for bm25 alone."
    )

    def _check(self) -> None:
        super()._check()
        if self.similarity == "bm25" and self.shrinkage:
            raise ParameterError("shrinkage does nothing to similarity='bm25', which is a dot product: leave it at 0")

    def _entries(self, matrix: CSR) -> CSR:
        """The events as the model sees them: weights or ones."""
        if not self.use_weights:
            return matrix.binary()
        largest = float(np.abs(matrix.data).max(initial=0))
        if largest > _LARGEST:
            raise DataError(f"use_weights=True multiplies weights, and the largest is {largest:.3g}: rescale them to at most {_LARGEST:g}")
        return matrix

    def _compare(self, documents: CSR) -> Similarity:
        """Count what the similarity needs to know of the collection."""
        if self.similarity in ("tfidf", "bm25") and (documents.data < 0).any():
            raise DataError(f"similarity={self.similarity!r} counts how often, so no weight may be negative: use cosine or jaccard")
        n, having = documents.shape[0], np.bincount(documents.indices, minlength=documents.shape[1])
        idf = np.log(n / having) if self.similarity == "tfidf" else np.log1p((n - having + 0.5) / (having + 0.5))
        return Similarity(
            self.similarity,
            self.shrinkage,
            self.k1,
            self.b,
            idf.astype(np.float32),
            max(float(documents.data.sum(dtype=np.float64)) / n, 1e-30),
            self.asymmetry,
        )


class ItemKNN(_Neighbourhood, LinearModel):
    """Item neighborhoods: items are recommended that are similar to those in the history.

    score(u, j) = sum over i in the history of w_ui s_ij, where i is among the `neighbors` items most similar to j
    (neighbors_of="target": Sarwar et al. 2001, "Item-based collaborative filtering recommendation algorithms", without the
    division by the sum of the similarities, which only a rating needs), or where j is among those most similar to i
    (neighbors_of="source": Deshpande & Karypis 2004, "Item-based top-N recommendation algorithms"). The two differ: a popular
    item is near to many, so with "target" it speaks for many items, and with "source" many items speak for it.
    Similarities: see the head of minirec/models/neighbors/knn.py.

    Time O(sum of the squared lengths of the users' histories), memory O(items x neighbors).
    """

    name = "itemknn"

    neighbors_of: Literal["target", "source"] = choice(
        default="target", search=["target", "source"], doc="Whose neighbors are kept: those of the item to recommend, or of the history's."
    )

    def estimate_memory(self, dataset: Dataset) -> int:
        return 48 * dataset.n_items * min(self.neighbors, dataset.n_items) + 80 * len(dataset)

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        by_term = self._entries(train.matrix)
        documents = by_term.transpose()
        compare = self._compare(documents)
        vectors = compare.vectors(documents)
        if vectors.data is not documents.data:
            by_term = vectors.transpose()
        own = np.arange(train.n_items, dtype=np.int32)
        nearest = compare.nearest(vectors, by_term, compare.scales(vectors), self.neighbors, self.backend_, own)
        self.weights_ = nearest if self.neighbors_of == "source" else nearest.transpose()

    def _values(self, history: CSR) -> CSR:
        return self._entries(history)


class UserKNN(_Neighbourhood):
    """User neighborhoods: items are recommended that similar users have.

    score(u, j) = sum over v among the `neighbors` users most similar to u of s_uv w_vj.

    Resnick et al. 1994, "GroupLens: an open architecture for collaborative filtering of netnews", for events in place of
    ratings: no means are taken off and the sum is not divided, as in Ferrari Dacrema et al. 2021. Similarities: see the head of
    minirec/models/neighbors/knn.py. A new user's history is compared with all users of the training; fold-in is exact.

    Nothing is learned ahead but counts: a request costs O(sum over the history of the popularity of its items), a fit O(events).
    """

    name = "userknn"
    _needs_users = True

    idf_: Scores = fitted("items")
    mean_length_: float = fitted()
    by_item_: CSR = fitted("items", "users")  # the users' vectors
    scales_: NDArray[np.float64] = fitted("users", dtype="float64")

    def estimate_memory(self, dataset: Dataset) -> int:
        return 80 * len(dataset) + 16 * dataset.n_users

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        documents = self._entries(train.matrix)
        compare = self._compare(documents)
        vectors = compare.vectors(documents)
        self.idf_, self.mean_length_ = compare.idf, compare.mean_length
        self.by_item_, self.scales_ = vectors.transpose(), compare.scales(vectors)

    def _scorer(self, profiles: Profiles) -> _UserScorer:
        return _UserScorer(self, profiles)

    def _user_similarity(self, rows: Rows) -> Scorer:
        """The similarities by which users are neighbors; 0 for those who are none."""
        n = len(self.users_)
        near = self._scorer(self._profiles_of(rows)).neighbours(0, len(rows))
        return LinearScorer(near, one_each(np.arange(n, dtype=np.int32), n), self.backend_)

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """What each neighbor that has the item adds; the name of a part is the id of the neighbor."""
        neighbours = self._scorer(profiles).neighbours(0, 1)
        parts = []
        for user, similarity in zip(*neighbours.row(0), strict=True):
            items, weights = self.seen_.row(int(user))
            at = int(np.searchsorted(items, item))
            if at < len(items) and items[at] == item:
                weight = weights[at] if self.use_weights else np.float32(1)
                parts.append(Part("neighbour", self.users_[int(user)], float(similarity * weight)))
        return parts


class _UserScorer(PathScorer):
    """Finds the neighbors of a block of users when its scores are asked for, so that they are never held for all users."""

    def __init__(self, model: UserKNN, profiles: Profiles) -> None:
        self.model = model
        self.compare = Similarity(model.similarity, model.shrinkage, model.k1, model.b, model.idf_, model.mean_length_, model.asymmetry)
        self.vectors = self.compare.vectors(model._entries(profiles.history))
        self.left_out = np.full(len(profiles), -1, np.int32) if profiles.rows is None else profiles.rows.astype(np.int32)
        self.events = model._entries(model.seen_)
        self.by_item = model.by_item_
        if not model.use_weights and model.similarity in ("cosine", "asymmetric", *SETS):  # all ones, which the product need not read
            self.by_item = self.by_item.with_data(self.by_item.data[:0])

    @property
    def shape(self) -> tuple[int, int]:
        return self.vectors.shape

    def neighbours(self, start: int, stop: int) -> CSR:
        """The nearest users of profiles start..stop: CSR (stop - start, users)."""
        vectors = self.vectors.rows(np.arange(start, stop))
        m = self.model
        return self.compare.nearest(vectors, self.by_item, m.scales_, m.neighbors, m.backend_, self.left_out[start:stop], threads=1)

    def block(self, start: int, stop: int) -> Scores:
        return LinearScorer(self.neighbours(start, stop), self.events, self.model.backend_).block(0, stop - start)

    def drop_unknown(self, start: int, stop: int, scores: Scores) -> None:
        """-inf where no neighbor has the item."""
        if not self.model.use_weights:
            super().drop_unknown(start, stop, scores)
        else:  # events of weight 0, and weights that cancel
            LinearScorer(self.neighbours(start, stop), self.events, self.model.backend_).drop_unknown(0, stop - start, scores)

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)

"""SANSA: EASE with a sparse approximate inverse, for catalogues whose dense inverse does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.dataset import Dataset
from ...data.ids import Rows
from ...engine.backend import kernel, run_blocks
from ...engine.ranking.neighbors import BLOCK, topk_product, topk_rows
from ...engine.ranking.scorers import FactoredScorer, Scorer
from ...engine.sparse import CSR
from ...options import thread_count
from ..contract.explanation import Part, history_parts
from ..contract.monitor import Monitor
from ..contract.parameters import fitted, number, whole
from ..contract.recommender import Recommender
from ..contract.request import Profiles


class SANSA(Recommender):
    """Scalable approximate nonsymmetric autoencoder: the weights of EASE by way of a sparse factor of the inverse.

    B_ij = -P_ij / P_jj for i != j as in EASE, P = Kᵀ D^-1 K ~ (Xᵀ C X + lambda I)^-1, X binary (users, items), K sparse, and lower
    triangular with a unit diagonal once the items are put in order; C_uu = |I_u|^-length_exponent, as in `DAN`, is 1 in the source.
    B is never formed: a score is two sparse layers, x_u (Kᵀ D^-1), and that times -K diag(P)^-1.

    Spišák et al. 2023, "Scalable approximate nonsymmetric autoencoder for collaborative filtering". The source factors the Gram
    matrix incompletely, L D Lᵀ with a given number of entries, and refines an approximate inverse of L. Here K is found directly,
    row by row, on a given pattern (Kolotilina & Yeremin 1993, "Factorized sparse approximate inverse preconditionings I"): row i is
    the ridge regression of item i on the items of its pattern, d_i what is left over. It exists for any lambda > 0, and no row
    depends on another.

    The order of the items is that of their popularity, the most popular first. Time O(products of XᵀX + items x neighbors^3);
    memory: the sparse Gram matrix while fitting, 16 items x neighbors bytes for the model.
    """

    name = "sansa"

    regularization: float = number(default=100.0, above=0, search=(1.0, 1000.0, "log"), doc="lambda, in numbers of users.")
    neighbors: int = whole(
        default=30,
        search=(10, 200, "int"),
        doc="""
            Entries of a row of K beside its diagonal: of the items before it, those that explain most of it each for itself,
            (Xᵀ C X)_ij^2 / ((Xᵀ C X)_jj + lambda), if any. With all of them, and users in common for all pairs, the model is EASE.
        """,
    )
    length_exponent: float = number(
        default=0.0,
        low=0,
        high=10,
        search=(0.0, 0.8, "linear"),
        doc="The larger, the less an event of a user with a long history counts in the fit; less regularization is right then.",
    )

    encoder_: CSR = fitted("items", "items")  # Kᵀ D^-1: history -> hidden
    decoder_: CSR = fitted("items", "items")  # -K diag(P)^-1: hidden -> scores

    def estimate_memory(self, dataset: Dataset) -> int:
        """The Gram matrix as if no two users had two items in common, once more while it is put together; the factor."""
        n, lengths = dataset.n_items, dataset.matrix.counts()
        pairs, kept = min(n * n, int((lengths**2).sum())), min(self.neighbors, n) + 1
        return 24 * pairs + 48 * n * kept + thread_count() * (8 * n * BLOCK + 8 * kept**2) + 64 * len(dataset)

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        x, n = train.binary, train.n_items
        order = np.argsort(-train.item_counts, kind="stable")
        position = np.empty(n, np.int64)
        position[order] = np.arange(n)
        lengths = x.counts()
        weights = np.repeat(np.maximum(lengths, 1) ** -float(self.length_exponent), lengths)  # of each event
        ordered = CSR.from_pairs(x.row_ids(), position[x.indices], np.sqrt(weights).astype(np.float32), x.shape)
        gram = topk_product(ordered.transpose(), ordered, n, self.backend_)
        ridge = np.full(n, float(self.regularization))
        pattern = self._pattern(gram, np.bincount(x.indices, weights=weights, minlength=n)[order] + ridge)
        values, pivots = np.empty(pattern.nnz, np.float32), np.empty(n)
        inverse_factor = kernel("inverse_factor", self.backend_)
        run_blocks(
            lambda start, stop: inverse_factor(
                start, stop, gram.indptr, gram.indices, gram.data, ridge, pattern.indptr, pattern.indices, values, pivots
            ),
            n,
            BLOCK,
        )
        rows, columns = np.concatenate((order[pattern.row_ids()], order)), np.concatenate((order[pattern.indices], order))
        entries = np.concatenate((values, np.ones(n, np.float32)))
        scaled = entries / np.concatenate((pivots[pattern.row_ids()], pivots))
        diagonal = np.bincount(columns, weights=entries * scaled, minlength=n)
        self.encoder_ = CSR.from_pairs(columns, rows, scaled, (n, n))
        self.decoder_ = CSR.from_pairs(rows, columns, -entries / diagonal[columns], (n, n))

    def _pattern(self, gram: CSR, diagonal: Any) -> CSR:
        """The `neighbors` strongest entries of each row before the diagonal."""
        before = gram.indices < np.repeat(np.arange(len(diagonal), dtype=np.int32), gram.counts())
        counts = np.add.reduceat(before, gram.indptr[:-1], dtype=np.int64)  # every row has its diagonal
        columns = gram.indices[before]
        strength = gram.data[before] ** 2 / diagonal[columns].astype(np.float32)
        lower = CSR(np.append(0, np.cumsum(counts)), columns, strength, gram.shape)
        return topk_rows(lower, min(self.neighbors, len(diagonal)), self.backend_)

    def _scorer(self, profiles: Profiles) -> FactoredScorer:
        history = profiles.history.binary()
        return FactoredScorer(history, self.encoder_, self.decoder_, self.backend_)

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        column = np.zeros(len(self.items_))
        into = self.decoder_.indices == item
        column[self.decoder_.row_ids()[into]] = self.decoder_.data[into]
        sources = profiles.history.indices[profiles.history.indices != item]
        encoded = self.encoder_.rows(sources)
        shares = encoded.sums(encoded.data * column[encoded.indices])
        return history_parts(self.items_, sources, shares)

    def _similarity(self, rows: Rows) -> Scorer:
        return self._scores_alone(rows)

"""Item neighborhoods by content: what is like the items of a history, whoever bought it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.ranking.neighbors import near_vectors, nearest_vectors
from ...engine.ranking.scorers import Scores
from ...engine.sparse import CSR, Index
from ..contract.explanation import Part
from ..contract.monitor import Monitor
from ..contract.parameters import MOST, fitted, flag, whole
from ..contract.request import Profiles
from ..forms.content import FeatureModel, Grown, unit_rows
from ..forms.item_weights import LinearModel


class ContentKNN(FeatureModel, LinearModel):
    """Item neighborhoods by content: score(u, j) = sum over i in the history of s_ij, i among the `neighbors` items nearest to j.

    s_ij is the cosine of the content of i and j, where it is positive. Weights of events are not used, nor is anything learned: the
    baseline of content-based filtering (Lops et al. 2011, "Content-based recommender systems: state of the art and trends").

    The neighbors of a new item are the nearest of training. It becomes a further neighbor of every item to which it is as near as the
    farthest of its own, and displaces none: scores for histories of before stay. So does the mean.
    Fit O(items^2 width), memory O(items (neighbors + width)).
    """

    name = "contentknn"

    neighbors: int = whole(
        default=100, high=MOST, search=(10, 1000, "int"), doc="Neighbors kept for each item; of equal ones the item of the lower row."
    )
    centred: bool = flag(
        default=True,
        search=[True, False],
        doc="""Take the mean of the content off first. Vectors of language models share a large mean, which makes all cosines alike
            (Mu & Viswanath 2018, "All-but-the-top: simple and effective postprocessing for word representations").""",
    )

    weights_: CSR = fitted("items", "items", sparse=True)
    centre_: NDArray[np.float64] = fitted("content", dtype="float64")  # what is taken off

    def estimate_memory(self, dataset: Dataset) -> int:
        """The content as given, as unit vectors in both precisions and in the order of norms; the neighbors, and their transpose."""
        n = dataset.n_items
        return n * (32 * self._content_width(dataset) + 40 * min(self.neighbors, n))

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        content = self._read_content(train)
        there = content.any(axis=1)
        self.centre_ = np.zeros(content.shape[1])
        if self.centred and there.any():
            self.centre_ = content[there].mean(axis=0, dtype=np.float64)
        unit = self._unit(content)
        self.weights_ = nearest_vectors(unit, unit, self.neighbors, np.arange(train.n_items, dtype=np.int32)).transpose()

    def _unit(self, content: Scores) -> Scores:
        unit: Scores = unit_rows(content, self.centre_).astype(np.float32)
        return unit

    def _append(self, grown: Grown) -> dict[str, Any]:
        unit = self._unit(grown.place(self.item_content_, grown.content))
        new, n = grown.added, len(unit)
        trained = grown.kept[self.item_counts_ > 0]
        columns = nearest_vectors(unit[new], unit[trained], self.neighbors)  # (new, trained)
        sources = np.concatenate((grown.kept[self.weights_.row_ids()], trained[columns.indices]))
        targets = np.concatenate((grown.kept[self.weights_.indices], new[columns.row_ids()]))
        values = np.concatenate((self.weights_.data, columns.data))
        least = self._least(CSR.from_pairs(sources, targets, values, (n, n)), trained)
        place = np.full(n, -1, np.int32)
        place[new] = np.arange(len(new))
        rows = near_vectors(unit, unit[new], least, place)  # (items, new)
        sources = np.concatenate((sources, new[rows.indices]))
        targets = np.concatenate((targets, rows.row_ids()))
        values = np.concatenate((values, rows.data))
        return {"weights_": CSR.from_pairs(sources, targets, values, (n, n))}

    def _least(self, weights: CSR, trained: Index) -> Scores:
        """How near the farthest of the `neighbors` trained neighbors of each item is; 0 where there are fewer."""
        lists = weights.rows(trained).transpose()
        least, some = np.zeros(len(lists.counts()), np.float32), np.flatnonzero(lists.counts())
        if len(some):
            least[some] = np.where(lists.counts()[some] < self.neighbors, 0, np.minimum.reduceat(lists.data, lists.indptr[some]))
        return least

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """ "content": what each item of the history adds by its likeness."""
        return [part._replace(source="content") for part in super()._explain(profiles, item)]

"""What the models trained by mini-batch descent share: the iterations, the biases in the vectors, samples of the catalogue."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.descent.sgd import BATCHES, MAX_BATCH, Batch, Descent, Fill, Side, epoch
from ...engine.ranking.scorers import Scores
from ...engine.sparse import CSR, Index
from ..contract.monitor import Monitor
from ..contract.parameters import number, seeded, whole
from .vectors import FactorModel

STEPS = 24  # of folding-in
Vector: TypeAlias = NDArray[np.float64]


# what makes, from a batch and the two sides as they are, the function that writes its entries
Prepare: TypeAlias = Callable[[Batch, Side, Side], Fill]
Store: TypeAlias = Callable[[Side, Side], None]


class DescentModel(FactorModel):
    """A factor model fitted by mini-batches (engine/descent/sgd.py): an iteration takes each event of the data matrix once.

    AdaGrad (Duchi et al. 2011) with one sum of squares a row sets the step sizes, so `learning_rate` depends little on the data:
    it is the size of the first step of a coordinate. The L2 penalty of a row is counted once for each sample that the row is in.
    """

    factors: int = whole(default=64, high=4096, search=(16, 256, "int"), doc="d, the length of the vectors.")
    learning_rate: float = number(default=0.1, above=0, high=100, search=(0.02, 0.3, "log"), doc="eta, of AdaGrad.")
    regularization: float = number(default=0.01, low=0, high=1e6, search=(1e-3, 0.1, "log"), doc="lambda.")
    iterations: int = whole(default=30, high=100_000, search=(10, 100, "int"), doc="Passes over the events.")
    seed: int | None = seeded()

    def estimate_memory(self, dataset: Dataset) -> int:
        rows = dataset.n_users + dataset.n_items
        batch = min(len(dataset), MAX_BATCH) * (4 * self.factors + 40 * self._width())
        return 8 * rows * (self.factors + 4) + 60 * len(dataset) + batch

    def _width(self) -> int:
        """Entries of a sample: the event and its negatives."""
        return 1

    def _iterate(self, matrix: CSR, prepare: Prepare, store: Store, monitor: Monitor) -> None:
        """Take all iterations; after each, `store(users, items)` sets the vectors of the model, with the biases in them."""
        rng = np.random.default_rng(self.seed_)
        users, items = (Side.random(n, self.factors, rng) for n in matrix.shape)
        descent = Descent(self.learning_rate, self.regularization, self.backend_)
        owners = matrix.row_ids().astype(np.int32)
        for done in range(1, self.iterations + 1):
            for batch in epoch(owners, matrix.indices, rng, self.backend_):
                descent.batch(users, items, batch.users, self._width(), prepare(batch, users, items))
            store(users, items)
            if monitor.step(done, self.iterations):
                break

    def _as_trained(self, gradient: Callable[[Vector], Vector], samples: int, d: int, *, bias: bool = False) -> Vector:
        """The vector (d,) of a new user with this number of samples, the items fixed: as training would make it, not the exact minimum.

        From 0, STEPS steps of AdaGrad along the gradient of the user's whole loss, so long that they reach as far as the steps that
        training takes for such a user (one in each batch that has a sample of the user; the way grows with the root of the number
        of steps). To stop where training stops serves better than the minimum, which fits the history more closely. With `bias` the
        last number is a bias, with its own sum of squares.
        """
        taken = self.iterations * min(samples, BATCHES)
        rate = self.learning_rate * math.sqrt(taken / STEPS)
        last = d - 1 if bias else d
        p, squares = np.zeros(d), np.full(d, 1e-12)
        for _ in range(STEPS):
            g = gradient(p)
            squares[:last] += g[:last] @ g[:last] / last
            squares[last:] += g[last:] ** 2
            p += rate * g / np.sqrt(squares)
        return p


def panel(probability: Scores, size: int) -> tuple[Index, Vector]:
    """At most `size` items and their weights (sum 1) that stand for the distribution: all of them, or its quantiles."""
    n = len(probability)
    if n <= size:
        return np.arange(n, dtype=np.int32), probability.astype(np.float64) / probability.sum(dtype=np.float64)
    cumulative = np.cumsum(probability, dtype=np.float64)
    at = (np.arange(size) + 0.5) / size * cumulative[-1]
    return np.searchsorted(cumulative, at).astype(np.int32), np.full(size, 1 / size)


def without(items: Index, weights: Vector, history: Index) -> tuple[Index, Vector]:
    """A panel without the items of a history, its weights summing to 1 again; it may be empty."""
    keep = ~np.isin(items, history)
    return items[keep], weights[keep] / max(weights[keep].sum(), 1e-30)

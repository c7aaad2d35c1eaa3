"""SLIM: the sparse linear item-to-item model."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ...data.dataset import Dataset
from ...engine.backend import kernel, run_blocks
from ...engine.ranking.neighbors import BLOCK, topk_product
from ...engine.sparse import CSR
from ...errors import ConvergenceWarning
from ...options import thread_count
from ..contract.monitor import Monitor
from ..contract.parameters import number
from ..forms.item_weights import LinearModel

_MAX_SWEEPS = 10_000


class SLIM(LinearModel):
    """Sparse linear method: each item regressed on the others, with few weights, none of them negative.

    min_W |X - X W|_F^2 / 2 + l2 |W|_F^2 / 2 + l1 |W|_1  with W >= 0, diag(W) = 0, X binary (users, items);
    score(u, j) = x_u W_j.

    Ning & Karypis 2011, "SLIM: sparse linear methods for top-N recommender systems", section "Learning W for SLIM"; l2 is their
    beta, l1 their lambda. Solved for one column at a time by coordinate descent on the Gram matrix XᵀX, as Friedman et al. 2010
    ("Regularization paths for generalized linear models via coordinate descent", section 2.2, covariance updates).

    Time: a target costs (items that enter) x (their co-purchased items); memory: the sparse Gram matrix. `log_` has the
    mean number of sweeps and of weights a column; ConvergenceWarning where 10,000 sweeps were not enough.
    """

    name = "slim"

    l1_regularization: float = number(
        default=1.0,
        low=0,
        search=(0.1, 50.0, "log"),
        doc="In numbers of users: an item whose common users with another are no more gets no weight to it.",
    )
    l2_regularization: float = number(
        default=50.0,
        low=0,
        search=(1.0, 1000.0, "log"),
        doc="In numbers of users. scikit-learn's ElasticNet has l1 = users alpha l1_ratio and l2 = users alpha (1 - l1_ratio).",
    )
    tol: float = number(default=1e-5, above=0, doc="A column is done when no weight moves by more in a sweep. Weights are mostly below 1.")

    def estimate_memory(self, dataset: Dataset) -> int:
        """An upper bound for the Gram matrix, as if no two users had two items in common; rows of it for each thread."""
        n, lengths = dataset.n_items, dataset.matrix.counts()
        pairs = min(n * n, int((lengths**2).sum()))
        return 16 * pairs + thread_count() * n * (8 * BLOCK + 1024) + 64 * len(dataset)

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        x, n = train.binary, train.n_items
        gram = topk_product(x.transpose(), x, n, self.backend_)
        diagonal = train.item_counts.astype(np.float32)
        slim_columns = kernel("slim_columns", self.backend_)
        l1, l2, tol = float(self.l1_regularization), float(self.l2_regularization), float(self.tol)

        def block(start: int, stop: int) -> Any:
            return slim_columns(start, stop, gram.indptr, gram.indices, gram.data, diagonal, l1, l2, tol, _MAX_SWEEPS)

        counts, items, values, sweeps = (np.concatenate(parts) for parts in zip(*run_blocks(block, n, BLOCK), strict=True))
        if (sweeps < 0).any():
            warnings.warn(
                f"SLIM: {int((sweeps < 0).sum())} of {n} columns did not settle within tol={self.tol!r} in {_MAX_SWEEPS} sweeps; "
                "raise tol or l2_regularization",
                ConvergenceWarning,
                stacklevel=3,
            )
        self.weights_ = CSR.from_pairs(items, np.repeat(np.arange(n), counts), values, (n, n))
        monitor.step(1, 1, sweeps=float(np.abs(sweeps).mean()), weights=float(counts.mean()))

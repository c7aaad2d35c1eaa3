"""EASE: the linear item-to-item model with a closed form."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..engine.backend import kernel, run_blocks
from ..engine.inverse import BLOCK, negative_inverse
from ..engine.sparse import CSR
from ..errors import MemoryBudgetError, ModelFitError
from ..options import memory_budget
from .base import Monitor
from .checks import number
from .linear import LinearModel

_RESIDUAL = 1e-4  # what is left over of the equations, relative to the right sides, may be no larger


class EASE(LinearModel):
    """Embarrassingly shallow autoencoder: ridge regression of each item on all others.

    min_B |X - X B|_F^2 + lambda |B|_F^2 with diag(B) = 0, X binary (users, items):  B_ij = -P_ij / P_jj for i != j, where
    P = (XᵀX + lambda I)^-1;  score(u, j) = x_u B_j.

    Steck 2019, "Embarrassingly shallow autoencoders for sparse data", eq. 8.

    Parameters
    ----------
    regularization : lambda, above 0, in numbers of users: about 100 to 2,000.

    The inverse is taken in float32 and checked against the equations (XᵀX + lambda I) P v = v on fixed vectors v, in float64;
    where less than four digits hold (lambda far below the largest popularity), it is taken in float64; ModelFitError where that
    does not suffice either. Time O(items^3), memory 4 items^2 bytes, on float64 12: for catalogues of up to some 40 thousand.
    """

    name = "ease"
    search_space: ClassVar[dict[str, Any]] = {"regularization": (10.0, 5000.0, "log")}

    def __init__(self, *, regularization: float = 500.0) -> None:
        self.regularization = regularization

    def _check(self) -> None:
        number("regularization", self.regularization, above=0)

    def estimate_memory(self, dataset: Dataset) -> int:
        return _memory(dataset, np.float32)

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        try:
            weights = self._inverse(train.binary, np.float32)
        except ModelFitError:
            need, budget = _memory(train, np.float64), memory_budget()
            if need > budget:
                raise MemoryBudgetError(
                    f"EASE with regularization={self.regularization!r} needs float64 on this data, about {need / 1e9:.2f} GB; the budget "
                    f"(MINIREC_MEMORY) is {budget / 1e9:.2f} GB. Raise regularization, or the budget"
                ) from None
            weights = self._inverse(train.binary, np.float64)
        scale = -weights.diagonal().copy()
        np.fill_diagonal(weights, 0)
        weights /= scale  # B_ij = -P_ij / P_jj
        self.weights_ = weights.astype(np.float32, copy=False)

    def _inverse(self, x: CSR, dtype: Any) -> NDArray[Any]:
        """-P, checked."""
        gram = gram_matrix(x, self.backend_, dtype)
        gram[np.diag_indices(len(gram))] += self.regularization
        try:
            negative_inverse(gram)
        except np.linalg.LinAlgError:
            gram[:] = np.nan
        if not self._residual(x, gram) <= _RESIDUAL:
            raise ModelFitError(f"EASE: the equations are too close to singular at regularization={self.regularization!r}: raise it")
        return gram

    def _residual(self, x: CSR, negative: NDArray[Any]) -> float:
        """|(XᵀX + lambda I) P V - V| / |V| for a few fixed columns V of +-1, by way of X."""
        probes = np.random.default_rng(0).choice([-1.0, 1.0], (len(negative), 4))
        solved = np.concatenate(run_blocks(lambda start, stop: negative[start:stop] @ -probes, len(negative), BLOCK))
        matrix = x.to_scipy().astype(np.float64)
        left = matrix.T @ (matrix @ solved) + self.regularization * solved - probes
        return float(np.linalg.norm(left) / np.linalg.norm(probes))


def gram_matrix(x: CSR, backend: str, dtype: Any = np.float32) -> NDArray[Any]:
    """XᵀX dense, (items, items); for binary X exact. O(sum of the squared lengths of the users' histories)."""
    n, xt = x.shape[1], x.transpose()
    gram = np.zeros((n, n), dtype)
    product = kernel("weighted_rows_sparse", backend)
    run_blocks(lambda a, b: product(a, b, xt.indptr, xt.indices, xt.data, x.indptr, x.indices, x.data, gram[a:b]), n, 64)
    return gram


def _memory(dataset: Dataset, dtype: Any) -> int:
    """The inverse in place, two panels, float64 copies for the check, and, from float64, the float32 result."""
    n, size = dataset.n_items, int(np.dtype(dtype).itemsize)
    return n * n * (size if size == 4 else size + 4) + n * BLOCK * (2 * size + 8) + 64 * len(dataset)

"""A linear autoencoder whose item weights are drawn to those that the content of the items alone gives, in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.dataset import Dataset
from ...engine.backend import one_blas_thread, run_blocks
from ...engine.ranking.scorers import Scores
from ...errors import MemoryBudgetError, ParameterError
from ...options import memory_budget
from ..contract.explanation import Part
from ..contract.monitor import Monitor
from ..contract.parameters import fitted, number
from ..contract.request import Profiles
from ..forms.content import FeatureModel, Grown, unit_rows
from ..linear.closed_form import GramModel, Vector, rescale

_ROWS = 16  # rows of the weights that one task works on
_TOLERANCE = 1e-8  # of the column of P that an explanation reads


class L3AE(FeatureModel, GramModel):
    """EASE with a second penalty, on the distance of the item weights B from those of the content, C.

    1. min_C |Fᵀ - Fᵀ C|^2 + lambda_F |C|^2 with diag(C) = 0: EASE where the rows of F (items, width), the content of the items at unit
       length, take the place of the users' histories. C_ij = f_iᵀ K f_j / (1 - f_jᵀ K f_j) for i != j, K = (FᵀF + lambda_F I)^-1.
    2. min_B |X - X B|^2 + lambda_X |B|^2 + lambda_E |B - C|^2 with diag(B) = 0, X binary (users, items):
       B = lambda_E P C - P diag(m) off the diagonal, P = (XᵀX + (lambda_X + lambda_E) I)^-1, m_j = (1 + lambda_E (P C)_jj) / P_jj.

    Moon et al. 2025, "LLM-enhanced linear autoencoders for recommendation", and its repository
    (jaewan7599/L3AE_CIKM2025). There the content is what a language model says of titles and the like, and C comes from an inverse of
    items x items; by Woodbury's identity one of width x width will do, and P C is never formed. lambda_E = 0 is EASE, bit by bit.

    A new item has no events, so that its weights are the minimum of lambda_X |b|^2 + lambda_E |b - c|^2: those of the content, c, times
    lambda_E / (lambda_X + lambda_E), in both directions; c is the ridge regression of phase 1 on the items of training (the same K).
    Fit O(items^3 + items^2 width), memory 4 items^2 bytes; how the inverse is taken and checked: see GramModel.
    """

    name = "l3ae"

    regularization: float = number(
        default=250.0,
        low=-1e9,
        high=1e9,
        search=(10.0, 2000.0, "log"),
        doc="""lambda_X, in numbers of users. It may be negative as long as its sum with `content_weight` is above 0: the authors' settings
            for Games are -50 and 150, at lambda_F = 5.""",
    )
    content_weight: float = number(
        default=250.0,
        low=0,
        high=1e9,
        search=(10.0, 2000.0, "log"),
        doc="lambda_E: how strongly the weights are drawn to those of the content.",
    )
    content_regularization: float = number(
        default=10.0,
        above=0,
        high=1e9,
        search=(0.1, 100.0, "log"),
        doc="lambda_F: the larger, the less the content of one item says about another.",
    )

    weights_: Scores = fitted("items", "items")
    semantic_: Vector = fitted("content", "content", dtype="float64")  # K

    def _check(self) -> None:
        super()._check()
        if not self.regularization + self.content_weight > 0:
            raise ParameterError(
                f"regularization={self.regularization!r} and content_weight={self.content_weight!r}: their sum must be above 0"
            )

    def estimate_memory(self, dataset: Dataset) -> int:
        width = self._content_width(dataset)
        return super().estimate_memory(dataset) + 52 * dataset.n_items * width + 32 * width**2

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        f, pull = unit_rows(self._read_content(train)), float(self.content_weight)
        self.semantic_ = np.linalg.inv(f.T @ f + self.content_regularization * np.eye(f.shape[1])).astype(np.float64)
        mapped = f @ self.semantic_
        own = np.einsum("nd,nd->n", mapped, f)
        scale = 1 / (1 - own)  # C = (F K Fᵀ - diag(own)) diag(scale)
        negative = self._checked_inverse(train, np.full(train.n_items, self.regularization + pull))
        diagonal = -negative.diagonal().astype(np.float64)
        smooth = np.concatenate(run_blocks(lambda start, stop: negative[start:stop] @ -mapped, len(f), _ROWS))  # P F K
        multiplier = (1 + pull * scale * (np.einsum("nd,nd->n", smooth, f) - diagonal * own)) / diagonal
        rescale(negative, np.ones(len(f)), multiplier + pull * scale * own)
        self.weights_ = negative.astype(np.float32, copy=False)
        left, right = smooth.astype(np.float32), np.ascontiguousarray((pull * scale[:, None] * f).T.astype(np.float32))

        def add(start: int, stop: int) -> None:
            weights = self.weights_[start:stop]
            weights += left[start:stop] @ right
            weights[np.arange(stop - start), np.arange(start, stop)] = 0

        if pull:
            run_blocks(add, len(f), _ROWS)

    def _append(self, grown: Grown) -> dict[str, Any]:
        n = len(grown.ids)
        need, budget = 4 * n * n, memory_budget()
        if need > budget:
            raise MemoryBudgetError(
                f"{len(grown.added)} new items need a second matrix of weights, about {need / 1e9:.2f} GB; the budget (MINIREC_MEMORY) "
                f"is {budget / 1e9:.2f} GB. Raise it, or add fewer items"
            )
        f = unit_rows(grown.place(self.item_content_, grown.content))
        trained = grown.place(self.item_counts_, 0) > 0
        mapped = f @ self.semantic_
        own = np.where(trained, np.einsum("nd,nd->n", mapped, f), 0)  # what an item of training told of itself
        share = self.content_weight / (self.regularization + self.content_weight)
        weights = np.empty((n, n), np.float32)
        weights[np.ix_(grown.kept, grown.kept)] = self.weights_
        with one_blas_thread():
            weights[:, grown.added] = share * (f @ mapped[grown.added].T)
            weights[grown.added] = share * (mapped[grown.added] @ f.T) / (1 - own)
        weights[grown.added, grown.added] = 0
        return {"weights_": weights}

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """What each item of the history adds: "behaviour", as EASE would at regularization + content_weight; "content", the rest.

        The first needs the column of P, which is solved for by conjugate gradients on the events. O(events) a step.
        """
        history = self._values(profiles.history)
        whole = self._weights_to(item, history).astype(np.float64)
        behaviour = np.zeros(len(whole))
        if self.item_counts_[item] > 0:
            self._need_users("explain, which tells behaviour from content by the events,", True)
            column = self._inverse_column(item)
            behaviour = -column[history.indices] / column[item]
            behaviour[history.indices == item] = 0
        parts = []
        for name, all_, of_behaviour in zip(self.items_.ids(history.indices), whole, behaviour, strict=True):
            parts += [Part("behaviour", name, float(of_behaviour)), Part("content", name, float(all_ - of_behaviour))]
        return [part for part in parts if part.value]

    def _inverse_column(self, item: int) -> Vector:
        """Column `item` of P."""
        from scipy.sparse.linalg import LinearOperator, cg

        x, penalty, n = self.seen_.binary().to_scipy().astype(np.float64), self.regularization + self.content_weight, len(self.items_)
        unit = np.zeros(n)
        unit[item] = 1.0
        column: Vector = cg(LinearOperator((n, n), lambda v: x.T @ (x @ v) + penalty * v), unit, rtol=_TOLERANCE, atol=0.0)[0]
        return column

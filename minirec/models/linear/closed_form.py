"""What the linear autoencoders with a closed form share: one inverse, checked, and its low-rank updates."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.ids import Id, IdIndex, Ids, Rows
from ...engine.backend import kernel, one_blas_thread, run_blocks
from ...engine.linalg.inverse import BLOCK, SPAN, negative_inverse
from ...engine.ranking.scorers import Scorer, Scores
from ...engine.sparse import CSR
from ...errors import MemoryBudgetError, ModelFitError, NotSupportedError
from ...options import memory_budget, thread_count
from ..contract.events import merged, without
from ..contract.monitor import Monitor
from ..contract.parameters import fitted
from ..contract.request import Profiles
from ..contract.state import kept
from ..forms.item_weights import LinearModel
from .dual import Dual, DualScorer, dual_inverse, dual_is_cheaper, dual_memory

Vector = NDArray[np.float64]
_RESIDUAL = 1e-4  # what is left over of the equations, relative to the right sides, may be no larger
_TERMS = 256  # terms of the Gram matrix that are exchanged at a time
_ROWS = 16  # rows of a matrix that one task works on


class GramModel(LinearModel):
    """A linear model that rests on -G^-1, G = Xᵀ C X + diag(penalty), X binary (users, items), C the weights of the users.

    The inverse is taken in float32 and checked against the equations G P v = v on fixed vectors v, in float64; where less than
    four digits hold (a penalty far below the largest popularity), it is taken in float64; ModelFitError where that does not
    suffice either. Time O(items^3), memory 4 items^2 bytes, on float64 12: for catalogues of up to some 40 thousand.
    """

    def _user_weights(self, lengths: Vector) -> Vector:
        """The diagonal of C, for users with histories of these lengths."""
        return np.ones(len(lengths))

    def estimate_memory(self, dataset: Dataset) -> int:
        return _memory(dataset, np.float32)

    def _checked_inverse(self, train: Dataset, penalty: Vector) -> NDArray[Any]:
        """-P, float32 where that is exact enough, else float64."""
        try:
            return self._inverse(train.binary, penalty, np.float32)
        except ModelFitError:
            need, budget = _memory(train, np.float64), memory_budget()
            if need > budget:
                raise MemoryBudgetError(
                    f"{self!r} needs float64 on this data, about {need / 1e9:.2f} GB; the budget "
                    f"(MINIREC_MEMORY) is {budget / 1e9:.2f} GB. Raise regularization, or the budget"
                ) from None
            return self._inverse(train.binary, penalty, np.float64)

    def _inverse(self, x: CSR, penalty: Vector, dtype: Any) -> NDArray[Any]:
        """-P, checked."""
        gram = gram_matrix(x, self.backend_, dtype, self._user_weights(x.counts().astype(np.float64)))
        gram[np.diag_indices(len(gram))] += penalty.astype(dtype)
        try:
            negative_inverse(gram)
        except np.linalg.LinAlgError:
            gram[:] = np.nan
        probes = _probes(len(gram))
        solved = np.concatenate(run_blocks(lambda start, stop: gram[start:stop] @ -probes, len(gram), _ROWS))
        if not self._residual(x, penalty, solved) <= _RESIDUAL:
            raise ModelFitError(f"{self!r}: the equations are too close to singular on this data: raise regularization")
        return gram

    def _residual(self, x: CSR, penalty: Vector, solved: NDArray[np.float64]) -> float:
        """|G P V - V| / |V| for the fixed columns V, by way of X; `solved` is P V."""
        matrix, weights = x.to_scipy().astype(np.float64), self._user_weights(x.counts().astype(np.float64))
        probes = _probes(len(solved))
        left = matrix.T @ (weights[:, None] * (matrix @ solved)) + penalty[:, None] * solved - probes
        return float(np.linalg.norm(left) / np.linalg.norm(probes))


class LinearAutoencoder(GramModel):
    """W_ij = -P_ij m_j r_i / r_j for i != j, W_jj = 0, where P = G^-1, G = Xᵀ C X + diag(penalty), X binary (users, items).

    The models differ in the weights C of the users, in the penalty, and in the scales m and r of the items. How the inverse is taken,
    time and memory: see GramModel.

    `update` and `forget` are exact: what a fit on the events then left would give, up to rounding. A user's events are a term
    c x xᵀ of G, and an item whose penalty follows its popularity is a term of the diagonal; P follows by Woodbury's identity,
    in O(items^2) for each term, and is checked again. P itself is not stored: it is in the weights, with `inverse_diagonal_`.

    Where there are at most half as many users as items, the model takes its dual form (dual.py): a matrix of users^2 in place of items^2
    numbers gives the same scores. `weights_` is None then, `dual_` is that matrix, and `update` and `forget` make it anew, in O(users^3).
    """

    weights_: Scores = fitted("items", "items", optional=True)
    dual_: Vector | None = fitted("users", "users", dtype="float64", optional=True)
    inverse_diagonal_: Vector = fitted("items", dtype="float64")  # P_jj

    # ---- what a model defines -------------------------------------------------------------------------------------------

    @abstractmethod
    def _penalty(self, popularity: Vector) -> Vector:
        """What is added to the diagonal of the Gram matrix, above 0."""

    def _multiplier(self, diagonal: Vector, penalty: Vector) -> Vector:
        """m_j, from P_jj; 1 / P_jj makes the diagonal of I - P diag(m) zero."""
        return 1 / diagonal

    def _item_scale(self, popularity: Vector) -> Vector:
        """r_i, above 0."""
        return np.ones(len(popularity))

    # ---- fitting --------------------------------------------------------------------------------------------------------

    def estimate_memory(self, dataset: Dataset) -> int:
        if dual_is_cheaper(dataset.n_users, dataset.n_items):
            return dual_memory(dataset.n_users, dataset.n_items, len(dataset))
        return super().estimate_memory(dataset)

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        self.weights_, self.dual_ = None, None  # type: ignore[assignment]
        if dual_is_cheaper(train.n_users, train.n_items):
            self._fit_dual()
            return
        popularity = train.item_counts.astype(np.float64)
        penalty, scale = self._penalty(popularity), self._item_scale(popularity)
        negative = self._checked_inverse(train, penalty)
        self.inverse_diagonal_ = -negative.diagonal().astype(np.float64)
        rescale(negative, scale, self._multiplier(self.inverse_diagonal_, penalty) / scale)
        self.weights_ = negative.astype(np.float32, copy=False)

    # ---- the dual form --------------------------------------------------------------------------------------------------

    def save(self, path: str | Path, *, items_only: bool = False) -> None:
        """As `Recommender.save`; the dual form cannot leave the users out."""
        if items_only and "users_" in vars(self) and self.dual_ is not None:
            raise NotSupportedError(
                f"this {type(self).__name__} scores by the events of its {len(self.users_):,} users, so items_only=True cannot leave them "
                f"out: item weights in place of them would take {4 * len(self.items_) ** 2 / 1e9:.2f} GB. Save it without items_only"
            )
        super().save(path, items_only=items_only)

    def _fit_dual(self) -> None:
        """M and P_jj from `seen_`, checked against the equations."""
        events = self.seen_.binary()
        lengths, penalty = events.counts().astype(np.float64), self._penalty(self._popularity())
        weights = self._user_weights(np.maximum(lengths, 1)) * (lengths > 0)
        self.dual_ = dual_inverse(events, weights, penalty, self.backend_)
        dual = self._dual()
        self.inverse_diagonal_ = dual.diagonal(penalty)
        solved = dual.solve(penalty, _probes(len(penalty)))
        if not self._residual(events, penalty, solved) <= _RESIDUAL:
            raise ModelFitError(f"{self!r}: the equations are too close to singular on this data: raise regularization")

    def _popularity(self) -> Vector:
        return np.bincount(self.seen_.indices, minlength=len(self.items_)).astype(np.float64)

    def _dual(self) -> Dual:
        """The dual form with its events, kept as long as M is the same array."""

        def make() -> Dual:
            assert self.dual_ is not None
            lengths = self.seen_.counts().astype(np.float64)
            weights = self._user_weights(np.maximum(lengths, 1)) * (lengths > 0)
            return Dual.of(self.dual_, self.seen_, weights)

        return kept(self, "_kept_dual", self.dual_, make)

    def _dual_scales(self) -> tuple[Vector, Vector, Vector]:
        """left, right and own of `DualScorer`: W_ij = (r_i / l_i) (y_iᵀ M y_j) (m_j / (l_j r_j)), and what it would be for i = j."""
        popularity, diagonal = self._popularity(), self.inverse_diagonal_
        penalty, scale = self._penalty(popularity), self._item_scale(popularity)
        multiplier = self._multiplier(diagonal, penalty)
        return scale / penalty, multiplier / (penalty * scale), (1 - penalty * diagonal) * multiplier / penalty

    def _scorer(self, profiles: Profiles) -> Scorer:
        if self.dual_ is None:
            return super()._scorer(profiles)
        return DualScorer(self._values(profiles.history), self._dual(), *self._dual_scales(), self.backend_)

    def _weights_to(self, item: int, sources: CSR) -> Scores:
        if self.dual_ is None:
            return super()._weights_to(item, sources)
        left, right, _ = self._dual_scales()
        return self._dual().weights_to(item, sources.indices, left, float(right[item])).astype(np.float32)

    def _similarity(self, rows: Rows) -> Scorer:
        return super()._similarity(rows) if self.dual_ is None else self._scores_alone(rows)

    # ---- events that come and go ----------------------------------------------------------------------------------------

    def update(self, events: Dataset) -> Self:
        """Take in new events of known or new users: the model is then that of a fit on all events.

        O(items^2) for each user with new events, twice that for a known user, and once more for each of the new events if the
        penalty depends on popularity. A second matrix of weights is taken meanwhile, for the requests that the model
        serves. ModelFitError, and a model that stays as it was, where rounding has taken the digits.
        """
        change = merged(self, events)
        if self.dual_ is not None:
            self._refit_dual(change.users, change.items, change.seen)
            return self
        old = np.full(len(change.users), -1)
        old[change.user_rows] = np.arange(len(self.users_))
        old = old[change.touched]
        before = self.seen_.rows(old[old >= 0])
        before = before._replace(indices=change.item_rows[before.indices], shape=(before.shape[0], len(change.items)))
        after = change.seen.rows(change.touched)
        grown = after.counts()
        grown[old >= 0] -= before.counts()  # users who only repeat themselves stay as they are
        before, after = before.rows(np.flatnonzero(grown[old >= 0])), after.rows(np.flatnonzero(grown))
        popularity = np.zeros(len(change.items))
        popularity[change.item_rows] = np.bincount(self.seen_.indices, minlength=len(self.items_))
        self._make_room(change.item_rows, len(change.items))
        self.users_, self.items_, self.seen_ = change.users, change.items, change.seen
        self._exchange(before, after, popularity)
        return self

    def forget(self, users: Ids | Id) -> Self:
        """Take out users, by their ids, with their events: the model is then that of a fit without them.

        Their items stay in the catalogue; one that nobody else has is left without weights. O(items^2) for each user, and once
        more for each item of the histories if the penalty depends on popularity. Memory and errors are those of `update`.
        """
        left, seen, gone = without(self, users)
        if self.dual_ is not None:
            self._refit_dual(left, self.items_, seen)
            return self
        popularity = np.bincount(self.seen_.indices, minlength=len(self.items_)).astype(np.float64)
        self.users_, self.seen_ = left, seen
        self._make_room(np.arange(len(self.items_), dtype=np.int32), len(self.items_))
        self._exchange(gone, gone.rows(np.zeros(0, np.int64)), popularity)
        return self

    def _refit_dual(self, users: IdIndex, items: IdIndex, seen: CSR) -> None:
        need, budget = dual_memory(len(users), len(items), seen.nnz), memory_budget()
        if need > budget:
            raise MemoryBudgetError(
                f"{len(users):,} users need a matrix of about {need / 1e9:.2f} GB; the budget (MINIREC_MEMORY) is {budget / 1e9:.2f} GB. "
                "Raise it, or fit again on fewer events"
            )
        self.users_, self.items_, self.seen_ = users, items, seen
        with one_blas_thread():
            self._fit_dual()

    def _make_room(self, rows: NDArray[np.int32], n: int) -> None:
        """A matrix to change, with the items in the given rows of n: requests go on with the old one. New items have no events yet."""
        need, budget = 4 * n * n, memory_budget()
        if need > budget:
            raise MemoryBudgetError(
                f"a change needs a second matrix of the weights of {n:,} items, about {need / 1e9:.2f} GB; the budget (MINIREC_MEMORY) "
                f"is {budget / 1e9:.2f} GB. Raise it, or fit again on all events"
            )
        weights, diagonal = np.zeros((n, n), np.float32), 1 / self._penalty(np.zeros(n))
        weights[np.ix_(rows, rows)] = self.weights_
        diagonal[rows] = self.inverse_diagonal_
        self.weights_, self.inverse_diagonal_ = weights, diagonal

    def _exchange(self, before: CSR, after: CSR, old_popularity: Vector) -> None:
        """The weights once the histories `before` are replaced by `after`; `seen_` is as it shall be already."""
        popularity = np.bincount(self.seen_.indices, minlength=len(self.items_)).astype(np.float64)
        penalty, old_penalty = self._penalty(popularity), self._penalty(old_popularity)
        moved = np.flatnonzero(penalty != old_penalty)
        lengths = np.concatenate((before.counts(), after.counts(), np.ones(len(moved), np.int64)))
        weights = self._user_weights(lengths.astype(np.float64))
        items = np.concatenate((before.indices, after.indices, moved)).astype(np.int32)
        terms = CSR(np.append(0, np.cumsum(lengths)), items, np.ones(len(items)), (len(lengths), len(self.items_)))
        taken, given = before.shape[0], before.shape[0] + after.shape[0]
        strength = np.concatenate((-weights[:taken], weights[taken:given], (penalty - old_penalty)[moved]))
        with one_blas_thread():
            scale, multiplier = self._item_scale(old_popularity), self._multiplier(self.inverse_diagonal_, old_penalty)
            for start in range(0, len(lengths), _TERMS):
                part = np.arange(start, min(start + _TERMS, len(lengths)))
                step, self.inverse_diagonal_ = self._step(terms.rows(part), strength[part], scale, multiplier)
                new_scale, new_multiplier = self._item_scale(popularity), self._multiplier(self.inverse_diagonal_, penalty)
                self._apply(step, (scale, multiplier), (new_scale, new_multiplier))
                scale, multiplier = new_scale, new_multiplier
            alone = np.flatnonzero(popularity == 0)
            self.weights_[alone], self.weights_[:, alone], self.inverse_diagonal_[alone] = 0, 0, 1 / penalty[alone]
            self._check_exchange(penalty, scale, multiplier)

    def _step(self, terms: CSR, strength: Vector, scale: Vector, multiplier: Vector) -> tuple[tuple[Vector, Vector], Vector]:
        """A = U P and C, for which (G + Uᵀ diag(strength) U)^-1 = P - Aᵀ C, and its diagonal; U has the rows `terms`.

        C = (diag(1 / strength) + U P Uᵀ)^-1 A: Woodbury's identity. All float64, though P is read from the float32 weights.
        """
        inward = np.zeros(terms.shape)
        product, row_scale = kernel("weighted_rows_dense", self.backend_), -1 / scale[terms.indices]
        run_blocks(lambda a, b: product(a, b, terms.indptr, terms.indices, row_scale, self.weights_, inward[a:b]), terms.shape[0], _ROWS)
        inward *= scale / multiplier
        inward[terms.row_ids(), terms.indices] += self.inverse_diagonal_[terms.indices]
        small = terms.to_scipy() @ inward.T
        outward = np.linalg.solve(small + np.diag(1 / strength), inward)
        return (inward, outward), self.inverse_diagonal_ - np.einsum("ti,ti->i", inward, outward)

    def _apply(self, step: tuple[Vector, Vector], old: tuple[Vector, Vector], new: tuple[Vector, Vector]) -> None:
        """The weights of P - Aᵀ C in place of those of P; `old` and `new` are their (r, m). One pass over the weights."""
        (inward, outward), (scale, multiplier), (new_scale, new_multiplier) = step, old, new
        rows, columns = new_scale / scale, new_multiplier / new_scale * scale / multiplier
        left, right = (inward * new_scale).T.astype(np.float32), (outward * (new_multiplier / new_scale)).astype(np.float32)
        row_factors, column_factors = rows.astype(np.float32)[:, None], columns.astype(np.float32)

        def block(start: int, stop: int) -> None:
            weights = self.weights_[start:stop]
            weights *= row_factors[start:stop]
            weights *= column_factors
            weights += left[start:stop] @ right
            weights[np.arange(stop - start), np.arange(start, stop)] = 0

        run_blocks(block, len(self.weights_), _ROWS)

    def _check_exchange(self, penalty: Vector, scale: Vector, multiplier: Vector) -> None:
        probes, n = _probes(len(self.weights_)), len(self.weights_)
        scaled = probes * (scale / multiplier)[:, None]
        solved = np.concatenate(run_blocks(lambda start, stop: self.weights_[start:stop] @ scaled, n, _ROWS))
        solved = self.inverse_diagonal_[:, None] * probes - solved / scale[:, None]
        if not self._residual(self.seen_.binary(), penalty, solved) <= _RESIDUAL:
            raise ModelFitError(f"{self!r}: rounding has taken too many digits of the weights to change them further: fit again")


def gram_matrix(x: CSR, backend: str, dtype: Any = np.float32, weights: Vector | None = None) -> NDArray[Any]:
    """Xᵀ C X dense, (items, items), C the diagonal matrix of the weights of the users, or None for ones: for binary X exact.

    O(sum of the squared lengths of the users' histories).
    """
    n, xt = x.shape[1], x.transpose()
    values = xt.data if weights is None else (xt.data * weights[xt.indices]).astype(dtype)
    gram = np.zeros((n, n), dtype)
    product = kernel("weighted_rows_sparse", backend)
    run_blocks(lambda a, b: product(a, b, xt.indptr, xt.indices, values, x.indptr, x.indices, x.data, gram[a:b]), n, 64)
    return gram


def rescale(matrix: NDArray[Any], rows: Vector, columns: Vector) -> None:
    """Multiply rows and columns by scales, in place, and set the diagonal to zero."""

    def block(start: int, stop: int) -> None:
        part = matrix[start:stop]
        part *= rows[start:stop, None].astype(matrix.dtype)
        part *= columns.astype(matrix.dtype)
        part[np.arange(stop - start), np.arange(start, stop)] = 0

    run_blocks(block, len(matrix), _ROWS)


def _probes(n: int) -> NDArray[np.float64]:
    return np.random.default_rng(0).choice([-1.0, 1.0], (n, 4))


def _memory(dataset: Dataset, dtype: Any) -> int:
    """The inverse in place and, from float64, its float32 copy; two panels; what each thread works on, the check in float64."""
    n, size = dataset.n_items, int(np.dtype(dtype).itemsize)
    a_thread = size * min(n, BLOCK) * min(n, SPAN) + 16 * _ROWS * n
    return n * n * (size if size == 4 else size + 4) + 2 * size * n * min(n, BLOCK) + thread_count() * a_thread + 64 * len(dataset)

"""Implicit-feedback ALS: matrix factorization by alternating least squares over all pairs of users and items."""

from __future__ import annotations

from typing import Literal, Protocol, Self, TypeAlias

import numpy as np

from ...data.dataset import Dataset
from ...engine.backend import kernel, one_blas_thread, run_blocks
from ...engine.ranking.scorers import Scores
from ...engine.sparse import CSR
from ...errors import DataError, ModelFitError, NotSupportedError
from ...options import thread_count
from ..contract.events import Merged, merged
from ..contract.explanation import Part
from ..contract.monitor import Monitor
from ..contract.parameters import choice, fitted, number, seeded, whole
from ..contract.request import Profiles
from ..forms.vectors import FactorModel

_ROWS = 64  # rows that one call of a kernel solves
_GRAM_ROWS = 4096  # rows that one product of a Gram matrix sums


class Prior(Protocol):
    """What the vectors of a side are drawn to: ridge_r |x_r - mean_r|^2 takes the place of the penalty of row r."""

    ridge: Scores  # (rows,)
    mean: Scores  # (rows, d)


Priors: TypeAlias = tuple[Prior | None, Prior | None]  # of users and of items; None: the plain penalty


class ALS(FactorModel):
    """Implicit ALS (iALS): user and item vectors w_u, h_i, with score w_u . h_i, that minimize

    L = sum_S (w_u.h_i - 1)^2 + alpha0 sum_all (w_u.h_i)^2 + lambda (sum_u n_u^nu |w_u|^2 + sum_i m_i^nu |h_i|^2)

    S are the pairs with events; weights and repetitions do not count. n_u = |I_u| + alpha0 |items| and
    m_i = |U_i| + alpha0 |users| are the frequencies that the regularization is scaled by.
    Rendle et al. 2022, "Revisiting the performance of iALS on item recommendation benchmarks"; initial values are
    N(0, init_std^2 / factors), as there.

    With `alpha` the pairs of S have the confidence c_ui = 1 + alpha r_ui, r_ui being the sum of the weights of the pair's events,
    and the unobserved term leaves them out, so that alpha0 is the confidence of a pair without events:

    L = sum_S c_ui (w_u.h_i - 1)^2 + alpha0 sum_(not S) (w_u.h_i)^2 + lambda (...)

    With alpha0=1, nu=0 that is Hu et al. 2008, "Collaborative filtering for implicit feedback datasets", eq. 3. Where all c_ui
    are one c, and nu=0, it is the first loss again: with a = c - alpha0 and t = c / a, the first one at alpha0 / a and
    lambda / (a t) gives these scores divided by t.

    The last user half step is always exact. So a known user's vector is what folding in the user's training events gives, which
    is one exact half step, and `explain` holds for both. `log_` has the loss L of each iteration.
    Memory: both matrices of vectors, and twice the events.
    """

    name = "als"

    factors: int = whole(default=64, high=65_536, search=[32, 64, 128], doc="Length of the vectors.")
    regularization: float = number(
        default=0.003,
        above=0,
        high=1e6,
        search=(3e-4, 0.1, "log"),
        doc="""
            lambda. The defaults of lambda, alpha0 and nu are those of the paper for MovieLens-20M. It searches alpha0 in 1 ... .003
            and lambda in .1 ... .0003, factors fixed, and then doubles the factors.
        """,
    )
    alpha0: float = number(default=0.1, low=0, high=1e6, search=(3e-3, 1.0, "log"), doc="Weight of the pairs without events.")
    nu: float = number(default=1.0, low=0, high=5, doc="Exponent of the frequencies.")
    alpha: float | None = number(
        default=None,
        low=0,
        high=1e6,
        doc="None: pairs with events are all alike; or the confidence that a unit of weight adds, and then no weight may be negative.",
    )
    iterations: int = whole(
        default=16, high=100_000, doc="Each is an item half step and a user half step, after one user half step at the start."
    )
    solver: Literal["cg", "cholesky", "block"] = choice(
        default="cg",
        doc="""
            How a half step is done. "cholesky" solves each row exactly: O(nnz d^2 + rows d^3).
            "cg" takes `cg_steps` steps of conjugate gradients from the present vector (Takács et al. 2011, "Applications of the
            conjugate gradient method for implicit feedback collaborative filtering"): O(cg_steps (nnz d + rows d^2)).
            "block" solves exactly for `block_size` coordinates at a time (Rendle et al. 2021, "iALS++: speeding up matrix
            factorization with subspace optimization"): O(nnz d block_size + rows d block_size^2). The authors' code alternates the
            sides within a block of coordinates; here all blocks of a side come first, so that a row's predictions stay in the cache.
        """,
    )
    cg_steps: int = whole(default=3, high=1000, doc='Steps of solver="cg".')
    block_size: int = whole(default=32, high=65_536, doc='Coordinates at a time of solver="block".')
    init_std: float = number(default=0.1, above=0, high=1000, doc="Standard deviation of the initial values, times sqrt(factors).")
    seed: int | None = seeded(doc="Seed of the initial values; None draws a fresh one for each fit.")

    item_gram_: Scores = fitted("d", "d")  # sum_i h_i h_iᵀ

    def estimate_memory(self, dataset: Dataset) -> int:
        """Vectors with their initial values in double precision, events by user and by item, and what the threads work on."""
        d, rows = int(self.factors), dataset.n_users + dataset.n_items
        longest = max(dataset.n_users, dataset.n_items)
        buffers = thread_count() * (8 * _ROWS * d * d + 8 * longest * d + 4 * _GRAM_ROWS * d)
        return 8 * rows * d + 64 * len(dataset) + 24 * d * d + buffers

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        by_user = self._confident(self.seen_)
        by_item = by_user.transpose()
        rng, scale = np.random.default_rng(self.seed_), self.init_std / np.sqrt(self.factors)
        users, items = (rng.standard_normal((n, self.factors), np.float32) * np.float32(scale) for n in (train.n_users, train.n_items))
        self.user_factors_, self.item_factors_ = users, items
        of_users, of_items = priors = self._priors(train, by_user, by_item)
        self._half_step(by_user, items, self._gram(items), users, self.solver, of_users)
        for done in range(1, self.iterations + 1):
            items = items.copy()  # a new array: caches are keyed on array identity
            self._half_step(by_item, users, self._gram(users), items, self.solver, of_items)
            self.item_factors_, self.item_gram_ = items, self._gram(items)
            loss = self._half_step(by_user, items, self.item_gram_, users, self.solver, of_users)
            loss += self._penalties(by_item, users, items, priors)
            if not np.isfinite(loss):
                raise ModelFitError(
                    f"ALS has non-finite values after iteration {done}: the systems are singular in single precision. "
                    "Raise regularization or alpha0, or rescale the weights"
                )
            if monitor.step(done, self.iterations, loss=loss):
                break
        if self.solver != "cholesky":
            self._half_step(by_user, items, self.item_gram_, users, "cholesky", of_users)

    def _priors(self, train: Dataset, by_user: CSR, by_item: CSR) -> Priors:
        return None, None

    def _penalties(self, by_item: CSR, users: Scores, items: Scores, priors: Priors) -> float:
        """What L has beside the share of the user half step; called at the end of an iteration."""
        return float(self._ridge(by_item) @ np.einsum("nd,nd->n", items, items, dtype=np.float64))

    def _confident(self, events: CSR) -> CSR:
        """The events with the confidence of each pair."""
        if self.alpha is None:
            return events.binary()
        if events.nnz and events.data.min() < 0:
            raise DataError(
                f"ALS(alpha={self.alpha!r}) takes weights for confidence, and one is {events.data.min()}: they must be at least 0"
            )
        return events.with_data((1 + self.alpha * events.data).astype(np.float32))

    def _ridge(self, events: CSR) -> Scores:
        """lambda (entries of the row + alpha0 columns)^nu for each row, float32."""
        frequency = events.counts() + self.alpha0 * self._others(events)
        ridge: Scores = (self.regularization * frequency**self.nu).astype(np.float32)
        return ridge

    def _others(self, events: CSR) -> int:
        """How many vectors of the other side the unobserved term is about."""
        return events.shape[1]

    @staticmethod
    def _gram(factors: Scores) -> Scores:
        """VᵀV, summed over fixed blocks in order."""

        def block(start: int, stop: int) -> Scores:
            part = factors[start:stop]
            product: Scores = part.T @ part
            return product

        total = np.sum(run_blocks(block, len(factors), _GRAM_ROWS), axis=0, dtype=np.float64)
        return np.asarray(total, np.float32)

    def _half_step(self, events: CSR, fixed: Scores, gram: Scores, out: Scores, solver: str, prior: Prior | None = None) -> float:
        """Move the rows of `out` towards (or to) the minimum of L with the other side `fixed`; their share of L."""
        step = kernel(f"als_{solver}", self.backend_)
        extra = {"cg": (self.cg_steps,), "block": (self.block_size,), "cholesky": ()}[solver]
        overlap = 0.0 if self.alpha is None else float(self.alpha0)
        spread = np.float32(self.alpha0) * gram
        ridge, mean = (self._ridge(events), out[:0]) if prior is None else (prior.ridge, prior.mean)
        indptr, indices, confidence, _ = events
        loss = np.empty(len(out), np.float64)

        def block(start: int, stop: int) -> None:
            step(start, stop, indptr, indices, confidence, overlap, fixed, spread, ridge, mean, *extra, out, loss)

        # NumPy takes rows with as many entries together, the more the faster; no row sees another, so their number may be any
        alike = self.backend_ == "numpy" and solver != "cholesky"
        run_blocks(block, len(out), max(-(-len(out) // thread_count()), 1) if alike else _ROWS)
        return float(loss.sum())

    def _fold_in(self, history: CSR) -> Scores:
        out = np.empty((history.shape[0], self.item_factors_.shape[1]), np.float32)
        self._half_step(self._confident(history), self.item_factors_, self.item_gram_, out, "cholesky")
        return out

    def _solved(self, change: Merged) -> Scores:
        """Vectors of the users who are concerned by new events."""
        return self._fold_in(change.seen.rows(change.touched))

    def update(self, events: Dataset) -> Self:
        """Take in new events: vectors of the users that have some are solved again, exactly, with the item vectors fixed.

        New users are added. The result for these users is that of folding in all their events; item vectors and other users stay
        as they were. New items need a refit (NotSupportedError). O(all events) for merging, and a half step for the users concerned.
        """
        change = merged(self, events)
        if len(change.items) > len(self.items_):
            new = np.setdiff1d(np.arange(len(change.items)), change.item_rows)
            raise NotSupportedError(
                f"update keeps the item vectors, and {len(new)} items of the events have none, such as {change.items[int(new[0])]!r}: "
                "fit again on all events, or leave these items out"
            )
        factors = np.empty((len(change.users), self.user_factors_.shape[1]), np.float32)
        factors[change.user_rows] = self.user_factors_
        with one_blas_thread():
            factors[change.touched] = self._solved(change)
        self.users_, self.seen_, self.user_factors_ = change.users, change.seen, factors
        return self

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """Hu et al. 2008, section 5: the score is sum_j c_uj h_iᵀ A_u^-1 h_j over the items j of the history."""
        events = self._confident(profiles.history)
        vectors, confidence = self.item_factors_[events.indices].astype(np.float64), events.data.astype(np.float64)
        overlap = 0.0 if self.alpha is None else self.alpha0
        lhs = self.alpha0 * self.item_gram_.astype(np.float64) + (vectors.T * (confidence - overlap)) @ vectors
        lhs.flat[:: len(lhs) + 1] += self._ridge(events)[0]
        shares = confidence * (vectors @ np.linalg.solve(lhs, self.item_factors_[item].astype(np.float64)))
        return [Part("history", name, float(share)) for name, share in zip(self.items_.ids(events.indices), shares, strict=True)]

"""Two small models that obey the contract, as stand-ins for tests of what all models share, and some that break it."""

from __future__ import annotations

import numpy as np

from minirec.engine.sparse import CSR
from minirec.models.contract.checks import number, whole
from minirec.models.contract.explanation import Part
from minirec.models.contract.parameters import fitted
from minirec.models.forms.item_weights import LinearModel
from minirec.models.forms.vectors import FactorModel


class Together(LinearModel):
    """Scores by how many users have both items, with shrinkage: dense or sparse weights."""

    name = "together"

    def __init__(self, *, shrinkage=1.0, sparse=False):
        self.shrinkage, self.sparse = shrinkage, sparse

    def _check(self):
        number("shrinkage", self.shrinkage, 0)
        if not isinstance(self.sparse, bool):
            from minirec.errors import ParameterError

            raise ParameterError(f"sparse must be a bool, got {self.sparse!r}")

    def estimate_memory(self, dataset):
        return 8 * dataset.n_items**2

    def _fit(self, train, monitor):
        seen = train.binary.to_dense().astype(np.float64)
        both = seen.T @ seen
        count = np.diag(both).copy()
        np.fill_diagonal(both, 0)
        weights = (both / (np.sqrt(np.outer(count, count)) + self.shrinkage)).astype(np.float32)
        if self.sparse:
            rows, columns = np.nonzero(weights)
            self.weights_ = CSR.from_pairs(rows, columns, weights[rows, columns], weights.shape)
        else:
            self.weights_ = weights


class Turned(FactorModel):
    """The singular vectors of the events, turned by a random rotation, which leaves the scores all but alone."""

    name = "turned"

    def __init__(self, *, factors=3, iterations=2, seed=0):
        self.factors, self.iterations, self.seed = factors, iterations, seed

    def _check(self):
        whole("factors", self.factors)
        whole("iterations", self.iterations)
        whole("seed", self.seed, 0)

    def estimate_memory(self, dataset):
        return 8 * dataset.n_users * dataset.n_items

    def _fit(self, train, monitor):
        rng = np.random.default_rng(self.seed)
        seen = train.binary.to_dense().astype(np.float64)
        items = rng.standard_normal((train.n_items, self.factors))
        for done in range(1, self.iterations + 1):  # subspace iteration
            items, _ = np.linalg.qr(seen.T @ (seen @ items), mode="complete")
            items = np.pad(items[:, : self.factors], ((0, 0), (0, max(0, self.factors - items.shape[1]))))
            self.item_factors_ = items.astype(np.float32)
            self.user_factors_ = self._fold_in(self.seen_)
            if monitor.step(done, self.iterations, norm=float(np.linalg.norm(self.user_factors_))):
                break

    def _fold_in(self, history):
        out = np.zeros((history.shape[0], self.item_factors_.shape[1]), np.float32)
        for r in range(history.shape[0]):
            for item in history.row(r)[0]:
                out[r] += self.item_factors_[item]
        return out


class DeadParameter(Together):
    def __init__(self, *, shrinkage=1.0, sparse=False, momentum=0.5):
        super().__init__(shrinkage=shrinkage, sparse=sparse)
        self.momentum = momentum

    def _check(self):
        super()._check()
        number("momentum", self.momentum)


class PositionalConstructor(Together):
    def __init__(self, shrinkage=1.0, sparse=False):
        super().__init__(shrinkage=shrinkage, sparse=sparse)


class ConvertingConstructor(Together):
    def __init__(self, *, shrinkage=1.0, sparse=False):
        self.shrinkage, self.sparse = shrinkage, bool(sparse)


class UncheckedParameter(Together):
    def _check(self):
        pass


class SeedlessNoise(Turned):
    def _fit(self, train, monitor):
        super()._fit(train, monitor)
        self.item_factors_ = self.item_factors_ * np.float32(1 + 0.01 * np.random.rand())  # noqa: NPY002  (broken on purpose)


class WritesToItsInput(Together):
    def _fit(self, train, monitor):
        super()._fit(train, monitor)
        train.weight[:] = 1


class RemembersTheFirstFit(Together):
    def _fit(self, train, monitor):
        before = getattr(self, "weights_", None)
        super()._fit(train, monitor)
        if before is not None and before.shape == self.weights_.shape:
            self.weights_ = self.weights_ + before


class WrongParts(Together):
    def _explain(self, profiles, item):
        return [*super()._explain(profiles, item), Part("noise", 1, 0.1)]


class DependsOnThreads(Together):
    def _fit(self, train, monitor):
        from minirec.options import thread_count

        super()._fit(train, monitor)
        self.weights_ = self.weights_ * np.float32(thread_count())


class DependsOnBackend(Together):
    def _fit(self, train, monitor):
        super()._fit(train, monitor)
        self.weights_ = self.weights_ * np.float32(1.001 if self.backend_ == "numpy" else 1)


class DependsOnTheBatch(Turned):
    def _fold_in(self, history):
        return super()._fold_in(history) * np.float32(len(history.counts()))


class Anticorrelated(Together):
    def _fit(self, train, monitor):
        super()._fit(train, monitor)
        self.weights_ = self.weights_.max() + 1 - self.weights_


class ForgetsItsState(Together):
    weights_ = fitted(saved=False)


class NeverReports(Turned):
    def _fit(self, train, monitor):
        super()._fit(train, type("Silent", (), {"step": lambda *_, **__: False}))


class CannotStop(Turned):
    def _fit(self, train, monitor):
        super()._fit(train, type("Deaf", (), {"step": lambda *a, **k: monitor.step(*a, **k) and False}))


class NegativeMemory(Together):
    def estimate_memory(self, dataset):
        return -1


class NotANumber(Together):
    def _scorer(self, profiles):
        scorer = super()._scorer(profiles)
        scorer.weights = scorer.weights * np.float32("nan")
        return scorer


# class: one check that must fail for it
BROKEN = {
    DeadParameter: "every_parameter_changes_the_result",
    PositionalConstructor: "constructor_stores_its_arguments",
    ConvertingConstructor: "constructor_stores_its_arguments",
    UncheckedParameter: "bad_parameters_are_refused_by_fit",
    SeedlessNoise: "same_seed_same_bytes",
    WritesToItsInput: "inputs_stay_as_they_are",
    RemembersTheFirstFit: "same_seed_same_bytes",
    WrongParts: "explanations_add_up",
    DependsOnThreads: "threads_do_not_matter",
    DependsOnBackend: "backends_agree",
    DependsOnTheBatch: "one_user_at_a_time_equals_the_batch",
    Anticorrelated: "known_answer",
    ForgetsItsState: "saved_and_loaded",
    NeverReports: "progress_is_reported",
    CannotStop: "progress_is_reported",
    NegativeMemory: "memory_is_estimated",
    NotANumber: "long_lists",
}

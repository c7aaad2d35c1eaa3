"""The contract of every model: what it defines, fitting it, and its files; serving.py has what it answers to requests."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ...cards import card
from ...data.convert import Events, as_dataset
from ...data.dataset import Dataset
from ...data.ids import Id, Ids
from ...engine.backend import one_blas_thread, resolve
from ...engine.sequences import Sequences
from ...engine.sparse import CSR
from ...errors import (
    DataError,
    MemoryBudgetError,
    ModelFitError,
    NotSupportedError,
    ParameterError,
)
from ...options import memory_budget
from .judge import figures
from .monitor import Callback, Monitor, Progress
from .provenance import provenance
from .request import Profiles
from .serving import Serving

if TYPE_CHECKING:
    from pathlib import Path


class Recommender(Serving):
    """A recommender. Subclasses take keyword-only hyper-parameters and store them unchanged; `fit` checks them.

    After `fit`: `users_`, `items_` (the id indexes), `seen_` (CSR users x items of the training events), `log_` (a record
    an iteration), `backend_`, `provenance_` (versions, backend, data fingerprint).
    """

    _resumes: ClassVar[bool] = False  # True: a fit can go on from a checkpoint

    # ---- what a model defines -------------------------------------------------------------------------------------------

    @abstractmethod
    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        """Learn from a compact data set; BLAS is one-threaded here, `users_`, `items_`, `seen_`, `backend_` are set."""

    @abstractmethod
    def estimate_memory(self, dataset: Dataset) -> int:
        """Peak bytes that fitting on `dataset` takes beyond the data itself; an estimate, made before the work."""

    @property
    def seed_(self) -> int:
        """The seed in force: that of the constructor, or the one drawn for this fit."""
        seed = getattr(self, "seed", 0)
        return int(self.provenance_["seed"] if seed is None else seed)

    @property
    def history_(self) -> list[dict[str, float]]:
        """The old name of `log_`, deprecated; version 0.4 removes it."""
        import warnings

        warnings.warn("history_ is now called log_; version 0.4 removes the old name", DeprecationWarning, stacklevel=2)
        return self.log_

    # ---- fitting --------------------------------------------------------------------------------------------------------

    def fit(
        self,
        train: Events,
        validation: Events | None = None,
        *,
        progress: Progress | None = None,
        callback: Callback | None = None,
        checkpoint: str | Path | None = None,
    ) -> Self:
        """Learn from events; returns self. A second fit forgets the first; one that fails or is interrupted leaves the model as it was.

        validation : events of the same users, never learned from; their figures are added to `log_` after each iteration.
        progress : called as progress(done, total, record) after each iteration.
        callback : called as callback(model, record); the model is usable then; return True to stop.
        checkpoint : a file written after each iteration. Where it exists the fit goes on from it, to the same bytes as one that was
            never stopped; `log_` has the iterations from there on alone. For sequence models and autoencoders; NotSupportedError
            of others, ModelFileError where the file is of other parameters or data.
        """
        train = as_dataset(train, "train")
        validation = None if validation is None else as_dataset(validation, "validation")
        self._check()
        if checkpoint is not None and not self._resumes:
            raise NotSupportedError(f"{type(self).__name__} cannot go on from a checkpoint: leave it out")
        train = train.compact()
        if not len(train):
            raise DataError(f"cannot fit {type(self).__name__}: the data set {train.name!r} has no events")
        need, budget = self.estimate_memory(train), memory_budget()
        if need > budget:
            raise MemoryBudgetError(
                f"{type(self).__name__} on {train.n_users:,} users and {train.n_items:,} items needs about {need / 1e9:.2f} GB; "
                f"the budget (MINIREC_MEMORY) is {budget / 1e9:.2f} GB. Raise it, keep fewer items (k-core), or take another model"
            )
        self.users_, self.items_, self.seen_ = train.users, train.items, train.matrix
        self.backend_, self.log_ = resolve(), []
        self.provenance_ = provenance(self, train)
        judge = None if validation is None else partial(self._validate, validation)
        stop = None if callback is None else partial(callback, self)
        with one_blas_thread():
            self._fit(train, Monitor(self.log_, judge, progress, stop, checkpoint))
        self._check_finite()
        return self

    def _repr_html_(self) -> str:
        """What a notebook shows: parameters, and what it was fitted on."""
        if "users_" not in vars(self):
            return card(type(self).__name__, self.get_params(), notes=["not fitted"])
        data = self.provenance_.get("data", {})
        fitted_on = f"fitted on {data.get('name', '')}: {data.get('events', 0):,} events, {data.get('users', 0):,} users, "
        notes = [f"{fitted_on}{data.get('items', 0):,} items; backend {self.backend_}"]
        return card(type(self).__name__, self.get_params(), notes=notes)

    def _purpose(self, train: Dataset) -> str:
        """What a checkpoint is of: the model but for how long it is trained, and the data."""
        return f"{self.clone(iterations=1, patience=1)!r} on {train.fingerprint}"

    def _check_finite(self) -> None:
        for name in self._state:
            value = getattr(self, name)
            if value is None or isinstance(value, Sequences):
                continue
            array = value.data if isinstance(value, CSR) else np.asarray(value)
            extremes = (array.min(initial=0), array.max(initial=0)) if array.dtype.kind == "f" else (0, 0)  # NaN where there is one
            if not np.isfinite(extremes).all():
                raise ModelFitError(
                    f"{type(self).__name__} diverged: {name} is not finite. Lower learning_rate, raise regularization, or rescale weights"
                )

    def _check_shapes(self) -> None:
        """Score one item for an empty history: a damaged file whose arrays do not fit together fails here, not in a request."""
        n = len(self.items_)
        empty = CSR.empty(1, n)
        scorer = self._scorer(Profiles(None, empty))
        scores = scorer.block(0, 1)
        if not scorer.shape == scores.shape == (1, n) or scores.dtype != np.float32:
            raise ValueError("the arrays do not fit the number of items")

    def _validate(self, validation: Dataset) -> dict[str, float]:
        """Figures on held-out events during the fit."""
        return figures(self, validation)

    def update(self, events: Dataset) -> Self:
        """Take in new events without a full refit, where the model has such a form."""
        raise NotSupportedError(f"{type(self).__name__} has no incremental form: fit again on all events")

    def forget(self, users: Ids | Id) -> Self:
        """Take users and all that was learned from their events out of the model, where it has such a form."""
        raise NotSupportedError(f"{type(self).__name__} cannot take events back: fit again without them")

    # ---- files ----------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path, *, items_only: bool = False) -> None:
        """Write the model to one .npz file without pickle; `items_only` leaves out the users and their events."""
        _files().save(self, path, items_only=items_only)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model file; `minirec.load_model` reads one of any class."""
        model = _files().load_model(path)
        if not isinstance(model, cls):
            raise ParameterError(f"{path} holds a {type(model).__name__}, not a {cls.__name__}")
        return model


def _files() -> Any:
    """files.py, found by its name: it knows the registry, and the registry knows this class."""
    return import_module(f"{__package__}.files")

"""The contract of every model: fit, recommend, score, explain, update, save."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ...data.convert import Events, as_dataset
from ...data.dataset import Dataset
from ...data.ids import Id, IdIndex, Ids, Rows, checked_id
from ...engine.backend import one_blas_thread, resolve
from ...engine.ranking.scorers import Scorer, Scores
from ...engine.ranking.topk import Filters, rank
from ...engine.sequences import Sequences
from ...engine.sparse import CSR
from ...errors import (
    DataError,
    MemoryBudgetError,
    ModelFitError,
    NotFittedError,
    NotSupportedError,
    ParameterError,
)
from ...metrics.accuracy import Hits, Lists, find_hits, recall
from ...options import memory_budget
from .checks import choice, whole
from .explanation import Explanation, Part
from .monitor import Callback, Monitor, Progress
from .parameters import Parametrized, fitted
from .recommendations import Recommendations
from .request import Filter, Profiles, id_column, merge, parse_filter, parse_histories, relabel

if TYPE_CHECKING:
    from pathlib import Path


class Recommender(Parametrized, ABC):
    """A recommender. Subclasses take keyword-only hyper-parameters and store them unchanged; `fit` checks them.

    After `fit`: `users_`, `items_` (the id indexes), `seen_` (CSR users x items of the training events), `log_` (a record
    an iteration), `backend_`, `provenance_` (versions, backend, data fingerprint).
    """

    name: ClassVar[str]  # the name in the registry and on the command line
    score_kind: ClassVar[str] = "relative"  # what a score is: relative, logit, probability or rating
    _needs_users: ClassVar[bool] = False  # True: cannot serve without the training events of the users
    _ordered: ClassVar[bool] = False  # True: the order of a history counts, its weights do not
    _resumes: ClassVar[bool] = False  # True: a fit can go on from a checkpoint
    _serves_empty: ClassVar[bool] = False  # True: has something to say about a user without any history

    users_: IdIndex = fitted(saved=False)
    items_: IdIndex = fitted(saved=False)
    seen_: CSR = fitted(saved=False)
    log_: list[dict[str, float]] = fitted(saved=False)
    backend_: str = fitted(saved=False)
    provenance_: dict[str, Any] = fitted(saved=False)

    # ---- what a model defines -------------------------------------------------------------------------------------------

    @abstractmethod
    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        """Learn from a compact data set; BLAS is one-threaded here, `users_`, `items_`, `seen_`, `backend_` are set."""

    @abstractmethod
    def _scorer(self, profiles: Profiles) -> Scorer:
        """What scores all items for the profiles."""

    @abstractmethod
    def estimate_memory(self, dataset: Dataset) -> int:
        """Peak bytes that fitting on `dataset` takes beyond the data itself; an estimate, made before the work."""

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """The parts of the score of one profile for one item row."""
        raise NotSupportedError(f"{type(self).__name__} cannot explain its scores: {self._why_no_explanation()}")

    def _why_no_explanation(self) -> str:
        return "they are no sum over the user's history"

    def _item_similarity(self, item: int) -> Scores:
        """Similarity of all items to one item row."""
        raise NotSupportedError(f"{type(self).__name__} has no notion of similar items")

    def _scores_alone(self, item: int) -> Scores:
        """The scores of somebody who has this item alone, (items,): similarities, where a model has no others."""
        alone = CSR(np.array([0, 1]), np.array([item], np.int32), np.ones(1, np.float32), (1, len(self.items_)))
        scores: Scores = self._scorer(Profiles(None, alone)).block(0, 1)[0]
        return scores

    @property
    def seed_(self) -> int:
        """The seed in force: that of the constructor, or the one drawn for this fit."""
        seed = getattr(self, "seed", 0)
        return int(self.provenance_["seed"] if seed is None else seed)

    @property
    def history_(self) -> list[dict[str, float]]:
        """The old name of `log_`, readable for one more release."""
        import warnings

        warnings.warn("history_ is log_ now; the old name goes in the next release", DeprecationWarning, stacklevel=2)
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
        """Learn from events; returns self. A second fit forgets the first.

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
        self.provenance_ = _provenance(self, train)
        judge = None if validation is None else partial(self._validate, validation)
        stop = None if callback is None else partial(callback, self)
        try:
            with one_blas_thread():
                self._fit(train, Monitor(self.log_, judge, progress, stop, checkpoint))
            self._check_finite()
        except BaseException:
            del self.users_  # an interrupted or diverged fit leaves no half-fitted model
            raise
        return self

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
        """Figures on held-out events during the fit: recall@20 over users with held-out items that they have not seen."""
        users, items = self.users_.rows(validation.users.ids(validation.user)), self.items_.rows(validation.items.ids(validation.item))
        known = (users >= 0) & (items >= 0)
        truth = CSR.from_pairs(users[known], items[known], None, self.seen_.shape)
        rows = np.flatnonzero(truth.counts()).astype(np.int32)
        if not len(rows):
            return {}
        truth, profiles = truth.rows(rows), self._profiles_of(rows)
        ranked = rank(self._scorer(profiles), 20, backend=self.backend_, filters=Filters(banned=(profiles.history,)))
        hits = Hits.of(find_hits(Lists(ranked.indptr, ranked.items).table(20), truth))
        return {"validation_recall@20": float(recall(hits, truth.counts(), 20).mean())}

    def update(self, events: Dataset) -> Self:
        """Take in new events without a full refit, where the model has such a form."""
        raise NotSupportedError(f"{type(self).__name__} has no incremental form: fit again on all events")

    def forget(self, users: Ids | Id) -> Self:
        """Take users and all that was learned from their events out of the model, where it has such a form."""
        raise NotSupportedError(f"{type(self).__name__} cannot take events back: fit again without them")

    def _fitted(self) -> None:
        if "users_" not in vars(self):
            raise NotFittedError(f"this {type(self).__name__} is not fitted: call fit(train) first")

    # ---- recommending ---------------------------------------------------------------------------------------------------

    def recommend(
        self,
        users: Ids | Id | None = None,
        *,
        history: Sequence[Ids] | None = None,
        weights: Sequence[Sequence[float]] | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Filter = None,
        deny: Filter = None,
        unknown: str = "raise",
        fallback: Recommender | None = None,
    ) -> Recommendations:
        """The k best items for each user, best first; scores of equal items are ordered by item row.

        users : ids of known users, in any order; None without a history means all of them.
        history : for new users, one list of item ids each; `weights` gives a weight to each of them (default 1). The users of
            the result are then 0, 1, ....
        exclude_seen : leave out what the user has events with (in training, or in the history given).
        candidates, deny : only these items / none of these; a list for all users, or a dictionary {user: items}, where users
            that it does not name are not restricted. All filters combine.
        unknown : "raise", or "ignore": ids that the model does not know are left out and listed in `ignored`.
        fallback : a model fitted on the same items that serves unknown users and empty histories, such as Popularity.
        """
        self._fitted()
        whole("k", k)
        choice("unknown", unknown, ("raise", "ignore"))
        choice("exclude_seen", exclude_seen, (True, False))
        ignored: list[Id] = []
        if history is None:
            if weights is not None:
                raise ParameterError("weights go with history; the events of known users have their weights from training")
            labels, profiles, cold = self._known(users, unknown, ignored, fallback)
        elif users is not None:
            raise ParameterError("give users (known ones) or history (new ones), not both")
        else:
            labels, profiles, cold = self._new(history, weights, unknown, ignored, fallback)
        if not exclude_seen:
            seen: tuple[CSR, ...] = ()
        else:
            self._need_users("exclude_seen for known users", profiles.rows is not None)
            seen = (profiles.history,)
        warm_labels = labels if not cold else [label for at, label in enumerate(labels) if at not in cold]
        only, allowed = parse_filter(self.items_, candidates, warm_labels, "candidate", unknown, ignored)
        deny_all, denied = parse_filter(self.items_, deny, warm_labels, "denied item", unknown, ignored)
        filters = Filters((*seen, *((denied,) if denied is not None else ())), allowed, only, deny_all)
        ranked = rank(self._scorer(profiles), k, backend=self.backend_, filters=filters)
        if cold and fallback is not None:
            served = fallback.recommend(
                history=[[]] * len(cold), k=k, unknown=unknown,
                candidates=relabel(candidates, labels, cold), deny=relabel(deny, labels, cold),
            )  # fmt: skip
            ranked = merge(ranked, served, cold, len(labels))
        return Recommendations(labels, ranked.indptr, ranked.items, ranked.scores, self.items_, ignored)

    def _known(self, users: Any, unknown: str, ignored: list[Id], fallback: Recommender | None) -> tuple[list[Id], Profiles, list[int]]:
        if users is None:
            rows = np.arange(len(self.users_), dtype=np.int32)
            return self.users_.ids(rows), self._profiles_of(rows), []
        if isinstance(users, (str, int, np.integer)):
            users = [users]
        self._need_users("recommending to known users", True)
        users = id_column(users, "users")
        rows = self.users_.rows(users)
        labels: list[Id] = users.tolist() if isinstance(users, np.ndarray) else [checked_id(user, "user id") for user in users]
        if rows.min(initial=0) >= 0:
            return labels, self._profiles_of(rows), []
        missing = np.flatnonzero(rows < 0).tolist()
        if fallback is not None:
            self._check_fallback(fallback)
            return labels, self._profiles_of(rows[rows >= 0]), missing
        if unknown == "raise":
            self.users_.row(labels[missing[0]], "user")
        ignored += [labels[at] for at in missing]
        return [label for label, row in zip(labels, rows.tolist(), strict=True) if row >= 0], self._profiles_of(rows[rows >= 0]), []

    def _profiles_of(self, rows: Rows) -> Profiles:
        if self.seen_.shape[0]:
            return Profiles(rows, self.seen_.rows(rows))
        return Profiles(rows, CSR.empty(len(rows), len(self.items_)))

    def _new(
        self, history: Any, weights: Any, unknown: str, ignored: list[Id], fallback: Recommender | None
    ) -> tuple[list[Id], Profiles, list[int]]:
        profiles = parse_histories(self.items_, history, weights, unknown, ignored)
        labels: list[Id] = list(range(len(profiles)))
        counts = profiles.history.counts()
        empty = np.flatnonzero(counts == 0).tolist()
        if not empty or self._serves_empty:
            return labels, profiles, []
        if fallback is None:
            raise ParameterError(
                f"history {empty[0]} has no item that the model knows, so {type(self).__name__} has nothing to go by: "
                "pass fallback=<a fitted Popularity>, or leave it out"
            )
        self._check_fallback(fallback)
        return labels, profiles.take(np.flatnonzero(counts)), empty

    def _check_fallback(self, fallback: Recommender) -> None:
        if not isinstance(fallback, Recommender) or not fallback._serves_empty:
            raise ParameterError("fallback must be a fitted model that needs no history, such as Popularity or Random")
        fallback._fitted()
        if fallback.items_ != self.items_:
            raise ParameterError("fallback must be fitted on the same items as the model that it stands in for")

    def _need_users(self, what: str, needed: bool) -> None:
        if needed and not self.seen_.shape[0]:
            raise NotSupportedError(f"{what} needs the users, and this model was saved with items_only=True: pass history=... instead")

    # ---- scores, vectors, neighbours, explanations ----------------------------------------------------------------------

    def score(self, users: Ids, items: Ids) -> Scores:
        """Scores of (user, item) pairs, float32 (n,); `score_kind` says what they are. Unknown ids raise."""
        self._fitted()
        users, items = id_column(users, "users"), id_column(items, "items")
        if len(users) != len(items):
            raise ParameterError(f"score takes pairs: {len(users)} users and {len(items)} items differ in number")
        self._need_users("score", True)
        user_rows, item_rows = self._all_known(self.users_, users, "user"), self._all_known(self.items_, items, "item")
        distinct, profile = np.unique(user_rows, return_inverse=True)
        return self._scorer(self._profiles_of(distinct.astype(np.int32))).pairs(profile, item_rows)

    @staticmethod
    def _all_known(index: IdIndex, ids: Any, what: str) -> Rows:
        ids = id_column(ids, f"{what}s")
        rows = index.rows(ids)
        for at in np.flatnonzero(rows < 0)[:1].tolist():
            index.row(ids[at], what)
        return rows

    def user_vectors(self, users: Ids | None = None, *, history: Sequence[Ids] | None = None) -> Scores:
        """Vectors of known users, or of new ones by their history, (n, d); for models that have them."""
        raise NotSupportedError(f"{type(self).__name__} has no user vectors")

    def item_vectors(self, items: Ids | None = None) -> Scores:
        """Vectors of items (None: all, in row order), (n, d); for models that have them."""
        raise NotSupportedError(f"{type(self).__name__} has no item vectors")

    def similar_items(self, item: Id, k: int = 10) -> list[tuple[Id, float]]:
        """The k items most similar to one, itself left out, as (item, similarity); what similarity is, the model says."""
        self._fitted()
        whole("k", k)
        row = self.items_.row(item, "item")
        similarity = np.asarray(self._item_similarity(row), np.float32)
        order = np.argsort(-similarity, kind="stable")
        order = order[order != row][:k]
        return list(zip(self.items_.ids(order), similarity[order].tolist(), strict=True))

    def explain(self, user: Id | None = None, item: Id | None = None, *, history: Ids | None = None) -> Explanation:
        """The score of an item for a user (or for a history), taken apart into parts that add up to it."""
        self._fitted()
        if item is None or (user is None) == (history is None):
            raise ParameterError(
                "explain takes an item, and either a user or a history: explain(user, item), explain(history=[...], item=...)"
            )
        if history is None:
            self._need_users("explain for a known user", True)
            profiles = self._profiles_of(np.array([self.users_.row(user, "user")], np.int32))
        else:
            profiles = self._new([history], None, "raise", [], None)[1]
        row = self.items_.row(item, "item")
        parts = sorted(self._explain(profiles, row), key=lambda part: -abs(part.value))
        score = self._scorer(profiles).pairs(np.zeros(1, np.int64), np.array([row], np.int32))[0]
        return Explanation(self.items_[row], float(score), parts)

    # ---- files ----------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path, *, items_only: bool = False) -> None:
        """Write the model to one .npz file without pickle; `items_only` leaves out the users and their events."""
        from .files import save

        save(self, path, items_only=items_only)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model file; `minirec.load_model` reads one of any class."""
        from .files import load_model

        model = load_model(path)
        if not isinstance(model, cls):
            raise ParameterError(f"{path} holds a {type(model).__name__}, not a {cls.__name__}")
        return model


def _provenance(model: Recommender, train: Dataset) -> dict[str, Any]:
    import platform
    import secrets

    from ..._version import __version__

    seed = getattr(model, "seed", 0)
    return {
        "minirec": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "backend": model.backend_,
        "seed": secrets.randbits(32) if seed is None else int(seed),
        "data": {
            "name": train.name,
            "fingerprint": train.fingerprint,
            "events": len(train),
            "users": train.n_users,
            "items": train.n_items,
        },
    }

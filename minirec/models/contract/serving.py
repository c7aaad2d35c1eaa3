"""Serving: what a fitted model answers to requests, from the scores that it gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, TypeAlias, overload

import numpy as np

from ...data.ids import Id, IdIndex, Ids, Rows, checked_id
from ...engine.ranking.scorers import Scorer, Scores
from ...engine.ranking.topk import Filters, rank
from ...engine.sparse import CSR
from ...errors import NotFittedError, NotSupportedError, ParameterError
from .checks import choice, whole
from .explanation import Explanation, Part, contrast, left_out_parts
from .fallback import Asked, filled
from .parameters import Parametrized, fitted
from .recommendations import Recommendations
from .request import Filter, Profiles, id_column, parse_filter, parse_histories, refuse_strangers
from .state import Whole

Similar: TypeAlias = list[tuple[Id, float]]  # (id, similarity), the most similar first


class Serving(Parametrized, Whole, ABC):
    """The half of a `Recommender` that serves: from the scores of profiles to lists, pairs, similar items and explanations.

    Safe to call from many threads, also while another one changes the model (state.py).
    """

    name: ClassVar[str]  # the name in the registry and on the command line
    score_kind: ClassVar[str] = "relative"  # what a score is: relative, logit, probability or rating
    _needs_users: ClassVar[bool] = False  # True: cannot serve without the training events of the users
    _ordered: ClassVar[bool] = False  # True: the order of a history counts, its weights do not
    _serves_empty: ClassVar[bool] = False  # True: has something to say about a user without any history

    users_: IdIndex = fitted(saved=False)
    items_: IdIndex = fitted(saved=False)
    seen_: CSR = fitted(saved=False)
    log_: list[dict[str, float]] = fitted(saved=False)
    backend_: str = fitted(saved=False)
    provenance_: dict[str, Any] = fitted(saved=False)

    # ---- what a model defines -------------------------------------------------------------------------------------------

    @abstractmethod
    def _scorer(self, profiles: Profiles) -> Scorer:
        """What scores all items for the profiles."""

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """The parts of the score of one profile for one item row: exact ones where a model has them, here leave-one-out.

        "left out": what the score of a new user with this history falls by without an item of it; "the rest": what these do not add up
        to, such as what was learned about a known user alone. Without its only item nothing is known, and the score counts as 0.
        O(history) scores.
        """
        items, weights = profiles.history.row(0)
        n = len(items)
        if not n:
            score = self._scorer(profiles).pairs(np.zeros(1, np.int64), np.array([item], np.int32))
            return [Part("the rest", self.items_[item], float(score[0]))]
        rows = [(items, weights), *((np.delete(items, at), np.delete(weights, at)) for at in range(n if n > 1 else 0))]
        indptr = np.concatenate(([0], np.cumsum([len(kept) for kept, _ in rows]))).astype(np.int64)
        indices, data = (np.concatenate(column) for column in zip(*rows, strict=True))
        shortened = CSR(indptr, indices, data, (len(rows), len(self.items_)))
        at = np.arange(len(rows))
        scores = self._scorer(Profiles(None, shortened)).pairs(at, np.full(len(rows), item, np.int32)).astype(np.float64)
        falls = scores[0] - scores[1:] if n > 1 else scores
        full = self._scorer(profiles).pairs(np.zeros(1, np.int64), np.array([item], np.int32))
        return left_out_parts(self.items_, items, float(full[0]), float(full[0]) - falls, item)

    def _similarity(self, rows: Rows) -> Scorer:
        """Similarities of all items to each of these item rows, (rows, items)."""
        raise NotSupportedError(f"{type(self).__name__} has no notion of similar items")

    def _user_similarity(self, rows: Rows) -> Scorer:
        """Similarities of all users to each of these user rows, (rows, users)."""
        raise NotSupportedError(f"{type(self).__name__} has no notion of similar users")

    def _scores_alone(self, rows: Rows) -> Scorer:
        """The scores of profiles that have one of these items each, and no other: similarities, where a model has no others."""
        return self._scorer(Profiles(None, one_each(rows, len(self.items_))))

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
        fallback: Serving | None = None,
    ) -> Recommendations:
        """The k best items for each user, best first; scores of equal items are ordered by item row.

        users : ids of known users, in any order; None without a history means all of them.
        history : for new users, one list of item ids each; `weights` gives a weight to each of them (default 1). The users of
            the result are then 0, 1, ....
        exclude_seen : leave out what the user has events with (in training, or in the history given).
        candidates, deny : only these items / none of these; a list for all users, or a dictionary {user: items}, where users
            that it does not name are not restricted. All filters combine.
        unknown : "raise", or "ignore": ids that the model does not know are left out and listed in `ignored`.
        fallback : a fitted model, of the same catalogue or another, for unknown users, empty histories, and the places that are left.

        A list ends where nothing is known of the items that are left (nothing leads from the history to them), or where the filters
        leave no more; with a fallback its items come behind, with its own scores.
        """
        self._fitted()
        whole("k", k)
        choice("unknown", unknown, ("raise", "ignore"))
        choice("exclude_seen", exclude_seen, (True, False))
        if fallback is not None:
            if not isinstance(fallback, Serving):
                raise ParameterError(f"fallback must be a fitted model, such as Popularity().fit(train), got {fallback!r}")
            fallback._fitted()
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
        warm, warm_labels = np.arange(len(labels)), labels
        if cold:
            warm = np.delete(warm, cold)
            warm_labels = [labels[at] for at in warm.tolist()]
        for name, given in (("candidates", candidates), ("deny", deny)):
            refuse_strangers(given, labels, self.users_ if history is None else None, name)
        only, allowed = parse_filter(self.items_, candidates, warm_labels, "candidate", unknown, ignored)
        deny_all, denied = parse_filter(self.items_, deny, warm_labels, "denied item", unknown, ignored)
        filters = Filters((*seen, *((denied,) if denied is not None else ())), allowed, only, deny_all)
        ranked = rank(self._scorer(profiles), k, backend=self.backend_, filters=filters)
        index = self.items_
        if fallback is not None:
            asked = Asked(labels, history is None, warm, profiles, k, exclude_seen, candidates, deny)
            ranked, index = filled(asked, ranked, index, fallback)
        return Recommendations(
            labels, ranked.indptr, ranked.items, ranked.scores, index, ignored, users_as_text=history is None and self.users_.came_as_text
        )

    def _known(self, users: Any, unknown: str, ignored: list[Id], fallback: Serving | None) -> tuple[list[Id], Profiles, list[int]]:
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
        self, history: Any, weights: Any, unknown: str, ignored: list[Id], fallback: Serving | None
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
        return labels, profiles.take(np.flatnonzero(counts)), empty

    def _need_users(self, what: str, needed: bool) -> None:
        if needed and not self.seen_.shape[0]:
            raise NotSupportedError(f"{what} needs the users, and this model was saved with items_only=True: pass history=... instead")

    # ---- scores, vectors, neighbors, explanations ----------------------------------------------------------------------

    def score(self, users: Ids | None = None, items: Ids | None = None, *, history: Sequence[Ids] | None = None) -> Scores:
        """Scores of (user, item) pairs, float32 (n,); or of new users by their histories, each with each item: (histories, items).

        `score_kind` says what they are. Unknown ids raise.
        """
        self._fitted()
        if items is None or (users is None) == (history is None):
            raise ParameterError("score takes items, and users, one for each item, or histories: score(history=[[...]], items=[...])")
        items = id_column(items, "items")
        if history is not None:
            profiles, rows = self._new(history, None, "raise", [], None)[1], self._all_known(self.items_, items, "item")
            pairs = np.repeat(np.arange(len(profiles)), len(rows)), np.tile(rows, len(profiles))
            return self._scorer(profiles).pairs(*pairs).reshape(len(profiles), len(rows))
        users = id_column(users, "users")
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

    @overload
    def similar_items(self, item: Id, k: int = 10, *, candidates: Filter = None, deny: Filter = None) -> Similar: ...  # type: ignore[overload-overlap]

    @overload
    def similar_items(self, item: Ids, k: int = 10, *, candidates: Filter = None, deny: Filter = None) -> dict[Id, Similar]: ...

    def similar_items(self, item: Id | Ids, k: int = 10, *, candidates: Filter = None, deny: Filter = None) -> Similar | dict[Id, Similar]:
        """The k items most similar to one, itself left out, as [(item, similarity), ...]; for a list of items a dictionary of such lists.

        What similarity is, the model says: the cosine of its vectors, the weights of the item, or the scores of somebody who has it
        alone. NotSupportedError where it has no such notion; UnknownIdError for an item that it does not know.
        candidates, deny : only these items, none of these, as in `recommend`; a dictionary is by the items asked for.
        """
        self._fitted()
        whole("k", k)
        one = isinstance(item, (str, bytes, np.generic)) or not hasattr(item, "__iter__")
        rows = np.array([self.items_.row(item, "item")], np.int32) if one else self._all_known(self.items_, item, "item").astype(np.int32)
        labels = self.items_.ids(rows)
        only, allowed = parse_filter(self.items_, candidates, labels, "candidate", "raise", [])
        deny_all, denied = parse_filter(self.items_, deny, labels, "denied item", "raise", [])
        own = one_each(rows, len(self.items_))
        filters = Filters((own,) if denied is None else (own, denied), allowed, only, deny_all)
        found = self._most_similar(self._similarity(rows), labels, k, filters, self.items_)
        return found[labels[0]] if one else found

    @overload
    def similar_users(self, user: Id, k: int = 10) -> Similar: ...  # type: ignore[overload-overlap]

    @overload
    def similar_users(self, user: Ids, k: int = 10) -> dict[Id, Similar]: ...

    def similar_users(self, user: Id | Ids, k: int = 10) -> Similar | dict[Id, Similar]:
        """The k known users most similar to one, itself left out, as [(user, similarity), ...]; a dictionary of such lists for a list.

        The similarity is the cosine of the users' vectors, biases left out, or that of `UserKNN`; NotSupportedError where a model has
        neither.
        """
        self._fitted()
        whole("k", k)
        self._need_users("similar_users", True)
        one = isinstance(user, (str, bytes, np.generic)) or not hasattr(user, "__iter__")
        rows = np.array([self.users_.row(user, "user")], np.int32) if one else self._all_known(self.users_, user, "user").astype(np.int32)
        labels = self.users_.ids(rows)
        own = one_each(rows, len(self.users_))
        found = self._most_similar(self._user_similarity(rows), labels, k, Filters((own,)), self.users_)
        return found[labels[0]] if one else found

    def _most_similar(self, scorer: Scorer, labels: list[Id], k: int, filters: Filters, index: IdIndex) -> dict[Id, Similar]:
        ranked = rank(scorer, k, backend=self.backend_, filters=filters, unknown=True)
        return Recommendations(labels, ranked.indptr, ranked.items, ranked.scores, index).to_dict()

    def explain(
        self,
        user: Id | None = None,
        item: Id | None = None,
        *,
        history: Sequence[Ids] | None = None,
        instead_of: Id | None = None,
    ) -> Explanation:
        """The score of an item for a known user, or for a new one, history=[[id, id, ...]], taken apart into parts that add up to it.

        Parts are exact where the score is a sum; else they are what it falls by without an item of the history ("left out",
        "without"), with the rest named as such. instead_of : why the item stands above this other one: the parts of the difference of
        the two scores; a part that is of the item itself, such as its popularity, less the one that is of the other.

        >>> import minirec as mr
        >>> model = mr.ItemKNN().fit(mr.synthetic(200, 60, 3_000, seed=1))
        >>> first, second = model.recommend(users=[7], k=2)[0].items
        >>> why = model.explain(7, first, instead_of=second)
        >>> abs(sum(part.value for part in why.parts) - why.score) < 1e-5
        True
        """
        if instead_of is not None:
            return contrast(*(self.explain(user, which, history=history) for which in (item, instead_of)))
        self._fitted()
        if item is None or (user is None) == (history is None):
            raise ParameterError(
                "explain takes an item, and either a user or a history: explain(user, item), explain(history=[[...]], item=...)"
            )
        if history is None:
            self._need_users("explain for a known user", True)
            profiles = self._profiles_of(np.array([self.users_.row(user, "user")], np.int32))
        else:
            profiles = self._new(history, None, "raise", [], None)[1]
            if len(profiles) != 1:
                raise ParameterError(f"explain takes one history, history=[[id, id, ...]], and got {len(profiles)}")
        row = self.items_.row(item, "item")
        parts = sorted(self._explain(profiles, row), key=lambda part: -abs(part.value))
        score = self._scorer(profiles).pairs(np.zeros(1, np.int64), np.array([row], np.int32))[0]
        return Explanation(self.items_[row], float(score), parts)


def one_each(rows: Rows, n: int) -> CSR:
    """A matrix (rows, n) with a 1 in each row, in the columns given."""
    return CSR(np.arange(len(rows) + 1), np.asarray(rows, np.int32), np.ones(len(rows), np.float32), (len(rows), n))

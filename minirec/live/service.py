"""What the service answers, apart from HTTP: lists for users, histories, sessions and nobody, neighbors, reasons, what is held."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..data.ids import Id
from ..errors import MinirecError, NotSupportedError, RequestError, UnknownIdError
from ..models.contract.files import load_model
from .catalogue import Catalogue, apply_rules
from .checks import whole_of
from .current import Current, stamp
from .people import People, Person
from .popular import Popular
from .records import Served
from .store import EventStore, new_list_id
from .table import EventTable

NEW_SHARE = 0.1  # of a list, for items that the model does not know yet and that are like the history by their texts
_LIKE = 0.05  # least cosine of such an item
_DEPTH = 30  # places beyond k that are ranked where rules or showings may strike some
_FLUSH = 200  # lists that wait to be logged


class Ask(NamedTuple):
    """A request for a list, checked. history : in place of what is known of the user; session : items on top of it, the latest last."""

    user: Id | None = None
    history: tuple[Id, ...] | None = None
    session: tuple[Id, ...] = ()
    k: int = 10
    include_seen: bool = False
    candidates: tuple[Id, ...] | None = None
    deny: tuple[Id, ...] = ()
    rules: Mapping[str, Any] | None = None

    @property
    def plain(self) -> bool:
        """Whether nothing but the user counts, so that the answer can be kept."""
        return self.history is None and not self.session and self.candidates is None and not self.deny and not self.rules


class Answer(NamedTuple):
    """A list that was served. source : "history", "session", "user", "popular"; content : items that are there by their texts."""

    list_id: str
    source: str
    items: list[tuple[Id, float]]
    content: frozenset[Id] = frozenset()
    ignored: tuple[Id, ...] = ()


class Service:
    """One process's view of a store and a model. Each call first takes in what came into the store since, whoever wrote it.

    May be called from several threads, one at a time.
    """

    def __init__(
        self, store: EventStore, model_path: str | Path, items: str | Path | None = None, kind_weights: Mapping[str, float] | None = None
    ):
        self.store, self.model_path = store, Path(model_path)
        self._lock = threading.RLock()
        self.table = EventTable(store, kind_weights)
        self._stamp = stamp(model_path)
        self.current = Current.read(model_path)
        self.catalogue = Catalogue()
        if items is not None:
            self.catalogue.read(items, self.current.whole["item"] is not False)
        self.people = People(store, self.table.weight)
        self._waiting: list[Served] = []
        self.lists_lost = 0
        self._begin()

    # ---- keeping up -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._generation = self.store.generation
        marks = self.store.marks()
        # A refit puts its model in place before it drops marks. So whoever finds fewer marks finds the new file as well.
        with suppress(MinirecError, OSError):  # a file that cannot be read: the model that serves stays, with its marks
            now = stamp(self.model_path)
            if now != self._stamp:
                self._stamp, self.current = now, Current.read(self.model_path)
        self.current.erased |= marks
        self.seq = self.store.last_seq()
        self.people.clear()
        self.popular = Popular(self.store, self.current)
        self.catalogue.take(self.store.items(self.catalogue.version))

    def refresh(self) -> None:
        """Take in what was written to the store since the last call."""
        with self._lock:
            if not self.store.changed():
                return
            if self.store.generation != self._generation:
                self._begin()
                return
            while kept := self.store.after(self.seq):
                for entry in kept:
                    self.people.add(entry.event)
                self.popular.update({entry.event.item for entry in kept})
                self.seq = kept[-1].seq
            self.catalogue.take(self.store.items(self.catalogue.version))

    def reload(self) -> bool:
        """Take the model file where it was replaced; the new model is loaded aside and swapped whole. Returns whether it was."""
        now = stamp(self.model_path)
        if now == self._stamp:
            return False
        fresh = Current.read(self.model_path)  # two models are in memory until the next line is done
        with self._lock:
            self._stamp, self.current = now, fresh
            self._begin()
        return True

    def flush(self) -> None:
        """Hand the lists that were served to the store's writer."""
        with self._lock:
            lists, self._waiting = self._waiting, []
        if lists:
            try:
                self.store.log_lists(lists).add_done_callback(lambda done: self._lost(len(lists)) if done.exception() else None)
            except MinirecError:
                self._lost(len(lists))

    def _lost(self, count: int) -> None:
        self.lists_lost += count

    # ---- ids ------------------------------------------------------------------------------------------------------------

    def typed(self, side: str, value: Id, *, text: bool = False) -> Id:
        """An id as the model and the store have it: 42 where ids are whole numbers, "42" where they are texts.

        text : the id comes out of an address, where everything is text.
        """
        whole = self.current.whole[side]
        if isinstance(value, int):
            return str(value) if whole is False else value
        number = whole_of(value)
        if whole is False or number is None:
            return value
        if whole:
            return number
        index = self.current.model.users_ if side == "user" else self.current.model.items_
        row = int(index.rows([value])[0])
        if row >= 0:
            return index[row]  # in its own spelling
        if self.store.knows(side, value) or (side == "item" and value in self.catalogue.columns):
            return value
        return number if text or self.store.knows(side, number) else value

    # ---- lists ----------------------------------------------------------------------------------------------------------

    def recommend(self, ask: Ask, *, log: bool = True) -> Answer:
        """The list for a request; it is logged with its propensities, 1 for each item, as nothing is left to chance."""
        with self._lock:
            self.refresh()
            now = self.store.now()
            person = None if ask.user is None else self.people.get(ask.user, now)
            key = (ask.k, ask.include_seen)
            kept = person.kept.get(key) if person is not None and ask.plain else None
            if kept is None or kept[0] is not self.current:
                kept = (self.current, *self._rank(ask, person))
                if person is not None and ask.plain and kept[1] != "popular":
                    person.kept[key] = kept
            _, source, ranked, ignored, fresh = kept
            chosen, content = self._choose(ask, person, ranked, now, fresh)
            answer = Answer(new_list_id(now), source, chosen, content, ignored)
            if log:
                if person is not None:
                    person.show([item for item, _ in chosen], now)
                items, scores = [item for item, _ in chosen], [score for _, score in chosen]
                served = Served(answer.list_id, ask.user, now, "greedy", self.current.name, items, scores, [1.0] * len(items))
                self._waiting.append(served)
                if len(self._waiting) >= _FLUSH:
                    self.flush()
            return answer

    def _rank(self, ask: Ask, person: Person | None) -> tuple[str, list[tuple[Id, float]], tuple[Id, ...], list[tuple[Id, float]]]:
        """Where a list comes from, the ranking to choose from, ids that nobody knows, and new items that are like the history."""
        known = self.current.known
        ignored = [item for item in (*(ask.history or ()), *ask.session, *(ask.candidates or ()), *ask.deny) if not self._known(item)]
        refused = set() if person is None else person.refused
        banned = set(ask.deny) | refused
        own = (list(ask.history), [1.0] * len(ask.history)) if ask.history is not None else None
        if own is None and ask.user is not None and person is not None:
            own = self.current.history(ask.user, person)
            if own is None and ask.session:
                trained = self.current.trained(ask.user)
                own = (list(trained), list(trained.values()))
            if not ask.include_seen:
                banned |= set(person.weights)
        seen = banned | (set() if ask.include_seen else {*(own[0] if own else ()), *ask.session})
        only = None if ask.candidates is None else tuple(item for item in ask.candidates if self._known(item))
        if ask.rules and ("require" in ask.rules or "exclude" in ask.rules):
            only = tuple(self._allowed(only, ask.rules))
        request: dict[str, Any] = {"k": self._depth(ask), "exclude_seen": not ask.include_seen}
        alone = set() if ask.include_seen else {*(own[0] if own else ()), *ask.session}  # left out with the history
        deny = [item for item in seen if item not in alone and item in known]
        if deny:
            request["deny"] = deny
        if only is not None:
            request["candidates"] = [item for item in only if item in known]
        ranked: list[tuple[Id, float]] | None = None
        source = "popular"
        history: list[Id] = []
        try:
            if own is None and ask.user is not None and not ask.session:
                history, source = list(self.current.trained(ask.user)), "user"
                ranked = self.current.rank(users=[ask.user], **request)
            else:
                items, weights = own or ([], [])
                history = [*items, *ask.session]
                positive = [(i, w) for i, w in zip(history, [*weights, *[1.0] * len(ask.session)], strict=True) if i in known]
                if positive:
                    source = "session" if ask.session else "history"
                    ranked = self.current.rank(history=[[i for i, _ in positive]], weights=[[w for _, w in positive]], **request)
        except (NotSupportedError, UnknownIdError):
            ranked = None
        if not ranked:
            source = "popular"
            ranked = self.popular.top(self._depth(ask), seen, only)
        return source, ranked, tuple(dict.fromkeys(ignored)), self._fresh(history, seen, only, ask.k)

    def _known(self, item: Id) -> bool:
        return item in self.current.known or item in self.catalogue.columns or item in self.popular.scores

    def _depth(self, ask: Ask) -> int:
        """How much to rank: everything where rules may pass over any number."""
        n = max(len(self.current.items), len(self.popular.scores))
        return n if ask.rules and ("cap" in ask.rules or ask.rules.get("tail")) else min(ask.k + _DEPTH, n) or 1

    def _allowed(self, candidates: Sequence[Id] | None, rules: Mapping[str, Any]) -> list[Id]:
        items = list(candidates) if candidates is not None else list(dict.fromkeys((*self.current.items, *self.catalogue.columns)))
        if "require" in rules:
            items = [item for item, ok in zip(items, self.catalogue.of(items, rules["require"]), strict=True) if ok]
        for name, values in rules.get("exclude", {}).items():
            items = [item for item, out in zip(items, self.catalogue.of(items, {name: values}), strict=True) if not out]
        return items

    def _fresh(self, history: Sequence[Id], seen: set[Id], only: Sequence[Id] | None, k: int) -> list[tuple[Id, float]]:
        """New items that are like the last of a history by their texts, at most `NEW_SHARE` of a list."""
        room = int(NEW_SHARE * k + 0.5)
        known = self.current.known
        fresh = [item for item in self.catalogue.fresh if item not in known and item not in seen]
        if not room or not fresh or not history:
            return []
        content = self.catalogue.content()
        scores = content.like(history[-50:])
        allowed = None if only is None else set(only)
        found = [(item, float(scores[content.rows[item]])) for item in fresh if allowed is None or item in allowed]
        best = sorted((entry for entry in found if entry[1] > _LIKE), key=lambda entry: (-entry[1], isinstance(entry[0], str), entry[0]))
        return best[:room]

    def _choose(
        self, ask: Ask, person: Person | None, ranked: list[tuple[Id, float]], now: float, fresh: list[tuple[Id, float]]
    ) -> tuple[list[tuple[Id, float]], frozenset[Id]]:
        """The list of a ranking: what was shown too often steps back, rules hold, new items take the last places."""
        tired = set() if person is None else person.tired_of(now)
        if tired:
            ranked = [entry for entry in ranked if entry[0] not in tired] + [entry for entry in ranked if entry[0] in tired]
        room = max(ask.k - len(fresh), 0)
        chosen = apply_rules(ranked, room, ask.rules, self.catalogue, self.current.tail) if ask.rules else ranked[:room]
        extra = [entry for entry in fresh if all(entry[0] != item for item, _ in chosen)]
        return [*chosen, *extra], frozenset(item for item, _ in extra)

    # ---- items, reasons, what is held -----------------------------------------------------------------------------------

    def similar(self, item: Id, k: int) -> tuple[str, list[tuple[Id, float]]]:
        """The items most like one, by the model, else by their texts; where it comes from."""
        with self._lock:
            self.refresh()
            found = self.current.neighbors(item, k)
            if found is not None:
                return "model", found
            if item not in self.catalogue.columns:
                raise RequestError(f"unknown item {item!r:.100}: neither the model nor the catalogue has it", 404)
            content = self.catalogue.content()
            scores = content.like([item])
            order = sorted(
                ((float(scores[row]), other) for other, row in content.rows.items() if other != item and scores[row] > 0),
                key=lambda e: -e[0],
            )
            return "content", [(other, score) for score, other in order[:k]]

    def explain(self, user: Id, item: Id) -> tuple[float, list[tuple[str, Id, float]]]:
        """The score of an item for a user as it is now, and its parts (source, name, value), which add up to it."""
        with self._lock:
            self.refresh()
            model = self.current.model
            if item not in model.items_:
                raise RequestError(f"the model does not know the item {item!r:.100}, so it has no score", 404)
            own = self.current.history(user, self.people.get(user, self.store.now()))
            try:
                if own is None:
                    found = model.explain(user, item)
                else:
                    history = [i for i in own[0] if i in model.items_]
                    if not history:
                        raise RequestError(f"nothing is known of the user {user!r:.100} that the model could go by", 404)
                    found = model.explain(history=[history], item=item)
            except NotSupportedError as error:
                raise RequestError(str(error), 422) from None
            return found.score, [(part.source, part.name, part.value) for part in found.parts]

    def held(self, user: Id) -> dict[str, Any]:
        """All that the store and the model hold of a user."""
        with self._lock:
            self.refresh()
            events = [kept.event._asdict() for kept in self.store.of_user(user)]
            lists = [served._asdict() for served in self.store.lists(user=user)]
            columns, trained = self.store.user(user), list(self.current.trained(user))
        if not (events or lists or columns or trained):
            raise RequestError(f"nothing is held of the user {user!r:.100}", 404)
        return {"user": user, "columns": columns, "events": events, "lists": lists, "trained_on": trained}

    def erase(self, user: Id) -> dict[str, Any]:
        """Remove what is held of a user from the store, and from the model where it can take events back; what was done is told.

        A model that cannot is left as it is, but every worker serves this user as an unknown one until it is fitted again: the store
        keeps a mark. Events that come in later count as those of a new user.
        """
        with self._lock:
            self.refresh()
            known = self.current.row(user) >= 0
        gone: dict[str, Any] = {"user": user, **self.store.erase(user, in_model=known)}
        with self._lock:
            if not known:
                gone["model"] = "never knew the user"
            elif self._forget(user):
                gone["model"] = "forgot the user"
            else:
                gone["model"] = "holds the user until it is fitted again, and does not use it"
            self._begin()
        if not (known or gone["events"] or gone["lists"] or gone["users"]):
            raise RequestError(f"nothing is held of the user {user!r:.100}", 404)
        return gone

    def _forget(self, user: Id) -> bool:
        model = load_model(self.model_path)  # a copy: the one that serves stays whole
        try:
            model.forget(user)
        except MinirecError:
            return False
        model.save(self.model_path)
        self._stamp = stamp(self.model_path)
        self.current = Current.read(self.model_path)
        return True

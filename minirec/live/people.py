"""What the service knows of a user at the moment: items with weights in order, what was refused, what was shown too often."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from ..data.ids import Id
from .records import Event, Served
from .store import NO_WEIGHT, EventStore

FATIGUE = 86400.0  # half-life of a showing, in seconds
SHOWN = 3.0  # showings without an event, after which an item steps back
_REMEMBERED = 10 * FATIGUE  # older showings are below a thousandth
_LISTS = 500


class Person:
    """One user by the events of the store. weights : {item: summed weight}; ordered : items in the order of the events."""

    def __init__(self, events: Iterable[Event], lists: Iterable[Served], weigh: Callable[[str, float | None], float]) -> None:
        self._weigh = weigh
        self.weights: dict[Id, float] = {}
        self.ordered: list[Id] = []
        self.refused: set[Id] = set()
        self.latest = 0.0
        self._shown: dict[Id, tuple[float, float]] = {}
        self.kept: dict[Any, Any] = {}  # answers, as long as nothing changes
        for served in lists:
            self.show(served.items, served.time)
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """One more event, the latest one."""
        self.kept.clear()
        weight = self._weigh(event.kind, event.value)
        if event.kind in NO_WEIGHT:
            self.refused.add(event.item)
        elif weight > 0:
            self.refused.discard(event.item)
        self.weights[event.item] = self.weights.get(event.item, 0.0) + weight
        if weight > 0:
            self.ordered.append(event.item)
        self.latest = max(self.latest, event.time)
        self._shown.pop(event.item, None)

    def show(self, items: Iterable[Id], now: float) -> None:
        """Note that items were shown."""
        for item in items:
            strength, last = self._shown.get(item, (0.0, now))
            self._shown[item] = (1.0 + strength * 2.0 ** (-max(now - last, 0.0) / FATIGUE), now)

    def tired_of(self, now: float) -> set[Id]:
        """Items that were shown `SHOWN` times lately, each showing counting half after `FATIGUE` seconds, without an event of the user."""
        tired = {
            item
            for item, (strength, last) in self._shown.items()
            if strength > SHOWN - 0.5 and strength * 2.0 ** (-max(now - last, 0.0) / FATIGUE) > SHOWN - 0.5
        }
        if len(self._shown) > 4 * _LISTS:
            self._shown = {item: shown for item, shown in self._shown.items() if now - shown[1] < _REMEMBERED}
        return tired


class People:
    """The users that were asked for lately; the others are read from the store when somebody asks."""

    def __init__(self, store: EventStore, weigh: Callable[[str, float | None], float], most: int = 10_000) -> None:
        self._store, self._weigh, self._most = store, weigh, most
        self._held: OrderedDict[Id, Person] = OrderedDict()

    def get(self, user: Id, now: float) -> Person:
        """A user, from memory or from the store."""
        person = self._held.get(user)
        if person is not None:
            self._held.move_to_end(user)
            return person
        events = [kept.event for kept in self._store.of_user(user)]
        person = Person(events, self._store.lists(since=now - _REMEMBERED, user=user, limit=_LISTS), self._weigh)
        self._held[user] = person
        if len(self._held) > self._most:
            self._held.popitem(last=False)
        return person

    def add(self, event: Event) -> None:
        """An event that came in; one with a time before the user's latest has the user read anew, as the order counts."""
        person = self._held.get(event.user)
        if person is None:
            return
        if event.time < person.latest:
            del self._held[event.user]
        else:
            person.add(event)

    def clear(self) -> None:
        """Forget all: they are read again."""
        self._held.clear()

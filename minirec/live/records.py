"""What an event store holds: events, receipts of them, and lists that were served."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..data.ids import Id

POWER, PROCESS = "power", "process"
DURABILITY = {
    POWER: "an acknowledged event survives a power failure: each group of events is flushed to the disk before its acknowledgement",
    PROCESS: "an acknowledged event survives the death of the process; a power failure may lose the last ones",
}


class Event(NamedTuple):
    """One event: who did what with which item, and when, in seconds since 1970. The same `event_id`, the client's, is the same event."""

    event_id: str
    user: Id
    item: Id
    kind: str
    time: float
    value: float | None = None


class Kept(NamedTuple):
    """An event with its place in the log: `seq` ascends in the order of the commits, `received` is the store's clock."""

    seq: int
    event: Event
    received: float


class Receipt(NamedTuple):
    """What became of a list of events: how many were new, how many were there already, and which ids are of another event already."""

    stored: int
    repeated: int
    conflicts: tuple[str, ...] = ()


class Served(NamedTuple):
    """A list that was served, with the probability of each item to stand where it does (1 where nothing was left to chance)."""

    list_id: str
    user: Id | None
    time: float
    policy: str
    model: str
    items: list[Id]
    scores: list[float]
    propensities: list[float]


class Described(NamedTuple):
    """An item or a user with its columns; `version` ascends with every change."""

    id: Id
    columns: dict[str, Any]
    version: int

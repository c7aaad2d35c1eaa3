"""The account of reading and cleaning: every row that was removed or filled, how many and why, with examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

MAX_EXAMPLES = 3


@dataclass
class Entry:
    """One reason: `action` is "removed", "filled" or "merged"; `count` the events that it struck; `examples` say where."""

    reason: str
    count: int
    action: str = "removed"
    examples: list[str] = field(default_factory=list)


@dataclass
class Account:
    """What happened to the events between the source and the data set.

    `entries` in the order in which things happened; `notes` are remarks without a count, such as which columns were guessed;
    `warnings` are those of the notes that deserve a warning.
    `events_in` and `events_out` are None until they are known. `events_in - removed - merged = events_out` always holds.

    >>> account = Account(events_in=10)
    >>> account.add("missing item id", 2, examples=["row 3", "row 7"])
    >>> account.events_out = 8
    >>> print(account)
    10 events in, 8 events out
      removed         2  missing item id (row 3; row 7)
    """

    events_in: int | None = None
    events_out: int | None = None
    entries: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, reason: str, count: int, action: str = "removed", examples: Iterable[str] = ()) -> None:
        """Record a reason; nothing is recorded for a count of zero. The same reason twice adds up."""
        if count == 0:
            return
        for entry in self.entries:
            if entry.reason == reason and entry.action == action:
                break
        else:
            entry = Entry(reason, 0, action)
            self.entries.append(entry)
        entry.count += int(count)
        entry.examples.extend(list(examples)[: MAX_EXAMPLES - len(entry.examples)])

    def note(self, text: str) -> None:
        """Record a remark."""
        self.notes.append(text)

    def warn(self, text: str) -> None:
        """Record a remark that deserves a warning."""
        self.notes.append(text)
        self.warnings.append(text)

    def total(self, action: str = "removed") -> int:
        """Events struck by one action."""
        return sum(entry.count for entry in self.entries if entry.action == action)

    def extend(self, later: Account) -> Account:
        """This account followed by a later one, as a new account."""
        joined = Account(self.events_in, later.events_out, notes=[*self.notes, *later.notes], warnings=[*self.warnings, *later.warnings])
        for entry in [*self.entries, *later.entries]:
            joined.add(entry.reason, entry.count, entry.action, entry.examples)
        return joined

    def to_dict(self) -> dict[str, Any]:
        """The account as plain data, for JSON."""
        entries = [{"action": e.action, "reason": e.reason, "count": e.count, "examples": list(e.examples)} for e in self.entries]
        return {"events_in": self.events_in, "events_out": self.events_out, "entries": entries, "notes": list(self.notes)}

    def __str__(self) -> str:
        lines = []
        if self.events_in is not None and self.events_out is not None:
            lines.append(f"{self.events_in:,} events in, {self.events_out:,} events out")
        for entry in self.entries:
            examples = f" ({'; '.join(entry.examples)})" if entry.examples else ""
            lines.append(f"  {entry.action:<8} {entry.count:>8,}  {entry.reason}{examples}")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines) or "nothing to report"

"""What a run knows: its arguments, and what it found out, for everything that writes or shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..cards import card
from ..data.account import Account
from ..data.dataset import Dataset
from ..data.ids import Id
from ..evaluation import ItemShift, Result
from ..models.contract.recommender import Recommender
from .choice import Choice, Gap
from .parts import Parts


class Encoded(NamedTuple):
    """What made the vectors of items, how long they are, and by how much the peak of memory rose meanwhile.

    made, read : of how many texts they were made, and of how many read from the cache of an earlier run.
    """

    encoder: str
    dimension: int
    megabytes: float
    made: int
    read: int

    def __str__(self) -> str:
        read = f", {self.read:,} of {self.made + self.read:,} read from the cache" if self.read else ""
        return f"Texts of the items: vectors of {self.dimension} numbers by {self.encoder}{read}"


@dataclass(frozen=True)
class ContentRun:
    """What a run found out about content.

    columns : the item features that were encoded, by `encoded`, and the seconds taken. with_content, without_content : the models that
    validation chooses among those that know content, and among the others; None where there are none. news : models that know
    content, on new items; None where there are none. failed : {model: why it is not in `news`}.
    """

    columns: tuple[str, ...]
    encoded: Encoded
    seconds: float
    with_content: str | None
    without_content: str | None
    news: Result | None
    failed: Mapping[str, str]


class Listed(NamedTuple):
    """An item of an example list, with the parts of its score: (source, name or item id, value)."""

    item: Id
    parts: list[tuple[str, Id, float]]


@dataclass(frozen=True)
class Example:
    """A test user: the items known, newest first; the bestsellers' list (before) and the pick's (after); the test items."""

    user: Id
    known: list[Id]
    before: list[Id]
    after: list[Listed]
    test: set[Id]


@dataclass(frozen=True)
class Outcome:
    """What a run found out, for the page and for metrics.json.

    settings : {name: model} of all that were measured on test, not fitted; `result` is theirs. labels : {name on test: label on
    validation}. choice : of labels. picks : {"accurate", "balanced", "tail"} by name on test; best : the default one.
    against : best less bestsellers on test; None without them.
    """

    data: Dataset
    account: Account
    parts: Parts
    settings: Mapping[str, Recommender]
    labels: Mapping[str, str]
    choice: Choice
    picks: Mapping[str, str]
    best: str
    validation: Result
    result: Result
    against: Gap | None
    shift: ItemShift
    left_out: Mapping[str, str]
    warnings: list[str]
    examples: list[Example]
    why_no_parts: str
    arguments: Mapping[str, Any]
    versions: Mapping[str, str]
    seconds: Mapping[str, float]
    fits: Mapping[str, float]
    peak: int
    folder: str
    date: str
    content: ContentRun | None = None


@dataclass(frozen=True, repr=False)
class Run:
    """What a run made.

    out : the folder. files : what was written there. best : name of the default pick. picks : {"accurate", "balanced", "tail"}.
    model : the default pick, fitted on all events. result : all models on test; they were fitted on train alone. validation : the
    candidates on the validation events. shift : whether the validation and test events are about the same items (see
    `item_shift`). left_out : {model: reason}. warnings : what a reader should hear first. account : of reading and cleaning.
    record : the content of run.json, the arguments among it.
    """

    out: Path
    files: tuple[Path, ...]
    best: str
    picks: dict[str, str]
    model: Recommender
    result: Result
    validation: Result
    shift: ItemShift
    left_out: dict[str, str]
    account: Account
    record: dict[str, Any]
    warnings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [*self.warnings, *([""] if self.warnings else []), str(self.result), ""]
        lines += [f"Not in this run: {name}, which {why}." for name, why in self.left_out.items()]
        lines.append("Picks: " + "; ".join(f"{kind} {name}" for kind, name in self.picks.items()) + ".")
        size = (self.out / "model.npz").stat().st_size / 1e6 if (self.out / "model.npz").exists() else 0.0
        names = ", ".join(f"{path.name} ({size:,.1f} MB)" if path.name == "model.npz" else path.name for path in self.files)
        lines.append(f"Chosen on validation: {self.best}. Written to {self.out}: {names}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What a notebook shows: what matters first, the picks, the main figures."""
        facts = {f"{kind} pick": name for kind, name in self.picks.items()} | {"folder": str(self.out)}
        return card(f"Run: {self.best}", facts, self.result._shown(), notes=self.warnings)

    def __repr__(self) -> str:
        return f"Run(best={self.best!r}, picks={self.picks!r}, {len(self.result.users):,} test users, out={str(self.out)!r})"

"""What a report says, as plain values: the pipeline fills it in, the page lays it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .content import ContentGain

GROUP_NAMES = ("head", "middle", "tail")


class Figure(NamedTuple):
    """A mean with its interval; an interval of None: the number is one for the whole output and has none."""

    value: float
    low: float | None = None
    high: float | None = None


class Column(NamedTuple):
    """A column of the table of models. `hint` says in a sentence what it is; `percent`: shown as a percentage."""

    key: str
    label: str
    hint: str
    percent: bool = False
    lower_is_better: bool = False


@dataclass(frozen=True)
class ModelRow:
    """A model on the test events. `figures` by metric name; a metric without a value is absent."""

    name: str
    label: str
    parameters: str
    figures: Mapping[str, Figure]
    seconds: float
    reference: bool = False  # Popularity and Random: there to compare with, never chosen


class Candidate(NamedTuple):
    """A model on the validation events, as the choice saw it; None: no user has a value."""

    label: str
    accuracy: Figure | None
    tail: Figure | None
    verdict: str


class Part(NamedTuple):
    """A share of a recommendation's score, of the sum of the magnitudes of all parts, in percent; negative where it lowers it."""

    text: str
    percent: float


class Recommended(NamedTuple):
    """An item of an example list. `group` is head, middle or tail; `hit`: among the user's test items."""

    text: str
    group: str
    hit: bool
    parts: list[Part]


class Example(NamedTuple):
    """One user: what the model knew, newest first, as (text, group), and what it recommends."""

    user: str
    known: int
    history: list[tuple[str, str]]
    items: list[Recommended]


class Chunk(NamedTuple):
    """A part of the split."""

    label: str
    events: int
    users: int
    items: int
    period: str


@dataclass(frozen=True)
class Contents:
    """Everything on the page. Texts are plain text; the page escapes them.

    popularity : users of each item of the train events, in descending order. groups : `Groups.describe()` of them.
    differences : the best model less each other one, on test (`Comparison.to_dict()`). why_no_parts : why the examples come
    without an explanation, or "". content : the panel on content, where items have some. account : `Account.to_dict()`.
    repeat : the command that runs all of this again.
    """

    title: str
    best: str
    rule: str
    facts: list[tuple[str, str]]
    account: Mapping[str, Any]
    split: str
    chunks: list[Chunk]
    popularity: NDArray[np.int64]
    groups: Mapping[str, Mapping[str, Mapping[str, Any]]]
    columns: list[Column]
    models: list[ModelRow]
    k: tuple[int, ...]
    candidates: list[Candidate]
    differences: list[dict[str, Any]]
    protocol: str
    examples: list[Example]
    why_no_parts: str
    settings: list[tuple[str, str]]
    versions: list[tuple[str, str]]
    seconds: list[tuple[str, float]]
    repeat: str
    content: ContentGain | None = None
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

"""What the page says, as plain values that JSON holds: the one representation between a run and the template.

A run makes it (`pipeline/summary.py`) and keeps it in run.json, so that `minirec report FOLDER` can draw the page again, in another
language too; words and layout are the page's own.
"""

from __future__ import annotations

from typing import Any, TypedDict

GROUP_NAMES = ("head", "middle", "tail")
VERSION = 1


class Figure(TypedDict):
    """A mean with its 95 % interval over users; ends of None: one number for the whole output."""

    value: float
    low: float | None
    high: float | None


class Column(TypedDict):
    """A column of the table of models; what it is called and means stands in the words of the page, by the metric's name."""

    key: str
    percent: bool
    lower_is_better: bool


class ModelRow(TypedDict):
    """A model on the test events. `key` : its name in metrics.json, `name` the one to show. `roles` : which picks it is.

    `lift` : NDCG over that of the bestsellers, less 1.
    """

    key: str
    name: str
    parameters: str
    figures: dict[str, Figure]
    lift: float | None
    seconds: float
    reference: bool
    roles: list[str]


class Candidate(TypedDict):
    """A setting on the validation events, as the choice saw it. `gap` : its NDCG less that of the most accurate one."""

    label: str
    ndcg: Figure
    tail: Figure | None
    coverage: float
    gap: Figure
    verdict: str
    roles: list[str]
    seconds: float


class Check(TypedDict):
    """`key` names the check, `status` is pass, warn or fail, `values` fill the sentence."""

    key: str
    status: str
    values: dict[str, Any]


class Verdict(TypedDict):
    """The answer of the first screen. kind : better, unclear, worse, bestsellers (nothing beat them) or alone (no reference)."""

    kind: str
    ship: str
    ndcg: float
    bestsellers: float | None
    lift: Figure | None
    tail: float
    tail_bestsellers: float | None
    coverage: float
    coverage_bestsellers: float | None
    coverage_items: int
    cost: float | None
    users: int


class Part(TypedDict):
    """A share of a recommendation's score, of the sum of the magnitudes of all parts, in percent; negative where it lowers it."""

    text: str
    percent: float


class Item(TypedDict):
    """An item of a list. `group` is head, middle or tail; `hit` : among the user's test items."""

    text: str
    group: str
    hit: bool
    parts: list[Part]


class Example(TypedDict):
    """A test user: some of what the model knew, newest first, the bestsellers' list and the pick's."""

    user: str
    known: int
    history: list[Item]
    before: list[Item]
    after: list[Item]


class Chunk(TypedDict):
    """A part of the split."""

    label: str
    events: int
    users: int
    items: int
    period: str


class Page(TypedDict):
    """Everything on the page. Texts are plain text; the page escapes them."""

    version: int
    title: str
    date: str
    fingerprint: str
    k: list[int]
    best: str
    picks: dict[str, str]
    price: float
    warnings: list[str]
    verdict: Verdict
    checks: list[Check]
    models: list[ModelRow]
    columns: list[Column]
    candidates: list[Candidate]
    differences: list[dict[str, Any]]
    examples: list[Example]
    why_no_parts: str
    ordered: bool
    facts: list[list[str]]
    account: dict[str, Any]
    split: str
    test_share: float
    folds: int
    chunks: list[Chunk]
    curve: list[list[int]]
    groups: dict[str, dict[str, dict[str, Any]]]
    protocol: str
    content: dict[str, Any] | None
    settings: list[list[str]]
    versions: dict[str, str]
    seconds: dict[str, float]
    left_out: dict[str, str]
    notes: list[str]
    repeat: str

"""The panel on content: what the vectors of the items add on head, middle, tail and new items, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..evaluation.result import Result
from .contents import Figure


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

    columns : the item features that were encoded, by `encoded`, in so many seconds. with_content, without_content : the models that
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


class GainRow(NamedTuple):
    """A group of items: the metric of both models, and the first less the second over the users that have a value, with its interval."""

    group: str
    with_content: Figure
    without_content: Figure
    difference: Figure
    p: float


class NewRow(NamedTuple):
    """A model on new items: recall and NDCG among them alone, and recall among all items."""

    label: str
    recall: Figure
    ndcg: Figure
    among_all: Figure


@dataclass(frozen=True)
class ContentGain:
    """The panel. k : the length of the lists. rows : empty where there is no model with, or none without content. chance : recall of
    new items in random order among themselves. failed : models that are not among `new`, and why."""

    columns: tuple[str, ...]
    encoded: Encoded
    seconds: float
    with_content: str | None
    without_content: str | None
    k: int
    rows: list[GainRow]
    new: list[NewRow]
    new_items: int
    chance: float
    failed: list[tuple[str, str]]


GAIN_GROUPS = {
    "": "all items",
    "mass_head.": "head, by interaction mass",
    "mass_middle.": "middle",
    "mass_tail.": "tail",
    "tail.": "tail, by item count",
}


def content_gain(run: ContentRun, result: Result, labels: Mapping[str, str]) -> ContentGain:
    """The panel of a run from the figures on its test events; `labels` are the models' names as they are written."""
    k = max(result.settings["k"])
    rows = _rows(run.with_content, run.without_content, k, result) if run.with_content and run.without_content else []
    new: list[NewRow] = []
    items = 0
    if run.news is not None:
        items = run.news.counts["new_items"]
        metrics = (f"recall@{k}", f"ndcg@{k}", f"among_all.recall@{k}")
        figures, ends = run.news.to_dict(), run.news.intervals(metrics)
        new = [NewRow(labels[model], *(Figure(figures[model][name], *ends[model][name]) for name in metrics)) for model in figures]
    with_content, without_content = (None if model is None else labels[model] for model in (run.with_content, run.without_content))
    chance = min(1.0, k / max(items, 1))
    failed = [(labels[model], why) for model, why in run.failed.items()]
    return ContentGain(run.columns, run.encoded, run.seconds, with_content, without_content, k, rows, new, items, chance, failed)


def _rows(with_content: str, without_content: str, k: int, result: Result) -> list[GainRow]:
    """One model against the other, on each group of which two users or more have items: a test needs so many."""
    names, means = [f"{prefix}ndcg@{k}" for prefix in GAIN_GROUPS], result.to_dict()
    measured = [name for name in names if name in means[with_content] and len(result.per_user(with_content, name)[1]) > 1]
    if not measured:
        return []
    ends = result.intervals(measured)
    return [
        GainRow(
            GAIN_GROUPS[gap.metric.removesuffix(f"ndcg@{k}")],
            Figure(means[with_content][gap.metric], *ends[with_content][gap.metric]),
            Figure(means[without_content][gap.metric], *ends[without_content][gap.metric]),
            Figure(gap.difference, gap.low, gap.high),
            gap.p_holm,
        )
        for gap in result.compare(with_content, without_content, metric=measured)
    ]

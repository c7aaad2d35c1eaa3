"""The panel on content: what the vectors of the items add on head, middle, tail and new items, and what they cost."""

from __future__ import annotations

from typing import Any

from ..evaluation import Result
from ..models.contract.registry import model_class
from ..report.contents import Figure
from .records import ContentRun

GROUPS = ("", "mass_head.", "mass_middle.", "mass_tail.", "tail.")


def content_gain(run: ContentRun, result: Result) -> dict[str, Any]:
    """The panel of a run, from the figures on its test events."""
    k = max(result.settings["k"])
    rows = _rows(run.with_content, run.without_content, k, result) if run.with_content and run.without_content else []
    new: list[dict[str, Any]] = []
    items = 0
    if run.news is not None:
        items = run.news.counts["new_items"]
        metrics = (f"recall@{k}", f"ndcg@{k}", f"among_all.recall@{k}")
        figures, ends = run.news.to_dict(), run.news.intervals(metrics)
        for model in figures:
            named = zip(("recall", "ndcg", "among_all"), metrics, strict=True)
            new.append({"label": _label(model), **{key: _figure(figures[model][name], *ends[model][name]) for key, name in named}})
    return {
        "columns": list(run.columns),
        "encoder": run.encoded._asdict(),
        "seconds": run.seconds,
        "with_content": _label(run.with_content),
        "without_content": _label(run.without_content),
        "k": k,
        "rows": rows,
        "new": new,
        "new_items": items,
        "chance": min(1.0, k / max(items, 1)),
        "failed": [[_label(model), why] for model, why in run.failed.items()],
    }


def _label(name: str | None) -> str:
    return "" if name is None else " ".join([model_class(name.split()[0]).__name__, *name.split()[1:]])


def _figure(value: float, low: float, high: float) -> Figure:
    return Figure(value=float(value), low=float(low), high=float(high))


def _rows(with_content: str, without_content: str, k: int, result: Result) -> list[dict[str, Any]]:
    """One model against the other, on each group where at least two users have items: a test needs two."""
    if with_content not in result.models or without_content not in result.models:
        return []
    names, means = [f"{prefix}ndcg@{k}" for prefix in GROUPS], result.to_dict()
    measured = [name for name in names if name in means[with_content] and len(result.per_user(with_content, name)[1]) > 1]
    if not measured:
        return []
    ends = result.intervals(measured)
    return [
        {
            "group": gap.metric.removesuffix(f"ndcg@{k}").rstrip("."),
            "with": _figure(means[with_content][gap.metric], *ends[with_content][gap.metric]),
            "without": _figure(means[without_content][gap.metric], *ends[without_content][gap.metric]),
            "difference": _figure(gap.difference, gap.low, gap.high),
            "p": gap.p_holm,
        }
        for gap in result.compare(with_content, without_content, metric=measured)
    ]

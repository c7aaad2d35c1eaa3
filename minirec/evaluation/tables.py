"""Results and comparisons as text of fixed width."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .measure import OVERALL

if TYPE_CHECKING:
    from .result import Comparison, Result

OVER_ALL = (
    "recall", "ndcg", "aplt", "coverage", "gini", "rmse", "mae", "accuracy", "sampled_hitrate", "sampled_ndcg",
    "among_all.recall", "among_all.ndcg",
)  # fmt: skip
BY_GROUP = ("head.ndcg", "tail.ndcg", "mass_head.ndcg", "mass_middle.ndcg", "mass_tail.ndcg")
LEFT_OUT = {  # keys of Result.counts, in words
    "unknown_users": "users of the test set that train or a model does not know",
    "pairs_of_unknown_users": "their test pairs",
    "pairs_of_known_items": "test pairs with an item that is not new",
    "pairs_of_unknown_items": "test pairs with an item that train does not know",
    "pairs_seen": "test pairs that the user had already in train",
    "users_without_test_items": "users without a remaining test item",
    "history_pairs_of_unknown_items": "pairs of the histories with an item that train does not know",
    "users_without_history": "users whose history has no item that train knows",
    "ratings_unknown": "ratings of users or items that train or a model does not know",
    "positives_among_negatives": "negatives that are the user's own test item",
    "repeated_negatives": "negatives named twice for a user",
}
DEFINITIONS = {
    "count": ("", "by item count (head = the 20 % most popular items, tail = all others)"),
    "mass": ("mass_", "by interaction mass (20 / 60 / 20 % of the interactions)"),
}


def result_tables(result: Result) -> str:
    """Models as rows: metrics over all items, then by item group, at the largest k; what the groups are; what was left out."""
    k = max(result.settings["k"])
    numbers = result.to_dict()
    available = dict.fromkeys(name for values in numbers.values() for name in values)
    columns = [key for name in OVER_ALL for key in (f"{name}@{k}", name) if key in available]
    by_group = [key for name in BY_GROUP if (key := f"{name}@{k}") in available]
    if not columns and not by_group:
        columns = list(available)
    lines = [f"{result.settings['protocol']} +/- is half the 95 % bootstrap interval over users.", ""]
    lines += _models_table(result, numbers, columns, with_seconds=True)
    if by_group:
        lines += ["", *_models_table(result, numbers, by_group, with_seconds=False)]
        lines += [_definition(name, sizes) for name, sizes in result.groups.items()]
    left_out = [f"{count:,} {LEFT_OUT[key]}" for key, count in result.counts.items() if key in LEFT_OUT and count]
    lines += ["", f"Left out: {'; '.join(left_out) or 'nothing'}.", *result.notes]
    return "\n".join(lines)


def comparison_table(comparison: Comparison) -> str:
    """One difference a row."""
    test = {"t": "Paired t test", "randomisation": "Paired randomisation test"}[comparison.test]
    header = ["models", "metric", "difference", f"{comparison.level:.0%} interval", "p", "p (Holm)", "d_z", "users"]
    rows = [
        [
            f"{d.a} - {d.b}", d.metric, f"{d.difference:+.4f}", f"[{d.low:+.4f}, {d.high:+.4f}]",
            _p(d.p), _p(d.p_holm), f"{d.effect:+.2f}", f"{d.n:,}",
        ]
        for d in comparison
    ]  # fmt: skip
    title = f"{test}; Holm correction over {len(rows)} comparison{'s' if len(rows) > 1 else ''}; bootstrap intervals over users."
    return "\n".join([title, "", *_aligned([header, *rows], left=2)])


def _models_table(result: Result, numbers: dict[str, dict[str, float]], columns: list[str], *, with_seconds: bool) -> list[str]:
    wanted = [name for name in columns if name.partition("@")[0].rpartition(".")[2] not in OVERALL]
    intervals = result.intervals(wanted)
    rows = [["model", *columns, *(["seconds"] if with_seconds else [])]]
    for model, values in numbers.items():
        row = [model]
        for name in columns:
            value = values.get(name, np.nan)
            low, high = intervals[model].get(name, (np.nan, np.nan))
            width = f" +/-{(high - low) / 2:.4f}" if np.isfinite(high - low) else ""
            row.append(f"{value:.4f}{width}" if np.isfinite(value) else "-")
        rows.append([*row, *([f"{result.seconds[model].scoring:.2f}"] if with_seconds else [])])
    return _aligned(rows, left=1)


def _aligned(rows: list[list[str]], left: int) -> list[str]:
    """Rows of cells as lines; the first `left` columns are flush left, the others flush right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-16 else "<1e-16"


def _definition(name: str, sizes: dict[str, dict[str, Any]]) -> str:
    prefix, meaning = DEFINITIONS[name]
    parts = [f"{prefix}{group} {row['items']:,} items with {row['interaction_share']:.0%}" for group, row in sizes.items()]
    return f"Groups {meaning}: {', '.join(parts)} of the interactions."

"""CONTENT.md from the rows of results/content.json."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..common import Row
from . import new_items as content
from . import warm_tail
from .vectors import CATEGORY, RANDOM, TEXT

Table = tuple[list[str], list[list[Any]]]
_ROLE = {"content": "with content", "without": "reference", "same-rule": "without, same rule", "terms": "TF-IDF vectors"}


def sections(rows: list[Row]) -> Iterator[tuple[str, str, list[Table]]]:
    """(heading, text, tables), for each part and data set that has been measured."""
    for name, shop in content.SHOPS.items():
        found = [row for row in rows if row["part"] == "new-items" and row["data"] == name]
        tests = sorted((row for row in found if row["kind"] == "test"), key=lambda row: list(content.MODELS).index(row["model"]))
        if tests:
            counts = tests[0]["counts"]
            text = f"{counts['new_items']:,} new items, {counts['items']:,} in train, {counts['users']:,} users. {shop.note}".strip()
            costs = [row for row in found if row["kind"] == "vectors"]
            yield f"New items: {shop.title}", text, [_figures(tests), _gaps(tests), _costs(costs)]
    for name, shop in warm_tail.SHOPS.items():
        found = [row for row in rows if row["part"] == "warm-tail" and row["data"] == name]
        choice = next((row for row in found if row["kind"] == "choice"), None)
        if choice is not None:
            tried = [len(row.get("points", ())) for row in found if row["kind"] == "point"]
            text = f"{choice['users']:,} users, {choice['tail_users']:,} with an item of the tail in test. {sum(tried)} settings of "
            text += f"{len(tried)} fits were tried on validation. {choice['shift']}. {shop.note}".rstrip()
            yield f"Warm tail: {shop.title}", text, [_chosen(choice), _between(choice)]
    for row in (row for row in rows if row["part"] == "many-texts"):
        text = f"{row['texts']:,} different texts of the words of Beauty's titles, by {row['features']}, into a cache. The first process "
        text += "was killed on its way (SIGKILL), the second went on, the third found all of them. Compared: the vectors of a sample "
        text += "without the cache. MB are the peaks of whole processes, with the vectors that they return."
        yield "Many texts", text, [_many(row)]


def _figures(tests: list[Row]) -> Table:
    head = ["model", "vectors", "settings", "recall@20", "NDCG@20", "among all: recall@20", "among all: NDCG@20", "fit, s"]
    lines = []
    for row in tests:
        for features in (RANDOM, CATEGORY, *TEXT) if row is tests[0] else TEXT:
            if features not in row["test"]:
                continue
            rule = features in (RANDOM, CATEGORY)
            figures = [_with_ends(row["test"][features][metric], row["intervals"][features][metric]) for metric in content.METRICS]
            settings = "" if rule else _settings(row["chosen"][features])
            lines.append(["rule" if rule else row["model"], features, settings, *figures, row["seconds"][features]])
    return head, lines


def _gaps(tests: list[Row]) -> Table:
    """Differences in NDCG@20; Holm over all of the table."""
    from minirec.evaluation.statistics import holm

    wanted = [(row["model"], gap) for row in tests for gap in row["differences"] if gap["metric"].endswith("ndcg@20")]
    if not wanted:
        return [], []
    corrected = holm(np.array([gap["p"] for _, gap in wanted]))
    by_pair: dict[tuple[str, str, str], dict[str, str]] = {}
    for (model, gap), p in zip(wanted, corrected, strict=True):
        by_pair.setdefault((model, gap["a"], gap["b"]), {})[gap["metric"]] = f"{_difference(gap)}, p {p:.2g}"
    lines = [[model, f"{one} less {other}", *cells.values()] for (model, one, other), cells in by_pair.items()]
    return ["model", "vectors", "NDCG@20 among the new", "NDCG@20 among all"], lines


def _costs(rows: list[Row]) -> Table:
    head = ["vectors", "items", "different texts", "width", "seconds, once", "MB beyond the process"]
    rows = sorted(rows, key=lambda row: TEXT.index(row["features"]))
    return head, [
        [row["features"], row["items"], row["texts"], row["width"], row["seconds"], row["megabytes"]] for row in rows if "error" not in row
    ]


def _many(row: Row) -> Table:
    left = row["left_by_the_killed"]
    return ["what", "figure"], [
        ["seconds of the killed process, and texts that it left encoded", f"{row['killed_after']:.4g} s, {left:,} texts"],
        ["seconds of the second, and texts that it encoded", f"{row['seconds']:.4g} s, {row['encoded']:,} texts"],
        ["seconds of the third, and texts that it encoded", f"{row['again_seconds']:.4g} s, {row['again_encoded']:,} texts"],
        ["greatest difference of a number of a vector from that without the cache", f"{row['difference']:.2g}"],
        ["peak of the second; of it the vectors", f"{row['peak_mb']:,} MB; {row['vectors_mb']:,} MB"],
        ["peak with a tenth of the texts", f"{row['tenth_peak_mb']:,} MB"],
    ]


def _chosen(choice: Row) -> Table:
    head = ["chosen", "model", "settings", "on validation: NDCG@20", "tail", "on test: NDCG@20", "tail NDCG@20"]
    lines = []
    for role, said in warm_tail.ROLES.items():
        row, ends = choice["chosen"][role], choice["intervals"][role]
        validation = [f"{row['validation'][metric]:.4f}" if row["validation"] else None for metric in warm_tail.METRICS]
        test = [_with_ends(choice["test"][role][metric], ends[metric]) for metric in warm_tail.METRICS]
        lines.append([said, row["model"], _settings(row["settings"]), *validation, *test])
    return head, lines


def _between(choice: Row) -> Table:
    lines = []
    for gap in choice["differences"]:
        times = None if gap["ratio"] is None else f"{gap['ratio']:.2f} ({gap['ratio_interval'][0]:.2f} to {gap['ratio_interval'][1]:.2f})"
        name = {"ndcg@20": "NDCG@20", "tail.ndcg@20": "tail NDCG@20"}[gap["metric"]]
        lines.append([f"{_ROLE[gap['a']]} less {_ROLE[gap['b']]}", name, _difference(gap), f"{gap['p_holm']:.2g}", times])
    return ["", "figure", "difference", "p (Holm)", "ratio"], lines


def _difference(gap: Row) -> str:
    return f"{gap['difference']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f})"


def _with_ends(value: float, ends: list[float]) -> str:
    return f"{value:.4f} ({ends[0]:.4f} to {ends[1]:.4f})"


def _settings(settings: dict[str, Any]) -> str:
    shown = []
    for name, value in settings.items():
        if isinstance(value, list):  # a member of a blend
            value = f"{value[0]}({_settings(value[1])})"
        elif isinstance(value, dict):
            value = f"({_settings(value)})"
        shown.append(f"{name}={value}")
    return ", ".join(shown) or "defaults"

"""RESULTS.md and its pictures, from the rows in the folder of results."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import frontier, pictures
from .common import Row
from .content import tables as content_tables
from .published.run import table_rows
from .speed.scaling import exponent
from .speed.tasks import TASKS
from .speed.tasks.growth import MOST_USERS

NUMPY = "minirec-numpy"


def write(results: Path, out: Path) -> None:
    """Write RESULTS.md and images/ into the folder `out`."""
    load = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(results.glob("*.json"))}
    speed = {name: load[name] for name in TASKS if name in load}
    (out / "images").mkdir(exist_ok=True)
    parts = [_head(load.get("machine", {})), _fastest(speed, out), _numpy(speed), *(_task(name, rows, out) for name, rows in speed.items())]
    parts += [_scaling(load.get("scaling", []), out), _latency(load.get("latency", [])), _coldstart(load.get("coldstart", []))]
    parts += [_peers(load.get("peers", []))]
    (out / "RESULTS.md").write_text("\n\n".join(part for part in parts if part) + "\n", "utf-8")
    if "published" in load:
        (out / "PUBLISHED.md").write_text(_published(load["published"]), "utf-8")
    if "frontier" in load:
        (out / "FRONTIER.md").write_text(_frontier(load["frontier"], out), "utf-8")
    if "content" in load:
        (out / "CONTENT.md").write_text(_content(load["content"]), "utf-8")


def _content(rows: list[Row]) -> str:
    parts = [
        "# What content adds",
        "Made by `python -m benchmarks content` and `python -m benchmarks report`. Brackets are 95 % bootstrap intervals over users; "
        "differences are paired over users, p by the paired t test, with Holm's correction over a table.",
        "New items: a fifth of the items, drawn at random, is held out with all its events; models are told of them by `add_items` and "
        "rank them among the new ones alone and among all. Settings were chosen for NDCG@20 among the new items of a second such draw "
        "from train. `random`: ContentKNN on random vectors. `category`: the new items of the categories that the user has most of.",
        "Warm tail: items that train has. The reference is the setting without content of the highest NDCG@20 on validation; of those "
        "with content that keep this NDCG@20 on validation, the one with the highest tail NDCG@20 (items outside the 20 % most popular) "
        "is taken, and by the same rule one of those without content: what content adds stands against that. Where none keeps it, the "
        "one of the highest NDCG@20 is taken.",
    ]
    for name, text, tables in content_tables.sections(rows):
        parts += [f"## {name}", text, *(table(head, lines) for head, lines in tables if lines)]
    return "\n\n".join(parts) + "\n"


def _published(rows: list[Row]) -> str:
    parts = [
        "# Published numbers, run again",
        "Made by `python -m benchmarks published` and `python -m benchmarks report`; `python -m benchmarks row ID` runs one row again. "
        "Seconds are those of one fit, on a shared host at times beside other work; those of CPU, of all threads, tell the work itself. "
        "Ranking is the time of making all lists. Brackets: the least and the greatest of the seeds.",
    ]
    for name, text, lines in table_rows(rows):
        head = [
            "method",
            "settings",
            "published",
            "ours",
            "difference",
            "fit, s",
            "CPU, s",
            "ranking, s",
            "peak, MB",
            "source of the published figure",
            "id",
        ]
        parts += [f"## {name}", text, table(head, lines)]
    return "\n\n".join(parts) + "\n"


def _frontier(rows: list[Row], out: Path) -> str:
    parts = [
        "# The tail and what it costs",
        "Made by `python -m benchmarks frontier` and `python -m benchmarks report`. The pictures show every setting on the test "
        "events, the line of a family its best ones; rings are what validation chose, and the tables compare those with a reference "
        "(black; EASE, on Gowalla ChebyCF): difference, 95 % interval over users, p by Holm. The reference was tuned for NDCG@20; of "
        "each other family the setting was taken with the highest NDCG@20 on the tail (items outside the 20 % most popular) among those "
        "that keep the reference's NDCG@20 on validation (Gowalla and Complete Journey: 99 % of it), else the one of the highest NDCG@20. "
        "No family here knows the order of a history; on the last film of each user sequence models are far ahead (PUBLISHED.md).",
    ]
    for name, title, text, lines in frontier.table_rows(rows):
        pictures.frontier(
            [row for row in rows if row["data"] == name], frontier.SHOPS[name].reference, title, out / "images" / f"frontier-{name}.svg"
        )
        head = ["model", "settings", "NDCG@20", "less the reference's", "tail NDCG@20", "less the reference's", "times it", "coverage@20"]
        parts += [f"## {title}", text, f"![Accuracy against the tail](images/frontier-{name}.svg)", table(head, lines)]
    return "\n\n".join(parts) + "\n"


def fastest(rows: Iterable[Row], threads: int = 2) -> dict[str, Row]:
    """For each data set the row of the fastest peer."""
    best: dict[str, Row] = {}
    for row in rows:
        if row["threads"] != threads or row["peer"] == NUMPY or not row.get("ratio"):
            continue
        if row["data"] not in best or row["ratio"] < best[row["data"]]["ratio"]:
            best[row["data"]] = row
    return best


def worse(row: Row) -> bool:
    """Whether minirec's quality is below that of the peer: by more than a hundredth of it, or below the interval that it has over users."""
    peer, own = row.get("peer_quality", {}), row.get("minirec_quality", {})
    if "rmse" in peer:
        return bool(own["rmse"] > 1.01 * peer["rmse"])
    if "objective" in peer:
        return bool(own["objective"] > 1.01 * peer["objective"])
    if "± of ndcg@100" in peer:
        return bool(own["ndcg@100"] < peer["ndcg@100"] - peer["± of ndcg@100"])
    return "ndcg@10" in peer and bool(own["ndcg@10"] < 0.99 * peer["ndcg@10"])


def table(head: list[str], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table; numbers to the right."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value).replace("|", "/")


def _head(machine: dict[str, Any]) -> str:
    where = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items() if value is not None)
    return (
        "# Results\n\n"
        "Written by `python -m benchmarks report` from the files in `results/`; nothing here is typed in by hand.\n\n"
        f"Measured on: {where or 'not recorded'}.\n\n"
        "Each row is one run of `python -m benchmarks speed`: the peer and minirec on the same matrix in turns (A B A B), each in a "
        "process that lives through all rounds, after one warm-up run that does not count. Seconds are medians of the rounds, with the "
        "lowest and highest in brackets. Ratio = seconds of the peer / seconds of minirec. Quality comes from one evaluator for all "
        "(minirec's, full ranking, seen items left out, at most 10,000 users): NDCG@10, and the same for the tail (all but the 20 % "
        "most popular items). Memory is the peak of the whole process, imports and data included. Load is the share of CPU time that "
        "other processes took meanwhile. Agreement is the share of lists (or of neighbour values) that are the same on both sides."
    )


def _fastest(speed: dict[str, list[Row]], out: Path) -> str:
    best = [row for rows in speed.values() for row in fastest(rows).values()]
    if not best:
        return ""
    pictures.ratios(best, out / "images" / "ratios.svg")
    above = sum(row["ratio"] > 1 for row in best)
    twice = sum(row["ratio"] >= 2 for row in best)
    lines = (
        [TASKS[row["task"]].title, row["data"], f"{row['peer']} {row['version']}", row["peer_seconds"], row["minirec_seconds"],
         row["ratio"], "lower" if worse(row) else ""]
        for row in best
    )  # fmt: skip
    return (
        f"## The fastest peer of each task, 2 threads\n\nAbove 1 in {above} of {len(best)} rows, 2 or more in {twice}. "
        "What the time goes to where it is less than wanted: [BEHIND.md](BEHIND.md).\n\n"
        "![Ratio of the fastest peer to minirec](images/ratios.svg)\n\n"
        + table(["task", "data", "fastest peer", "peer s", "minirec s", "ratio", "minirec's quality"], lines)
    )


def _numpy(speed: dict[str, list[Row]]) -> str:
    rows = [row for rows in speed.values() for row in rows if row["peer"] == NUMPY]
    if not rows:
        return ""
    lines = (
        [TASKS[row["task"]].title, row["data"], row["threads"], row.get("peer_seconds"), row.get("minirec_seconds"),
         row.get("ratio") or row.get("error"), f"`{row['command']}`"]
        for row in rows
    )  # fmt: skip
    head = ["task", "data", "threads", "NumPy s", "Numba s", "ratio", "command"]
    return "## Without Numba\n\nHow many times longer NumPy alone takes.\n\n" + table(head, lines)


def _task(name: str, rows: list[Row], out: Path) -> str:
    task = TASKS[name]
    head = [
        "data",
        "threads",
        "peer",
        "peer s",
        "minirec s",
        "ratio",
        "peer quality",
        "minirec quality",
        "agree",
        "peer MB",
        "minirec MB",
        "load",
    ]
    lines = []
    for row in rows:
        if row["peer"] == NUMPY:
            continue
        label = f"{row['peer']} {row.get('version') or ''}".strip()
        if "error" in row:
            lines.append([row["data"], row["threads"], label, row["error"]])
            continue
        lines.append(
            [row["data"], row["threads"], label, _seconds(row, "peer"), _seconds(row, "minirec"), row.get("ratio"),
             _quality(row, "peer"), _quality(row, "minirec"), row.get("agreement"), row["peer_peak_mb"], row["minirec_peak_mb"],
             row["load"]["foreign"]]
        )  # fmt: skip
    if not lines:
        return ""
    width = len(head)
    text = f"## {task.title}\n\nSeconds are of one {task.unit}. `python -m benchmarks speed --task {name} --again`; a single row with "
    text += "`--data`, `--threads` and `--peer`.\n\n" + table(head, ([*line, *[None] * (width - len(line))] for line in lines))
    curves = [row for row in rows if row.get("peer_curve") and row["threads"] == max(task.threads)]
    if curves:
        pictures.curves(curves, task.goal.metric if task.goal else "", out / "images" / f"{name}.svg")
        text += f"\n\n![Quality against seconds](images/{name}.svg)"
    return text


def _seconds(row: Row, side: str) -> str:
    if row.get(f"{side}_seconds") is None:
        return f"never (best {_cell(row.get(f'{side}_best'))})"
    low, high = row[f"{side}_spread"]
    text = f"{_cell(row[f'{side}_seconds'])} ({_cell(low)} to {_cell(high)})"
    shares = row.get(f"{side}_percentiles")
    return f"{text}; {', '.join(f'{name} {_cell(value)}' for name, value in shares.items())}" if shares else text


def _quality(row: Row, side: str) -> str:
    return ", ".join(
        f"{name} {value:.3f}" if value < 1000 else f"{name} {value:,.0f}" for name, value in row.get(f"{side}_quality", {}).items()
    )


def _scaling(rows: list[Row], out: Path) -> str:
    groups: dict[tuple[str, str, int], list[Row]] = defaultdict(list)
    for row in rows:
        if row["operation"] != "whole":
            groups[row["operation"], row["axis"], row["threads"]].append(row)
    text = []
    if groups:
        pictures.scaling(groups, out / "images" / "scaling.svg")
        lines = (
            [operation, axis, threads, min(row[axis] for row in found), max(row[axis] for row in found), exponent(found, axis),
             exponent(found, axis, "peak_mb"), f"`python -m benchmarks scaling --task {operation} --axis {axis} --again`"]
            for (operation, axis, threads), found in groups.items()
        )  # fmt: skip
        text.append(
            "## Scaling\n\nThe exponent p of seconds ~ size^p and of peak memory, fitted to the three largest sizes. Along events, users "
            "and items grow with them (one user for 50 events, one item for 250).\n\n![Seconds against size](images/scaling.svg)"
        )
        text.append(table(["operation", "against", "threads", "from", "to", "time: p", "memory: p", "command"], lines))
        text.append(
            f"Top-k is for at most {MOST_USERS:,} of the users, the same number at all sizes; ns a pair are of such a user and an item, "
            "scored or ruled out."
        )
        head = ["operation", "events", "users", "items", "factors", "threads", "seconds", "ns a pair", "peak MB", "load"]
        text.append(
            table(head, ([row["operation"], row["events"], row["users"], row["items"], row["factors"], row["threads"],
                          row.get("seconds") or row.get("error"), _pair(row), row.get("peak_mb"), row.get("load", {}).get("foreign")]
                         for row in rows
                         if row["operation"] != "whole"))
        )  # fmt: skip
    for row in rows:
        if row["operation"] == "whole" and "laps" in row:
            parts = ", ".join(f"{name} {_cell(value)} s" for name, value in row["laps"].items())
            text.append(
                f"Whole run, {row['events']:,} events of {row['users']:,} users with {row['items']:,} items, {row['threads']} threads: "
                f"{parts}; {_cell(row['seconds'])} s in all, peak memory {_cell(row['peak_mb'])} MB (`{row['command']}`)."
            )
    return "\n\n".join(text)


def _pair(row: Row) -> float | None:
    """Nanoseconds of a top-k for each pair of a user and an item, scored or ruled out."""
    if not row["operation"].startswith("topk") or "seconds" not in row:
        return None
    seconds: float = row["seconds"]
    return 1e9 * seconds / (min(row["users"], MOST_USERS) * row["items"])


def _latency(rows: list[Row]) -> str:
    if not rows:
        return ""
    one = [
        [row["task"], row["data"], row["side"], *(row[name] * 1000 if name in row else None for name in ("p50", "p95", "p99")),
         row.get("error"), f"`{row['command']}`"]
        for row in rows if row["task"] != "eight-threads"
    ]  # fmt: skip
    many = [
        [row["side"], row.get("one_seconds"), row.get("eight_seconds"), row.get("throughput"), row.get("error"), f"`{row['command']}`"]
        for row in rows if row["task"] == "eight-threads"
    ]  # fmt: skip
    text = "## Latency\n\nOne call, from a loaded model file, in milliseconds.\n\n"
    text += table(["task", "data", "side", "p50 ms", "p95 ms", "p99 ms", "error", "command"], one)
    if many:
        text += "\n\nThe same calls from one thread and from eight at once: throughput is how many times more eight get done.\n\n"
        text += table(["side", "one thread s", "eight threads s", "throughput", "error", "command"], many)
    return text


def _coldstart(rows: list[Row]) -> str:
    if not rows:
        return ""
    imports = [[row["who"], row.get("seconds"), row.get("megabytes"), row.get("error")] for row in rows if row["what"] == "import"]
    first = [
        [row["who"], row.get("seconds"), row.get("again_seconds"), row.get("install_seconds"),
         ", ".join(f"{name} {_cell(value)}" for name, value in row.get("parts", {}).items()), row.get("error")]
        for row in rows if row["what"] == "first recommendation"
    ]  # fmt: skip
    text = "## Cold start\n\n`python -m benchmarks coldstart --again`. Import in a new process, with all that it brings along:\n\n"
    text += table(["package", "s", "environment MB", "error"], imports)
    text += (
        "\n\nFrom the start of a process to the first recommendation on MovieLens-1M (ALS, 64 factors, 10 iterations): with an empty cache "
    )
    text += "of compiled kernels, then with a filled one.\n\n"
    return text + table(["where", "first run s", "second run s", "pip install s", "parts of the first run, s", "error"], first)


def _peers(rows: list[Row]) -> str:
    if not rows:
        return ""
    lines = ([row["peer"], row["version"], row["seconds"], row["megabytes"], row["error"]] for row in rows)
    head = ["peer", "version", "install s", "environment MB", "error"]
    return "## Peers\n\nThe newest release on PyPI, each in an environment of its own: `python -m benchmarks peers`.\n\n" + table(
        head, lines
    )

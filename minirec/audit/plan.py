"""The plan of an audit: what is measured, against which threshold and why, written down and hashed before any data is read."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DataError, ParameterError
from .measures import COMPARISONS, MEASURES, OVER, Measure

VERSION = 1
CORRECTIONS = ("holm", "benjamini-hochberg", "none")
EXPOSURES = ("log", "geometric", "cascade", "uniform")
TESTS = ("baselines", "quality", "robustness", "parameters", "probes")
DIRECTIONS = ("at most", "at least")


@dataclass(frozen=True)
class Criterion:
    """One requirement: the figure of `metric`, for all or compared between the groups `by`, is `direction` the `threshold`.

    compare : "value" (of all, or of every group `by`, or of the one `group`), "difference" (the largest between two groups),
    "ratio" (the smallest, lower over higher).
    over : what is drawn anew for the interval: "users", "items", "both" (the variances of the two added), or "providers".
    reason : why this threshold; it goes into the report as it stands.
    """

    id: str
    metric: str
    direction: str
    threshold: float
    reason: str = ""
    compare: str = "value"
    by: str = ""
    group: str = ""
    over: str = "users"

    @property
    def measure(self) -> Measure:
        """What the metric is."""
        return MEASURES[self.metric]


@dataclass(frozen=True)
class Plan:
    """A plan. `text` is what was hashed: the file as it stands, byte for byte.

    k : how many places of each list count. draws : of the bootstrap. level : of the intervals and of the verdicts, after
    `correction` over all criteria. exposure : what a place is worth; patience : the parameter of "geometric" and "cascade".
    smallest_group, smallest_item_group : groups with fewer users (items) are shown with a warning and take no part in a comparison.
    sample : how many users the comparisons and tests look at (the criteria look at all).
    """

    system: Mapping[str, str] = field(default_factory=dict)
    criteria: tuple[Criterion, ...] = ()
    k: int = 10
    draws: int = 200
    level: float = 0.95
    correction: str = "holm"
    exposure: str = "log"
    patience: float = 0.8
    smallest_group: int = 30
    smallest_item_group: int = 10
    sample: int = 5_000
    seed: int = 0
    user_groups: tuple[str, ...] = ()
    item_groups: tuple[str, ...] = ()
    provider: str = ""
    tests: tuple[str, ...] = TESTS
    text: str = ""

    @property
    def sha256(self) -> str:
        """SHA-256 of the text of the plan."""
        return hashlib.sha256((self.text or to_toml(self)).encode()).hexdigest()


_SETTINGS: dict[str, tuple[str, type]] = {
    "k": ("settings", int), "draws": ("settings", int), "level": ("settings", float), "correction": ("settings", str),
    "exposure": ("settings", str), "patience": ("settings", float), "smallest_group": ("settings", int),
    "smallest_item_group": ("settings", int), "sample": ("settings", int), "seed": ("settings", int),
    "user_groups": ("groups", list), "item_groups": ("groups", list), "provider": ("groups", str),
}  # fmt: skip
_COMMENTS = {
    "k": "places of each list that count",
    "draws": "of the bootstrap",
    "level": "of the intervals and verdicts",
    "correction": "over the criteria: holm, benjamini-hochberg, none",
    "exposure": "what a place is worth: log, geometric, cascade, uniform",
    "patience": "of geometric and cascade: the chance to look at the next place",
    "smallest_group": "users; smaller groups are shown, not compared",
    "smallest_item_group": "items; smaller groups are shown, not compared",
    "sample": "users that comparisons and tests look at; the criteria look at all",
    "user_groups": "columns of the users; a*b crosses two; activity is always there",
    "item_groups": "columns of the items; popularity is always there",
    "provider": "the column of the items that names who provides them",
}


def read_plan(source: Plan | str | Path | None) -> Plan | None:
    """A plan from a TOML file, checked line by line of what it asks for. A Plan stays as it is; None stays None."""
    if source is None or isinstance(source, Plan):
        return source
    try:
        text = Path(source).read_bytes().decode("utf-8")
    except OSError as error:
        raise DataError(f"cannot read the plan {source}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"the plan {source} is not UTF-8 text") from None
    return parse_plan(text, str(source))


def parse_plan(text: str, where: str = "plan") -> Plan:
    """A plan from its TOML text; DataError names the entry that is wrong and what it may be."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{where}: not readable as TOML: {error}") from None
    if content.pop("version", None) != VERSION:
        raise DataError(f"{where}: `version = {VERSION}` is needed; this minirec reads plans of that version")
    settings: dict[str, Any] = {"text": text}
    system = content.pop("system", {})
    if not isinstance(system, dict):
        raise DataError(f"{where}: [system] is a table of texts, such as name and purpose")
    settings["system"] = {str(name): str(value) for name, value in system.items()}
    for section in ("settings", "groups"):
        table = content.pop(section, {})
        if not isinstance(table, dict):
            raise DataError(f"{where}: [{section}] is a table")
        for name, value in table.items():
            if _SETTINGS.get(name, ("", str))[0] != section:
                known = ", ".join(key for key, (of, _) in _SETTINGS.items() if of == section)
                raise DataError(f"{where}: [{section}] has no setting {name!r}; there are {known}")
            settings[name] = _typed(name, value, where)
    tests = content.pop("tests", {})
    if not isinstance(tests, dict) or not set(tests) <= {"run"} or not set(tests.get("run", [])) <= set(TESTS):
        raise DataError(f"{where}: [tests] has `run`, a list of {', '.join(TESTS)}")
    settings["tests"] = tuple(tests.get("run", TESTS))
    settings["criteria"] = tuple(_criterion(entry, at, where) for at, entry in enumerate(content.pop("criteria", []), 1))
    if content:
        raise DataError(f"{where}: unknown entries {', '.join(content)}; there are system, settings, groups, tests, criteria")
    return checked(Plan(**settings), where)


def _typed(name: str, value: Any, where: str) -> Any:
    kind = _SETTINGS[name][1]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        words = {int: "a whole number", float: "a number", str: "a text", list: "a list of texts"}
        raise DataError(f"{where}: {name} is {words[kind]}, got {value!r}")
    return tuple(str(entry) for entry in value) if isinstance(value, list) else value


def _criterion(entry: Any, at: int, where: str) -> Criterion:
    if not isinstance(entry, dict):
        raise DataError(f"{where}: criterion {at} is not a table; write [[criteria]] before it")
    label = f"{where}: criterion {entry.get('id', at)!r}"
    known = ("id", "metric", "direction", "threshold", "reason", "compare", "by", "group", "over")
    for name in entry:
        if name not in known:
            raise DataError(f"{label} has no entry {name!r}; there are {', '.join(known)}")
    for name in ("id", "metric", "direction", "threshold"):
        if name not in entry:
            raise DataError(f"{label} needs {name}")
    if isinstance(entry["threshold"], bool) or not isinstance(entry["threshold"], (int, float)):
        raise DataError(f"{label}: threshold is a number, got {entry['threshold']!r}")
    texts = {name: str(value) for name, value in entry.items() if name != "threshold"}
    metric = texts["metric"]
    if metric in MEASURES and "over" not in texts:
        texts["over"] = MEASURES[metric].over
    return Criterion(**{**texts, "threshold": float(entry["threshold"])})  # type: ignore[arg-type]


def checked(plan: Plan, where: str = "plan") -> Plan:
    """The plan, if every value in it can be used."""
    for name, low in (("k", 1), ("draws", 50), ("smallest_group", 1), ("smallest_item_group", 1), ("sample", 10), ("seed", 0)):
        if getattr(plan, name) < low:
            raise DataError(f"{where}: {name} is at least {low}, got {getattr(plan, name)}")
    if not 0.5 <= plan.level < 1:
        raise DataError(f"{where}: level is a share of at least 0.5 and below 1, got {plan.level:g}")
    if not 0 < plan.patience < 1:
        raise DataError(f"{where}: patience is above 0 and below 1, got {plan.patience:g}")
    for name, allowed in (("correction", CORRECTIONS), ("exposure", EXPOSURES)):
        if getattr(plan, name) not in allowed:
            raise DataError(f"{where}: {name} is one of {', '.join(allowed)}, got {getattr(plan, name)!r}")
    if not plan.criteria:
        raise DataError(f"{where}: no criteria; at least one [[criteria]] is needed")
    seen: set[str] = set()
    for criterion in plan.criteria:
        _check_criterion(criterion, where)
        if criterion.id in seen:
            raise DataError(f"{where}: two criteria have the id {criterion.id!r}")
        seen.add(criterion.id)
    return plan


def _check_criterion(criterion: Criterion, where: str) -> None:
    label = f"{where}: criterion {criterion.id!r}"
    if criterion.metric not in MEASURES:
        raise DataError(f"{label}: unknown metric {criterion.metric!r}; there are {', '.join(MEASURES)}")
    for name, allowed in (("direction", DIRECTIONS), ("compare", COMPARISONS), ("over", OVER)):
        if getattr(criterion, name) not in allowed:
            raise DataError(f"{label}: {name} is one of {', '.join(allowed)}, got {getattr(criterion, name)!r}")
    if not re.fullmatch(r"[\w.-]+", criterion.id):
        raise DataError(f"{label}: an id is letters, digits, points, hyphens and underscores")
    measure = criterion.measure
    if criterion.compare != "value" and not criterion.by:
        raise DataError(f"{label}: to compare groups it needs `by`, such as activity or a column")
    if criterion.group and (not criterion.by or criterion.compare != "value"):
        raise DataError(f"{label}: `group` names one group of `by`, whose value is judged; it goes with compare = value")
    if not criterion.by and measure.by_items:
        raise DataError(f"{label}: {criterion.metric} is about groups of items: it needs `by`, such as popularity or a column")
    if criterion.by and not measure.grouped:
        raise DataError(f"{label}: {criterion.metric} is one figure for the whole output; groups of users have none of their own")
    if criterion.over not in measure.resampling:
        raise DataError(f"{label}: {criterion.metric} can be drawn over {', '.join(measure.resampling)}, not over {criterion.over}")


def to_toml(plan: Plan, notes: tuple[str, ...] = ()) -> str:
    """The plan as TOML to edit. The same plan gives the same text; reading it gives the plan back."""
    lines = [f"# {note}".rstrip() for note in notes]
    lines += [f"version = {VERSION}", "", "[system]"]
    lines += [f"{name} = {_toml(value)}" for name, value in plan.system.items()]
    for section in ("settings", "groups"):
        lines += ["", f"[{section}]"]
        for name, (of, _) in _SETTINGS.items():
            if of == section:
                comment = f"  # {_COMMENTS[name]}" if name in _COMMENTS else ""
                lines.append(f"{name} = {_toml(getattr(plan, name))}{comment}")
    lines += ["", "[tests]", f"run = {_toml(plan.tests)}"]
    for criterion in plan.criteria:
        lines += ["", "[[criteria]]", f"id = {_toml(criterion.id)}", f"metric = {_toml(criterion.metric)}"]
        lines.append(f"# {MEASURES[criterion.metric].words}")
        if criterion.by:
            lines.append(f"by = {_toml(criterion.by)}")
        if criterion.group:
            lines.append(f"group = {_toml(criterion.group)}")
        if criterion.compare != "value":
            lines.append(f"compare = {_toml(criterion.compare)}")
        lines += [
            f"direction = {_toml(criterion.direction)}",
            f"threshold = {criterion.threshold:.6g}",
            f"reason = {_toml(criterion.reason)}",
            f"over = {_toml(criterion.over)}",
        ]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        escaped = "".join(char if char >= " " and char != "\x7f" else f"\\u{ord(char):04x}" for char in escaped)
        return f'"{escaped}"'
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_toml(entry) for entry in value)}]"
    if isinstance(value, bool) or value is None:
        raise ParameterError(f"{value!r} has no place in a plan")
    return repr(value)

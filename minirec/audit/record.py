"""The record of an audit, `audit.json`: everything that the page shows, in a form for programs. The same audit gives the same bytes."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from .._version import __version__
from .groups import Grouping
from .hashing import of_bytes
from .measures import MEASURES
from .measuring import Figures
from .users import EVERYONE, GroupFigure
from .verdicts import CANNOT, FAIL, PASS, Finding

if TYPE_CHECKING:
    from .baselines import Comparison
    from .case import Case
    from .parameters import Parameters
    from .plan import Plan
    from .probes import Probes
    from .quality import Quality
    from .robustness import Variant

FORMAT, VERSION = "minirec audit", 1
LIMITS = (
    "The lists are those that were handed over; that they are the lists which users saw was not checked.",
    "Intervals say how far figures would move with other users or items of the same kind. They say nothing of other times or markets.",
    "Events are what was recorded of users, not what they wanted; figures of accuracy inherit what the audited system chose to show.",
    "A difference between groups is a finding, not its cause.",
    "A verdict is about the threshold in the plan. It is no legal assessment and no statement of conformity.",
)


def build_record(
    case: Case,
    plan: Plan,
    text: str,
    inputs: list[dict[str, Any]],
    deviations: list[str],
    figures: Figures,
    findings: tuple[Finding, ...],
    quality: Quality | None,
    comparison: Comparison | None,
    variants: list[Variant],
    parameters: Parameters | None,
    probes: Probes | None,
) -> dict[str, Any]:
    """The record as plain data; see `audit.schema.json`."""
    verdicts = {verdict: sum(finding.verdict == verdict for finding in findings) for verdict in (PASS, FAIL, CANNOT)}
    record = {
        "format": FORMAT,
        "version": VERSION,
        "minirec": __version__,
        "system": dict(plan.system),
        "verdicts": verdicts,
        "findings": [_finding(finding) for finding in findings],
        "plan": {"sha256": of_bytes(text.encode()), "settings": _settings(plan)},
        "deviations": list(deviations),
        "inputs": inputs,
        "data": {
            "counts": dict(case.counts),
            "order": case.order,
            "longest_list": case.longest,
            "accounts": {role: account.to_dict() for role, account in case.accounts.items()},
            "user_groups": {key: _sizes(group) for key, group in case.user_groups.items()},
            "item_groups": {key: _sizes(group) for key, group in case.item_groups.items()},
        },
        "figures": _figures(figures, plan),
        "quality": None if quality is None else quality._asdict(),
        "comparison": None if comparison is None else _comparison(comparison),
        "robustness": [variant._asdict() | {"moved": variant.moved} for variant in variants],
        "parameters": None if parameters is None else parameters._asdict(),
        "probes": None if probes is None else _probes(probes),
        "not_measured": _not_measured(findings, plan, quality, comparison, parameters, probes),
        "limits": list(LIMITS),
    }
    clean: dict[str, Any] = _finite(record)
    return clean


def to_json(record: dict[str, Any]) -> bytes:
    """The bytes of `audit.json`."""
    return (json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _finding(finding: Finding) -> dict[str, Any]:
    entry = asdict(finding)
    criterion = entry.pop("criterion")
    entry.pop("side")
    measure = MEASURES[criterion["metric"]]
    return {**criterion, "title": measure.title, "meaning": measure.words, **entry}


def _settings(plan: Plan) -> dict[str, Any]:
    names = ("k", "draws", "level", "correction", "exposure", "patience", "smallest_group", "smallest_item_group", "sample", "seed",
             "user_groups", "item_groups", "provider", "tests")  # fmt: skip
    return {name: list(value) if isinstance(value := getattr(plan, name), tuple) else value for name in names}


def _sizes(group: Grouping) -> dict[str, int]:
    """Sizes by name; of many groups the largest 50, the rest summed."""
    sizes = group.sizes
    order = range(len(sizes)) if len(sizes) <= 50 else sorted(np.argsort(-sizes, kind="stable")[:50].tolist())
    named = {group.names[at]: int(sizes[at]) for at in order}
    rest = int(sizes.sum()) - sum(named.values())
    return named | ({f"({len(sizes) - len(named)} others)": rest} if rest else {})


def _figures(figures: Figures, plan: Plan) -> list[dict[str, Any]]:
    """One entry a measure and grouping; of more than 50 groups those with the lowest and the highest values."""
    entries = []
    for (name, key), figure in figures.items():
        entries.append({"metric": name, "by": key, "title": MEASURES[name].title, "groups": _rows(figure, plan, MEASURES[name].high)})
    return sorted(entries, key=lambda entry: (list(MEASURES).index(entry["metric"]), entry["by"] != EVERYONE, entry["by"]))


def _rows(figure: GroupFigure, plan: Plan, high: float) -> list[dict[str, Any]]:
    from scipy.special import stdtrit

    t = float(stdtrit(plan.draws - 1, 0.5 + plan.level / 2))
    at = np.arange(len(figure.names))
    if len(at) > 50:
        order = np.argsort(np.where(np.isfinite(figure.value), figure.value, np.inf), kind="stable")
        order = order[np.isfinite(figure.value[order])]
        at = np.concatenate((order[:25], order[-25:])) if len(order) > 50 else order
    rows = []
    for place in at.tolist():
        value = float(figure.value[place])
        row: dict[str, Any] = {"name": figure.names[place], "n": int(figure.n[place]), "value": value}
        for side, draws in (("users", figure.users), ("items", figure.items)):
            if draws is not None:
                column = draws[:, place]
                finite = column[np.isfinite(column)]
                half = t * float(finite.std(ddof=1)) if len(finite) > 1 else float("nan")
                row[f"over_{side}"] = [value - half, min(value + half, high)]
        rows.append(row)
    return rows


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "users": comparison.users,
        "rows": [row._asdict() for row in comparison.rows],
        "left_out": dict(comparison.left_out),
    }


def _probes(probes: Probes) -> dict[str, Any]:
    return {"probes": [probe._asdict() for probe in probes.probes], "requests": probes.requests, "failed": dict(probes.failed)}


def _not_measured(
    findings: tuple[Finding, ...], plan: Plan, quality: Quality | None, comparison: Comparison | None, parameters: Parameters | None,
    probes: Probes | None,
) -> list[dict[str, str]]:  # fmt: skip
    entries = [{"what": f"criterion {f.criterion.id}", "why": f.why} for f in findings if f.value is None]
    if quality is None:
        entries.append({"what": "data quality", "why": "it is not among the tests of the plan"})
    else:
        entries += quality.not_checked
    if comparison is None:
        entries.append({"what": "comparison with lists that look at no profile", "why": "it is not among the tests of the plan"})
    else:
        entries += [{"what": f"comparison with {name}", "why": why} for name, why in comparison.left_out.items()]
    if "robustness" not in plan.tests:
        entries.append({"what": "robustness", "why": "it is not among the tests of the plan"})
    if parameters is None:
        why = "nothing varies in the lists" if "parameters" in plan.tests else "they are not among the tests of the plan"
        entries.append({"what": "main parameters", "why": why})
    else:
        entries += [{"what": f"{name} as a main parameter", "why": why} for name, why in parameters.left_out.items()]
    if probes is None:
        why = "lists were given, not a system to ask" if "probes" in plan.tests else "they are not among the tests of the plan"
        entries.append({"what": "probes (repeatability, stability, reachability)", "why": why})
    else:
        entries += [{"what": f"probe {name}", "why": why} for name, why in probes.failed.items()]
    return entries


def _finite(value: Any) -> Any:
    """Plain data without NaN and infinities (None in their place); numbers to twelve digits, so that they read well."""
    if isinstance(value, dict):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    if isinstance(value, (np.floating, float)):
        return float(f"{float(value):.12g}") if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value

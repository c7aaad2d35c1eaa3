"""The main job of an audit: plan first, then data, figures, verdicts, tests, record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data.dataset import Dataset
from ..data.ids import Id
from ..models.contract.recommender import Recommender
from .baselines import compare_baselines
from .case import Case, as_events, build_case
from .defaults import default_plan
from .hashing import of_bytes, of_input
from .lists import ListTable, checked_k, read_lists
from .measuring import Figures, figures, findings
from .parameters import main_parameters
from .plan import Plan, read_plan, to_toml
from .probes import Ask, asks_of, histories_of, probe
from .quality import Quality, data_quality
from .record import build_record
from .robustness import Variant, robustness
from .verdicts import CANNOT, FAIL, PASS, Finding, corrected


@dataclass(frozen=True)
class Audit:
    """A finished audit. `findings` has one entry a criterion of the plan; `record` is what `audit.json` holds.

    figures : by (measure, grouping), with draws. case : the data in one numbering. plan_text : the plan, byte for byte as hashed.
    """

    plan: Plan
    plan_text: str
    case: Case
    figures: Figures
    findings: tuple[Finding, ...]
    record: dict[str, Any]

    @property
    def verdicts(self) -> dict[str, str]:
        """{criterion: "pass", "fail" or "cannot tell"}."""
        return {finding.criterion.id: finding.verdict for finding in self.findings}

    @property
    def failed(self) -> list[str]:
        """The criteria that failed."""
        return [name for name, verdict in self.verdicts.items() if verdict == FAIL]

    def to_dict(self) -> dict[str, Any]:
        """The record, ready for JSON; its schema is `minirec/audit/audit.schema.json`."""
        return self.record

    def __str__(self) -> str:
        count = {verdict: sum(found == verdict for found in self.verdicts.values()) for verdict in (PASS, FAIL, CANNOT)}
        lines = [f"{count[PASS]} pass, {count[FAIL]} fail, {count[CANNOT]} cannot tell"]
        for finding in self.findings:
            lines.append(f"  {finding.verdict:<12} {finding.criterion.id:<24} {_in_short(finding)}")
        return "\n".join(lines)


def _in_short(finding: Finding) -> str:
    if finding.value is None:
        return finding.why
    criterion = finding.criterion
    interval = "" if finding.low is None or finding.high is None else f" [{finding.low:.4g}, {finding.high:.4g}]"
    who = f" ({' / '.join(finding.contrast)})" if finding.contrast else ""
    what = criterion.metric if criterion.compare == "value" else f"{criterion.compare} of {criterion.metric}"
    return f"{what} {finding.value:.4g}{interval}, wanted {criterion.direction} {criterion.threshold:g}{who}"


def audit(
    lists: Any,
    events: Any,
    *,
    test: Any = None,
    items: Any = None,
    users: Any = None,
    provider: str | Path | Mapping[Id, Any] | None = None,
    user_groups: Sequence[Any] = (),
    item_groups: Sequence[Any] = (),
    plan: Plan | str | Path | None = None,
    k: int | None = None,
    compare: Sequence[str] = (),
    deviations: Sequence[str] = (),
    list_columns: Mapping[str, Any] | None = None,
    reading: Mapping[str, Any] | None = None,
    seed: int | None = None,
    ask_users: int = 200,
    say: Callable[[str], None] | None = None,
) -> Audit:
    """Audit the lists of any recommender: figures with intervals, verdicts against a plan, tests, a record to sign.

    lists : whatever `audit.read_lists` takes (a path, a table, {user: [item, ...]}, `Recommendations`, the arrays of implicit), or
        a system to ask: a fitted model, an `Endpoint`, or any function of (histories, k) that returns a list of items for each
        history. Functions are asked for the lists of `ask_users` users; a system is probed with changed histories, too.
    events : what the system knew: a Dataset, or whatever `minirec.read` takes. test : events after it; without them criteria of
        accuracy are "cannot tell".
    items, users : tables with one row each, for groups and providers; `provider`, `user_groups`, `item_groups` name columns of
        them (a*b crosses two), files of two columns (id, label), or are mappings {id: label}. They add to those of the plan.
    plan : a TOML file (`minirec audit plan` writes one) or a Plan; default: `default_plan`. It is read and hashed before any data.
    k, seed : in place of the plan's; logged as deviations from it. deviations : further ones, in words.
    compare : models of minirec, by registry name, that are fitted on the same events and measured beside the lists.
    list_columns, reading : settings of `read_lists` and of `minirec.read` (for events and test events).
    say : is called with a line for each step.

    Same input, same plan: the same record, byte for byte. Memory: about 60 bytes a place of a list.

    >>> import minirec as mr
    >>> events = mr.synthetic(200, 60, 3_000, seed=1)
    >>> model = mr.Popularity().fit(events)
    >>> done = mr.audit(model.recommend(k=10), events)
    >>> done.verdicts["no-repeats"], done.verdicts["accuracy"]
    ('pass', 'cannot tell')
    """
    tell = say or (lambda text: None)
    own = plan is None
    asked = read_plan(plan) or default_plan(
        provider=str(provider) if isinstance(provider, str) else None,
        user_groups=tuple(group for group in user_groups if isinstance(group, str)),
        item_groups=tuple(group for group in item_groups if isinstance(group, str)),
        k=10 if k is None else checked_k(k),
    )
    text = asked.text or to_toml(asked)
    log = [str(entry) for entry in deviations]
    if own:
        log.append("No plan was given: the criteria are those of minirec's default plan, and nobody gave reasons for them beforehand.")
    used = _deviated(asked, k, seed, provider, log)
    tell(f"plan {of_bytes(text.encode())[:16]} with {len(used.criteria)} criteria")
    ask, source = _system(lists)
    inputs = [
        of_input(role, value)
        for role, value in (("lists", lists), ("events", events), ("test", test), ("items", items), ("users", users))
        if value is not None and not (role == "lists" and ask is not None)
    ]
    if ask is not None:
        events, reading = as_events(events, "events", dict(reading or {}))[0], None
        log += [] if isinstance(lists, Recommender) else [f"The system was asked for the lists of at most {ask_users} users."]
        lists = source(events, used.k, ask_users, used.seed)
    table = lists if isinstance(lists, ListTable) else read_lists(lists, **dict(list_columns or {}))
    tell(f"{len(table):,} lists with {len(table.item):,} places")
    case = build_case(
        table, events, test=test, items=items, users=users, provider=provider or used.provider or None,
        user_groups=_together(used.user_groups, user_groups), item_groups=_together(used.item_groups, item_groups),
        reading=dict(reading or {}),
    )  # fmt: skip
    used = _named_groups(used, case)
    return _finish(case, used, text, inputs, log, tuple(compare), ask, tell)


def _finish(
    case: Case, plan: Plan, text: str, inputs: list[dict[str, Any]], log: list[str], compare: tuple[str, ...], ask: Ask | None,
    tell: Callable[[str], None],
) -> Audit:  # fmt: skip
    if case.longest < plan.k:
        log.append(f"The plan looks at {plan.k} places of a list; the longest list has {case.longest}.")
    tell("figures")
    found = figures(case, plan, plan.k)
    done = tuple(corrected(findings(case, plan, found), plan))
    quality: Quality | None = None
    variants: list[Variant] = []
    comparison, parameters, probes = None, None, None
    if "quality" in plan.tests:
        tell("data quality")
        quality = data_quality(case, plan.k)
    if "baselines" in plan.tests or compare:
        tell("comparison")
        comparison = compare_baselines(case, plan, compare, baselines="baselines" in plan.tests)
    if "robustness" in plan.tests:
        tell("robustness")
        variants = robustness(case, plan, done)
    if "parameters" in plan.tests:
        tell("main parameters")
        parameters = main_parameters(case, plan)
    if "probes" in plan.tests and ask is not None:
        tell("probes")
        probes = probe(ask, case, plan)
    record = build_record(case, plan, text, inputs, log, found, done, quality, comparison, variants, parameters, probes)
    return Audit(plan, text, case, found, done, record)


def _deviated(plan: Plan, k: int | None, seed: int | None, provider: Any, log: list[str]) -> Plan:
    """The plan with what was asked for in its place, each change logged."""
    changed: dict[str, Any] = {}
    for name, value in (("k", None if k is None else checked_k(k)), ("seed", seed)):
        if value is not None and value != getattr(plan, name):
            log.append(f"{name} is {value} in place of the {getattr(plan, name)} of the plan.")
            changed[name] = value
    if isinstance(provider, str) and plan.provider and provider != plan.provider:
        log.append(f"The providers are those of {provider!r} in place of the {plan.provider!r} of the plan.")
    return replace(plan, **changed)


def _together(planned: Sequence[str], given: Sequence[Any]) -> list[Any]:
    return [*planned, *[group for group in given if group not in planned]]


def _named_groups(plan: Plan, case: Case) -> Plan:
    """The plan with its provider under the name of the grouping that came of it."""
    return replace(plan, provider=case.provider or "")


def _system(lists: Any) -> tuple[Ask | None, Callable[[Dataset, int, int, int], Any]]:
    """How to ask a system with histories, and its lists for the users of the events; None where `lists` are lists already."""
    if isinstance(lists, Recommender):
        return asks_of(lists), lambda events, k, users, seed: lists.recommend(k=k)
    if callable(lists):
        return lists, lambda events, k, users, seed: _asked(lists, events, k, users, seed)
    return None, lambda events, k, users, seed: lists


def _asked(ask: Ask, events: Dataset, k: int, users: int, seed: int) -> dict[Id, list[Id]]:
    """The lists of some users of the events, drawn with the seed, by their histories."""
    rows = np.flatnonzero(np.bincount(events.user, minlength=events.n_users))
    if len(rows) > users:
        rows = np.sort(np.random.default_rng([seed, 31]).choice(rows, users, replace=False))
    return dict(zip(events.users.ids(rows), ask(histories_of(events, rows), k), strict=True))

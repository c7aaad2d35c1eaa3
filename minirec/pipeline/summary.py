"""From what a run found out to what its page says: numbers picked, dates written out, checks made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ..data.dataset import Dataset
from ..data.ids import Id
from ..data.popularity import GROUPS, Groups, popularity_groups
from ..evaluation import Result
from ..models.contract.registry import model_class
from ..report.contents import VERSION, Candidate, Chunk, Column, Example, Figure, Item, ModelRow, Page, Part, Verdict
from .candidates import REFERENCES
from .checks import checks_of
from .choice import Gap
from .content_gain import content_gain
from .records import Listed, Outcome

HISTORY = 8  # items of a user that are shown
CURVE = 400  # points of the curve of the long tail
TEXT = 90  # characters of an item's name
ITEM_SOURCES = ("history", "content", "behaviour", "left out", "without")  # of the parts of a score that are those of an item
_DATES = range(631_152_000, 4_102_444_800)  # 1990 to 2100 in seconds: times outside are order numbers, or of another unit


def summary(outcome: Outcome) -> Page:
    """The page of a run."""
    result, arguments, data = outcome.result, outcome.arguments, outcome.data
    ks = [int(k) for k in result.settings["k"]]
    columns = _columns(ks, result)
    keys = [*(column["key"] for column in columns), *(f"mass_{group}.recall@{ks[-1]}" for group in GROUPS), f"ndcg@{ks[-1]}"]
    figures = _figures(result, keys)
    train = outcome.parts.train
    groups = popularity_groups(train)
    several = len(result.models) > 1 and len(result.users) > 1
    fold = outcome.parts.folds[0]
    chunks = {"All": data, "Train": train, "Test": outcome.parts.test, "Train, for the choice": fold.inner, "Validation": fold.validation}
    return Page(
        version=VERSION,
        title=data.name,
        date=outcome.date,
        fingerprint=data.fingerprint,
        k=ks,
        best=outcome.best,
        picks=dict(outcome.picks),
        price=arguments["price"],
        warnings=list(outcome.warnings),
        verdict=_verdict(outcome, figures, ks[-1]),
        checks=checks_of(outcome),
        models=[_model_row(name, outcome, figures, f"ndcg@{ks[-1]}") for name in result.models],
        columns=columns,
        candidates=_candidates(outcome, ks[-1]),
        differences=result.compare(outcome.best, metric=f"ndcg@{ks[-1]}").to_dict() if several else [],
        examples=_examples(outcome, groups),
        why_no_parts=outcome.why_no_parts,
        ordered=data.timestamp is not None,
        facts=_facts(data, arguments.get("source")),
        account=outcome.account.to_dict(),
        split=outcome.parts.how,
        test_share=float(arguments["test"]),
        folds=len(outcome.parts.folds),
        chunks=[Chunk(label=label, events=len(part), **_present(part), period=period(part)) for label, part in chunks.items()],  # type: ignore[typeddict-item]
        curve=_curve(np.sort(groups.popularity)[::-1]),
        groups=groups.describe(),
        protocol=_protocol(result),
        content=None if outcome.content is None else content_gain(outcome.content, result),
        settings=[[name.replace("_", " "), _setting(value)] for name, value in arguments.items() if name not in ("params", "trials")],
        versions=dict(outcome.versions),
        seconds=dict(outcome.seconds),
        left_out={_label(name): why for name, why in outcome.left_out.items()},
        notes=[f"{outcome.shift}.", *result.notes],
        repeat=f"minirec run --repeat {outcome.folder}/run.json --out again",
    )


def period(data: Dataset) -> str:
    """First and last time of the events, as dates where the times are seconds since 1970; "" without times."""
    if data.timestamp is None or not len(data):
        return ""
    first, last = int(data.timestamp.min()), int(data.timestamp.max())
    if first in _DATES and last in _DATES:
        return " to ".join(datetime.fromtimestamp(at, UTC).date().isoformat() for at in (first, last))
    return f"{first:,} to {last:,}"


def _present(data: Dataset) -> dict[str, int]:
    return {"users": len(np.unique(data.user)), "items": len(np.unique(data.item))}


def _columns(ks: Sequence[int], result: Result) -> list[Column]:
    k = ks[-1]
    wanted = [(f"ndcg@{k}", False), (f"recall@{k}", False), (f"tail.ndcg@{k}", False), (f"aplt@{k}", True), (f"coverage@{k}", True)]
    found = [Column(key=key, percent=percent, lower_is_better=False) for key, percent in wanted]
    if any("rmse" in values for values in result.to_dict().values()):
        found.append(Column(key="rmse", percent=False, lower_is_better=True))
    return found


def _figures(result: Result, keys: Sequence[str]) -> dict[str, dict[str, Figure]]:
    means = result.to_dict()
    averaged = [key for key in dict.fromkeys(keys) if key in next(iter(result.measured.values())).per_user]
    ends = result.intervals(averaged)
    found: dict[str, dict[str, Figure]] = {}
    for model, values in means.items():
        found[model] = {}
        for key in keys:
            if key in values and np.isfinite(values[key]):
                low, high = ends[model].get(key, (None, None))
                found[model][key] = _figure(values[key], low, high)
    return found


def _figure(value: float, low: float | None = None, high: float | None = None) -> Figure:
    ends = [None if end is None or not np.isfinite(end) else float(end) for end in (low, high)]
    return Figure(value=float(value), low=ends[0], high=ends[1])


def _gap(gap: Gap, scale: float = 1.0) -> Figure:
    return _figure(gap.difference * scale, gap.low * scale, gap.high * scale)


def _verdict(outcome: Outcome, figures: Mapping[str, Mapping[str, Figure]], k: int) -> Verdict:
    best, popular = figures[outcome.best], figures.get("popularity")

    def value(row: Mapping[str, Figure] | None, key: str) -> float | None:
        return None if row is None else row[key]["value"] if key in row else 0.0

    accuracy, against = value(best, f"ndcg@{k}") or 0.0, outcome.against
    base = value(popular, f"ndcg@{k}")
    top = value(figures.get(outcome.picks["accurate"]), f"ndcg@{k}")
    if popular is None or against is None:
        kind = "alone"
    elif outcome.best == "popularity":
        kind = "bestsellers"
    else:
        kind = "better" if against.above else "worse" if against.below else "unclear"
    failed = any(check["status"] == "fail" for check in checks_of(outcome))
    ship = {"better": "no" if failed else "yes", "worse": "no", "bestsellers": "no"}.get(kind, "wait")
    return Verdict(
        kind=kind,
        ship=ship,
        ndcg=accuracy,
        bestsellers=base,
        lift=_gap(against, 1 / base) if against is not None and base else None,
        tail=value(best, f"tail.ndcg@{k}") or 0.0,
        tail_bestsellers=value(popular, f"tail.ndcg@{k}"),
        coverage=value(best, f"coverage@{k}") or 0.0,
        coverage_bestsellers=value(popular, f"coverage@{k}"),
        coverage_items=round((value(best, f"coverage@{k}") or 0.0) * outcome.parts.train.n_items),
        cost=accuracy / top - 1 if top else None,
        users=len(outcome.result.users),
    )


def _model_row(name: str, outcome: Outcome, figures: Mapping[str, Mapping[str, Figure]], accuracy: str) -> ModelRow:
    model = outcome.settings[name]
    base = figures.get("popularity", {}).get(accuracy)
    own = figures[name].get(accuracy)
    return ModelRow(
        key=name,
        name=_label(name),
        parameters=", ".join(f"{key}={'none' if value is None else repr(value)}" for key, value in model.get_params().items()),
        figures=dict(figures[name]),
        lift=own["value"] / base["value"] - 1 if own and base and base["value"] else None,
        seconds=outcome.fits.get(name, 0.0),
        reference=model.name in REFERENCES,
        roles=[kind for kind, pick in outcome.picks.items() if pick == name],
    )


def _candidates(outcome: Outcome, k: int) -> list[Candidate]:
    accuracy, tail = f"ndcg@{k}", f"tail.ndcg@{k}"
    figures, choice = _figures(outcome.validation, [accuracy, tail, f"coverage@{k}"]), outcome.choice
    rows = []
    for label in sorted(figures, key=lambda label: -figures[label][accuracy]["value"]):
        row = figures[label]
        rows.append(
            Candidate(
                label=_label(label),
                ndcg=row[accuracy],
                tail=row.get(tail),
                coverage=row.get(f"coverage@{k}", _figure(0.0))["value"],
                gap=_gap(choice.gaps[label]),
                verdict=choice.verdicts[label].value,
                roles=[kind for kind, pick in choice.picks.items() if pick == label],
                seconds=outcome.seconds.get(f"fit {label} for the choice", 0.0),
            )
        )
    return rows


def _label(variant: str) -> str:
    """ "rp3beta beta=0.3" with the model as it is written in a paper."""
    name, _, setting = variant.partition(" ")
    return " ".join(part for part in (model_class(name).__name__, setting) if part)


def _protocol(result: Result) -> str:
    counts = result.counts
    reasons = {
        "unknown_users": "{:,} users whom train does not know",
        "pairs_of_unknown_items": "{:,} pairs with an item that train does not know",
        "pairs_seen": "{:,} pairs that the user had in train already",
        "users_without_test_items": "{:,} users without test items",
    }
    left = [text.format(counts[name]) for name, text in reasons.items() if counts.get(name)]
    text = str(result.settings["protocol"])
    return text + (f" Not in the ground truth: {', '.join(left)}." if left else "")


def _facts(data: Dataset, source: Any) -> list[list[str]]:
    by_user, by_item = data.matrix.counts(), data.item_counts
    pairs = f"{data.matrix.nnz:,} ({100 * data.matrix.nnz / data.n_users / data.n_items:.2g} % of all possible)"
    facts = [
        ["Source", _source(source)],
        ["Events", f"{len(data):,}"],
        ["Users", f"{data.n_users:,}"],
        ["Items", f"{data.n_items:,}"],
        ["Distinct pairs of user and item", pairs],
        ["Items a user", f"median {np.median(by_user):,.0f}, at most {by_user.max():,}"],
        ["Users an item", f"median {np.median(by_item):,.0f}, at most {by_item.max():,}"],
        ["Items with a single user", f"{int((by_item == 1).sum()):,} ({100 * (by_item == 1).mean():.0f} % of all)"],
    ]
    if data.timestamp is not None:
        facts.append(["From, to", period(data)])
    if data.weight is not None:
        facts.append(["Weight", f"{data.weight.min():g} to {data.weight.max():g}, median {np.median(data.weight):g}"])
    if columns := [name for name, column in data.item_features.items() if column.ndim == 1]:
        facts.append(["Item text", ", ".join(columns)])
    return facts


def _source(source: Any) -> str:
    if source is None:
        return "the built-in data set"
    return f"a {source['in memory']} in memory" if isinstance(source, Mapping) else str(source)


def _setting(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(entry) for entry in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={entry}" for name, entry in value.items()) or "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _curve(popularity: Any) -> list[list[int]]:
    """Some points (rank from 1, users) of the long tail, evenly spaced on a logarithmic axis."""
    n = len(popularity)
    ranks = np.unique(np.geomspace(1, n, min(n, CURVE)).round().astype(np.int64))
    return [[int(rank), int(popularity[rank - 1])] for rank in ranks]


def _examples(outcome: Outcome, groups: Groups) -> list[Example]:
    train = outcome.parts.train

    def item(one: Id, hits: set[Id], parts: list[Part] | None = None) -> Item:
        group = GROUPS[groups.mass[train.items.row(one, "item")]]
        return Item(text=_text(train, one), group=group, hit=one in hits, parts=parts or [])

    return [
        Example(
            user=str(example.user),
            known=len(example.known),
            history=[item(one, set()) for one in example.known[:HISTORY]],
            before=[item(one, example.test) for one in example.before],
            after=[item(listed.item, example.test, _parts(listed, train)) for listed in example.after],
        )
        for example in outcome.examples
    ]


def _parts(listed: Listed, train: Dataset) -> list[Part]:
    total = sum(abs(value) for _, _, value in listed.parts) or 1.0
    return [
        Part(text=_part_text(source, name, listed.item, train), percent=round(100 * value / total, 2))
        for source, name, value in listed.parts
    ]


def _part_text(source: str, name: Id, item: Id, train: Dataset) -> str:
    """The item that a part is of, with what of it counts; the source alone where that is no item, or the recommended one itself."""
    kind, _, side = source.partition(", ")
    if kind not in ITEM_SOURCES or name == item:
        return source
    what = side or (kind if kind != "history" else "")
    return _text(train, name) + (f", {what}" if what else "")


def _text(data: Dataset, item: Id) -> str:
    """A readable name, cut where it is a whole text."""
    text = " ".join(data.item_text(item).split()) or str(item)
    return text if len(text) <= TEXT else text[: TEXT - 1].rstrip() + "…"

"""From a run to the contents of its report: numbers picked, dates written out, examples drawn up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ..data.account import Account
from ..data.dataset import Dataset
from ..data.ids import Id
from ..data.popularity import GROUPS, Groups, popularity_groups
from ..errors import NotSupportedError
from ..evaluation.result import Result
from ..evaluation.shift import ItemShift
from ..models.contract.explanation import Part as ModelPart
from ..models.contract.recommender import Recommender
from ..models.contract.registry import model_class
from .charts import whole_percent
from .content import ContentRun, content_gain
from .contents import Candidate, Chunk, Column, Contents, Example, Figure, ModelRow, Part, Recommended

REFERENCES = ("popularity", "random")  # models that do not look at the user
EXAMPLES, HISTORY, LISTED = 3, 8, 8
ITEM_SOURCES = ("history", "content", "behaviour", "left out", "without")  # of the parts of a score that are those of an item
SPLIT_TEXT = {
    "time": "By time, at one instant for everybody: the last {share} of the events are the test events, and of the train events the last "
    "{share} are the validation events. Nothing that a model learns from is later than what it is judged on.",
    "random": "At random within each user: {share} of a user's items are test items, and of the train items {share} validation items.",
    "leave-last": "From each user's last new item on, events are test events; of the rest, in the same way, validation events.",
}
RULE = (
    "All models were fitted on the train events without the validation events, and judged on those. Of the models whose NDCG@{low} is not "
    "significantly below the best one's (the 95 % bootstrap interval of the paired difference reaches zero), the one with the highest "
    "recall@{high} among items of the tail (by item count) is chosen. A model with several rows was tried with several settings, and "
    "goes on with the one of the highest NDCG@{low}, or the chosen one. References are never chosen while there is another model. The "
    "test events played no part in this."
)
WEIGHT_TEXT = {
    "binary": "For ranking models a pair of user and item counts once, however often it occurs and whatever its weight.",
    "count": "For ranking models a pair of user and item counts as often as it occurs; weights are not used.",
    "log": "For ranking models an event counts log2(1 + weight), and repeated events of a pair add up.",
    "raw": "For ranking models an event counts its weight, and repeated events of a pair add up.",
}
FINAL = (
    "The figures on this page are of models fitted on the train events. model.npz and the recommendations ({k} items for every user) come "
    "from {best}, fitted once more on all events with the same parameters."
)
_DATES = range(631_152_000, 4_102_444_800)  # 1990 to 2100 in seconds: times outside are order numbers, or of another unit


@dataclass(frozen=True)
class Outcome:
    """What a run found out. `parts` names the parts of the split, "Train" and "Test" among them; `models` are fitted on Train,
    `result` is theirs on Test, `validation` is what `best` was chosen on, with a verdict on each, and `shift` whether its events and
    those of Test are about the same items. `left_out` says why for each model that is not there. `how` is the split; `seconds` those
    of each step; `repeat` the command that runs it again; `content` what was found out about the content of the items, if anything."""

    data: Dataset
    account: Account
    how: str
    parts: Mapping[str, Dataset]
    models: Mapping[str, Recommender]
    best: str
    verdicts: Mapping[str, str]
    validation: Result
    result: Result
    shift: ItemShift
    left_out: Mapping[str, str]
    arguments: Mapping[str, Any]
    versions: Mapping[str, str]
    seconds: Mapping[str, float]
    repeat: str
    content: ContentRun | None = None


def gather(outcome: Outcome) -> Contents:
    """Contents of the report of a run."""
    result, models, arguments = outcome.result, outcome.models, outcome.arguments
    ks = tuple(result.settings["k"])
    columns = _columns(ks, result)
    figures = _figures(result, [*(column.key for column in columns), *(f"mass_{group}.recall@{ks[-1]}" for group in GROUPS)])
    train = outcome.parts["Train"]
    groups = popularity_groups(train)
    best = models[outcome.best]
    examples, why_no_parts = _examples(best, train, outcome.parts["Test"], groups, result)
    return Contents(
        title=outcome.data.name,
        best=outcome.best,
        rule=RULE.format(low=ks[0], high=ks[-1]),
        facts=_facts(outcome.data, arguments.get("source")),
        account=outcome.account.to_dict(),
        split=SPLIT_TEXT[outcome.how].format(share=whole_percent(arguments["test"])),
        chunks=[Chunk(label, len(part), *_present(part), period(part)) for label, part in {"All": outcome.data, **outcome.parts}.items()],
        popularity=np.sort(groups.popularity)[::-1],
        groups=groups.describe(),
        columns=columns,
        models=[
            ModelRow(
                name,
                type(model).__name__,
                ", ".join(f"{key}={value!r}" for key, value in model.get_params().items()),
                figures[name],
                outcome.seconds[f"fit {name} on train"],
                name in REFERENCES,
            )
            for name, model in models.items()
        ],
        k=ks,
        candidates=_candidates(outcome, ks),
        differences=result.compare(outcome.best, metric=f"ndcg@{ks[0]}").to_dict() if len(models) > 1 and len(result.users) > 1 else [],
        protocol=_protocol(result),
        examples=examples,
        why_no_parts=why_no_parts,
        settings=[(name.replace("_", " "), _setting(value)) for name, value in arguments.items() if name != "params"],
        versions=list(outcome.versions.items()),
        seconds=list(outcome.seconds.items()),
        repeat=outcome.repeat,
        content=content_gain(outcome.content, result, {name: _label(name) for name in models}) if outcome.content is not None else None,
        left_out=[(_label(name), f"{why[0].upper()}{why[1:]}.") for name, why in outcome.left_out.items()],
        notes=[
            f"{WEIGHT_TEXT[arguments['weights']]} {FINAL.format(best=type(best).__name__, k=ks[-1])}",
            f"{outcome.shift}.",
            *result.notes,
        ],
    )


def period(data: Dataset) -> str:
    """First and last time of the events, as dates where the times are seconds since 1970; "" without times."""
    if data.timestamp is None or not len(data):
        return ""
    first, last = int(data.timestamp.min()), int(data.timestamp.max())
    if first in _DATES and last in _DATES:
        return " to ".join(datetime.fromtimestamp(at, UTC).date().isoformat() for at in (first, last))
    return f"{first:,} to {last:,}"


def _present(data: Dataset) -> tuple[int, int]:
    return len(np.unique(data.user)), len(np.unique(data.item))


def _columns(ks: tuple[int, ...], result: Result) -> list[Column]:
    low, high = ks[0], ks[-1]
    columns = [
        Column(
            f"ndcg@{low}",
            f"NDCG@{low}",
            f"Normalised discounted cumulative gain of the first {low}: a hit counts more the higher it stands, 1 is a perfect list. "
            "Mean over users with test items.",
        ),
        Column(f"recall@{high}", f"Recall@{high}", f"Share of a user's test items that stand in the first {high} of the list."),
        Column(
            f"tail.recall@{high}",
            f"Tail recall@{high}",
            "The same among test items of the tail by item count, over users who have some.",
        ),
        Column(
            f"aplt@{high}",
            f"Tail in lists@{high}",
            f"Share of the first {high} that comes from the tail by item count (APLT).",
            percent=True,
        ),
        Column(
            f"coverage@{high}",
            f"Coverage@{high}",
            f"Share of the catalogue that stands in the first {high} of at least one user.",
            percent=True,
        ),
    ]
    if any("rmse" in values for values in result.to_dict().values()):
        hint = "Root of the mean squared error of predicted ratings, for models that predict them; lower is better."
        columns.append(Column("rmse", "RMSE", hint, lower_is_better=True))
    return columns


def _figures(result: Result, keys: Sequence[str]) -> dict[str, dict[str, Figure]]:
    means = result.to_dict()
    averaged = [key for key in keys if key in next(iter(result.measured.values())).per_user]
    ends = result.intervals(averaged)
    return {
        model: {key: Figure(values[key], *ends[model].get(key, (None, None))) for key in keys if key in values and np.isfinite(values[key])}
        for model, values in means.items()
    }


def _candidates(outcome: Outcome, ks: tuple[int, ...]) -> list[Candidate]:
    accuracy, tail = f"ndcg@{ks[0]}", f"tail.recall@{ks[-1]}"
    figures = _figures(outcome.validation, [accuracy, tail])
    return [
        Candidate(_label(name), figures[name].get(accuracy), figures[name].get(tail), verdict) for name, verdict in outcome.verdicts.items()
    ]


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
        "users_without_test_items": "{:,} users to whom nothing remained",
    }
    left = [text.format(counts[name]) for name, text in reasons.items() if counts.get(name)]
    text = str(result.settings["protocol"])
    return text + (f" Not in the ground truth: {', '.join(left)}." if left else "")


def _facts(data: Dataset, source: Any) -> list[tuple[str, str]]:
    by_user, by_item = data.matrix.counts(), data.item_counts
    facts = [
        ("Source", _source(source)),
        ("Events", f"{len(data):,}"),
        (
            "Distinct pairs of user and item",
            f"{data.matrix.nnz:,} ({100 * data.matrix.nnz / data.n_users / data.n_items:.2g} % of all possible)",
        ),
        ("Items a user", f"median {np.median(by_user):,.0f}, at most {by_user.max():,}"),
        ("Users an item", f"median {np.median(by_item):,.0f}, at most {by_item.max():,}"),
        ("Items with a single user", f"{int((by_item == 1).sum()):,} ({whole_percent((by_item == 1).mean())} of all)"),
    ]
    if data.timestamp is not None:
        facts.append(("From, to", period(data)))
    if data.weight is not None:
        facts.append(("Weight", f"{data.weight.min():g} to {data.weight.max():g}, median {np.median(data.weight):g}"))
    if columns := [name for name, column in data.item_features.items() if column.ndim == 1]:
        facts.append(("Item text", ", ".join(columns)))
    return [*facts, ("Fingerprint", f"sha256 {data.fingerprint}")]


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


def _examples(model: Recommender, train: Dataset, test: Dataset, groups: Groups, result: Result) -> tuple[list[Example], str]:
    """Lists of a few evaluated users: those at 1/4, 1/2 and 3/4 of the order by number of known items."""
    known = train.matrix.counts()[train.users.rows(result.users)]
    order = np.argsort(known, kind="stable")
    chosen = [result.users[order[int(share * (len(order) - 1))]] for share in np.linspace(0.25, 0.75, EXAMPLES)]
    examples, why = [], ""
    for user in dict.fromkeys(chosen):
        row = train.users.row(user, "user")
        events = np.flatnonzero(train.user == row)
        if train.timestamp is not None:
            events = events[np.argsort(train.timestamp[events], kind="stable")]
        newest = list(dict.fromkeys(train.item[events[::-1]].tolist()))
        later = test.items.ids(test.item[test.user == test.users.row(user, "user")])
        listed = []
        for item in model.recommend(user, k=LISTED)[0].items:
            try:
                parts = _parts(model, user, item, train)
            except NotSupportedError as error:
                parts, why = [], f"There is no explanation: {error}."
            listed.append(Recommended(_text(train, item), GROUPS[groups.mass[train.items.row(item, "item")]], item in later, parts))
        history = [(_text(train, train.items[at]), GROUPS[groups.mass[at]]) for at in newest[:HISTORY]]
        examples.append(Example(str(user), len(newest), history, listed))
    return examples, why


def _parts(model: Recommender, user: Id, item: Id, train: Dataset) -> list[Part]:
    parts = model.explain(user, item).parts
    total = sum(abs(part.value) for part in parts) or 1.0
    return [Part(_part_text(part, item, train), 100 * part.value / total) for part in parts if part.value]


def _part_text(part: ModelPart, item: Id, train: Dataset) -> str:
    """The item that a part is of, with what of it counts; the source alone where that is no item, or the recommended one itself."""
    source, _, side = part.source.partition(", ")
    if source not in ITEM_SOURCES or part.name == item:
        return part.source
    what = side or (source if source != "history" else "")
    return _text(train, part.name) + (f", {what}" if what else "")


def _text(data: Dataset, item: Id) -> str:
    return data.item_text(item).strip() or str(item)

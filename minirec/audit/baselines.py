"""The audited lists beside lists that look at no profile (popularity, chance, content) and beside models of minirec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..metrics.accuracy import Lists, find_hits
from ..models.contract.registry import model_class
from .case import Case
from .measures import MEASURES
from .plan import Plan
from .users import EVERYONE, GroupFigure, item_facts, user_figures

COMPARED = ("ndcg", "recall", "popularity_lift", "tail_share", "upd", "novelty")
WITHOUT_PROFILE = ("popularity", "random", "content")


class Compared(NamedTuple):
    """One set of lists. values : {measure: {"value", "low", "high", "difference", "difference_low", "difference_high"}}.

    difference : the audited lists less these, over the same users, with an interval from the same draws.
    overlap : the mean share of an audited list that these lists hold, too.
    """

    name: str
    profiling: bool
    values: dict[str, dict[str, float | None]]
    overlap: float | None
    coverage: float


class Comparison(NamedTuple):
    """The audited lists first, then the others, over the same `users` users. left_out : {name: why}."""

    users: int
    rows: list[Compared]
    left_out: dict[str, str]


def compare_baselines(case: Case, plan: Plan, models: Sequence[str], *, baselines: bool = True) -> Comparison:
    """Measure baselines and models of minirec on at most `plan.sample` users beside the audited lists.

    Lists leave out what a user has, unless more than 1 % of the audited places hold such items.
    """
    part, _ = case.sample(plan.sample, plan.seed)
    table = part.lists.table(plan.k)
    repeats = bool(find_hits(table, part.profile).sum() > 0.01 * max(int((table >= 0).sum()), 1))
    lists: dict[str, Lists] = {}
    left_out: dict[str, str] = {}
    if baselines:
        lists["popularity"] = _popularity(part, plan.k, repeats)
        lists["random"] = _random(part, plan.k, repeats, plan.seed)
        content = _content(part, plan.k)
        if content is None:
            left_out["content"] = "the items have no texts"
        else:
            lists["content"] = content
    for name in models:
        model = model_class(name)()
        model.fit(part.events.compact())
        lists[name] = _of_model(model, part, plan.k, repeats)
    names = [name for name in COMPARED if part.truth is not None or not MEASURES[name].needs]
    facts = item_facts(part)
    plain = {name: [None] for name in names}
    figures = {name: user_figures(replace(part, lists=of), plain, plan, plan.k, facts) for name, of in lists.items()}
    own = user_figures(part, plain, plan, plan.k, facts)
    rows = [Compared("", True, {name: _value(own[name, EVERYONE], plan) for name in names}, None, _coverage(part.lists, plan.k, part))]
    for name, found in figures.items():
        values = {m: _value(found[m, EVERYONE], plan) | _difference(own[m, EVERYONE], found[m, EVERYONE], plan) for m in names}
        rows.append(
            Compared(
                name, name not in WITHOUT_PROFILE, values, _overlap(table, lists[name].table(plan.k)), _coverage(lists[name], plan.k, part)
            )
        )
    return Comparison(part.n_users, rows, left_out)


def _value(figure: GroupFigure, plan: Plan) -> dict[str, float | None]:
    assert figure.users is not None
    return _interval(float(figure.value[0]), figure.users[:, 0], plan, "")


def _difference(own: GroupFigure, other: GroupFigure, plan: Plan) -> dict[str, float | None]:
    assert own.users is not None
    assert other.users is not None
    return _interval(float(own.value[0] - other.value[0]), own.users[:, 0] - other.users[:, 0], plan, "difference")


def _interval(value: float, draws: NDArray[np.float64], plan: Plan, name: str) -> dict[str, float | None]:
    from scipy.special import stdtrit

    half = float(stdtrit(plan.draws - 1, 0.5 + plan.level / 2)) * float(np.std(draws, ddof=1))
    keys = (name, f"{name}_low", f"{name}_high") if name else ("value", "low", "high")
    return {key: v if np.isfinite(v) else None for key, v in zip(keys, (value, value - half, value + half), strict=True)}


def _coverage(lists: Lists, k: int, case: Case) -> float:
    table = lists.table(k)
    return len(np.unique(table[table >= 0])) / case.n_items


def _overlap(a: NDArray[np.int32], b: NDArray[np.int32]) -> float | None:
    both = np.zeros(len(a))
    for place in range(b.shape[1]):
        both += ((a == b[:, place, None]) & (a >= 0)).sum(1)
    length = (a >= 0).sum(1)
    has = length > 0
    return float((both[has] / length[has]).mean()) if has.any() else None


def _popularity(case: Case, k: int, repeats: bool) -> Lists:
    """The most popular items, without those that the user has; equally popular ones by row."""
    order = np.argsort(-case.popularity, kind="stable")
    rows, lengths = [], []
    for user in range(case.n_users):
        own, _ = case.profile.row(user)
        first = order[: k + len(own)]
        chosen = first[:k] if repeats else first[~np.isin(first, own)][:k]
        rows.append(chosen)
        lengths.append(len(chosen))
    return Lists(np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), np.concatenate(rows).astype(np.int32))


def _random(case: Case, k: int, repeats: bool, seed: int) -> Lists:
    """Different items drawn alike from all items with events, without those that the user has."""
    rng = np.random.default_rng([seed, 17])
    pool = np.flatnonzero(case.popularity > 0)
    rows, lengths = [], []
    for user in range(case.n_users):
        own = np.zeros(0, np.int32) if repeats else case.profile.row(user)[0]
        drawn = rng.choice(pool, min(len(pool), k + len(own)), replace=False)
        chosen = drawn[~np.isin(drawn, own)][:k]
        rows.append(chosen)
        lengths.append(len(chosen))
    return Lists(np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), np.concatenate(rows).astype(np.int32))


def text_columns(events: Dataset) -> list[str]:
    """The item features that are texts, with something in them."""
    return [
        name for name, values in events.item_features.items() if values.ndim == 1 and values.dtype.kind in "OUT" and any(map(str, values))
    ]


def content_vectors(events: Dataset) -> NDArray[np.floating[Any]] | None:
    """Item vectors from the texts, float (n, d), by TF-IDF and latent semantic analysis; None without texts."""
    columns = text_columns(events)
    if not columns:
        return None
    from ..features import TfidfLSA, add_content

    made = add_content(events, TfidfLSA(), columns, name="audit content", join=" ")
    vectors: NDArray[np.floating[Any]] = made.item_features["audit content"]
    return vectors


def _content(case: Case, k: int) -> Lists | None:
    """The items whose texts are most like that of the user's latest item alone: a context, not a profile."""
    vectors = content_vectors(case.events)
    if vectors is None:
        return None
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(norm > 0, norm, 1.0)
    latest = _latest_items(case)
    rows, lengths = [], []
    for user in range(case.n_users):
        own, _ = case.profile.row(user)
        scores = unit @ unit[latest[user]] if latest[user] >= 0 else np.full(case.n_items, -1.0)
        scores[own] = -np.inf
        top = np.argsort(-scores, kind="stable")[:k]
        chosen = top[scores[top] > 0]
        rows.append(chosen)
        lengths.append(len(chosen))
    return Lists(np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), np.concatenate(rows).astype(np.int32))


def _latest_items(case: Case) -> NDArray[np.int32]:
    """The latest item of each listed user, -1 without events; without times the last in the order of the events."""
    events = case.events
    from .lists import known_rows

    order = np.arange(len(events)) if events.time is None else np.argsort(events.time, kind="stable")
    latest = np.full(events.n_users, -1, np.int32)
    latest[events.user[order]] = events.item[order]  # the last assignment of a user stays
    row = known_rows(events.users, case.users)
    return np.where(row >= 0, latest[row], -1).astype(np.int32)


def _of_model(model: Any, case: Case, k: int, repeats: bool) -> Lists:
    """A fitted model's lists for the users of the case, in the rows of its catalogue."""
    from .lists import known_rows

    known = np.flatnonzero(known_rows(model.users_, case.users) >= 0)
    made = model.recommend(case.users.ids(known), k=k, exclude_seen=not repeats)
    items = known_rows(case.items, model.items_)[made.rows]
    counts = np.zeros(case.n_users, np.int64)
    counts[known] = np.diff(made.indptr)
    return Lists(np.concatenate(([0], np.cumsum(counts))).astype(np.int64), items)

"""The parts of a run: test events, and validation events that are like them; and whether they can be judged at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from ..data.dataset import Dataset
from ..data.splits import split as split_events
from ..errors import DataError, ParameterError

SPLITS = ("time", "random", "leave-last")
FEW_USERS = 20  # an evaluation on fewer says nothing
LITTLE = 400  # users: below, one validation set says little, and more folds are taken
FOLDS = 3
SAMPLE = 4000  # users of a validation set whose lists are made


@dataclass(frozen=True)
class Judged:
    """How much of a test side can be judged: users and pairs, how many pairs train has already, and what can be judged."""

    users: int
    pairs: int
    repeats: int
    judged_users: int
    judged_pairs: int

    @property
    def few(self) -> bool:
        """Too few users for any figure."""
        return self.judged_users < min(FEW_USERS, -(-self.users // 2))

    @property
    def poor(self) -> bool:
        """More than half of the pairs that are no repeats are left aside."""
        return self.share < 0.5

    @property
    def share(self) -> float:
        """Of the pairs that are no repeats, those that are judged."""
        return self.judged_pairs / max(self.pairs - self.repeats, 1)

    def __str__(self) -> str:
        repeats = f" ({self.repeats:,} are repeats)" if self.repeats else ""
        pairs = f"{self.judged_pairs:,} of {self.pairs:,} test pairs{repeats}"
        return f"{self.judged_users:,} of {self.users:,} test users and {pairs} can be judged"


@dataclass(frozen=True)
class Fold:
    """Events to fit candidates on, and later ones to judge them by."""

    inner: Dataset
    validation: Dataset


@dataclass(frozen=True)
class Parts:
    """train, test : the split, by the rule `how`. folds : validation sets within train, the one nearest to test first.

    judged : how much of test counts. notes : what a reader should hear first, such as that another split was taken.
    """

    how: str
    train: Dataset
    test: Dataset
    folds: list[Fold]
    judged: Judged
    notes: list[str] = field(default_factory=list)


def judged(train: Dataset, test: Dataset, *, include_seen: bool = False) -> Judged:
    """Counts what `evaluate` would judge. O(pairs log pairs)."""
    users = train.users.rows(list(test.users)).astype(np.int64)
    items = train.items.rows(list(test.items)).astype(np.int64)
    row, column = users[test.matrix.row_ids()], items[test.matrix.indices]
    known, repeats = (row >= 0) & (column >= 0), 0
    if not include_seen:
        n = train.n_items
        seen = known & np.isin(row * n + column, train.matrix.row_ids() * n + train.matrix.indices)
        known, repeats = known & ~seen, int(seen.sum())
    return Judged(len(np.unique(test.user)), test.matrix.nnz, repeats, len(np.unique(row[known])), int(known.sum()))


def make_parts(
    data: Dataset, how: str | None, test: float, seed: int, *, target: Collection[str] = (), include_seen: bool = False
) -> Parts:
    """Split, by time where there are times; another way where a split by time could judge little and nobody asked for it."""
    wanted = how or ("time" if data.timestamp is not None else "random")
    train, held_out = _two(data, wanted, test, seed, target)
    found = judged(train, held_out, include_seen=include_seen)
    notes = []
    if how is None and wanted == "time" and (found.few or found.poor):
        try:
            other = _two(data, "leave-last", test, seed, target)
        except DataError:
            other = None
        better = None if other is None else judged(*other, include_seen=include_seen)
        if other is not None and better is not None and not better.few and better.judged_users > found.judged_users:
            notes.append(
                f"Of a split by time {found}: too little to choose by. The run holds out the last new item of each user instead "
                f"(leave-last: {better}); split='time' (--split time) insists."
            )
            wanted, (train, held_out), found = "leave-last", other, better
    if found.few:
        raise DataError(
            f"the {wanted} split leaves too little to evaluate: {found}. Take another: split='leave-last' or 'random' "
            "(--split leave-last), a longer test period (test=, --test), or data with more events a user"
        )
    if found.poor:
        notes.append(
            f"Of this {wanted} split {found}; what is left aside has a user or an item that train does not know. "
            "split='leave-last' (--split leave-last) judges more users."
        )
    return Parts(wanted, train, held_out, _folds(train, wanted, test, seed, target, include_seen), found, notes)


def _folds(train: Dataset, how: str, test: float, seed: int, target: Collection[str], include_seen: bool) -> list[Fold]:
    """One validation set, by the same rule as test; up to `FOLDS` where one has few users. Those in time end one before the other."""
    folds: list[Fold] = []
    rest, users = train, 0
    for number in range(FOLDS):
        try:
            inner, validation = _two(rest, how, test, seed + number, target)
        except DataError:
            if not folds:
                raise
            break
        found = judged(inner, validation, include_seen=include_seen)
        if not found.judged_users:
            if not folds and number == FOLDS - 1:
                raise DataError(f"no user of the validation events is known to the events before them ({how} split): give more data")
            rest = inner if how != "random" else train
            continue
        folds.append(Fold(inner, _sample(validation, inner, seed)))
        users += found.judged_users
        if users >= LITTLE:
            break
        rest = inner if how != "random" else train
    if not folds:
        raise DataError(f"no user of the validation events is known to the events before them ({how} split): give more data")
    return folds


def _sample(validation: Dataset, inner: Dataset, seed: int) -> Dataset:
    """The validation events of at most `SAMPLE` users whom the events before know."""
    known = np.flatnonzero(inner.users.rows(list(validation.users)) >= 0)
    if len(known) <= SAMPLE:
        return validation
    keep = np.zeros(validation.n_users, bool)
    keep[np.random.default_rng(seed).permutation(known)[:SAMPLE]] = True
    return validation.select(keep[validation.user]).compact()


def _two(data: Dataset, how: str, test: float, seed: int, target: Collection[str]) -> tuple[Dataset, Dataset]:
    train, held_out = split_events(data, how, test=test, seed=seed)
    if not target:
        return train, held_out
    wanted = [held_out.kinds.index(kind) for kind in target]
    assert held_out.kind is not None
    chosen = np.isin(held_out.kind, wanted)
    if not chosen.any():
        raise DataError(f"the test events hold no event of the kinds {', '.join(target)} (target, --target)")
    return train, held_out.select(chosen).compact()


def check_target(data: Dataset, target: Collection[str]) -> None:
    """ParameterError for kinds that the events do not have."""
    for kind in target:
        if kind not in data.kinds:
            there = ", ".join(data.kinds) or "none; name their column by kind (--kind)"
            raise ParameterError(f"target={kind!r}: there is no such kind of event; there are: {there}")

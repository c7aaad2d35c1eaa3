"""What is audited, in one numbering: lists, events, test events and groups over one catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..data.account import Account
from ..data.dataset import Dataset
from ..data.ids import IdIndex
from ..data.reading.item_tables import read_columns, with_items
from ..data.reading.raw import as_whole, ids_from_objects
from ..data.reading.readers import read_with_account
from ..data.reading.roles import GUESSES, plain
from ..engine.backend import run_blocks
from ..engine.sparse import CSR
from ..errors import DataError
from ..metrics.accuracy import Lists
from .groups import ACTIVITY, POPULARITY, Grouping, activity, by_popularity, labels_of
from .lists import ListTable, known_rows, union

Kept = TypeVar("Kept")


class Background:
    """What follows from the events alone, worked out once for all cases of the same events."""

    def __init__(self, events: Dataset) -> None:
        self.events = events
        self._kept: dict[Any, Any] = {}

    def keep(self, key: Any, work: Callable[[], Kept]) -> Kept:
        """The result of `work`, done once for each key."""
        if key not in self._kept:
            self._kept[key] = work()
        kept: Kept = self._kept[key]
        return kept


@dataclass(frozen=True)
class Case:
    """An audited system's lists and what they are judged by. Users are those with a list; items are rows of `items`.

    users : their ids. items : the catalogue: every item of the events, the test events, the lists and the table of items.
    lists : rows of the catalogue. score, weight : float64, one a place, or None; weight is 1 / propensity.
    events : all events, over the catalogue. profile : CSR (U, n), what each listed user had. truth : CSR (U, n) or None, the test
    items of each. user_groups, item_groups : by name. counts : what took part and what did not. time : of each list, or None.
    """

    users: IdIndex
    items: IdIndex
    lists: Lists
    score: NDArray[np.float64] | None
    weight: NDArray[np.float64] | None
    events: Dataset
    profile: CSR
    truth: CSR | None
    user_groups: dict[str, Grouping]
    item_groups: dict[str, Grouping]
    counts: dict[str, int]
    accounts: dict[str, Account]
    order: str
    background: Background
    time: NDArray[np.int64] | None = None
    test_time: NDArray[np.int64] | None = None
    provider: str | None = None
    longest: int = 0

    @property
    def n_users(self) -> int:
        """Users with a list."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Items of the catalogue."""
        return len(self.items)

    @property
    def popularity(self) -> NDArray[np.int64]:
        """int64 (n,), distinct users of each item in the events."""
        return self.events.item_counts

    @property
    def event_counts(self) -> NDArray[np.int64]:
        """int64 (n,), events of each item."""
        return self.background.keep("event counts", lambda: np.bincount(self.events.item, minlength=self.n_items))

    def sample(self, size: int, seed: int) -> tuple[Case, NDArray[np.int64]]:
        """The case of `size` users drawn without replacement (all, where there are no more), and which rows they are."""
        if size >= self.n_users:
            return self, np.arange(self.n_users)
        rows = np.sort(np.random.default_rng([seed, 7]).choice(self.n_users, size, replace=False))
        return self.take(rows), rows

    def take(self, rows: NDArray[Any]) -> Case:
        """The case of some users."""
        keep = np.zeros(self.n_users, bool)
        keep[rows] = True
        counts = np.diff(self.lists.indptr)
        places = np.repeat(keep, counts)
        indptr = np.concatenate(([0], np.cumsum(counts[keep]))).astype(np.int64)
        rows = np.flatnonzero(keep)
        return replace(
            self,
            users=self.users.subset(keep)[0],
            lists=Lists(indptr, self.lists.items[places]),
            score=None if self.score is None else self.score[places],
            weight=None if self.weight is None else self.weight[places],
            profile=self.profile.rows(rows),
            truth=None if self.truth is None else self.truth.rows(rows),
            user_groups={name: group.take(rows) for name, group in self.user_groups.items()},
            time=None if self.time is None else self.time[rows],
        )


def build_case(
    table: ListTable,
    events: Any,
    *,
    test: Any = None,
    items: Any = None,
    users: Any = None,
    provider: Any = None,
    user_groups: Sequence[Any] = (),
    item_groups: Sequence[Any] = (),
    reading: dict[str, Any] | None = None,
) -> Case:
    """Bring lists, events, test events and tables to one numbering. DataError where lists and events share no user or no item."""
    accounts = {"lists": table.account}
    train, accounts["events"] = as_events(events, "events", reading)
    later, test_account = (None, None) if test is None else as_events(test, "test", reading)
    if test_account is not None:
        accounts["test"] = test_account
    indexes = [train.items, table.items]
    if later is not None:
        indexes.append(later.items)
    if items is not None:
        indexes.append(_table_ids(items, "item", whole=all(len(index.offsets) == 1 for index in indexes)))
    catalogue = union(*indexes)
    item_row = known_rows(catalogue, table.items)
    train_row = known_rows(catalogue, train.items)
    user_of_event = known_rows(table.users, train.users)
    _refuse_strangers(table, train, user_of_event)
    whole = replace(train, items=catalogue, item=train_row[train.item], item_features={})
    if items is not None:
        accounts["items"] = Account()
        whole = with_items(whole, items, accounts["items"])
    elif train.item_features:
        whole = replace(whole, item_features=_moved(train, train_row, len(catalogue)))
    listed_user = user_of_event[whole.user]
    mine = listed_user >= 0
    profile = CSR.from_pairs(listed_user[mine], whole.item[mine], None, (len(table), len(catalogue)))
    counts = {
        "users": len(table),
        "items": len(catalogue),
        "places": len(table.item),
        "events": len(train),
        "users_without_events": int((profile.counts() == 0).sum()),
        "event_users_without_list": int((user_of_event < 0).sum()),
        "items_without_events": int((np.bincount(whole.item, minlength=len(catalogue)) == 0).sum()),
        "listed_items_without_events": int((np.bincount(whole.item, minlength=len(catalogue))[item_row] == 0).sum()),
        "repeated_places": table.repeats,
    }
    lists = Lists(table.indptr, item_row[table.item])
    truth, test_time = None, None
    if later is not None:
        truth, test_time = _truth(later, table, catalogue, profile, lists, counts)
    grouped_users = {ACTIVITY: activity(profile)}
    grouped_items = {POPULARITY: by_popularity(whole)}
    for spec in user_groups:
        group = labels_of(table.users, spec, users, "user", accounts.setdefault("users", Account()), "user group")
        grouped_users[group.key] = group
    provider_key = None
    for spec in [*([] if provider is None else [provider]), *item_groups]:
        group = labels_of(
            catalogue, spec, items, "item", accounts.setdefault("items", Account()), "provider" if spec is provider else "item group"
        )
        grouped_items[group.key] = group
        provider_key = group.key if spec is provider else provider_key
    return Case(
        table.users, catalogue, lists, table.score, None if table.propensity is None else 1.0 / table.propensity, whole, profile, truth,
        grouped_users, grouped_items, counts, accounts, table.order, Background(whole), table.time,
        test_time, provider_key, int(np.diff(table.indptr).max(initial=0)),
    )  # fmt: skip


def as_events(source: Any, what: str, reading: dict[str, Any] | None = None) -> tuple[Dataset, Account]:
    """A data set, read where it is not one yet; the account goes into the record."""
    if isinstance(source, Dataset):
        return source, Account(events_in=len(source), events_out=len(source))
    data, account = read_with_account(source, **(reading or {}))
    if not len(data):
        raise DataError(f"{what}: no events")
    return data, account


def _table_ids(table: Any, what: str, *, whole: bool) -> IdIndex:
    """The ids of a table of items."""
    names, columns = read_columns(table, Account())
    simple = [plain(name) for name in names]
    place = next((simple.index(guess) for guess in (*GUESSES[what], "id") if guess in simple), 0)
    ids = ids_from_objects([_plain_id(value) for value in columns[place]], f"{what} id")
    return (as_whole(ids) if whole else ids).distinct


def _plain_id(value: Any) -> Any:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return value.strip() if isinstance(value, str) else value.item() if isinstance(value, np.generic) else value


def _moved(train: Dataset, row: NDArray[np.int32], n: int) -> dict[str, NDArray[Any]]:
    """Item features over the catalogue; items that the events do not have get "" or NaN."""
    moved: dict[str, NDArray[Any]] = {}
    for name, values in train.item_features.items():
        if values.ndim != 1:
            continue
        text = values.dtype.kind in "OUT"
        column = np.full(n, "" if text else np.nan, object if text else np.float64)
        column[row] = values
        moved[name] = column
    return moved


def _refuse_strangers(table: ListTable, train: Dataset, user_of_event: NDArray[np.int32]) -> None:
    for what, known, mine, theirs in (
        ("user", (user_of_event >= 0).any(), table.users, train.users),
        ("item", (known_rows(train.items, table.items) >= 0).any(), table.items, train.items),
    ):
        if not known:
            raise DataError(
                f"no {what} of the lists is among the {what}s of the events: the lists have {what}s such as {mine[0]!r}, the events "
                f"{theirs[0]!r}; are they of the same system, and of the same type?"
            )


def _truth(
    later: Dataset, table: ListTable, catalogue: IdIndex, profile: CSR, lists: Lists, counts: dict[str, int]
) -> tuple[CSR, NDArray[np.int64] | None]:
    """The distinct test items of each listed user. Pairs that the user had before are left out where no list repeats such a pair."""
    n = len(catalogue)
    user = known_rows(table.users, later.users)[later.user]
    item = known_rows(catalogue, later.items)[later.item]
    counts["test_events"] = len(later)
    counts["test_events_without_list"] = int((user < 0).sum())
    mine = user >= 0
    truth = CSR.from_pairs(user[mine], item[mine], None, (len(table), n))
    seen = _held(profile, truth.row_ids() * n + truth.indices)
    counts["test_pairs_known_before"] = int(seen.sum())
    if seen.any() and not _lists_hold(profile, lists):
        truth = CSR.from_pairs(truth.row_ids()[~seen], truth.indices[~seen], None, truth.shape)
        counts["test_pairs_left_out"] = int(seen.sum())
    counts["test_pairs"] = truth.nnz
    counts["users_with_test_items"] = int((truth.counts() > 0).sum())
    return truth, later.timestamp


def _held(matrix: CSR, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a matrix has an entry at each place `row * columns + column`."""
    own = matrix.row_ids() * matrix.shape[1] + matrix.indices  # ascending
    if not len(own):
        return np.zeros(len(keys), bool)
    place = np.minimum(own.searchsorted(keys), len(own) - 1)
    held: NDArray[np.bool_] = own[place] == keys
    return held


def _lists_hold(profile: CSR, lists: Lists) -> bool:
    """Whether any list has an item of its user's profile."""
    pointer, n = lists.indptr, profile.shape[1]

    def block(start: int, stop: int) -> bool:
        low, high = int(pointer[start]), int(pointer[stop])
        user = np.repeat(np.arange(stop - start), np.diff(pointer[start : stop + 1]))
        return bool(_held(profile.span(start, stop), user * n + lists.items[low:high]).any())

    return any(run_blocks(block, profile.shape[0], 4096))

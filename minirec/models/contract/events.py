"""Events taken into a fitted model, or out of it: the indexes and the seen items after the change, and who is concerned."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...data.dataset import Dataset
from ...data.ids import Id, IdIndex, Ids, Rows
from ...engine.sparse import CSR
from ...errors import DataError, NotSupportedError, ParameterError
from .recommender import Recommender
from .request import id_column


class Merged(NamedTuple):
    """The model's events with further ones: rows follow the order of all ids, so that rows of the model may move."""

    users: IdIndex
    items: IdIndex
    seen: CSR  # weights of pairs summed
    user_rows: Rows  # the new row of each user of the model
    item_rows: Rows  # the new row of each item of the model
    touched: Rows  # new rows of the users that the further events are of


def merged(model: Recommender, events: Dataset) -> Merged:
    """The model's events and `events`. O(all events)."""
    model._fitted()
    model._need_users("update", True)
    if not isinstance(events, Dataset):
        raise ParameterError(f"update takes a minirec.Dataset, got {type(events).__name__}")
    events = events.compact()
    new_users, new_items = model.users_.as_known(events.users), model.items_.as_known(events.items)
    users = IdIndex.from_ids([*model.users_, *new_users])
    items = IdIndex.from_ids([*model.items_, *new_items])
    user_rows, touched = users.rows(list(model.users_)), users.rows(new_users)
    item_rows, columns = items.rows(list(model.items_)), items.rows(new_items)
    seen = CSR.from_pairs(
        np.concatenate((user_rows[model.seen_.row_ids()], touched[events.user])),
        np.concatenate((item_rows[model.seen_.indices], columns[events.item])),
        np.concatenate((model.seen_.data, np.ones(len(events), np.float32) if events.weight is None else events.weight)),
        (len(users), len(items)),
    )
    return Merged(users, items, seen, user_rows, item_rows, touched)


def merged_known(model: Recommender, events: Dataset) -> Merged:
    """The same for models that are not trained on; NotSupportedError for items that they have no vectors of."""
    change = merged(model, events)
    if len(change.items) > len(model.items_):
        raise NotSupportedError(
            f"{type(model).__name__} has no vectors of the {len(change.items) - len(model.items_)} new items: fit again on all events"
        )
    return change


def without(model: Recommender, users: Ids | Id) -> tuple[IdIndex, CSR, CSR]:
    """Users and seen items once `users` are gone, and what these users had seen. Unknown ids raise. O(all events)."""
    model._fitted()
    model._need_users("forget", True)
    named = id_column([users] if isinstance(users, (str, int, np.integer)) else users, "users")
    rows = model._all_known(model.users_, named, "user")
    keep = np.ones(len(model.users_), bool)
    keep[rows] = False
    if not keep.any():
        raise DataError("forget would leave no events: at least one user must remain")
    return model.users_.subset(keep)[0], model.seen_.rows(np.flatnonzero(keep)), model.seen_.rows(np.unique(rows))

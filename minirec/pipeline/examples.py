"""Example users of the page: drawn while the models are there, so that none is kept for it."""

from __future__ import annotations

import numpy as np

from ..data.dataset import Dataset
from ..data.ids import Id
from ..errors import NotSupportedError
from ..models.contract.recommender import Recommender
from .records import Example, Listed

EXAMPLES, LISTED = 3, 8


def example_users(train: Dataset, users: list[Id]) -> list[Id]:
    """Of the evaluated users those at 1/4, 1/2 and 3/4 of the order by number of known items."""
    known = train.matrix.counts()[train.users.rows(users)]
    order = np.argsort(known, kind="stable")
    return list(dict.fromkeys(users[order[int(share * (len(order) - 1))]] for share in np.linspace(0.25, 0.75, EXAMPLES)))


def plain_lists(model: Recommender, users: list[Id], exclude_seen: bool) -> list[list[Id]]:
    """The model's lists for these users."""
    return [entry.items for entry in model.recommend(users, k=LISTED, exclude_seen=exclude_seen)]


def explained_lists(model: Recommender, users: list[Id], exclude_seen: bool) -> tuple[list[list[Listed]], str]:
    """The model's lists with what each score is made of, and why there are no parts, if so."""
    why, lists = "", []
    for user, items in zip(users, plain_lists(model, users, exclude_seen), strict=True):
        listed = []
        for item in items:
            try:
                parts = [(part.source, part.name, part.value) for part in model.explain(user, item).parts if part.value]
            except NotSupportedError as error:
                parts, why = [], f"There is no explanation: {error}."
            listed.append(Listed(item, parts))
        lists.append(listed)
    return lists, why


def examples_of(train: Dataset, test: Dataset, users: list[Id], before: list[list[Id]], after: list[list[Listed]]) -> list[Example]:
    """The users with what train knows of them, newest first, both lists, and their test items."""
    found = []
    for at, user in enumerate(users):
        events = np.flatnonzero(train.user == train.users.row(user, "user"))
        if train.time is not None:
            events = events[np.argsort(train.time[events], kind="stable")]
        known = train.items.ids(np.array(list(dict.fromkeys(train.item[events[::-1]].tolist())), np.int32))
        later = set(test.items.ids(test.item[test.user == test.users.row(user, "user")]))
        found.append(Example(user, known, before[at] if before else [], after[at] if after else [], later))
    return found

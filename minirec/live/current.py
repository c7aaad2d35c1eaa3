"""A model as the service uses it: loaded aside, swapped whole, with what is derived from it once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..data.ids import Id
from ..data.popularity import popularity_groups
from ..errors import MinirecError, NotSupportedError
from ..models.contract.files import load_model
from ..models.contract.recommender import Recommender
from .marks import Marks
from .people import Person


class Current:
    """A fitted model and what goes with it. Nothing in it changes, but for what is kept of answers and for
    users who are erased.

    name : class and a fingerprint of the file, for logs and answers. counts : distinct users of each item in training. tail : by item.
    """

    def __init__(self, model: Recommender, name: str) -> None:
        self.model, self.name = model, name
        self.has_users = bool(model.seen_.shape[0])
        self.counts: NDArray[np.int64] = np.bincount(model.seen_.indices, minlength=len(model.items_))
        self.items: list[Id] = list(model.items_)
        self.known = frozenset(self.items)
        self.tail: dict[Id, bool] = {}
        if self.has_users and model.seen_.nnz:
            pairs = Dataset(model.users_, model.items_, model.seen_.row_ids().astype(np.int32), model.seen_.indices)
            self.tail = dict(zip(self.items, popularity_groups(pairs).mask("tail").tolist(), strict=True))
        self.whole = {"user": _whole(model.users_.ints, model.users_.offsets), "item": _whole(model.items_.ints, model.items_.offsets)}
        self.erased = Marks()  # users whom the model may hold and who are not to be known any more
        self.similar: dict[tuple[Id, int], list[tuple[Id, float]]] = {}

    @classmethod
    def read(cls, path: str | Path) -> Current:
        """Load a model file."""
        digest = hashlib.blake2b(digest_size=6)
        with open(path, "rb") as file:
            while block := file.read(2**20):
                digest.update(block)
        model = load_model(path)
        return cls(model, f"{model.name}-{digest.hexdigest()}")

    def trained(self, user: Id) -> dict[Id, float]:
        """The items that the model knows of a user from training, with their weights; for models of sequences in order."""
        row = self.row(user)
        if row < 0:
            return {}
        indices, data = self.model.seen_.row(row)
        weights = dict(zip(self.model.items_.ids(indices), data.tolist(), strict=True))
        if self.model._ordered and hasattr(self.model, "sequences_"):
            last = self.model.items_.ids(self.model.sequences_.row(row))
            return {**{item: w for item, w in weights.items() if item not in last}, **{item: weights.get(item, 1.0) for item in last}}
        return weights

    def row(self, user: Id) -> int:
        """The row of a user that the model was trained on, else -1."""
        row = int(self.model.users_.rows([user])[0]) if self.has_users else -1
        return -1 if row >= 0 and user in self.erased else row

    def history(self, user: Id, person: Person) -> tuple[list[Id], list[float]] | None:
        """What to fold in for a user: the items of training and of the store. None: nothing came after training, the model's own row holds.

        A pair that both know has the larger of its weights: a store that the model was trained from knows all of them already.
        """
        trained = self.trained(user)
        positive = {item: weight for item, weight in person.weights.items() if weight > 0}
        if trained and all(item in trained and weight <= trained[item] * (1 + 1e-6) for item, weight in positive.items()):
            return None
        if self.model._ordered:
            items = [item for item in trained if item not in positive] + [item for item in person.ordered if item in positive]
            return items, [1.0] * len(items)
        merged = {item: max(weight, positive.get(item, 0.0)) for item, weight in trained.items()}
        merged |= {item: weight for item, weight in positive.items() if item not in merged}
        return list(merged), list(merged.values())

    def rank(self, **request: Any) -> list[tuple[Id, float]]:
        """The list of one request to `recommend`."""
        _, items, scores = self.model.recommend(**request, unknown="ignore")[0]
        return list(zip(items, scores.tolist(), strict=True))

    def neighbors(self, item: Id, k: int) -> list[tuple[Id, float]] | None:
        """The items most similar to one; None where the model has no such notion or does not know it."""
        if item not in self.known:
            return None
        key = (item, k)
        if key not in self.similar:
            try:
                found = self.model.similar_items(item, k)
            except (NotSupportedError, MinirecError):
                return None
            if len(self.similar) > 10_000:
                self.similar.clear()
            self.similar[key] = found
        return self.similar[key]


def _whole(ints: NDArray[np.int64], offsets: NDArray[np.int64]) -> bool | None:
    """Whether ids are whole numbers (True), texts (False), or both or none (None)."""
    texts = len(offsets) - 1
    return None if bool(len(ints)) == bool(texts) else bool(len(ints))


def stamp(path: str | Path) -> tuple[int, int, int]:
    """What changes when a file is replaced."""
    state = os.stat(path)
    return state.st_ino, state.st_mtime_ns, state.st_size

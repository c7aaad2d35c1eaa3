"""Blends and adjusted models as rows of benchmarks have them: members as [model, settings], and knobs that change after the fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minirec.data.dataset import Dataset
from minirec.data.ids import Rows
from minirec.engine.ranking.scorers import BlendScorer, PathScorer, Scorer, Scores, pairs_by_block
from minirec.engine.sparse import Index
from minirec.longtail.blend import Adjusted, Blend
from minirec.models.contract.monitor import Monitor
from minirec.models.contract.recommender import Recommender
from minirec.models.contract.request import Profiles


def of_row(model: str, settings: dict[str, Any]) -> Recommender:
    """The unfitted model of a row: "Blend" of `base` and `content`, or "Adjusted" of `base`, each a list [model, its settings]."""
    given = {name: value for name, value in settings.items() if name not in ("base", "content")}
    name, params = settings["base"]
    given |= {"base": name.lower(), "base_params": params}
    if model == "Adjusted":
        return Adjusted(**{"tail_exponent": 0.0} | given)
    name, params = settings["content"]
    return Stored(**given, other=name.lower(), other_params=params)


class Stored(Blend):
    """A blend that keeps the scores of both models for known users, so that its knobs may be turned after the fit.

    Memory is that of two matrices (users, items).
    """

    name = "stored blend"

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        super()._fit(train, monitor)
        self._stores: tuple[dict[bytes, Scores], dict[bytes, Scores]] = ({}, {})

    def _scorer(self, profiles: Profiles) -> BlendScorer:
        scorer = super()._scorer(profiles)
        if profiles.rows is not None:
            scorer.scorers = [
                (_KeptPath if isinstance(one, PathScorer) else _Kept)(one, profiles.rows, store)
                for one, store in zip(scorer.scorers, self._stores, strict=True)
            ]
        return scorer


class _Kept:
    """A scorer of known users that computes each block once, for as long as the store lives."""

    def __init__(self, scorer: Scorer, rows: Rows, store: dict[bytes, Scores]) -> None:
        self.scorer, self.rows, self.store = scorer, rows, store
        self.tile = getattr(scorer, "tile", 16)

    @property
    def shape(self) -> tuple[int, int]:
        return self.scorer.shape

    def block(self, start: int, stop: int) -> Scores:
        name = self.rows[start:stop].tobytes()
        if name not in self.store:
            self.store[name] = self.scorer.block(start, stop)
        return self.store[name].copy()

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        return pairs_by_block(self, profiles, items)


class _KeptPath(_Kept, PathScorer):
    """The same of a scorer that may know nothing of an item."""

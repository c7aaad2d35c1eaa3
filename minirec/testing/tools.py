"""What the checks are written with: expectations that hold under `python -O` too, and models taken apart for comparison."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..engine.ranking.scorers import PathScorer
from ..models.contract.recommendations import Recommendations
from ..models.contract.recommender import Recommender
from ..models.contract.request import parse_histories

if TYPE_CHECKING:
    from .subject import Subject

Errors: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]
Check: TypeAlias = Callable[["Subject"], None]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Add a check to the suite, under the name of the function."""
    CHECKS[function.__name__] = function
    return function


def expect(good: Any, message: str) -> None:
    """Raise AssertionError with the message unless `good`."""
    if not good:
        raise AssertionError(message)


def refuses(error: Errors, call: Callable[[], object], what: str, fragment: str = "") -> None:
    """Expect that `call` raises `error`, with `fragment` in its message."""
    try:
        call()
    except error as raised:
        expect(str(raised).strip(), f"{what}: the error has no message")
        expect(fragment in str(raised), f"{what}: the message should mention {fragment!r}, it is {str(raised)!r}")
        return
    except Exception as raised:
        raise AssertionError(f"{what}: expected {_names(error)}, got {type(raised).__name__}: {raised}") from raised
    raise AssertionError(f"{what}: expected {_names(error)}, got no error")


def _names(error: Errors) -> str:
    return " or ".join(e.__name__ for e in (error if isinstance(error, tuple) else (error,)))


def lists(found: Recommendations) -> list[tuple[Any, list[Any], bytes]]:
    """Recommendations as (user, items, bytes of the scores): equal only where every bit is."""
    return [(user, items, scores.tobytes()) for user, items, scores in found]


def all_scores(model: Recommender) -> NDArray[np.float32]:
    """Scores of all known users for all items, (users, items)."""
    users, items = list(model.users_), list(model.items_)
    pairs = [(user, item) for user in users for item in items]
    return model.score([user for user, _ in pairs], [item for _, item in pairs]).reshape(len(users), len(items))


def new_scores(model: Recommender, history: list[list[Any]]) -> NDArray[np.float32]:
    """Scores of new users for all items, (histories, items)."""
    return model.score(history=history, items=list(model.items_))


def known(model: Recommender, history: list[list[Any]] | None = None) -> NDArray[np.bool_]:
    """Of which items the model says that it knows something, for all known users, or for new ones: (profiles, items)."""
    if history is None:
        profiles = model._profiles_of(np.arange(len(model.users_), dtype=np.int32))
    else:
        profiles = parse_histories(model.items_, history, None, "raise", [])
    scorer = model._scorer(profiles)
    scores = scorer.block(0, len(profiles))
    if isinstance(scorer, PathScorer):
        scorer.drop_unknown(0, len(profiles), scores)
    return scores != -np.inf  # type: ignore[no-any-return]


def file_bytes(model: Recommender) -> bytes:
    """The model as the bytes of its file: parameters, ids, state and provenance."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        model.save(path)
        return path.read_bytes()


def histories(model: Recommender, users: Iterable[int] = range(6)) -> list[list[Any]]:
    """Histories for new users: what some of the known ones have, by row."""
    return [model.items_.ids(model.seen_.row(row)[0]) for row in users]

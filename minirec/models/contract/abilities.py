"""What each model of the registry can do besides recommending, read off the classes themselves."""

from __future__ import annotations

from typing import NamedTuple

from .recommender import Recommender
from .registry import MODELS


class Abilities(NamedTuple):
    """update : takes in new events without a full fit. forget : takes users out again. add_items : learns of new items by their content.

    items_only : can be saved without users. empty : has an answer for an empty history, so that it can stand in (`fallback`).
    ordered : goes by the order of a history. resumes : a fit can go on from a checkpoint.
    """

    update: bool
    forget: bool
    add_items: bool
    items_only: bool
    empty: bool
    ordered: bool
    resumes: bool


def abilities(cls: type[Recommender]) -> Abilities:
    """Of one class.

    >>> from minirec import Popularity
    >>> abilities(Popularity).empty
    True
    """
    return Abilities(
        update=cls.update is not Recommender.update,
        forget=cls.forget is not Recommender.forget,
        add_items=hasattr(cls, "add_items"),
        items_only=not cls._needs_users,
        empty=cls._serves_empty,
        ordered=cls._ordered,
        resumes=cls._resumes,
    )


def abilities_table() -> str:
    """All models of the registry as a table of Markdown."""
    heads = ("updates", "forgets", "adds items", "saved without users", "serves empty histories", "goes by order", "resumes a fit")
    lines = ["| model | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, cls in MODELS.items():
        if cls.__module__.startswith("minirec."):
            lines.append(f"| `{name}` | " + " | ".join("yes" if able else "" for able in abilities(cls)) + " |")
    return "\n".join(lines)

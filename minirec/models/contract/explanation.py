"""A score taken apart, and what models share in doing so."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from ...cards import card
from ...data.ids import Id, IdIndex
from ...engine.sparse import Index


class Part(NamedTuple):
    """A share of a score: `source` says what it comes from ("history", "bias", ...), `name` which one (an item id, ...)."""

    source: str
    name: Id
    value: float


def history_parts(items: IdIndex, rows: Index, shares: NDArray[Any]) -> list[Part]:
    """What each item of a history adds to a score; those that add nothing are left out."""
    return [Part("history", name, float(share)) for name, share in zip(items.ids(rows), shares, strict=True) if share]


def left_out_parts(items: IdIndex, rows: Index, score: float, less: NDArray[Any], item: int) -> list[Part]:
    """Leave-one-out: what the score of an item falls by without each of `rows`, where it is `less`; and what that does not add up to."""
    falls = score - less
    parts = [Part("left out", name, float(fall)) for name, fall in zip(items.ids(rows), falls, strict=True)]
    return [*parts, Part("the rest", items[item], float(score - falls.sum()))]


class Explanation(NamedTuple):
    """A score taken apart: `parts` add up to `score` within 1e-5 of the sum of their magnitudes; largest magnitude first."""

    item: Id
    score: float
    parts: list[Part]

    def __repr__(self) -> str:
        first = ", ".join(f"{part.name!r} {part.value:+.4g}" for part in self.parts[:3])
        more = f", {len(self.parts) - 3} more" if len(self.parts) > 3 else ""
        return f"Explanation(item={self.item!r}, score={self.score:.4g}: {first}{more})"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        names = {"source": "source", "name": "name", "value": "part"}
        table = {shown: [getattr(part, name) for part in self.parts] for name, shown in names.items()}
        return card(f"Score {self.score:.4g} of {self.item}", table=table)


def contrast(explained: Explanation, other: Explanation) -> Explanation:
    """Why one item stands above another: the parts of the difference of their scores, part by part of the same source and name.

    Parts that are of the item itself have its name; those of the other item are taken off them.
    """
    values: dict[tuple[str, Id], float] = {}
    for found, sign in ((explained, 1.0), (other, -1.0)):
        for part in found.parts:
            key = (part.source, explained.item if part.name == found.item else part.name)
            values[key] = values.get(key, 0.0) + sign * part.value
    parts = [Part(source, name, value) for (source, name), value in values.items() if value]
    return Explanation(explained.item, explained.score - other.score, sorted(parts, key=lambda part: -abs(part.value)))

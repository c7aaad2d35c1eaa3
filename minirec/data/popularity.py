"""Head, middle and tail of a catalogue, by two definitions that are always both computed and named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError
from .dataset import Dataset

HEAD, MIDDLE, TAIL = 0, 1, 2
GROUPS = ("head", "middle", "tail")
DEFINITIONS = ("mass", "count")


@dataclass(frozen=True)
class Groups:
    """The group of each item row: 0 head, 1 middle, 2 tail, by two definitions (int8, one entry a row of the item index).

    mass : items in descending popularity; head = those that begin within the first 20 % of all interactions, tail = those that
        begin within the last 20 %, middle = the rest. Each of head and tail so holds about 20 % of the interactions.
    count : head = the 20 % most popular items (rounded up), tail = all others; there is no middle.
    popularity : int64, distinct users of each item. An interaction is a distinct pair of user and item.
    """

    mass: NDArray[np.int8]
    count: NDArray[np.int8]
    popularity: NDArray[np.int64]

    def of(self, definition: str) -> NDArray[np.int8]:
        """The array of one definition, "mass" or "count"."""
        if definition not in DEFINITIONS:
            raise ParameterError(f"definition must be one of {', '.join(DEFINITIONS)}, got {definition!r}")
        return self.mass if definition == "mass" else self.count

    def mask(self, group: str, definition: str = "mass") -> NDArray[np.bool_]:
        """Which item rows belong to "head", "middle" or "tail"."""
        if group not in GROUPS:
            raise ParameterError(f"group must be one of {', '.join(GROUPS)}, got {group!r}")
        return np.equal(self.of(definition), GROUPS.index(group))

    def describe(self) -> dict[str, dict[str, dict[str, Any]]]:
        """{definition: {group: {"items", "item_share", "interactions", "interaction_share"}}}; empty groups are left out."""
        total = max(int(self.popularity.sum()), 1)
        table: dict[str, dict[str, dict[str, Any]]] = {}
        for definition in DEFINITIONS:
            table[definition] = {}
            for group in GROUPS:
                mask = self.mask(group, definition)
                if mask.any():
                    mass = int(self.popularity[mask].sum())
                    table[definition][group] = {
                        "items": int(mask.sum()),
                        "item_share": float(mask.mean()),
                        "interactions": mass,
                        "interaction_share": mass / total,
                    }
        return table

    def __str__(self) -> str:
        lines = []
        for definition, groups in self.describe().items():
            lines.append({"mass": "by interaction mass (20 / 60 / 20 %)", "count": "by item count (20 % most popular)"}[definition])
            lines += [
                f"  {group:<6} {row['items']:>9,} items ({row['item_share']:6.1%})  {row['interaction_share']:6.1%} of interactions"
                for group, row in groups.items()
            ]
        return "\n".join(lines)


def popularity_groups(train: Dataset) -> Groups:
    """Divide the items of `train` into head, middle and tail. O(n_items log n_items).

    Popularity is `train.item_counts`; of equally popular items the lower row counts as the more popular one. With the items in
    that order and B(i) the interactions of all items before i, of N in all: head by mass where B(i) < N/5, tail where
    B(i) >= 4N/5. See `Groups`.

    >>> import minirec as mr
    >>> groups = mr.popularity_groups(mr.Dataset.from_arrays([1, 2, 3, 4, 1, 2, 1], ["a", "a", "a", "a", "b", "b", "c"]))
    >>> groups.mass.tolist(), groups.count.tolist()
    ([0, 1, 2], [0, 2, 2])
    """
    popularity = train.item_counts.astype(np.int64)
    order = np.lexsort((np.arange(len(popularity)), -popularity))
    total = int(popularity.sum())
    before = np.cumsum(popularity[order]) - popularity[order]
    mass = np.full(len(popularity), MIDDLE, np.int8)
    mass[order[5 * before < total]] = HEAD
    mass[order[5 * before >= 4 * total]] = TAIL
    count = np.full(len(popularity), TAIL, np.int8)
    count[order[: -(-len(popularity) // 5)]] = HEAD
    return Groups(mass, count, popularity)

"""Items by their texts: TF-IDF of words, hashed, to serve what no event tells of yet. NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.ids import Id
from ..features.terms import Folded

_WIDTH = 2**18  # buckets of words: of 30,000 words, one in nine shares its bucket with another


class Content(NamedTuple):
    """Unit vectors of items in the words of their texts: weight(w) = (1 + ln tf) ln((1 + n) / (1 + df)), a hash of w its coordinate.

    rows : the row of each item. owner, word, weight : the entries, ascending by row.
    """

    rows: dict[Id, int]
    owner: NDArray[np.int64]
    word: NDArray[np.int64]
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, texts: Mapping[Id, str]) -> Content:
        """Count the words of texts. O(characters)."""
        terms = Folded(list(texts.values()) or [""]).words()
        key, count = np.unique(terms.text * _WIDTH + (terms.term % np.uint64(_WIDTH)).astype(np.int64), return_counts=True)
        owner, word, n = key // _WIDTH, key % _WIDTH, max(len(texts), 1)
        spread = np.bincount(word, minlength=_WIDTH)
        weight = (1 + np.log(count)) * np.log((1 + n) / (spread[word] + 0.5))
        norm = np.sqrt(np.bincount(owner, weight**2, minlength=n))
        return cls({item: at for at, item in enumerate(texts)}, owner, word, (weight / np.maximum(norm[owner], 1e-30)).astype(np.float32))

    def like(self, items: Sequence[Id]) -> NDArray[np.float32]:
        """Cosine of each item, by row, with the mean of some of them. O(entries)."""
        n = len(self.rows)
        chosen = np.zeros(n, bool)
        chosen[[self.rows[item] for item in items if item in self.rows]] = True
        entries = chosen[self.owner] if len(self.owner) else np.zeros(0, bool)
        query = np.bincount(self.word[entries], self.weight[entries], minlength=_WIDTH)
        length = float(np.sqrt((query**2).sum()))
        scores: Any = np.bincount(self.owner, self.weight * query[self.word], minlength=n) / max(length, 1e-30)
        return np.asarray(scores, np.float32)

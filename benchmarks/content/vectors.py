"""Vectors of the items of the data sets, by extractors of text, and the two rules that these must beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..common import Row, peak
from ..data import SEED, Described

if TYPE_CHECKING:
    import minirec as mr

COLUMN = "content"  # the item feature that the vectors become
TEXT = ("LanguageModel", "StaticEmbedding", "TfidfLSA")
RANDOM, CATEGORY = "random", "category"
WIDTH = 64  # of random vectors
Catalogue = Mapping[Any, Described]


class Encoders(NamedTuple):
    """Folders: of a sentence-transformers model, of a token table (None: of an installed package), and of vectors that are kept."""

    model: Path | None
    static: Path | None
    kept: Path

    def make(self, name: str) -> Any:
        """An extractor, pretrained ones with their memory."""
        from minirec.features import LanguageModel, StaticEmbedding, TfidfLSA, cached

        if name == "LanguageModel":
            return cached(LanguageModel(self.model), self.kept)
        if name == "StaticEmbedding":
            return cached(StaticEmbedding(self.static), self.kept)
        return TfidfLSA()


def vectors(name: str, encoders: Encoders, catalogue: Catalogue, *groups: list[Any]) -> list[NDArray[np.float32]]:
    """Vectors of groups of items; what has to be learned is learned from the first group, the items of train."""
    if name == RANDOM:
        every = dict(zip(sorted(catalogue), np.random.default_rng(SEED).standard_normal((len(catalogue), WIDTH), np.float32), strict=True))
        return [np.stack([every[item] for item in items]) for items in groups]
    if name == CATEGORY:
        kinds = sorted({kind for items in groups for item in items for kind in catalogue[item].categories})
        return [np.array([[kind in catalogue[item].categories for kind in kinds] for item in items], np.float32) for items in groups]
    extractor, texts = encoders.make(name), [[catalogue[item].text for item in items] for items in groups]
    if not extractor.fitted:
        extractor.fit(texts[0])
    return [extractor.transform(group) for group in texts]


def with_vectors(data: mr.Dataset, found: NDArray[np.float32]) -> mr.Dataset:
    """The data set with these vectors as the only content of its items."""
    return data.with_columns(item_features={COLUMN: found})


def cost(name: str, encoders: Encoders, read: Callable[[Path], Catalogue], folder: Path) -> Row:
    """What the vectors of a whole catalogue take, for the first time: seconds, megabytes beyond those of the process before."""
    from minirec.errors import DataError, MissingExtraError

    catalogue = read(folder)
    texts, before = {described.text for described in catalogue.values()}, peak() or 0
    start = perf_counter()
    try:
        (found,) = vectors(name, encoders, catalogue, list(catalogue))
    except (DataError, MissingExtraError) as failure:
        return {"error": str(failure)}
    seconds = perf_counter() - start
    return {
        "items": len(found),
        "texts": len(texts),
        "width": found.shape[1],
        "seconds": round(seconds, 2),
        "megabytes": (peak() or 0) - before,
    }

"""Vectors of several kinds, of texts and pictures say, as one vector a thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, NotFittedError, ParameterError
from .base import Extractor, Vectors, normalized
from .whitening import METHODS, Whitening

FACTORS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)


class Fuse:
    """Whitens each modality, and puts them side by side by their weights.

    With z_im the whitened vector of thing i in modality m, of length 1, and W_i the sum of the weights w_m of the modalities that i
    has: x_i = [(w_m / W_i)^1/2 z_im for each m], of length 1. The cosine of two things that have all is the mean of their cosines by
    the weights, sum_m w_m cos_m / sum_m w_m; a modality that a thing does not have (a row of zeros) stays out, and the weights of
    the others take its place. Whitening makes modalities comparable: without it, one whose vectors all point the same way adds a
    constant to every cosine.

    Parameters
    ----------
    extractors : {modality: extractor}, of the modalities that come as things; the others come as vectors.
    weights : {modality: weight}, 1 where it has none; 0 leaves it out. `choose` finds them on validation data.
    whitening : "pca", "zca" or None (each vector is divided by its length, no more); see `Whitening.of`, also for `ridge`.
    dimensions : of each whitened modality, at most; None: all.
    """

    def __init__(
        self,
        *,
        extractors: Mapping[str, Extractor] | None = None,
        weights: Mapping[str, float] | None = None,
        whitening: str | None = "pca",
        dimensions: int | None = None,
        ridge: float = 1e-3,
    ) -> None:
        if whitening not in (None, *METHODS):
            raise ParameterError(f"whitening must be one of {', '.join(METHODS)} or None, got {whitening!r}")
        if not all(0 <= weight < np.inf for weight in (weights or {}).values()):
            raise ParameterError(f"weights of modalities must be at least 0, got {dict(weights or {})}")
        self.extractors, self.weights = dict(extractors or {}), dict(weights or {})
        self.whitening, self.dimensions, self.ridge = whitening, dimensions, ridge
        self._maps: dict[str, Whitening | None] = {}

    @property
    def fitted(self) -> bool:
        """Whether `fit` has been called."""
        return bool(self._maps)

    def fit(self, things: Mapping[str, Any]) -> Self:
        """Learn the whitening of each modality from {modality: things or vectors (n, d)}; extractors are fitted where they are not."""
        self._learn(self._vectors(things))
        return self

    def transform(self, things: Mapping[str, Any]) -> Vectors:
        """Vectors float32 (n, d), d the sum over the modalities; a thing that has none of them has a row of zeros."""
        if not self._maps:
            raise NotFittedError("Fuse has not been fitted: call fit first")
        if set(things) != set(self._maps):
            raise DataError(f"the modalities are {sorted(self._maps)}, got {sorted(things)}")
        return self._fused(self._vectors(things))

    def fit_transform(self, things: Mapping[str, Any]) -> Vectors:
        """`fit`, then `transform` of the same things, which are encoded once."""
        vectors = self._vectors(things)
        self._learn(vectors)
        return self._fused(vectors)

    def choose(self, things: Mapping[str, Any], score: Callable[[Vectors], float], factors: Sequence[float] = FACTORS) -> Self:
        """Set `weights` to those of the highest `score(fused vectors)`: a measure on validation data, never on the test split.

        One modality after the other is given each of the factors as its weight, the others as they are, starting from all 1, until
        nothing improves; of equal scores the earlier is kept. The trials are in `trials_`: [(weights, score), ...].
        """
        if not all(0 <= factor < np.inf for factor in factors):
            raise ParameterError(f"factors must be at least 0, got {list(factors)}")
        vectors = self._vectors(things)
        self.weights = dict.fromkeys(vectors, 1.0)
        self._learn(vectors)
        best = float(score(self._fused(vectors)))
        self.trials_ = [(self.weights, best)]
        improved = True
        while improved:
            improved = False
            for name in vectors:
                for factor in factors:
                    tried = {**self.weights, name: float(factor)}
                    if not any(tried.values()) or any(tried == weights for weights, _ in self.trials_):
                        continue
                    held, self.weights = self.weights, tried
                    value = float(score(self._fused(vectors)))
                    self.trials_.append((tried, value))
                    if value > best:
                        best, improved = value, True
                    else:
                        self.weights = held
        return self

    def _vectors(self, things: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        if not isinstance(things, Mapping) or not things:
            raise DataError("Fuse needs a mapping of modalities, {name: things or vectors}")
        for what, names in (("weights", self.weights), ("extractors", self.extractors)):
            if unknown := set(names) - set(things):
                raise ParameterError(f"{what} of modalities that are not there: {sorted(unknown)}; there are {sorted(things)}")
        found = {}
        for name, values in things.items():
            extractor = self.extractors.get(name)
            if extractor is not None:
                found[name] = extractor.transform(values) if extractor.fitted else extractor.fit_transform(values)
                continue
            vectors = np.asarray(values)
            if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or not np.isfinite(vectors).all():
                raise DataError(f"modality {name!r}: finite vectors (n, d) are needed, or an extractor; got {vectors.dtype}{vectors.shape}")
            found[name] = vectors
        if len({len(vectors) for vectors in found.values()}) > 1:
            raise DataError(f"modalities differ in length: { {name: len(vectors) for name, vectors in found.items()} }")
        return found

    def _learn(self, vectors: Mapping[str, NDArray[Any]]) -> None:
        maps: dict[str, Whitening | None] = {}
        for name, rows in vectors.items():
            k = None if self.dimensions is None or self.whitening == "zca" else min(self.dimensions, rows.shape[1])
            try:
                maps[name] = Whitening.of(rows, k, ridge=self.ridge, method=self.whitening) if self.whitening else None
            except DataError as error:
                raise DataError(f"modality {name!r}: {error}") from None
        self._maps = maps

    def _fused(self, vectors: Mapping[str, NDArray[Any]]) -> Vectors:
        parts = []
        for name, whitening in self._maps.items():
            weight = self.weights.get(name, 1.0)
            if weight:
                rows = vectors[name]
                parts.append(np.float32(np.sqrt(weight)) * normalized(whitening(rows) if whitening else rows))
        if not parts:
            raise ParameterError(f"all modalities have weight 0: {sorted(self._maps)}")
        return normalized(np.hstack(parts))

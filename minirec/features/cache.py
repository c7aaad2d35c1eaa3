"""Vectors on the disk: what has been encoded once is read, what was interrupted goes on."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..errors import DataError, DataWarning, ParameterError
from ..files import damage_told, expanded, read_arrays, write_arrays
from .base import Extractor, Things, Vectors, present
from .precomputed import Precomputed


def cached(extractor: Extractor, folder: str | Path, *, chunk: int = 1024) -> Cached:
    """The same extractor with a memory in a folder: a thing that was ever encoded is not encoded again. See `Cached`."""
    return Cached(extractor, folder, chunk)


class Cached(Extractor):
    """Wraps an extractor. Vectors are kept by the extractor's fingerprint and the content of each thing.

    Things that are new are encoded `chunk` at a time, and each chunk is a file that appears whole or not at all
    (`folder/fingerprint/chunk.npz`: keys uint8 (n, 16), vectors float32 (n, d)). So work that is interrupted goes on after the last
    whole chunk, with the same vectors as without the interruption; beside the vectors that are returned, a chunk and the keys are all
    that is in memory. A chunk that cannot be read is reported (DataWarning), removed and made again. Several processes may share
    a folder. A row of zeros is not kept: an input without a vector, such as a damaged file, is tried and reported each time.

    encoded_, read_ : of how many things the vectors were made, and of how many they were there, since the wrapping.
    """

    def __init__(self, extractor: Extractor, folder: str | Path, chunk: int = 1024) -> None:
        if chunk < 1:
            raise ParameterError(f"chunk must be at least 1, got {chunk}")
        if isinstance(extractor, Precomputed):
            raise ParameterError("Precomputed looks its vectors up, so there is nothing to keep in a cache: use it without cached")
        self.extractor, self.folder, self.chunk = extractor, expanded(folder), chunk
        self.joint, self.normalize, self.weights = extractor.joint, extractor.normalize, extractor.weights  # type: ignore[misc]
        self.encoded_ = self.read_ = 0

    def fit(self, things: Things) -> Self:
        self.extractor.fit(things)
        return self

    @property
    def fitted(self) -> bool:
        return self.extractor.fitted

    @property
    def dimension(self) -> int:
        return self.extractor.dimension

    @property
    def fingerprint(self) -> str:
        return self.extractor.fingerprint

    def checked(self, thing: Any) -> Any:
        return self.extractor.checked(thing)

    def content(self, thing: Any) -> bytes:
        return self.extractor.content(thing)

    def encode(self, things: list[Any]) -> Vectors:
        """Read what is there, encode and write the rest."""
        folder = self.folder / self.fingerprint[:32]
        wanted: dict[bytes, list[int]] = {}
        for row, thing in enumerate(things):
            wanted.setdefault(self.content(thing), []).append(row)
        out, distinct = np.zeros((len(things), self.dimension), np.float32), len(wanted)

        def put(keys: list[bytes], vectors: Vectors) -> None:
            found = [(row, at) for at, key in enumerate(keys) for row in wanted.pop(key, ())]
            if found:
                rows, places = zip(*found, strict=True)
                out[list(rows)] = vectors[list(places)]

        for path in sorted(folder.glob("*.npz")):
            if wanted and (held := self._read(path)):
                put(*held)
        left = list(wanted)
        self.read_ += distinct - len(left)
        for start in range(0, len(left), self.chunk):
            keys = left[start : start + self.chunk]
            vectors = self.extractor.encode([things[wanted[key][0]] for key in keys])
            self.encoded_ += len(keys)
            made = present(vectors)
            if made.any():
                raw = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16)[made]
                write_arrays(folder / f"{raw[0].tobytes().hex()}-{len(raw)}.npz", {"keys": raw, "vectors": vectors[made]})
            put(keys, vectors)
        return out

    def _read(self, path: Path) -> tuple[list[bytes], Vectors] | None:
        try:
            with damage_told(path, "chunk of vectors", DataError):
                held = read_arrays(path)
                keys, vectors = held["keys"], held["vectors"]
                if keys.shape != (len(vectors), 16) or keys.dtype != np.uint8 or vectors.shape[1:] != (self.dimension,):
                    raise ValueError(f"shapes {keys.shape} and {vectors.shape}")
                if vectors.dtype != np.float32 or not np.isfinite(vectors).all():
                    raise ValueError("its vectors are not finite float32 numbers")
        except DataError as error:
            if not path.exists():  # another process has removed it
                return None
            warnings.warn(f"{error}; it is removed and made again", DataWarning, stacklevel=2)
            path.unlink(missing_ok=True)
            return None
        return [row.tobytes() for row in keys], vectors

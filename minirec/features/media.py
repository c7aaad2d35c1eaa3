"""What extractors of pictures and of sounds have in common: things are paths, bytes or arrays; some files are damaged."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..engine.backend import run_blocks
from ..errors import DataError, DataWarning, ParameterError
from .base import Extractor, Vectors, digest_of, is_missing, normalized

FILES = 16  # of a block


class MediaExtractor(Extractor):
    """Descriptors in parts (colour, texture, ...), each of length 1 times its weight in `parts`, then the whole of length 1.

    damaged : "raise" (DataError), or "missing": a file that is not there or cannot be read has a row of zeros, and a DataWarning
    counts them.
    """

    sizes: ClassVar[Mapping[str, int]]  # {part: its length}

    def __init__(self, parts: Mapping[str, float] | None, damaged: str) -> None:
        if damaged not in ("raise", "missing"):
            raise ParameterError(f"damaged must be 'raise' or 'missing', got {damaged!r}")
        self.parts = {part: float((parts or {}).get(part, 1)) for part in self.sizes}
        if unknown := set(parts or {}) - set(self.sizes):
            raise ParameterError(f"unknown parts {sorted(unknown)}; there are {', '.join(self.sizes)}")
        if not all(0 <= weight < np.inf for weight in self.parts.values()) or not any(self.parts.values()):
            raise ParameterError(f"weights of parts must be at least 0, and one above it, got {self.parts}")
        self.damaged = damaged

    @property
    def dimension(self) -> int:
        return sum(size for part, size in self.sizes.items() if self.parts[part])

    @property
    def fingerprint(self) -> str:
        return digest_of(type(self).__name__, 1, self.parts, self.damaged, self._settings())

    def checked(self, thing: Any) -> Any:
        if isinstance(thing, np.ndarray) and thing.ndim:
            return thing if thing.size else None
        if isinstance(thing, (str, Path)):
            return None if is_missing(thing) else Path(thing)
        if is_missing(thing) or (isinstance(thing, (bytes, bytearray)) and not thing):
            return None
        if isinstance(thing, (bytes, bytearray)):
            return bytes(thing)
        kind = "an array without dimensions" if isinstance(thing, np.ndarray) else type(thing).__name__
        raise DataError(f"a path, bytes or an array is needed, got {kind}")

    def content(self, thing: Any) -> bytes:
        try:
            return super().content(thing)
        except OSError:  # what `encode` makes of it is known by the name, until there is something to read
            return bytes.fromhex(digest_of("unreadable", str(thing)))[:16]

    def encode(self, things: list[Any]) -> Vectors:
        self._prepare()
        out, failed = np.zeros((len(things), self.dimension), np.float32), {}

        def block(start: int, stop: int) -> None:
            for at in range(start, stop):
                try:
                    described = self._describe(things[at])
                except DataError as error:
                    if self.damaged == "raise":
                        raise
                    failed[at] = error
                    continue
                blocks = [self.parts[part] * normalized(described[part][None])[0] for part in self.sizes if self.parts[part]]
                out[at] = np.concatenate(blocks)

        run_blocks(block, len(things), FILES)
        if failed:
            message = f"{len(failed)} of {len(things)} files could not be read and count as missing; the first: {failed[min(failed)]}"
            warnings.warn(message, DataWarning, stacklevel=2)
        return normalized(out)

    def _prepare(self) -> None:
        """Import what is needed; MissingExtraError where it is not there."""

    @abstractmethod
    def _settings(self) -> list[Any]:
        """What the descriptors depend on, beside the parts."""

    @abstractmethod
    def _describe(self, thing: Any) -> dict[str, Vectors]:
        """{part: vector} of one thing; DataError where it cannot be read."""


def shown(thing: Any) -> str:
    """A thing in a message."""
    if isinstance(thing, np.ndarray):
        return f"an array of {thing.dtype}{thing.shape}"
    return f"{len(thing)} bytes" if isinstance(thing, bytes) else str(thing)

"""The contract of every feature extractor: things in, vectors out; a thing that is missing has a row of zeros."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..data.convert import Events, as_dataset
from ..data.dataset import Dataset
from ..errors import DataError, ModelFitError, ParameterError

Vectors: TypeAlias = NDArray[np.float32]
Things: TypeAlias = Sequence[Any] | NDArray[Any] | Mapping[str, Sequence[Any] | NDArray[Any]]


class Transformer(Protocol):
    """What `add_content` asks of an extractor; `Fuse` has it too."""

    @property
    def fitted(self) -> bool: ...

    def transform(self, things: Any) -> Vectors: ...

    def fit_transform(self, things: Any) -> Vectors: ...


class Extractor(ABC):
    """Makes vectors (n, d) of n things: texts, or pictures and sounds as paths, bytes or arrays.

    Things are a sequence, or a mapping {field: sequence} with one entry a thing in each (title, brand, category, ...). A thing, or a
    field of it, is missing where it is None, NaN or a blank text. **A row of zeros means "no content"**, here and in every model that
    reads vectors: a missing thing has one, and so has a thing of which the extractor can make nothing.

    A new extractor writes `encode`, `dimension` and `fingerprint`, and `fit` if it learns. `encode` is given things that are present,
    each once. Two equal things always have equal vectors, and the other things of a call do not change them (but for rounding).

    weights : weight of each field, 1 where it has none; a field of weight 0 is left out.
    """

    joint: ClassVar[bool] = False  # the fields of a thing are encoded together, else each on its own and then averaged
    normalize: bool = True  # vectors have length 1
    weights: Mapping[str, float] | None = None

    def fit(self, things: Things) -> Self:
        """Learn from things what the extractor has to know; nothing where it is pretrained."""
        return self

    @property
    def fitted(self) -> bool:
        """Whether it can transform."""
        return True

    def transform(self, things: Things) -> Vectors:
        """Vectors float32 (n, d), in the order of the things.

        Of a mapping, each field is encoded, and the vector of a thing is the mean of those of the fields that it has, by their
        weights (and normalized where the vectors are); or the extractor takes the fields together (`joint`).
        """
        if self.joint or not isinstance(things, Mapping):
            return self._scatter(self.prepared(things))
        fields, weights = self._fields(things)
        total = np.zeros((len(next(iter(fields.values()))), self.dimension), np.float32)
        mass = np.zeros(len(total), np.float32)
        for name, weight in weights.items():
            vectors = self._scatter(fields[name])
            total += np.float32(weight) * vectors
            mass += np.float32(weight) * present(vectors)
        total /= np.where(mass > 0, mass, 1)[:, None]
        return normalized(total) if self.normalize else total

    def fit_transform(self, things: Things) -> Vectors:
        """`fit`, then `transform` of the same things."""
        return self.fit(things).transform(things)

    @abstractmethod
    def encode(self, things: list[Any]) -> Vectors:
        """Vectors float32 (n, d) of things that are present and distinct; no row depends on the others."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """d, the length of a vector."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Hash over everything that the vectors depend on, weights and settings (`digest_of`); the cache goes by it."""

    def prepared(self, things: Things) -> list[Any]:
        """Each thing as `encode` wants it, None for a missing one; of a mapping, its fields ((name, value), ...) in one."""
        if not isinstance(things, Mapping):
            return _checked_all(self.checked, things)
        fields, weights = self._fields(things)
        return _joined_rows({name: fields[name] for name in weights})

    def checked(self, thing: Any) -> Any:
        """A thing as `encode` wants it, None for a missing one; DataError for what the extractor cannot use."""
        return None if is_missing(thing) else thing

    def content(self, thing: Any) -> bytes:
        """Hash of what a thing holds (of a file: its bytes); the cache goes by it."""
        return bytes.fromhex(digest_of(thing))[:16]

    def _fields(self, things: Mapping[str, Any]) -> tuple[dict[str, list[Any]], dict[str, float]]:
        """The checked fields, and the weights of those that count."""
        fields = {name: _checked_all(self.checked, values, name) for name, values in things.items()}
        lengths = {name: len(values) for name, values in fields.items()}
        if not lengths or len(set(lengths.values())) > 1:
            raise DataError(f"fields of equal length are needed, got {lengths}")
        given = dict(self.weights or {})
        if unknown := set(given) - set(fields):
            raise ParameterError(f"weights of fields that are not there: {sorted(unknown)}; the fields are {sorted(fields)}")
        weights = {name: float(given.get(name, 1)) for name in fields}
        if not all(0 <= weight < np.inf for weight in weights.values()) or not any(weights.values()):
            raise ParameterError(f"weights of fields must be at least 0, and one above it, got {weights}")
        return fields, {name: weight for name, weight in weights.items() if weight > 0}

    def _scatter(self, things: list[Any]) -> Vectors:
        """Encode every distinct thing once; the rows of missing ones stay zero."""
        places: dict[Any, int] = {}
        distinct: list[Any] = []
        rows, place = [], []
        for row, thing in enumerate(things):
            if thing is None:
                continue
            at = places.setdefault(thing if isinstance(thing, (str, tuple, Path, bytes)) else id(thing), len(distinct))
            if at == len(distinct):
                distinct.append(thing)
            rows.append(row)
            place.append(at)
        out = np.zeros((len(things), self.dimension), np.float32)
        if distinct:
            vectors = self.encode(distinct)
            if vectors.shape != (len(distinct), self.dimension):
                raise ModelFitError(f"{type(self).__name__}: vectors of shape {vectors.shape} for {(len(distinct), self.dimension)}")
            if not np.isfinite(vectors).all():
                raise ModelFitError(f"{type(self).__name__}: a vector is not finite, that of {str(distinct[_first_bad(vectors)])[:60]!r}")
            out[rows] = vectors[place]
        return out


class TextExtractor(Extractor):
    """An extractor of texts: numbers are written out, broken surrogates become U+FFFD; anything else is refused."""

    def checked(self, thing: Any) -> Any:
        return checked_text(thing)


def checked_text(thing: Any) -> str | None:
    """A text or a number as a text, None for a missing one; DataError for anything else."""
    if is_missing(thing):
        return None
    if isinstance(thing, (int, float, np.number)):
        return str(thing)
    if not isinstance(thing, str):
        raise DataError(f"a text is needed, got {type(thing).__name__}")
    try:
        thing.encode()
    except UnicodeEncodeError:
        return thing.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return str(thing)


def is_missing(thing: Any) -> bool:
    """None, NaN (of any library), and texts that are empty or blank."""
    if thing is None or type(thing).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(thing, str):
        return not thing or thing.isspace()
    return isinstance(thing, (float, np.floating)) and bool(np.isnan(thing))


def present(vectors: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows have content: those that are not all zeros."""
    found: NDArray[np.bool_] = (vectors != 0).any(axis=1)
    return found


def normalized(vectors: NDArray[Any]) -> Vectors:
    """Rows of length 1; rows of zeros stay. Lengths are computed in float64."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1)[:, None], np.float32)


def joined(fields: Mapping[str, Sequence[Any] | NDArray[Any]], separator: str = ". ") -> list[str | None]:
    """The fields of each thing as one text, in their order, without the missing ones; None where all are missing.

    DataError where something is neither a text nor a number.
    """
    columns = [_checked_all(checked_text, values, name) for name, values in fields.items()]
    return [separator.join(text for text in row if text is not None) or None for row in zip(*columns, strict=True)]


def digest_of(*parts: Any) -> str:
    """SHA-256 in hex over texts, bytes, numbers, arrays, files (`Path`: their bytes), and lists and dictionaries of them."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            with open(part, "rb") as file:
                digest.update(b"b" + hashlib.file_digest(file, "sha256").digest())
        elif isinstance(part, bytes):
            digest.update(b"b" + hashlib.sha256(part).digest())
        elif isinstance(part, np.ndarray):
            digest.update(f"a{part.dtype.str}{part.shape}".encode() + hashlib.sha256(np.ascontiguousarray(part).data).digest())
        elif isinstance(part, (list, tuple)):
            digest.update(b"l" + digest_of(*part).encode())
        elif isinstance(part, Mapping):
            digest.update(b"m" + digest_of(*(entry for key in sorted(part) for entry in (key, part[key]))).encode())
        else:
            digest.update(b"j" + hashlib.sha256(json.dumps(part.item() if isinstance(part, np.generic) else part).encode()).digest())
    return digest.hexdigest()


def add_content(
    dataset: Events,
    extractor: Transformer,
    columns: str | Sequence[str] | None = ("title", "category"),
    *,
    name: str = "text",
    join: str | None = None,
) -> Dataset:
    """The data set with a column of vectors float32 (n_items, d) among its item features, made of the columns named.

    One column gives a sequence of things, several give fields; with `join` they become one text, with this text between them, and
    weights of fields are refused. With None, the things are the item ids (`Precomputed`). The extractor is fitted on them if it has
    not been. Keep it: `extractor.transform` makes the vectors of items that come later.
    """
    dataset = as_dataset(dataset, "dataset")
    features, names = dataset.item_features, (columns,) if isinstance(columns, str) else tuple(columns or ())
    if columns is not None and (not names or any(column not in features for column in names)):
        raise DataError(f"item features {list(names)} are asked for; {dataset.name!r} has {sorted(features) or 'none'}")
    if name in features and features[name].ndim == 1:
        raise ParameterError(f"{name!r} is a column of {dataset.name!r} that is not of vectors: choose another name=")
    fields = {column: features[column] for column in names}
    things: Things = list(dataset.items) if columns is None else fields if len(fields) > 1 else features[names[0]]
    if join is not None and fields:
        if given := getattr(extractor, "weights", None):
            raise ParameterError(
                f"with join= the fields become one text, so weights of fields {dict(given)} cannot count: leave out one of them"
            )
        things = joined(fields, join)
    vectors = extractor.transform(things) if extractor.fitted else extractor.fit_transform(things)
    if not present(vectors).any():
        raise DataError(f"no item of {dataset.name!r} has content in {list(names) or 'its id'}: all vectors are zero")
    return dataset.with_columns(item_features={**features, name: vectors})


def _checked_all(checked: Callable[[Any], Any], things: Iterable[Any], field: str = "") -> list[Any]:
    """Each thing checked; the message of an error says which one it was."""
    if isinstance(things, (str, bytes)):
        raise DataError(f"things must be a sequence of things, got one {type(things).__name__}: put it into a list")
    found = []
    for at, thing in enumerate(things):
        try:
            found.append(checked(thing))
        except DataError as error:
            raise DataError(f"thing {at}{f' of field {field!r}' if field else ''}: {error}") from None
    return found


def _joined_rows(fields: Mapping[str, list[Any]]) -> list[tuple[tuple[str, Any], ...] | None]:
    """Each thing as its fields ((name, text), ...) without the missing ones; None where all are."""
    pairs = [[None if text is None else (name, text) for text in texts] for name, texts in fields.items()]
    return [tuple(pair for pair in row if pair is not None) or None for row in zip(*pairs, strict=True)]


def _first_bad(vectors: Vectors) -> int:
    return int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])

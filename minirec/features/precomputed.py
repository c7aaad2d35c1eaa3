"""Embeddings that somebody else has made: from arrays, NumPy files, Parquet files, dictionaries."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.ids import checked_id, factorize
from ..data.reading.parquet import parquet_columns, parquet_schema
from ..errors import DataError, DataWarning
from ..files import damage_told, expanded, read_arrays
from .base import Extractor, Vectors, digest_of, is_missing, normalized

ROWS = 4096  # of a check or a conversion


class Precomputed(Extractor):
    """Looks vectors up: things are ids, whole numbers or texts, each with a vector of the table, or none.

    `Precomputed(ids, vectors)`, `Precomputed.of({id: vector})`, `Precomputed.read(file)`. With `add_content(dataset, precomputed, None)`
    the things are the item ids of the data set.

    An id without a vector has a row of zeros; `missing_` is their number in the last `transform`, and a DataWarning says it. Vectors
    of unequal length, vectors that are not finite, and an id that comes twice are errors. Big arrays may be memory-mapped: only the
    rows that are asked for are converted.

    ids : (n,). vectors : (n, d), of any numeric type. normalize : divide each by its length.
    """

    def __init__(self, ids: Sequence[Any] | NDArray[Any], vectors: Any, *, normalize: bool = False) -> None:
        self.normalize = normalize
        self._vectors: NDArray[Any] = vectors if isinstance(vectors, np.ndarray) else _array(vectors)
        if self._vectors.ndim != 2 or self._vectors.dtype.kind not in "fiu":
            raise DataError(f"vectors must be numbers of shape (n, d), got {self._vectors.dtype} of shape {self._vectors.shape}")
        if len(ids) != len(self._vectors):
            raise DataError(f"{len(ids)} ids for {len(self._vectors)} vectors")
        self.ids, rows = factorize(ids, "id")
        self._place = np.empty(len(self.ids), np.int64)
        self._place[rows] = np.arange(len(rows))
        if len(self.ids) < len(rows):
            again = int(np.flatnonzero(self._place[rows] != np.arange(len(rows)))[0])
            raise DataError(f"{len(rows) - len(self.ids)} ids come more than once, the first of them {self.ids[int(rows[again])]!r}")
        for start in range(0, len(rows), ROWS):
            bad = np.flatnonzero(~np.isfinite(self._vectors[start : start + ROWS]).all(axis=1))
            if len(bad):
                raise DataError(f"the vector of id {self.ids[int(rows[start + bad[0]])]!r} is not finite")

    @classmethod
    def of(cls, table: Mapping[Any, Any], *, normalize: bool = False) -> Self:
        """From {id: vector}."""
        return cls(list(table), list(table.values()), normalize=normalize)

    @classmethod
    def read(
        cls,
        path: str | Path,
        ids: Sequence[Any] | NDArray[Any] | str | Path | None = None,
        *,
        id_column: str = "id",
        vector_column: str = "vector",
        normalize: bool = False,
    ) -> Self:
        """From a file, by its ending.

        .npy : an array (n, d), memory-mapped; `ids` is a sequence, or a file: .npy, or text with one id a line (whole numbers become
        integers if all of them are). .npz : arrays named as `id_column` and `vector_column`. .parquet : columns of these names, the
        vectors as lists; or, where there is no such column of vectors, every other column, a number each.
        """
        path = expanded(path)
        if path.suffix == ".npy":
            if ids is None:
                raise DataError(f"{path}: ids= is needed, one for each row")
            return cls(_ids(ids), _load(path), normalize=normalize)
        if ids is not None:
            raise DataError(f"{path}: ids= goes with .npy; here they are in the file, in {id_column!r} (id_column=)")
        if path.suffix == ".npz":
            held = _load(path)
            if missing := [name for name in (id_column, vector_column) if name not in held]:
                raise DataError(f"{path}: there is no array {missing[0]!r}, but {sorted(held)}; see id_column= and vector_column=")
            if held[id_column].ndim != 1 or held[vector_column].ndim != 2:
                raise DataError(f"{path}: {id_column!r} must have the shape (n,) and {vector_column!r} (n, d)")
            return cls(held[id_column], held[vector_column], normalize=normalize)
        if path.suffix in (".parquet", ".pq"):
            return cls(*_parquet(path, id_column, vector_column), normalize=normalize)
        raise DataError(f"{path}: vectors are read from .npy, .npz and .parquet")

    @property
    def dimension(self) -> int:
        return int(self._vectors.shape[1])

    @cached_property
    def fingerprint(self) -> str:
        index = [self.ids.ints, self.ids.text, self.ids.offsets, self._place]
        return digest_of("precomputed 1", index, np.asarray(self._vectors), self.normalize)

    def checked(self, thing: Any) -> Any:
        return None if is_missing(thing) else checked_id(thing)

    def transform(self, things: Any) -> Vectors:
        """Vectors float32 (n, d) of n ids."""
        if isinstance(things, Mapping):
            raise DataError("Precomputed looks ids up: a sequence of them is needed, not fields")
        ids = self.prepared(things)
        given = [at for at, thing in enumerate(ids) if thing is not None]
        rows = np.full(len(ids), -1)
        rows[given] = self.ids.rows([ids[at] for at in given])
        without = [at for at in given if rows[at] < 0]
        self.missing_ = len(without)
        if without:
            message = f"{len(without)} of {len(ids)} ids have no vector, the first of them {ids[without[0]]!r}: their rows are zero"
            warnings.warn(message, DataWarning, stacklevel=2)
        return self._of_rows(rows)

    def encode(self, things: list[Any]) -> Vectors:
        return self._of_rows(self.ids.rows(things))

    def _of_rows(self, rows: NDArray[Any]) -> Vectors:
        out = np.zeros((len(rows), self.dimension), np.float32)
        known = np.flatnonzero(rows >= 0)
        for start in range(0, len(known), ROWS):
            block = known[start : start + ROWS]
            with np.errstate(over="ignore"):
                out[block] = self._vectors[self._place[rows[block]]]
        if not np.isfinite(out).all():
            raise DataError("a vector is too large for float32: rescale the vectors")
        return normalized(out) if self.normalize else out


def _array(vectors: Any) -> NDArray[Any]:
    rows = [np.asarray(row) for row in vectors]
    lengths = {row.shape for row in rows}
    if len(lengths) > 1 or any(len(shape) != 1 for shape in lengths):
        raise DataError(f"vectors must be of one length, got shapes {sorted(lengths)[:5]}")
    return np.stack(rows) if rows else np.zeros((0, 0))


def _ids(ids: Sequence[Any] | NDArray[Any] | str | Path) -> Any:
    if not isinstance(ids, (str, Path)):
        return ids
    path = Path(ids)
    if path.suffix == ".npy":
        return _load(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable file of ids ({error})") from None
    try:
        numbers = [int(line) for line in lines]
    except ValueError:
        return lines
    return numbers if [str(number) for number in numbers] == lines else lines  # "007" stays a text


def _load(path: Path) -> Any:
    """An array, memory-mapped, or the arrays of an .npz."""
    with damage_told(path, "NumPy file without pickled objects", DataError):
        if path.suffix == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False)
        return read_arrays(path, compressed=True)


def _parquet(path: Path, id_column: str, vector_column: str) -> tuple[Any, Any]:
    names = [name for name, _ in parquet_schema(path)]
    if id_column not in names:
        raise DataError(f"{path}: there is no column {id_column!r}, but {names}; see id_column=")
    wanted = [vector_column] if vector_column in names else [name for name in names if name != id_column]
    columns = parquet_columns(path, [id_column, *wanted])
    for name, column in columns.items():
        if np.ma.getmaskarray(column).any():
            raise DataError(f"{path}: column {name!r} has missing entries")
    dense = {name: np.ma.getdata(column) for name, column in columns.items()}
    if vector_column in names:
        return dense[id_column], _array(dense[vector_column])
    if any(dense[name].dtype.kind not in "fiu" for name in wanted):
        raise DataError(f"{path}: there is no column {vector_column!r} (vector_column=), and not every other column is of numbers")
    return dense[id_column], np.stack([dense[name] for name in wanted], axis=1)

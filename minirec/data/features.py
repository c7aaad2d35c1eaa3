"""Features of users and items: one entry a row of the index, which is a number, a text, or a vector."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .ids import IdIndex

Features = Mapping[str, NDArray[Any]]
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")  # a text such as 007 is a name


def feature_column(
    values: Sequence[Any], rows: NDArray[Any], n: int, name: str, *, missing: Collection[str] = (), texts_as_numbers: bool = True
) -> NDArray[Any]:
    """A column of n rows, with `values` at `rows`.

    Numbers (float64, NaN where there is none) where all that are there are numbers or booleans, or texts that read as numbers; a matrix
    (n, length), zeros where there is none, where they are vectors of one length; else texts ("" where there is none), lists of
    texts as one, divided by commas. `missing`: texts that stand for nothing.
    """
    known = [None if _is_missing(value, missing) else value.strip() if isinstance(value, str) else value for value in values]
    there = [value for value in known if value is not None]
    if there and all(_is_number(value, texts_as_numbers) for value in there):
        numbers = np.full(n, np.nan)
        numbers[rows] = [np.nan if value is None else float(value) for value in known]
        return numbers
    if there and all(_is_vector(value) for value in there):
        lengths = {len(value) for value in there}
        if len(lengths) > 1:
            raise DataError(f"feature {name!r} has vectors of different lengths: {', '.join(map(str, sorted(lengths)[:5]))}")
        matrix = np.zeros((n, lengths.pop()), np.float32)
        for row, value in zip(rows, known, strict=True):
            if value is not None:
                matrix[row] = np.asarray(value, np.float32)
        if not np.isfinite(matrix).all():
            raise DataError(f"feature {name!r} has vectors with numbers that are not finite")
        return matrix
    texts = np.full(n, "", object)
    texts[rows] = [_text(value) for value in known]
    return texts


def _is_missing(value: Any, missing: Collection[str]) -> bool:
    if isinstance(value, str):
        return not value.strip() or value.strip() in missing
    return (
        value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, (float, np.floating)) and bool(value != value))
    )


def _is_number(value: Any, texts: bool) -> bool:
    return isinstance(value, (int, float, np.number, np.bool_)) or (
        texts and isinstance(value, str) and _NUMBER.fullmatch(value) is not None
    )


def _is_vector(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and value.dtype.kind in "fiub"
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(_is_number(entry, False) for entry in value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        return ", ".join(str(entry) for entry in (sorted(value, key=str) if isinstance(value, (set, frozenset)) else value))
    return str(value)


def align_features(features: Any, index: IdIndex) -> dict[str, NDArray[Any]]:
    """Features as arrays in row order. {name: {id: value}} is aligned by id, see `feature_column` for what is missing; an array, or
    a SciPy matrix, has one row for each id, in their order; a table (pandas, polars, Arrow) has one row for each of them, too."""
    if hasattr(features, "columns") or hasattr(features, "column_names"):
        from .reading.tables import column_names, table_columns

        names = column_names(features) or []
        features = {name: _as_column(values, name, index) for name, values in zip(names, table_columns(features, names), strict=True)}
    if not isinstance(features, Mapping):
        raise DataError(f"features are a dictionary {{name: column}} or a table, got {type(features).__name__}")
    aligned: dict[str, NDArray[Any]] = {}
    for name, values in features.items():
        if hasattr(values, "tocsr"):
            values = np.asarray(values.tocsr().toarray())
        if isinstance(values, np.ndarray):
            aligned[name] = _of_length(values, name, index)
        elif isinstance(values, Mapping):
            rows = index.rows(list(values))
            known = np.flatnonzero(rows >= 0)
            if len(values) and not len(known):
                raise DataError(f"feature {name!r}: none of its {len(values):,} ids is known, such as {next(iter(values))!r}")
            entries = list(values.values())
            aligned[name] = feature_column([entries[at] for at in known.tolist()], rows[known], len(index), name, texts_as_numbers=False)
        else:
            raise DataError(
                f"feature {name!r} is of type {type(values).__name__}: a dictionary {{id: value}} is needed, or an array of NumPy in the "
                "order of the ids"
            )
    return aligned


def _as_column(values: Sequence[Any], name: str, index: IdIndex) -> NDArray[Any]:
    if len(values) != len(index):
        raise DataError(f"feature {name!r} has {len(values)} entries for {len(index)} ids: a table has a row for each, in their order")
    return feature_column(values, np.arange(len(values)), len(values), name, texts_as_numbers=False)


def _of_length(values: NDArray[Any], name: str, index: IdIndex) -> NDArray[Any]:
    entries = len(values) if values.ndim else 0
    if entries != len(index):
        raise DataError(f"feature {name!r} has {entries} entries for {len(index)} ids: an array has one for each, in their order")
    return values

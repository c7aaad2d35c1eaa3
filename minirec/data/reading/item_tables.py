"""Text about items from a second file or table: titles, genres, categories."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ..account import Account
from ..dataset import Dataset
from ..ids import IdIndex
from .formats import npz_arrays
from .parquet import parquet_columns, parquet_schema
from .raw import WHOLE
from .roles import GUESSES, Pick, plain, position
from .tables import column_names, table_columns
from .textfile import sniff, split_lines, text_lines


def with_items(
    data: Dataset,
    source: Any,
    account: Account,
    *,
    item: Pick = None,
    text: Sequence[str | int] | Mapping[str, str | int] | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
) -> Dataset:
    """The data set with item features out of a table of items (a path, or a table in memory): one row an item.

    item : the id column (guessed by name, else the first). text : the columns to take, by name or position, or {feature: column};
    default: all others. Ids meet as they are written; where the data set has integers, text that reads as one is turned into it.
    Of an item that stands there twice the first row counts. Items of the table without events are left out; how many of the
    data set's items were found is noted.
    """
    where = str(source) if isinstance(source, (str, Path)) else "items"
    names, columns = _columns(source, delimiter, encoding, header, where, account)
    guesses = [at for guess in GUESSES["item"] for at, name in enumerate(names) if plain(name) in (guess, "id")]
    key = position(names, item, where, "items") if item is not None and item is not False else guesses[0] if guesses else 0
    if text is None:
        taken = {name: at for at, name in enumerate(names) if at != key}
    elif isinstance(text, Mapping):
        taken = {name: position(names, pick, where, name) for name, pick in text.items()}
    else:
        taken = {names[at]: at for at in (position(names, pick, where, "item_text") for pick in text)}
    rows = rows_of(data.items, columns[key])
    known = np.flatnonzero(rows >= 0)
    row, first = np.unique(rows[known], return_index=True)
    features = {name: _placed(columns[at], row, known[first], data.n_items) for name, at in taken.items()}
    account.note(f"{where}: {len(row):,} of {data.n_items:,} items found, with {', '.join(taken)}")
    return replace(data, item_features={**data.item_features, **features})


def read_columns(source: Any, account: Account) -> tuple[list[str], list[Sequence[Any]]]:
    """The names and the columns of a table with one row an id: a path, or a table in memory."""
    return _columns(source, None, None, None, str(source) if isinstance(source, (str, Path)) else "table", account)


def rows_of(index: IdIndex, values: Sequence[Any]) -> Any:
    """Rows of ids that may be written as text, -1 where unknown; missing values are unknown."""
    text_to_int = len(index.offsets) == 1
    ids = [_id(value, text_to_int) for value in values]
    return index.rows(ids)


def _id(value: Any, text_to_int: bool) -> int | str:
    if isinstance(value, (float, np.floating)) and value == np.floor(value):
        value = int(value)
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value) if text_to_int else str(value)
    text = "" if value is None else str(value).strip()
    return int(text.split(".")[0]) if text_to_int and WHOLE.fullmatch(text) else text


def _placed(column: Sequence[Any], row: Any, taken: Any, n: int) -> Any:
    values = [column[at] for at in taken.tolist()]
    if values and all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in values):
        numbers = np.full(n, np.nan)
        numbers[row] = values
        return numbers
    texts = np.full(n, "", object)
    texts[row] = ["" if v is None or v != v else str(v).strip() for v in values]
    return texts


def _columns(
    source: Any, delimiter: str | None, encoding: str | None, header: bool | None, where: str, account: Account
) -> tuple[list[str], list[Sequence[Any]]]:
    if not isinstance(source, (str, Path)):
        names = column_names(source)
        if names is None:
            raise DataError(f"items: a path or a table is needed, got {type(source).__name__}")
        return names, table_columns(source, names)
    path = Path(source)
    if path.suffix in (".parquet", ".pq"):
        names = [name for name, _ in parquet_schema(path)]
        fetched = parquet_columns(path, names)
        return names, [fetched[name].tolist() for name in names]
    if path.suffix == ".npz":
        arrays = npz_arrays(path)
        return list(arrays), [array.tolist() for array in arrays.values()]
    return _text_columns(path, delimiter, encoding, header, account)


def _text_columns(
    path: Path, delimiter: str | None, encoding: str | None, header: bool | None, account: Account
) -> tuple[list[str], list[Sequence[Any]]]:
    """A small delimited file, by the standard library; without a given encoding UTF-8, else Latin-1."""
    try:
        layout = sniff(path, encoding=encoding, delimiter=delimiter, header=header)
        rows = _rows(layout)
    except DataError:
        if encoding is not None:
            raise
        layout = sniff(path, encoding="latin-1", delimiter=delimiter, header=header)
        rows = _rows(layout)
        account.note(f"{path}: not valid UTF-8, read as Latin-1")
    rows = [row for row in rows[layout.skip :] if row and row != [""]]
    whole = [row for row in rows if len(row) == len(layout.names)]
    if len(whole) < len(rows):
        account.note(f"{path}: {len(rows) - len(whole):,} rows with another number of fields than {len(layout.names)} left out")
    return layout.names, list(zip(*whole, strict=True)) if whole else [() for _ in layout.names]


def _rows(layout: Any) -> list[list[str]]:
    try:
        return list(split_lines(text_lines(layout.path, layout.encoding), layout.delimiter, layout.quote))
    except csv.Error as error:
        raise DataError(f"{layout.path}: malformed ({error})") from None

"""What is known of items and users, from a second file or table: titles, genres, numbers, tags, vectors."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ..account import Account
from ..dataset import Dataset
from ..features import feature_column
from ..ids import IdIndex
from .formats import npz_arrays
from .memory import as_table
from .opening import encoding_of, is_address, kind_of, local, text_lines
from .parquet import parquet_columns, parquet_schema
from .raw import MISSING, is_whole
from .records import RECORD_FORMS, field_names, form_of_text, records, value_at
from .roles import GUESSES, Pick, plain, position
from .tables import column_names, table_columns
from .textfile import Layout, sniff, split_lines

Text = Sequence[str | int] | Mapping[str, str | int] | None


def with_items(
    data: Dataset,
    source: Any,
    account: Account,
    *,
    item: Pick = None,
    text: Text = None,
    missing: Collection[str] = MISSING,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
) -> Dataset:
    """The data set with item features out of a table of items (a path, or a table in memory): one row an item.

    item : the id column (guessed by name, else the first). text : the columns to take, by name or position, or {feature: column};
    default: all others. A dictionary with ids as keys, {id: text, number, list of tags or vector}, is one feature; a SciPy matrix has a
    row of numbers for each of the items 0, 1, .... A column of numbers stays one where some are missing (NaN), and so does one of a
    text file; other columns are texts ("" where missing).
    Ids meet in either spelling of a whole number. Of an item that stands there twice the first row counts. Items of the table without
    events are left out; how many of the data set's items were found is noted, and it is a DataError where none is.
    """
    layout = {"delimiter": delimiter, "encoding": encoding, "header": header}
    features = _features(data.items, "item", source, account, item, text, missing, layout)
    return replace(data, item_features={**data.item_features, **features})


def read_columns(source: Any, account: Account) -> tuple[list[str], list[Sequence[Any]]]:
    """The names and the columns of a table with one row an id: a path, or a table in memory."""
    layout = {"delimiter": None, "encoding": None, "header": None}
    return _columns(source, layout, str(source) if isinstance(source, (str, Path)) else "table", account)


def with_users(
    data: Dataset,
    source: Any,
    account: Account,
    *,
    user: Pick = None,
    text: Text = None,
    missing: Collection[str] = MISSING,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
) -> Dataset:
    """The data set with user features out of a table of users; see `with_items`."""
    layout = {"delimiter": delimiter, "encoding": encoding, "header": header}
    features = _features(data.users, "user", source, account, user, text, missing, layout)
    return replace(data, user_features={**data.user_features, **features})


def _features(
    index: IdIndex, side: str, source: Any, account: Account, key: Pick, text: Text, missing: Collection[str], layout: Mapping[str, Any]
) -> dict[str, Any]:
    where = str(source) if isinstance(source, (str, Path)) else f"{side}s"
    names, columns = _by_id(index, source) or _columns(source, layout, where, account)
    guesses = [at for guess in GUESSES[side] for at, name in enumerate(names) if plain(name) in (guess, "id")]
    at_key = position(names, key, where, f"{side}s") if key is not None and key is not False else guesses[0] if guesses else 0
    if text is None:
        taken = {name: at for at, name in enumerate(names) if at != at_key}
    elif isinstance(text, Mapping):
        taken = {name: position(names, pick, where, name) for name, pick in text.items()}
    else:
        taken = {names[at]: at for at in (position(names, pick, where, f"{side}s_text") for pick in text)}
    ids = [_id(value) for value in columns[at_key]]
    rows = index.rows(ids)
    known = np.flatnonzero(rows >= 0)
    if not len(known):
        examples = " and ".join(repr(value) for value in [*index.ids(np.arange(min(len(index), 1))), *ids[:1]])
        raise DataError(
            f"{where}: of its {len(ids):,} ids (column {names[at_key]!r}) none is among the {side}s of the events, as in {examples}: is "
            f"{side}s_id= the right column?"
        )
    row, first = np.unique(rows[known], return_index=True)
    place = known[first].tolist()
    features = {name: feature_column([columns[at][n] for n in place], row, len(index), name, missing=missing) for name, at in taken.items()}
    account.note(f"{where}: {len(row):,} of {len(index):,} {side}s found, with {', '.join(taken)}")
    return features


def rows_of(index: IdIndex, values: Sequence[Any]) -> Any:
    """Rows of ids that may be written as text or as floats, -1 where unknown; missing values are unknown."""
    return index.rows([_id(value) for value in values])


def _id(value: Any) -> int | str:
    """An id of a table as a lookup takes it; what is no id is the empty text, which is nobody's."""
    if isinstance(value, (float, np.floating)) and value == np.floor(value):
        value = int(value)
    if isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_)):
        return int(value) if -(2**63) <= int(value) < 2**63 else str(value)
    text = "" if value is None else str(value).strip()
    return text.split(".")[0] if is_whole(text) else text


def _by_id(index: IdIndex, source: Any) -> tuple[list[str], list[Sequence[Any]]] | None:
    """Columns of a dictionary {id: value} and of a matrix with a row for each id; None for all other sources."""
    if hasattr(source, "tocsr") and hasattr(source, "nnz"):
        rows = np.asarray(source.tocsr().toarray())
        return ["id", "vector"], [list(range(len(rows))), list(rows)]
    if not isinstance(source, Mapping) or not source:
        return None
    try:
        known = (index.rows(list(source)) >= 0).any()
    except DataError:  # keys that cannot be ids are names of columns
        return None
    values = list(source.values())
    if known:
        first = next((value for value in values if value is not None), None)
        listed = not isinstance(first, str) and hasattr(first, "__iter__")
        texts = all(isinstance(entry, str) for entry in (list(first) if listed else [first]))  # type: ignore[arg-type]
        name = ("tags" if texts else "vector") if listed else "text" if texts else "value"
        return ["id", name], [list(source), values]
    if all(isinstance(value, Mapping) for value in values):  # {feature: {id: value}}
        ids = list(dict.fromkeys(key for value in values for key in value))
        return ["id", *map(str, source)], [ids, *([value.get(key) for key in ids] for value in values)]
    return None


def _columns(source: Any, layout: Mapping[str, Any], where: str, account: Account) -> tuple[list[str], list[Sequence[Any]]]:
    if not isinstance(source, (str, Path)) and not is_address(source):
        try:
            table = as_table(source)
        except DataError:
            raise DataError(f"{where}: a path or a table is needed, got {type(source).__name__}") from None
        names = column_names(table) or []
        return names, table_columns(table, names)
    with local(source) as path:
        kind = kind_of(path)
        if kind == "parquet":
            names = [name for name, _ in parquet_schema(path)]
            fetched = parquet_columns(path, names)
            return names, [fetched[name].tolist() for name in names]
        if kind == "npz":
            arrays = npz_arrays(path)
            return list(arrays), [array.tolist() for array in arrays.values()]
        encoding = encoding_of(path, layout["encoding"])
        form = "csv" if layout["delimiter"] else _form(path, encoding)
        if form in RECORD_FORMS:
            names = field_names(records(path, form, encoding), where)
            found = [record for _, record in records(path, form, encoding) if record is not None]
            return names, [[value_at(record, name) for record in found] for name in names]
        return _text_columns(path, layout, account)


def _form(path: Path, encoding: str) -> str:
    try:
        return form_of_text(path, encoding)
    except DataError:  # not of this encoding: the reader of delimited text tries another
        return "csv"


def _text_columns(path: Path, given: Mapping[str, Any], account: Account) -> tuple[list[str], list[Sequence[Any]]]:
    """A small delimited file, by the standard library; without a given encoding UTF-8, else Latin-1."""
    try:
        layout = sniff(path, **given)
        rows = _rows(layout)
    except DataError:
        if given["encoding"] is not None:
            raise
        layout = sniff(path, **{**given, "encoding": "latin-1"})
        rows = _rows(layout)
        account.note(f"{path}: not valid UTF-8, read as Latin-1")
    rows = [row for row in rows[layout.skip :] if row and row != [""]]
    whole = [row for row in rows if len(row) == len(layout.names)]
    if len(whole) < len(rows):
        account.note(f"{path}: {len(rows) - len(whole):,} rows with another number of fields than {len(layout.names)} left out")
    return layout.names, list(zip(*whole, strict=True)) if whole else [() for _ in layout.names]


def _rows(layout: Layout) -> list[list[str]]:
    try:
        return list(split_lines(text_lines(layout.path, layout.encoding), layout.delimiter, layout.quote))
    except csv.Error as error:
        raise DataError(f"{layout.path}: malformed ({error})") from None

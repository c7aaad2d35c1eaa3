"""Reading events from anywhere: files, tables in memory, databases."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import DataError, DataWarning, ParameterError
from ..account import Account
from ..dataset import Dataset
from .assemble import assemble
from .csv_compiled import read_csv_compiled
from .csv_plain import jsonl_keys, read_csv_plain, read_jsonl_plain
from .duck import has_duckdb
from .duck_events import read_csv_duckdb, read_jsonl_duckdb, read_parquet_duckdb
from .formats import movielens, npz_arrays, read_lists
from .item_tables import with_items
from .parquet import parquet_columns, parquet_schema
from .raw import RawEvents
from .roles import Pick, position, refuse_wide, resolve
from .tables import column_names, from_columns, query_columns, query_sqlite, read_table
from .textfile import sniff

FORMATS = ("csv", "jsonl", "parquet", "npz", "sqlite", "movielens", "adjacency", "sequences")
_BY_SUFFIX = {
    ".parquet": "parquet", ".pq": "parquet", ".npz": "npz", ".jsonl": "jsonl", ".ndjson": "jsonl", ".sqlite": "sqlite",
    ".sqlite3": "sqlite", ".db": "sqlite",
}  # fmt: skip


def read(source: Any, **settings: Any) -> Dataset:
    """Read events into a Dataset; `read_with_account` with a DataWarning in place of the account where rows were removed.

    >>> import minirec as mr
    >>> mr.read({"customer": [1, 1, 2], "sku": ["a", "b", "a"], "qty": [1, 3, 1]})
    Dataset('events': 3 events, 2 users, 2 items, with weight)
    """
    data, account = read_with_account(source, **settings)
    if account.total():
        warnings.warn(f"{data.name}: {account.total():,} rows were not used\n{account}", DataWarning, stacklevel=2)
    return data


def read_with_account(
    source: Any,
    *,
    user: Pick = None,
    item: Pick = None,
    time: Pick = None,
    weight: Pick = None,
    kind: Pick = None,
    kind_weights: Mapping[str, float] | None = None,
    format: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    query: str | None = None,
    item_text: str | Sequence[str] = (),
    items: Any = None,
    items_id: Pick = None,
    items_text: Sequence[str | int] | None = None,
    name: str | None = None,
) -> tuple[Dataset, Account]:
    """Read events; return the data set and the account of what was guessed, removed and filled.

    source : a path (CSV, TSV, .dat or other delimited text, JSON lines, Parquet, npz of named arrays, SQLite with `query`; gzip is
        seen by its content), a table (pandas, polars, Arrow, or a dictionary of columns), or a DB-API connection with `query`.
    user, item, time, weight, kind : the column by name or by position from 0; None: guessed by its name (without a header: user,
        item, weight, time in this order), which the account notes; False: not used. User and item are needed.
    kind_weights : {kind: weight}, such as {"view": 1, "cart": 3, "buy": 5}; an event then weighs that, times its own weight.
    format : one of csv, jsonl, parquet, npz, sqlite, movielens (100k, 1M, latest: file or folder, with titles), adjacency (lines of
        "user item item ...", as LightGCN has them), sequences (the same, items in the order of time). Default: by the name's ending.
    delimiter, encoding, header : of delimited text; default: told from the first lines, UTF-8.
    item_text : column(s) of the events that describe the item, such as a title; kept as item features, of each item the first.
    items, items_id, items_text : a second file or table with one row an item: its id column, and the columns to keep.

    Ids are integers where every id of the column reads as one and would be written the same (so 007 stays a string), else
    strings. Datetimes become seconds since 1970 (UTC where no zone is given). What is removed and how gaps are filled: see
    `assemble`. A DataError says what is missing and which columns there are. CSV, JSON lines and Parquet go through DuckDB where
    it is installed (extra: io), O(n); without it CSV and JSON lines are read by the standard library, slower. Large delimited files
    without quotes or surprises are read by compiled kernels (extra: numba), several times faster; the result is the same.
    """
    account = Account()
    picks: dict[str, Pick] = {"user": user, "item": item, "time": time, "weight": weight, "kind": kind}
    label = name or (Path(source).name.split(".")[0] if isinstance(source, (str, Path)) else "events")
    texts = [item_text] if isinstance(item_text, str) else list(item_text)
    item_settings: dict[str, Any] = {"item": items_id, "text": items_text}
    if isinstance(source, (str, Path)):
        path = Path(source).expanduser()
        form = _format(path, format, query)
        if form == "movielens":
            found = movielens(path)
            picks = {role: at if picks[role] is None else picks[role] for role, at in found.picks.items()} | {"kind": kind}
            path, delimiter, header = found.ratings, delimiter or found.delimiter, found.header if header is None else header
            encoding = encoding or found.encoding
            if items is None and found.items is not None:
                items = found.items
                item_settings = {"item": 0, "text": found.item_columns, "delimiter": found.item_delimiter, "header": found.header}
            form = "csv"
        raw = _read_file(path, form, picks, texts, account, delimiter=delimiter, encoding=encoding, header=header, query=query)
    elif query is not None:
        names, columns = query_columns(source, query, "query")
        raw = _from_objects(names, columns, picks, texts, account, "query")
    else:
        named = column_names(source)
        if named is None:
            raise DataError(f"cannot read a {type(source).__name__}: pass a path, a table, or a DB-API connection with query=")
        roles, text = _resolved(named, picks, texts, label, account)
        raw = read_table(source, roles, text, label)
    data = assemble(raw, account, kind_weights=kind_weights, name=label)
    if items is not None:
        data = with_items(data, items, account, **item_settings)
    return data, account


def _format(path: Path, given: str | None, query: str | None) -> str:
    if given is not None:
        if given not in FORMATS:
            raise ParameterError(f"format must be one of {', '.join(FORMATS)}, got {given!r}")
        return given
    if query is not None:
        return "sqlite"
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; name a file in it, or pass format='movielens'")
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    return _BY_SUFFIX.get(suffixes[-1] if suffixes else "", "csv")


def _read_file(
    path: Path,
    form: str,
    picks: dict[str, Pick],
    texts: list[str],
    account: Account,
    *,
    delimiter: str | None,
    encoding: str | None,
    header: bool | None,
    query: str | None,
) -> RawEvents:
    where = str(path)
    if form == "csv":
        return _read_csv(path, picks, texts, account, delimiter=delimiter, encoding=encoding, header=header)
    if form == "jsonl":
        return _read_jsonl(path, picks, texts, account)
    if form in ("adjacency", "sequences"):
        return read_lists(path, account, encoding=encoding or "utf-8", ordered=form == "sequences")
    if form == "sqlite":
        if query is None:
            raise ParameterError(f"{path}: a database needs query='select ...'")
        return _from_objects(*query_sqlite(path, query), picks, texts, account, where)
    if form == "npz":
        arrays = npz_arrays(path)
        roles, text = _resolved(list(arrays), picks, texts, where, account)
        return read_table(arrays, roles, text, where)
    columns = parquet_schema(path)
    roles, text = _resolved([column for column, _ in columns], picks, texts, where, account)
    if has_duckdb():
        return read_parquet_duckdb(path, columns, roles, text)
    table = parquet_columns(path, [columns[at][0] for at in sorted({*roles.values(), *text.values()})])
    place = {at: list(table).index(columns[at][0]) for at in {*roles.values(), *text.values()}}
    return read_table(table, {role: place[at] for role, at in roles.items()}, {label: place[at] for label, at in text.items()}, where)


def _read_csv(
    path: Path,
    picks: dict[str, Pick],
    texts: list[str],
    account: Account,
    *,
    delimiter: str | None,
    encoding: str | None,
    header: bool | None,
) -> RawEvents:
    by_position = isinstance(picks["user"], int) and isinstance(picks["item"], int)
    layout = sniff(path, encoding=encoding, delimiter=delimiter, header=header, by_position=by_position)
    roles, text = _resolved(layout.names, picks, texts, str(path), account, layout.sample[:50], layout.header)
    raw = read_csv_compiled(layout, roles, text)
    if raw is None and has_duckdb():
        raw = read_csv_duckdb(layout, roles, text, account)
    return raw or read_csv_plain(layout, roles, text, account)


def _read_jsonl(path: Path, picks: dict[str, Pick], texts: list[str], account: Account) -> RawEvents:
    names = jsonl_keys(path)
    roles, text = _resolved(names, picks, texts, str(path), account)
    by_key = {role: names[at] for role, at in roles.items()}
    raw = read_jsonl_duckdb(path, by_key, list(text), account) if has_duckdb() else None
    return raw or read_jsonl_plain(path, by_key, list(text), account)


def _from_objects(
    names: list[str], columns: list[list[Any]], picks: dict[str, Pick], texts: list[str], account: Account, where: str
) -> RawEvents:
    roles, text = _resolved(names, picks, texts, where, account)
    by_role = {role: (columns[at], None) for role, at in roles.items()}
    return from_columns(by_role, {label: (columns[at], None) for label, at in text.items()}, where)


def _resolved(
    names: Sequence[str],
    picks: dict[str, Pick],
    texts: list[str],
    where: str,
    account: Account,
    sample: Sequence[Sequence[str | None]] = (),
    header: bool = True,
) -> tuple[dict[str, int], dict[str, int]]:
    refuse_wide(len(names), where)
    text = {names[at]: at for at in (position(names, pick, where, "item_text") for pick in texts)}
    roles = resolve(names, picks, where, account, sample, header)
    return roles, text

"""Reading events from anywhere: files, tables in memory, databases."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import DataError, DataWarning, ParameterError
from ..account import Account
from ..dataset import Dataset
from .assemble import assemble
from .csv_compiled import read_csv_compiled
from .csv_plain import read_csv_plain
from .duck import has_duckdb
from .duck_events import read_csv_duckdb, read_jsonl_duckdb, read_parquet_duckdb
from .formats import movielens, npz_arrays, read_lists
from .item_tables import with_items, with_users
from .memory import as_table, query_result
from .opening import encoding_of, is_address, is_utf8, kind_of, local
from .parquet import parquet_columns, parquet_schema
from .published import Published, amazon, mind, netflix, otto, recbole
from .raw import MISSING, RawEvents
from .records import RECORD_FORMS, Record, explode_fields, exploded, field_names, form_of_text, read_records, records
from .roles import Pick, position, refuse_wide, resolve
from .tables import column_names, from_columns, query_columns, query_sqlite, read_table, table_columns
from .textfile import sniff, split_rows

FORMATS = (
    "csv", "jsonl", "parquet", "npz", "sqlite", "movielens", "netflix", "recbole", "mind", "otto", "amazon", "adjacency", "sequences",
)  # fmt: skip
_PUBLISHED = {"recbole": recbole, "otto": otto, "amazon": amazon}


def read(source: Any, **settings: Any) -> Dataset:
    """Read events into a Dataset; `read_with_account` with a DataWarning in place of the account where rows were removed, or where
    something in them deserves a look.

    >>> import minirec as mr
    >>> mr.read({"customer": [1, 1, 2], "sku": ["a", "b", "a"], "qty": [1, 3, 1]})
    Dataset('events': 3 events, 2 users, 2 items, with weight)
    """
    data, account = read_with_account(source, **settings)
    if account.total():
        warnings.warn(f"{data.name}: {account.total():,} rows were not used\n{account}", DataWarning, stacklevel=2)
    else:
        for text in account.warnings:
            warnings.warn(text, DataWarning, stacklevel=2)
    return data


@dataclass(frozen=True)
class _Request:
    """What the caller said of the columns and of the file."""

    picks: dict[str, Pick]
    texts: list[str]
    explode: list[str]
    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None


def read_with_account(
    source: Any,
    *,
    user: Pick = None,
    item: Pick = None,
    time: Pick = None,
    weight: Pick = None,
    kind: Pick = None,
    kind_weights: Mapping[Any, float] | None = None,
    explode: str | Sequence[str] | None = None,
    format: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    query: Any = None,
    missing: Collection[str] = MISSING,
    negatives: str | None = None,
    time_format: str | None = None,
    time_unit: str | None = None,
    item_text: str | Sequence[str] = (),
    items: Any = None,
    items_id: Pick = None,
    items_text: Sequence[str | int] | None = None,
    users: Any = None,
    users_id: Pick = None,
    users_text: Sequence[str | int] | None = None,
    name: str | None = None,
) -> tuple[Dataset, Account]:
    """Read events; return the data set and the account of what was guessed, removed and filled.

    source : a path, an open file or an address (fsspec), of CSV, TSV or other delimited text, JSON lines, a JSON array, Python
        dictionaries, Parquet, npz of named arrays, SQLite with `query`; plain or in gzip, bzip2, xz, zstd or zip; the content tells
        which, not the name. Or a table: pandas, polars, Arrow, a dictionary of columns, a SciPy matrix, rows of (user, item, weight,
        time). Or a DB-API or SQLAlchemy connection with `query`.
    user, item, time, weight, kind : the column by name or by position from 0, `user.id` for a field within an object; None: guessed by
        its name (without a header, and where none is given: user, item, weight, time in this order), which the account notes; False:
        not used. User and item are needed.
    kind_weights : {kind: weight}, such as {"view": 1, "cart": 3, "buy": 5}; an event then weighs that, times its own weight.
    explode : the field, or fields side by side, that hold a list of events, or of items (a text is divided at blanks and commas): one
        row for each entry.
    format : one of csv, jsonl, parquet, npz, sqlite, movielens (100k, 1M, latest: file or folder, with titles), netflix, recbole, mind,
        otto, amazon, adjacency (lines of "user item item ...", as LightGCN has them), sequences (the same, items in the order of time).
        Default: recognized by content.
    delimiter, encoding, header : of delimited text; default: told from the first lines, UTF-8 or what a byte-order mark says.
    missing : the texts that stand for nothing, beside the empty one; () where NA and the like are real ids or names.
    negatives : "drop" negative weights, or "keep" them without a warning.
    time_format : how times are written, for `datetime.strptime`; default: told, see `dates`. time_unit : what whole numbers count: "s",
        "ms", "us", "ns", or "order"; default: told from their size.
    item_text : column(s) of the events that describe the item, such as a title; kept as item features, of each item the first.
    items, items_id, items_text; users, users_id, users_text : a second file or table with one row an item (a user): its id column, and
        the columns to keep; or {feature: {id: value}}, or {id: tags}.

    Ids are integers where every id of the column reads as one and would be written the same (so 007 stays a string), else
    strings. Datetimes are UTC where no zone is given, and keep their fractions of a second. What is removed and how gaps are filled: see
    `assemble`. A DataError says what is missing and which columns there are. CSV, JSON lines and Parquet go through DuckDB where
    it is installed (extra: io), O(n); without it CSV and JSON lines are read by the standard library, slower. Large delimited files
    without quotes or surprises are read by compiled kernels (extra: numba), several times faster; the result is the same.
    """
    account = Account()
    picks: dict[str, Pick] = {"user": user, "item": item, "time": time, "weight": weight, "kind": kind}
    texts = [item_text] if isinstance(item_text, str) else list(item_text)
    request = _Request(picks, texts, explode_fields(explode), delimiter, encoding, header)
    label = name or _label(source)
    settings: dict[str, dict[str, Any]] = {"items": {"item": items_id, "text": items_text}, "users": {"user": users_id, "text": users_text}}
    if isinstance(source, Dataset):
        raise ParameterError("this is a Dataset already; nothing is to be read")
    if query is not None and (found := query_result(source, query, "query")) is not None:
        raw = _from_objects(*found, request, account, "query")
    elif isinstance(source, (str, Path)) or is_address(source):
        with local(source) as path:
            raw, beside = _read_path(path, request, account, format, query)
        for side, (table, extra) in beside.items():
            if (side == "items" and items is None) or (side == "users" and users is None):
                items, users = (table, users) if side == "items" else (items, table)
                settings[side] = extra
    elif query is not None:
        raw = _from_objects(*query_columns(source, query, "query"), request, account, "query")
    else:
        raw = _read_memory(as_table(source), request, account, label)
    data = assemble(
        raw,
        account,
        kind_weights=kind_weights,
        negatives=negatives,
        missing=missing,
        time_format=time_format,
        time_unit=time_unit,
        name=label,
    )
    if items is not None:
        data = with_items(data, items, account, missing=missing, **settings["items"])
    if users is not None:
        data = with_users(data, users, account, missing=missing, **settings["users"])
    return data, account


def _label(source: Any) -> str:
    if isinstance(source, (str, Path)) and "://" in str(source):
        return str(source).split("?")[0].rsplit("/", 1)[-1].split(".")[0] or "events"
    named = source if isinstance(source, (str, Path)) else getattr(source, "name", None) if hasattr(source, "read") else None
    return (Path(named).name.split(".")[0] if isinstance(named, (str, Path)) else "") or "events"


def _read_path(
    path: Path, request: _Request, account: Account, given: str | None, query: Any
) -> tuple[RawEvents, dict[str, tuple[Any, dict[str, Any]]]]:
    """The raw events of a file, and the tables of items and users that lie beside it."""
    beside: dict[str, tuple[Any, dict[str, Any]]] = {}
    form = _format(path, given, query, request.encoding)
    if form == "movielens":
        found = movielens(path)
        request = replace(
            request,
            picks=_with(request.picks, found.picks),
            delimiter=request.delimiter or found.delimiter,
            header=found.header if request.header is None else request.header,
            encoding=request.encoding or found.encoding,
        )
        if found.items is not None:
            columns = {"item": 0, "text": found.item_columns, "delimiter": found.item_delimiter, "header": found.header}
            beside["items"] = (found.items, columns)
        return _read_csv(found.ratings, request, account), beside
    if form == "mind":
        raw, news = mind(path, account)
        if news is not None:
            text = {"category": 1, "subcategory": 2, "title": 3, "abstract": 4}
            beside["items"] = (news, {"item": 0, "text": text, "delimiter": "\t", "header": False})
        return raw, beside
    if form == "netflix":
        return netflix(path, account), beside
    if form in _PUBLISHED:
        layout: Published = _PUBLISHED[form](path)
        if layout.items is not None:
            beside["items"] = (layout.items, layout.item_settings)
        if layout.users is not None:
            beside["users"] = (layout.users, {"delimiter": "\t", "header": True})
        fields = layout.settings.get("explode")
        others = {name: value for name, value in layout.settings.items() if name != "explode"}
        request = replace(request, picks=_with(request.picks, layout.picks), explode=request.explode or explode_fields(fields), **others)
        path, form = layout.path, layout.form
    return _read_file(path, form, request, account, query), beside


def _with(picks: dict[str, Pick], known: Mapping[str, Pick]) -> dict[str, Pick]:
    """The picks of the caller, and where there is none what the format says."""
    return {role: known.get(role) if pick is None else pick for role, pick in picks.items()}


def _format(path: Path, given: str | None, query: Any, encoding: str | None) -> str:
    if given is not None and given not in FORMATS:
        raise ParameterError(f"format must be one of {', '.join(FORMATS)}, got {given!r}")
    if given is not None and given != "jsonl":
        return given
    if query is not None:
        return "sqlite"
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; name a file in it, or pass format='movielens' (or recbole, mind, netflix, otto)")
    kind = kind_of(path)
    if kind in ("parquet", "sqlite", "npz"):
        return kind
    form = form_of_text(path, encoding_of(path, encoding))
    return "jsonl" if given == "jsonl" and form == "csv" else form


def file_columns(
    path: Path, *, format: str | None = None, encoding: str | None = None, delimiter: str | None = None, header: bool | None = None
) -> list[str]:
    """The names of the columns of a file, as far as they can be had without reading it; [] where they have none."""
    form = _format(path, format, None, encoding)
    if form == "parquet":
        return [column for column, _ in parquet_schema(path)]
    if form in RECORD_FORMS:
        return field_names(records(path, form, encoding_of(path, encoding)), str(path))
    if form == "npz":
        return list(npz_arrays(path))
    if form != "csv":
        return []
    layout = sniff(path, encoding=encoding, delimiter=delimiter, header=header)
    return layout.names if layout.header else []


def _read_file(path: Path, form: str, request: _Request, account: Account, query: Any) -> RawEvents:
    where = str(path)
    if form == "csv":
        return _read_csv(path, request, account)
    if form in RECORD_FORMS:
        return _read_records(path, form, request, account)
    if form in ("adjacency", "sequences"):
        return read_lists(path, account, encoding=encoding_of(path, request.encoding), ordered=form == "sequences")
    if form == "sqlite":
        if query is None:
            raise ParameterError(f"{path}: a database needs query='select ...'")
        return _from_objects(*query_sqlite(path, query), request, account, where)
    if form == "npz":
        return _read_memory(npz_arrays(path), request, account, where)
    columns = parquet_schema(path)
    names = [column for column, _ in columns]
    if request.explode:
        table = parquet_columns(path, names)
        return _exploded_table({name: values.tolist() for name, values in table.items()}, request, account, where)
    roles, text = _resolved(names, request, where, account)
    if has_duckdb():
        return read_parquet_duckdb(path, columns, roles, text)
    table = parquet_columns(path, [columns[at][0] for at in sorted({*roles.values(), *text.values()})])
    place = {at: list(table).index(columns[at][0]) for at in {*roles.values(), *text.values()}}
    return read_table(table, {role: place[at] for role, at in roles.items()}, {label: place[at] for label, at in text.items()}, where)


def _read_csv(path: Path, request: _Request, account: Account) -> RawEvents:
    by_position = isinstance(request.picks["user"], int) and isinstance(request.picks["item"], int)
    layout = sniff(path, encoding=request.encoding, delimiter=request.delimiter, header=request.header, by_position=by_position)
    if request.explode:
        fields = [layout.names[position(layout.names, _number_or_name(pick), str(path), "explode")] for pick in request.explode]

        def rows() -> Iterator[Record]:
            return exploded(split_rows(layout), fields, str(path))

        return _picked(rows, layout.names, replace(request, picks=_named(request.picks, layout.names, str(path))), account, path)
    roles, text = _resolved(layout.names, request, str(path), account, layout.sample[:50], layout.header)
    raw = read_csv_compiled(layout, roles, text)
    if raw is None and has_duckdb():
        raw = read_csv_duckdb(layout, roles, text, account)
    return raw or read_csv_plain(layout, roles, text, account)


def _number_or_name(pick: str) -> str | int:
    return int(pick) if pick.isdecimal() else pick


def _named(picks: dict[str, Pick], names: list[str], where: str) -> dict[str, Pick]:
    """Picks by position as picks by name."""
    return {
        role: names[position(names, pick, where, role)] if isinstance(pick, int) and not isinstance(pick, bool) else pick
        for role, pick in picks.items()
    }


def _read_records(path: Path, form: str, request: _Request, account: Account) -> RawEvents:
    encoding = encoding_of(path, request.encoding)

    def rows() -> Iterator[Record]:
        found = records(path, form, encoding)
        return exploded(found, request.explode, str(path)) if request.explode else found

    names = field_names(rows(), str(path))
    roles, text = _resolved(names, request, str(path), account)
    by_name = {role: names[at] for role, at in roles.items()}
    flat = form == "jsonl" and not request.explode and is_utf8(encoding) and not any("." in name for name in (*by_name.values(), *text))
    raw = read_jsonl_duckdb(path, by_name, list(text), account) if flat and has_duckdb() else None
    return raw or read_records(rows, path, by_name, list(text), account)


def _picked(rows: Any, names: list[str], request: _Request, account: Account, path: Path) -> RawEvents:
    roles, text = _resolved(names, request, str(path), account)
    return read_records(rows, path, {role: names[at] for role, at in roles.items()}, list(text), account)


def _read_memory(table: Any, request: _Request, account: Account, where: str) -> RawEvents:
    named = column_names(table)
    if named is None:
        raise DataError(f"cannot read a {type(table).__name__}: pass a path, a table, or a database connection with query=")
    if request.explode:
        return _exploded_table(dict(zip(named, table_columns(table, named), strict=True)), request, account, where)
    roles, text = _resolved(named, request, where, account)
    return read_table(table, roles, text, where)


def _exploded_table(columns: dict[str, Sequence[Any]], request: _Request, account: Account, where: str) -> RawEvents:
    names = list(columns)
    fields = [names[position(names, _number_or_name(pick), where, "explode")] for pick in request.explode]

    def rows() -> Iterator[Record]:
        found = (dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True))
        return exploded(((at, record) for at, record in enumerate(found, 1)), fields, where)

    raw = _picked(rows, field_names(rows(), where), replace(request, picks=_named(request.picks, names, where)), account, Path(where))
    raw.typed = False
    return raw


def _from_objects(names: list[str], columns: list[list[Any]], request: _Request, account: Account, where: str) -> RawEvents:
    roles, text = _resolved(names, request, where, account)
    by_role = {role: (columns[at], None) for role, at in roles.items()}
    return from_columns(by_role, {label: (columns[at], None) for label, at in text.items()}, where)


def _resolved(
    names: Sequence[str],
    request: _Request,
    where: str,
    account: Account,
    sample: Sequence[Sequence[str | None]] = (),
    header: bool = True,
) -> tuple[dict[str, int], dict[str, int]]:
    refuse_wide(len(names), where)
    text = {names[at]: at for at in (position(names, pick, where, "item_text") for pick in request.texts)}
    roles = resolve(names, request.picks, where, account, sample, header)
    return roles, text

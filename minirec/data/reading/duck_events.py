"""Events through DuckDB: one pass over the file, columns converted there, and only numbers handed to Python.

Integer ids come as int64 and are made dense by NumPy. Of texts DuckDB hands over a hash a row and the distinct values, so that no
Python string is made for a row, only for an id. Whatever takes judgement (dates, numbers that are none, quotes that are not closed)
is left to the parsers that every engine shares. Rows keep the order of the file.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ..account import MAX_EXAMPLES, Account
from ..ids import IdIndex, places
from .csv_plain import Malformed, line_numbers
from .duck import Column, connect, duckdb_error, file_name, literal, quoted, raise_limits
from .opening import as_plain_utf8
from .raw import MISSING, Ids, Numbers, RawEvents, Times, ids_from_array, in_coarsest, numbers_from_array, times_from_array
from .textfile import Layout, all_whole

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_WIDE = ("UBIGINT", "HUGEINT", "UHUGEINT", "BIGNUM", "VARCHAR", "UUID")
_REAL = ("FLOAT", "DOUBLE")
_LONG = 2**16  # bytes of a line: DuckDB's time grows with the square of the fields of a malformed one, the plain reader's does not
_QUOTES = ("UNQUOTED VALUE", "UNTERMINATED QUOTES", "INVALID STATE")  # the plain reader says what becomes of these


def read_csv_duckdb(layout: Layout, roles: dict[str, int], text: dict[str, int], account: Account) -> RawEvents | None:
    """The picked columns of a delimited file; None where DuckDB cannot parse it and the plain reader should."""
    if layout.skip > int(layout.header) or layout.bare_cr:
        return None  # blank lines at the top: versions of DuckDB disagree on how they are skipped
    guess: dict[str, bool] = {role: all_whole(layout, roles[role]) for role in ("user", "item", "time") if role in roles}
    with as_plain_utf8(layout.path, layout.encoding, layout.delimiter) as (path, delimiter):
        if _longest_line(path) > _LONG:
            return None
        while True:
            with connect() as connection:
                try:
                    _load_csv(connection, path, delimiter, layout, roles, text, guess)
                    if not _count_rejects(connection, layout, account):
                        return None
                    wrong = [role for role, whole in guess.items() if whole and _any(connection, f"{role}_odd")]
                    if wrong:  # the first rows promised integers, a later one broke the promise: read that column as text
                        guess.update(dict.fromkeys(wrong, False))
                        account.entries.clear()
                        continue
                    raw = _fetch(connection, list(roles), guess, list(text), str(layout.path))
                    raw.header = (layout.names[roles["user"]], layout.names[roles["item"]]) if layout.header else None
                    return raw
                except duckdb_error() as error:
                    raise_limits(error)
                    account.entries.clear()
                    return None


def _longest_line(path: Path) -> int:
    """Bytes of the longest line. One scan at the speed of memory; O(1) memory."""
    longest, open_ = 0, 0  # of the line that the block before did not end
    with open(path, "rb") as file:
        while block := file.read(2**22):
            ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
            if not len(ends):
                open_ += len(block)
                continue
            longest = max(longest, open_ + int(ends[0]), int(np.diff(ends).max(initial=0)))
            open_ = len(block) - int(ends[-1]) - 1
    return max(longest, open_)


def _load_csv(
    connection: Any, path: Path, delimiter: str, layout: Layout, roles: dict[str, int], text: dict[str, int], guess: dict[str, bool]
) -> None:
    select = []
    for role, at in roles.items():
        select += _converted(role, f"c{at}", guess.get(role, False))
    select += [f"nullif(trim(c{at}), '') AS text_{number}" for number, at in enumerate(text.values())]
    columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(len(layout.names)))
    connection.execute(
        f"CREATE TEMP TABLE events AS SELECT {', '.join(select)} FROM read_csv(?, auto_detect=false, header=false, "
        f"skip={layout.skip}, delim=?, quote=?, escape=?, columns={{{columns}}}, hive_partitioning=false, "
        "store_rejects=true, rejects_limit=0, max_line_size=4194304)",
        [file_name(path), delimiter, layout.quote, layout.quote],
    )


def _converted(role: str, column: str, whole: bool) -> list[str]:
    """SQL that converts a text column for its role. `_odd`: for whole numbers whether it contradicts the guess; for weights the text."""
    trimmed = f"nullif(trim({column}), '')"
    if role in ("user", "item", "time") and whole:
        number = f"TRY_CAST({column} AS BIGINT)"
        nothing = ", ".join(map(literal, MISSING))
        same = f"{number}::VARCHAR = {column}" if role != "time" else f"{number} IS NOT NULL AND NOT contains({column}, '.')"
        odd = f"CASE WHEN {same} THEN false ELSE {column} IS NOT NULL AND {column} NOT IN ({nothing}) END"
        return [f"{number} AS {role}", f"{odd} AS {role}_odd"]
    if role == "weight":
        number = f"TRY_CAST({column} AS DOUBLE)"
        plain = f"isfinite({number}) AND NOT contains({column}, '_')"
        return [
            f"CASE WHEN {plain} THEN {number} END AS weight",
            f"CASE WHEN {plain} THEN NULL ELSE {trimmed} END AS weight_odd",
        ]
    return [f"{trimmed} AS {role}"]


def _any(connection: Any, flag: str) -> bool:
    return bool(connection.execute(f"SELECT bool_or({flag}) FROM events").fetchone()[0])


def _count_rejects(connection: Any, layout: Layout, account: Account) -> bool:
    """Count the lines that are not rows; False where quotes are the reason, of which DuckDB makes less than the plain reader."""
    rejects = connection.execute(
        "SELECT line, any_value(error_type::VARCHAR), any_value(error_message) FROM reject_errors GROUP BY line ORDER BY line"
    )
    malformed = Malformed(layout.path, account)
    for line, kind, message in rejects.fetchall():
        if kind.startswith("INVALID "):  # dropping every line with an accent would be a silent loss
            raise DataError(f"{layout.path}, line {line}: not valid UTF-8: pass encoding=, such as 'latin-1'")
        if kind in _QUOTES:
            return False
        malformed.add(line, message.splitlines()[0])
    malformed.close()
    return True


def _fetch(connection: Any, roles: list[str], whole: dict[str, bool], text: list[str], where: str, unit: str | None = None) -> RawEvents:
    """Raw events out of the temporary table or view `events`; `unit` is that of a time column of dates."""

    def column(name: str) -> Column:
        # a column at a time: DuckDB holds a result as a whole before it becomes arrays
        values: Column = connection.execute(f"SELECT {name} AS x FROM events").fetchnumpy()["x"]
        return values

    def ids(role: str) -> Ids:
        if whole.get(role, False):
            values = column(role)
            return ids_from_array(np.ma.getdata(values), np.ma.getmaskarray(values), f"{role} id")
        return _coded(connection, role)

    def weight() -> Numbers | None:
        if "weight" not in roles:
            return None
        values = column("weight")
        got = numbers_from_array(np.ma.getdata(values), np.ma.getmaskarray(values))
        untouched = whole.get("weight", False) or not connection.execute("SELECT count(weight_odd) FROM events").fetchone()[0]
        return got if untouched else got._replace(odd=_coded(connection, "weight_odd"))

    def time() -> Times | Ids | None:
        if "time" not in roles:
            return None
        if "time" not in whole or not whole["time"]:
            return _coded(connection, "time")
        values = column("time")
        got = times_from_array(np.ma.getdata(values), np.ma.getmaskarray(values))
        return got if unit is None or isinstance(got, Ids) else got._replace(unit=unit)

    return RawEvents(
        ids("user"),
        ids("item"),
        weight(),
        time(),
        ids("kind") if "kind" in roles else None,
        {name: _coded(connection, f"text_{number}") for number, name in enumerate(text)},
        where,
    )


def _coded(connection: Any, column: str) -> Ids:
    """Dense codes of a text column, in the order of the UTF-8 bytes of its distinct values.

    DuckDB hands out a hash of each row, which is a number; the distinct values tell which hash is whose.
    """
    for salt in count():
        found = connection.execute(
            f"SELECT v, strlen(v) AS n, hash(v, {salt}) AS h FROM (SELECT DISTINCT {column} AS v FROM events) ORDER BY v NULLS LAST"
        ).fetchnumpy()
        order = np.argsort(found["h"])
        hashes = np.asarray(found["h"])[order]
        if (hashes[1:] > hashes[:-1]).all():  # else two values share a hash: by chance, once in a billion files
            break
    rows = np.asarray(connection.execute(f"SELECT hash({column}, {salt}) AS h FROM events").fetchnumpy()["h"])
    strings = [value for value in found["v"].tolist() if value is not None]
    offsets = np.append(0, np.cumsum(np.ma.getdata(found["n"])[: len(strings)]))
    index = IdIndex(np.zeros(0, np.int64), np.frombuffer("".join(strings).encode(), np.uint8), offsets)
    row_of_hash = np.where(order < len(strings), order, -1).astype(np.int32)
    return Ids(index, row_of_hash[places(hashes, rows)])


def read_parquet_duckdb(path: Path, columns: list[tuple[str, str]], roles: dict[str, int], text: dict[str, int]) -> RawEvents:
    """The picked columns of a Parquet file; `columns` as `parquet_schema` gives them."""
    whole: dict[str, bool] = {}
    unit: str | None = None
    select = []
    for role, at in roles.items():
        name, kind = quoted(columns[at][0]), columns[at][1]
        family = kind.split("(")[0].split(" ")[0]
        if role in ("user", "item", "kind"):
            if family not in (*_INTEGERS, *_WIDE, *_REAL, "DECIMAL", "ENUM", "BOOLEAN") or (family == "BOOLEAN" and role != "kind"):
                raise DataError(f"{path}: column {columns[at][0]!r} is of type {kind}; ids are whole numbers or strings: convert it first")
            whole[role] = family in (*_INTEGERS, *_REAL)
            select.append(f"{name}::DOUBLE AS {role}" if family in _REAL else f"{name}{'' if whole[role] else '::VARCHAR'} AS {role}")
        elif family in (*_INTEGERS, *_REAL, "DECIMAL", "BOOLEAN") and not (role == "time" and family in ("DECIMAL", "BOOLEAN")):
            whole[role] = True
            select.append(f"{name} AS {role}" if family in _INTEGERS else f"{name}::DOUBLE AS {role}")
        elif role == "time" and family.startswith(("TIMESTAMP", "DATE")):
            whole[role] = True
            unit = "ns" if family == "TIMESTAMP_NS" else "us"
            select.append(f"epoch_ns({name}) AS time" if unit == "ns" else f"epoch_us({name}::TIMESTAMP) AS time")
        else:
            select += _converted(role, f"{name}::VARCHAR", False)
    select += [f"nullif(trim({quoted(columns[at][0])}::VARCHAR), '') AS text_{number}" for number, at in enumerate(text.values())]
    with connect() as connection:
        try:
            source = literal(file_name(path))
            connection.execute(
                f"CREATE TEMP VIEW events AS SELECT {', '.join(select)} FROM read_parquet({source}, hive_partitioning=false)"
            )
            raw = _fetch(connection, list(roles), whole, list(text), str(path), unit)
        except duckdb_error() as error:
            raise_limits(error)
            raise DataError(f"{path}: {str(error).splitlines()[0]}") from None
    raw.typed = True
    if isinstance(raw.time, Times) and unit is not None:
        raw.time = in_coarsest(raw.time)
    return raw


def read_jsonl_duckdb(path: Path, roles: dict[str, str], text: list[str], account: Account) -> RawEvents | None:
    """The picked keys of JSON lines; None where the plain reader should take them: lines that DuckDB cannot parse, and values of
    picked keys that are neither texts nor whole numbers."""
    select = []
    for role, key in roles.items():
        select += _converted(role, f"json_extract_string(json, {_json_path(key)})", False)
    select += [f"nullif(trim(json_extract_string(json, {_json_path(key)})), '') AS text_{number}" for number, key in enumerate(text)]
    with as_plain_utf8(path) as (plain, _), connect() as connection:
        try:
            return _json_events(connection, path, plain, roles, text, select, account)
        except duckdb_error() as error:
            raise_limits(error)
            account.entries.clear()
            return None


def _json_events(
    connection: Any, path: Path, plain: Path, roles: dict[str, str], text: list[str], select: list[str], account: Account
) -> RawEvents | None:
    connection.execute(
        "CREATE TEMP TABLE lines AS SELECT json FROM read_json_objects(?, format='newline_delimited', ignore_errors=true, "
        "compression='none', hive_partitioning=false)",
        [file_name(plain)],
    )
    objects = "json IS NOT NULL AND json_type(json) = 'OBJECT'"
    for role, key in [*roles.items(), *(("text", key) for key in text)]:
        numbers = ("DOUBLE",) if role in ("weight", "time") else ()
        allowed = ", ".join(map(literal, ("VARCHAR", "BIGINT", "UBIGINT", "NULL", *numbers)))
        kind = f"json_type(json, {_json_path(key)})"
        if connection.execute(f"SELECT count(*) FROM lines WHERE {objects} AND {kind} NOT IN ({allowed})").fetchone()[0]:
            return None
    malformed = Malformed(path, account)
    places = [place for (place,) in connection.execute(f"SELECT rowid FROM lines WHERE ({objects}) IS NOT TRUE ORDER BY 1").fetchall()]
    lines = line_numbers(path, places[:MAX_EXAMPLES])
    for place in places:
        malformed.add(lines.get(place, 0), "not a JSON object")
    malformed.close()
    connection.execute(f"CREATE TEMP TABLE events AS SELECT {', '.join(select)} FROM lines WHERE {objects} ORDER BY rowid")
    return _fetch(connection, list(roles), {}, text, str(path))


def _json_path(key: str) -> str:
    """A JSON path to a key of the object, as an SQL literal."""
    return literal('$."' + key.replace('"', '\\"') + '"')

"""How a delimited text file is laid out: delimiter, quotes, header; the same answer for every engine."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DataError
from .opening import SAMPLE, damage_is_an_error, encoding_of, is_utf8, open_binary, text_lines
from .raw import MISSING, is_whole
from .roles import GUESSES, plain, refuse_wide, untyped

_LONGEST_FIRST_LINE = 2**23
_LINE_END = re.compile("\r\n|\n|\r")


@dataclass(frozen=True)
class Layout:
    """How a delimited file is laid out. `quote` is "" where quotes mean nothing; `skip` counts the lines before the first row (blank
    ones and the header); `sample` holds the first rows, without header; `bare_cr`: lines end in a carriage return alone."""

    path: Path
    encoding: str
    delimiter: str
    quote: str
    header: bool
    skip: int
    names: list[str]
    sample: list[list[str]]
    bare_cr: bool = False


def sniff(path: Path, *, encoding: str | None, delimiter: str | None, header: bool | None, by_position: bool = False) -> Layout:
    """The layout of a delimited file: what is given is taken, the rest is told from the first 256 kB.

    Delimiter: of `::`, tab, comma, semicolon, `|` and blank the one that divides the lines into the most columns evenly.
    Quotes count except in files with `::` or named *.dat. Header: a first line that names a user and an item column as minirec
    guesses them, or, where columns are not picked by position, one without numbers.
    """
    encoding = encoding_of(path, encoding)
    start, complete = _start(path, encoding)
    lines = _LINE_END.split(start)[: None if complete else -1]  # the last line may be cut off
    blank = next((at for at, line in enumerate(lines) if line.strip()), None)
    if blank is None:
        raise DataError(f"{path}: the file is empty")
    lines = [line for line in lines[blank : blank + 200] if line.strip()]
    bare_cr = "\r" in start and "\n" not in start
    delimiter = delimiter or _delimiter(lines, path)
    quote = "" if len(delimiter) > 1 or ".dat" in path.suffixes else '"'
    rows = [_fields(line, delimiter, quote) for line in lines]
    refuse_wide(len(rows[0]), str(path))
    if header is None:
        header = _is_header(rows, by_position)
    names = untyped([name.strip() for name in rows[0]]) if header else [f"column {at}" for at in range(len(rows[0]))]
    sample = rows[1:] if header else rows
    fitting = [row for row in sample if len(row) == len(names)]
    return Layout(path, encoding, delimiter, quote, header, blank + int(header), names, fitting, bare_cr)


def split_lines(lines: Iterator[str] | list[str], delimiter: str, quote: str) -> Iterator[list[str]]:
    """Rows of fields; the csv module where quotes count, a plain split where they do not."""
    if quote:
        return csv.reader(iter(lines), delimiter=delimiter, quotechar=quote)
    return (line.rstrip("\r\n").split(delimiter) for line in lines)


def split_rows(layout: Layout) -> Iterator[tuple[int, dict[str, str] | None]]:
    """The rows as records {column: text} with their lines; None for a row with another number of fields."""
    lines = text_lines(layout.path, layout.encoding)
    for line, row in enumerate(split_lines(lines, layout.delimiter, layout.quote), 1):
        if line > layout.skip and row and row != [""]:
            yield line, dict(zip(layout.names, row, strict=True)) if len(row) == len(layout.names) else None


def _start(path: Path, encoding: str) -> tuple[str, bool]:
    """The decoded beginning of the file, with at least one whole line, and whether that is all of it."""
    with damage_is_an_error(path, encoding), open_binary(path) as file:
        data = file.read(SAMPLE)
        while not (b"\n" in data or b"\r" in data) and len(data) < _LONGEST_FIRST_LINE and (more := file.read(SAMPLE)):
            data += more
        complete = not file.read(1)
        if b"\0" in data[:1000] and not encoding.lower().startswith(("utf-16", "utf-32", "utf16", "utf32")):
            raise DataError(f"{path}: this is not a text file; pass format= if it is of a known kind")
        if not complete and b"\n" not in data and b"\r" not in data:
            raise DataError(f"{path}: the first line is longer than {_LONGEST_FIRST_LINE:,} bytes; this is not an event log")
        decoder: Any = codecs.getincrementaldecoder("utf-8-sig" if is_utf8(encoding) else encoding)()
        return decoder.decode(data, complete), complete


def all_whole(layout: Layout, at: int) -> bool:
    """Whether a column holds integers, as programs write them, as far as the sample goes."""
    fields = [row[at] for row in layout.sample if row[at] and row[at] not in MISSING]
    return bool(fields) and all(is_whole(field) and "." not in field for field in fields)


def _delimiter(lines: list[str], path: Path) -> str:
    if all("::" in line for line in lines):
        return "::"
    best, most = "", (False, 1)  # a header divides as the rows do; so do not words of a title, however even their number
    for candidate in "\t,;| ":
        counts = [len(_fields(line, candidate, "" if ".dat" in path.suffixes else '"')) for line in lines]
        usual = max(set(counts), key=counts.count)
        if usual > 1 and (counts[0] == usual, usual) > most and counts.count(usual) >= 0.7 * len(counts):
            best, most = candidate, (counts[0] == usual, usual)
    usual_of_suffix = next((mark for suffix, mark in ((".csv", ","), (".tsv", "\t")) if suffix in path.suffixes), "")
    if not best and usual_of_suffix and usual_of_suffix in lines[0]:
        return usual_of_suffix  # ragged lines: they will be counted as malformed
    if not best:
        first = lines[0][:80]
        raise DataError(f"{path}: cannot tell what divides the columns (the first line is {first!r}); pass delimiter= or format=")
    return best


def _fields(line: str, delimiter: str, quote: str) -> list[str]:
    """The fields of one line; what the csv module cannot take apart is split without regard to quotes."""
    if quote and quote in line:
        try:
            return next(csv.reader([line], delimiter=delimiter, quotechar=quote), [""])
        except csv.Error:
            pass
    return line.split(delimiter)


def _is_header(rows: list[list[str]], by_position: bool) -> bool:
    first = {plain(name) for name in rows[0]}
    if all(first & set(GUESSES[role]) for role in ("user", "item")):
        return True
    if any(_is_number(field) for field in rows[0]):
        return False
    return not by_position or (len(rows) > 1 and any(_is_number(field) for field in rows[1]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

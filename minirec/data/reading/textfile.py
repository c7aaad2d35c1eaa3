"""Text files before they are parsed: compression, encoding, delimiter, header; the same answer for every engine."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from ...errors import DataError
from .raw import WHOLE
from .roles import GUESSES, plain, refuse_wide

SEPARATOR = "\x1f"  # stands in for a delimiter of several characters
_SAMPLE = 2**18
_LONGEST_LINE = 2**23
_CHUNK = 2**22


@dataclass(frozen=True)
class Layout:
    """How a delimited file is laid out. `quote` is "" where quotes mean nothing; `skip` counts the lines before the first row (blank
    ones and the header); `sample` holds the first rows, without header."""

    path: Path
    encoding: str
    delimiter: str
    quote: str
    header: bool
    skip: int
    names: list[str]
    sample: list[list[str]]


def open_binary(path: Path) -> IO[bytes]:
    """The file, decompressed where it is gzip (by its first bytes, whatever its name)."""
    try:
        with open(path, "rb") as file:
            magic = file.read(2)
        return gzip.open(path) if magic == b"\x1f\x8b" else open(path, "rb")  # type: ignore[return-value]
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be opened: {error.strerror or error}") from None


@contextmanager
def damage_is_an_error(path: Path, encoding: str) -> Iterator[None]:
    """Turn truncated gzip and wrong encodings into a DataError."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip file is damaged or truncated ({error}): fetch it again") from None
    except UnicodeError as error:
        raise DataError(f"{path}: not valid {encoding} ({error}): pass encoding=, such as 'latin-1' or 'utf-16'") from None
    except LookupError:
        raise DataError(f"{path}: unknown encoding {encoding!r}") from None


def text_lines(path: Path, encoding: str) -> Iterator[str]:
    """The lines of a text file, with their line ends."""
    with damage_is_an_error(path, encoding), _open_text(path, encoding) as file:
        yield from file


def sniff(path: Path, *, encoding: str | None, delimiter: str | None, header: bool | None, by_position: bool = False) -> Layout:
    """The layout of a delimited file: what is given is taken, the rest is told from the first 256 kB.

    Delimiter: of `::`, tab, comma, semicolon, `|` and blank the one that divides the lines into the most columns evenly.
    Quotes count except in files with `::` or named *.dat. Header: a first line that names a user and an item column as minirec
    guesses them, or, where columns are not picked by position, one without numbers.
    """
    encoding = encoding or "utf-8"
    start, complete = _start(path, encoding)
    lines = start.split("\n")[: None if complete else -1]  # the last line may be cut off
    blank = next((at for at, line in enumerate(lines) if line.strip()), None)
    if blank is None:
        raise DataError(f"{path}: the file is empty")
    lines = [line.rstrip("\r") for line in lines[blank : blank + 200] if line.strip()]
    delimiter = delimiter or _delimiter(lines, path)
    quote = "" if len(delimiter) > 1 or ".dat" in path.suffixes else '"'
    rows = [_fields(line, delimiter, quote) for line in lines]
    refuse_wide(len(rows[0]), str(path))
    if header is None:
        header = _is_header(rows, by_position)
    names = [name.strip() for name in rows[0]] if header else [f"column {at}" for at in range(len(rows[0]))]
    sample = rows[1:] if header else rows
    return Layout(path, encoding, delimiter, quote, header, blank + int(header), names, [row for row in sample if len(row) == len(names)])


def split_lines(lines: Iterator[str] | list[str], delimiter: str, quote: str) -> Iterator[list[str]]:
    """Rows of fields; the csv module where quotes count, a plain split where they do not."""
    if quote:
        return csv.reader(iter(lines), delimiter=delimiter, quotechar=quote)
    return (line.rstrip("\r\n").split(delimiter) for line in lines)


@contextmanager
def as_plain_utf8(path: Path, encoding: str = "utf-8", delimiter: str = ",") -> Iterator[tuple[Path, str]]:
    """A path and a one-character delimiter that any engine can read: the file itself where it is plain UTF-8, else a copy without
    compression, in UTF-8, and with the delimiter replaced, for as long as the block lasts."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    as_it_is = _is_utf8(encoding) and len(delimiter) == 1
    if as_it_is and not packed:
        yield path, delimiter
        return
    separator = delimiter if len(delimiter) == 1 else SEPARATOR
    with TemporaryDirectory(prefix="minirec-") as folder:
        copy = Path(folder) / "events"
        with damage_is_an_error(path, encoding), open(copy, "wb") as target:
            if as_it_is:
                with open_binary(path) as packed_file:
                    shutil.copyfileobj(packed_file, target, _CHUNK)
            else:
                with _open_text(path, encoding) as source:
                    _translate(source, target, path, delimiter, separator)
        yield copy, separator


def _translate(source: IO[str], target: IO[bytes], path: Path, delimiter: str, separator: str) -> None:
    while lines := source.readlines(_CHUNK):
        chunk = "".join(lines)
        if separator != delimiter and separator in chunk:
            raise DataError(f"{path}: the file holds the control character 0x1F; use a delimiter of one character")
        target.write(chunk.replace(delimiter, separator).encode())


def _open_text(path: Path, encoding: str) -> IO[str]:
    return io.TextIOWrapper(open_binary(path), "utf-8-sig" if _is_utf8(encoding) else encoding, newline="")


def _is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8", "ascii", "us-ascii")


def _start(path: Path, encoding: str) -> tuple[str, bool]:
    """The decoded beginning of the file, with at least one whole line, and whether that is all of it."""
    with damage_is_an_error(path, encoding), open_binary(path) as file:
        data = file.read(_SAMPLE)
        while b"\n" not in data and len(data) < _LONGEST_LINE and (more := file.read(_SAMPLE)):
            data += more
        complete = not file.read(1)
        if data[:2] in (b"\xff\xfe", b"\xfe\xff") and _is_utf8(encoding):
            raise DataError(f"{path}: this looks like UTF-16; pass encoding='utf-16'")
        if b"\0" in data[:1000] and not encoding.lower().startswith(("utf-16", "utf-32", "utf16", "utf32")):
            raise DataError(f"{path}: this is not a text file; pass format= if it is of a known kind")
        if not complete and b"\n" not in data:
            raise DataError(f"{path}: the first line is longer than {_LONGEST_LINE:,} bytes; this is not an event log")
        decoder: Any = codecs.getincrementaldecoder("utf-8-sig" if _is_utf8(encoding) else encoding)()
        return decoder.decode(data, complete), complete


def all_whole(layout: Layout, at: int) -> bool:
    """Whether a column holds integers, as programs write them, as far as the sample goes."""
    fields = [row[at] for row in layout.sample if row[at]]
    return bool(fields) and all(WHOLE.fullmatch(field) and "." not in field for field in fields)


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

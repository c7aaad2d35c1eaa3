"""The door of every file: its format, recognized by content; decompressed, decoded, and bounded. Its name decides nothing."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from ...errors import DataError
from .duck import unpack_zstd

SEPARATOR = "\x1f"  # stands in for a delimiter of several characters
SAMPLE = 2**18
LONGEST_LINE = 2**26  # characters: what is longer is cut, and so malformed
_CHUNK = 2**22
_MAGIC = (
    (b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"PAR1", "parquet"), (b"SQLite format 3\0", "sqlite"),
)  # fmt: skip
_FOREIGN = (
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it with `7z x` and read the file in it"),
    (b"Rar!", "a RAR archive: unpack it with `unrar x` and read the file in it"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save the sheet as CSV"),
    (b"ARROW1", "an Arrow (Feather) file: read it with pyarrow.feather.read_table, and pass the table"),
    (b"FEA1", "a Feather file: read it with pyarrow.feather.read_table, and pass the table"),
    (b"\x89HDF", "an HDF5 file: read it with pandas.read_hdf, and pass the frame"),
    (b"\x93NUMPY", "one NumPy array: load it with numpy.load, and pass its columns as a dictionary, or save them by name with numpy.savez"),
    (b"Obj\x01", "an Avro file: read it with fastavro or polars.read_avro, and pass the frame"),
    (b"ORC", "an ORC file: read it with pyarrow.orc.read_table, and pass the table"),
    (b"%PDF", "a PDF: a table is needed"),
    (b"\x89PNG", "a picture, not a text file"),
    (b"RDX", "an R data file: write the table as CSV"),
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


@contextmanager
def local(source: Any) -> Iterator[Path]:
    """A path on this machine for a path, an open file, or an address such as s3://bucket/events.csv (fsspec); the content of the last
    two is copied to a temporary file for as long as the block lasts."""
    if hasattr(source, "read"):
        with TemporaryDirectory(prefix="minirec-") as folder:
            copy = Path(folder) / (Path(str(getattr(source, "name", "events"))).name or "events")
            with open(copy, "wb") as target:
                while chunk := source.read(_CHUNK):
                    target.write(chunk.encode() if isinstance(chunk, str) else chunk)
            yield copy
        return
    if isinstance(source, str) and "://" in source:
        with TemporaryDirectory(prefix="minirec-") as folder:
            copy = Path(folder) / (source.rsplit("/", 1)[-1].replace("\0", "") or "events")
            _fetch(source, copy)
            yield copy
        return
    yield Path(source).expanduser()


def _fetch(address: str, copy: Path) -> None:
    if address.startswith("file://"):
        shutil.copyfile(address.removeprefix("file://"), copy)
        return
    try:
        import fsspec
    except ImportError:
        raise DataError(f"{address}: reading an address needs the package fsspec (pip install fsspec), or fetch the file first") from None
    try:
        with fsspec.open(address, "rb") as source, open(copy, "wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
    except (OSError, ValueError, ImportError) as error:
        raise DataError(f"{address}: cannot be read ({error})") from None


def is_address(source: Any) -> bool:
    """Whether a source is an open file or an address, so that it is copied before it is read."""
    return hasattr(source, "read") or (isinstance(source, str) and "://" in source)


def kind_of(path: Path) -> str:
    """What the file is by its first bytes: "gzip", "bzip2", "xz", "zstd", "zip", "npz", "parquet", "sqlite", or "text" for all else.
    DataError for a file of a known kind that is not read, with what to do."""
    start = _bytes(path, 512)
    for magic, what in _FOREIGN:
        if start.startswith(magic):
            raise DataError(f"{path}: this is {what}")
    if start[257:262] == b"ustar":
        raise DataError(f"{path}: this is a tar archive: unpack it with `tar xf` and read the file in it")
    if start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05" and len(start) > 2:
        raise DataError(f"{path}: this is a pickle, which is never read, as it can run any code: write the table as CSV or Parquet")
    if start.lstrip()[:9].lower() in (b"<!doctype", b"<html>") or start.lstrip()[:5].lower() == b"<html":
        raise DataError(f"{path}: this is a page of HTML, not a table; was a download answered by an error page?")
    kind = next((kind for magic, kind in _MAGIC if start.startswith(magic)), "text")
    if kind == "zip":
        names = _zip_names(path)
        if "[Content_Types].xml" in names:
            raise DataError(f"{path}: this is an Excel workbook or another office file: save the sheet as CSV")
        if names and all(name.endswith(".npy") for name in names):
            return "npz"
    return kind


def _bytes(path: Path, count: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(count)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise DataError(f"{str(path)!r}: cannot be opened: {getattr(error, 'strerror', None) or error}") from None


def _zip_names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [info.filename for info in archive.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX/")]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DataError(f"{path}: the zip or npz file is damaged or truncated ({error}): fetch it again") from None


def open_binary(path: Path) -> IO[bytes]:
    """The content of the file, decompressed where it is gzip, bzip2, xz, zstd or a zip of one file."""
    kind = kind_of(path)
    try:
        if kind == "gzip":
            return gzip.open(path)  # type: ignore[return-value]
        if kind == "bzip2":
            return bz2.open(path)
        if kind == "xz":
            return lzma.open(path)
        if kind == "zstd":
            return unpack_zstd(path)
        if kind == "zip":
            return _only_member(path)
        return open(path, "rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be opened: {error.strerror or error}") from None


def _only_member(path: Path) -> IO[bytes]:
    names = _zip_names(path)
    if len(names) != 1:
        listing = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise DataError(f"{path}: a zip archive of {len(names)} files ({listing}): unpack it with `unzip` and name one of them")
    archive = zipfile.ZipFile(path)
    try:
        return archive.open(names[0])
    except (RuntimeError, NotImplementedError) as error:  # a password, or a method that zipfile does not have
        archive.close()
        raise DataError(f"{path}: {error}: unpack it with `unzip` or `7z x` first") from None


@contextmanager
def damage_is_an_error(path: Path, encoding: str) -> Iterator[None]:
    """Turn damaged archives and wrong encodings into a DataError."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: the compressed file is damaged or truncated ({error}): fetch it again") from None
    except UnicodeError as error:
        raise DataError(f"{path}: not valid {encoding} ({error}): pass encoding=, such as 'latin-1' or 'utf-16'") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}): a damaged file?") from None


def encoding_of(path: Path, given: str | None) -> str:
    """The encoding: as given, else by the byte-order mark or the zero bytes of UTF-16, else UTF-8."""
    if given is not None:
        return checked_encoding(given)
    with damage_is_an_error(path, "utf-8"), open_binary(path) as file:
        start = file.read(1000)
    for mark, encoding in _BOMS:
        if start.startswith(mark):
            return encoding
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if len(start) >= 4 and max(even, odd) > 0.4 * len(start) / 2 and min(even, odd) < 0.05 * len(start):
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8"


def checked_encoding(encoding: str) -> str:
    """The name of an encoding of text; DataError where there is none of this name (rot13 and base64 are no encodings of text)."""
    try:
        info = codecs.lookup(encoding)
    except (LookupError, ValueError):
        raise DataError(f"unknown encoding {encoding!r}; such as utf-8, latin-1, utf-16, cp1252") from None
    if not getattr(info, "_is_text_encoding", True):
        raise DataError(f"{encoding!r} is not an encoding of text; such as utf-8, latin-1, utf-16, cp1252")
    return encoding


def text_lines(path: Path, encoding: str) -> Iterator[str]:
    """The lines of a text file, with their line ends ("\\n", "\\r\\n" or "\\r"); of a line beyond 64 million characters the beginning."""
    with damage_is_an_error(path, encoding), open_text(path, encoding) as file:
        while line := file.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE and line[-1] not in "\r\n":
                line = line[: 2**20] + "\n"
                while (rest := file.readline(_CHUNK)) and rest[-1] not in "\r\n":
                    pass
            yield line


def open_text(path: Path, encoding: str) -> IO[str]:
    """The decoded content, without a byte-order mark."""
    return io.TextIOWrapper(open_binary(path), "utf-8-sig" if is_utf8(encoding) else encoding, newline="")


def is_utf8(encoding: str) -> bool:
    """Whether an encoding is UTF-8 or a part of it."""
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii")


@contextmanager
def as_plain_utf8(path: Path, encoding: str = "utf-8", delimiter: str = ",") -> Iterator[tuple[Path, str]]:
    """A path and a one-character delimiter that any engine can read: the file itself where it is plain UTF-8, else a copy without
    compression, in UTF-8, and with the delimiter replaced, for as long as the block lasts."""
    as_it_is = is_utf8(encoding) and len(delimiter) == 1
    if as_it_is and kind_of(path) == "text":
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
                with open_text(path, encoding) as source:
                    _translate(source, target, path, delimiter, separator)
        yield copy, separator


def _translate(source: IO[str], target: IO[bytes], path: Path, delimiter: str, separator: str) -> None:
    held = ""  # the end of a piece may be the beginning of a delimiter
    while piece := source.read(_CHUNK):
        if separator != delimiter and separator in piece:
            raise DataError(f"{path}: the file holds the control character 0x1F; use a delimiter of one character")
        piece = held + piece
        cut = next((n for n in range(len(delimiter) - 1, 0, -1) if piece.endswith(delimiter[:n])), 0)
        held = piece[len(piece) - cut :]
        target.write(piece[: len(piece) - cut].replace(delimiter, separator).encode())
    target.write(held.encode())


def id_lines(path: str | Path) -> list[str]:
    """The ids of a file with one on each line, by the same door as events: any compression, encoding and line end; blank lines, and
    blanks around an id, do not count."""
    with local(path) as file:
        encoding = encoding_of(file, None)
        ids = [line.strip() for line in text_lines(file, encoding) if line.strip()]
    if not ids:
        raise DataError(f"{path} holds no ids")
    return ids

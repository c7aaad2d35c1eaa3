"""Every file that is written or read whole: atomic writing, folders for one writer, and archives, one .npz of plain arrays.

No pickle; nothing in a file is executed or believed.
"""

from __future__ import annotations

import ast
import json
import math
import os
import re
import secrets
import shutil
import stat
import struct
import sys
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from .errors import MinirecError, ModelFileError, ParameterError
from .options import memory_budget

# what reading a damaged file may raise, in zipfile, json, NumPy and the checks of those who read
DAMAGE = (
    OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, EOFError, OverflowError, MemoryError, NotImplementedError,
    RuntimeError, RecursionError, SyntaxError, ArithmeticError, AssertionError, struct.error, zipfile.BadZipFile, zlib.error,
    tokenize.TokenError,
)  # fmt: skip
_DESCRIPTOR = re.compile(r"/dev/(stdout|stderr)|/(?:dev|proc/self)/fd/(\d+)")
_PLAIN_HEADER = re.compile(r"\{'descr': '([<>|=]?[a-zA-Z]\d*(?:\[\w+\])?)', 'fortran_order': (True|False), 'shape': (\([\d, ]*\)), \} *\n")


# ---- writing ---------------------------------------------------------------------------------------------------------


def expanded(path: str | Path) -> Path:
    """A path as its user means it: `~` is the home folder. ParameterError where it cannot be a path.

    >>> expanded("a/b.csv").name
    'b.csv'
    """
    if "\0" in str(path):
        raise ParameterError(f"{str(path)!r} is not a path: it holds a NUL character")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ParameterError(f"{path}: the home folder is not known here; set HOME or write the path out") from None


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A path to write to in place of `path`: a hidden file in the same folder that takes its place when the block ends well.

    It is flushed to the disk before it is renamed, so after a crash the old file or the new one is there, never half of one. On
    an error (or Ctrl-C) it is removed and `path` stays as it was; what a killed process left is removed by the next that writes the
    same file. The folder is made where it is missing. A link is followed: the file that it names is replaced. The new file has the
    mode of the old one. What is no regular file (/dev/stdout, a FIFO, a device) is written through, once the content is complete.
    """
    given = expanded(path)
    if _DESCRIPTOR.fullmatch(str(given)) or (given.exists() and not given.is_file() and not given.is_dir()):
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / "draft"
            _write_through(Path(folder) / "draft", given)
        return
    target = Path(os.path.realpath(given))
    if target.is_dir():
        raise ParameterError(f"{path} is a folder; name a file in it")
    target.parent.mkdir(parents=True, exist_ok=True)
    short = target.name.encode(errors="surrogateescape")[:100].decode(errors="ignore")  # names are limited in bytes
    _sweep(target.parent, f".{short}.")
    draft = target.with_name(f".{short}.{secrets.token_hex(6)}.part")
    lock = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        _try_lock(lock)  # held as long as this process lives: `_sweep` of another tells by it
        yield draft
        with suppress(FileNotFoundError):
            os.chmod(draft, stat.S_IMODE(target.stat().st_mode))
        with open(draft, "rb") as file:
            os.fsync(file.fileno())
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
        os.close(lock)


@contextmanager
def folder_lock(folder: str | Path, purpose: str = "run") -> Iterator[Path]:
    """Make a folder where it is missing and hold it for one writer. ParameterError where another process holds it.

    The lock is on the folder itself and ends with the process: no file is left, whatever kills it. Where the file system knows no
    locks, nothing is held.
    """
    place = expanded(folder)
    place.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(place, os.O_RDONLY)
    except OSError:  # folders cannot be opened (Windows)
        yield place
        return
    try:
        if _try_lock(descriptor) is False:
            raise ParameterError(f"another {purpose} writes to {place} now: wait for it, or name another folder")
        yield place
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool | None:
    """Lock an open file for this process: True, False where another holds it, None where locks are not known."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _sweep(folder: Path, prefix: str) -> None:
    """Remove the drafts of killed processes: those that nobody holds a lock on."""
    for name in os.listdir(folder):
        if name.startswith(prefix) and name.endswith(".part") and len(name) == len(prefix) + 17:
            with suppress(OSError):
                descriptor = os.open(folder / name, os.O_RDWR)
                try:
                    if _try_lock(descriptor):
                        os.unlink(folder / name)
                finally:
                    os.close(descriptor)


def _write_through(draft: Path, target: Path) -> None:
    """Copy a complete draft to what is no regular file."""
    found = _DESCRIPTOR.fullmatch(str(target))
    if found is None:
        with open(draft, "rb") as source, open(target, "wb") as sink:
            shutil.copyfileobj(source, sink)
        return
    number = int(found[2]) if found[2] else {"stdout": 1, "stderr": 2}[found[1]]
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()  # what was printed before comes first
    with open(draft, "rb") as source, os.fdopen(os.dup(number), "wb") as sink:
        shutil.copyfileobj(source, sink)


def write_archive(path: str | Path, kind: str, version: int, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write a file of a kind ("model", "extractor"); it appears whole or not at all. The same content gives the same bytes."""
    text = json.dumps({"format": f"minirec {kind}", "format_version": version, **header}, sort_keys=True, allow_nan=False)
    write_arrays(path, {"header": np.frombuffer(text.encode(), np.uint8), **arrays})


def write_arrays(path: str | Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name as an .npz with stored members; it appears whole or not at all."""
    with atomic_path(path) as draft, open(draft, "wb") as file:
        np.savez(file, **arrays)


# ---- reading ---------------------------------------------------------------------------------------------------------


def read_archive(path: Path, kind: str, version: int, classes: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the arrays; ModelFileError for a file of another kind, version or class. To be called within `damage_told`."""
    if not path.is_file():
        raise ModelFileError(f"there is no {kind} file {path}")
    arrays = read_arrays(path)
    if "header" not in arrays:
        raise ModelFileError(f"{path} is not a minirec {kind}: it has no header")
    header = json.loads(arrays.pop("header").tobytes().decode(), parse_constant=_no_number)
    if not isinstance(header, dict) or header.get("format") != f"minirec {kind}":
        raise ModelFileError(f"{path} is not a minirec {kind}: its header is foreign")
    if header.get("format_version") != version:
        raise ModelFileError(f"{path} has format version {header.get('format_version')!r}; this minirec reads {version}")
    if not isinstance(header.get("class"), str) or header["class"] not in classes:
        raise ModelFileError(f"{path} holds a {kind} of the unknown class {header.get('class')!r}; known are {', '.join(classes)}")
    return header, arrays


def read_arrays(path: Path, *, compressed: bool = False) -> dict[str, Any]:
    """The arrays of an .npz by name. Sizes are checked before memory is taken; Python objects are refused.

    compressed : members that deflate has packed are read too, where what they unpack to fits the memory budget: for data of users. Files
    that minirec writes itself have stored members alone. Raises ValueError and what `DAMAGE` lists; to be called within `damage_told`.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        names = [info.filename.removesuffix(".npy") for info in members]
        if len(set(names)) < len(names):
            raise ValueError("an array occurs twice")
        for info in members:
            if info.flag_bits & 1 or info.compress_type not in ((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) if compressed else (0,)):
                raise ValueError(f"{info.filename} is compressed or encrypted: write the file with numpy.savez")
        total = sum(info.file_size for info in members)
        if not compressed and total > os.stat(path).st_size:
            raise ValueError("its arrays are larger than the file")  # they overlap: not written by `write_archive`
        if compressed and total > max(os.stat(path).st_size, memory_budget()):
            raise ValueError(f"its arrays take {total / 1e9:.1f} GB, more than the memory budget (MINIREC_MEMORY)")
        return {name: _read(archive, info) for name, info in zip(names, members, strict=True)}


@contextmanager
def damage_told(path: Path, kind: str, error: type[MinirecError] = ModelFileError) -> Iterator[None]:
    """Around the reading of a file: whatever its content makes go wrong is an `error` that names the file."""
    what = f"minirec {kind}" if error is ModelFileError else kind
    try:
        yield
    except (ModelFileError, error):
        raise
    except MemoryError as damage:
        raise error(f"{path}: the memory does not suffice for this {kind}; where the file is small, it is damaged") from damage
    except (MinirecError, *DAMAGE) as damage:
        raise error(f"{path} is not a readable {what}; it is damaged or foreign ({type(damage).__name__}: {damage})") from damage


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    """One array of the archive. Its size is checked before memory is taken for it; Python objects are refused."""
    with archive.open(info) as file:
        start = file.read(10)
        length = int.from_bytes(start[8:], "little")
        if start[:8] != b"\x93NUMPY\x01\x00" or length > 2**15:
            raise ValueError(f"{info.filename} is not a plain array")
        found = _PLAIN_HEADER.fullmatch(file.read(length).decode("latin-1"))  # as NumPy writes it: nothing is evaluated
        if found is None:
            raise ValueError(f"{info.filename} is not a plain array of numbers or texts")
        dtype, shape = np.dtype(found[1]), ast.literal_eval(found[3])
        if (
            dtype.hasobject
            or not dtype.isnative
            or not isinstance(shape, tuple)
            or len(shape) > 32
            or 10 + length + math.prod(shape) * dtype.itemsize != info.file_size
        ):
            raise ValueError(f"{info.filename} is not the array that its header describes")
        array = np.frombuffer(bytearray(file.read()), dtype)
        return array.reshape(shape, order="F" if found[2] == "True" else "C")


def _no_number(text: str) -> Any:
    raise ValueError(f"the header holds {text}, which is no JSON")

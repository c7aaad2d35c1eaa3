"""Every file that is written or read whole: atomic writing, and archives, one .npz of plain arrays with a JSON header.

No pickle; nothing in a file is executed or believed.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .errors import MinirecError, ModelFileError

# what reading a damaged file may raise, in zipfile, json, NumPy and the checks of those who read
_DAMAGE = (
    OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, EOFError, OverflowError, MemoryError, NotImplementedError,
    RuntimeError, RecursionError, SyntaxError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A path to write to in place of `path`: a hidden file in the same folder that takes its place when the block ends well.

    It is flushed to the disk before it is renamed, so after a crash the old file or the new one is there, never half of one. On
    an error (or Ctrl-C) it is removed and `path` stays as it was. The folder is made where it is missing.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.part")
    try:
        yield draft
        with open(draft, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def write_archive(path: str | Path, kind: str, version: int, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write a file of a kind ("model", "extractor"); it appears whole or not at all. The same content gives the same bytes."""
    text = json.dumps({"format": f"minirec {kind}", "format_version": version, **header}, sort_keys=True, allow_nan=False)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, header=np.frombuffer(text.encode(), np.uint8), **arrays)


def read_archive(path: Path, kind: str, version: int, classes: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the arrays; ModelFileError for a file of another kind, version or class. To be called within `damage_told`."""
    if not path.is_file():
        raise ModelFileError(f"there is no {kind} file {path}")
    with zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if sum(info.file_size for info in members.values()) > path.stat().st_size:
            raise ValueError("its arrays are larger than the file")  # compressed, or overlapping: not written by `write_archive`
        if "header" not in members:
            raise ModelFileError(f"{path} is not a minirec {kind}: it has no header")
        header = json.loads(_read(archive, members.pop("header")).tobytes().decode())
        if not isinstance(header, dict) or header.get("format") != f"minirec {kind}":
            raise ModelFileError(f"{path} is not a minirec {kind}: its header is foreign")
        if header.get("format_version") != version:
            raise ModelFileError(f"{path} has format version {header.get('format_version')!r}; this minirec reads {version}")
        if header.get("class") not in classes:
            raise ModelFileError(f"{path} holds a {kind} of the unknown class {header.get('class')!r}; known are {', '.join(classes)}")
        return header, {name: _read(archive, info) for name, info in members.items()}


@contextmanager
def damage_told(path: Path, kind: str) -> Iterator[None]:
    """Around the reading of a file: whatever its content makes go wrong is a ModelFileError that names the file."""
    try:
        yield
    except ModelFileError:
        raise
    except (MinirecError, *_DAMAGE) as error:
        raise ModelFileError(
            f"{path} is not a readable minirec {kind}; it is damaged or foreign ({type(error).__name__}: {error})"
        ) from error


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    """One array of the archive. Its size is checked before memory is taken for it; Python objects are refused."""
    with archive.open(info) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{info.filename} is not a plain array")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if (
            dtype.hasobject
            or not dtype.isnative
            or min(shape, default=0) < 0
            or file.tell() + math.prod(shape) * dtype.itemsize != info.file_size
        ):
            raise ValueError(f"{info.filename} is not the array that its header tells of")
        array = np.frombuffer(bytearray(file.read()), dtype)
        return array.reshape(shape, order="F" if fortran else "C")

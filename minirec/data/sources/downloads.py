"""Fetching the MovieLens sets from GroupLens: licence first, checksum checked, archive unpacked with care."""

from __future__ import annotations

import logging
import re
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile

from ...errors import DataError, MissingExtraError, ParameterError
from ...options import cache_folder, data_folder

BASE_URL = "https://files.grouplens.org/datasets/movielens/"
_MAX_UNPACKED = 4 * 2**30
_log = logging.getLogger(__name__)

_TERMS = """\
MovieLens data of GroupLens Research, University of Minnesota ({name}). In short: for research; not for commercial use without
permission of the GroupLens project; {sharing}; no endorsement by the university may be implied; publications cite
F. M. Harper and J. A. Konstan (2015), "The MovieLens Datasets: History and Context", ACM TiiS 5(4), article 19.
The text that binds is the README inside the archive, also at {base}{name}-README."""
_NO_SHARING = "not to be passed on without permission"
_SAME_TERMS = "to be passed on under the same terms only"


@dataclass(frozen=True)
class Archive:
    """A downloadable set. md5: as GroupLens publishes it beside the archive ({name}.zip.md5); None where the archive changes from
    time to time, so that the checksum has to be fetched with it."""

    ratings: str
    md5: str | None
    sharing: str
    about: str


# The checksums are those of GroupLens' own *.zip.md5 files. Cross-read in public repositories that record them:
# eli-osherovich/papers_with_code (datasets/movielens/dl_config.py) has all four.
ARCHIVES = {
    "ml-100k": Archive("u.data", "0e33842e24a9c977be4e0107933c0723", _NO_SHARING, "100,000 ratings of 1997-98, 943 users, 1,682 films"),
    "ml-1m": Archive("ratings.dat", "c4d9eecfca2ab87c1945afe126590906", _NO_SHARING, "1,000,209 ratings of 2000, 6,040 users, 3,706 films"),
    "ml-20m": Archive("ratings.csv", "cd245b17a1ae2cc31bb14903e1204af3", _SAME_TERMS, "20,000,263 ratings of 1995-2015, 138,493 users"),
    "ml-25m": Archive("ratings.csv", "6b51fb2759a8657d3bfcbfc42b592ada", _SAME_TERMS, "25,000,095 ratings of 1995-2019, 162,541 users"),
    "ml-latest-small": Archive("ratings.csv", None, _SAME_TERMS, "about 100,000 ratings; changes over time, not for published figures"),
}


def licence(name: str) -> str:
    """The terms of a downloadable set, in short, and where the full text is."""
    return _TERMS.format(name=name, sharing=_archive(name).sharing, base=BASE_URL)


def downloaded(name: str, folder: str | Path | None = None) -> Path | None:
    """The ratings file of a set that has been fetched before, or None."""
    path = _folder(folder) / name / _archive(name).ratings
    return path if path.is_file() else None


def download(
    name: str, folder: str | Path | None = None, *, base_url: str | None = None, on_licence: Callable[[str], None] | None = None
) -> Path:
    """Fetch a MovieLens set, check it, unpack it; return the folder, to be read with format="movielens" or by `load(name)`.

    name : ml-100k, ml-1m, ml-20m, ml-25m or ml-latest-small. folder : where to put it; default: the data folder (`MINIREC_DATA`), else
    `data` in the cache folder. base_url : a mirror, ending in "/".
    on_licence : called with the terms before anything is fetched; what it raises stops the download. They are logged as well.

    The archive is compared with the MD5 that GroupLens publishes; for ml-latest-small, which changes, the published file is fetched
    along with it (that guards against damage, not against a mirror that lies). What is there already is not fetched again. Needs
    the extra `download` (pooch). DataError where the server cannot be reached, the checksum differs, or the archive is unsafe.
    """
    archive = _archive(name)
    terms = licence(name)
    _log.info("%s", terms)
    if on_licence is not None:
        on_licence(terms)
    target = _folder(folder) / name
    if downloaded(name, folder) is not None:
        return target
    base = base_url or BASE_URL
    with TemporaryDirectory(prefix="minirec-") as scratch:
        md5 = archive.md5 or _published_md5(f"{base}{name}.zip.md5", Path(scratch))
        packed = _fetch(f"{base}{name}.zip", f"md5:{md5}", Path(scratch))
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{name}-", dir=target.parent) as unpacked:
            unzip(packed, Path(unpacked))
            inner = Path(unpacked) / name
            if not (inner / archive.ratings).is_file():
                raise DataError(f"{base}{name}.zip: the archive holds no {name}/{archive.ratings}")
            shutil.rmtree(target, ignore_errors=True)  # left from a copy without its ratings
            inner.rename(target)
    return target


def _archive(name: str) -> Archive:
    if name not in ARCHIVES:
        raise ParameterError(f"unknown download {name!r}; there are: {', '.join(ARCHIVES)}")
    return ARCHIVES[name]


def _folder(folder: str | Path | None) -> Path:
    return Path(folder).expanduser() if folder is not None else data_folder() or cache_folder() / "data"


def _fetch(url: str, known_hash: str | None, scratch: Path) -> Path:
    try:
        import pooch
    except ImportError:
        raise MissingExtraError("pooch", "download", "downloading data") from None
    try:
        return Path(pooch.retrieve(url, known_hash, fname=url.rsplit("/", 1)[1], path=scratch))
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
        raise DataError(f"{url}: the download failed: {error}") from None


def _published_md5(url: str, scratch: Path) -> str:
    found = re.search(r"\b[0-9a-f]{32}\b", _fetch(url, None, scratch).read_text(encoding="ascii", errors="replace"))
    if found is None:
        raise DataError(f"{url}: there is no MD5 checksum in this file")
    return found[0]


def unzip(packed: Path, target: Path) -> None:
    """Unpack a zip archive into a folder; refused whole if a member is a link, leads out of the folder, or it is too large."""
    try:
        with ZipFile(packed) as archive:
            members = archive.infolist()
            for member in members:
                parts = PurePosixPath(member.filename.replace("\\", "/"))
                if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0] or stat.S_ISLNK(member.external_attr >> 16):
                    raise DataError(f"{packed.name}: unsafe member {member.filename!r}; nothing was unpacked")
            if sum(member.file_size for member in members) > _MAX_UNPACKED:
                raise DataError(f"{packed.name}: unpacks to more than {_MAX_UNPACKED / 2**30:.0f} GiB; nothing was unpacked")
            archive.extractall(target)
    except BadZipFile as error:
        raise DataError(f"{packed.name}: not a usable zip archive ({error})") from None

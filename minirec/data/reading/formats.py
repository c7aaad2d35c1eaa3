"""Files of the field: MovieLens folders, adjacency lists, item sequences, npz files of named arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...files import damage_told, read_arrays
from ..account import Account
from .csv_plain import Malformed
from .opening import kind_of, text_lines
from .raw import Ids, RawEvents, Times, coded
from .roles import Pick


@dataclass(frozen=True)
class MovieLens:
    """Where the parts of a MovieLens set are, and how they are written."""

    ratings: Path
    delimiter: str
    encoding: str
    header: bool
    items: Path | None
    item_delimiter: str
    item_columns: dict[str, int]

    @property
    def picks(self) -> dict[str, Pick]:
        """The columns of the ratings: user, item, rating, time."""
        return {"user": 0, "item": 1, "weight": 2, "time": 3}


def movielens(path: Path) -> MovieLens:
    """Recognize a MovieLens file or folder: u.data (100k; also u1.base and the like), ratings.dat (1M, 10M; MovieTweetings has
    the same form), ratings.csv (20M and later, latest). Titles and genres come from u.item, movies.dat, movies.csv beside it."""
    if path.is_dir():
        found = [path / name for name in ("u.data", "ratings.dat", "ratings.csv") if (path / name).is_file()]
        if not found:
            raise DataError(f"{path}: no u.data, ratings.dat or ratings.csv in this folder")
        path = found[0]
    kind_of(path)  # a missing file is said here
    if path.name.endswith((".csv", ".csv.gz")):
        return MovieLens(path, ",", "utf-8", True, _beside(path, "movies.csv"), ",", {"title": 1, "genres": 2})
    if path.name.endswith((".dat", ".dat.gz")):
        return MovieLens(path, "::", "latin-1", False, _beside(path, "movies.dat"), "::", {"title": 1, "genres": 2})
    return MovieLens(path, "\t", "latin-1", False, _beside(path, "u.item"), "|", {"title": 1, "released": 2})


def _beside(path: Path, name: str) -> Path | None:
    return path.with_name(name) if path.with_name(name).is_file() else None


def read_lists(path: Path, account: Account, *, encoding: str, ordered: bool) -> RawEvents:
    """Lines of "user item item ..." divided by blanks. `ordered`: the items stand in the order of time, and the time of an event
    is its place in the line, from 0. A line without items is counted as malformed (adjacency lists of test users have such)."""
    users: list[str | None] = []
    lengths: list[int] = []
    tokens: list[str | None] = []
    malformed = Malformed(path, account)
    for line, content in enumerate(text_lines(path, encoding), 1):
        user, *items = content.split() or [""]
        if items:
            users.append(user)
            lengths.append(len(items))
            tokens += items
        elif user:
            malformed.add(line, f"user {user} without items")
    malformed.close()
    by_line = coded(users, "user id")
    counts = np.array(lengths, np.int64)
    time = None
    if ordered:
        place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        time = Times(place, np.zeros(len(place), bool), np.zeros(len(place), bool), "order")
    user_rows = np.repeat(by_line.rows, counts)
    return RawEvents(Ids(by_line.distinct, user_rows), coded(tokens, "item id"), time=time, where=str(path))


def npz_arrays(path: Path) -> dict[str, Any]:
    """The one-dimensional arrays of an npz file by name; nothing is unpickled."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    with damage_told(path, "npz file of plain arrays", DataError):
        arrays = read_arrays(path, compressed=True)
    columns = {name: array for name, array in arrays.items() if array.ndim == 1}
    if not columns:
        raise DataError(f"{path}: no one-dimensional arrays; there are {', '.join(arrays) or 'none'}")
    return columns

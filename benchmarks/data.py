"""The data sets of the tasks, prepared once into a work folder: the same matrices for every side."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import minirec as mr

SEED = 0
HELD_OUT = 0.2
HELD_OUT_SYNTHETIC = 0.05
SYNTHETIC = {"syn5m": "zipf-5000000-100000-50000", "syn50m": "zipf-50000000-1000000-200000"}
STRONG = "ml-1m-strong"
TITLES = "beauty-titles"
GROUPS = 50  # of items and users with common tastes, in the synthetic events
TASTE = 0.7  # share of synthetic events that follow the user's tastes


class NoData(Exception):  # noqa: N818 - it says what it is
    """The files of a data set are not in the data folder."""


def prepare(name: str, source: Path | None, work: Path) -> Path:
    """The folder of a prepared data set; made unless it is there. `source` is the folder with the files that cannot be drawn."""
    name = SYNTHETIC.get(name, name)
    folder = work / name
    if (folder / "meta.json").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if name.startswith("zipf-"):
        events, users, items = map(int, name.split("-")[1:])
        meta = _save_split(folder, *_zipf(events, users, items))
    elif match := re.fullmatch(r"events-(\d+)", name):
        meta = _save_events(folder, int(match[1]))
    elif name in READERS or name in (STRONG, TITLES):
        if source is None:
            raise NoData(f"{name} is read from files: name their folder with --data-folder or MINIREC_DATA")
        if name == TITLES:
            meta = _save_titles(folder, source)
        else:
            meta = _save_strong(folder, *strong_movielens(source)) if name == STRONG else _save_datasets(folder, *READERS[name](source))
    else:
        raise NoData(f"unknown data set {name}; there are {', '.join([*READERS, STRONG, TITLES, *SYNTHETIC])} and zipf-EVENTS-USERS-ITEMS")
    (folder / "meta.json").write_text(json.dumps({"name": name, "seed": SEED} | meta), "utf-8")
    return folder


def _first(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise NoData(f"none of {', '.join(names)} is in the folder {folder.name} of the data folder")


def _movielens(name: str) -> Callable[[Path], tuple[mr.Dataset, mr.Dataset]]:
    def read(source: Path) -> tuple[mr.Dataset, mr.Dataset]:
        import minirec as mr

        path = _first(source / name, "ratings.dat", "u.data", "ratings.parquet")
        how: dict[str, Any] = {} if path.suffix == ".parquet" else {"format": "movielens"}
        if path.suffix == ".parquet":
            how = {"user": "user", "item": "item", "weight": "rating", "time": False}
        train, held = mr.split(mr.read(path, **how), "random", test=HELD_OUT, seed=SEED)
        return train, held

    return read


def gowalla(source: Path) -> tuple[mr.Dataset, mr.Dataset]:
    """Train and test of the LightGCN split of Gowalla."""
    import minirec as mr

    train, held = (mr.read(_first(source / "gowalla", name), format="adjacency") for name in ("train.txt", "test.txt"))
    return train, held


def beauty(source: Path) -> tuple[mr.Dataset, mr.Dataset]:
    """Amazon Beauty in the files of S3-Rec, in order: all but the last event of each user, and the last ones."""
    events = beauty_events(source)
    return _without_last(events, np.cumsum(np.bincount(events.user)) - 1)


def beauty_events(source: Path) -> mr.Dataset:
    """All events of Amazon Beauty, those of a user one after the other."""
    import minirec as mr

    lines = [line.split() for line in _first(source / "amazon-beauty", "sequences.txt").read_text("ascii").splitlines()]
    lengths = np.array([len(line) - 1 for line in lines])
    users = np.repeat([int(line[0]) for line in lines], lengths)
    items = np.array([int(item) for line in lines for item in line[1:]])
    return mr.Dataset.from_arrays(users, items, times=np.arange(len(items)), name="amazon-beauty")


def beauty_validation(source: Path) -> tuple[mr.Dataset, mr.Dataset]:
    """Of Amazon Beauty without the last event of each user: all but the last event, and the last ones."""
    train, _ = beauty(source)
    order = np.lexsort((train.timestamp, train.user))
    return _without_last(train, order[np.append(np.diff(train.user[order]) != 0, True)])


def with_titles(events: mr.Dataset, source: Path) -> mr.Dataset:
    """Events of Amazon Beauty with the titles of the items, as `title`."""
    items = json.loads(_first(source / "amazon-beauty", "items.json").read_text("utf-8"))
    titles = np.array([items[str(item)]["title"] for item in events.items], object)
    return events.with_columns(item_features={**events.item_features, "title": titles})


class Described(NamedTuple):
    """What an item is: a text, and the categories that it is in."""

    text: str
    categories: tuple[str, ...]


def beauty_items(source: Path) -> dict[Any, Described]:
    """Items of Amazon Beauty: the title and the path of the first category; the whole path is the category."""
    items = json.loads(_first(source / "amazon-beauty", "items.json").read_text("utf-8"))
    found = {}
    for number, item in items.items():
        path = ", ".join(item["categories"][0][1:]) if item["categories"] else ""  # all begin with Beauty
        found[int(number)] = Described(_joined(item["title"], path), (path,))
    return found


def movielens_items(source: Path) -> dict[Any, Described]:
    """Films of MovieLens-1M: title, genres and plot, where there is one; the categories are the genres."""
    plots = {}
    for line in _first(source / "ml-1m", "movies_extrainfos.dat").read_text("latin-1").strip().split("\n"):
        fields = line.split("::")
        plots[int(fields[0])] = fields[9] if len(fields) == 11 and fields[9] != "N/A" else ""
    found = {}
    for line in _first(source / "ml-1m", "movies.dat").read_text("latin-1").strip().split("\n"):
        number, title, genres = line.split("::")
        kinds = tuple(genres.split("|"))
        found[int(number)] = Described(_joined(title, ", ".join(kinds), plots.get(int(number), "")), kinds)
    return found


def online_retail_items(source: Path) -> dict[Any, Described]:
    """Items of Online Retail: the description. There are no categories; its last word, as a rule the noun, stands for one."""
    with _first(source / "online-retail", "items.csv").open(encoding="utf-8", newline="") as file:
        rows = [(int(row["item"]), row["description"]) for row in csv.DictReader(file)]
    return {item: Described(text, tuple(re.findall(r"[^\W\d_]{3,}", text.upper())[-1:])) for item, text in rows}


def complete_journey_items(source: Path) -> dict[Any, Described]:
    """Products of Complete Journey: department, category, type, brand and package size."""
    import minirec as mr

    data = mr.load("completejourney")
    columns = [data.item_features[name] for name in ("department", "category", "type", "brand", "package_size")]
    kinds = data.item_features["category"]
    return {
        item: Described(_joined(*map(str, fields), between=", "), (str(kind),))
        for item, kind, *fields in zip(data.items, kinds, *columns, strict=True)
    }


def _joined(*fields: str, between: str = ". ") -> str:
    return between.join(field for field in fields if field)


def _save_titles(folder: Path, source: Path) -> dict[str, Any]:
    """The titles of the items of Amazon Beauty, in the order of the file."""
    items = json.loads(_first(source / "amazon-beauty", "items.json").read_text("utf-8"))
    titles = [item["title"] for item in items.values()]
    (folder / "titles.json").write_text(json.dumps(titles), "utf-8")
    return {"users": 0, "items": len(titles), "events": 0}


def movielens_order(source: Path) -> tuple[mr.Dataset, mr.Dataset]:
    """MovieLens-1M in the order of the file of the SASRec papers: all but the last event of each user, and the last ones."""
    import minirec as mr

    with np.load(_first(source / "ml-1m", "interactions.npz")) as arrays:
        user, item, place = (arrays[name][arrays["order_sasrec"] >= 0] for name in ("user", "item", "order_sasrec"))
    order = np.lexsort((place, user))
    user, item = user[order], item[order]
    ends = np.flatnonzero(np.append(user[1:] != user[:-1], True))
    return _without_last(mr.Dataset.from_arrays(user, item, times=np.arange(len(user)), name="ml-1m-order"), ends)


def strong_movielens(source: Path, side: str = "test") -> tuple[mr.Dataset, mr.Dataset, mr.Dataset]:
    """Train, and of the users held out for "validation" or "test" the items shown and the others.

    Ratings of 4 and more, users with at least 5 of them. The users are put in random order: 750 for the test, 750 for validation, the
    rest for train. Of each held-out user's items 80 % are shown, as many as fit, at random. Items that train does not have are left out.
    All draws are of a generator of seed 98765.
    """
    import minirec as mr

    with np.load(_first(source / "ml-1m", "interactions.npz")) as arrays:
        liked = arrays["rating"] >= 4
        user, item = arrays["user"][liked], arrays["item"][liked]
    enough = np.bincount(user)[user] >= 5
    order = np.lexsort((item[enough], user[enough]))  # so that the draws do not depend on the order of the file
    user, item = user[enough][order], item[enough][order]
    rng = np.random.default_rng(98765)
    users = rng.permutation(np.unique(user))
    place = rng.random(len(user))  # a draw for each event: the items of a user, in the order of these, are shown or foreseen
    held = np.isin(user, users[:1500])
    chosen = np.isin(user, users[:750] if side == "test" else users[750:1500]) & np.isin(item, item[~held])
    drawn = np.lexsort((place, user))
    rank = np.empty(len(user), np.int64)
    counts = np.bincount(user)
    rank[drawn] = np.arange(len(user)) - (np.cumsum(counts) - counts)[user[drawn]]
    shown = rank < (0.8 * counts[user]).astype(np.int64)
    parts = ~held, chosen & shown, chosen & ~shown
    train, fold_in, target = (mr.Dataset.from_arrays(user[part], item[part], name="strong-ml-1m") for part in parts)
    return train, fold_in, target


def _without_last(data: mr.Dataset, last: NDArray[np.int64]) -> tuple[mr.Dataset, mr.Dataset]:
    is_last = np.isin(np.arange(len(data)), last)
    return data.select(~is_last).compact(), data.select(is_last)


READERS = {
    "ml-1m": _movielens("ml-1m"),
    "ml-100k": _movielens("ml-100k"),
    "gowalla": gowalla,
    "beauty": beauty,
    "beauty-validation": beauty_validation,
    "ml-1m-order": movielens_order,
}


def _save_datasets(folder: Path, train: mr.Dataset, held: mr.Dataset) -> dict[str, Any]:
    """Rows and columns are those of the users and items of train; held-out events of others are left out, and counted.

    Where there are times, the items of each user in their order are there too: sequence-items and, where each user ends, sequence-ends.
    """
    user = train.users.rows(held.users.ids(held.user))
    item = train.items.rows(held.items.ids(held.item))
    known = (user >= 0) & (item >= 0)
    shape = (train.n_users, train.n_items)
    weight = np.ones(len(train), np.float32) if train.weight is None else train.weight
    held_weight = np.ones(len(held), np.float32) if held.weight is None else held.weight
    if train.timestamp is not None:
        np.save(folder / "sequence-items.npy", train.item[np.lexsort((train.timestamp, train.user))])
        np.save(folder / "sequence-ends.npy", np.cumsum(np.bincount(train.user, minlength=train.n_users)))
    return _save(folder, shape, (train.user, train.item, weight), (user[known], item[known], held_weight[known]), int((~known).sum()))


def _save_strong(folder: Path, train: mr.Dataset, shown: mr.Dataset, hidden: mr.Dataset) -> dict[str, Any]:
    """Train; and held-out users, a row each, in `shown` and `held`: what their histories are and what is to be foreseen."""
    from scipy.sparse import csr_matrix, save_npz

    users = np.unique(hidden.users.ids(hidden.user))
    shape = (len(users), train.n_items)
    pairs = [(np.searchsorted(users, part.users.ids(part.user)), train.items.rows(part.items.ids(part.item))) for part in (shown, hidden)]
    known = np.isin(shown.users.ids(shown.user), users)  # who has nothing to be foreseen is left out
    ones = np.ones(known.sum(), np.float32)
    matrix = csr_matrix((ones, tuple(rows[known] for rows in pairs[0])), shape, np.float32)
    matrix.sort_indices()
    save_npz(folder / "shown.npz", matrix, compressed=False)
    numbers = [np.ones(len(part), np.float32) for part in (train, hidden)]
    return _save(folder, (train.n_users, train.n_items), (train.user, train.item, numbers[0]), (*pairs[1], numbers[1]), 0, len(users))


def _save_split(folder: Path, user: NDArray[Any], item: NDArray[Any]) -> dict[str, Any]:
    """Hold out a few events at random; users and items without a training event fall away."""
    held = np.random.default_rng(SEED + 1).random(len(user)) < HELD_OUT_SYNTHETIC
    users, user = _compact(user, ~held)
    items, item = _compact(item, ~held)
    keep = held & (user >= 0) & (item >= 0)
    ones = np.ones(len(user), np.float32)
    train = (user[~held], item[~held], ones[~held])
    return _save(folder, (users, items), train, (user[keep], item[keep], ones[keep]), int(held.sum() - keep.sum()))


def _compact(rows: NDArray[Any], of: NDArray[np.bool_]) -> tuple[int, NDArray[np.int32]]:
    present = np.bincount(rows[of], minlength=int(rows.max()) + 1) > 0
    return int(present.sum()), np.where(present, np.cumsum(present) - 1, -1).astype(np.int32)[rows]


def _save(
    folder: Path, shape: tuple[int, int], train: tuple[Any, ...], held: tuple[Any, ...], left_out: int, held_users: int | None = None
) -> dict[str, Any]:
    from scipy.sparse import csr_matrix, save_npz

    rows = {"train": shape[0], "held": shape[0] if held_users is None else held_users}
    for name, (user, item, weight) in (("train", train), ("held", held)):
        matrix = csr_matrix((weight, (user, item)), (rows[name], shape[1]), np.float32)  # the kind that every peer takes
        matrix.sort_indices()
        save_npz(folder / f"{name}.npz", matrix, compressed=False)
    return {"users": shape[0], "items": shape[1], "events": len(train[0]), "held": len(held[0]), "held_left_out": left_out}


def _zipf(events: int, users: int, items: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Distinct pairs of a user and an item: popularity by Zipf's law, activity log-normal, and tastes.

    Ranks are drawn from Zipf's law; for an event that follows taste the rank moves, within its block of GROUPS ranks, to the item
    of one of the user's two groups: so popularity stays what it was, and there is something to learn.
    """
    rng = np.random.default_rng(SEED)
    by_rank = np.cumsum(1.0 / np.arange(1, items + 1))
    by_user = np.cumsum(rng.lognormal(0.0, 1.0, users))
    tastes = rng.integers(0, GROUPS, (users, 2), np.int32)
    keys, fresh = np.zeros(0, np.int64), 0.7  # share of the drawn pairs that are new
    while len(keys) < events:
        n = int(1.1 * (events - len(keys)) / fresh) + 1024
        user = np.searchsorted(by_user, rng.random(n) * by_user[-1]).astype(np.int32)
        rank = np.searchsorted(by_rank, rng.random(n) * by_rank[-1])
        group = tastes[user, rng.integers(0, 2, n)]
        moved = rank // GROUPS * GROUPS + group
        rank = np.where((rng.random(n) < TASTE) & (moved < items), moved, rank)
        before = len(keys)
        keys = np.unique(np.concatenate([keys, user.astype(np.int64) * items + rank]))
        fresh = max((len(keys) - before) / n, 0.05)
    keys = np.sort(rng.choice(keys, events, replace=False)) if len(keys) > events else keys
    return (keys // items).astype(np.int32), rng.permutation(items).astype(np.int32)[keys % items]


def _save_events(folder: Path, events: int) -> dict[str, Any]:
    """An event log as CSV and Parquet: integer user ids that are no row numbers, item ids that are text, quantity, seconds."""
    import duckdb

    rng = np.random.default_rng(SEED)
    user, item = _zipf(events, max(events // 50, 10), max(events // 250, 10))
    order = rng.permutation(events)
    columns = {  # noqa: F841 - DuckDB finds it by its name
        "user": 100_000 + 7 * user[order].astype(np.int64),
        "number": item[order],
        "quantity": rng.integers(1, 6, events).astype(np.float32),
        "time": 1_700_000_000 + np.sort(rng.integers(0, 31_536_000, events)),
    }
    with duckdb.connect() as connection:
        connection.execute("CREATE VIEW log AS SELECT user, 'sku-' || number AS item, quantity, time FROM columns")
        connection.execute(f"COPY log TO '{folder / 'events.csv'}' (HEADER)")
        connection.execute(f"COPY log TO '{folder / 'events.parquet'}' (FORMAT parquet)")
    return {"users": int(user.max()) + 1, "items": int(item.max()) + 1, "events": events}

"""`minirec data`: the sets that can be named, what is in a file, downloads."""

from __future__ import annotations

import argparse
from pathlib import Path

from .commands import Commands
from .console import err, note, out
from .inputs import events
from .settings import cleaning_settings, reader_settings

SPLITS = ("time", "random", "leave-last", "users", "cold-items")


def add_data(commands: Commands) -> None:
    """The commands and their arguments."""
    data = commands.group("data", "data sets: list, describe, download", examples="minirec data list")
    data.add("list", "the data sets that can be named", _data_list, examples="minirec data list")
    describe = data.add(
        "describe", "what is in a file or a data set", _data_describe, examples="minirec data describe sales.csv --user customer"
    )
    describe.add_argument("source", metavar="FILE")
    reader_settings(describe)
    cleaning_settings(describe)
    split = commands.add(
        "split",
        "write train and test files",
        _split,
        examples="""
minirec split sales.csv --how time --test 0.2 --out parts
minirec split ratings.csv --how leave-last --out parts
""",
    )
    split.add_argument("source", help="events: a file, or the name of a built-in data set")
    split.add_argument("--how", choices=SPLITS, help="default: time where there is time, else random")
    split.add_argument("--test", type=float, default=0.2, metavar="SHARE", help="share of test events (default: %(default)s)")
    split.add_argument("--out", default="split", metavar="FOLDER", help="gets train.csv and test.csv (default: %(default)s)")
    reader_settings(split)
    cleaning_settings(split)
    download = data.add(
        "download", "fetch a data set; its licence is shown first", _data_download, examples="minirec data download movielens-100k"
    )
    download.add_argument("name", metavar="NAME")


def _split(arguments: argparse.Namespace) -> None:
    from ..data.splits import split
    from ..data.writers import write_csv

    data = events(arguments.source, arguments)
    parts = split(data, arguments.how, test=arguments.test, seed=arguments.seed or 0)
    names = ("train", "test") if len(parts) == 2 else ("train", "fold_in", "test")
    for name, part in zip(names, parts, strict=True):
        columns = {"user": part.users.ids(part.user), "item": part.items.ids(part.item)}
        optional = {"time": part.timestamp, "weight": part.weight}
        columns |= {key: column.tolist() for key, column in optional.items() if column is not None}
        if part.kind is not None:
            columns["kind"] = [part.kinds[number] for number in part.kind.tolist()]
        write_csv(Path(arguments.out) / f"{name}.csv", columns)
        note(arguments, f"{len(part):,} events of {part.n_users:,} users and {part.n_items:,} items: {Path(arguments.out) / name}.csv")


def _data_list(arguments: argparse.Namespace) -> None:
    from ..data import datasets

    for name, text in datasets().items():
        out(f"{name:<18} {text}")


def _data_describe(arguments: argparse.Namespace) -> None:
    from ..data.summary import describe_text

    out(describe_text(events(arguments.source, arguments)))


def _data_download(arguments: argparse.Namespace) -> None:
    from ..data import download

    out(str(download(arguments.name, on_licence=err)))

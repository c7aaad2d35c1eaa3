"""`minirec data`: the sets that can be named, what is in a file, downloads."""

from __future__ import annotations

import argparse

from .commands import Commands
from .console import err, out
from .inputs import events
from .settings import cleaning_settings, reader_settings


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
    download = data.add(
        "download", "fetch a data set; its licence is shown first", _data_download, examples="minirec data download movielens-100k"
    )
    download.add_argument("name", metavar="NAME")


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

"""The arguments that several commands share, and how their text becomes values."""

from __future__ import annotations

import argparse
from typing import Any


def global_settings(parser: argparse.ArgumentParser, default: Any) -> None:
    group = parser.add_argument_group("settings of every command")
    group.add_argument("--threads", type=int, default=default, metavar="N", help="worker threads (default: all CPUs)")
    group.add_argument("--backend", choices=("auto", "numpy", "numba"), default=default, help="default: numba where it is installed")
    group.add_argument("--memory", default=default, metavar="BYTES", help="memory budget, such as 3GB")
    group.add_argument("--seed", type=int, default=default, metavar="N", help="seed of everything random (default: 0)")
    off = False if default is None else default
    group.add_argument("--debug", action="store_true", default=off, help="show the traceback of an error")
    group.add_argument("--quiet", action="store_true", default=off, help="only results and errors")


def model_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="NAME", help="such as als, rp3beta, ease, itemknn")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the model; may be repeated")


def reader_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("reading", "Columns by name, or by position from 0; what is not given is guessed and reported.")
    for name in ("user", "item"):
        group.add_argument(f"--{name}", type=column, metavar="COLUMN")
    for name in ("time", "weight", "kind"):
        group.add_argument(f"--{name}", type=column, metavar="COLUMN", help="'none': there is no such column")
    group.add_argument(
        "--format",
        metavar="NAME",
        help="such as movielens, netflix, recbole, mind, otto, amazon (default: recognized by content)",
    )
    group.add_argument("--delimiter", metavar="TEXT", help="between columns, such as :: or \\t")
    group.add_argument("--encoding", metavar="NAME", help="such as latin-1 (default: utf-8)")
    group.add_argument("--header", action=argparse.BooleanOptionalAction, default=None, help="is the first line a header?")
    group.add_argument("--query", metavar="SQL", help="of an SQLite file")
    group.add_argument("--item-text", type=names, metavar="A,B", help="columns of the events that describe the item, such as a title")
    group.add_argument("--items", metavar="FILE", help="a file with one row an item")
    group.add_argument("--items-id", type=column, metavar="COLUMN", help="its column of item ids")
    group.add_argument("--items-text", type=columns, metavar="A,B", help="its columns to keep, the name of the item first")
    group.add_argument("--name", metavar="TEXT", help="what to call the data (default: the name of the file)")
    group.add_argument("--explode", type=names, metavar="A,B", help="fields that hold lists: one event for each entry")
    group.add_argument("--missing", type=texts, metavar="A,B", help="texts that stand for nothing ('none': only the empty field does)")
    group.add_argument("--negatives", choices=("drop", "keep"), help="what to do with negative weights (default: keep, with a warning)")
    group.add_argument("--time-format", metavar="TEXT", help="how times are written, such as %%d/%%m/%%Y")
    group.add_argument("--time-unit", choices=("s", "ms", "us", "ns", "order"), help="what whole numbers count (default: by their size)")
    group.add_argument("--kind-weights", type=weights, metavar="KIND=N,KIND=N", help="weight of each kind of event")


def cleaning_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("cleaning")
    group.add_argument("--min-weight", type=float, metavar="N", help="drop events below, such as ratings under 4")
    group.add_argument("--max-user-events", type=int, metavar="N", help="drop users with more events (bots)")
    group.add_argument("--min-user-items", type=int, metavar="N", help="drop users with fewer different items")
    group.add_argument("--min-item-users", type=int, metavar="N", help="drop items with fewer different users")


def names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def texts(text: str) -> list[str]:
    return [] if text.lower() == "none" else names(text)


def numbers(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"takes whole numbers such as 10,20, got {text!r}") from None


def column(text: str) -> str | int | bool:
    if text.lower() == "none":
        return False
    return int(text) if text.isdecimal() else text


def columns(text: str) -> list[str | int | bool]:
    return [column(name) for name in names(text)]


def weights(text: str) -> dict[str, float]:
    try:
        return {kind: float(weight) for kind, _, weight in (part.partition("=") for part in names(text))}
    except ValueError:
        raise argparse.ArgumentTypeError(f"takes kinds and numbers such as view=1,buy=5, got {text!r}") from None

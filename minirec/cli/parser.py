"""The command line of `minirec`: its commands and their arguments."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from .._version import __version__


class _Parser(argparse.ArgumentParser):
    """Usage errors name the command that --help is to be asked of."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"minirec: error: {message}\nTry: {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser; the namespace it gives holds the name of the command as `command`."""
    parser = _Parser(prog="minirec", description="A recommender engine for the long tail.", formatter_class=_Help)
    parser.add_argument("--version", action="version", version=f"minirec {__version__}")
    _global_settings(parser, default=None)
    shared = _Parser(add_help=False)
    _global_settings(shared, default=argparse.SUPPRESS)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)

    def command(group: Any, name: str, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = group.add_parser(name, help=text, description=text, parents=[shared], formatter_class=_Help)
        made.set_defaults(command=name)
        return made

    run = command(commands, "run", "read, clean, split, fit, choose, evaluate, recommend and report, into one folder")
    run.add_argument("source", nargs="?", help="events: a file, or the name of a built-in data set (default: the best one there is)")
    run.add_argument("--out", default="minirec-out", metavar="FOLDER", help="where to write (default: %(default)s)")
    run.add_argument(
        "--models", type=_names, metavar="A,B", help="registry names (default: popularity,random,itemknn,rp3beta,ease,slim,als,bpr)"
    )
    run.add_argument("--param", action="append", default=[], metavar="MODEL.NAME=VALUE", help="a parameter of a model; may be repeated")
    run.add_argument("--k", type=_numbers, metavar="N,N", help="lengths of the lists that are measured (default: 10,20)")
    run.add_argument("--split", choices=("time", "random", "leave-last"), help="default: time where there is time, else random")
    run.add_argument("--test", type=float, metavar="SHARE", help="share of test events (default: 0.2)")
    run.add_argument("--weights", choices=("binary", "count", "log", "raw"), help="what a pair of user and item counts (default: binary)")
    run.add_argument("--text", type=_texts, metavar="A,B", help="item features whose texts the models of content read; 'none': no text")
    run.add_argument("--encoder", choices=("auto", "language-model", "static", "tfidf"), help="of texts (default: the best one installed)")
    run.add_argument("--repeat", metavar="RUN.JSON", help="repeat an earlier run")
    _reader_settings(run)
    _cleaning_settings(run)

    fit = command(commands, "fit", "fit one model on all events and save it")
    fit.add_argument("source", help="events: a file, or the name of a built-in data set")
    _model_settings(fit)
    fit.add_argument("--out", default="model.npz", metavar="FILE", help="the model file (default: %(default)s)")
    _reader_settings(fit)
    _cleaning_settings(fit)

    recommend = command(commands, "recommend", "recommend items with a saved model")
    recommend.add_argument("model_file", metavar="MODEL.npz")
    recommend.add_argument("--users", metavar="FILE", help="user ids, one a line (default: all users of the model)")
    recommend.add_argument("--history", nargs="+", metavar="ITEM", help="items of one new user, in place of --users")
    recommend.add_argument("-k", type=int, default=10, metavar="N", help="items a user (default: %(default)s)")
    recommend.add_argument("--out", metavar="FILE", help="a .csv or .parquet file (default: CSV to the standard output)")
    recommend.add_argument("--candidates", metavar="FILE", help="recommend only these items, one id a line")
    recommend.add_argument("--deny", metavar="FILE", help="never recommend these items, one id a line")
    recommend.add_argument("--include-seen", action="store_true", help="items that a user has already may be recommended")
    recommend.add_argument(
        "--unknown", choices=("raise", "ignore"), default="raise", help="what to do with unknown ids (default: %(default)s)"
    )

    evaluate = command(commands, "evaluate", "measure saved models on test events")
    evaluate.add_argument("model_files", nargs="+", metavar="MODEL.npz")
    evaluate.add_argument("--train", required=True, metavar="FILE", help="the events that the models were fitted on")
    evaluate.add_argument("--test", required=True, metavar="FILE", help="the events to judge them by")
    evaluate.add_argument("--k", type=_numbers, default=[10, 20], metavar="N,N", help="lengths of the lists (default: 10,20)")
    evaluate.add_argument("--include-seen", action="store_true", help="lists may hold what a user has already, and it counts")
    evaluate.add_argument("--out", metavar="FILE", help="write the numbers as JSON, too")
    _reader_settings(evaluate)
    _cleaning_settings(evaluate)

    tune = command(commands, "tune", "search hyper-parameters of a model on a validation part of the events")
    tune.add_argument("source", help="events: a file, or the name of a built-in data set")
    _model_settings(tune)
    tune.add_argument("--budget", default="5m", metavar="TIME", help="90s, 5m, 1h, or a number of trials (default: %(default)s)")
    tune.add_argument("--metric", default="ndcg@20", help="what to search for, such as tail.recall@20 (default: %(default)s)")
    tune.add_argument("--validation", type=float, default=0.1, metavar="SHARE", help="share held out (default: %(default)s)")
    tune.add_argument("--sampler", choices=("random", "optuna"), default="random", help="default: %(default)s; optuna: extra tune")
    tune.add_argument("--out", metavar="FILE", help="save the best model, fitted on all events")
    _reader_settings(tune)
    _cleaning_settings(tune)

    data = commands.add_parser("data", help="data sets: list, describe, download", parents=[shared], formatter_class=_Help)
    kinds = data.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    command(kinds, "list", "the data sets that can be named")
    describe = command(kinds, "describe", "what is in a file or a data set")
    describe.add_argument("source", metavar="FILE")
    _reader_settings(describe)
    _cleaning_settings(describe)
    download = command(kinds, "download", "fetch a data set; its licence is shown first")
    download.add_argument("name", metavar="NAME")
    return parser


class _Help(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=110)


def _global_settings(parser: argparse.ArgumentParser, default: Any) -> None:
    group = parser.add_argument_group("settings of every command")
    group.add_argument("--threads", type=int, default=default, metavar="N", help="worker threads (default: all CPUs)")
    group.add_argument("--backend", choices=("auto", "numpy", "numba"), default=default, help="default: numba where it is installed")
    group.add_argument("--memory", default=default, metavar="BYTES", help="memory budget, such as 3GB")
    group.add_argument("--seed", type=int, default=default, metavar="N", help="seed of everything random (default: 0)")
    off = False if default is None else default
    group.add_argument("--debug", action="store_true", default=off, help="show the traceback of an error")
    group.add_argument("--quiet", action="store_true", default=off, help="only results and errors")


def _model_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="NAME", help="such as als, rp3beta, ease, itemknn")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the model; may be repeated")


def _reader_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("reading", "Columns by name, or by position from 0; what is not given is guessed and reported.")
    for name in ("user", "item"):
        group.add_argument(f"--{name}", type=_column, metavar="COLUMN")
    for name in ("time", "weight", "kind"):
        group.add_argument(f"--{name}", type=_column, metavar="COLUMN", help="'none': there is no such column")
    group.add_argument("--format", metavar="NAME", help="csv, jsonl, parquet, npz, sqlite, movielens, adjacency, sequences")
    group.add_argument("--delimiter", metavar="TEXT", help="between columns, such as :: or \\t")
    group.add_argument("--encoding", metavar="NAME", help="such as latin-1 (default: utf-8)")
    group.add_argument("--header", action=argparse.BooleanOptionalAction, default=None, help="is the first line a header?")
    group.add_argument("--query", metavar="SQL", help="of an SQLite file")
    group.add_argument("--item-text", type=_names, metavar="A,B", help="columns of the events that describe the item, such as a title")
    group.add_argument("--items", metavar="FILE", help="a file with one row an item")
    group.add_argument("--items-id", type=_column, metavar="COLUMN", help="its column of item ids")
    group.add_argument("--items-text", type=_columns, metavar="A,B", help="its columns to keep, the name of the item first")
    group.add_argument("--name", metavar="TEXT", help="what to call the data (default: the name of the file)")
    group.add_argument("--kind-weights", type=_weights, metavar="KIND=N,KIND=N", help="weight of each kind of event")


def _cleaning_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("cleaning")
    group.add_argument("--min-weight", type=float, metavar="N", help="drop events below, such as ratings under 4")
    group.add_argument("--max-user-events", type=int, metavar="N", help="drop users with more events (bots)")
    group.add_argument("--min-user-items", type=int, metavar="N", help="drop users with fewer different items")
    group.add_argument("--min-item-users", type=int, metavar="N", help="drop items with fewer different users")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _texts(text: str) -> list[str]:
    return [] if text.lower() == "none" else _names(text)


def _numbers(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"takes whole numbers such as 10,20, got {text!r}") from None


def _column(text: str) -> str | int | bool:
    if text.lower() == "none":
        return False
    return int(text) if text.isdecimal() else text


def _columns(text: str) -> list[str | int | bool]:
    return [_column(name) for name in _names(text)]


def _weights(text: str) -> dict[str, float]:
    try:
        return {kind: float(weight) for kind, _, weight in (part.partition("=") for part in _names(text))}
    except ValueError:
        raise argparse.ArgumentTypeError(f"takes kinds and numbers such as view=1,buy=5, got {text!r}") from None

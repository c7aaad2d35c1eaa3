"""`minirec run`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from ..errors import DataError, ParameterError
from .commands import Commands
from .console import err, note, watch
from .inputs import CLEANING, READER, cleaning, json_file, param, reader
from .settings import cleaning_settings, names, numbers, reader_settings, texts

GIVEN = (
    "models", "param", "k", "split", "test", "seed", "weights", "text", "encoder", "memory", "budget", "prefer", "price", "target",
    "include_seen", *CLEANING, *READER,
)  # fmt: skip


def add_run(commands: Commands) -> None:
    """The command and its arguments."""
    run = commands.add(
        "run",
        "read, clean, split, fit, choose, evaluate, recommend and report, into one folder",
        _run,
        examples="""
minirec run sales.csv
minirec run sales.csv --user customer --item sku --time day --out report
minirec run ratings.csv --models popularity,als,ease --param als.factors=128 --k 10
minirec run --repeat report/run.json
""",
    )
    run.add_argument("source", nargs="?", help="events: a file, or the name of a built-in data set (default: the best one there is)")
    run.add_argument("--out", default="minirec-out", metavar="FOLDER", help="where to write (default: %(default)s)")
    run.add_argument(
        "--models", type=names, metavar="A,B", help="registry names (default: the best that fit the data, the memory and the time)"
    )
    run.add_argument("--param", action="append", default=[], metavar="MODEL.NAME=VALUE", help="a parameter of a model; may be repeated")
    run.add_argument("-k", "--k", type=numbers, metavar="N,N", help="lengths of the lists that are measured (default: 10,20)")
    run.add_argument("--split", choices=("time", "random", "leave-last"), help="default: time where there is time, else random")
    run.add_argument("--test", type=float, metavar="SHARE", help="share of test events (default: 0.2)")
    run.add_argument("--weights", choices=("binary", "count", "log", "raw"), help="what a pair of user and item counts (default: binary)")
    run.add_argument("--text", type=texts, metavar="A,B", help="item features whose texts the models of content read; 'none': no text")
    run.add_argument("--encoder", choices=("auto", "language-model", "static", "tfidf"), help="of texts (default: the best one installed)")
    run.add_argument("--budget", metavar="TIME", help="for the search: 90s, 3m, 1h; 0: none (default: 3m; with --models: none)")
    run.add_argument("--prefer", choices=("accuracy", "balanced", "tail"), help="which of the three picks is saved (default: balanced)")
    run.add_argument("--price", type=float, metavar="SHARE", help="of the best NDCG, what the tail may cost (default: 0.02)")
    run.add_argument("--target", type=names, metavar="KIND,KIND", help="kinds of event that count in the evaluation, such as buy")
    run.add_argument("--include-seen", action="store_true", default=None, help="recommend and judge repeat purchases, too")
    run.add_argument("--repeat", metavar="RUN.JSON", help="repeat an earlier run")
    reader_settings(run)
    cleaning_settings(run)


def _run(arguments: argparse.Namespace) -> None:
    from ..pipeline import run

    if arguments.repeat is not None:
        settings = _repeated(arguments)
    else:
        settings = {
            "source": arguments.source,
            "models": arguments.models,
            "params": _params_by_model(arguments.param, arguments.models),
            "k": arguments.k,
            "split": arguments.split,
            "test": arguments.test,
            "seed": arguments.seed,
            "weights": arguments.weights,
            "text": arguments.text,
            "encoder": arguments.encoder,
            "memory": arguments.memory,
            "budget": arguments.budget,
            "prefer": arguments.prefer,
            "price": arguments.price,
            "target": arguments.target,
            "include_seen": arguments.include_seen,
            **cleaning(arguments),
            **reader(arguments),
        }
    done = run(out=arguments.out, watch=watch(arguments), **{name: value for name, value in settings.items() if value is not None})
    if arguments.repeat is not None and done.record["data"] != json_file(arguments.repeat).get("data"):
        err(f"warning: the events are not those of {arguments.repeat}: their fingerprints differ")
    note(arguments, str(done))


def _repeated(arguments: argparse.Namespace) -> dict[str, Any]:
    record = json_file(arguments.repeat)
    settings = record.get("arguments")
    if not isinstance(settings, dict):
        raise DataError(f"{arguments.repeat} is not the run.json of a run: it has no arguments")
    if isinstance(settings.get("source"), dict):
        raise DataError(f"{arguments.repeat}: that run read a table in memory, which is not there any more; name a file")
    if arguments.source is not None:
        raise ParameterError("--repeat takes the source from run.json; do not name another")
    further = [name for name in GIVEN if getattr(arguments, name) not in (None, [])]
    if further:
        option = "--" + further[0].replace("_", "-")
        raise ParameterError(f"--repeat takes all settings from run.json; leave out {option}, or run anew with it")
    return settings


def _params_by_model(texts: Sequence[str], models: Sequence[str] | None) -> dict[str, dict[str, Any]] | None:
    """model.name=value for each; without the model where the run has only one."""
    params: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, value = param(text)
        model, dot, parameter = name.partition(".")
        if not dot:
            if models is None or len(models) != 1:
                raise ParameterError(f"with several models --param takes model.name=value, such as als.factors=128; got {text!r}")
            model, parameter = models[0], name
        params.setdefault(model, {})[parameter] = value
    return params or None

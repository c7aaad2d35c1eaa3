"""`minirec serve`: a model over HTTP that learns from the events of a store."""

from __future__ import annotations

import argparse
import sys

from ..errors import ParameterError
from .commands import Commands
from .settings import weights


def add_serve(commands: Commands) -> None:
    """The command and its arguments."""
    serve = commands.add(
        "serve",
        "serve a model over HTTP, with events that change the next answer (extra live); page at /, OpenAPI at /docs",
        _serve,
        examples="""
minirec serve model.npz --events shop.db --items items.csv --port 8000
minirec serve model.npz --events shop.db --host 0.0.0.0 --keys keys.txt --workers 2 --refit-every 24
""",
    )
    serve.add_argument("model_file", metavar="MODEL.npz", help="a saved model; where the file is replaced, the new one is taken")
    serve.add_argument("--events", required=True, metavar="STORE", help="the event store: a file, made where missing, or postgresql://...")
    serve.add_argument("--items", metavar="FILE", help="a file with one row an item: titles and other columns of answers")
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: %(default)s)")
    serve.add_argument("--port", type=int, default=8000, metavar="N", help="default: %(default)s; 0: a free one")
    serve.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: %(default)s)")
    serve.add_argument("--keys", metavar="FILE", help="keys, `ROLE KEY` a line, the role read, write or admin; or set MINIREC_KEY")
    serve.add_argument("--rate", type=float, default=0.0, metavar="N", help="requests a second of each client (default: no limit)")
    serve.add_argument(
        "--durability",
        choices=("power", "process"),
        default="power",
        help="what acknowledged events survive (default: %(default)s failure)",
    )
    serve.add_argument("--kind-weights", type=weights, metavar="KIND=N,KIND=N", help="weight of each kind of event (default: 1, dislike 0)")
    serve.add_argument("--refit-every", type=float, metavar="HOURS", help="fit anew on all events of the store, in the background")
    serve.add_argument("--refit-drift", type=float, metavar="SHARE", help="the same once new events are this share of those before")
    serve.add_argument("--log-all", action="store_true", help="log every request, not only slow and failed ones")


def _serve(arguments: argparse.Namespace) -> None:
    from ..live.opening import open_store
    from ..live.server import Settings, file_of, serve

    if not 1 <= arguments.workers <= 64:
        raise ParameterError(f"--workers must be from 1 to 64, got {arguments.workers}")
    for name in ("rate", "refit_every", "refit_drift"):
        value = getattr(arguments, name)
        if value is not None and not 0 <= value < 1e9:
            raise ParameterError(f"--{name.replace('_', '-')} must not be negative, got {value}")
    settings = Settings(
        str(file_of(arguments.model_file)),
        arguments.items,
        arguments.host,
        arguments.port,
        arguments.workers,
        arguments.keys,
        arguments.rate,
        arguments.log_all,
        arguments.kind_weights,
        None if arguments.refit_every is None else arguments.refit_every * 3600,
        arguments.refit_drift,
    )
    open_store(arguments.events, durability=arguments.durability).close()  # what is wrong with it is told before the socket is bound
    serve(settings, lambda: open_store(arguments.events, durability=arguments.durability), arguments.events, _say)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()

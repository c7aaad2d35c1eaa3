"""`minirec simulate`: what a recommender does to the tail over rounds."""

from __future__ import annotations

import argparse

from .commands import Commands
from .console import note, out, watch
from .inputs import events
from .settings import cleaning_settings, names, reader_settings


def add_simulate(commands: Commands) -> None:
    """The command and its arguments."""
    simulate = commands.add(
        "simulate",
        "rounds of recommending, adopting and learning again, and what they do to the tail",
        _simulate,
        examples="minirec simulate events.csv --models itemknn,als,graphblend --rounds 20 --out loop/",
    )
    simulate.add_argument("source", nargs="?", help="events: a file, or a built-in data set (default: the world of Chaney et al. 2018)")
    simulate.add_argument("--models", type=names, default=["popularity", "itemknn"], metavar="A,B", help="default: popularity,itemknn")
    simulate.add_argument("--rounds", type=int, default=20, metavar="N", help="default: %(default)s")
    simulate.add_argument("-k", "--k", type=int, default=10, metavar="N", help="length of the lists (default: %(default)s)")
    simulate.add_argument("--retrain", type=int, default=1, metavar="N", help="rounds between two fits (default: %(default)s)")
    simulate.add_argument("--adoption", choices=("utility", "cascade", "popularity"), default="utility", help="default: %(default)s")
    simulate.add_argument("--rate", type=float, default=1.0, metavar="P", help="probability that a user takes anything in a round")
    simulate.add_argument("--arrivals", type=int, default=0, metavar="N", help="new items a round (default: %(default)s)")
    simulate.add_argument("--seeds", type=int, default=1, metavar="N", help="courses of chance to average over (default: %(default)s)")
    simulate.add_argument("--out", default="simulation", metavar="FOLDER", help="where to write (default: %(default)s)")
    reader_settings(simulate)
    cleaning_settings(simulate)


def _simulate(arguments: argparse.Namespace) -> None:
    from ..report.simulation import write_simulation
    from ..simulation import simulate

    data = None if arguments.source is None else events(arguments.source, arguments)
    found = simulate(
        data, arguments.models, rounds=arguments.rounds, k=arguments.k, retrain=arguments.retrain, adoption=arguments.adoption,
        rate=arguments.rate, arrivals=arguments.arrivals, seeds=arguments.seeds, seed=arguments.seed or 0,
        progress=lambda done, total: watch(arguments).say(f"round {done} of {total}") if done % 10 == 0 else None,
    )  # fmt: skip
    paths = write_simulation(found, arguments.out)
    out(str(found))
    note(arguments, f"Written: {', '.join(str(path) for path in paths)}")

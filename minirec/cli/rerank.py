"""`minirec rerank`: lists with candidates in, lists out."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import ParameterError
from .commands import Commands
from .console import err
from .settings import reader_settings

_COMMON = ("k", "candidates", "model")


def add_rerank(commands: Commands) -> None:
    """The command and its arguments."""
    rerank = commands.add(
        "rerank",
        "re-rank lists: diversity, calibration, fairness, floors of exposure, a shop's rules",
        _rerank,
        examples=(
            "minirec rerank recs.csv --items items.csv --method mmr --by genre --weight 0.5 -k 10 --out diverse.csv\n"
            "minirec rerank recs.csv --items items.csv --method exposure --provider brand --floor 0.02 --max-loss 0.01 --out fair.csv"
        ),
    )
    rerank.add_argument("lists", metavar="LISTS", help="candidates: a table with the columns user, item and score or rank")
    rerank.add_argument("--method", required=True, metavar="NAME", help="mmr, dpp, xquad, calibration, fastar, exposure, ...; 'list' names all")
    rerank.add_argument("--events", metavar="FILE", help="events, for methods that go by popularity or by what users have")
    rerank.add_argument("--items", metavar="FILE", help="a table of items with the column item")
    rerank.add_argument("-k", "--k", type=int, default=10, metavar="N", help="length of the lists (default: %(default)s)")
    rerank.add_argument("--by", "--provider", dest="by", metavar="COLUMN", help="the item column of the groups or categories")
    rerank.add_argument("--weight", type=float, metavar="X", help="strength of the method")
    rerank.add_argument("--floor", type=float, metavar="SHARE", help="least share of each group (exposure)")
    rerank.add_argument("--cap", type=float, metavar="SHARE", help="largest share of each group (exposure)")
    rerank.add_argument("--max-loss", type=float, metavar="SHARE", help="what a user's list may lose (exposure, equal-exposure)")
    rerank.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a further parameter; may be repeated")
    rerank.add_argument("--out", required=True, metavar="FILE", help="a .csv or .parquet file")
    reader_settings(rerank)


def _rerank(arguments: argparse.Namespace) -> None:
    from ..longtail.rerank import METHODS

    name = arguments.method.lower()
    if name not in METHODS:
        raise ParameterError(f"--method {arguments.method!r} is unknown; there are {', '.join(METHODS)}")
    given: dict[str, Any] = {"k": arguments.k, **dict(_setting(text) for text in arguments.param)}
    for option in ("by", "weight", "floor", "cap", "max_loss"):
        if getattr(arguments, option) is not None:
            given[option] = getattr(arguments, option)
    known = METHODS[name].declared
    unknown = sorted(set(given) - set(known))
    if unknown:
        options = ", ".join(f"--{one.replace('_', '-')}" for one in known if one not in _COMMON)
        raise ParameterError(f"--method {name} takes no {', '.join(f'--{one.replace(chr(95), chr(45))}' for one in unknown)}; it takes {options}")
    method = METHODS[name](**given)
    method._check()
    lists, items = _table(arguments.lists), None if arguments.items is None else _table(arguments.items)
    events = None
    if arguments.events is not None:
        from .inputs import events as read_events

        events = read_events(arguments.events, arguments)
    found = method.apply(lists, events=events, items=items)
    _write(found, arguments.out)
    shown = {key: value for key, value in found.report.items() if not isinstance(value, dict)}
    told = ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in shown.items())
    err(f"{len(found):,} lists re-ranked by {name}; mean loss of relevance {found.cost:.4f}" + (f"; {told}" if told else ""))
    for key, words in (("lacks", "below the floor"), ("over", "above the cap")):
        for group, share in found.report.get(key, {}).items():
            err(f"warning: {group} stays {share:.4f} {words}")

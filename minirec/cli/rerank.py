"""`minirec rerank`: lists with candidates in, lists out."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import ParameterError
from .commands import Commands
from .console import err, watch
from .inputs import param

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
    rerank.add_argument(
        "--method",
        required=True,
        metavar="NAME",
        help="mmr, dpp, xquad, calibration, fastar, exposure, rules, ... (an unknown name lists all)",
    )
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


def _rerank(arguments: argparse.Namespace) -> None:
    from ..data.reading.readers import read_with_account
    from ..longtail.rerank import METHODS

    name = arguments.method.lower()
    if name not in METHODS:
        raise ParameterError(f"--method {arguments.method!r} is unknown; there are {', '.join(METHODS)}")
    given: dict[str, Any] = {"k": arguments.k, **dict(param(text) for text in arguments.param)}
    for option in ("by", "weight", "floor", "cap", "max_loss"):
        if getattr(arguments, option) is not None:
            given[option] = getattr(arguments, option)
    known = METHODS[name].declared
    unknown = sorted(set(given) - set(known))
    if unknown:
        options = ", ".join(f"--{one.replace('_', '-')}" for one in known if one not in _COMMON)
        raise ParameterError(
            f"--method {name} takes no {', '.join(f'--{one.replace(chr(95), chr(45))}' for one in unknown)}; it takes {options}"
        )
    method = METHODS[name](**given)
    method._check()
    lists = _lists(arguments.lists)
    items = None if arguments.items is None else _items(arguments.items)
    events = None
    if arguments.events is not None:
        events, account = read_with_account(arguments.events)
        watch(arguments).say(f"{events!r}\n{account}")
    found = method.apply(lists, events=events, items=items)
    found.to_parquet(arguments.out) if arguments.out.endswith(".parquet") else found.to_csv(arguments.out)
    shown = {key: value for key, value in found.report.items() if not isinstance(value, dict)}
    told = ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in shown.items())
    err(f"{len(found):,} lists re-ranked by {name}; mean loss of relevance {found.cost:.4f}" + (f"; {told}" if told else ""))
    for key, words in (("lacks", "below the floor"), ("over", "above the cap")):
        for group, share in found.report.get(key, {}).items():
            err(f"warning: {group} stays {share:.4f} {words}")


def _lists(source: str) -> Any:
    """The lists of a file as candidates."""
    import numpy as np

    from ..audit.lists import read_lists
    from ..longtail.rerank.candidates import Candidates

    found = read_lists(source)
    scores = np.zeros(len(found.item)) if found.score is None else found.score
    lists = Candidates(found.users.ids(np.arange(len(found.users))), found.items, found.indptr, found.item, scores)
    return lists.by_place() if found.score is None or found.order == "rank" else lists


def _items(source: str) -> dict[str, Any]:
    """The columns of a table of items, the ids under "item"."""
    from ..data.account import Account
    from ..data.reading.item_tables import read_columns

    names, columns = read_columns(source, Account(0, 0))
    table: dict[str, Any] = dict(zip(names, columns, strict=True))
    if "item" not in table:
        known = next((name for name in names if name.lower() in ("item_id", "itemid", "id", "product", "product_id", "movie_id")), None)
        if known is None:
            raise ParameterError(f"{source} needs a column item with the ids of the items; it has {', '.join(names)}")
        table["item"] = table[known]
    return table

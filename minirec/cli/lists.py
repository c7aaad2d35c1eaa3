"""Commands that ask a saved model: recommend, similar, explain."""

from __future__ import annotations

import argparse
import csv
import sys
from typing import TYPE_CHECKING, Any

from ..errors import ParameterError
from .commands import Commands
from .console import err, note
from .inputs import ids, lines
from .settings import column, names

if TYPE_CHECKING:
    from ..data.catalogue import Catalogue
    from ..models.contract.recommender import Recommender

DIGITS = 6  # of scores in text


def add_lists(commands: Commands) -> None:
    """The commands and their arguments."""
    recommend = commands.add(
        "recommend",
        "recommend items with a saved model",
        _recommend,
        examples="""
minirec recommend model.npz --users users.txt -k 20 --out lists.csv
minirec recommend model.npz --history 4711 4712
minirec recommend model.npz --items catalog.csv --show title,price --where "price < 20 and in_stock" --out lists.json
minirec recommend model.npz --item 4711 -k 500 --out campaign.csv
""",
    )
    recommend.add_argument("model_file", metavar="MODEL.npz")
    recommend.add_argument("--users", metavar="FILE", help="user ids, one a line (default: all users of the model)")
    recommend.add_argument("--history", nargs="+", metavar="ITEM", help="items of one new user, in place of --users")
    recommend.add_argument("--item", metavar="ITEM", help="the k users with the highest score for this item, in place of lists")
    recommend.add_argument("-k", "--k", type=int, default=10, metavar="N", help="items a user (default: %(default)s)")
    recommend.add_argument("--out", metavar="FILE", help="a .csv, .parquet, .json or .sqlite file (default: CSV to the standard output)")
    recommend.add_argument("--candidates", metavar="FILE", help="recommend only these items, one id a line")
    recommend.add_argument("--deny", metavar="FILE", help="never recommend these items, one id a line")
    recommend.add_argument("--include-seen", action="store_true", help="items that a user has already may be recommended")
    recommend.add_argument(
        "--unknown", choices=("raise", "ignore"), default="raise", help="what to do with unknown ids (default: %(default)s)"
    )
    _catalogue_settings(recommend)
    recommend.add_argument("--where", metavar="CONDITION", help='recommend only items for which this holds, such as "price < 20"')

    similar = commands.add(
        "similar",
        "items that are like an item",
        _similar,
        examples="""
minirec similar model.npz 4711 -k 5
minirec similar model.npz 4711 4712 --items catalog.csv --show title
""",
    )
    similar.add_argument("model_file", metavar="MODEL.npz")
    similar.add_argument("like", nargs="+", metavar="ITEM", help="one item or several")
    similar.add_argument("-k", "--k", type=int, default=10, metavar="N", help="items each (default: %(default)s)")
    similar.add_argument("--out", metavar="FILE", help="a .csv, .parquet, .json or .sqlite file (default: CSV to the standard output)")
    _catalogue_settings(similar)

    explain = commands.add(
        "explain",
        "what the score of an item is made of",
        _explain,
        examples="""
minirec explain model.npz --user 17 --item 4711
minirec explain model.npz --history 4711 4712 --item 4713 --items catalog.csv --show title
""",
    )
    explain.add_argument("model_file", metavar="MODEL.npz")
    explain.add_argument("--user", metavar="USER", help="a user of the model")
    explain.add_argument("--history", nargs="+", metavar="ITEM", help="items of a new user, in place of --user")
    explain.add_argument("--item", required=True, metavar="ITEM")
    explain.add_argument("--out", metavar="FILE", help="a .csv, .parquet, .json or .sqlite file (default: CSV to the standard output)")
    _catalogue_settings(explain)


def _catalogue_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--items", metavar="FILE", help="a table with one row an item, for --show and --where")
    parser.add_argument("--items-id", type=column, metavar="COLUMN", help="its column of item ids (default: the one that fits)")
    parser.add_argument("--show", type=names, metavar="A,B", help="columns of --items to write beside each item, such as title,price")


def _loaded(arguments: argparse.Namespace) -> Recommender:
    from ..data.writers import WRITERS
    from ..models.contract.files import load_model

    if arguments.out is not None and not arguments.out.lower().endswith(tuple(WRITERS)):
        raise ParameterError(f"--out {arguments.out}: the name must end in one of {', '.join(WRITERS)}")
    wants = [option for option in ("show", "where") if getattr(arguments, option, None) is not None]
    if wants and arguments.items is None:
        raise ParameterError(f"--{wants[0]} needs the table of items: --items FILE")
    return load_model(arguments.model_file)


def _catalogue(arguments: argparse.Namespace, model: Recommender) -> Catalogue | None:
    if arguments.items is None:
        return None
    from ..data.catalogue import Catalogue

    found = Catalogue(arguments.items, model.items_, arguments.items_id)
    if found.missing:
        err(f"{found.missing:,} of {len(model.items_):,} items of the model have no row in {arguments.items}")
    return found


def _write(arguments: argparse.Namespace, columns: dict[str, list[Any]], catalogue: Catalogue | None, what: str) -> None:
    """Columns, with those of the table of items that were asked for, to the file or to the standard output."""
    if catalogue is not None and arguments.show:
        columns = columns | catalogue.columns(columns["item"], arguments.show)
    columns = {name: [round(v, DIGITS) if isinstance(v, float) else v for v in values] for name, values in columns.items()}
    if arguments.out is None:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        return
    from ..data.writers import write_table

    write_table(arguments.out, columns)
    note(arguments, f"{what}: written to {arguments.out}")


def _recommend(arguments: argparse.Namespace) -> None:
    if sum(getattr(arguments, name) is not None for name in ("users", "history", "item")) > 1:
        raise ParameterError("give --users (known ones) or --history (a new one) or --item (users for an item), not both")
    model = _loaded(arguments)
    catalogue = _catalogue(arguments, model)
    if arguments.item is not None:
        from ..models.contract.audience import recommend_users

        item = ids([arguments.item], model.items_)[0]
        audience = recommend_users(model, item, arguments.k, exclude_seen=not arguments.include_seen)
        columns: dict[str, list[Any]] = {"item": [item] * len(audience), "user": [user for user, _ in audience]}
        columns |= {"score": [score for _, score in audience], "rank": list(range(1, len(audience) + 1))}
        _write(arguments, columns, catalogue, f"{len(audience):,} users")
        return
    settings: dict[str, Any] = {"k": arguments.k, "exclude_seen": not arguments.include_seen, "unknown": arguments.unknown}
    for name in ("candidates", "deny"):
        if getattr(arguments, name) is not None:
            settings[name] = ids(lines(getattr(arguments, name), model.items_), model.items_)
    if arguments.where is not None and catalogue is not None:
        matching = catalogue.where(arguments.where)
        named = settings.get("candidates")
        settings["candidates"] = matching if named is None else [item for item in matching if item in set(named)]
    if arguments.history is not None:
        found = model.recommend(history=[ids(arguments.history, model.items_)], **settings)
    else:
        users = None if arguments.users is None else ids(lines(arguments.users), model.users_)
        found = model.recommend(users, **settings)
    if found.ignored:
        err(f"{len(found.ignored):,} unknown ids ignored, such as {found.ignored[0]!r}")
    _write(arguments, found.columns(), catalogue, f"{len(found):,} lists of up to {arguments.k} items")


def _similar(arguments: argparse.Namespace) -> None:
    model = _loaded(arguments)
    catalogue = _catalogue(arguments, model)
    columns: dict[str, list[Any]] = {"like": [], "item": [], "similarity": [], "rank": []}
    for like in ids(arguments.like, model.items_):
        for rank, (item, similarity) in enumerate(model.similar_items(like, arguments.k), 1):
            for name, value in zip(columns, (like, item, similarity, rank), strict=True):
                columns[name].append(value)
    _write(arguments, columns, catalogue, f"{len(columns['item']):,} similar items")


def _explain(arguments: argparse.Namespace) -> None:
    if (arguments.user is None) == (arguments.history is None):
        raise ParameterError("give --user (a known one) or --history (items of a new one)")
    model = _loaded(arguments)
    catalogue = _catalogue(arguments, model)
    item = ids([arguments.item], model.items_)[0]
    if arguments.user is not None:
        found = model.explain(ids([arguments.user], model.users_)[0], item)
    else:
        found = model.explain(history=[ids(arguments.history, model.items_)], item=item)
    total = sum(abs(part.value) for part in found.parts) or 1.0
    columns: dict[str, list[Any]] = {
        "item": [part.name for part in found.parts],
        "source": [part.source for part in found.parts],
        "part": [part.value for part in found.parts],
        "percent": [round(100 * part.value / total, 2) for part in found.parts],
    }
    if catalogue is not None and arguments.show:
        known = [part.name for part in found.parts if part.name in model.items_]
        shown = catalogue.columns(known, arguments.show)
        for name, values in shown.items():
            texts = dict(zip(known, values, strict=True))
            columns[name] = [texts.get(part.name, "") for part in found.parts]
        catalogue = None
    _write(arguments, columns, catalogue, f"{len(found.parts):,} parts of the score {found.score:.6g}")
    note(arguments, f"score {found.score:.6g}") if arguments.out is not None else err(f"score {found.score:.6g} of item {found.item!r}")

"""`minirec audit`: audit the lists of any recommender or a running system, write a plan, check what was written."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..errors import ParameterError
from .commands import Commands
from .console import note, out, watch
from .inputs import reader
from .settings import column, names

_EXAMPLES = """
minirec audit plan --events events.csv > plan.toml
minirec audit --lists recs.csv --events events.csv --test test.csv --plan plan.toml --out audit/
minirec audit --lists recs.parquet --events events.csv --items items.csv --provider brand --users users.csv --user-group age
minirec audit --endpoint http://127.0.0.1:8000/v1/recommend --events events.csv --plan plan.toml --out audit/
minirec audit verify audit/
"""


def add_audit(commands: Commands) -> None:
    """The commands and their arguments."""
    audit = commands.add(
        "audit", "audit any recommender's lists against a plan: verdicts with intervals, and a report to sign", _audit, examples=_EXAMPLES
    )
    audit.add_argument("--lists", metavar="FILE", help="the lists: rows of user, item and rank or score, or nested JSON, or npz arrays")
    audit.add_argument("--endpoint", metavar="URL", help="a running system to ask in place of --lists")
    _data_settings(audit)
    audit.add_argument("--test", metavar="FILE", help="later events; without them criteria of accuracy are 'cannot tell'")
    audit.add_argument("--plan", metavar="FILE", help="the plan, TOML (default: minirec's own, which the report says)")
    audit.add_argument("--out", default="audit", metavar="FOLDER", help="where to write (default: %(default)s)")
    audit.add_argument("--compare", type=names, default=[], metavar="A,B", help="models to fit on the same events and set beside the lists")
    audit.add_argument("--deviation", action="append", default=[], metavar="TEXT", help="a deviation from the plan to log; may be repeated")
    audit.add_argument("--lang", choices=("en", "zh"), default="en", help="of audit.html (default: %(default)s)")
    audit.add_argument("--strict", action="store_true", help="exit with 1 where a criterion fails")
    audit.add_argument("--key", metavar="PEM", help="ed25519 private key for a detached signature (extra: sign)")
    lists = audit.add_argument_group("columns of the lists", "By name, or by position from 0; what is not given is guessed and reported.")
    for name in ("list-user", "list-item", "rank", "score", "list-time", "propensity"):
        lists.add_argument(f"--{name}", type=column, metavar="COLUMN")
    asking = audit.add_argument_group("asking a running system")
    asking.add_argument("--rate", type=float, default=10.0, metavar="N", help="requests a second at most (default: %(default)s)")
    asking.add_argument("--ask-users", type=int, default=200, metavar="N", help="users whose lists are asked for (default: %(default)s)")
    asking.add_argument("--bearer-file", metavar="FILE", help="a file with the token of an Authorization header")

    kinds: Any = audit.add_subparsers(title="commands", metavar="COMMAND", required=False, parser_class=type(audit))

    def kind(name: str, text: str, example: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = kinds.add_parser(
            name, help=text, description=text, epilog=f"examples:\n  {example}", formatter_class=audit.formatter_class
        )
        return made

    plan = kind(
        "plan",
        "write a plan to edit, TOML alone on the standard output",
        "minirec audit plan --events events.csv --provider brand --user-group age > plan.toml",
    )
    plan.set_defaults(command="audit plan", handler=_plan)
    _data_settings(plan)
    verify = kind("verify", "check the files of an audit: exit 1 where one was changed", "minirec audit verify audit/")
    verify.set_defaults(command="audit verify", handler=_verify)
    verify.add_argument("folder", metavar="FOLDER")
    verify.add_argument("--public-key", metavar="PEM", help="ed25519 public key to check the signature with")


def _data_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--events", metavar="FILE", help="what the system knew: rows of user and item")
    parser.add_argument("--items", metavar="FILE", help="a table with one row an item")
    parser.add_argument("--provider", metavar="COLUMN", help="its column, or a file of (item, provider)")
    parser.add_argument("--item-group", action="append", default=[], metavar="COLUMN", help="groups of items; may be repeated")
    parser.add_argument("--users", metavar="FILE", help="a table with one row a user")
    parser.add_argument("--user-group", action="append", default=[], metavar="COLUMN", help="groups of users; a*b crosses two")
    parser.add_argument("-k", "--k", type=int, metavar="N", help="places of each list that count (default: the plan's, 10)")
    group = parser.add_argument_group("reading the events", "Columns by name, or by position from 0.")
    for name in ("user", "item", "time", "weight", "kind"):
        group.add_argument(f"--{name}", type=column, metavar="COLUMN")
    group.add_argument("--format", metavar="NAME", help="csv, jsonl, parquet, npz, sqlite, movielens, adjacency, sequences")
    group.add_argument("--delimiter", metavar="TEXT")
    group.add_argument("--encoding", metavar="NAME")
    group.add_argument("--header", action=argparse.BooleanOptionalAction, default=None)
    group.add_argument("--query", metavar="SQL")


def _reading(arguments: argparse.Namespace) -> dict[str, Any]:
    """Settings of the reader of events; the tables of items and users are the audit's own."""
    blank = dict.fromkeys(("item_text", "items_id", "items_text", "kind_weights", "name"))
    return reader(argparse.Namespace(**{**blank, **vars(arguments), "items": None}))


def _audit(arguments: argparse.Namespace) -> int:
    from ..audit import audit
    from ..report.audit_files import write_audit

    if arguments.events is None or (arguments.lists is None) == (arguments.endpoint is None):
        raise ParameterError("an audit needs --events, and either --lists or --endpoint")
    lists = arguments.lists if arguments.endpoint is None else _endpoint(arguments)
    columns = {"user": arguments.list_user, "item": arguments.list_item, "rank": arguments.rank, "score": arguments.score,
               "time": arguments.list_time, "propensity": arguments.propensity}  # fmt: skip
    done = audit(
        lists, arguments.events, test=arguments.test, items=arguments.items, users=arguments.users, provider=arguments.provider,
        user_groups=arguments.user_group, item_groups=arguments.item_group, plan=arguments.plan, k=arguments.k, compare=arguments.compare,
        deviations=arguments.deviation, list_columns={name: value for name, value in columns.items() if value is not None},
        reading=_reading(arguments), seed=arguments.seed, ask_users=arguments.ask_users, say=watch(arguments).say,
    )  # fmt: skip
    write_audit(done, arguments.out, language=arguments.lang, key=arguments.key)
    if arguments.endpoint is not None and (seconds := lists.latency()) is not None:
        note(arguments, f"answers took {1000 * seconds[0]:.0f} ms (median), {1000 * seconds[1]:.0f} ms (95th percentile)")
    note(arguments, f"{done}\nwritten to {arguments.out}: audit.html, audit.json, plan.toml, manifest.json")
    return 1 if arguments.strict and done.failed else 0


def _endpoint(arguments: argparse.Namespace) -> Any:
    from pathlib import Path

    from ..audit import Endpoint

    headers = {}
    if arguments.bearer_file is not None:
        headers["Authorization"] = f"Bearer {Path(arguments.bearer_file).read_text(encoding='utf-8').strip()}"
    return Endpoint(arguments.endpoint, rate=arguments.rate, headers=headers)


def _plan(arguments: argparse.Namespace) -> None:
    from ..audit.defaults import NOTES, default_plan
    from ..audit.plan import to_toml

    if arguments.events is None:
        raise ParameterError("a plan needs --events, whose long tail and times its thresholds fit")
    plan = default_plan(
        arguments.events, k=10 if arguments.k is None else arguments.k, provider=arguments.provider,
        user_groups=tuple(arguments.user_group), item_groups=tuple(arguments.item_group), seed=arguments.seed or 0,
        reading=_reading(arguments),
    )  # fmt: skip
    sys.stdout.write(to_toml(plan, NOTES))


def _verify(arguments: argparse.Namespace) -> int:
    from ..audit import absent_inputs, verify

    wrong = verify(arguments.folder, arguments.public_key)
    for line in wrong:
        out(line)
    for path in absent_inputs(arguments.folder):
        note(arguments, f"{path}: not there, so not checked")
    if not wrong:
        note(arguments, f"{arguments.folder}: every file is as it was written")
    return 1 if wrong else 0

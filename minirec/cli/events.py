"""`minirec events`: an event store filled, read out, kept small."""

from __future__ import annotations

import argparse
import sys

from ..errors import StoreError
from .commands import Commands
from .console import note
from .inputs import events as read_events
from .settings import cleaning_settings, reader_settings


def add_events(commands: Commands) -> None:
    """The commands and their arguments."""
    group = commands.group(
        "events", "an event store: import, export, compact, snapshot", examples="minirec events import shop.db events.csv"
    )
    load = group.add(
        "import",
        "store the events of a file; what is there already is not stored again",
        _import,
        examples="""
minirec events import shop.db events.csv
minirec events import shop.db sales.csv --user customer --item sku
""",
    )
    load.add_argument("store", metavar="STORE.db", help="made where it is missing")
    load.add_argument("source", help="CSV with the columns event_id,user,item,kind,time,value; or any events that `minirec fit` reads")
    reader_settings(load)
    cleaning_settings(load)
    export = group.add(
        "export",
        "write all events as CSV (event_id,user,item,kind,time,value) to the standard output, also while serving",
        _export,
        examples="minirec events export shop.db > events.csv",
    )
    export.add_argument("store", metavar="STORE.db")
    compact = group.add(
        "compact",
        "check a store, drop what is older than asked, give back the space",
        _compact,
        examples="""
minirec events compact shop.db
minirec events compact shop.db --keep-lists 30 --keep-events 730
""",
    )
    compact.add_argument("store", metavar="STORE.db")
    compact.add_argument("--keep-events", type=float, metavar="DAYS", help="remove older events (default: keep all)")
    compact.add_argument("--keep-lists", type=float, metavar="DAYS", help="remove older lists that were served (default: keep all)")
    snapshot = group.add(
        "snapshot", "copy a store as it is now, also while serving", _snapshot, examples="minirec events snapshot shop.db copy.db"
    )
    snapshot.add_argument("store", metavar="STORE.db")
    snapshot.add_argument("target", metavar="COPY.db")
    recover = group.add(
        "recover",
        "cut a damaged write-ahead log where its damage begins; a copy is kept",
        _recover,
        examples="minirec events recover shop.db",
    )
    recover.add_argument("store", metavar="STORE.db")


def _import(arguments: argparse.Namespace) -> None:
    from ..live.opening import open_store
    from ..live.transfer import has_event_ids, import_dataset, import_events

    with open_store(arguments.store) as store:
        if has_event_ids(arguments.source):
            receipt = import_events(store, arguments.source)
        else:
            receipt = import_dataset(store, read_events(arguments.source, arguments))
        text = f"{receipt.stored:,} events stored, {receipt.repeated:,} were there already"
        note(arguments, f"{text}; {arguments.store} holds {store.count():,}")
        if receipt.conflicts:
            raise StoreError(
                f"{len(receipt.conflicts):,} event ids belong to other events, such as {receipt.conflicts[0]!r}: those rows were not stored"
            )


def _export(arguments: argparse.Namespace) -> None:
    from ..live.opening import open_store
    from ..live.transfer import export_events

    with open_store(arguments.store, create=False) as store:
        export_events(store, sys.stdout)


def _compact(arguments: argparse.Namespace) -> None:
    from ..live.opening import open_store

    with open_store(arguments.store, create=False) as store:
        before = store.size()
        ages = {name: days and days * 86400 for name, days in (("events", arguments.keep_events), ("lists", arguments.keep_lists))}
        gone = store.retain(**ages) if any(age is not None for age in ages.values()) else {"events": 0, "lists": 0}
        store.compact()
        after = store.size()
    note(arguments, f"{gone['events']:,} events and {gone['lists']:,} lists removed; {before:,} bytes before, {after:,} after")


def _snapshot(arguments: argparse.Namespace) -> None:
    from ..live.sqlite import SqliteStore

    with SqliteStore(arguments.store, create=False) as store:
        store.snapshot(arguments.target)
    note(arguments, f"written to {arguments.target}")


def _recover(arguments: argparse.Namespace) -> None:
    from ..live.sqlite import recover

    note(
        arguments, f"{recover(arguments.store):,} frames of the write-ahead log of {arguments.store} are kept; the damaged log is beside it"
    )

"""`python -m benchmarks speed | scaling | latency | coldstart | published | frontier | content | peers | row | rows | report`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from . import frontier, report
from .common import Folders, Row
from .content import new_items as content
from .content import warm_tail
from .content.vectors import Encoders
from .published import run as published
from .speed import coldstart, latency, runner, scaling
from .speed.load import machine
from .speed.peers import PEERS, install
from .speed.tasks import TASKS

HERE = Path(__file__).resolve().parent


def say(text: str) -> None:
    """A line to the terminal, at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def brief(row: Row) -> str:
    """A row in a line."""
    names = ("task", "operation", "what", "who", "side", "data", "events", "users", "items", "factors", "threads", "peer")
    label = " ".join(str(row[name]) for name in names if name in row)
    shown = (
        "error",
        "ratio",
        "peer_seconds",
        "minirec_seconds",
        "peer_quality",
        "minirec_quality",
        "agreement",
        "seconds",
        "p50",
        "throughput",
    )
    figures = [f"{name} {row[name]:.4g}" if isinstance(row[name], float) else f"{name} {row[name]}" for name in shown if name in row]
    return f"{label}: {', '.join(figures)}"


def speed(arguments: argparse.Namespace, folders: Folders) -> Iterator[Row]:
    """Run what is asked for and not there yet; each row as it is done."""
    tasks = [task for task in TASKS.values() if not arguments.task or task.name in arguments.task]
    for row in runner.rows_to_do(tasks, arguments.peer, arguments.data, arguments.threads):
        results = folders.rows(row["task"], runner.SPEED_KEY)
        if not results.needed(row, arguments.again):
            continue
        task = TASKS[row["task"]]
        done = runner.measure(task, row["data"], row["threads"], row["peer"], folders, rounds=arguments.rounds, limit=arguments.limit)
        results.put(done)
        yield done


def peers(folders: Folders, names: list[str] | None, again: bool) -> Iterator[Row]:
    """Make the environments of the peers (those of later issues only by name), and list what came of it."""
    results = folders.rows("peers", ("peer",))
    for peer in PEERS.values():
        if peer.name in names if names else not peer.later:
            row = install(peer, folders.envs, again=again)._asdict()
            results.put(row)
            yield row


def parser() -> argparse.ArgumentParser:
    """The command line."""
    from minirec.options import cache_folder, data_folder

    cache = cache_folder() / "benchmarks"
    top = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    for name, text in (
        ("peers", "install the peers, each in an environment of its own"),
        ("speed", "minirec beside its peers, task by task, in turns"),
        ("scaling", "time and memory against events, users, items and factors"),
        ("latency", "one user at a time, and eight threads at once"),
        ("coldstart", "import, first call, new environment"),
        ("published", "published numbers, run again with the settings of their sources"),
        ("frontier", "accuracy against the tail, for each family of models; settings chosen on validation"),
        ("content", "what the content of items adds: new items, and the tail of the others"),
        ("row", "measure one row anew, by its id"),
        ("rows", "list the ids of all rows"),
        ("report", "write RESULTS.md and its pictures from the results"),
    ):
        one = commands.add_parser(name, help=text)
        one.add_argument("--results", type=Path, default=HERE / "results", help="folder of results (default: benchmarks/results)")
        one.add_argument("--data-folder", type=Path, default=data_folder(), help="folder with ml-1m, ml-100k, gowalla (MINIREC_DATA)")
        one.add_argument("--work", type=Path, default=cache / "data", help="folder of prepared data sets")
        one.add_argument("--envs", type=Path, default=cache / "environments", help="folder of the peers' environments")
        one.add_argument("--again", action="store_true", help="measure anew what is there already")
        if name == "row":
            one.add_argument("id", help="such as ials-cg-64/ml-1m/2/irspack; `rows` lists all")
        if name in ("speed", "scaling", "latency"):
            one.add_argument("--task", nargs="+", choices=None if name == "scaling" else [*TASKS, *latency.TASKS], help="only these")
        if name == "content":
            one.add_argument("--part", nargs="+", choices=content.PARTS, help="only these")
            one.add_argument("--data", nargs="+", choices=list(content.SHOPS | warm_tail.SHOPS), help="only these data sets")
            one.add_argument("--model", nargs="+", choices=list(content.MODELS), help="only these, of the new items")
            one.add_argument("--model-folder", type=Path, help="folder of a sentence-transformers model (default: the installed package)")
            one.add_argument("--static-folder", type=Path, help="folder of a token table (default: the installed package)")
        if name in ("speed", "peers"):
            one.add_argument("--peer", nargs="+", help="only these peers")
        if name == "published":
            one.add_argument("--method", nargs="+", help="only these")
        if name == "frontier":
            one.add_argument("--data", nargs="+", choices=list(frontier.SHOPS), help="only these data sets")
            one.add_argument("--family", nargs="+", choices=list(frontier.FAMILIES), help="only these families of models")
        if name == "speed":
            one.add_argument("--data", nargs="+", help="only these data sets")
            one.add_argument("--limit", type=float, default=900.0, help="seconds that one run may take")
        if name == "scaling":
            one.add_argument("--axis", nargs="+", choices=("events", "users", "items", "factors"), help="only these")
        if name in ("speed", "scaling"):
            one.add_argument("--threads", nargs="+", type=int, help="only these numbers of threads (default: 1 and 2; scaling: 2)")
        if name in ("speed", "scaling", "latency", "coldstart"):
            one.add_argument("--rounds", type=int, default=5 if name == "speed" else 3, help="timed runs of each side")
    return top


def command_of(row: str) -> str:
    """The command that measures a row, from its id, which begins with its file of results."""
    file = row.partition("/")[0]
    return file if file in ("scaling", "latency", "coldstart", "published", "frontier", "content", "peers") else "speed"


def ids(results: Path) -> Iterator[str]:
    """The ids of all rows there are."""
    for path in sorted(results.glob("*.json")):
        content = json.loads(path.read_text("utf-8"))
        if isinstance(content, list):
            yield from (row["id"] for row in content if "id" in row)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0, or 1 where a row could not be measured."""
    chosen = parser().parse_args(arguments)
    if chosen.command == "report":
        report.write(chosen.results, chosen.results.parent)
        return 0
    if chosen.command == "rows":
        sys.stdout.writelines(f"{one}\n" for one in ids(chosen.results))
        return 0
    only = chosen.id if chosen.command == "row" else None
    if only is not None:
        chosen = parser().parse_args([command_of(only), *(arguments or sys.argv[1:])[2:]])
        if command_of(only) == "speed":
            chosen.task = [only.partition("/")[0]]
    chosen.results.mkdir(parents=True, exist_ok=True)
    if chosen.command in ("speed", "scaling", "latency", "coldstart") and only is None:  # what RESULTS.md says was measured on it
        (chosen.results / "machine.json").write_text(json.dumps(machine()) + "\n", "utf-8")
    data = chosen.data_folder.expanduser().resolve() if chosen.data_folder else None
    measured = failed = 0
    for row in _rows(chosen, Folders(data, chosen.work.resolve(), chosen.envs.resolve(), chosen.results, only)):
        say(brief(row))
        measured += 1
        failed += row.get("error") is not None
    if only is not None and not measured:
        say(f"there is no row {only}; `python -m benchmarks rows` lists them")
    return 1 if failed or (only is not None and not measured) else 0


def _rows(chosen: argparse.Namespace, folders: Folders) -> Iterator[Row]:
    """The rows of a command, each as it is done."""
    if chosen.command == "peers":
        return peers(folders, chosen.peer, chosen.again)
    if chosen.command == "speed":
        return speed(chosen, folders)
    if chosen.command == "scaling":
        return scaling.run(folders, chosen.task, chosen.axis, chosen.threads or [2], chosen.rounds, chosen.again)
    if chosen.command == "latency":
        return latency.run(folders, chosen.task, chosen.rounds, chosen.again)
    if chosen.command == "published":
        return published.run(folders, chosen.method, chosen.again)
    if chosen.command == "frontier":
        return frontier.run(folders, chosen.data, chosen.family, chosen.again)
    if chosen.command == "content":
        encoders = Encoders(
            *(folder and folder.resolve() for folder in (chosen.model_folder, chosen.static_folder)), folders.work / "vectors"
        )
        return content.run(folders, encoders, chosen.part, chosen.data, chosen.model, chosen.again)
    return coldstart.run(folders, chosen.rounds, chosen.again)


if __name__ == "__main__":
    sys.exit(main())

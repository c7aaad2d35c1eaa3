"""Compare with every peer that is installed, and write the table: `python -m benchmarks.peers_tests [--out FILE]`.

Peers: pip install rectools lenskit ranx ir-measures irspack recommenders scikit-learn holisticai, into an environment of their own.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from . import fairness_peers, pair_peers, ranked_peers
from .world import Row, World, world

TOLERANCE = 1e-9
FLOAT32 = 1e-6  # LensKit's ranks and weights are float32
PEERS: dict[str, tuple[str, tuple[Callable[[World], Iterator[Row]], ...]]] = {
    "RecTools": ("rectools", (ranked_peers.rectools,)),
    "LensKit": ("lenskit", (ranked_peers.lenskit,)),
    "ranx": ("ranx", (ranked_peers.ranx,)),
    "ir-measures": ("ir_measures", (ranked_peers.ir_measures,)),
    "irspack": ("irspack", (ranked_peers.irspack,)),
    "recommenders": ("recommenders", (ranked_peers.recommenders, pair_peers.recommenders)),
    "Surprise": ("scikit-surprise", (pair_peers.surprise,)),
    "scikit-learn": ("scikit-learn", (pair_peers.sklearn,)),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("PEERS.md"))
    parser.add_argument("--rampisela", type=Path, help="RecBole/recbole/evaluator/metrics.py of individual-item-fairness-measures-recsys")
    arguments = parser.parse_args()
    found: dict[tuple[str, str, str], list[Row]] = {}
    versions, missing = {}, []
    for peer, (package, adapters) in PEERS.items():
        try:
            versions[peer] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            missing.append(peer)
            continue
        for seed in range(6):
            for adapter in adapters:
                for row in adapter(world(seed, full=seed % 2 == 0)):
                    found.setdefault((row.peer, row.metric, row.ours_name), []).append(row)
    if arguments.rampisela is not None:
        versions["Rampisela et al."] = "individual-item-fairness-measures-recsys"
        adapter = fairness_peers.rampisela(arguments.rampisela)
        for seed in range(6):
            for row in adapter(world(seed, full=seed % 2 == 0)):
                found.setdefault((row.peer, row.metric, row.ours_name), []).append(row)
    lines = [
        "# Metrics beside those of peers",
        "",
        "Made by `python -m benchmarks.peers_tests`: six sets of random lists, three of them with lists shorter than k = 5; the largest "
        "difference of any user's value (or of the mean, where the peer gives no more). Agreed: at most 1e-9 (1e-6 where the peer computes "
        "in float32). Where definitions differ, ours is worked out by theirs, too, and that must agree.",
        "",
        "Versions: " + ", ".join(f"{peer} {version}" for peer, version in versions.items()) + ".",
        "",
        "| peer | theirs | ours | verdict | largest difference | by their definition | how it differs |",
        "|---|---|---|---|---|---|---|",
    ]
    open_rows = 0
    for (peer, metric, name), rows in found.items():
        tolerance = FLOAT32 if peer in ("LensKit", "ranx", "irspack") else TOLERANCE
        gap, explained = max(row.gap for row in rows), max(row.explained_gap for row in rows)
        definition = next((row.definition for row in rows if row.definition and row.gap > tolerance), "")
        verdict = "agreed" if gap <= tolerance else "differs by definition" if explained <= tolerance else "UNEXPLAINED"
        open_rows += verdict == "UNEXPLAINED"
        by = f"{explained:.1e}" if verdict == "differs by definition" else ""
        lines.append(f"| {peer} | {metric} | {name} | {verdict} | {gap:.1e} | {by} | {definition} |")
    text = "\n".join(lines) + "\n"
    arguments.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    if missing:
        sys.stdout.write(f"Not installed: {', '.join(missing)}\n")
    return 1 if open_rows else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Gaps between active and inactive users: ItemKNN, ALS, BPR, GraphBlend on the three sets of CPFair, with intervals.

python -m benchmarks.audit.cpfair --data-folder DIR --out benchmarks/AUDIT-CPFAIR.md

Active users are the 5 % with most events, as the sets' own files say (Rahmani et al., SIGIR 2022); all others are inactive. Models are
fitted on the train events with their default parameters; lists of 10, judged by the test events.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import minirec as mr
from minirec.audit import Criterion, Plan, read_lists
from minirec.audit.case import build_case
from minirec.audit.measuring import figures, findings
from minirec.audit.verdicts import corrected

SETS = ("AmazonOffice", "LastFM", "Foursquare")
MODELS = ("itemknn", "als", "bpr", "graphblend")
CRITERIA = tuple(
    Criterion(f"{metric}-{compare}", metric, direction, threshold, "", compare, "user group")
    for metric in ("ndcg", "popularity_lift")
    for compare, direction, threshold in (("difference", "at most", 0.0), ("ratio", "at least", 0.8))
    if (metric, compare) != ("popularity_lift", "ratio")
)


def events(path: Path) -> mr.Dataset:
    """Events of "user item value" lines."""
    return mr.read(path, user=0, item=1, weight=2, time=False, header=False)


def rows(folder: Path, name: str) -> list[str]:
    """A row of the table for each model on one set."""
    train, test = events(folder / name / "train.txt"), events(folder / name / "test.txt")
    active = {int(line.split()[0]) for line in (folder / name / "active_005.txt").read_text(encoding="utf-8").splitlines() if line.strip()}
    labels = {user: "active" if user in active else "inactive" for user in train.users}
    plan = Plan(criteria=CRITERIA, k=10, draws=200, correction="holm", smallest_group=10)
    lines = []
    for model in MODELS:
        fitted = mr.MODELS[model]().fit(train)
        case = build_case(read_lists(fitted.recommend(k=10)), train, test=test, user_groups=[labels])
        found = figures(case, plan, 10, overview=False)
        shown = found["ndcg", "user group"]
        ndcg = dict(zip(shown.names, shown.value.tolist(), strict=True))
        gap = ndcg["active"] - ndcg["inactive"]
        at = [shown.names.index(group) for group in ("active", "inactive")]
        assert shown.users is not None
        half = 1.972 * float(np.std(shown.users[:, at[0]] - shown.users[:, at[1]], ddof=1))
        lift = found["popularity_lift", "user group"]
        verdict = {finding.criterion.id: finding for finding in corrected(findings(case, plan, found), plan)}["ndcg-ratio"]
        lines.append(
            f"| {name} | {type(fitted).__name__} | {ndcg['active']:.4f} | {ndcg['inactive']:.4f} | {gap:+.4f} [{gap - half:+.4f}, "
            f"{gap + half:+.4f}] | {verdict.value:.2f} [{verdict.low:.2f}, {verdict.high:.2f}] | {verdict.verdict} | "
            f"{lift.value[at[0]]:+.2f} / {lift.value[at[1]]:+.2f} |"
        )
    return lines


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-folder", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    head = [
        "| set | model | NDCG@10 active | inactive | gap, 95 % interval | lower over higher, interval | ratio at least 0.8 | "
        "popularity lift active / inactive |",
        "|---|---|---|---|---|---|---|---|",
    ]
    table = "\n".join([*head, *(line for name in SETS for line in rows(arguments.data_folder / "cpfair", name))])
    print(table)  # noqa: T201
    if arguments.out is not None:
        arguments.out.write_text(f"# Gaps between active and inactive users\n\n{__doc__.strip()}\n\n{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

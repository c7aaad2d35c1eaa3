"""Twins between two domains of the same users: one product listed twice, and what that gives away.

python -m benchmarks.audit.twins --data-folder DIR          # DIR/crossdomain/phone_electronic/train.txt, ...
"""

from __future__ import annotations

import argparse
from pathlib import Path

import minirec as mr
from minirec.audit import find_twins, known_by_twin
from minirec.audit.lists import known_rows
from minirec.engine.sparse import CSR

PAIRS = (("phone_electronic", "electronic_phone"), ("sport_phone", "phone_sport"))


def read(path: Path) -> mr.Dataset:
    """Events of "user item rating" lines."""
    return mr.read(path, user=0, item=1, weight=2, time=False, header=False)


def known_pairs(train: mr.Dataset, other: mr.Dataset, test: mr.Dataset) -> tuple[int, int]:
    """Test pairs whose item has a twin that the user has in the other domain; and all test pairs."""
    twins = find_twins(train, other)
    row = known_rows(test.users, other.users)[other.user]
    had = CSR.from_pairs(row[row >= 0], other.item[row >= 0], None, (test.n_users, other.n_items))
    item = known_rows(train.items, test.items)[test.item]
    pairs = CSR.from_pairs(test.user[item >= 0], item[item >= 0], None, (test.n_users, train.n_items))
    return int(known_by_twin(twins.first, twins.second, had, pairs).sum()), len(test)


def main() -> None:
    """A line for each pair of domains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-folder", type=Path, required=True)
    folder = parser.parse_args().data_folder / "crossdomain"
    for names in PAIRS:
        train = [read(folder / name / "train.txt") for name in names]
        test = [read(folder / name / "test.txt") for name in names]
        twins = find_twins(*train)
        print(f"{names[0]}: {len(twins.first)} pairs, {len(twins.items(0))} and {len(twins.items(1))} items with a twin")  # noqa: T201
        for at, name in enumerate(names):
            known, of = known_pairs(train[at], train[1 - at], test[at])
            print(f"  test pairs of {name} whose twin the user has in the other domain: {known:,} of {of:,}")  # noqa: T201


if __name__ == "__main__":
    main()

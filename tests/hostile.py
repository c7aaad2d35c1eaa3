"""Numbers that no shop has, through every model: `python tests/hostile.py [MODEL ...]` prints a table of what came of them,
and of the lowest and the highest value of each parameter.

Each cell is "lists" (finite, for known and new users), "nothing known" (lists without items, by models that say so), or the error
of minirec that refused. Anything else is a finding: another error, a number that is not finite, a crash, no end.
"""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np

from minirec.data.dataset import Dataset
from minirec.errors import MinirecError
from minirec.models import MODELS
from minirec.testing import SUBJECTS
from minirec.testing.sets import shop

END = 2**63
SECONDS = 240


def _pairs():
    data = shop(n_users=14, n_items=12)
    return data.user.astype(np.int64), data.item.astype(np.int64), np.arange(len(data))


def _weighted(weights):
    users, items, times = _pairs()
    return Dataset.from_arrays(users, items, weights=np.resize(np.array(weights, np.float64), len(users)), times=times)


def _timed(times):
    users, items, _ = _pairs()
    return Dataset.from_arrays(users, items, weights=np.ones(len(users)), times=np.resize(np.array(times, np.int64), len(users)))


def _of(users, items):
    n = len(users)
    return Dataset.from_arrays(np.asarray(users), np.asarray(items), weights=np.ones(n), times=np.arange(n))


CASES = {
    "weights 1e30": lambda: _weighted([1e30]),
    "weights 3e38": lambda: _weighted([3e38]),
    "weights 3e38 twice": lambda: _of_twice(3e38),
    "weights 1e-45": lambda: _weighted([1e-45]),
    "weights mixed": lambda: _weighted([1e-45, 1e30, 1.0, 1e-10, 3e38]),
    "weights zero": lambda: _weighted([0.0]),
    "weights some zero": lambda: _weighted([0.0, 1.0]),
    "weights negative": lambda: _weighted([-1.0]),
    "weights of both signs": lambda: _weighted([-2.0, 1.0, 2.0]),
    "one user": lambda: _of([1] * 6, range(6)),
    "one item": lambda: _of(range(6), [1] * 6),
    "one event": lambda: _of([1], [1]),
    "diagonal": lambda: _of(range(9), range(9)),
    "full": lambda: _of(np.repeat(np.arange(7), 6), np.tile(np.arange(6), 7)),
    "500 repeats": lambda: _of([*_pairs()[0], *[0] * 500], [*_pairs()[1], *[1] * 500]),
    "times in ns": lambda: _timed(1_700_000_000_000_000_000 + 86_400_000_000_000 * np.arange(40)),
    "times negative": lambda: _timed(-1_000_000 * np.arange(1, 40)),
    "times far": lambda: _timed([-END, END - 1, 0, 1]),
    "times equal": lambda: _timed([7]),
    "ids at the ends": lambda: _of([-END, -END, END - 1, END - 1, 0, 0, 1], [END - 1, -END, 0, -END, END - 1, 5, 5]),
}


def _of_twice(weight):
    users, items, _ = _pairs()
    return Dataset.from_arrays(
        np.tile(users, 2), np.tile(items, 2), weights=np.full(2 * len(users), weight), times=np.arange(2 * len(users))
    )


def variants(name):
    """The small model of the suite, and where weights can count one that uses them."""
    model = SUBJECTS[name].make()
    declared = type(model).declared
    if "use_weights" in declared:
        return {"": model.clone(use_weights=False), "use_weights": model.clone(use_weights=True)}
    if "alpha" in declared and declared["alpha"].default is None:
        return {"": model, "alpha=1": model.clone(alpha=1.0)}
    return {"": model}


def served(model, data):
    """What comes of a model on a data set: "lists", "nothing known", the name of minirec's error, or a finding, which begins with "!"."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = model.clone().fit(data)
            lists = [fitted.recommend(k=5, exclude_seen=seen) for seen in (True, False)]
            lists.append(fitted.recommend(history=[[data.items[0]], list(data.items)], k=5, exclude_seen=False))
    except MinirecError as error:
        return type(error).__name__
    except Exception as error:
        return f"! {type(error).__name__}: {error}"[:120].replace("\n", " ")
    scores = np.concatenate([part.scores for part in lists])
    if not np.isfinite(scores).all():
        return "! not finite"
    return "lists" if len(scores) else "nothing known"


def outcome(model, case):
    """What comes of one case of numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data = SUBJECTS[type(model).name].data(CASES[case]())
        except MinirecError as error:
            return type(error).__name__
    return served(model, data)


def rows(name):
    """(model, variant, case, outcome) of a model, in this process."""
    for variant, model in variants(name).items():
        for case in CASES:
            yield name, variant, case, outcome(model, case)


LONG = ("iterations", "topic_iterations", "pretraining", "patience", "anneal_steps")  # their upper end is long, and no more


def ends(name):
    """(model, parameter, value, outcome): the lowest and the highest value that a parameter may have, on a small shop."""
    subject = SUBJECTS[name]
    data = subject.data(_weighted([1.0, 2.0]))
    for parameter, declared in subject.cls.declared.items():
        if declared.low is not None and parameter not in LONG:
            for value in (declared.low, declared.high):
                yield name, parameter, value, served(subject.make(**{parameter: value}), data)


def main(names):
    """Each model in a process of its own, so that a crash is a line of the table."""
    findings = 0
    for name, table in ((name, table) for name in names or MODELS for table in ("rows", "ends")):
        code = f"import hostile\nfor row in hostile.{table}({name!r}): print(*row, sep='\\t', flush=True)"
        try:
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=False)
            text, last = done.stdout, f"! exit {done.returncode}: {done.stderr[-200:]!r}" if done.returncode else ""
        except subprocess.TimeoutExpired as error:
            text, last = (error.stdout or b"").decode(), f"! more than {SECONDS} s"
        for line in [*text.splitlines(), *([f"{name}\t\tthe next one\t{last}"] if last else [])]:
            findings += line.split("\t")[3].startswith("!")
            sys.stdout.write(line.replace("\t", " | ") + "\n")
            sys.stdout.flush()
    sys.stdout.write(f"{findings} findings\n")
    return findings


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))

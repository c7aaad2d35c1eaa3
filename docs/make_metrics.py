"""Writes docs/metrics.md from the docstrings of `minirec.metrics`: `python docs/make_metrics.py`."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import minirec as mr

SECTIONS = {
    "Accuracy of lists": (
        "precision", "recall", "recall_capped", "f1", "fbeta", "ndcg", "ndcg_graded", "dcg", "dcg_graded", "map", "map_trec", "mrr", "rbp",
        "hitrate", "mcc",
    ),
    "Beyond accuracy": (
        "coverage", "user_coverage", "gini", "entropy", "arp", "aplt", "aclt", "epc", "efd", "serendipity", "ild", "ils",
    ),
    "Predictions": ("rmse", "mae", "mse", "r2", "accuracy_at", "log_loss", "auc", "gauc", "fcp"),
}  # fmt: skip
INTRO = """# Metrics

Made from the docstrings by `python docs/make_metrics.py`; a test holds the two together.
[Beside those of peers](../benchmarks/peers_tests/PEERS.md) has the differences to other libraries, measured.

```python
import minirec as mr

lists = {"ann": ["tea", "milk", "rye"], "bob": ["rye"]}
truth = {"ann": ["milk", "jam"], "bob": ["rye"]}
assert mr.metrics.recall(lists, truth, k=2) == 0.75
assert mr.metrics.recall(lists, truth, k=2, per_user=True) == {"ann": 0.5, "bob": 1.0}
```

Symbols: L the list of a user, best first; T the user's test items; hit_r = 1 where the item at rank r = 1, 2, ... is in T, else 0.

**Who counts.** Metrics against test items are means over the users with at least one test item. One of them without a list has an empty
one: its value is 0. Lists of other users do not count. For a group of items (`tail.ndcg@10` of `evaluate`) T is restricted to the
group, and the mean is over the users with a test item in it.

**Ties.** Every metric takes the lists in the order given. `evaluate` reports `ties@k`, the share of places whose score another candidate
has as well, and beside each metric of accuracy its expectation over all orders of tied items, such as `ndcg@10.ties` (McSherry and Najork,
ECIR 2008).
"""


def entry(name: str) -> str:
    """A metric: formula, denominator, empty cases, who else defines it how, source."""
    document = inspect.getdoc(getattr(mr.metrics, name)) or ""
    first, _, rest = document.partition("\n")
    lines = [f"### `{name}`", "", first.rstrip("."), ""]
    fields = re.findall(r"^(Denominator|Empty|Elsewhere|Source): (.*?)(?=^\w+: |\n\n|\Z)", rest.strip() + "\n\n", re.M | re.S)
    for label, text in fields:
        lines.append(f"- **{label}**: {' '.join(text.split())}")
    return "\n".join(lines)


def page() -> str:
    """The whole page."""
    parts = [INTRO]
    for title, names in SECTIONS.items():
        parts += [f"## {title}\n", *(entry(name) + "\n" for name in names)]
    return "\n".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("metrics.md").write_text(page(), encoding="utf-8")

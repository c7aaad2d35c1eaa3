"""The same bytes from the first run on: every registry model, fitted in fresh processes whose kernels come from different places.

    python .ci/long/first_run.py [--each] [model ...]

Conditions: `cold` (an empty cache of kernels), `warm` (the cache that the cold process filled), `nowhere` (no cache can be written),
`warmup` (an empty cache, `minirec.warmup()` first), `reversed` (an empty cache, the models in the opposite order, so that the kernels
are compiled in another). With `--each` cold, warm, nowhere and warmup take a process a model, so that no model finds kernels that another
has compiled. Printed: a table of the models; the exit code is 1 where a digest differs. A digest is of the model file and of all lists.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CONDITIONS = ("cold", "warm", "nowhere", "warmup", "reversed")


def digests(names: list[str], warm: bool) -> dict[str, str]:
    """{model: digest} of models fitted in this process on data with long histories, so that kernels run over long rows."""
    import minirec as mr
    from minirec.testing import SUBJECTS

    if warm:
        mr.warmup(names)
    data = mr.synthetic(n_users=90, n_items=280, n_events=9000, seed=0)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            subject = SUBJECTS[name]
            changes = {key: value for key, value in {"factors": 8, "iterations": 2, "max_length": 230}.items() if key in subject.small}
            model = subject.make(**changes).fit(subject.data(data))
            model.save(path := Path(folder) / "model.npz")
            digest = hashlib.sha256(path.read_bytes())
            for lists in (model.recommend(k=20), model.recommend(history=[[data.items[1], data.items[5]], [data.items[7]]], k=20)):
                for _, items, scores in lists:
                    digest.update(repr((items, [float(score) for score in scores])).encode())
            found[name] = digest.hexdigest()[:12]
    return found


def fresh(names: list[str], cache: Path, condition: str) -> dict[str, str]:
    """`digests` in a process of its own."""
    environment = {**os.environ, "MINIREC_CACHE": "/dev/null/none" if condition == "nowhere" else str(cache), "MINIREC_THREADS": "2"}
    order = names[::-1] if condition == "reversed" else names
    command = [sys.executable, __file__, "--child", "warmup" if condition == "warmup" else "", *order]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{condition}: {done.stderr[-2000:]}")
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(names: list[str], each: bool) -> dict[str, dict[str, str]]:
    """{model: {condition: digest}}."""
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for condition in CONDITIONS:
            groups = [[name] for name in names] if each and condition != "reversed" else [names]
            for group in groups:
                cache = Path(folder) / ("cold" if condition == "warm" else condition) / "-".join(group)[:40]
                for name, digest in fresh(group, cache, condition).items():
                    found[name][condition] = digest
    return found


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--child"]:
        print(json.dumps(digests(arguments[2:], arguments[1] == "warmup")))
        return 0
    from minirec.models import MODELS

    chosen = [name for name in arguments if name != "--each"] or list(MODELS)
    found = table(chosen, "--each" in arguments)
    print("| model | " + " | ".join(CONDITIONS) + " | |\n|" + "---|" * (len(CONDITIONS) + 2))
    for name, row in found.items():
        print(f"| {name} | " + " | ".join(row[c] for c in CONDITIONS) + f" | {'equal' if len(set(row.values())) == 1 else 'DIFFERENT'} |")
    different = [name for name, row in found.items() if len(set(row.values())) > 1]
    print(f"\n{len(found)} models, {len(different)} with different bytes: {', '.join(different) or 'none'}")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m minirec.live.refit STORE MODEL.npz '{"view": 1}'`: fit the same model on all events of a store, in a process of its own.

The new file takes the place of the old one whole; the old one stays beside it as MODEL.npz.previous, unless users were erased since.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from ..errors import MinirecError
from ..files import atomic_path
from ..models.contract.files import load_model
from .opening import open_store
from .table import EventTable


def refit(store_argument: str, model_path: str, kind_weights: dict[str, float]) -> None:
    """Fit with the parameters of the model in the file, on the events as they are now.

    Marks of erased users that were set before the events were read are dropped, once the new file is in its place: their old events
    are not in it. The old model, which may hold these users, is not kept then.
    """
    old = load_model(model_path)
    with open_store(store_argument) as store:
        marks = store.marks()
        table = EventTable(store, kind_weights)
        fresh = old.clone().fit(table.dataset())
        previous = Path(f"{model_path}.previous")
        if marks.hashes:
            previous.unlink(missing_ok=True)
        else:
            with atomic_path(previous) as draft:
                shutil.copyfile(model_path, draft)
        fresh.save(model_path)
        store.unmark(marks)


if __name__ == "__main__":
    with suppress(OSError, AttributeError):
        os.nice(10)  # answers come first
    try:
        refit(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
    except MinirecError as error:
        sys.stderr.write(json.dumps({"level": "error", "event": "refit failed; the model that serves stays", "error": str(error)}) + "\n")
        sys.exit(1)

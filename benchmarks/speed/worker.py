"""A side in a process of its own: `python -m benchmarks.speed.worker TASK SIDE FOLDER THREADS`, then one JSON line a run.

Runs in the environment of the peer and imports nothing of minirec, unless minirec is the side.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from ..common import peak_megabytes
from .job import Job
from .tasks import find


def main(arguments: list[str]) -> None:
    """Answer each line {"keep": folder or null} on stdin with {"laps", "peak_mb"} or {"error"} on stdout."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not get among the answers
    task, side, folder, threads = arguments
    work = find(task).sides[side]
    job = Job(Path(folder), int(threads))
    for line in sys.stdin:
        keep = json.loads(line)["keep"]
        answer: dict[str, Any]
        try:
            answer = {"laps": job.run(work, None if keep is None else Path(keep)), "peak_mb": peak_megabytes()}
        except Exception as failure:  # whatever a peer raises goes into the row
            traceback.print_exc()
            answer = {"error": f"{type(failure).__name__}: {failure}"[:300]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1:])

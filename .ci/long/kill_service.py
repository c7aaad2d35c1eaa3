"""kill -9 of the process that writes an event store, again and again under load, with counts of what was acknowledged and found.

    python .ci/long/kill_service.py [--kills 100] [--seconds 180] [--seed 0] [--out .ci/long/kill_service.txt]

Each round a process of its own appends batches from four threads, notes each batch once it is acknowledged, and is killed at a moment
drawn by chance. Then the store is opened anew (timed), and the events are counted. Lost: acknowledged and not there. Doubled: there
more than once. Every other round begins by sending the last batches again, as a client without an answer does. This tests the death of
the process, not the loss of power. The exit code is 1 where an event is lost or doubled.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from minirec.files import atomic_path
from minirec.live.sqlite import SqliteStore

WRITER = """
import os, sys, threading
from minirec.live.records import Event
from minirec.live.sqlite import SqliteStore
path, notes, start, again = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
store = SqliteStore(path)
log = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def work(thread):
    batch = start - again
    while True:
        name = f"{thread}-{batch}"
        store.append([Event(f"{name}-{n}", (batch + n) % 997, n, "view", 1_700_000_000 + batch) for n in range(50)])
        os.write(log, (name + "\\n").encode())
        batch += 1
for thread in range(4):
    threading.Thread(target=work, args=(thread,)).start()
"""


def main() -> int:
    """Kill, open, count; write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=3600.0, help="begin no further round after so many seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".txt"))
    given = parser.parse_args()
    rng, begun, kills, reopened, early = random.Random(given.seed), time.perf_counter(), 0, list[float](), 0
    lost, noted = set[str](), set[str]()
    doubled, acknowledged, found = 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path, notes = Path(folder) / "shop.db", Path(folder) / "acknowledged"
        SqliteStore(path).close()
        while kills < given.kills and time.perf_counter() - begun < given.seconds:
            start, again = kills * 1_000_000 + 1000, 0
            before = notes.stat().st_size if notes.exists() else 0
            if kills % 2 and noted:
                start, again = max(int(name.split("-")[1]) for name in noted) + 1, 3
            writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(notes), str(start), str(again)])
            until = time.perf_counter() + 30
            while (not notes.exists() or notes.stat().st_size == before) and time.perf_counter() < until and writer.poll() is None:
                time.sleep(0.01)
            time.sleep(rng.uniform(0.0, 0.3))
            early += writer.poll() is not None
            writer.kill()
            writer.wait()
            kills += 1
            clock = time.perf_counter()
            with SqliteStore(path) as store:
                store.last_seq()
                reopened.append(time.perf_counter() - clock)
                there = [row[0] for row in store._read("SELECT event_id FROM events")]
            noted = set(notes.read_text(encoding="ascii").split()) if notes.exists() else set()
            known = set(there)
            lost |= {f"{name}-{n}" for name in noted for n in range(50)} - known
            doubled, acknowledged, found = max(doubled, len(there) - len(known)), 50 * len(noted), len(known)
    table = {
        "kills": kills,
        "writers that ended before their kill": early,
        "events acknowledged": acknowledged,
        "events found (those without an answer included)": found,
        "acknowledged events lost": len(lost),
        "events doubled": doubled,
        "seconds to open again, median": f"{sorted(reopened)[len(reopened) // 2]:.3f}",
        "seconds to open again, most": f"{max(reopened):.3f}",
        "durability": store.durability,
        "processors": os.cpu_count(),
        "seconds in all": f"{time.perf_counter() - begun:.0f}",
    }
    text = "".join(f"{name}: {value}\n" for name, value in table.items())
    sys.stdout.write(text)
    with atomic_path(given.out) as draft:
        Path(draft).write_text("Last figures of kill_service.py. Process death, not power loss.\n" + text, encoding="utf-8")
    return int(bool(lost or doubled or early))


if __name__ == "__main__":
    sys.exit(main())

"""Many texts: 100,000 of them encoded into a cache by a process that is killed on its way, and by another that goes on.

The words of a text are drawn from all words of the titles of Amazon Beauty, so as often as they occur there, as many as a title has that
is drawn too; no two texts are equal. What is measured: how much of the work the killed process has left, what the second takes for the
rest, the peak memory of it beside that of a process with a tenth of the texts, and whether a sample has the same vectors without a cache.
"""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path
from time import perf_counter, sleep

import numpy as np

from ..common import Row, apart, peak
from ..data import SEED, beauty_items
from .vectors import Encoders

DATA = "beauty"
COUNT = 100_000
KILLED_AT = 0.4  # of the chunks
CHECKED = 1000  # texts that are encoded once more, without a cache


def texts(folder: Path, count: int) -> list[str]:
    """So many different texts of the words of real titles."""
    titles = [described.text.split() for described in beauty_items(folder).values()]
    words, lengths = np.array([word for title in titles for word in title]), np.array([max(len(title), 1) for title in titles])
    rng, found = np.random.default_rng(SEED), dict[str, None]()
    while len(found) < count:
        drawn = rng.choice(lengths, count - len(found))
        parts = np.split(rng.choice(words, drawn.sum()), np.cumsum(drawn)[:-1])
        found |= dict.fromkeys(" ".join(part) for part in parts)
    return list(found)


def key(name: str) -> Row:
    """What names the row of an extractor."""
    return {"part": "many-texts", "kind": "run", "data": DATA, "features": name}


def run(name: str, folder: Path, encoders: Encoders, count: int = COUNT) -> Row:
    """The row of a pretrained extractor."""
    kept = encoders.kept.with_name(f"{encoders.kept.name}-many")
    shutil.rmtree(kept, ignore_errors=True)
    encoders = encoders._replace(kept=kept)
    few = apart(_encode, name, folder, encoders._replace(kept=kept / "few"), count // 10)
    killed = _killed(name, folder, encoders, count)
    rest = apart(_encode, name, folder, encoders, count)
    again = apart(_encode, name, folder, encoders, count)
    shutil.rmtree(kept, ignore_errors=True)
    return {
        **key(name),
        "texts": count,
        "killed_after": round(killed, 2),
        "left_by_the_killed": rest["read"],
        "seconds": rest["seconds"],
        "encoded": rest["encoded"],
        "again_seconds": again["seconds"],
        "again_encoded": again["encoded"],
        "difference": max(rest["difference"], again["difference"]),
        "peak_mb": rest["peak_mb"],
        "tenth_peak_mb": few["peak_mb"],
        "vectors_mb": rest["vectors_mb"],
    }


def _killed(name: str, folder: Path, encoders: Encoders, count: int) -> float:
    """Seconds until a process that encodes them had done its share and was killed."""
    process = multiprocessing.get_context("spawn").Process(target=_encode, args=(name, folder, encoders, count))
    start = perf_counter()
    process.start()
    while process.is_alive() and len(list(encoders.kept.glob("*/*.npz"))) < KILLED_AT * count / encoders.make(name).chunk:
        sleep(0.05)
    process.kill()
    process.join()
    return perf_counter() - start


def _encode(name: str, folder: Path, encoders: Encoders, count: int) -> Row:
    """Encode so many texts; then a sample of them without the cache."""
    things, extractor = texts(folder, count), encoders.make(name)
    start = perf_counter()
    found = extractor.transform(things)
    seconds, most = perf_counter() - start, peak()
    sample = np.random.default_rng(SEED).choice(count, min(CHECKED, count), replace=False)
    plain = extractor.extractor.transform([things[at] for at in sample])
    return {
        "seconds": round(seconds, 2),
        "peak_mb": most,
        "read": extractor.read_,
        "encoded": extractor.encoded_,
        "difference": float(np.abs(found[sample] - plain).max()),
        "vectors_mb": round(found.nbytes / 2**20),
    }

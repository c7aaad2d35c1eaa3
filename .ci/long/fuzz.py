"""Damaged and hostile archives: each is read in a forked process of at most 512 MB and 10 s, and what happens is counted.

    python .ci/long/fuzz.py [--cases 10000] [--kind model extractor checkpoint chunk npz vectors] [--seed 0]

A case takes a good file, changes bits, bytes, members, arrays or entries of the header, reads it and uses what was read. Outcomes:
`served` (finite lists or vectors), `refused` (an error of minirec), and the faults: `signal N`, `hang`, `foreign X`, `not finite`. A
table is printed; the exit code is 1 where there is a fault.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import json
import os
import resource
import signal
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MINIREC_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402

import minirec as mr  # noqa: E402
from minirec.errors import MinirecError, NotSupportedError  # noqa: E402
from minirec.features import Precomputed, TfidfLSA  # noqa: E402
from minirec.features.cache import cached  # noqa: E402
from minirec.files import write_arrays  # noqa: E402
from minirec.testing import SUBJECTS  # noqa: E402
from minirec.testing.sets import shop  # noqa: E402

MEGABYTES, SECONDS = 512, 10
TEXTS = ["red cotton shirt", "blue cotton shirt", "green tea", "black tea", "tea pot of steel", "steel knife"]
HOSTILE = [0, -1, 1, 2**31, 2**31 - 1, 2**63, 10**30, 1e308, -1e308, 1e-320, 0.5, "x", "", None, [], {}, True, [1, 2], "é" * 50]


class NotFiniteError(Exception):
    """What was read gave numbers that are not finite."""


def finite(values: Any) -> None:
    if not np.isfinite(np.asarray(values, np.float64)).all():
        raise NotFiniteError


def use_model(path: Path) -> None:
    model = mr.load_model(path)
    found = [model.recommend(k=5), model.recommend(history=[[model.items_[0]], [model.items_[1], model.items_[2]]], k=5)]
    for lists in found:
        for _, items, scores in lists:
            finite(scores)
            if len(set(items)) < len(items):
                raise NotFiniteError
    with contextlib.suppress(NotSupportedError):
        model.similar_items(model.items_[0], k=3)


def use_extractor(path: Path) -> None:
    finite(TfidfLSA.load(path).transform(TEXTS))


def use_chunk(path: Path) -> None:
    finite(cached(SIMPLE, path.parent.parent).transform(TEXTS))


def use_checkpoint(path: Path) -> None:
    model = SUBJECTS["sasrec"].make(iterations=2)
    model.fit(SUBJECTS["sasrec"].data(shop()), checkpoint=path)
    for _, _, scores in model.recommend(k=3):
        finite(scores)


def use_npz(path: Path) -> None:
    mr.read(path)


def use_vectors(path: Path) -> None:
    finite(Precomputed.read(path).transform([1, 2]))


SIMPLE = TfidfLSA(components=2, min_things=1)
USES: dict[str, Callable[[Path], None]] = {
    "model": use_model, "extractor": use_extractor, "checkpoint": use_checkpoint,
    "chunk": use_chunk, "npz": use_npz, "vectors": use_vectors,
}  # fmt: skip


def originals(kind: str, folder: Path) -> dict[str, tuple[Path, bytes]]:
    """{what: (where it must stand, its bytes)}."""
    data, out = shop(), {}
    if kind == "model":
        for name, subject in SUBJECTS.items():
            path = folder / f"{name}.npz"
            subject.make().fit(subject.data(data)).save(path)
            out[name] = path
    elif kind == "extractor":
        SIMPLE.save(folder / "extractor.npz")
        out[kind] = folder / "extractor.npz"
    elif kind == "checkpoint":
        SUBJECTS["sasrec"].make(iterations=1).fit(SUBJECTS["sasrec"].data(data), checkpoint=folder / "run.npz")
        out[kind] = folder / "run.npz"
    elif kind == "chunk":
        cached(SIMPLE, folder / "cache").transform(TEXTS)
        out[kind] = next((folder / "cache").rglob("*.npz"))
    elif kind == "npz":
        write_arrays(folder / "events.npz", {"user": data.user.astype(np.int64), "item": data.item.astype(np.int64), "rating": data.weight})
        out[kind] = folder / "events.npz"
    else:
        write_arrays(folder / "vectors.npz", {"id": np.arange(5), "vector": np.ones((5, 3), np.float32)})
        out[kind] = folder / "vectors.npz"
    return {name: (path, path.read_bytes()) for name, path in out.items()}


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The file with something wrong."""
    way = rng.integers(0, 10)
    if way == 0:
        return content[: rng.integers(0, len(content))]
    if way in (1, 2, 3):
        raw = bytearray(content)
        for at in rng.integers(0, len(raw), rng.integers(1, 9)):
            raw[at] ^= 1 << int(rng.integers(0, 8))
        return bytes(raw)
    if way == 4:
        at, size = int(rng.integers(0, len(content))), int(rng.integers(1, 200))
        return content[:at] + rng.bytes(size) * int(rng.integers(0, 2)) + content[at + size * int(rng.integers(0, 2)) :]
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = dict(archive)
    name = str(rng.choice(list(arrays)))
    if "header" in arrays and rng.random() < 0.4:
        header = json.loads(arrays["header"].tobytes())
        spoil(header, rng)
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    elif rng.random() < 0.1:
        del arrays[name]
    else:
        arrays[name] = spoiled(arrays[name], rng)
    out = io.BytesIO()
    method = int(rng.choice([zipfile.ZIP_STORED] * 20 + [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))
    with zipfile.ZipFile(out, "w", method) as packed:
        for member, array in arrays.items():
            with packed.open(f"{member}.npy", "w") as file:
                np.lib.format.write_array(file, np.asanyarray(array), version=(1, 0), allow_pickle=False)
    return out.getvalue()


def spoil(header: Any, rng: np.random.Generator) -> None:
    """One entry of a header, or of what is in it, becomes hostile or goes."""
    key = str(rng.choice(list(header)))
    if isinstance(header[key], dict) and header[key] and rng.random() < 0.9:
        spoil(header[key], rng)
    elif rng.random() < 0.1:
        del header[key]
    elif key == "class" and rng.random() < 0.5:
        header[key] = str(rng.choice(list(SUBJECTS)))
    else:
        header[key] = HOSTILE[int(rng.integers(0, len(HOSTILE)))]


def spoiled(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An array of other values, another type or another shape."""
    way, flat = rng.integers(0, 9), array.copy().reshape(-1)
    if way == 0 or not flat.size:
        return np.zeros(rng.integers(0, 4, rng.integers(0, 4)), array.dtype)
    if way == 1:
        return array.astype(rng.choice(["<f8", "<f4", "<i4", "<i8", "<u1", "<f2", "<U3", "<c8"]))
    if way == 2:
        return np.concatenate((flat, flat)) if rng.random() < 0.5 else np.repeat(flat, 2)
    if way == 3:
        return flat[:-1]
    if way == 4:
        return np.broadcast_to(array, (2, *array.shape)) if rng.random() < 0.5 else flat[::-1]
    if way == 5:
        return rng.permutation(flat).reshape(array.shape)
    numbers = [0, -1, 1, 2**31 - 1, -(2**31), 127] if array.dtype.kind in "iu" else [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 0]
    with np.errstate(all="ignore"):
        for at in rng.integers(0, flat.size, rng.integers(1, 4)):
            flat[at] = np.array(numbers[int(rng.integers(0, len(numbers)))]).astype(array.dtype)
        if way == 6:
            flat[:] = flat[rng.integers(0, flat.size)]
    return flat.reshape(array.shape)


def outcome(use: Callable[[Path], None], path: Path) -> str:
    """What reading and using a file comes to, in a process of its own."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        resource.setrlimit(resource.RLIMIT_DATA, (MEGABYTES * 2**20, MEGABYTES * 2**20))
        signal.alarm(SECONDS)
        told = "served"
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                use(path)
        except MinirecError:
            told = "refused"
        except NotFiniteError:
            told = "not finite"
        except BaseException as error:
            told = f"foreign {type(error).__name__}: {str(error)[:90]}"
        os.write(write, told.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "hang" if os.WTERMSIG(status) == signal.SIGALRM else f"signal {os.WTERMSIG(status)}"
    return told


def run(kind: str, cases: int, seed: int, keep: Path | None = None) -> collections.Counter[str]:
    """Counts by outcome."""
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        files = originals(kind, Path(folder))
        for path, _ in files.values():
            USES[kind](path)  # a good file is served, and its kernels are loaded before the processes fork
        names = list(files)
        for case in range(cases):
            rng = np.random.default_rng((seed, case))
            path, content = files[names[case % len(names)]]
            bad = mutated(content, rng)
            path.write_bytes(bad)
            told = outcome(USES[kind], path)
            path.write_bytes(content)
            label = f"{told} ({names[case % len(names)]}, case {case})" if told not in ("served", "refused") else told
            counts[label] += 1
            if keep is not None and told not in ("served", "refused"):
                (keep / f"{kind}-{case}.npz").write_bytes(bad)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--kind", nargs="+", choices=list(USES), default=list(USES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the files that went wrong")
    arguments = parser.parse_args()
    SIMPLE.fit(TEXTS)
    faults = 0
    print("| archive | cases | served | refused | faults |\n|---|---|---|---|---|")
    for kind in arguments.kind:
        counts = run(kind, arguments.cases, arguments.seed, arguments.keep)
        wrong = {label: n for label, n in counts.items() if label not in ("served", "refused")}
        faults += sum(wrong.values())
        print(f"| {kind} | {arguments.cases} | {counts['served']} | {counts['refused']} | {sum(wrong.values())} |", flush=True)
        for label in sorted(wrong):
            print(f"  {label}", flush=True)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

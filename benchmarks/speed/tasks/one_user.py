# mypy: disable-error-code="import-not-found,import-untyped"
"""One user at a time, as a service asks: the ten best items of a known user, and of one folded in from a history.

SASRec's user is a history of 50 events, drawn from the 12 thousand items of Beauty: as long as one gets. Its network has 2 blocks and 64
factors; one iteration of training, since what is learned does not change the time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..job import Array, Job
from ..task import Task
from .topk import FACTORS, K, vectors

CALLS, LENGTH = 1000, 50


def sasrec(folder: Path) -> None:
    """Fit a SASRec and keep it."""
    if (folder / "sasrec.npz").exists():
        return
    from minirec import Dataset, SASRec

    items, ends = np.load(folder / "sequence-items.npy"), np.load(folder / "sequence-ends.npy")
    train = Dataset.from_arrays(np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0)), items, times=np.arange(len(items)))
    model = SASRec(factors=FACTORS, layers=2, max_length=LENGTH, loss="sampled", iterations=1, validation_share=0.0)
    model.fit(train).save(folder / "sasrec.npz", items_only=True)


def asked(job: Job) -> Array:
    """The users that are asked for, drawn with a seed."""
    return np.random.default_rng(0).integers(0, job.train.shape[0], CALLS)


def minirec_known(job: Job) -> None:
    from minirec import load_model

    model = load_model(job.file("model.npz"))
    users = asked(job).tolist()
    job.start()
    for user in users:
        model.recommend([user], k=K).to_dict()
        job.lap()


def minirec_folded(job: Job) -> None:
    from minirec import load_model

    model, train = load_model(job.file("model.npz")), job.train
    histories = [train.indices[train.indptr[user] : train.indptr[user + 1]].tolist() for user in asked(job)]
    job.start()
    for history in histories:
        model.recommend(history=[history], k=K).to_dict()
        job.lap()


def minirec_sasrec(job: Job) -> None:
    from minirec import load_model

    model = load_model(job.file("sasrec.npz"))
    histories = np.random.default_rng(0).choice(list(model.items_), (CALLS, LENGTH)).tolist()
    job.start()
    for history in histories:
        model.recommend(history=[history], k=K).to_dict()
        job.lap()


def minirec_at_once(job: Job) -> None:
    """The same calls from one thread, then from eight at once, as in a web server."""
    from concurrent.futures import ThreadPoolExecutor

    from minirec import load_model

    model = load_model(job.file("model.npz"))
    users = asked(job).tolist() * 8

    def call(user: int) -> None:
        model.recommend([user], k=K)

    call(users[0])
    for threads in (1, 8):
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(call, users[:threads]))
            job.start()
            list(pool.map(call, users, chunksize=1))
            job.lap()


def _implicit(job: Job, folded: bool) -> None:
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(factors=FACTORS, num_threads=1)
    model.user_factors, model.item_factors = np.array(job.array("users")), np.array(job.array("items"))
    users = asked(job).tolist()
    rows = [job.train[user] for user in users]
    job.start()
    for user, row in zip(users, rows, strict=True):
        model.recommend(user, row, N=K, recalculate_user=folded)
        job.lap()


def implicit_known(job: Job) -> None:
    _implicit(job, False)


def implicit_folded(job: Job) -> None:
    _implicit(job, True)


def cornac_known(job: Job) -> None:
    from cornac.data import Dataset
    from cornac.models import MF

    coo = job.train.tocoo()
    train = Dataset.from_uir(zip(coo.row.tolist(), coo.col.tolist(), coo.data.tolist(), strict=True))
    known, items = np.array(list(train.uid_map)), np.array(list(train.iid_map))
    given = {"U": job.array("users")[known], "V": job.array("items")[items], "Bu": np.zeros(len(known)), "Bi": np.zeros(len(items))}
    model = MF(k=FACTORS, trainable=False, num_threads=1, init_params={name: value.astype(np.float32) for name, value in given.items()})
    model.fit(train)
    users = asked(job).tolist()
    job.start()
    for user in users:
        model.recommend(user, k=K, remove_seen=True, train_set=train)
        job.lap()


TASKS = [
    Task(
        "one-known-user",
        f"One known user at a time, top {K}, {FACTORS} factors",
        ("ml-1m",),
        {"minirec": minirec_known, "implicit": implicit_known, "cornac": cornac_known, "minirec-numpy": minirec_known},
        "call",
        judge=None,
        threads=(1,),
        percentiles=True,
        prepare=vectors,
    ),
    Task(
        "one-new-user",
        f"One user at a time, folded in from the history, top {K}, {FACTORS} factors",
        ("ml-1m",),
        {"minirec": minirec_folded, "implicit": implicit_folded, "minirec-numpy": minirec_folded},
        "call",
        judge=None,
        threads=(1,),
        percentiles=True,
        prepare=vectors,
    ),
    Task(
        "one-history",
        f"SASRec, one history of {LENGTH} events at a time, top {K} of 12 thousand items, 2 blocks, {FACTORS} factors",
        ("beauty",),
        {"minirec": minirec_sasrec, "minirec-numpy": minirec_sasrec},
        "call",
        judge=None,
        threads=(1,),
        percentiles=True,
        prepare=sasrec,
    ),
]

AT_ONCE = Task(
    "eight-threads",
    "Known users asked for by one thread, and by eight at once",
    ("ml-1m",),
    {"minirec": minirec_at_once, "minirec-numpy": minirec_at_once},
    f"{8 * CALLS:,} calls",
    judge=None,
    prepare=vectors,
)

# mypy: disable-error-code="import-not-found,import-untyped"
"""BPR and WARP: seconds to a given quality. The peers update without locks, so only minirec gives the same result twice."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..job import Job, factors
from ..task import Goal, Task
from .common import dataset, on_lap, with_bias

FACTORS = 64
BPR_RATE, BPR_REGULARIZATION = 0.05, 0.01
BPR_EPOCHS, WARP_EPOCHS = 30, 12


def minirec_bpr(job: Job, epochs: int = BPR_EPOCHS) -> None:
    from minirec import BPR

    train = dataset(job.train)
    model = BPR(factors=FACTORS, iterations=epochs, seed=0)
    job.start()
    model.fit(train, callback=on_lap(job))


def rusket_bpr(job: Job) -> None:
    """It has no callback: one fit from scratch for each number of epochs."""
    from rusket import BPR

    for epochs in (2, 4, 5, 6, 7, 8, 10):
        model = BPR(factors=FACTORS, learning_rate=BPR_RATE, regularization=BPR_REGULARIZATION, iterations=epochs)
        job.start()
        model.fit(job.train)
        job.lap(factors(model.user_factors, model.item_factors))


def cornac_bpr(job: Job) -> None:
    """A second fit of a model goes on where the first ended."""
    from cornac.data import Dataset
    from cornac.models import BPR

    coo = job.train.tocoo()
    train = Dataset.from_uir(zip(coo.row.tolist(), coo.col.tolist(), coo.data.tolist(), strict=True))
    users, items = (np.array(list(index)) for index in (train.uid_map, train.iid_map))
    model = BPR(k=FACTORS, max_iter=2, learning_rate=BPR_RATE, lambda_reg=BPR_REGULARIZATION, num_threads=job.threads)

    def vectors() -> dict[str, np.ndarray]:
        p, q = np.zeros((len(users), FACTORS), np.float32), np.zeros((len(items), FACTORS), np.float32)
        bias = np.zeros(len(items), np.float32)
        p[users], q[items], bias[items] = model.u_factors, model.i_factors, model.i_biases
        return with_bias(p, q, None, bias)

    job.start()
    for _ in range(BPR_EPOCHS // 2):
        model.fit(train)
        job.lap(vectors)


def minirec_warp(job: Job) -> None:
    from minirec import WARP

    train = dataset(job.train)
    model = WARP(factors=FACTORS, iterations=WARP_EPOCHS, seed=0)
    job.start()
    model.fit(train, callback=on_lap(job))


def lightfm_warp(job: Job) -> None:
    from lightfm import LightFM

    train = job.train.tocoo()
    model = LightFM(no_components=FACTORS, loss="warp", learning_rate=0.05, random_state=0)
    job.start()
    for _ in range(WARP_EPOCHS):
        model.fit_partial(train, epochs=1, num_threads=job.threads)
        job.lap(lambda: with_bias(model.user_embeddings, model.item_embeddings, None, model.item_biases))


def buffalo_warp(job: Job) -> None:
    """One fit from scratch for each number of epochs; the data go through files, as it wants them, before the clock starts.

    Its defaults, but for the threads: other rates, penalties, numbers of trials and Adam ended lower on ML-1M.
    """
    import tempfile
    from pathlib import Path

    from buffalo import WARP, MatrixMarketOptions, WARPOption
    from scipy.io import mmwrite

    with tempfile.TemporaryDirectory() as folder:
        mmwrite(Path(folder, "train.mtx"), job.train)
        data = MatrixMarketOptions().get_default_option()
        data.input.main = str(Path(folder, "train.mtx"))
        data.data.path = str(Path(folder, "data.h5py"))
        data.data.tmp_dir = folder
        data.data.internal_data_type = "matrix"
        for epochs in (2, 4, 8, 12):
            options = WARPOption().get_default_option()
            options.d, options.num_iters, options.num_workers = FACTORS, epochs, job.threads
            options.evaluation_on_learning = False
            model = WARP(options, data_opt=data)
            model.initialize()
            job.start()
            model.train()
            job.lap(partial(with_bias, model.P, model.Q, None, model.Qb))


TASKS = [
    Task(
        "bpr-quality",
        f"BPR, {FACTORS} factors, until NDCG@10 is .320",
        ("ml-1m",),
        {"minirec": minirec_bpr, "rusket": rusket_bpr, "cornac": cornac_bpr},
        "run",
        goal=Goal("ndcg@10", value=0.320),
    ),
    Task(
        "bpr-epoch",
        f"BPR, {FACTORS} factors, with and without compiled kernels",
        ("ml-1m",),
        {"minirec": partial(minirec_bpr, epochs=2), "minirec-numpy": partial(minirec_bpr, epochs=2)},
        "epoch",
    ),
    Task(
        "warp-quality",
        f"WARP, {FACTORS} factors, until NDCG@10 is 99 % of the best of both",
        ("ml-1m",),
        {"minirec": minirec_warp, "lightfm-next": lightfm_warp, "buffalo": buffalo_warp},
        "run",
        goal=Goal("ndcg@10", share=0.99),
    ),
]

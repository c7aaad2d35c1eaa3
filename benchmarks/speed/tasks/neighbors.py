# mypy: disable-error-code="import-not-found,import-untyped"
"""Neighbours of items: cosine, BM25 and RP3beta, the 100 best of every item, itself left out.

Every side hands over a matrix W whose row i holds the neighbours of item i; it is judged by the scores x_u W. What irspack and rusket call
BM25 differs in its idf; their speed compares, their neighbours less so (see the agreement).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..job import Job, weights
from ..task import Task
from .common import dataset

K = 100
K1, B = 1.2, 0.75
RP3_ALPHA, RP3_BETA = 1.0, 0.4


def _hand_over(job: Job, matrix: Any) -> None:
    """Leave out the item itself, where a peer counts it among its neighbours."""

    def arrays() -> Any:
        csr = matrix.tocsr().copy()
        csr.setdiag(0)
        csr.eliminate_zeros()
        return weights(csr)()

    job.lap(arrays)


def minirec(job: Job, kind: str) -> None:
    from minirec import ItemKNN, RP3beta

    train = dataset(job.train)
    model: Any
    if kind == "rp3beta":
        model = RP3beta(alpha=RP3_ALPHA, beta=RP3_BETA, neighbors=K)
    else:
        model = ItemKNN(similarity=kind, neighbors=K, neighbors_of="source", k1=K1, b=B)
    job.start()
    model.fit(train)
    _hand_over(job, model.weights_.to_scipy())


def similaripy(job: Job, kind: str) -> None:
    import similaripy as sim

    turned = job.train.T.tocsr()
    settings = {"k": K + 1, "verbose": False, "format_output": "csr", "num_threads": job.threads}
    job.start()
    if kind == "cosine":
        found = sim.cosine(turned, **settings)
    elif kind == "bm25":
        found = sim.dot_product(sim.bm25(turned, k1=K1, b=B, idf_mode="smooth"), **settings)  # implicit's idf, and nearest to ours
    else:
        found = sim.rp3beta(turned, alpha=RP3_ALPHA, beta=RP3_BETA, **settings)
    _hand_over(job, found)


def irspack(job: Job, kind: str) -> None:
    from irspack import CosineKNNRecommender, RP3betaRecommender

    if kind == "rp3beta":
        model = RP3betaRecommender(job.train, alpha=RP3_ALPHA, beta=RP3_BETA, top_k=K, n_threads=job.threads)
    elif kind == "bm25":
        model = CosineKNNRecommender(job.train, feature_weighting="BM_25", bm25_k1=K1, bm25_b=B, top_k=K, n_threads=job.threads)
    else:
        model = CosineKNNRecommender(job.train, normalize=True, top_k=K + 1, n_threads=job.threads)
    job.start()
    model.learn()
    _hand_over(job, model.W)


def implicit(job: Job, kind: str) -> None:
    from implicit.nearest_neighbours import BM25Recommender, CosineRecommender

    model = (
        CosineRecommender(K=K + 1, num_threads=job.threads)
        if kind == "cosine"
        else BM25Recommender(K=K + 1, K1=K1, B=B, num_threads=job.threads)
    )
    train = job.train
    job.start()
    model.fit(train, show_progress=False)
    _hand_over(job, model.similarity)


def rusket(job: Job, kind: str) -> None:
    """Its cosine divides the rows by their norms; items are compared by giving it columns of norm 1 and asking for plain products."""
    import scipy.sparse as sp
    from rusket import ItemKNN

    train = job.train
    job.start()
    if kind == "cosine":
        norms = np.sqrt(np.asarray(train.multiply(train).sum(axis=0)).ravel())
        model = ItemKNN(method="count", k=K).fit(sp.csr_matrix(train @ sp.diags(1 / np.maximum(norms, 1e-12)), dtype=np.float32))
    else:
        model = ItemKNN(method="bm25", k=K, bm25_k1=K1, bm25_b=B).fit(train)
    n = train.shape[1]
    _hand_over(job, sp.csr_matrix((model.w_data, model.w_indices, model.w_indptr), (n, n)))


_PEERS = {
    "cosine": {"similaripy": similaripy, "rusket": rusket, "irspack": irspack, "implicit": implicit, "minirec-numpy": minirec},
    "bm25": {"similaripy": similaripy, "rusket": rusket, "irspack": irspack, "implicit": implicit},
    "rp3beta": {"similaripy": similaripy, "irspack": irspack},
}
TASKS = [
    Task(
        f"neighbours-{kind}",
        f"{label} neighbours, k = {K}",
        ("ml-1m", "syn5m"),
        {name: partial(side, kind=kind) for name, side in ({"minirec": minirec} | _PEERS[kind]).items()},
        "fit",
    )
    for kind, label in (("cosine", "Cosine"), ("bm25", "BM25"), ("rp3beta", "RP3beta"))
]

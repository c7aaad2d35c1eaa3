# mypy: disable-error-code="import-not-found,import-untyped"
"""LightGCN as published: 3 layers, 64 factors, batches of 2,048 pairs with one uniform negative each, Adam at .001, L2 .0001.

Both sides begin at the same embeddings and take the same samples, so the losses of their epochs (means over the steps) must agree.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..job import Arrays, Job
from ..task import Task

FACTORS, LAYERS, BATCH, RATE, DECAY, INIT_STD = 64, 3, 2048, 1e-3, 1e-4, 0.1
EPOCHS = 10


def samples(folder: Path) -> None:
    """The embeddings to begin with and, for each epoch, all pairs in random order with a negative each: (epochs, 3, pairs), int32."""
    from scipy.sparse import load_npz

    if (folder / "lightgcn-samples.npy").exists():
        return
    rng, x = np.random.default_rng(0), load_npz(folder / "train.npz").tocoo()
    n_users, n_items = x.shape
    pairs = np.sort(x.row.astype(np.int64) * n_items + x.col)
    out = np.empty((EPOCHS, 3, len(pairs)), np.int32)
    for epoch in out:
        order = rng.permutation(len(pairs))
        for start in range(0, len(order), BATCH):  # as minirec's batches are: ascending within each
            order[start : start + BATCH].sort()
        users, positives = np.divmod(pairs[order], n_items)
        negatives = rng.integers(0, n_items, len(pairs))
        again = np.arange(len(pairs))
        while len(again):  # those that their users have
            drawn = users[again] * n_items + negatives[again]
            again = again[pairs[np.minimum(np.searchsorted(pairs, drawn), len(pairs) - 1)] == drawn]
            negatives[again] = rng.integers(0, n_items, len(again))
        epoch[:] = users, positives, negatives
    np.save(folder / "lightgcn-users.npy", (INIT_STD * rng.standard_normal((n_users, FACTORS))).astype(np.float32))
    np.save(folder / "lightgcn-items.npy", (INIT_STD * rng.standard_normal((n_items, FACTORS))).astype(np.float32))
    np.save(folder / "lightgcn-samples.npy", out)


def _losses(epochs: list[list[float]]) -> Arrays:
    return {f"loss of epoch {number}": np.float64(np.mean(epochs[number - 1])) for number in (1, len(epochs))}


def minirec_lightgcn(job: Job) -> None:
    from minirec import LightGCN
    from minirec.engine.backend import one_blas_thread, resolve
    from minirec.engine.graph.convolution import Convolution
    from minirec.engine.nn.autodiff import Tensor
    from minirec.engine.nn.optimizers import Adam
    from minirec.engine.sparse import CSR
    from minirec.models.graphs.convolved import Batch

    model = LightGCN(factors=FACTORS, layers=LAYERS, loss="bpr", regularization=DECAY)
    model.backend_ = resolve()
    events = CSR.from_scipy(job.train)
    users, items = (np.array(job.array(f"lightgcn-{side}")) for side in ("users", "items"))
    found: list[list[float]] = []
    with one_blas_thread():
        job.start()
        tables = Tensor(users), Tensor(items)
        graph, adam = Convolution(events, LAYERS, model.backend_), Adam(tables, RATE)
        for epoch in job.array("lightgcn-samples"):
            found.append([])
            for start in range(0, epoch.shape[1], BATCH):
                owners, positives, negatives = np.ascontiguousarray(epoch[:, start : start + BATCH])
                batch = Batch(owners, positives, negatives, np.ones(len(owners), np.float32))
                loss, gradients = model._step(graph, events, users, items, batch)
                for table, gradient in zip(tables, gradients, strict=True):
                    table.grad = gradient
                adam.step()
                found[-1].append(loss)
            job.lap(lambda: _losses(found))


def torch_lightgcn(job: Job) -> None:
    """What gusye1234/LightGCN-PyTorch computes: its COO adjacency matrix, which is no slower here than a CSR one. Drawing is not timed."""
    import torch
    from scipy.sparse import bmat, diags

    torch.set_num_threads(job.threads)
    x = job.train.tocsr()
    n_users = x.shape[0]
    graph = bmat([[None, x], [x.T, None]], format="csr")
    scale = diags(1 / np.sqrt(np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1)))
    graph = (scale @ graph @ scale).tocoo().astype(np.float32)
    places = torch.from_numpy(np.stack([graph.row, graph.col]).astype(np.int64))
    adjacency = torch.sparse_coo_tensor(places, torch.from_numpy(graph.data), graph.shape).coalesce()
    embeddings = torch.nn.Parameter(torch.from_numpy(np.concatenate([job.array(f"lightgcn-{side}") for side in ("users", "items")])))
    adam = torch.optim.Adam([embeddings], lr=RATE)
    found: list[list[float]] = []
    job.start()
    for epoch in job.array("lightgcn-samples"):
        found.append([])
        for start in range(0, epoch.shape[1], BATCH):
            users, positives, negatives = epoch[:, start : start + BATCH].astype(np.int64)
            rows = [torch.from_numpy(part) for part in (users, positives + n_users, negatives + n_users)]
            layers = [embeddings]
            for _ in range(LAYERS):
                layers.append(torch.sparse.mm(adjacency, layers[-1]))
            z = torch.stack(layers).mean(dim=0)
            u, i, j = (z[part] for part in rows)
            loss = torch.nn.functional.softplus((u * (j - i)).sum(dim=1)).mean()
            loss = loss + DECAY / 2 * sum(embeddings[part].pow(2).sum() for part in rows) / len(users)
            adam.zero_grad()
            loss.backward()
            adam.step()
            found[-1].append(loss.item())
        job.lap(lambda: _losses(found))


TASKS = [
    Task(
        "lightgcn-epochs",
        f"LightGCN, {LAYERS} layers, {FACTORS} factors, {EPOCHS} epochs of batches of {BATCH}",
        ("gowalla",),
        {"minirec": minirec_lightgcn, "torch": torch_lightgcn},
        "epoch",
        judge="given",
        prepare=samples,
        warm_up=False,
    )
]

# mypy: disable-error-code="import-not-found,import-untyped"
"""LightGCN as published: 3 layers, 64 factors, batches of 2,048 pairs with one uniform negative each, Adam at .001, L2 .0001."""

from __future__ import annotations

import numpy as np

from ..job import Arrays, Job, factors
from ..task import Task
from .common import dataset, on_lap

FACTORS, LAYERS, BATCH, RATE, DECAY, INIT_STD = 64, 3, 2048, 1e-3, 1e-4, 0.1
EPOCHS = 2


def minirec_lightgcn(job: Job) -> None:
    from minirec import LightGCN

    train = dataset(job.train)
    model = LightGCN(
        factors=FACTORS, layers=LAYERS, loss="bpr", batch_size=BATCH, learning_rate=RATE, regularization=DECAY, damping=0.0,
        iterations=EPOCHS, validation_share=0.0, seed=0,
    )  # fmt: skip
    job.start()
    model.fit(train, callback=on_lap(job))


def torch_lightgcn(job: Job) -> None:
    """What gusye1234/LightGCN-PyTorch computes, with a CSR adjacency matrix, which is faster on a CPU than the COO one that it has.

    Negatives are drawn for a whole batch at once: its own sampler, a Python loop over the users, would cost more than the training.
    """
    import torch
    from scipy.sparse import bmat, diags

    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    rng, x = np.random.default_rng(0), job.train.tocsr()
    n_users, n_items = x.shape
    graph = bmat([[None, x], [x.T, None]], format="csr")
    scale = diags(1 / np.sqrt(np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1)))
    graph = (scale @ graph @ scale).tocsr().astype(np.float32)
    adjacency = torch.sparse_csr_tensor(
        torch.from_numpy(graph.indptr.astype(np.int64)), torch.from_numpy(graph.indices.astype(np.int64)), torch.from_numpy(graph.data),
        size=graph.shape,
    )  # fmt: skip
    embeddings = torch.nn.Parameter(torch.randn(n_users + n_items, FACTORS) * INIT_STD)
    adam = torch.optim.Adam([embeddings], lr=RATE)
    coo = x.tocoo()
    pairs = np.sort(coo.row.astype(np.int64) * n_items + coo.col)

    def convolved() -> torch.Tensor:
        layers = [embeddings]
        for _ in range(LAYERS):
            layers.append(adjacency @ layers[-1])
        return torch.stack(layers).mean(dim=0)

    def vectors() -> Arrays:
        with torch.no_grad():
            z = convolved().numpy()
        return factors(z[:n_users], z[n_users:])()

    job.start()
    for _ in range(EPOCHS):
        order = rng.permutation(len(pairs))
        for start in range(0, len(order), BATCH):
            users, positives = np.divmod(pairs[order[start : start + BATCH]], n_items)
            negatives = rng.integers(0, n_items, len(users))
            while len(held := np.flatnonzero(np.isin(users * n_items + negatives, pairs, kind="sort"))):
                negatives[held] = rng.integers(0, n_items, len(held))
            rows = [torch.from_numpy(part) for part in (users, positives + n_users, negatives + n_users)]
            z = convolved()
            u, i, j = (z[part] for part in rows)
            loss = torch.nn.functional.softplus((u * (j - i)).sum(dim=1)).mean()
            loss = loss + DECAY / 2 * sum(embeddings[part].pow(2).sum() for part in rows) / len(users)
            adam.zero_grad()
            loss.backward()
            adam.step()
        job.lap(vectors)


TASKS = [
    Task(
        "lightgcn-epoch",
        f"LightGCN, {LAYERS} layers, {FACTORS} factors, batches of {BATCH}",
        ("ml-1m", "gowalla"),
        {"minirec": minirec_lightgcn, "torch": torch_lightgcn},
        "epoch",
        threads=(2,),
    )
]

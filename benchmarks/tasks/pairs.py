# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-call,misc"
"""NeuMF with 64 factors, a tower of 128 and 64, and 4 negatives an event, Adam at .001: the settings of its published row.

Batches are of 1,024 events, as in that row, or of 51: with their negatives 255 samples, about the 256 of the authors' code. The same
network, loss, batches and distribution of the negatives on both sides; PyTorch looks the rows up and concatenates them, as the authors'
code does. minirec's Adam moves the rows of tables that a batch has; of PyTorch's optimizers each batch size has the fastest over some
hundred steps on one thread: fused dense Adam for large batches (21 ms a step; with SparseAdam for the tables 27), SparseAdam for small
ones (2.1 ms a step; fused 2.7).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ..job import Array, Job
from ..task import Task
from .common import dataset, lists

EPOCHS = 2
FACTORS, NEGATIVES, RATE, SCALE = 64, 4, 1e-3, 0.01
BATCH, SMALL = 1024, 51  # events
K, JUDGED = 10, 2000  # of the first users all items are ranked


def minirec_neumf(job: Job, batch: int) -> None:
    import minirec as mr

    train, users = dataset(job.train), list(range(min(JUDGED, job.train.shape[0])))
    model = mr.NeuMF(
        factors=FACTORS, layers=2, negatives=NEGATIVES, batch_size=batch, learning_rate=RATE, iterations=EPOCHS, validation_share=0.0
    )
    job.start()
    model.fit(train, callback=lambda model, _: job.lap(lambda: {"lists": lists(model.recommend(users, k=K), K)}))


def torch_neumf(job: Job, batch: int, sparse: bool) -> None:
    import torch

    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    nn = torch.nn
    rng, (n_users, n_items) = np.random.default_rng(0), job.train.shape
    x = job.train.tocoo()
    has = np.zeros((n_users, n_items), bool)
    has[x.row, x.col] = True

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            shapes = [(n, width * FACTORS) for width in (1, 2) for n in (n_users, n_items)]
            self.tables = nn.ModuleList([nn.Embedding(*shape, sparse=sparse) for shape in shapes])
            for table in self.tables:
                nn.init.normal_(table.weight, std=SCALE)
            self.first, self.second = nn.Linear(4 * FACTORS, 2 * FACTORS), nn.Linear(2 * FACTORS, FACTORS)
            self.top = nn.Linear(2 * FACTORS, 1)
            for layer in (self.first, self.second, self.top):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

        def forward(self, users: Any, items: Any) -> Any:
            p, q, u, i = (table(rows) for table, rows in zip(self.tables, (users, items, users, items), strict=True))
            z = torch.relu(self.second(torch.relu(self.first(torch.cat([u, i], dim=1)))))
            return self.top(torch.cat([p * q, z], dim=1))[:, 0]

    network = Network()
    layers = [tensor for layer in (network.first, network.second, network.top) for tensor in layer.parameters()]
    adams = [torch.optim.Adam(layers if sparse else network.parameters(), lr=RATE, fused=True)]
    if sparse:
        adams.append(torch.optim.SparseAdam(list(network.tables.parameters()), lr=RATE))

    def batches() -> Iterator[tuple[Array, Array]]:
        """Users and items (events, 1 + negatives), the event first."""
        order = rng.permutation(x.nnz)
        for at in range(0, len(order), batch):
            events = np.sort(order[at : at + batch])
            users, negatives = x.row[events][:, None], rng.integers(0, n_items, (len(events), NEGATIVES))
            again = np.argwhere(has[users, negatives])
            while len(again):  # those that their users have
                rows, columns = again.T
                negatives[rows, columns] = rng.integers(0, n_items, len(again))
                again = again[has[users[rows, 0], negatives[rows, columns]]]
            items = np.column_stack((x.col[events], negatives))
            yield np.broadcast_to(users, items.shape), items

    def found() -> dict[str, Array]:
        table = np.empty((min(JUDGED, n_users), K), np.int32)
        items = torch.arange(n_items)
        with torch.no_grad():
            for user, row in enumerate(table):
                scores = network(torch.full((n_items,), user), items).numpy()
                row[:] = np.argsort(np.where(has[user], -np.inf, scores))[: -K - 1 : -1]
        return {"lists": table}

    job.start()
    for _ in range(EPOCHS):
        for users, items in batches():
            wanted = torch.zeros(users.shape)
            wanted[:, 0] = 1
            logits = network(torch.from_numpy(users.astype(np.int64).ravel()), torch.from_numpy(items.astype(np.int64).ravel()))
            loss = nn.functional.binary_cross_entropy_with_logits(logits, wanted.ravel())
            for adam in adams:
                adam.zero_grad()
            loss.backward()
            for adam in adams:
                adam.step()
        job.lap(found)


TASKS = [
    Task(
        f"neumf-epoch{suffix}",
        f"NeuMF, {FACTORS} factors, batches of {batch:,} events with {NEGATIVES} negatives each",
        ("ml-1m",),
        {"minirec": partial(minirec_neumf, batch=batch), "torch": partial(torch_neumf, batch=batch, sparse=batch == SMALL)},
        "epoch",
        warm_up=False,
    )
    for suffix, batch in (("", BATCH), ("-small", SMALL))
]

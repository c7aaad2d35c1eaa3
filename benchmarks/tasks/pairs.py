# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-call,misc"
"""NeuMF, the settings of its published row: 64 factors, a tower of 128 and 64, batches of 1,024 events with 4 negatives each, Adam at .001.

The same network, loss, samples and batches on both sides; PyTorch looks the rows up and concatenates them, as the authors' code does.
Its Adam is the fused dense one: over the first hundreds of batches on MovieLens-1M it was faster than the one that loops over
parameters, and than SparseAdam for the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..job import Array, Job
from ..task import Task
from .common import dataset, lists

EPOCHS = 2
FACTORS, BATCH, NEGATIVES, RATE, SCALE = 64, 1024, 4, 1e-3, 0.01
K, JUDGED = 10, 2000  # of the first users all items are ranked


def minirec_neumf(job: Job) -> None:
    import minirec as mr

    train, users = dataset(job.train), list(range(min(JUDGED, job.train.shape[0])))
    model = mr.NeuMF(
        factors=FACTORS, layers=2, negatives=NEGATIVES, batch_size=BATCH, learning_rate=RATE, iterations=EPOCHS, validation_share=0.0
    )
    job.start()
    model.fit(train, callback=lambda model, _: job.lap(lambda: {"lists": lists(model.recommend(users, k=K), K)}))


def torch_neumf(job: Job, optimizer: str = "fused") -> None:
    import torch

    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    nn = torch.nn
    rng, (n_users, n_items) = np.random.default_rng(0), job.train.shape
    x = job.train.tocoo()
    has = np.zeros((n_users, n_items), bool)
    has[x.row, x.col] = True
    sparse = optimizer == "sparse"

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = nn.ModuleList(
                [nn.Embedding(n, d, sparse=sparse) for n, d in ((n_users, FACTORS), (n_items, FACTORS), (n_users, 2 * FACTORS), (n_items, 2 * FACTORS))]
            )
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
    adams = [torch.optim.Adam(network.parameters(), lr=RATE, fused=optimizer == "fused", foreach=optimizer == "foreach")]
    if sparse:
        dense = [*network.first.parameters(), *network.second.parameters(), *network.top.parameters()]
        adams = [torch.optim.SparseAdam(list(network.tables.parameters()), lr=RATE), torch.optim.Adam(dense, lr=RATE, fused=True)]

    def batches() -> Iterator[tuple[Array, Array]]:
        """Users and items (events, 1 + negatives), the event first."""
        order = rng.permutation(x.nnz)
        for at in range(0, len(order), BATCH):
            events = np.sort(order[at : at + BATCH])
            users, items = np.repeat(x.row[events][:, None], 1 + NEGATIVES, axis=1), rng.integers(0, n_items, (len(events), 1 + NEGATIVES))
            items[:, 0] = x.col[events]
            again = np.argwhere(has[users[:, 1:], items[:, 1:]]) + (0, 1)
            while len(again):  # those that their users have
                rows, columns = again.T
                items[rows, columns] = rng.integers(0, n_items, len(again))
                again = again[has[users[rows, columns], items[rows, columns]]]
            yield users, items

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
            logits = network(torch.from_numpy(users.ravel().astype(np.int64)), torch.from_numpy(items.ravel()))
            loss = nn.functional.binary_cross_entropy_with_logits(logits, wanted.ravel())
            for adam in adams:
                adam.zero_grad()
            loss.backward()
            for adam in adams:
                adam.step()
        job.lap(found)


TASKS = [
    Task(
        "neumf-epoch",
        f"NeuMF, {FACTORS} factors, batches of {BATCH} events with {NEGATIVES} negatives each",
        ("ml-1m",),
        {"minirec": minirec_neumf, "torch": torch_neumf},
        "epoch",
        warm_up=False,
    ),
]

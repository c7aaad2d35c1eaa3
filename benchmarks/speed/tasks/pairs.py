# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-call,misc"
"""NeuMF with 4 negatives an event and Adam at .001, of two sizes.

Large: 64 factors, a tower of 128 and 64, batches of 1,024 events, as in its published row. Small: what the authors' code does unless told
otherwise (hexiangnan/neural_collaborative_filtering), 8 factors, a tower of 32, 16 and 8 over embeddings of 32, batches of 256 samples:
here of 51 events, with their negatives 255. The same network, loss, batches and distribution of the negatives on both sides; PyTorch
looks the rows up and concatenates them, as the authors' code does. minirec's Adam moves the rows of tables that a batch has; of PyTorch's
optimizers the fastest over some hundred steps on one thread is taken, fused dense Adam (21 ms a large step, 1.0 a small one; with
SparseAdam for the tables 27 and 1.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..job import Array, Job
from ..task import Task
from .common import dataset, lists

EPOCHS = 2
NEGATIVES, RATE, SCALE = 4, 1e-3, 0.01
K, JUDGED = 10, 2000  # of the first users all items are ranked


class Size(NamedTuple):
    """factors, layers : of `minirec.NeuMF`. batch : events of a step."""

    factors: int
    layers: int
    batch: int

    @property
    def widths(self) -> list[int]:
        """Of the embeddings of the tower, and of its layers."""
        return [self.factors << halvings for halvings in range(self.layers - 1, -1, -1)]


LARGE, SMALL = Size(64, 2, 1024), Size(8, 3, 51)


def minirec_neumf(job: Job, size: Size) -> None:
    import minirec as mr

    train, users = dataset(job.train), list(range(min(JUDGED, job.train.shape[0])))
    model = mr.NeuMF(
        factors=size.factors, layers=size.layers, negatives=NEGATIVES, batch_size=size.batch, learning_rate=RATE, iterations=EPOCHS,
        validation_share=0.0,
    )  # fmt: skip
    job.start()
    model.fit(train, callback=lambda model, _: job.lap(lambda: {"lists": lists(model.recommend(users, k=K), K)}))


def torch_neumf(job: Job, size: Size) -> None:
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
            widths = size.widths
            self.tables = nn.ModuleList([nn.Embedding(n, width) for width in (size.factors, widths[0]) for n in (n_users, n_items)])
            for table in self.tables:
                nn.init.normal_(table.weight, std=SCALE)
            shapes = zip((2 * widths[0], *widths), widths, strict=False)
            self.layers = nn.ModuleList([nn.Linear(inputs, outputs) for inputs, outputs in shapes])
            self.top = nn.Linear(2 * size.factors, 1)
            for layer in (*self.layers, self.top):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

        def forward(self, users: Any, items: Any) -> Any:
            p, q, u, i = (table(rows) for table, rows in zip(self.tables, (users, items, users, items), strict=True))
            z = torch.cat([u, i], dim=1)
            for layer in self.layers:
                z = torch.relu(layer(z))
            return self.top(torch.cat([p * q, z], dim=1))[:, 0]

    network = Network()
    adam = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)

    def batches() -> Iterator[tuple[Array, Array]]:
        """Users and items (events, 1 + negatives), the event first."""
        order = rng.permutation(x.nnz)
        for at in range(0, len(order), size.batch):
            events = np.sort(order[at : at + size.batch])
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
            adam.zero_grad()
            loss.backward()
            adam.step()
        job.lap(found)


TASKS = [
    Task(
        f"neumf-epoch{suffix}",
        f"NeuMF, {size.factors} factors, batches of {size.batch:,} events with {NEGATIVES} negatives each",
        ("ml-1m",),
        {"minirec": partial(minirec_neumf, size=size), "torch": partial(torch_neumf, size=size)},
        "epoch",
        warm_up=False,
    )
    for suffix, size in (("", LARGE), ("-small", SMALL))
]

# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-call,misc"
"""MultVAE on users that are not in train, with the settings of the better of its published rows, and the same in a plain PyTorch script.

Layers of 600, 200, 600, dropout .5, batches of 100 users, 40 epochs, Adam at .001, the weight of the KL term up to .2 over 1,000 steps.
PyTorch gets dense rows of histories, as the authors' code makes them. Each side fits with SEEDS seeds; the lists of all are judged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data import STRONG
from ..job import Arrays, Job
from ..task import Task
from .common import dataset, lists

EPOCHS, SEEDS, K = 40, 3, 100
FACTORS, HIDDEN, BETA, ANNEAL, DROPOUT, RATE, BATCH = 200, 600, 0.2, 1000, 0.5, 1e-3, 100


def _shown(job: Job) -> Any:
    from scipy.sparse import load_npz

    return load_npz(job.file("shown.npz"))


def _handed(tables: list[NDArray[np.int32]]) -> Arrays:
    return {"lists": np.stack(tables)}


def minirec_multvae(job: Job) -> None:
    import minirec as mr

    train, shown, found = dataset(job.train), _shown(job), []
    histories = [part.tolist() for part in np.split(shown.indices, shown.indptr[1:-1])]
    job.start()
    for seed in range(SEEDS):
        model = mr.MultVAE(
            factors=FACTORS, hidden=HIDDEN, beta=BETA, anneal_steps=ANNEAL, dropout=DROPOUT, learning_rate=RATE, batch_size=BATCH,
            iterations=EPOCHS, validation_share=0.0, seed=seed,
        )  # fmt: skip
        model.fit(train)
        found.append(lists(model.recommend(history=histories, k=K), K))
        job.lap(lambda: _handed(found))


def torch_multvae(job: Job) -> None:
    import torch

    torch.set_num_threads(job.threads)
    nn, (n, n_items) = torch.nn, job.train.shape
    train, shown, found = torch.from_numpy(job.train.toarray()), torch.from_numpy(_shown(job).toarray()), []

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.mean, self.log_variance = nn.Linear(n_items, HIDDEN), nn.Linear(HIDDEN, FACTORS), nn.Linear(HIDDEN, FACTORS)
            self.last, self.items = nn.Linear(FACTORS, HIDDEN), nn.Linear(HIDDEN, n_items)
            for layer in (self.first, self.mean, self.log_variance, self.last, self.items):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

        def forward(self, x: Any) -> Any:
            x = nn.functional.dropout(nn.functional.normalize(x), DROPOUT, self.training)
            hidden = torch.tanh(self.first(x))
            mean, log_variance = self.mean(hidden), self.log_variance(hidden)
            z = mean + torch.randn_like(mean) * torch.exp(log_variance / 2) if self.training else mean
            divergence = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(dim=1).mean()
            return self.items(torch.tanh(self.last(z))), divergence

    job.start()
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        network = Network()
        adam, step = torch.optim.Adam(network.parameters(), lr=RATE, fused=True), 0
        for _ in range(EPOCHS):
            for rows in torch.randperm(n).split(BATCH):
                step += 1
                x = train[rows]
                logits, divergence = network(x)
                loss = -(torch.log_softmax(logits, dim=1) * x).sum(dim=1).mean() + BETA * min(1.0, step / ANNEAL) * divergence
                adam.zero_grad()
                loss.backward()
                adam.step()
        network.eval()
        with torch.no_grad():
            scores = network(shown)[0].masked_fill(shown > 0, -torch.inf)
        found.append(scores.topk(K, dim=1).indices.numpy().astype(np.int32))
        job.lap(lambda: _handed(found))


TASKS = [
    Task(
        "multvae",
        f"MultVAE, {EPOCHS} epochs of batches of {BATCH} users, judged on users that are not in train, {SEEDS} seeds",
        (STRONG,),
        {"minirec": minirec_multvae, "torch": torch_multvae},
        "fit",
        judge="strong",
        warm_up=False,
    )
]

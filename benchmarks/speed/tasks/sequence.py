# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-call,misc,no-any-return"
"""Sequence models: SASRec and GRU4Rec, the same network, loss, batch and optimizer in a plain PyTorch script.

SASRec: item vectors times sqrt(d), blocks that normalise first, learned places, dropout .2, feed-forward layers as wide as d. The loss is
the softmax over the next item and 256 uniform items that a batch shares; batches are of 128 users, Adam at .001. PyTorch gets padded
batches and its fused attention; logits are made for places that are no padding alone. Both train on all of train; what is judged is the
held-out last event of each user. For the seconds to a quality that is the last event but one, and the last is not in the data: it is for
the published rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from ..job import Array, Arrays, Job, factors
from ..task import Goal, Task

EPOCHS, UNTIL, EACH = 4, 48, 4  # of a task of epochs, of one to a quality, and after how many of those it is judged
FACTORS, BATCH, NEGATIVES, RATE, DROPOUT = 64, 128, 256, 1e-3, 0.2
LAYERS, HEADS = 2, 1
HIDDEN = 128  # of the recurrent network
LENGTHS = {"beauty": 50, "beauty-validation": 50, "ml-1m-order": 200}


def _length(job: Job) -> int:
    return LENGTHS[job.folder.name]


def _minirec(job: Job, name: str, epochs: int, **settings: Any) -> None:
    import minirec as mr

    items, ends = job.array("sequence-items"), job.array("sequence-ends")
    users = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    train = mr.Dataset.from_arrays(users, items, times=np.arange(len(items)))
    model = getattr(mr, name)(
        factors=FACTORS, max_length=_length(job), loss="sampled", negatives=NEGATIVES, dropout=DROPOUT, learning_rate=RATE,
        batch_size=BATCH, iterations=epochs, validation_share=0.0, **settings,
    )  # fmt: skip
    done = count(1)
    job.start()
    model.fit(train, callback=lambda model, _: job.lap(_judged(next(done), epochs, lambda: factors_of(model)())))


def _judged(epoch: int, epochs: int, vectors: Callable[[], Arrays]) -> Callable[[], Arrays] | None:
    """What to hand over after an epoch."""
    return vectors if epoch == epochs or (epochs == UNTIL and epoch % EACH == 0) else None


def factors_of(model: Any) -> Callable[[], Arrays]:
    """The vectors in the rows of the prepared data: minirec orders items by their first appearance in the ids given."""
    users, items = model.user_vectors(), model.item_vectors()
    table = np.zeros((max(model.items_.ids(np.arange(len(items), dtype=np.int32))) + 1, items.shape[1]), np.float32)
    table[model.items_.ids(np.arange(len(items), dtype=np.int32))] = items
    return factors(users, table)


def minirec_sasrec(job: Job, epochs: int = EPOCHS) -> None:
    _minirec(job, "SASRec", epochs, layers=LAYERS, heads=HEADS, block="pre")


def minirec_gru4rec(job: Job, epochs: int = EPOCHS) -> None:
    _minirec(job, "GRU4Rec", epochs, hidden=HIDDEN)


def _padded(job: Job, length: int) -> tuple[Array, Array]:
    """The last places of each user, to the right in (users, length), 0 for padding and items from 1; inputs of training end one earlier."""
    items, ends = job.array("sequence-items"), job.array("sequence-ends")
    table = np.zeros((len(ends), length + 1), np.int64)
    start = 0
    for user, end in enumerate(ends):
        some = items[max(start, end - length - 1) : end] + 1
        table[user, length + 1 - len(some) :] = some
        start = end
    return table[:, :-1], table[:, 1:]


def _torch(job: Job, build: Any, epochs: int) -> None:
    import torch

    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    rng, n_items, length = np.random.default_rng(0), job.train.shape[1], _length(job)
    inputs, targets = _padded(job, length)
    network = build(torch, n_items, length)
    adam = torch.optim.Adam(network.parameters(), lr=RATE)
    whole = np.flatnonzero((inputs > 0).any(axis=1))

    def vectors() -> Any:
        network.eval()
        with torch.no_grad():
            parts = [network(torch.from_numpy(targets[at : at + 512]))[:, -1].numpy() for at in range(0, len(targets), 512)]
        network.train()
        return factors(np.concatenate(parts), network.items.weight.detach().numpy()[1:])()

    def batches() -> Iterator[Array]:
        order = rng.permutation(whole)
        for at in range(0, len(order), BATCH):
            yield order[at : at + BATCH]

    job.start()
    for epoch in range(1, epochs + 1):
        for rows in batches():
            x, y = torch.from_numpy(inputs[rows]), torch.from_numpy(targets[rows])
            real = x > 0
            hidden, wanted = network(x)[real], y[real]
            negatives = torch.from_numpy(rng.integers(1, n_items + 1, NEGATIVES))
            table = network.items.weight
            positive = (hidden * table[wanted]).sum(dim=1, keepdim=True)
            others = hidden @ table[negatives].T
            others = others.masked_fill(wanted[:, None] == negatives[None, :], -torch.inf)
            logits = torch.cat([positive, others], dim=1)
            loss = torch.nn.functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))
            adam.zero_grad()
            loss.backward()
            adam.step()
        job.lap(_judged(epoch, epochs, vectors))


def torch_sasrec(job: Job, epochs: int = EPOCHS) -> None:
    def build(torch: Any, n_items: int, length: int) -> Any:
        nn = torch.nn

        class Block(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.project, self.out = nn.Linear(FACTORS, 3 * FACTORS), nn.Linear(FACTORS, FACTORS)
                self.norms = nn.ModuleList([nn.LayerNorm(FACTORS), nn.LayerNorm(FACTORS)])
                self.wide = nn.Sequential(nn.Linear(FACTORS, FACTORS), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(FACTORS, FACTORS))
                self.dropout = nn.Dropout(DROPOUT)

            def forward(self, x: Any, mask: Any) -> Any:
                n, length, _ = x.shape
                q, k, v = self.project(self.norms[0](x)).reshape(n, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
                mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=DROPOUT if self.training else 0.0)
                x = x + self.dropout(self.out(mixed.transpose(1, 2).reshape(n, length, FACTORS)))
                return x + self.wide(self.norms[1](x))

        class Network(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.items, self.places = nn.Embedding(n_items + 1, FACTORS, padding_idx=0), nn.Embedding(length, FACTORS)
                self.blocks = nn.ModuleList([Block() for _ in range(LAYERS)])
                self.norm, self.dropout = nn.LayerNorm(FACTORS), nn.Dropout(DROPOUT)
                nn.init.normal_(self.items.weight, std=0.02)
                nn.init.normal_(self.places.weight, std=0.02)
                self.register_buffer("causal", torch.ones(length, length, dtype=torch.bool).tril())

            def forward(self, x: Any) -> Any:
                real = x > 0
                mask = (self.causal & real[:, None, :]) | torch.eye(length, dtype=torch.bool)
                z = self.dropout(FACTORS**0.5 * self.items(x) + self.places.weight)
                for block in self.blocks:
                    z = block(z, mask[:, None])
                return self.norm(z)

        return Network()

    _torch(job, build, epochs)


def torch_gru4rec(job: Job, epochs: int = EPOCHS) -> None:
    def build(torch: Any, n_items: int, length: int) -> Any:
        nn = torch.nn

        class Network(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.items = nn.Embedding(n_items + 1, FACTORS, padding_idx=0)
                self.recurrent = nn.GRU(FACTORS, HIDDEN, batch_first=True)
                self.out, self.dropout = nn.Linear(HIDDEN, FACTORS), nn.Dropout(DROPOUT)
                nn.init.normal_(self.items.weight, std=0.02)

            def forward(self, x: Any) -> Any:
                """Packed as PyTorch can: sequences to the left, sorted within; padding costs nothing but the copies."""
                lengths = (x > 0).sum(dim=1)
                left = torch.zeros_like(x)
                for row, n in enumerate(lengths.tolist()):
                    left[row, :n] = x[row, length - n :]
                packed = nn.utils.rnn.pack_padded_sequence(
                    self.dropout(self.items(left)), lengths.clamp(min=1), batch_first=True, enforce_sorted=False
                )
                states, _ = nn.utils.rnn.pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=length)
                back = (torch.arange(length) - (length - lengths[:, None])).clamp(min=0)
                return self.out(self.dropout(torch.gather(states, 1, back[:, :, None].expand(-1, -1, HIDDEN))))

        return Network()

    _torch(job, build, epochs)


_SASREC = f"SASRec, {LAYERS} blocks, {FACTORS} factors, batches of {BATCH} users, sampled softmax"
_GRU4REC = f"GRU4Rec, {HIDDEN} wide, {FACTORS} factors, batches of {BATCH} users, sampled softmax"
_EPOCH = (
    ("sasrec", _SASREC, {"minirec": minirec_sasrec, "torch": torch_sasrec}, ("beauty", "ml-1m-order")),
    ("gru4rec", _GRU4REC, {"minirec": minirec_gru4rec, "torch": torch_gru4rec}, ("beauty",)),
)
TASKS = [
    *(Task(f"{name}-epoch", title, data, sides, "epoch") for name, title, sides, data in _EPOCH),
    *(
        Task(
            f"{name}-quality",
            f"{title}, until NDCG@10 of the last event but one is 95 % of the best of both in {UNTIL} epochs",
            ("beauty-validation",),
            {side: partial(work, epochs=UNTIL) for side, work in sides.items()},
            "run",
            goal=Goal("ndcg@10", share=0.95),
            threads=(2,),
            warm_up=False,
        )
        for name, title, sides, _ in _EPOCH
    ),
]
